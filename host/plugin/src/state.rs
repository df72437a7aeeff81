//! State and timers as an instance sees them: of the tickets that it holds, each of its own key. What is written lasts as
//! long as the instance and its ticket do; it counts when the ticket ends, in `crew.rs`.

use crate::bindings::{state, timers, types};
use crate::view::{BrokenRule, View};
use millrace_flow::state::{BrokenBound, KeyState, TimerClock};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The state of the tickets that an instance holds.
#[derive(Default)]
pub(crate) struct States {
    /// The stores of `describe`.
    stores: Arc<[Arc<str>]>,
    /// By ticket; a ticket without a key, and every ticket of a plugin without stores, is not in it.
    of_tickets: FxHashMap<u64, Box<KeyState>>,
}

impl States {
    pub(crate) fn new(stores: Arc<[Arc<str>]>) -> Self {
        Self { stores, of_tickets: FxHashMap::default() }
    }

    /// The instance is given `ticket`, whose key has this state.
    pub(crate) fn give(&mut self, ticket: u64, state: Box<KeyState>) {
        self.of_tickets.insert(ticket, state);
    }

    /// Takes the state of a ticket back, with what was written to it.
    pub(crate) fn take(&mut self, ticket: u64) -> Option<Box<KeyState>> {
        if self.of_tickets.is_empty() { None } else { self.of_tickets.remove(&ticket) }
    }

    /// The state of a ticket, for the store of this name.
    fn store(&mut self, ticket: u64, store: &str) -> Result<(&mut KeyState, &Arc<str>), BrokenRule> {
        let known = self.stores.iter().find(|known| ***known == *store);
        let Some(known) = known else {
            let shown: String = store.chars().take(64).collect();
            let why =
                if self.stores.is_empty() { "its pipeline grants no state" } else { "`describe` does not list it" };
            return Err(BrokenRule(format!("the plugin used store {shown:?}, but {why}")));
        };
        let state = self.of_tickets.get_mut(&ticket).ok_or_else(|| no_state(ticket))?;
        Ok((state, known))
    }

    /// The state of a ticket, for its timers.
    fn timers(&mut self, ticket: u64) -> Result<&mut KeyState, BrokenRule> {
        if self.stores.is_empty() {
            return Err(BrokenRule(
                "the plugin used a timer, but its pipeline grants no timers: they are kept with state, and `describe` lists \
                 no store"
                    .to_owned(),
            ));
        }
        let state = self.of_tickets.get_mut(&ticket).ok_or_else(|| no_state(ticket))?;
        Ok(state)
    }
}

fn no_state(ticket: u64) -> BrokenRule {
    BrokenRule(format!(
        "the plugin used state under ticket {ticket}, which has none: it is unknown or has ended, or its event has no key"
    ))
}

fn broken(ticket: u64, bound: &BrokenBound) -> BrokenRule {
    BrokenRule(format!("ticket {ticket}: {bound}"))
}

impl state::Host for View {
    fn get(&mut self, ticket: u64, store: String, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let (state, store) = self.states.store(ticket, &store)?;
        Ok(state.get(store, &name).map(|value| value.to_vec()))
    }

    fn put(&mut self, ticket: u64, store: String, name: String, value: Vec<u8>) -> wasmtime::Result<()> {
        let (state, store) = self.states.store(ticket, &store)?;
        state.put(store, &name, value.into()).map_err(|bound| broken(ticket, &bound))?;
        Ok(())
    }

    fn delete(&mut self, ticket: u64, store: String, name: String) -> wasmtime::Result<()> {
        let (state, store) = self.states.store(ticket, &store)?;
        state.delete(store, &name).map_err(|bound| broken(ticket, &bound))?;
        Ok(())
    }
}

impl timers::Host for View {
    fn set(&mut self, ticket: u64, name: String, clock: types::Clock, at_ms: u64) -> wasmtime::Result<()> {
        let state = self.states.timers(ticket)?;
        state.set_timer(&name, by(clock), at_ms).map_err(|bound| broken(ticket, &bound))?;
        Ok(())
    }

    fn clear(&mut self, ticket: u64, name: String, clock: types::Clock) -> wasmtime::Result<()> {
        let state = self.states.timers(ticket)?;
        state.clear_timer(&name, by(clock)).map_err(|bound| broken(ticket, &bound))?;
        Ok(())
    }
}

fn by(clock: types::Clock) -> TimerClock {
    match clock {
        types::Clock::EventTime => TimerClock::EventTime,
        types::Clock::Wall => TimerClock::Wall,
    }
}
