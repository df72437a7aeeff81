//! The event in an author's hands: what the host sent, and what belongs to this one event (time, chance, log, metrics).

use crate::bindings::millrace::plugin::types as wit;
use crate::ticket::Ticket;
use crate::{Blob, Failure, Patch, imports, random};
use serde::Deserialize;
use std::cell::OnceCell;
use std::rc::Rc;

/// How much a log line matters, the least first.
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

/// Where the record lay. The three together name it for as long as its topic exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The topic's name. One stream may have a topic per data centre.
    pub topic: &'a str,
    /// The partition's number, from 0.
    pub partition: u32,
    /// The record's number in its partition, from 0. Later records have larger ones.
    pub offset: u64,
}

/// One event, for as long as [`crate::Plugin::process`] has it.
///
/// What is logged and counted through it counts only once the event is done: if another event's fault makes the host
/// run it again, it still counts once.
///
/// ```
/// # use millrace_sdk::{Event, Failure, Level, MediaWiki, Outcome, Text};
/// /// What is read of an event; the fields in `describe` are the same.
/// #[derive(serde::Deserialize)]
/// struct PageChange<'a> {
///     #[serde(borrow)]
///     wiki_id: Text<'a>,
///     /// Not every event has one.
///     #[serde(borrow)]
///     comment: Option<Text<'a>>,
/// }
///
/// # async fn process(event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
/// let change: PageChange<'_> = event.json()?;
/// event.count("seen", &[("wiki", &change.wiki_id)], 1);
/// if change.comment.is_none() {
///     event.log(Level::Info, "an edit without a comment");
/// }
/// let is_sampled = event.random() % 100 == 0;
/// Ok(event.patch().set("/checked_ms", &event.now_ms()).set("/is_sampled", &is_sampled).emit("checked"))
/// # }
/// ```
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

    /// The input that it came in by: a name from [`crate::Describe::input`].
    pub fn input(&self) -> &str {
        &self.inner.input
    }

    /// Where the record lay.
    pub fn source(&self) -> Source<'_> {
        let wit::Source { topic, partition, offset } = &self.inner.source;
        Source { topic, partition: *partition, offset: *offset }
    }

    /// Kafka's time of the record, in milliseconds since 1970; negative where it has none. The time of what the event
    /// tells of is in its document.
    pub fn timestamp_ms(&self) -> i64 {
        self.inner.timestamp_ms
    }

    /// Kafka's key: bytes, mostly JSON text. None where the record has none.
    pub fn key(&self) -> Option<&[u8]> {
        self.inner.key.as_deref()
    }

    /// The value of the first header of that name; only those in [`crate::Input::headers`] are there. A header whose
    /// value is Kafka's null is `None` too.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.inner.headers.iter().find(|header| header.name == name)?.value.as_deref()
    }

    /// 1 for the first try, 2 after the first [`crate::Outcome::retry`]. A re-run after another event's fault does not
    /// count.
    pub fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    /// Whether there is no document: Kafka's null value, which says that what the key names is gone. Comes only to
    /// inputs with [`crate::Input::tombstones`].
    pub fn is_tombstone(&self) -> bool {
        self.inner.value.is_none()
    }

    /// The JSON document, cut down to the fields of `describe`; empty for a tombstone. One that is larger than the
    /// pipeline's limit `inline` (256 KiB unless set) is copied out of the host when this is first called.
    pub fn bytes(&self) -> &[u8] {
        match &self.inner.value {
            None => &[],
            Some(wit::Payload::Inline(bytes)) => bytes,
            Some(wit::Payload::Large(blob)) => self.large.get_or_init(|| Blob::from_wit(blob).read_all()),
        }
    }

    /// The document as a type of yours; members that the type does not have are passed over. Borrow from it
    /// ([`crate::Text`] rather than `String`) where you can: that is what makes it fast. [`crate::Value`] takes
    /// whatever there is.
    ///
    /// # Errors
    /// `invalid_event` when the document is not of that shape, or there is none (a tombstone).
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        serde_json::from_slice(self.bytes())
            .map_err(|error| Failure::new("invalid_event", format!("input {}: {error}", self.input())))
    }

    /// Edits on this event's document; none yet. Emitted like that, the event goes out as it came. A tombstone has
    /// nothing to edit: emitting a patch of one is an error event `output_invalid`.
    pub fn patch(&self) -> Patch {
        Patch::default()
    }

    /// The time, in milliseconds since 1970. It stands still until something is awaited, and a replay gets the same
    /// one. There is no other clock.
    pub fn now_ms(&self) -> u64 {
        self.ticket.instance.now_ms.get()
    }

    /// A random number between 0 and `u64::MAX`, from a generator seeded with the event's place: every attempt and
    /// every replay gets the same numbers in the same order. Not for secrets.
    pub fn random(&self) -> u64 {
        let state = self.ticket.random.get().unwrap_or_else(|| random::seed(self.source()));
        let (next, number) = random::step(state);
        self.ticket.random.set(Some(next));
        number
    }

    /// Writes a log line of this event. Never fails: control characters become spaces, a line is cut at 8 KiB, and
    /// lines beyond 50 of an event are dropped, which the host counts.
    pub fn log(&self, level: Level, message: &str) {
        imports::log(Some(self.ticket.number), level, message);
    }

    /// Adds `by` to a counter, which Prometheus sees as `millrace_plugin_<name>_total`.
    ///
    /// Never fails, but what breaks a rule counts as `other`. The name, and each label's name, is 1 to 64 ASCII
    /// letters, digits and `_`, no digit first; a label's value has at most 64 bytes; there are at most 8 labels. Take
    /// all of them from small sets (a wiki, never a title): 50 combinations of an event and 200 of a pipeline have a
    /// number of their own.
    pub fn count(&self, name: &str, labels: &[(&str, &str)], by: u64) {
        imports::count(Some(self.ticket.number), name, labels, by);
    }

    /// Records a value: Prometheus sees the sum and the number of all of them as `millrace_plugin_<name>_sum` and
    /// `_count`. The rules are those of [`Event::count`]; what is not finite counts as `other`. Give units in the name:
    /// `diff_bytes`.
    pub fn observe(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        imports::observe(Some(self.ticket.number), name, labels, value);
    }
}
