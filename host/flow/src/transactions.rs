//! The rules of exactly-once: which results of a shard go into its next transaction, and what became of one whose
//! outcome nobody told. How a transaction is written is not known here.
//!
//! A shard has one transaction at a time, whatever number of partitions it has. What finishes meanwhile gathers for the next one, so transactions grow by
//! themselves where commits are slow. A transaction is opened late, when every result in it is known, and holds the
//! progress that counts just these results and all before them.

use crate::progress_record::ProgressRecord;
use crate::record::TopicPartition;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// When the results that gathered become a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionLimits {
    /// From the beginning of one transaction to that of the next, unless the one takes longer.
    pub interval: Duration,
    /// So many bytes of outputs do not wait for the interval.
    pub bytes_max: usize,
    /// So many results do not wait for the interval. A transaction holds one result more at most.
    pub results_max: usize,
}

impl Default for TransactionLimits {
    /// 100 ms as in Kafka Streams (KIP-447); 8 MiB and 5,000 results: what one partition finishes in that time at full load.
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), bytes_max: 8 << 20, results_max: 5_000 }
    }
}

/// The finished results of a shard on their way into transactions, in the order in which they finished.
#[derive(Clone, Debug)]
pub struct Gathering<T> {
    waiting: Vec<T>,
    bytes: usize,
    /// When the last transaction began.
    last: Option<Instant>,
    /// Whether there is a transaction of which it is not known yet that it is committed.
    under_way: bool,
}

impl<T> Default for Gathering<T> {
    fn default() -> Self {
        Self { waiting: Vec::new(), bytes: 0, last: None, under_way: false }
    }
}

impl<T> Gathering<T> {
    /// A result is finished, with so many bytes of outputs.
    pub fn put(&mut self, result: T, bytes: usize) {
        self.bytes += bytes;
        self.waiting.push(result);
    }

    /// Whether a transaction may begin now. `hurry`: without waiting for the interval, because the shard leaves.
    pub fn is_due(&self, limits: &TransactionLimits, now: Instant, hurry: bool) -> bool {
        let waited = self.last.is_none_or(|last| now.saturating_duration_since(last) >= limits.interval);
        let full = self.bytes >= limits.bytes_max || self.waiting.len() >= limits.results_max;
        !self.under_way && (waited || full || hurry)
    }

    /// When the next transaction may begin; none while one is under way.
    pub fn due_at(&self, limits: &TransactionLimits, now: Instant) -> Option<Instant> {
        (!self.under_way).then(|| self.last.map_or(now, |last| last + limits.interval))
    }

    /// A transaction begins: takes what gathered. Where that is nothing, the caller may have nothing to write: then
    /// [`Gathering::ended`] follows at once.
    pub fn begin(&mut self, now: Instant) -> Vec<T> {
        self.last = Some(now);
        self.under_way = true;
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// The transaction that was under way is committed.
    pub fn ended(&mut self) {
        self.under_way = false;
    }

    /// Whether results wait.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.under_way
    }
}

/// Progress of the partitions of a shard.
pub type ShardProgress = BTreeMap<TopicPartition, ProgressRecord>;

/// Whether two say the same of the same partitions.
pub fn says_the_same(one: &ShardProgress, other: &ShardProgress) -> bool {
    one.len() == other.len() && one.iter().all(|(partition, record)| is_in(other, partition, record))
}

fn is_in(progress: &ShardProgress, partition: &TopicPartition, record: &ProgressRecord) -> bool {
    progress.get(partition).is_some_and(|found| found.says_the_same(record))
}

/// What became of a transaction whose outcome nobody told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It is committed: it must not be written again.
    Committed,
    /// It is not, and never will be: it is written again, unchanged.
    Aborted,
    /// Somebody else wrote progress of this shard: it is no longer ours.
    NotOurs,
}

/// Resolves an unknown outcome. `found` is the progress that can be read once the transaction cannot be committed any more
/// (its producer is fenced), `moved` is what the transaction says of the partitions that it moves, and `before` is what was
/// there of all partitions of the shard when it began.
///
/// Whole progress is compared, of every partition, serial and set included. An offset alone says nothing, because progress
/// may move on in its set with the offset where it was; a serial alone says too little, because another owner counts on from
/// the same one; and one partition says nothing of the others, which somebody else may have moved.
pub fn resolve(found: &ShardProgress, before: &ShardProgress, moved: &ShardProgress) -> Resolution {
    let is_found = |(partition, record): (&TopicPartition, &ProgressRecord)| is_in(found, partition, record);
    let mut unmoved = before.iter().filter(|(partition, _)| !moved.contains_key(*partition));
    if moved.iter().all(is_found) && unmoved.all(is_found) {
        Resolution::Committed
    } else if before.iter().all(is_found) {
        Resolution::Aborted
    } else {
        Resolution::NotOurs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Admitted, Ledger};
    use crate::progress::{Progress, ProgressBudget};

    const LIMITS: TransactionLimits =
        TransactionLimits { interval: Duration::from_millis(100), bytes_max: 1_000, results_max: 3 };

    #[test]
    fn the_first_transaction_begins_at_once_and_the_next_after_the_interval() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        assert!(gathering.is_due(&LIMITS, now, false));
        gathering.put('a', 1);
        assert_eq!(gathering.begin(now), ['a']);
        gathering.put('b', 1);
        let later = now + Duration::from_secs(1);
        assert!(!gathering.is_due(&LIMITS, later, true), "one at a time");
        gathering.ended();
        assert!(!gathering.is_due(&LIMITS, now + Duration::from_millis(99), false));
        assert!(gathering.is_due(&LIMITS, now + Duration::from_millis(100), false));
        assert_eq!(gathering.due_at(&LIMITS, now), Some(now + Duration::from_millis(100)));
    }

    #[test]
    fn what_is_large_or_much_or_in_a_hurry_does_not_wait_for_the_interval() {
        for (puts, bytes, hurry, due) in
            [(2, 1, false, false), (3, 1, false, true), (1, 1_000, false, true), (0, 0, true, true)]
        {
            let (mut gathering, now) = (Gathering::default(), Instant::now());
            gathering.begin(now);
            gathering.ended();
            (0..puts).for_each(|result| gathering.put(result, bytes));
            assert_eq!(gathering.is_due(&LIMITS, now, hurry), due);
        }
    }

    #[test]
    fn it_is_idle_once_everything_is_committed() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        assert!(gathering.is_idle());
        gathering.put('a', 1);
        assert!(!gathering.is_idle());
        gathering.begin(now);
        assert!(!gathering.is_idle());
        gathering.ended();
        assert!(gathering.is_idle());
    }

    /// Progress at the prefix 12 with an offset settled above it.
    fn record(serial: u64, settled: i64) -> ProgressRecord {
        let mut ledger = Ledger::resume(Progress { serial: serial - 1, ..Progress::at(12) }, ProgressBudget::RECORD);
        (12..20).for_each(|offset| assert_eq!(ledger.admit(offset), Admitted::New));
        ledger.settle(settled);
        ProgressRecord::of(&ledger.progress().expect("it moved"), None)
    }

    /// Progress of the partitions 0 of these topics.
    fn shard<const N: usize>(records: [(&str, &ProgressRecord); N]) -> ShardProgress {
        records.into_iter().map(|(topic, record)| (TopicPartition::new(topic, 0), record.clone())).collect()
    }

    #[test]
    fn what_is_written_tells_what_became_of_a_transaction() {
        let (before, tried) = (record(6, 14), record(7, 15));
        assert_eq!(before.offset, tried.offset);
        let resolve =
            |found: &ProgressRecord| resolve(&shard([("a", found)]), &shard([("a", &before)]), &shard([("a", &tried)]));
        assert_eq!(resolve(&tried), Resolution::Committed);
        assert_eq!(resolve(&before), Resolution::Aborted);
        for foreign in [record(8, 15), record(7, 16), record(6, 15), record(5, 14)] {
            assert_eq!(resolve(&foreign), Resolution::NotOurs);
        }
        let seen_elsewhere = ProgressRecord { leader_epoch: Some(9), ..tried.clone() };
        assert_eq!(resolve(&seen_elsewhere), Resolution::Committed);
    }

    #[test]
    fn of_several_partitions_each_has_to_say_so() {
        let (old, new, foreign) = (record(6, 14), record(7, 15), record(7, 16));
        let before = shard([("a", &old), ("b", &old)]);
        let both = shard([("a", &new), ("b", &new)]);
        for (a, b, expected) in [
            (&new, &new, Resolution::Committed),
            (&old, &old, Resolution::Aborted),
            (&new, &old, Resolution::NotOurs),
            (&foreign, &new, Resolution::NotOurs),
            (&old, &foreign, Resolution::NotOurs),
        ] {
            assert_eq!(resolve(&shard([("a", a), ("b", b)]), &before, &both), expected, "{a:?} {b:?}");
        }
        assert_eq!(resolve(&shard([("a", &new)]), &before, &both), Resolution::NotOurs, "half of it is missing");
    }

    #[test]
    fn a_partition_that_did_not_move_is_where_it_was() {
        let (old, new, foreign) = (record(6, 14), record(7, 15), record(7, 16));
        let (before, moved) = (shard([("a", &old), ("b", &old)]), shard([("a", &new)]));
        for (a, b, expected) in [
            (&new, &old, Resolution::Committed),
            (&old, &old, Resolution::Aborted),
            // Somebody who counted on from our own transaction.
            (&new, &foreign, Resolution::NotOurs),
            (&old, &foreign, Resolution::NotOurs),
        ] {
            assert_eq!(resolve(&shard([("a", a), ("b", b)]), &before, &moved), expected, "{a:?} {b:?}");
        }
        assert!(says_the_same(&before, &before) && !says_the_same(&before, &moved));
        assert!(!says_the_same(&shard([("a", &old)]), &before) && !says_the_same(&before, &shard([("a", &old)])));
    }

    #[test]
    fn results_of_all_partitions_of_a_shard_gather_for_one_transaction() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        gathering.begin(now);
        gathering.ended();
        let results = [("a", 3), ("b", 1), ("a", 4), ("b", 7)];
        results.into_iter().for_each(|result| gathering.put(result, 1));
        assert!(gathering.is_due(&LIMITS, now, false), "four are enough, whosever they are");
        assert_eq!(gathering.begin(now), results, "in the order in which they finished");
        gathering.put(("b", 2), 1);
        assert!(!gathering.is_due(&LIMITS, now + LIMITS.interval, true), "one at a time for all of them");
    }
}
