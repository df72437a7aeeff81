//! Writing to an event service: the HTTP interface of EventGate, which validates events and produces them to Kafka itself.
//! One call posts a batch of events; [`Posted`] says what became of each. When to post what, and what to do about it, is
//! the runtime's business.

mod reading;

use crate::answer_buffer::PinnedBytes;
use crate::config::LookupConfig;
use crate::error::LookupConfigError;
use crate::retry_after::retry_after_ms;
use crate::site::{base, secret};
use crate::transport::{Call, CallError, Http, Received, Transport};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The most bytes of an answer: it may repeat every event of a batch, and names a fault for each.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Where an event service is, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventServiceConfig {
    /// The address that takes events, path included: `https://eventgate.example.org/v1/events`.
    pub url: String,
    /// The `Host` header, where it is not the address's.
    pub host: Option<String>,
    /// A file with the value of the `Authorization` header.
    pub authorization_file: Option<PathBuf>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// What became of each event, in the order of the batch.
    Each(Vec<Fate>),
    /// The answer does not tell which events it is about: they are to be posted one by one.
    Unclear(String),
    /// Nothing is known to be taken: the same again, after so many milliseconds where the service says how long.
    Later {
        /// What happened.
        why: String,
        /// `Retry-After`.
        wait_ms: Option<u64>,
    },
    /// The batch is too large for the service.
    TooLarge,
    /// The service does not serve us, and will not until a person has changed something.
    Refused(String),
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The service has taken it.
    Accepted,
    /// It never will: the event breaks a rule of its stream.
    Invalid(String),
    /// It could not be produced now.
    Later(String),
}

/// A client of one event service.
#[derive(Clone)]
pub struct EventService {
    transport: Arc<dyn Transport>,
    url: String,
    headers: HeaderMap,
    retry_after_ms_max: u64,
}

impl fmt::Debug for EventService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventService").field("url", &self.url).finish_non_exhaustive()
    }
}

impl EventService {
    /// A client. User agent, certificate authorities and timeouts are those of `lookups`.
    ///
    /// # Errors
    /// An address, a header or a file that cannot be used.
    pub fn new(cfg: &EventServiceConfig, lookups: &LookupConfig) -> Result<Self, LookupConfigError> {
        let url = base("the address of an event service", &cfg.url)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(host) = &cfg.host {
            let host = HeaderValue::from_str(host)
                .map_err(|_no_header| LookupConfigError::Header { what: "the host of an event service" })?;
            headers.insert(HOST, host);
        }
        if let Some(path) = &cfg.authorization_file {
            headers.insert(AUTHORIZATION, secret(path)?);
        }
        let transport = Arc::new(Http::new(lookups, PinnedBytes::default())?);
        Ok(Self { transport, url, headers, retry_after_ms_max: lookups.retry_after_ms_max })
    }

    /// Posts `events`, each one JSON object, as one array. Waits for the service to have them all (it is not asked to be
    /// hasty). `now_ms` is the wall clock, for a `Retry-After` that is a date.
    pub async fn post(&self, events: &[Bytes], now_ms: u64) -> Posted {
        let call = Call {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Some(array_of(events)),
            bytes_max: ANSWER_BYTES_MAX,
            bytes_expected: 0,
        };
        match self.transport.call(call).await {
            Ok(Received { status, headers, body }) => {
                let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let wait_ms = wait.and_then(|value| retry_after_ms(value, now_ms, self.retry_after_ms_max));
                reading::read(status, &body, events, wait_ms)
            }
            Err(error) => Posted::Later { why: why(error), wait_ms: None },
        }
    }
}

/// The events as a JSON array, byte for byte.
fn array_of(events: &[Bytes]) -> Bytes {
    let mut body = Vec::with_capacity(events.iter().map(|event| event.len() + 1).sum::<usize>() + 2);
    body.push(b'[');
    for (at, event) in events.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(event);
    }
    body.push(b']');
    Bytes::from(body)
}

fn why(error: CallError) -> String {
    match error {
        CallError::Connect(text) => format!("no connection to the event service: {text}"),
        CallError::Timeout => "the event service did not answer in time".to_owned(),
        CallError::Transport(text) => format!("the connection to the event service broke: {text}"),
        CallError::TooLarge { bytes_max } => format!("the event service answered with more than {bytes_max} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_posted_byte_for_byte() {
        let events = [Bytes::from_static(b"{\"a\": 1.50}"), Bytes::from_static(b"{}")];
        assert_eq!(array_of(&events), Bytes::from_static(b"[{\"a\": 1.50},{}]"));
        assert_eq!(array_of(&[]), Bytes::from_static(b"[]"));
    }
}
