//! Draining: a pipeline takes events up to an offset of each partition and no further, finishes them, and keeps its
//! partitions. Nobody else goes on with them, so what was not taken is still there when it goes on or another one begins.

use super::shard::OwnedShard;
use super::{Partition, RecordPath};
use millrace_flow::record::TopicPartition;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Up to where a pipeline takes events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// What was taken already.
    Now,
    /// In every partition, the events below this offset.
    Offset(i64),
    /// In these partitions (`topic/partition`) the events below these offsets; in others, what was taken already.
    Offsets(BTreeMap<String, i64>),
}

impl Until {
    /// Whether an event is still taken.
    pub(super) fn takes(&self, partition: &TopicPartition, offset: i64) -> bool {
        self.limit(partition).is_some_and(|limit| offset < limit)
    }

    /// The offset from which on nothing is taken; none: nothing at all.
    fn limit(&self, partition: &TopicPartition) -> Option<i64> {
        match self {
            Self::Now => None,
            Self::Offset(limit) => Some(*limit),
            Self::Offsets(limits) => limits.get(&partition.to_string()).copied(),
        }
    }

    /// Whether everything that is taken of this partition is settled.
    fn is_reached(&self, name: &TopicPartition, partition: &Partition, shard: &OwnedShard) -> bool {
        let waits_beyond = |limit| partition.backlog.front().is_some_and(|waiting| waiting.record.offset >= limit);
        let all_taken = self.limit(name).is_none_or(|limit| partition.ledger.next() >= limit || waits_beyond(limit));
        // Timers have no offset, and none begins while this is waited for.
        let nothing_runs = partition.ledger.open() == 0 && shard.lanes.running() == 0;
        all_taken && nothing_runs && shard.gathering.is_idle()
    }
}

impl RecordPath {
    /// Takes events only so far from now on; with none, all of them again.
    pub fn drain(&mut self, until: Option<Until>) {
        self.drain = until;
    }

    /// Whether it drains, and all that it still takes is settled.
    pub fn is_drained(&self) -> bool {
        let is_reached = |until: &Until, (name, partition): (&TopicPartition, &Partition)| {
            self.shards.get(&partition.shard).is_none_or(|shard| until.is_reached(name, partition, shard))
        };
        let reached = |until: &Until| self.partitions.iter().all(|owned| is_reached(until, owned));
        self.drain.as_ref().is_some_and(reached)
    }

    /// Up to where every owned partition is settled, by `topic/partition`.
    pub fn prefixes(&self) -> BTreeMap<String, i64> {
        self.partitions.iter().map(|(name, partition)| (name.to_string(), partition.ledger.prefix())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Finish;
    use crate::partition::sample::{finished, path, record};
    use millrace_flow::failures::FailureLimits;
    use std::time::Instant;

    /// Offers the offsets 0 to 4 while `until` holds; returns which are taken.
    #[track_caller]
    fn check(until: Until, taken: usize) {
        let (mut path, now) = (path(FailureLimits::default()), Instant::now());
        path.drain(Some(until));
        path.poll((0..5).map(record).collect(), now);
        path.admit(now);
        assert_eq!(path.open(None), taken);
        assert_eq!(path.is_drained(), taken == 0);
        path.dispatch();
        (0..taken as u64).for_each(|id| drop(path.finish(finished(id, Finish::Skipped("x".to_owned()), 0), now)));
        path.admit(now);
        assert!(path.is_drained());
        assert_eq!(path.prefixes(), BTreeMap::from([("in/0".to_owned(), taken as i64)]));
        path.drain(None);
        path.admit(now);
        assert_eq!((path.open(None), path.is_drained()), (5 - taken, false));
    }

    #[test]
    fn nothing_is_taken_from_the_offset_on() {
        check(Until::Now, 0);
        check(Until::Offset(0), 0);
        check(Until::Offset(3), 3);
        check(Until::Offsets(BTreeMap::from([("in/0".to_owned(), 2)])), 2);
        check(Until::Offsets(BTreeMap::from([("other/0".to_owned(), 2)])), 0);
    }

    #[test]
    fn an_offset_that_is_not_there_yet_is_waited_for() {
        let (mut path, now) = (path(FailureLimits::default()), Instant::now());
        path.drain(Some(Until::Offset(3)));
        assert!(!path.is_drained());
        // Compaction took the offsets 0 to 6 away.
        path.poll(vec![record(7)], now);
        path.admit(now);
        assert!(path.is_drained());
    }
}
