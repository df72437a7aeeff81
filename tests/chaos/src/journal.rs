//! What the players write down while they play: when processes ended, and when they stood still.

use crate::evidence::{Standstill, Who};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The machine's clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The journal of one run, shared by its players.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Entries>);

/// What is in a journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    /// When a host's process ended, by host.
    pub(crate) ends: Vec<(usize, i64)>,
    /// Who stood still, and when.
    pub(crate) standstills: Vec<Standstill>,
    /// How many faults were played.
    pub(crate) faults: usize,
}

impl Journal {
    /// A host's process ended.
    pub(crate) fn ended(&self, host: usize, at_ms: i64) {
        self.entries().ends.push((host, at_ms));
    }

    /// Somebody stood still from then until now.
    pub(crate) fn stood_still(&self, who: Who, from_ms: i64) {
        self.entries().standstills.push(Standstill { who, from_ms, to_ms: now_ms() });
    }

    /// A fault was played to its end.
    pub(crate) fn played(&self) {
        self.entries().faults += 1;
    }

    /// What is in it.
    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
