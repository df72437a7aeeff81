//! A record of a reprocess topic, as the record that it once was.

use super::failed_event::{own, reprocessed};
use super::{TIMESTAMP, parse_source, text_of};
use crate::envelope::HEADER_SOURCE;
use millrace_flow::record::Record;

/// A record that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The record with its original coordinates, timestamp and headers: everything that is derived from them comes out as
    /// it would have the first time, `meta.id` included.
    pub record: Record,
    /// How often it was given back, this time included. 0: it is none that came back, and as it was.
    pub reprocessed: u32,
}

/// Makes a record of a reprocess topic the one that it once was, on the cluster of this id. One that `millrace reprocess`
/// did not write for that cluster stays as it is.
pub fn restore(record: Record, cluster_id: &str) -> Restored {
    let Some((source, timestamp_ms, reprocessed)) = original(&record, cluster_id) else {
        return Restored { record, reprocessed: 0 };
    };
    let headers = record.headers.iter().filter_map(own).collect();
    let record = Record { source: source.partition, offset: source.offset, timestamp_ms, headers, ..record };
    Restored { record, reprocessed }
}

fn original(record: &Record, cluster_id: &str) -> Option<(super::Coordinates, i64, u32)> {
    let (cluster, source) = text_of(&record.headers, &HEADER_SOURCE).and_then(parse_source)?;
    let timestamp_ms = text_of(&record.headers, TIMESTAMP)?.parse().ok()?;
    let reprocessed = reprocessed(&record.headers).ok().filter(|times| *times > 0)?;
    (cluster == cluster_id).then_some((source, timestamp_ms, reprocessed))
}
