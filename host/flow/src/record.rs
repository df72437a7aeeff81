//! Records: what comes out of Kafka and what goes into it, as plain data.

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// A record's header. Kafka allows a null value and equal names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The header's name.
    pub name: Arc<str>,
    /// Its value; none is Kafka's null.
    pub value: Option<Bytes>,
}

/// One record as the consumer received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where the record lay.
    pub source: TopicPartition,
    /// Its offset there.
    pub offset: i64,
    /// Kafka's timestamp in milliseconds since 1970; -1 where the record has none.
    pub timestamp_ms: i64,
    /// The key; none is Kafka's null.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// The headers in their order.
    pub headers: Vec<Header>,
}

impl Record {
    /// Bytes of key, value and headers: what the record itself weighs in memory, bookkeeping aside.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|h| h.name.len() + h.value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + headers
    }
}

/// One record on its way to Kafka: an output or an error event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRecord {
    /// The topic to write to. The partition follows from the key (`murmur2_random`).
    pub topic: Arc<str>,
    /// Kafka's timestamp in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key; none is Kafka's null.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// The headers in their order.
    pub headers: Vec<Header>,
}

impl OutputRecord {
    /// Bytes of key, value and headers, as librdkafka measures them against `message.max.bytes`.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|h| h.name.len() + h.value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + headers
    }
}
