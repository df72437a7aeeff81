//! Lanes: events of one key run one after the other, those of different keys at once. What running means, and for how
//! long, is the caller's business.

use rustc_hash::{FxHashMap, FxHasher};
use std::collections::VecDeque;
use std::hash::Hasher;

/// Names a lane of one partition.
///
/// It is a hash of the key and not the key: two keys that share one share their order, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub u64);

impl LaneId {
    /// The lane of records without a key, and of all records where order is per partition.
    pub const PARTITION: Self = Self(u64::MAX);

    /// The lane of a key. An empty key is a key.
    pub fn of_key(key: &[u8]) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(key);
        hasher.write_usize(key.len());
        Self(hasher.finish())
    }
}

/// The lanes of one partition, with the items that wait in them.
///
/// A lane is busy from the `enter` that lets an item run to the `leave` that finds nobody waiting. How many may wait is
/// bounded by admission: every item in here is an open offset.
#[derive(Clone, Debug)]
pub struct Lanes<T> {
    /// The busy lanes, each with its waiting items, oldest first.
    busy: FxHashMap<LaneId, VecDeque<T>>,
    waiting: usize,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { busy: FxHashMap::default(), waiting: 0 }
    }
}

impl<T> Lanes<T> {
    /// No lane is busy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands the item back if it may run at once, else keeps it until those before it in its lane have left.
    pub fn enter(&mut self, lane: LaneId, item: T) -> Option<T> {
        match self.busy.entry(lane) {
            std::collections::hash_map::Entry::Vacant(idle) => {
                // An empty queue takes no memory of its own.
                idle.insert(VecDeque::new());
                Some(item)
            }
            std::collections::hash_map::Entry::Occupied(mut busy) => {
                busy.get_mut().push_back(item);
                self.waiting += 1;
                None
            }
        }
    }

    /// The item that ran in `lane` is through: returns the next one, which runs now. A lane that is not busy has none.
    pub fn leave(&mut self, lane: LaneId) -> Option<T> {
        let next = self.busy.get_mut(&lane)?.pop_front();
        match next {
            Some(_) => self.waiting -= 1,
            None => {
                self.busy.remove(&lane);
            }
        }
        next
    }

    /// How many items wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many items run: one per busy lane.
    pub fn running(&self) -> usize {
        self.busy.len()
    }

    /// Forgets every lane and hands back what waited, in order within each lane. For a partition that is given up: what
    /// runs must not leave afterwards.
    pub fn clear(&mut self) -> Vec<T> {
        self.waiting = 0;
        self.busy.drain().flat_map(|(_, waiting)| waiting).collect()
    }
}
