//! What is kept for one key: sorted lists, because most keys have one entry or two, and millions of keys must not cost a
//! tree each.

use super::changes::StateChange;
use super::timers::TimerClock;
use super::{ENTRY_OVERHEAD_BYTES, KEY_OVERHEAD_BYTES};
use bytes::Bytes;
use std::cmp::Ordering;
use std::sync::Arc;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldValue {
    pub(super) store: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) value: Bytes,
}

/// One timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldTimer {
    pub(super) name: Arc<str>,
    pub(super) clock: TimerClock,
    pub(super) due_ms: u64,
}

/// Everything that is kept for one key: values in the order of store and name, timers in that of name and clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyEntries {
    pub(super) values: Vec<HeldValue>,
    pub(super) timers: Vec<HeldTimer>,
}

impl KeyEntries {
    /// The value of this name.
    pub(super) fn value(&self, store: &str, name: &str) -> Option<&Bytes> {
        let found = self.values.binary_search_by(|held| (&*held.store, &*held.name).cmp(&(store, name))).ok()?;
        self.values.get(found).map(|held| &held.value)
    }

    /// When the timer of this name is due.
    pub(super) fn timer(&self, name: &str, clock: TimerClock) -> Option<u64> {
        let found = self.timers.binary_search_by(|held| (&*held.name, held.clock).cmp(&(name, clock))).ok()?;
        self.timers.get(found).map(|held| held.due_ms)
    }

    /// Values and timers, together.
    pub(super) fn len(&self) -> usize {
        self.values.len() + self.timers.len()
    }

    /// What all of it weighs in the store; nothing where nothing is kept.
    pub(super) fn bytes(&self, key: &[u8]) -> usize {
        weight(key, self.len(), self.bytes_named())
    }

    /// What all of it would weigh with these changes.
    pub(super) fn bytes_with(&self, key: &[u8], changes: &[StateChange]) -> usize {
        let (mut count, mut named) = (self.len(), self.bytes_named());
        for change in changes {
            let (before, after) = match change {
                StateChange::Put { store, name, value } => {
                    (self.value(store, name).map(|old| name.len() + old.len()), Some(name.len() + value.len()))
                }
                StateChange::Delete { store, name } => {
                    (self.value(store, name).map(|old| name.len() + old.len()), None)
                }
                StateChange::SetTimer { name, clock, .. } => {
                    (self.timer(name, *clock).map(|_| name.len()), Some(name.len()))
                }
                StateChange::ClearTimer { name, clock } => (self.timer(name, *clock).map(|_| name.len()), None),
            };
            count = count + usize::from(after.is_some()) - usize::from(before.is_some());
            named = named + after.unwrap_or(0) - before.unwrap_or(0);
        }
        weight(key, count, named)
    }

    /// The bytes of names and values.
    fn bytes_named(&self) -> usize {
        let values = self.values.iter().map(|held| held.name.len() + held.value.len()).sum::<usize>();
        values + self.timers.iter().map(|held| held.name.len()).sum::<usize>()
    }

    /// Makes changes, which are in the order of the entries, each entry once.
    pub(super) fn merge(&mut self, changes: &[StateChange]) {
        let values = changes.iter().filter_map(|change| match change {
            StateChange::Put { store, name, value } => Some((store, name, Some(value))),
            StateChange::Delete { store, name } => Some((store, name, None)),
            StateChange::SetTimer { .. } | StateChange::ClearTimer { .. } => None,
        });
        let values: Vec<(&Arc<str>, &Arc<str>, Option<&Bytes>)> = values.collect();
        merge(
            &mut self.values,
            &values,
            |held, (store, name, _)| (&held.store, &held.name).cmp(&(*store, *name)),
            |(store, name, value)| {
                let value = Bytes::clone((*value)?);
                Some(HeldValue { store: Arc::clone(store), name: Arc::clone(name), value })
            },
        );
        let timers = changes.iter().filter_map(|change| match change {
            StateChange::SetTimer { name, clock, due_ms } => Some((name, *clock, Some(*due_ms))),
            StateChange::ClearTimer { name, clock } => Some((name, *clock, None)),
            StateChange::Put { .. } | StateChange::Delete { .. } => None,
        });
        let timers: Vec<(&Arc<str>, TimerClock, Option<u64>)> = timers.collect();
        merge(
            &mut self.timers,
            &timers,
            |held, (name, clock, _)| (&held.name, held.clock).cmp(&(*name, *clock)),
            |(name, clock, due_ms)| Some(HeldTimer { name: Arc::clone(name), clock: *clock, due_ms: (*due_ms)? }),
        );
    }
}

/// What a key with `count` entries weighs whose names and values have `named` bytes.
fn weight(key: &[u8], count: usize, named: usize) -> usize {
    if count == 0 { 0 } else { key.len() + KEY_OVERHEAD_BYTES + count * ENTRY_OVERHEAD_BYTES + named }
}

/// Merges sorted changes into a sorted list. `made` is what takes the place of an entry of the same name; none removes it.
fn merge<H, C>(held: &mut Vec<H>, changes: &[C], order: impl Fn(&H, &C) -> Ordering, made: impl Fn(&C) -> Option<H>) {
    if changes.is_empty() {
        return;
    }
    let mut merged = Vec::with_capacity(held.len() + changes.len());
    let mut changes = changes.iter().peekable();
    for entry in std::mem::take(held) {
        while let Some(change) = changes.next_if(|change| order(&entry, change) == Ordering::Greater) {
            merged.extend(made(change));
        }
        match changes.next_if(|change| order(&entry, change) == Ordering::Equal) {
            Some(change) => merged.extend(made(change)),
            None => merged.push(entry),
        }
    }
    merged.extend(changes.filter_map(made));
    merged.shrink_to_fit();
    *held = merged;
}
