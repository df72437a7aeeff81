//! The stream configuration, from a file or from the `streamconfigs` API. It is read again now and then; what cannot be
//! read leaves the last good one in place, which outlives even this process on disk.

use super::{disk, fetcher};
use millrace_lookup::fetch::{FetchError, Fetcher};
use millrace_platform::{StreamMistake, StreamSettings, StreamsConfig, StreamsError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What is asked of the API where its address has no query.
const QUERY: &str = "format=json&action=streamconfigs&all_settings=true";

/// A stream that is not known makes us ask again, but not more often than this.
const MISS_INTERVAL: Duration = Duration::from_secs(10);

/// Where the stream configuration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsSource {
    /// What is read.
    pub origin: StreamsOrigin,
    /// How old it may become before it is read again.
    pub refresh: Duration,
    /// How long the API may take.
    pub deadline: Duration,
    /// Where the last good answer of the API is kept. None: in memory only.
    pub cache_dir: Option<PathBuf>,
    /// Further authorities to trust, as PEM.
    pub ca_file: Option<PathBuf>,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamsOrigin {
    /// A file in the shape of the API's answer.
    File(PathBuf),
    /// The API.
    Api {
        /// Its address; with a query, exactly that is asked.
        url: String,
        /// The `Host` header, where it is not that of the address.
        host: Option<String>,
    },
}

/// Whether what is used is what the source says now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is, or was when it was read last.
    Fresh,
    /// The source could not be read since; the last good configuration is used.
    Old {
        /// What went wrong.
        reason: String,
    },
}

/// The stream configuration cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamsReadError {
    /// The file cannot be read.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The API cannot be asked, and nothing was kept from before.
    #[error("the stream configuration cannot be fetched: {0}")]
    Fetch(#[from] FetchError),
    /// What was read is no stream configuration.
    #[error(transparent)]
    Content(#[from] StreamsError),
    /// The client for the API cannot be made.
    #[error("{0}")]
    Client(String),
}

/// The stream configuration of a host. Lives as long as the host.
#[derive(Debug)]
pub struct Streams {
    source: StreamsSource,
    fetcher: Option<Fetcher>,
    state: Mutex<State>,
    /// Held while the source is read; when that was done last.
    reading: tokio::sync::Mutex<Instant>,
}

#[derive(Debug)]
struct State {
    config: Arc<StreamsConfig>,
    text: Vec<u8>,
    left_out: Arc<[StreamMistake]>,
    freshness: Freshness,
}

/// What reading the source again brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// It says what it said before.
    Same,
    /// It says something else.
    Changed,
}

impl Streams {
    /// Reads the source for the first time; where it is an API that cannot be asked, what was kept of it on disk.
    ///
    /// # Errors
    /// Neither can be had.
    pub async fn open(source: StreamsSource) -> Result<Self, StreamsReadError> {
        let fetcher = match &source.origin {
            StreamsOrigin::File(_) => None,
            StreamsOrigin::Api { host, .. } => {
                let made = fetcher(source.ca_file.as_deref(), host.as_deref(), source.deadline);
                Some(made.map_err(|error| StreamsReadError::Client(format!("{error:#}")))?)
            }
        };
        let (text, freshness) = match read(&source, fetcher.as_ref()).await {
            Ok(text) => (text, Freshness::Fresh),
            Err(error) => match kept(&source) {
                Some(text) => (text, Freshness::Old { reason: error.to_string() }),
                None => return Err(error),
            },
        };
        let state = match State::of(&source, text, freshness) {
            Ok(state) => state,
            // An API that answers nonsense is as good as out.
            Err(error) => {
                let text = kept(&source).ok_or_else(|| error.clone())?;
                State::of(&source, text, Freshness::Old { reason: error.to_string() })?
            }
        };
        if state.freshness == Freshness::Fresh {
            keep(&source, &state.text);
        }
        Ok(Self { source, fetcher, state: Mutex::new(state), reading: tokio::sync::Mutex::new(Instant::now()) })
    }

    /// Where it comes from.
    pub fn source(&self) -> &StreamsSource {
        &self.source
    }

    /// What is known now. Never waits.
    pub fn current(&self) -> Arc<StreamsConfig> {
        Arc::clone(&self.lock().config)
    }

    /// Whether that is what the source says.
    pub fn freshness(&self) -> Freshness {
        self.lock().freshness.clone()
    }

    /// What is wrong with streams that the API answered; these streams were left out.
    pub fn left_out(&self) -> Arc<[StreamMistake]> {
        Arc::clone(&self.lock().left_out)
    }

    /// The stream `name`. One that is not known makes the source be read again, if that was not done just now.
    pub async fn get(&self, name: &str) -> Option<StreamSettings> {
        if let Some(stream) = self.current().get(name) {
            return Some(stream);
        }
        let mut read_at = self.reading.lock().await;
        // Whoever held the lock may have found it.
        if self.current().get(name).is_none() && read_at.elapsed() >= MISS_INTERVAL {
            *read_at = Instant::now();
            // What went wrong is kept as the freshness, and told by whoever looks after that.
            drop(self.read_again().await);
        }
        self.current().get(name)
    }

    /// Reads the source again. What was known stays where that fails.
    ///
    /// # Errors
    /// The source cannot be read, or holds no stream configuration.
    pub async fn refresh(&self) -> Result<Refreshed, StreamsReadError> {
        let mut read_at = self.reading.lock().await;
        *read_at = Instant::now();
        self.read_again().await
    }

    async fn read_again(&self) -> Result<Refreshed, StreamsReadError> {
        let read = read(&self.source, self.fetcher.as_ref()).await;
        let state = read.and_then(|text| State::of(&self.source, text, Freshness::Fresh));
        let mut known = self.lock();
        match state {
            Ok(state) if state.text == known.text => {
                known.freshness = Freshness::Fresh;
                Ok(Refreshed::Same)
            }
            Ok(state) => {
                keep(&self.source, &state.text);
                *known = state;
                Ok(Refreshed::Changed)
            }
            Err(error) => {
                known.freshness = Freshness::Old { reason: error.to_string() };
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A file is the operator's own, and must be right. What the API answers is written by many: a stream with a mistake
    /// is left out of it.
    fn of(source: &StreamsSource, text: Vec<u8>, freshness: Freshness) -> Result<Self, StreamsReadError> {
        let (config, left_out) = match source.origin {
            StreamsOrigin::File(_) => (StreamsConfig::parse(&text)?, Vec::new()),
            StreamsOrigin::Api { .. } => StreamsConfig::parse_usable(&text)?,
        };
        Ok(Self { config: Arc::new(config), text, left_out: left_out.into(), freshness })
    }
}

async fn read(source: &StreamsSource, fetcher: Option<&Fetcher>) -> Result<Vec<u8>, StreamsReadError> {
    match (&source.origin, fetcher) {
        (StreamsOrigin::File(path), _) => {
            disk::read(path).map_err(|error| StreamsReadError::File { path: path.clone(), reason: error.to_string() })
        }
        (StreamsOrigin::Api { url, .. }, Some(fetcher)) => Ok(fetcher.get(&asked(url)).await?.to_vec()),
        (StreamsOrigin::Api { .. }, None) => Err(StreamsReadError::Client("there is no client for it".to_owned())),
    }
}

/// The address with what is asked.
fn asked(url: &str) -> String {
    if url.contains('?') { url.to_owned() } else { format!("{url}?{QUERY}") }
}

/// The file of the last good answer.
fn copy(source: &StreamsSource) -> Option<PathBuf> {
    let (StreamsOrigin::Api { url, .. }, Some(folder)) = (&source.origin, &source.cache_dir) else { return None };
    Some(folder.join("streams").join(disk::name_of(url)))
}

fn kept(source: &StreamsSource) -> Option<Vec<u8>> {
    let path: &Path = &copy(source)?;
    // A copy that cannot be read is none: what is told is why the source could not be read.
    disk::read(path).ok()
}

fn keep(source: &StreamsSource, text: &[u8]) {
    let Some(path) = copy(source) else { return };
    if let Err(error) = disk::write(&path, text) {
        tracing::warn!(file = %path.display(), %error, "The stream configuration could not be kept on disk.");
    }
}
