//! Stays of shards with this host, told apart. The group can take a shard away and give it back before the pipeline has
//! heard of either; what the pipeline says then is of a stay that is over, and must not touch the one that has begun.

use super::Shared;
use std::sync::atomic::Ordering;

/// One stay of a shard with us: from one take-over to the next, or until it is let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stay(u64);

impl Shared {
    /// One that no shard has had yet.
    pub(super) fn next_stay(&self) -> Stay {
        Stay(self.stays.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
