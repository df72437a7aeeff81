//! Timers: which are due, and by which clock.

use super::changes::{StateChange, StateChanges};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What drives a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerClock {
    /// The event time of the partition: see [`EventTime`].
    EventTime,
    /// The wall clock.
    Wall,
}

impl TimerClock {
    /// Its word, in ids and headers.
    pub fn word(self) -> &'static str {
        match self {
            Self::EventTime => "event_time",
            Self::Wall => "wall",
        }
    }
}

/// The event time of a topic partition: the greatest timestamp that Kafka has of its records seen so far, of canary events
/// too, so that a quiet stream has one. Where several topics share state, see [`ShardTime`](super::ShardTime).
///
/// It is kept nowhere: after a restart it comes back with the records that follow. So a timer may fire later than it would
/// have without a restart, and never earlier. A record from the future moves it to the wall clock and not beyond, so that
/// one wrong clock does not fire every timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTime(Option<u64>);

impl EventTime {
    /// A record with this timestamp came in.
    pub fn observe(&mut self, timestamp_ms: i64, wall_ms: u64) {
        if let Ok(timestamp_ms) = u64::try_from(timestamp_ms) {
            self.0 = self.0.max(Some(timestamp_ms.min(wall_ms)));
        }
    }

    /// In milliseconds since 1970; none before the first record.
    pub fn at_ms(&self) -> Option<u64> {
        self.0
    }
}

/// A timer that is due. It stays in the store until the ticket that it opens has ended, so that a crash does not lose it:
/// see [`StateStore::open_timer`](super::StateStore::open_timer).
///
/// Ordered as timers fire: by when they are due, then by key, name and clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DueTimer {
    /// When it was due, in milliseconds since 1970.
    pub due_ms: u64,
    /// Whose it is.
    pub key: Bytes,
    /// The plugin's name for it.
    pub name: Arc<str>,
    /// What drove it.
    pub clock: TimerClock,
}

impl DueTimer {
    /// The changes of a timer whose ticket ended without any: it is gone, and nothing else has happened. For tickets that
    /// end as an error event.
    pub fn spent(&self) -> StateChanges {
        let clear = StateChange::ClearTimer { name: Arc::clone(&self.name), clock: self.clock };
        StateChanges { key: self.key.clone(), changes: vec![clear] }
    }
}

/// The timers of a store that have not come due yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    event_time: BTreeSet<DueTimer>,
    wall: BTreeSet<DueTimer>,
}

impl Waiting {
    pub(super) fn insert(&mut self, timer: DueTimer) {
        self.of(timer.clock).insert(timer);
    }

    pub(super) fn remove(&mut self, timer: &DueTimer) {
        self.of(timer.clock).remove(timer);
    }

    /// Takes the first timer that is due.
    pub(super) fn pop_due(&mut self, event_time_ms: Option<u64>, wall_ms: u64) -> Option<DueTimer> {
        let by_event = self.event_time.first().filter(|timer| event_time_ms.is_some_and(|now| timer.due_ms <= now));
        let by_wall = self.wall.first().filter(|timer| timer.due_ms <= wall_ms);
        match (by_event, by_wall) {
            (None, None) => None,
            (Some(first), Some(second)) if first > second => self.wall.pop_first(),
            (Some(_), _) => self.event_time.pop_first(),
            (None, Some(_)) => self.wall.pop_first(),
        }
    }

    /// When the next timer of the wall clock is due.
    pub(super) fn next_wall_ms(&self) -> Option<u64> {
        self.wall.first().map(|timer| timer.due_ms)
    }

    fn of(&mut self, clock: TimerClock) -> &mut BTreeSet<DueTimer> {
        match clock {
            TimerClock::EventTime => &mut self.event_time,
            TimerClock::Wall => &mut self.wall,
        }
    }
}
