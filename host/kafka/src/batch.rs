//! Records on their way from librdkafka's memory into ours: copied once, gathered into batches bounded in count and bytes.

use crate::raw;
use bytes::Bytes;
use millrace_flow::record::{Header, Record, TopicPartition};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// How many names are shared. Topics are few; header names come from outside and could be many.
const NAMES_MAX: usize = 1_024;

/// Names that are met again and again, each held once.
#[derive(Debug, Default)]
pub(crate) struct Names(FxHashMap<Box<str>, Arc<str>>);

impl Names {
    /// The shared form of `name`.
    pub(crate) fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(name) {
            return shared.clone();
        }
        let shared: Arc<str> = Arc::from(name);
        if self.0.len() < NAMES_MAX {
            self.0.insert(Box::from(name), shared.clone());
        }
        shared
    }
}

/// A batch that is being gathered.
#[derive(Debug)]
pub(crate) struct Batch {
    records: Vec<Record>,
    bytes: usize,
    records_max: usize,
    bytes_max: usize,
}

impl Batch {
    /// An empty batch with bounds.
    pub(crate) fn new(records_max: usize, bytes_max: usize) -> Self {
        Self { records: Vec::new(), bytes: 0, records_max: records_max.max(1), bytes_max: bytes_max.max(1) }
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, record: Record) {
        self.bytes += record.bytes();
        self.records.push(record);
    }

    /// True once the next record belongs to the next batch.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= self.records_max || self.bytes >= self.bytes_max
    }

    /// The records and their bytes, if there are any; the batch is empty afterwards.
    pub(crate) fn take(&mut self) -> Option<(Vec<Record>, usize)> {
        if self.records.is_empty() {
            return None;
        }
        let records = std::mem::take(&mut self.records);
        Some((records, std::mem::take(&mut self.bytes)))
    }
}

/// Copies a record out of librdkafka's memory.
pub(crate) fn copy_record(message: &BorrowedMessage<'_>, names: &mut Names) -> Record {
    let mut headers = Vec::new();
    raw::for_each_header(message, |name, value| {
        let name = names.share(&String::from_utf8_lossy(name));
        headers.push(Header { name, value: value.map(Bytes::copy_from_slice) });
    });
    Record {
        source: TopicPartition { topic: names.share(message.topic()), partition: message.partition() },
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers,
    }
}
