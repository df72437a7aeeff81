//! The calls to the host. Natively there is none: `testing` takes them, for unit tests.

use crate::Clock;
use crate::event::Level;

#[cfg(target_arch = "wasm32")]
mod host {
    use super::{Clock, Level};
    use crate::bindings::millrace::plugin::{blobs, log as contract_log, metrics, state, timers};

    pub(crate) fn read(blob: u64, offset: u64, length: u32) -> Vec<u8> {
        blobs::read(blob, offset, length)
    }

    pub(crate) fn log(ticket: Option<u64>, level: Level, message: &str) {
        let level = match level {
            Level::Debug => contract_log::Level::Debug,
            Level::Info => contract_log::Level::Info,
            Level::Warn => contract_log::Level::Warn,
            Level::Error => contract_log::Level::Error,
        };
        contract_log::write(ticket, level, message);
    }

    pub(crate) fn count(ticket: Option<u64>, name: &str, labels: &[(&str, &str)], by: u64) {
        metrics::count(ticket, name, &owned(labels), by);
    }

    pub(crate) fn observe(ticket: Option<u64>, name: &str, labels: &[(&str, &str)], value: f64) {
        metrics::observe(ticket, name, &owned(labels), value);
    }

    pub(crate) fn state_get(ticket: u64, store: &str, name: &str) -> Option<Vec<u8>> {
        state::get(ticket, store, name)
    }

    pub(crate) fn state_put(ticket: u64, store: &str, name: &str, value: &[u8]) {
        state::put(ticket, store, name, value);
    }

    pub(crate) fn state_delete(ticket: u64, store: &str, name: &str) {
        state::delete(ticket, store, name);
    }

    pub(crate) fn timer_set(ticket: u64, name: &str, clock: Clock, at_ms: u64) {
        timers::set(ticket, name, clock.into_wit(), at_ms);
    }

    pub(crate) fn timer_clear(ticket: u64, name: &str, clock: Clock) {
        timers::clear(ticket, name, clock.into_wit());
    }

    fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod host {
    pub(crate) use crate::testing::desk::{count, log, observe, read};
    pub(crate) use crate::testing::state::{state_delete, state_get, state_put, timer_clear, timer_set};
}

/// Reads a blob.
pub(crate) fn read(blob: u64, offset: u64, length: u32) -> Vec<u8> {
    host::read(blob, offset, length)
}

/// Writes a log line.
pub(crate) fn log(ticket: Option<u64>, level: Level, message: &str) {
    host::log(ticket, level, message);
}

/// Adds to a counter.
pub(crate) fn count(ticket: Option<u64>, name: &str, labels: &[(&str, &str)], by: u64) {
    host::count(ticket, name, labels, by);
}

/// Records a value.
pub(crate) fn observe(ticket: Option<u64>, name: &str, labels: &[(&str, &str)], value: f64) {
    host::observe(ticket, name, labels, value);
}

/// Reads a value of the key of this ticket.
pub(crate) fn state_get(ticket: u64, store: &str, name: &str) -> Option<Vec<u8>> {
    host::state_get(ticket, store, name)
}

/// Writes a value of the key of this ticket.
pub(crate) fn state_put(ticket: u64, store: &str, name: &str, value: &[u8]) {
    host::state_put(ticket, store, name, value);
}

/// Deletes a value of the key of this ticket.
pub(crate) fn state_delete(ticket: u64, store: &str, name: &str) {
    host::state_delete(ticket, store, name);
}

/// Sets a timer of the key of this ticket.
pub(crate) fn timer_set(ticket: u64, name: &str, clock: Clock, at_ms: u64) {
    host::timer_set(ticket, name, clock, at_ms);
}

/// Clears a timer of the key of this ticket.
pub(crate) fn timer_clear(ticket: u64, name: &str, clock: Clock) {
    host::timer_clear(ticket, name, clock);
}
