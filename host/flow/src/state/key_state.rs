//! The state of one key in the hands of one event: what is kept, and on top of it what the event wrote. It moves to the
//! worker with the event, and what comes back is the changes.

use super::changes::{StateChange, StateChanges};
use super::entries::KeyEntries;
use super::timers::TimerClock;
use super::{ENTRIES_MAX, KEY_BYTES_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX, WRITES_BYTES_MAX};
use bytes::Bytes;
use std::sync::Arc;

/// A write that is beyond a bound, which no plugin may pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenBound {
    /// The key is too long to have state.
    #[error("the key of this event has {found} bytes, and a key that has state has {KEY_BYTES_MAX} at most")]
    Key {
        /// Its bytes.
        found: usize,
    },
    /// The name is too long, or empty.
    #[error("the name of an entry or a timer has {found} bytes; it must have 1 to {NAME_BYTES_MAX}")]
    Name {
        /// Its bytes.
        found: usize,
    },
    /// The value is too large.
    #[error("a value of the store `{store}` has {found} bytes, and {VALUE_BYTES_MAX} are the most; split it")]
    Value {
        /// Where it was to go.
        store: Arc<str>,
        /// Its bytes.
        found: usize,
    },
    /// The key would have too many values and timers.
    #[error("this key would have more than {ENTRIES_MAX} values and timers; a key is for what belongs to one thing")]
    Entries,
    /// One event writes too much.
    #[error("one event wrote more than {WRITES_BYTES_MAX} bytes of state, or to more than {ENTRIES_MAX} entries")]
    Writes,
}

/// What an event wrote to one value; none: it is deleted.
#[derive(Clone, Debug)]
struct WrittenValue {
    store: Arc<str>,
    name: Arc<str>,
    value: Option<Bytes>,
}

/// What an event said of one timer; none: it is cleared.
#[derive(Clone, Debug)]
struct WrittenTimer {
    name: Arc<str>,
    clock: TimerClock,
    due_ms: Option<u64>,
}

/// The state of one key, as one event sees it. Cloning it shares what is kept.
///
/// Made by [`StateStore::open`](super::StateStore::open) when the event may run, and true until it ends, because its lane
/// is held for so long. A re-run starts from a clone that nobody wrote to.
#[derive(Clone, Debug)]
pub struct KeyState {
    key: Bytes,
    kept: Arc<KeyEntries>,
    values: Vec<WrittenValue>,
    timers: Vec<WrittenTimer>,
    /// The timer whose ticket this is.
    spent: Option<(Arc<str>, TimerClock)>,
    /// Bytes of names and values that were written.
    written_bytes: usize,
    /// Entries that are there now.
    entries: usize,
}

impl KeyState {
    pub(super) fn new(key: Bytes, kept: Arc<KeyEntries>) -> Self {
        let entries = kept.len();
        Self { key, kept, values: Vec::new(), timers: Vec::new(), spent: None, written_bytes: 0, entries }
    }

    /// A key of which nothing is kept: for tests of plugins.
    pub fn empty(key: Bytes) -> Self {
        Self::new(key, Arc::default())
    }

    /// The key.
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The value of that name, what this event wrote included.
    pub fn get(&self, store: &str, name: &str) -> Option<&Bytes> {
        match self.find_value(store, name) {
            Ok(at) => self.values.get(at).and_then(|written| written.value.as_ref()),
            Err(_) => self.kept.value(store, name),
        }
    }

    /// Writes a value.
    ///
    /// # Errors
    /// A bound is passed.
    pub fn put(&mut self, store: &Arc<str>, name: &str, value: Bytes) -> Result<(), BrokenBound> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(BrokenBound::Value { store: Arc::clone(store), found: value.len() });
        }
        self.write_value(store, name, Some(value))
    }

    /// Deletes a value, if it is there.
    ///
    /// # Errors
    /// A bound is passed.
    pub fn delete(&mut self, store: &Arc<str>, name: &str) -> Result<(), BrokenBound> {
        if self.get(store, name).is_none() {
            return self.check_name(name);
        }
        self.write_value(store, name, None)
    }

    /// Sets a timer, or moves it.
    ///
    /// # Errors
    /// A bound is passed.
    pub fn set_timer(&mut self, name: &str, clock: TimerClock, due_ms: u64) -> Result<(), BrokenBound> {
        self.write_timer(name, clock, Some(due_ms))
    }

    /// Clears a timer, if it is set.
    ///
    /// # Errors
    /// A bound is passed.
    pub fn clear_timer(&mut self, name: &str, clock: TimerClock) -> Result<(), BrokenBound> {
        if self.timer(name, clock).is_none() {
            return self.check_name(name);
        }
        self.write_timer(name, clock, None)
    }

    /// When the timer of that name is due, what this event said of it included.
    pub fn timer(&self, name: &str, clock: TimerClock) -> Option<u64> {
        match self.find_timer(name, clock) {
            Ok(at) => self.timers.get(at).and_then(|written| written.due_ms),
            Err(_) => self.kept.timer(name, clock),
        }
    }

    /// The timer has fired, so it is no longer set unless it is set again. Not bounded: it is the host that says so.
    pub(super) fn spend(&mut self, name: &Arc<str>, clock: TimerClock) {
        if let Err(at) = self.find_timer(name, clock) {
            self.timers.insert(at, WrittenTimer { name: Arc::clone(name), clock, due_ms: None });
            self.entries -= usize::from(self.kept.timer(name, clock).is_some());
            self.spent = Some((Arc::clone(name), clock));
        }
    }

    /// What changed, once the event has ended well. What was written as it was, or deleted again, is no change.
    pub fn into_changes(self) -> StateChanges {
        let Self { key, kept, values, timers, spent, .. } = self;
        let values = values.into_iter().filter_map(|WrittenValue { store, name, value }| {
            match (kept.value(&store, &name), value) {
                (None, None) => None,
                (Some(old), Some(new)) if *old == new => None,
                (_, Some(value)) => Some(StateChange::Put { store, name, value }),
                (Some(_), None) => Some(StateChange::Delete { store, name }),
            }
        });
        let timers = timers.into_iter().filter_map(|WrittenTimer { name, clock, due_ms }| {
            // One that has fired and is set to the same time again is set anew.
            let has_fired = spent.as_ref().is_some_and(|(spent, by)| (spent, *by) == (&name, clock));
            match (kept.timer(&name, clock), due_ms) {
                (old, new) if old == new && !has_fired => None,
                (_, Some(due_ms)) => Some(StateChange::SetTimer { name, clock, due_ms }),
                (_, None) => Some(StateChange::ClearTimer { name, clock }),
            }
        });
        let changes: Vec<StateChange> = values.chain(timers).collect();
        StateChanges { key, changes }
    }

    fn write_value(&mut self, store: &Arc<str>, name: &str, value: Option<Bytes>) -> Result<(), BrokenBound> {
        self.check_name(name)?;
        let was_there = self.get(store, name).is_some();
        self.count(was_there, value.is_some())?;
        let bytes = |value: &Option<Bytes>| name.len() + value.as_ref().map_or(0, Bytes::len);
        let found = self.find_value(store, name);
        let before = found.ok().and_then(|at| self.values.get(at)).map_or(0, |written| bytes(&written.value));
        self.weigh(before, bytes(&value))?;
        match found {
            Ok(at) => self.values.get_mut(at).into_iter().for_each(|written| written.value = value.clone()),
            Err(at) => self.values.insert(at, WrittenValue { store: Arc::clone(store), name: name.into(), value }),
        }
        Ok(())
    }

    fn write_timer(&mut self, name: &str, clock: TimerClock, due_ms: Option<u64>) -> Result<(), BrokenBound> {
        self.check_name(name)?;
        let was_there = self.timer(name, clock).is_some();
        self.count(was_there, due_ms.is_some())?;
        match self.find_timer(name, clock) {
            Ok(at) => self.timers.get_mut(at).into_iter().for_each(|written| written.due_ms = due_ms),
            Err(at) => {
                self.weigh(0, name.len())?;
                self.timers.insert(at, WrittenTimer { name: name.into(), clock, due_ms });
            }
        }
        Ok(())
    }

    fn check_name(&self, name: &str) -> Result<(), BrokenBound> {
        if self.key.len() > KEY_BYTES_MAX {
            return Err(BrokenBound::Key { found: self.key.len() });
        }
        if (1..=NAME_BYTES_MAX).contains(&name.len()) { Ok(()) } else { Err(BrokenBound::Name { found: name.len() }) }
    }

    /// Counts an entry that comes or goes.
    fn count(&mut self, was_there: bool, is_there: bool) -> Result<(), BrokenBound> {
        let entries = self.entries + usize::from(is_there) - usize::from(was_there);
        if entries > ENTRIES_MAX && entries > self.entries {
            return Err(BrokenBound::Entries);
        }
        self.entries = entries;
        Ok(())
    }

    /// Weighs a write that takes the place of one that had `before` bytes; 0 where there was none.
    fn weigh(&mut self, before: usize, after: usize) -> Result<(), BrokenBound> {
        let written = self.written_bytes - before + after;
        let is_new = before == 0;
        if written > WRITES_BYTES_MAX || (is_new && self.values.len() + self.timers.len() >= ENTRIES_MAX) {
            return Err(BrokenBound::Writes);
        }
        self.written_bytes = written;
        Ok(())
    }

    fn find_value(&self, store: &str, name: &str) -> Result<usize, usize> {
        self.values.binary_search_by(|written| (&*written.store, &*written.name).cmp(&(store, name)))
    }

    fn find_timer(&self, name: &str, clock: TimerClock) -> Result<usize, usize> {
        self.timers.binary_search_by(|written| (&*written.name, written.clock).cmp(&(name, clock)))
    }
}
