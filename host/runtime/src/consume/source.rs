//! Where the events of `consume` come from: Kafka, EventStreams or files, behind one door.

use super::Wanted;
use super::resolve::Place;
use crate::clock::SystemClock;
use crate::config::show_duration;
use crate::event_files::EventFiles;
use bytes::Bytes;
use millrace_flow::clock::Clock as _;
use millrace_flow::retry::RetryPolicy;
use millrace_kafka::scan::{Scan, ScanEnd, ScanStart, Scanned};
use millrace_lookup::event_source::{EventSource, EventSourceConfig, Said};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// The longest event that is read, in bytes: above the platform's largest messages.
const EVENT_BYTES_MAX: usize = 20 << 20;
/// How long a source is waited for before the caller has a look at its own affairs.
const PATIENCE: Duration = Duration::from_millis(200);
/// Who waits at a terminal should not wait long for an address that is wrong: ten seconds or so.
const RETRY: RetryPolicy = RetryPolicy { attempts_max: 5, base_ms: 1_000, cap_ms: 30_000 };
/// How much later than the end of a range an event must be for the range to be over: topics are not in step.
const SLACK_MS: i64 = 10_000;

/// An event as it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What it holds; none for a record without value.
    pub(super) text: Option<Bytes>,
    /// When it was written, where the source says so.
    pub(super) at_ms: Option<i64>,
    /// Where it was found, for messages.
    pub(super) place: String,
}

/// What comes next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// An event.
    Event(Found),
    /// Nothing just now.
    Nothing,
    /// Something that a person should know.
    Notice(String),
    /// Nothing any more.
    End,
}

/// An open source.
pub(super) enum Source {
    /// Topics.
    Kafka(Scan),
    /// A stream of Server-Sent Events, with the runtime that it lives in.
    Sse(Box<SseSource>),
    /// Files.
    Files(EventFiles),
}

/// A stream of Server-Sent Events that may have an end.
pub(super) struct SseSource {
    url: String,
    runtime: Runtime,
    events: EventSource,
    until_ms: Option<i64>,
}

impl Source {
    /// Opens the place at the wanted time.
    ///
    /// # Errors
    /// The place cannot be read.
    pub(super) fn open(place: Place, wanted: &Wanted) -> anyhow::Result<Self> {
        let (since, until) = (wanted.filter.since_ms, wanted.filter.until_ms);
        match place {
            Place::Kafka { cluster, topics } => {
                let newest = if wanted.follow { ScanStart::Newest } else { ScanStart::Oldest };
                let start = since.map_or(newest, ScanStart::Time);
                let now = if wanted.follow { ScanEnd::Never } else { ScanEnd::Now };
                Ok(Self::Kafka(Scan::open(&cluster, &topics, start, until.map_or(now, ScanEnd::Time))?))
            }
            Place::Sse { url } => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let config = EventSourceConfig {
                    since_ms: since.and_then(|since| u64::try_from(since).ok()),
                    event_bytes_max: EVENT_BYTES_MAX,
                    retry: RETRY,
                    ..EventSourceConfig::new(&url)
                };
                let events = EventSource::new(config, Arc::new(SystemClock))?;
                Ok(Self::Sse(Box::new(SseSource { url, runtime, events, until_ms: until })))
            }
            Place::Files(paths) => Ok(Self::Files(EventFiles::new(paths, EVENT_BYTES_MAX))),
        }
    }

    /// The next event, waited for a moment.
    ///
    /// # Errors
    /// The source cannot be read any further.
    pub(super) fn next(&mut self) -> anyhow::Result<Step> {
        match self {
            Self::Kafka(scan) => Ok(match scan.next(PATIENCE)? {
                Scanned::Nothing => Step::Nothing,
                Scanned::End => Step::End,
                Scanned::Record(record) => Step::Event(Found {
                    place: format!("{} offset {}", record.source, record.offset),
                    at_ms: (record.timestamp_ms >= 0).then_some(record.timestamp_ms),
                    text: record.value,
                }),
            }),
            Self::Sse(source) => source.next(),
            Self::Files(files) => Ok(match files.next_line()? {
                None => Step::End,
                Some(line) => Step::Event(Found {
                    place: format!("{}:{}", line.file.display(), line.number),
                    at_ms: None,
                    text: Some(line.text),
                }),
            }),
        }
    }

    /// Whether an event of this time says that nothing wanted follows.
    pub(super) fn is_past(&self, at_ms: Option<i64>) -> bool {
        let Self::Sse(source) = self else { return false };
        source.until_ms.zip(at_ms).is_some_and(|(until, at)| at >= until.saturating_add(SLACK_MS))
    }
}

impl SseSource {
    fn next(&mut self) -> anyhow::Result<Step> {
        let Self { url, runtime, events, until_ms } = self;
        match runtime.block_on(async { tokio::time::timeout(PATIENCE, events.next()).await }) {
            Ok(Ok(Said::Event(event))) => {
                let place = event.id.map_or_else(|| "an event".to_owned(), |id| format!("the event {id}"));
                Ok(Step::Event(Found { text: Some(event.data), at_ms: None, place }))
            }
            Ok(Ok(Said::Interrupted { reason, wait })) => {
                let wait = show_duration(wait);
                Ok(Step::Notice(format!("{reason}; connecting again in {wait}")))
            }
            Ok(Err(error)) => {
                Err(anyhow::Error::new(error).context(format!("{url} cannot be read; check the address")))
            }
            // A quiet stream whose time is over has no more of it.
            Err(_elapsed) => {
                let now = i64::try_from(SystemClock.now_ms()).unwrap_or(i64::MAX);
                let is_over =
                    until_ms.is_some_and(|until| now >= until.saturating_add(SLACK_MS)) && events.is_connected();
                Ok(if is_over { Step::End } else { Step::Nothing })
            }
        }
    }
}
