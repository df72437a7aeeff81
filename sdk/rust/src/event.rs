//! The event in an author's hands: what the host sent, and what belongs to this one event (time, chance, log, metrics).

use crate::bindings::millrace::plugin::types as wit;
use crate::ticket::Ticket;
use crate::{Blob, Failure, Patch, imports, random};
use serde::Deserialize;
use std::cell::OnceCell;
use std::rc::Rc;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the author, while writing the plugin.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warn,
    /// Something is wrong.
    Error,
}

/// Where the record lay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// One stream may have a topic per data centre.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: u32,
    /// The record's number in its partition.
    pub offset: u64,
}

/// One event.
///
/// What is logged and counted through it counts only once the event is done: if another event's fault makes the host
/// run it again, it still counts once.
pub struct Event {
    pub(crate) ticket: Rc<Ticket>,
    inner: wit::Event,
    /// The document, once read, when it came as a blob.
    large: OnceCell<Vec<u8>>,
}

impl Event {
    pub(crate) fn new(ticket: Rc<Ticket>, inner: wit::Event) -> Self {
        Self { ticket, inner, large: OnceCell::new() }
    }

    /// The input that it came in by: a name from `describe`.
    pub fn input(&self) -> &str {
        &self.inner.input
    }

    /// Where the record lay.
    pub fn source(&self) -> Source<'_> {
        let wit::Source { topic, partition, offset } = &self.inner.source;
        Source { topic, partition: *partition, offset: *offset }
    }

    /// Kafka's time of the record, in milliseconds since 1970.
    pub fn timestamp_ms(&self) -> i64 {
        self.inner.timestamp_ms
    }

    /// Kafka's key.
    pub fn key(&self) -> Option<&[u8]> {
        self.inner.key.as_deref()
    }

    /// The value of the first header of that name; only those in `describe` are there. Kafka's null is `None` too.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.inner.headers.iter().find(|header| header.name == name)?.value.as_deref()
    }

    /// 1 for the first try, 2 after the first [`crate::Outcome::retry`].
    pub fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    /// No document: Kafka's null value. Comes only to inputs that ask for tombstones in `describe`.
    pub fn is_tombstone(&self) -> bool {
        self.inner.value.is_none()
    }

    /// The JSON document, cut down to the fields of `describe`; empty for a tombstone.
    pub fn bytes(&self) -> &[u8] {
        match &self.inner.value {
            None => &[],
            Some(wit::Payload::Inline(bytes)) => bytes,
            Some(wit::Payload::Large(blob)) => self.large.get_or_init(|| Blob::from_wit(blob).read_all()),
        }
    }

    /// The document as a type of yours. Borrow from it (`&str`, [`crate::Text`]) where you can: that is what makes it fast.
    ///
    /// # Errors
    /// `invalid_event` when the document is not of that shape.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        serde_json::from_slice(self.bytes())
            .map_err(|error| Failure::new("invalid_event", format!("input {}: {error}", self.input())))
    }

    /// Edits on this event's document; none yet.
    pub fn patch(&self) -> Patch {
        Patch::default()
    }

    /// The time, in milliseconds since 1970. It stands still within a turn, and a replay gets the same one.
    pub fn now_ms(&self) -> u64 {
        self.ticket.instance.now_ms.get()
    }

    /// A random number, from a generator seeded with the event's place: the same in every attempt and every replay.
    /// Not for secrets.
    pub fn random(&self) -> u64 {
        let state = self.ticket.random.get().unwrap_or_else(|| random::seed(self.source()));
        let (next, number) = random::step(state);
        self.ticket.random.set(Some(next));
        number
    }

    /// Writes a log line of this event.
    pub fn log(&self, level: Level, message: &str) {
        imports::log(Some(self.ticket.number), level, message);
    }

    /// Adds `by` to a counter. Name and labels must come from a small set; the host prefixes the name.
    pub fn count(&self, name: &str, labels: &[(&str, &str)], by: u64) {
        imports::count(Some(self.ticket.number), name, labels, by);
    }

    /// Records a value of a distribution.
    pub fn observe(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        imports::observe(Some(self.ticket.number), name, labels, value);
    }
}
