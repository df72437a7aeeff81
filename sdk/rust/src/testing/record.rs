//! The record that a test's event comes in, where that matters to a plugin.

use serde_json::Value;

/// A record as it comes from Kafka, for [`super::Host::run_record`].
///
/// ```
/// # use millrace_sdk::testing::{Host, Record};
/// # use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, json};
/// struct Tracer;
///
/// impl Plugin for Tracer {
///     type Settings = ();
///     fn describe() -> Describe {
///         let input = Input::new().headers(["traceparent"]);
///         Describe::new("tracer", "1.0.0").input("in", input).output("out", Output::new())
///     }
///     fn new((): ()) -> Result<Self, String> {
///         Ok(Self)
///     }
///     async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
///         if event.header("traceparent").is_none() && event.attempt() < 3 {
///             return Ok(Outcome::retry(Failure::new("no_trace", "there is no header `traceparent`")));
///         }
///         Ok(event.patch().set("/offset", &event.source().offset).emit("out"))
///     }
/// }
///
/// let mut host = Host::<Tracer>::new(json!({})).unwrap();
/// let record = Record::new(&json!({})).key("page 7").source("eqiad.changes", 3, 41).attempt(3);
/// assert_eq!(host.run_record("in", &record).documents(), [json!({"offset": 41})]);
/// let record = record.attempt(1).header("traceparent", "00-1-2-00");
/// assert_eq!(host.run_record("in", &record).documents(), [json!({"offset": 41})]);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Record {
    pub(super) document: Value,
    pub(super) key: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
    /// Topic, partition and offset.
    pub(super) source: Option<(String, u32, u64)>,
    pub(super) timestamp_ms: Option<i64>,
    pub(super) attempt: u32,
}

impl Record {
    /// A record with this event, without key and headers, run for the first time. Where it lies and which time it has
    /// is the host's to say: see [`super::Host::run`].
    pub fn new(event: &Value) -> Self {
        Self { document: event.clone(), key: None, headers: Vec::new(), source: None, timestamp_ms: None, attempt: 1 }
    }

    /// A record with Kafka's null value.
    pub fn tombstone() -> Self {
        Self::new(&Value::Null)
    }

    /// Its key.
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// One more header. The plugin gets those that its `describe` names.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// One more header, whose value is Kafka's null.
    pub fn null_header(mut self, name: impl Into<String>) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// Where it lies.
    pub fn source(mut self, topic: impl Into<String>, partition: u32, offset: u64) -> Self {
        self.source = Some((topic.into(), partition, offset));
        self
    }

    /// Kafka's time of it, in milliseconds since 1970.
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// Which attempt at it this is, from 1.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }
}
