//! The store: what is kept of all keys of one partition number of one pipeline, in memory and bounded in bytes.

use super::changelog::{ChangelogError, ChangelogRecord};
use super::changes::{StateChange, StateChanges};
use super::entries::KeyEntries;
use super::key_state::KeyState;
use super::timers::{DueTimer, Waiting};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// The state of a partition would pass its limit. The event that wrote it becomes an error event
/// ([`Cause::StateFull`](crate::cause::Cause::StateFull)), and nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a write to {place} would bring the state of this partition from {held} to {wanted} bytes, and it may have {bytes_max}; \
     delete what is no longer needed, or allow more"
)]
pub struct StateFull {
    /// The store that would grow the most, or that it is timers.
    pub place: String,
    /// The bytes that are held.
    pub held: usize,
    /// The bytes that would be.
    pub wanted: usize,
    /// The limit.
    pub bytes_max: usize,
}

/// The state of one partition number of one pipeline. Owned by the loop of the pipeline, from the moment at which the
/// partition is assigned until it is given up; then it is thrown away, unless all of it is committed and the partition
/// comes back.
///
/// Its bytes are always the sum over all keys of the key, [`KEY_OVERHEAD_BYTES`](super::KEY_OVERHEAD_BYTES), and for each
/// value and timer its name, its value and [`ENTRY_OVERHEAD_BYTES`](super::ENTRY_OVERHEAD_BYTES).
#[derive(Clone, Debug)]
pub struct StateStore {
    /// Hashed with a seed: whoever may edit a wiki chooses keys. No key is without entries.
    keys: HashMap<Bytes, Arc<KeyEntries>>,
    /// Timers that were not handed out. One that was, and is set anew, is here again.
    waiting: Waiting,
    /// The names of stores, so that restored entries share them.
    stores: Vec<Arc<str>>,
    nothing: Arc<KeyEntries>,
    bytes: usize,
    bytes_max: usize,
}

impl StateStore {
    /// An empty store that holds at most so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            keys: HashMap::new(),
            waiting: Waiting::default(),
            stores: Vec::new(),
            nothing: Arc::default(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Takes a record of the changelog, in the order of the topic. What was committed is always taken, also where the limit
    /// is lower now: then nothing grows until enough is deleted.
    ///
    /// # Errors
    /// A newer release wrote the record, or nobody of ours did.
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), ChangelogError> {
        let (key, mut change) = ChangelogRecord::read(key, value)?;
        if let StateChange::Put { store, .. } | StateChange::Delete { store, .. } = &mut change {
            match self.stores.iter().find(|known| *known == store) {
                Some(known) => *store = Arc::clone(known),
                None => self.stores.push(Arc::clone(store)),
            }
        }
        self.keep(&StateChanges { key, changes: vec![change] });
        Ok(())
    }

    /// The state of a key, for an event that may run now.
    pub fn open(&self, key: &Bytes) -> KeyState {
        KeyState::new(key.clone(), Arc::clone(self.keys.get(key).unwrap_or(&self.nothing)))
    }

    /// The state of a timer's key, for its ticket, which may run now. The timer is no longer set there unless the ticket
    /// sets it again. None: it was cleared or moved since it came due, and does not fire.
    pub fn open_timer(&self, timer: &DueTimer) -> Option<KeyState> {
        let kept = self.keys.get(&timer.key)?;
        if kept.timer(&timer.name, timer.clock) != Some(timer.due_ms) {
            return None;
        }
        let mut state = KeyState::new(timer.key.clone(), Arc::clone(kept));
        state.spend(&timer.name, timer.clock);
        Some(state)
    }

    /// Makes the changes of an event that ended well, all or none. What does not make the store grow is always taken.
    ///
    /// # Errors
    /// The store would pass its limit.
    pub fn apply(&mut self, changes: &StateChanges) -> Result<(), StateFull> {
        let kept = self.keys.get(&changes.key).unwrap_or(&self.nothing);
        let wanted = self.bytes - kept.bytes(&changes.key) + kept.bytes_with(&changes.key, &changes.changes);
        if wanted > self.bytes_max && wanted > self.bytes {
            let place = place_of(changes);
            return Err(StateFull { place, held: self.bytes, wanted, bytes_max: self.bytes_max });
        }
        self.keep(changes);
        Ok(())
    }

    /// Takes the timers that are due by either clock, in their order, at most `count`. Each is handed out once; it is in the
    /// store until its ticket ends.
    pub fn take_due(&mut self, event_time_ms: Option<u64>, wall_ms: u64, count: usize) -> Vec<DueTimer> {
        std::iter::from_fn(|| self.waiting.pop_due(event_time_ms, wall_ms)).take(count).collect()
    }

    /// Takes a timer back that was handed out and did not run: it is due again, unless it was cleared or moved meanwhile.
    pub fn put_back(&mut self, timer: DueTimer) {
        if self.keys.get(&timer.key).and_then(|kept| kept.timer(&timer.name, timer.clock)) == Some(timer.due_ms) {
            self.waiting.insert(timer);
        }
    }

    /// When [`StateStore::take_due`] has something to give because the wall clock moved on.
    pub fn next_wall_ms(&self) -> Option<u64> {
        self.waiting.next_wall_ms()
    }

    /// The bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many keys have state.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The changelog that makes this store anew, in the order of its keys.
    pub fn records(&self) -> Vec<ChangelogRecord> {
        let of_key = |(key, kept): (&Bytes, &Arc<KeyEntries>)| {
            let values = kept.values.iter().cloned().map(|held| StateChange::Put {
                store: held.store,
                name: held.name,
                value: held.value,
            });
            let timers = kept.timers.iter().cloned().map(|held| StateChange::SetTimer {
                name: held.name,
                clock: held.clock,
                due_ms: held.due_ms,
            });
            values.chain(timers).map(|change| ChangelogRecord::of(key, &change)).collect::<Vec<_>>()
        };
        let mut records: Vec<ChangelogRecord> = self.keys.iter().flat_map(of_key).collect();
        records.sort_unstable();
        records
    }

    fn keep(&mut self, changes: &StateChanges) {
        if changes.is_empty() {
            return;
        }
        // Copied, because it may be a part of something large.
        let key = match self.keys.get_key_value(&changes.key) {
            Some((known, _)) => known.clone(),
            None => Bytes::copy_from_slice(&changes.key),
        };
        let entries = Arc::make_mut(self.keys.entry(key.clone()).or_default());
        self.bytes -= entries.bytes(&key);
        for change in changes.iter() {
            let (name, clock, due_ms) = match change {
                StateChange::SetTimer { name, clock, due_ms } => (name, *clock, Some(*due_ms)),
                StateChange::ClearTimer { name, clock } => (name, *clock, None),
                StateChange::Put { .. } | StateChange::Delete { .. } => continue,
            };
            let timer = |due_ms| DueTimer { due_ms, key: key.clone(), name: Arc::clone(name), clock };
            if let Some(before_ms) = entries.timer(name, clock) {
                self.waiting.remove(&timer(before_ms));
            }
            if let Some(due_ms) = due_ms {
                self.waiting.insert(timer(due_ms));
            }
        }
        entries.merge(&changes.changes);
        self.bytes += entries.bytes(&key);
        if entries.len() == 0 {
            self.keys.remove(&key);
        }
    }
}

/// What to name where there is no room: the store of the largest value.
fn place_of(changes: &StateChanges) -> String {
    let values = changes.iter().filter_map(|change| match change {
        StateChange::Put { store, value, .. } => Some((value.len(), store)),
        _ => None,
    });
    values
        .max_by_key(|(bytes, _)| *bytes)
        .map_or_else(|| "timers".to_owned(), |(_, store)| format!("the store `{store}`"))
}
