//! What one event changed in the state of its key.

use super::changelog::ChangelogRecord;
use super::timers::TimerClock;
use bytes::Bytes;
use std::sync::Arc;

/// One change. Each is of another entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// The entry has this value now.
    Put {
        /// A store of `describe`.
        store: Arc<str>,
        /// The plugin's name for it.
        name: Arc<str>,
        /// What is kept.
        value: Bytes,
    },
    /// The entry is gone.
    Delete {
        /// A store of `describe`.
        store: Arc<str>,
        /// The plugin's name for it.
        name: Arc<str>,
    },
    /// The timer is due then, and at no other time.
    SetTimer {
        /// The plugin's name for it.
        name: Arc<str>,
        /// What drives it.
        clock: TimerClock,
        /// In milliseconds since 1970.
        due_ms: u64,
    },
    /// There is no such timer any more.
    ClearTimer {
        /// The plugin's name for it.
        name: Arc<str>,
        /// What drives it.
        clock: TimerClock,
    },
}

/// What one event changed in the state of its key: values in the order of store and name, then timers in that of name and
/// clock, each entry once. Whoever has it applies it with [`StateStore::apply`](super::StateStore::apply) and writes
/// [`StateChanges::records`] in the transaction of the event's results, in the order in which events of the key ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    pub(super) key: Bytes,
    pub(super) changes: Vec<StateChange>,
}

impl StateChanges {
    /// Whether nothing changed. A `skip` is *kept* where something did.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The key whose state changed.
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The changes in their order.
    pub fn iter(&self) -> impl Iterator<Item = &StateChange> {
        self.changes.iter()
    }

    /// The records of the changelog that say the same, in their order.
    pub fn records(&self) -> impl Iterator<Item = ChangelogRecord> {
        self.changes.iter().map(|change| ChangelogRecord::of(&self.key, change))
    }
}
