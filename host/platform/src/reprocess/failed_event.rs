//! An error event read again: whose it is, why it failed, and the record that it was made of.

use super::{
    BASE64, Coordinates, ERROR_SOURCE, HEADER_PREFIX, KEY, RAW_CUT, RAW_ENCODING, RECORD_CUT, REPROCESSED, TIMESTAMP,
    header, parse_source, text_of, value_of,
};
use crate::document::{DecodeError, DecodeLimits, Document, Value};
use crate::envelope::HEADER_SOURCE;
use crate::identity::is_of_timer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use millrace_flow::record::{Header, OutputRecord, Record};
use std::sync::Arc;

/// An error event that a pipeline wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedEvent {
    /// Where the error event lies.
    pub at: Coordinates,
    /// The pipeline that wrote it.
    pub emitter_id: String,
    /// Why the event failed.
    pub error_type: String,
    /// The stream of the event, where that is known.
    pub stream: Option<String>,
    /// Where the record that failed lay, where that can be read.
    pub source: Option<Coordinates>,
    /// The record that failed, or why it cannot be made again.
    pub original: Result<Original, Unreturnable>,
}

/// The record that failed, as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The id of the cluster that it was read from.
    pub cluster_id: String,
    /// Where it lay.
    pub at: Coordinates,
    /// Its timestamp in ms.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; none: it was a tombstone.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<Header>,
    /// How often it was given back before this failure.
    pub reprocessed: u32,
}

/// Why the record of an error event cannot be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreturnable {
    /// It was cut down to fit its topic.
    #[error("the error event holds a part of the original record only, because its topic takes no larger ones")]
    Cut,
    /// There never was one.
    #[error("it was a timer that failed, and no record: there is nothing to give back")]
    Timer,
    /// What tells of the record is missing or damaged.
    #[error("the error event lacks what is needed to make the original record again (`{0}`)")]
    Incomplete(&'static str),
}

/// A record that is no error event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoErrorEvent {
    /// It has no value.
    #[error("a record without a value is no error event")]
    Empty,
    /// Its value is no JSON object.
    #[error("no error event: {0}")]
    Document(#[from] DecodeError),
    /// A text is missing that every error event has.
    #[error("no error event: it has no `{0}`")]
    Missing(&'static str),
}

impl FailedEvent {
    /// Reads an error event.
    ///
    /// # Errors
    /// The record is no error event at all. One whose original record cannot be made again is one: see
    /// [`FailedEvent::original`].
    pub fn read(record: &Record) -> Result<Self, NoErrorEvent> {
        /// More than any topic takes: it was written, so it may be read.
        const BYTES_MAX: usize = 64 << 20;
        let value = record.value.clone().ok_or(NoErrorEvent::Empty)?;
        let document = Document::parse(value, &DecodeLimits { bytes_max: BYTES_MAX, ..DecodeLimits::default() })?;
        let root = document.root();
        let text = |name: &'static str| text(root, name).ok_or(NoErrorEvent::Missing(name));
        Ok(Self {
            at: Coordinates { partition: record.source.clone(), offset: record.offset },
            emitter_id: text("emitter_id")?,
            error_type: text("error_type")?,
            stream: text("errored_stream_name").ok(),
            source: source(&record.headers).map(|(_, at)| at),
            original: original(&record.headers, root),
        })
    }

    /// The record that gives the event back through `topic`, for the `reprocessed`th time. Its timestamp is the time at
    /// which it is given back: by the original one, a broker might delete it at once.
    pub fn give_back(&self, original: &Original, topic: &Arc<str>, reprocessed: u32, now_ms: u64) -> OutputRecord {
        let source = format!("{}/{}", original.cluster_id, original.at);
        let mut headers = vec![
            header(Arc::clone(&HEADER_SOURCE), source),
            header(TIMESTAMP, original.timestamp_ms.to_string()),
            header(REPROCESSED, reprocessed.to_string()),
            header(ERROR_SOURCE, self.at.to_string()),
        ];
        headers.extend(original.headers.iter().map(|header| Header {
            name: Arc::from(format!("{HEADER_PREFIX}{}", header.name)),
            value: header.value.clone(),
        }));
        OutputRecord {
            topic: Arc::clone(topic),
            timestamp_ms: i64::try_from(now_ms).unwrap_or(i64::MAX),
            key: original.key.clone(),
            value: original.value.clone(),
            headers,
        }
    }
}

fn original(headers: &[Header], root: Value<'_>) -> Result<Original, Unreturnable> {
    if text_of(headers, &HEADER_SOURCE).is_some_and(is_of_timer) {
        return Err(Unreturnable::Timer);
    }
    let (cluster_id, at) = source(headers).ok_or(Unreturnable::Incomplete("millrace-src"))?;
    if value_of(headers, RAW_CUT).is_some() || value_of(headers, RECORD_CUT).is_some() {
        return Err(Unreturnable::Cut);
    }
    let timestamp = text_of(headers, TIMESTAMP).and_then(|text| text.parse().ok());
    Ok(Original {
        cluster_id: cluster_id.to_owned(),
        at,
        timestamp_ms: timestamp.ok_or(Unreturnable::Incomplete(TIMESTAMP))?,
        key: value_of(headers, KEY).cloned(),
        value: raw_event(headers, root)?,
        headers: headers.iter().filter_map(own).collect(),
        reprocessed: reprocessed(headers)?,
    })
}

/// The cluster that the record was read from, and where it lay there.
fn source(headers: &[Header]) -> Option<(&str, Coordinates)> {
    text_of(headers, &HEADER_SOURCE).and_then(parse_source)
}

/// How often the event was given back: never, where nothing is said of it.
pub(crate) fn reprocessed(headers: &[Header]) -> Result<u32, Unreturnable> {
    match value_of(headers, REPROCESSED) {
        None => Ok(0),
        Some(_) => {
            let count = text_of(headers, REPROCESSED).and_then(|text| text.parse().ok());
            count.ok_or(Unreturnable::Incomplete(REPROCESSED))
        }
    }
}

/// One of the original record's headers, under its own name again.
pub(super) fn own(header: &Header) -> Option<Header> {
    Some(Header { name: Arc::from(header.name.strip_prefix(HEADER_PREFIX)?), value: header.value.clone() })
}

/// The original record's value. An error event without `raw_event` is one of a tombstone.
fn raw_event(headers: &[Header], root: Value<'_>) -> Result<Option<Bytes>, Unreturnable> {
    const NAME: &str = "raw_event";
    let Some(raw) = root.get(NAME) else { return Ok(None) };
    let text = raw.as_str().ok_or(Unreturnable::Incomplete(NAME))?;
    let bytes = match text_of(headers, RAW_ENCODING) {
        None => text.into_owned().into_bytes(),
        Some(BASE64) => STANDARD.decode(text.as_bytes()).map_err(|_no_base64| Unreturnable::Incomplete(NAME))?,
        Some(_) => return Err(Unreturnable::Incomplete(RAW_ENCODING)),
    };
    Ok(Some(Bytes::from(bytes)))
}

fn text(root: Value<'_>, name: &str) -> Option<String> {
    Some(root.get(name)?.as_str()?.into_owned())
}
