//! Reads a stream of Server-Sent Events as EventStreams serves them: event after event, over as many connections as it
//! takes. The server ends each connection after a quarter of an hour; the next one goes on behind the last event, by
//! `Last-Event-ID`. What an event says is not looked at.

mod frames;

#[cfg(test)]
mod tests;

use crate::chance::jitter;
use crate::config::Agent;
use crate::error::LookupConfigError;
use crate::retry_after::retry_after_ms;
use crate::transport::{CallError, builder, told};
use bytes::Bytes;
use frames::{Frame, Frames};
use millrace_flow::clock::Clock;
use millrace_flow::retry::RetryPolicy;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// The longest id that is sent back: common servers take 8 KiB of headers.
const ID_BYTES_MAX: usize = 6 << 10;
/// How much is shown of what a server says when it refuses.
const REASON_BYTES_MAX: usize = 1_000;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Which events are read, and with what patience.
#[derive(Clone, Debug)]
pub struct EventSourceConfig {
    /// The address of the stream.
    pub url: String,
    /// Who asks.
    pub agent: Agent,
    /// Further authorities to trust, as PEM.
    pub ca_file: Option<PathBuf>,
    /// The id of the last event that is known: reading goes on behind it.
    pub last_event_id: Option<String>,
    /// Without such an id: the time to begin at, in milliseconds. None: now.
    pub since_ms: Option<u64>,
    /// The largest event, in bytes.
    pub event_bytes_max: usize,
    /// How long a connection may take to be made, and its answer to begin.
    pub connect: Duration,
    /// How long nothing at all may come, comments included, before the connection counts as broken.
    pub idle: Duration,
    /// The waits before connecting again, and after how many failures in a row it is given up.
    pub retry: RetryPolicy,
    /// The longest wait that the server may ask for, in milliseconds.
    pub retry_after_ms_max: u64,
}

impl EventSourceConfig {
    /// The events of `url` from now on.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            agent: Agent::default(),
            ca_file: None,
            last_event_id: None,
            since_ms: None,
            // The platform's largest messages have 10 MiB.
            event_bytes_max: 16 << 20,
            connect: Duration::from_secs(15),
            // Streams are quiet at times, and a server need not say so.
            idle: Duration::from_secs(300),
            retry: RetryPolicy { attempts_max: 10, base_ms: 1_000, cap_ms: 30_000 },
            retry_after_ms_max: 120_000,
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEvent {
    /// Where to go on behind it. None: the server has not said so yet.
    pub id: Option<Arc<str>>,
    /// What it holds: as a rule the JSON of an event.
    pub data: Bytes,
}

/// What comes next of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An event.
    Event(ServerEvent),
    /// The connection is over, as it is now and then; the next call makes another one.
    Interrupted {
        /// Why.
        reason: String,
        /// How long until then.
        wait: Duration,
    },
}

/// Why there is no more of a stream. The messages name no address: whoever asked knows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventSourceError {
    /// The server refuses, and would again.
    #[error("the server refuses with status {status}: {reason}")]
    Refused {
        /// The status.
        status: u16,
        /// What it says, cut.
        reason: String,
    },
    /// The server is somewhere else. Redirects are not followed.
    #[error("the server says that the stream is at `{location}` (status {status}); use that address")]
    Moved {
        /// The status.
        status: u16,
        /// Where it is.
        location: String,
    },
    /// What comes is no stream of events.
    #[error(
        "the server sends `{content_type}` in place of a stream of events (`text/event-stream`); check the address"
    )]
    NotEvents {
        /// What it says that it sends.
        content_type: String,
    },
    /// The server says that there is nothing more (status 204).
    #[error("the server says that there is nothing more (status 204)")]
    Over,
    /// An event is larger than it may be.
    #[error("an event has more than {bytes_max} bytes")]
    TooLarge {
        /// How large one may be.
        bytes_max: usize,
    },
    /// It failed so often that it was given up.
    #[error("no event came in {attempts} attempts; the last one: {reason}")]
    GivenUp {
        /// How many.
        attempts: u32,
        /// Why the last one failed.
        reason: String,
    },
}

/// A stream of events that is being read.
pub struct EventSource {
    config: EventSourceConfig,
    url: Url,
    client: Client,
    clock: Arc<dyn Clock>,
    id: Option<Arc<str>>,
    connection: Option<Connection>,
    /// Attempts without an event since the last one that brought some.
    failures: u32,
    /// When to connect again.
    due: Option<Instant>,
    /// What the server wants the first wait to be.
    retry_ms: Option<u64>,
}

struct Connection {
    response: Response,
    frames: Frames,
    rest: Bytes,
    since: Instant,
}

/// Why an attempt is over that may be made again, and the wait that the server asks for.
struct Passing {
    reason: String,
    wait_ms: Option<u64>,
}

impl Passing {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), wait_ms: None }
    }
}

enum Broken {
    Passing(Passing),
    Lasting(EventSourceError),
}

impl EventSource {
    /// A stream that is connected to with the first call of [`EventSource::next`].
    ///
    /// # Errors
    /// An address, an id or a file of authorities that cannot be used.
    pub fn new(config: EventSourceConfig, clock: Arc<dyn Clock>) -> Result<Self, LookupConfigError> {
        let wrong = |reason: String| LookupConfigError::Url { what: "stream", url: config.url.clone(), reason };
        let url = Url::parse(&config.url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("only http and https are spoken".to_owned()));
        }
        if config.last_event_id.as_deref().is_some_and(|id| !can_be_sent(id)) {
            return Err(LookupConfigError::Header { what: "the id of the last event" });
        }
        // A compressed stream comes when a block is full, not when an event is complete.
        let client = builder(&config.agent, config.ca_file.as_deref())?.gzip(false).connect_timeout(config.connect);
        let client = client.build().map_err(|error| LookupConfigError::Client { reason: error.to_string() })?;
        let id = config.last_event_id.as_deref().map(Arc::from);
        Ok(Self { config, url, client, clock, id, connection: None, failures: 0, due: None, retry_ms: None })
    }

    /// The next event, or what keeps it from coming for now. May be dropped while it waits: nothing is lost then.
    ///
    /// # Errors
    /// See [`EventSourceError`]; there is no point in another call after one.
    pub async fn next(&mut self) -> Result<Said, EventSourceError> {
        match self.advance().await {
            Ok(event) => Ok(Said::Event(event)),
            Err(Broken::Lasting(error)) => Err(error),
            Err(Broken::Passing(passing)) => self.put_off(passing),
        }
    }

    /// Whether a connection stands.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    async fn advance(&mut self) -> Result<ServerEvent, Broken> {
        loop {
            let Some(connection) = &mut self.connection else {
                if let Some(due) = self.due {
                    sleep_until(due).await;
                }
                self.due = None;
                self.connection = Some(self.connect().await?);
                continue;
            };
            let bytes_max = self.config.event_bytes_max;
            match connection.frames.next(&mut connection.rest) {
                Err(_too_large) => return Err(Broken::Lasting(EventSourceError::TooLarge { bytes_max })),
                Ok(Some(frame)) => {
                    if let Some(event) = self.take(frame) {
                        return Ok(event);
                    }
                }
                Ok(None) => connection.rest = connection.more(self.config.idle).await?,
            }
        }
    }

    /// Notes what a frame says about connecting again. None: it holds no event.
    fn take(&mut self, frame: Frame) -> Option<ServerEvent> {
        self.retry_ms = frame.retry_ms.or(self.retry_ms);
        if let Some(id) = frame.id {
            // One that no header can carry would lead to a place before this event, so the one before it stays.
            if id.is_empty() {
                self.id = None;
            } else if can_be_sent(&id) {
                self.id = Some(id.into());
            }
        }
        let data = frame.data.filter(|data| !data.is_empty())?;
        self.failures = 0;
        Some(ServerEvent { id: self.id.clone(), data })
    }

    /// Ends the connection and says when there will be another one.
    fn put_off(&mut self, passing: Passing) -> Result<Said, EventSourceError> {
        // A connection that stood for longer than the longest wait was none that failed: the stream is a quiet one.
        let stood = Duration::from_millis(self.config.retry.cap_ms);
        if self.connection.take().is_some_and(|connection| connection.since.elapsed() > stood) {
            self.failures = 0;
        }
        self.failures += 1;
        let Passing { reason, wait_ms: asked_ms } = passing;
        let first_ms = self.retry_ms.unwrap_or(self.config.retry.base_ms);
        let policy = RetryPolicy { base_ms: first_ms.min(self.config.retry.cap_ms), ..self.config.retry };
        let Some(wait_ms) = policy.delay_ms(self.failures, None, jitter()) else {
            return Err(EventSourceError::GivenUp { attempts: self.failures, reason });
        };
        let wait = Duration::from_millis(wait_ms.max(asked_ms.unwrap_or(0)));
        self.due = Some(Instant::now() + wait);
        Ok(Said::Interrupted { reason, wait })
    }

    async fn connect(&mut self) -> Result<Connection, Broken> {
        let mut url = self.url.clone();
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/event-stream"))]);
        if let Some(id) = self.id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        } else if let Some(since) = self.config.since_ms {
            url.query_pairs_mut().append_pair("since", &iso(since));
        }
        // Whatever happens before the first id is not missed by the next connection.
        self.config.since_ms.get_or_insert_with(|| self.clock.now_ms());
        let sending = timeout(self.config.connect, self.client.get(url).headers(headers).send());
        let response = match sending.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Broken::Passing(Passing::new(reason_of(told(error))))),
            Err(_elapsed) => return Err(Broken::Passing(Passing::new("no answer in time"))),
        };
        self.judge(response).await
    }

    /// Only a 200 with a stream of events is one.
    async fn judge(&self, response: Response) -> Result<Connection, Broken> {
        let status = response.status();
        let text =
            |name| response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        if status == StatusCode::OK {
            let content_type = text(CONTENT_TYPE).unwrap_or_default();
            if content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
            {
                let frames = Frames::new(self.config.event_bytes_max);
                return Ok(Connection { response, frames, rest: Bytes::new(), since: Instant::now() });
            }
            return Err(Broken::Lasting(EventSourceError::NotEvents { content_type }));
        }
        let code = status.as_u16();
        match status {
            StatusCode::NO_CONTENT => Err(Broken::Lasting(EventSourceError::Over)),
            status if status.is_redirection() => {
                let location = text(LOCATION).unwrap_or_default();
                Err(Broken::Lasting(EventSourceError::Moved { status: code, location }))
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(self.passing(&response)),
            status if status.is_server_error() => Err(self.passing(&response)),
            _ => {
                let reason = reason_in(response, self.config.connect).await;
                Err(Broken::Lasting(EventSourceError::Refused { status: code, reason }))
            }
        }
    }

    fn passing(&self, response: &Response) -> Broken {
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait_ms = asked.and_then(|text| retry_after_ms(text, self.clock.now_ms(), self.config.retry_after_ms_max));
        Broken::Passing(Passing { reason: format!("status {}", response.status().as_u16()), wait_ms })
    }
}

impl Connection {
    /// What comes next. A connection that ends is over for now, in the middle of an event too.
    async fn more(&mut self, idle: Duration) -> Result<Bytes, Broken> {
        match timeout(idle, self.response.chunk()).await {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => Err(Broken::Passing(Passing::new("the server closed the connection"))),
            Ok(Err(error)) => Err(Broken::Passing(Passing::new(reason_of(told(error))))),
            Err(_elapsed) => Err(Broken::Passing(Passing::new(format!("nothing came for {} s", idle.as_secs())))),
        }
    }
}

fn can_be_sent(id: &str) -> bool {
    id.len() <= ID_BYTES_MAX && HeaderValue::from_str(id).is_ok()
}

/// A time as the `since` of EventStreams takes it.
fn iso(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn reason_of(error: CallError) -> String {
    match error {
        CallError::Connect(reason) | CallError::Transport(reason) => reason,
        CallError::Timeout => "no answer in time".to_owned(),
        CallError::TooLarge { bytes_max } => format!("more than {bytes_max} bytes"),
    }
}

/// The first words of a refusal.
async fn reason_in(mut response: Response, patience: Duration) -> String {
    let mut body = Vec::new();
    let reading = async {
        // A refusal that cannot be read to its end is one all the same.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= REASON_BYTES_MAX {
                break;
            }
        }
    };
    let is_complete = timeout(patience, reading).await.is_ok();
    body.truncate(REASON_BYTES_MAX);
    let text = String::from_utf8_lossy(&body).trim().replace(|letter: char| letter.is_control(), " ");
    if text.is_empty() && is_complete { "it says nothing more".to_owned() } else { text }
}
