//! Puts the events of each key into the order of their sequence numbers. An event that comes too early is held in state
//! until those before it are there, or until the stream has gone on for so long that they will not come.

use millrace_sdk::{
    Clock, Describe, Emission, Event, Failure, Input, MediaWiki, Outcome, Output, Pieces, Plugin, State, Timer, Value,
    json,
};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The store of what is known of the order: `next` is the number that is waited for, `held` are those that wait for it.
const ORDER: &str = "order";

/// The store of the events that wait, by number.
const EVENTS: &str = "events";

/// The timer that ends the wait.
const GAP: &str = "gap";

/// Events that one outcome may emit; so many may be held, but for the one that fills the gap.
const HELD_MAX: usize = 999;

/// Bytes of an event that can be held: what a value of state may have.
const EVENT_BYTES_MAX: usize = 1_000_000;

struct ReorderBuffer {
    settings: Settings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// A JSON Pointer to the sequence number: a whole number, one more for each event of a key.
    sequence: String,
    /// How long the stream's time may go on before a number that is missing is given up.
    wait_ms: u64,
    /// How many events of a key may wait; one more, and what is missing is given up.
    held_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sequence: "/sequence".to_owned(), wait_ms: 60_000, held_max: 500 }
    }
}

/// What is known of the order of one key.
struct Order {
    /// The number that is waited for; none before the first event.
    next: Option<u64>,
    /// The numbers of the events that wait, all above `next`.
    held: BTreeSet<u64>,
}

impl Order {
    fn read(state: State<'_>) -> Result<Self, Failure> {
        Ok(Self { next: state.get_json("next")?, held: state.get_json("held")?.unwrap_or_default() })
    }

    fn write(&self, state: State<'_>) -> Result<(), Failure> {
        state.put_json("next", &self.next)?;
        if self.held.is_empty() {
            state.delete("held");
            return Ok(());
        }
        state.put_json("held", &self.held)
    }

    /// Takes the number that comes next out of those that wait, if it is there; the lowest one where gaps are given up.
    fn take_next(&mut self, gaps: Gaps) -> Option<u64> {
        let first = self.held.first().copied()?;
        if gaps == Gaps::AreWaitedFor && self.next != Some(first) {
            return None;
        }
        self.held.pop_first();
        self.next = Some(first + 1);
        Some(first)
    }
}

/// What becomes of numbers that are missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    AreWaitedFor,
    AreGivenUp,
}

impl Plugin for ReorderBuffer {
    type Settings = Settings;

    fn describe() -> Describe {
        Describe::new("reorder-buffer", env!("CARGO_PKG_VERSION"))
            .input("in", Input::new())
            .output("out", Output::new())
            .store(ORDER)
            .store(EVENTS)
            .settings(json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "sequence": {"description": "a JSON Pointer", "type": "string", "default": "/sequence"},
                    "wait_ms": {"type": "integer", "minimum": 0, "default": 60_000},
                    "held_max": {"type": "integer", "minimum": 1, "maximum": HELD_MAX, "default": 500},
                },
            }))
    }

    fn new(settings: Settings) -> Result<Self, String> {
        if !(1..=HELD_MAX).contains(&settings.held_max) {
            return Err(format!("held_max must be 1 to {HELD_MAX}"));
        }
        if !settings.sequence.starts_with('/') {
            return Err("sequence must be a JSON Pointer, such as /sequence".to_owned());
        }
        Ok(Self { settings })
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        let number = self.number(&event)?;
        let mut order = Order::read(event.state(ORDER))?;
        let next = order.next.unwrap_or(number);
        if number < next {
            return Ok(Outcome::skip("late"));
        }
        if order.held.contains(&number) {
            return Ok(Outcome::skip("duplicate"));
        }
        if number > next {
            return self.hold(&event, number, order);
        }
        order.next = Some(number + 1);
        let mut emissions = vec![event.patch().to("out")];
        emissions.extend(release(&mut order, event.state(EVENTS), Gaps::AreWaitedFor)?);
        if order.held.is_empty() {
            event.clear_timer(GAP, Clock::Event);
        } else {
            // Another number is missing now.
            event.set_timer(GAP, Clock::Event, self.give_up_at(&event));
        }
        order.write(event.state(ORDER))?;
        Ok(Outcome::emit(emissions))
    }

    async fn on_timer(&self, timer: Timer, _: &MediaWiki) -> Result<Outcome, Failure> {
        let mut order = Order::read(timer.state(ORDER))?;
        let emissions = release(&mut order, timer.state(EVENTS), Gaps::AreGivenUp)?;
        order.write(timer.state(ORDER))?;
        timer.count("given_up", &[], 1);
        Ok(Outcome::emit(emissions))
    }
}

impl ReorderBuffer {
    fn number(&self, event: &Event) -> Result<u64, Failure> {
        let document: Value = event.json()?;
        let number = document.pointer(&self.settings.sequence).and_then(Value::as_u64);
        number.filter(|number| *number < u64::MAX).ok_or_else(|| {
            Failure::new("no_sequence", format!("there is no whole number at {}", self.settings.sequence))
        })
    }

    /// Keeps an event that came too early. Where too many wait, what is missing is given up.
    fn hold(&self, event: &Event, number: u64, mut order: Order) -> Result<Outcome, Failure> {
        let events = event.state(EVENTS);
        if event.bytes().len() > EVENT_BYTES_MAX {
            let message = format!("it came early and has more than {EVENT_BYTES_MAX} bytes");
            return Err(Failure::new("too_large_to_hold", message));
        }
        if order.held.is_empty() {
            event.set_timer(GAP, Clock::Event, self.give_up_at(event));
        }
        order.held.insert(number);
        events.put(&number.to_string(), event.bytes());
        let mut emissions = Vec::new();
        if order.held.len() > self.settings.held_max {
            emissions = release(&mut order, events, Gaps::AreGivenUp)?;
            event.clear_timer(GAP, Clock::Event);
            event.count("given_up", &[], 1);
        }
        order.write(event.state(ORDER))?;
        Ok(if emissions.is_empty() { Outcome::skip("held") } else { Outcome::emit(emissions) })
    }

    fn give_up_at(&self, event: &Event) -> u64 {
        // Kafka has a time of every record, unless a very old producer wrote it.
        u64::try_from(event.timestamp_ms()).unwrap_or_else(|_| event.now_ms()).saturating_add(self.settings.wait_ms)
    }
}

/// Takes what may go out of those that wait, in order.
fn release(order: &mut Order, events: State<'_>, gaps: Gaps) -> Result<Vec<Emission>, Failure> {
    let mut released = Vec::new();
    while let Some(number) = order.take_next(gaps) {
        let name = number.to_string();
        let event = events.get(&name);
        let event = event.ok_or_else(|| Failure::new("invalid_state", format!("the event {name} is not held")))?;
        events.delete(&name);
        released.push(Emission::pieces("out", Pieces::new().raw(event)));
    }
    Ok(released)
}

millrace_sdk::plugin!(ReorderBuffer);

#[cfg(test)]
mod tests;
