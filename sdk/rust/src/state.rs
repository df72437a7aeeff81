//! State of an event's key, and the timers that are kept with it.

use crate::bindings::millrace::plugin::types as wit;
use crate::ticket::Ticket;
use crate::{Event, Failure, Level, imports};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::rc::Rc;

/// One store of the key of an event or a timer: names with values, which last.
///
/// State belongs to the key. Only one event of a key runs at a time, also while it awaits lookups, so what was read stays
/// true until the event is done. Writes are seen by this event at once. They are kept when it ends with an emission or a
/// skip, and dropped with any other end: then it is as if nothing had been written. The host keeps them in the same
/// transaction as what was emitted.
///
/// The store must be in `describe` ([`crate::Describe::store`]), and the event needs a key; otherwise each call here breaks
/// a rule (`plugin_rule`). A name has 1 to 1,024 bytes, a value at most 1,000,000, and a key at most 4,096 values and
/// timers. An event with all that it wrote becomes an error event `state_full` where the state of a partition has passed
/// the operator's limit.
///
/// ```
/// # use millrace_sdk::{Event, Failure, MediaWiki, Outcome};
/// # async fn process(event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
/// let counts = event.state("counts");
/// let seen = counts.get_json::<u64>("seen")?.unwrap_or(0) + 1;
/// counts.put_json("seen", &seen)?;
/// Ok(event.patch().set("/seen", &seen).emit("counted"))
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct State<'a> {
    ticket: &'a Ticket,
    store: &'a str,
}

impl<'a> State<'a> {
    pub(crate) fn new(ticket: &'a Ticket, store: &'a str) -> Self {
        Self { ticket, store }
    }

    /// The value of this name, if there is one.
    ///
    /// # Panics
    /// In a test, where a host would say that a rule is broken. So do all functions here.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        imports::state_get(self.ticket.number, self.store, name)
    }

    /// Writes a value.
    pub fn put(&self, name: &str, value: impl AsRef<[u8]>) {
        imports::state_put(self.ticket.number, self.store, name, value.as_ref());
    }

    /// Deletes a value, if it is there.
    pub fn delete(&self, name: &str) {
        imports::state_delete(self.ticket.number, self.store, name);
    }

    /// The value of this name, which is JSON, as a type of yours.
    ///
    /// # Errors
    /// `invalid_state` when it is not JSON of that shape. An older version of the plugin may have written it.
    pub fn get_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let value = self.get(name).map(|bytes| serde_json::from_slice(&bytes)).transpose();
        value.map_err(|error| Failure::new("invalid_state", format!("store {}, {name}: {error}", self.store)))
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// `invalid_json` when serde cannot write it.
    pub fn put_json(&self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
        self.put(name, serde_json::to_vec(value)?);
        Ok(())
    }
}

/// What drives a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clock {
    /// The event time of the partition: the greatest timestamp that Kafka has of its records so far. It stands still where
    /// no records come in.
    Event,
    /// The wall clock.
    Wall,
}

impl Clock {
    pub(crate) fn into_wit(self) -> wit::Clock {
        match self {
            Self::Event => wit::Clock::EventTime,
            Self::Wall => wit::Clock::Wall,
        }
    }
}

/// A timer that is due, for as long as [`crate::Plugin::on_timer`] has it: a ticket of its own, in the order of the events
/// of its key. It is no longer set, unless it is set again here.
///
/// ```
/// # use millrace_sdk::{Clock, Emission, Event, Failure, MediaWiki, Outcome, Timer, json};
/// // In `process`: ten minutes after the last event of this key, as far as the stream has come.
/// # fn set(event: &Event) {
/// let due_ms = u64::try_from(event.timestamp_ms()).unwrap_or(0) + 600_000;
/// event.set_timer("quiet", Clock::Event, due_ms);
/// # }
///
/// async fn on_timer(timer: Timer, _: &MediaWiki) -> Result<Outcome, Failure> {
///     let seen = timer.state("counts").get_json::<u64>("seen")?;
///     timer.state("counts").delete("seen");
///     Ok(Emission::document("sessions", &json!({"events": seen})).into())
/// }
/// ```
pub struct Timer {
    ticket: Rc<Ticket>,
    inner: wit::Timer,
}

impl Timer {
    pub(crate) fn new(ticket: Rc<Ticket>, inner: wit::Timer) -> Self {
        Self { ticket, inner }
    }

    /// The key that it was set for.
    pub fn key(&self) -> &[u8] {
        &self.inner.key
    }

    /// The name that it was set by.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What drove it.
    pub fn clock(&self) -> Clock {
        match self.inner.clock {
            wit::Clock::EventTime => Clock::Event,
            wit::Clock::Wall => Clock::Wall,
        }
    }

    /// When it was due, in milliseconds since 1970. It fires then or later, mostly by a part of a second, and by much more
    /// where no host ran.
    pub fn due_ms(&self) -> u64 {
        self.inner.due_ms
    }

    /// As [`Event::state`].
    pub fn state<'a>(&'a self, store: &'a str) -> State<'a> {
        State::new(&self.ticket, store)
    }

    /// As [`Event::set_timer`].
    pub fn set_timer(&self, name: &str, clock: Clock, at_ms: u64) {
        imports::timer_set(self.ticket.number, name, clock, at_ms);
    }

    /// As [`Event::clear_timer`].
    pub fn clear_timer(&self, name: &str, clock: Clock) {
        imports::timer_clear(self.ticket.number, name, clock);
    }

    /// As [`Event::now_ms`].
    pub fn now_ms(&self) -> u64 {
        self.ticket.instance.now_ms.get()
    }

    /// As [`Event::log`].
    pub fn log(&self, level: Level, message: &str) {
        imports::log(Some(self.ticket.number), level, message);
    }

    /// As [`Event::count`].
    pub fn count(&self, name: &str, labels: &[(&str, &str)], by: u64) {
        imports::count(Some(self.ticket.number), name, labels, by);
    }

    /// As [`Event::observe`].
    pub fn observe(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        imports::observe(Some(self.ticket.number), name, labels, value);
    }
}

impl Event {
    /// A store of this event's key: see [`State`].
    pub fn state<'a>(&'a self, store: &'a str) -> State<'a> {
        State::new(&self.ticket, store)
    }

    /// Sets a timer of this event's key, or moves it, kept as state is: [`crate::Plugin::on_timer`] gets it once it is due.
    /// `at_ms` is in milliseconds since 1970. One that is due already fires as soon as this event is done. Its name has 1 to
    /// 1,024 bytes; a timer of the same name by the other clock is another one.
    pub fn set_timer(&self, name: &str, clock: Clock, at_ms: u64) {
        imports::timer_set(self.ticket.number, name, clock, at_ms);
    }

    /// Clears a timer of this event's key, if it is set.
    pub fn clear_timer(&self, name: &str, clock: Clock) {
        imports::timer_clear(self.ticket.number, name, clock);
    }
}

#[cfg(test)]
mod tests;
