//! The way back of an event that failed: from its error event ([`FailedEvent`]) into a record of the pipeline's reprocess
//! topic, and from there to the record that it once was ([`restore`]), with its own coordinates, timestamp, key and
//! headers. Which error events go that way is not decided here.

mod failed_event;
mod kept;
mod restored;

pub(crate) use failed_event::reprocessed;
pub use failed_event::{FailedEvent, NoErrorEvent, Original, Unreturnable};
pub(crate) use kept::{kept_headers, raw_encoding};
pub use restored::{Restored, restore};

use bytes::Bytes;
use millrace_flow::record::{Header, TopicPartition};
use std::fmt;
use std::sync::Arc;

/// The original record's timestamp in ms.
const TIMESTAMP: &str = "millrace-timestamp";
/// The original record's key, byte for byte; absent where it had none.
const KEY: &str = "millrace-key";
/// What stands before the name of each of the original record's headers.
const HEADER_PREFIX: &str = "millrace-header-";
/// How many bytes of key and headers were left out, because the error event would have been too large with them.
const RECORD_CUT: &str = "millrace-record-cut";
/// How many bytes the original event had of which the error event holds the beginning only.
pub(crate) const RAW_CUT: &str = "millrace-raw-cut";
/// How `raw_event` is written where it is not the event's own text.
const RAW_ENCODING: &str = "millrace-raw-encoding";
/// The only such way.
const BASE64: &str = "base64";
/// How often the event was given back.
const REPROCESSED: &str = "millrace-reprocessed";
/// In the reprocess topic: where the error event lay, `topic/partition/offset`.
const ERROR_SOURCE: &str = "millrace-error-src";

/// Where a record lay.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Coordinates {
    /// Its partition.
    pub partition: TopicPartition,
    /// Its offset there.
    pub offset: i64,
}

impl Coordinates {
    /// Reads `topic/partition/offset`. Kafka allows no `/` in the name of a topic.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (topic, partition, offset) = (parts.next()?, parts.next()?, parts.next()?);
        if topic.is_empty() || parts.next().is_some() {
            return None;
        }
        Some(Self { partition: TopicPartition::new(topic, partition.parse().ok()?), offset: offset.parse().ok()? })
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

/// The error event that a record of a reprocess topic was made of; none where `millrace reprocess` did not write it.
pub fn error_source(headers: &[Header]) -> Option<Coordinates> {
    Coordinates::parse(text_of(headers, ERROR_SOURCE)?)
}

/// The value of the first header of that name. None: there is no such header, or it has no value.
pub(crate) fn value_of<'h>(headers: &'h [Header], name: &str) -> Option<&'h Bytes> {
    headers.iter().find(|header| *header.name == *name)?.value.as_ref()
}

pub(crate) fn text_of<'h>(headers: &'h [Header], name: &str) -> Option<&'h str> {
    std::str::from_utf8(value_of(headers, name)?).ok()
}

fn header(name: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Header {
    Header { name: name.into(), value: Some(value.into()) }
}

/// Reads `cluster/topic/partition/offset`.
pub(crate) fn parse_source(text: &str) -> Option<(&str, Coordinates)> {
    let (cluster, rest) = text.split_once('/')?;
    Some((cluster, Coordinates::parse(rest)?))
}
