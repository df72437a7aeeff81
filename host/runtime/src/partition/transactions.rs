//! Exactly-once: results of a shard gather, and leave with the progress that counts them, one transaction at a time.
//!
//! Their offsets count as settled in the ledger when the transaction is sealed, because it holds the progress that says
//! so; the events themselves settle when it is committed. A transaction that is aborted is written again unchanged, so the
//! ledgers never have to forget anything; a shard that is lost is forgotten as a whole.

use super::outbox::UnitJobs;
use super::refused::{Unable, first_reasons};
use super::shard::OwnedShard;
use super::{Partition, RecordPath, Refused, state};
use crate::job::JobId;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::{OutputRecord, TopicPartition};
use millrace_flow::transactions::ShardProgress;
use millrace_kafka::commit::PartitionProgress;
use millrace_kafka::delivery::{DeliveryError, OutputFailure};
use millrace_kafka::transactional::Transaction;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A transaction that is under way, with the jobs whose results it holds.
pub(super) struct Sealed {
    transaction: Arc<Transaction>,
    jobs: UnitJobs,
    /// What takes the place of outputs that Kafka would not take.
    instead: BTreeMap<JobId, OutputRecord>,
    since: Instant,
}

/// A transaction that was committed.
#[derive(Debug)]
pub struct Committed {
    /// Its progress, for the group.
    pub copies: Vec<PartitionProgress>,
    /// How long it took.
    pub took: Duration,
}

impl RecordPath {
    /// The results of a job wait for the next transaction of its shard.
    pub(super) fn gather(&mut self, id: JobId, outputs: Vec<OutputRecord>) {
        let changes = self.jobs.get(&id).map_or(0, |job| state::bytes(&job.changes));
        if let Some(shard) = self.shard_of(id) {
            let bytes = outputs.iter().map(OutputRecord::bytes).sum::<usize>() + changes;
            shard.gathering.put((id, outputs), bytes);
        }
    }

    /// Deliver, in exactly-once: the transactions that begin now. `leader_epoch` tells which leader wrote the record before
    /// an offset.
    pub fn seal(
        &mut self,
        now: Instant,
        leader_epoch: impl Fn(&TopicPartition, i64) -> Option<i32>,
    ) -> Vec<Arc<Transaction>> {
        let Some(limits) = self.transactions else { return Vec::new() };
        let Self { shards, partitions, jobs: open, versions, changelog, .. } = self;
        let mut begun = Vec::new();
        for (name, shard) in shards {
            let leaves = |owned| partitions.get(owned).is_some_and(|partition: &Partition| partition.leaving);
            if !shard.gathering.is_due(&limits, now, shard.partitions.iter().any(leaves)) {
                continue;
            }
            let (mut outputs, mut changes, mut jobs) = (Vec::new(), Vec::new(), UnitJobs::new());
            for (id, results) in shard.gathering.begin(now) {
                // Results of jobs that were given up were forgotten with them.
                let Some(job) = open.get_mut(&id) else { continue };
                let Some(partition) = partitions.get_mut(&job.partition) else { continue };
                match job.timer {
                    None => partition.ledger.settle(job.offset),
                    // It settles nothing, and its transaction must be told from the one before.
                    Some(_) => partition.ledger.note_change(),
                }
                changes.push(std::mem::take(&mut job.changes));
                jobs.push((id, results.len()));
                outputs.extend(results);
            }
            let mut progress = ShardProgress::new();
            for owned in &shard.partitions {
                let Some(partition) = partitions.get_mut(owned) else { continue };
                let Some(moved) = partition.ledger.progress() else { continue };
                let moved = partition.name_versions(moved, versions);
                progress.insert(owned.clone(), ProgressRecord::of(&moved, leader_epoch(owned, moved.prefix)));
            }
            if progress.is_empty() {
                shard.gathering.ended();
                continue;
            }
            let changes = changelog.as_ref().map(|topic| state::records(&changes, topic)).unwrap_or_default();
            let transaction =
                Arc::new(Transaction { shard: name.clone(), stay: shard.stay, outputs, changes, progress });
            begun.push(Arc::clone(&transaction));
            shard.under_way = Some(Sealed { transaction, jobs, instead: BTreeMap::new(), since: now });
        }
        begun
    }

    /// When the next transaction may begin that has something to write.
    pub fn next_seal(&self, now: Instant) -> Option<Instant> {
        let limits = self.transactions?;
        let waiting = self.shards.values().filter(|shard| shard.gathering.has_waiting());
        waiting.filter_map(|shard| shard.gathering.due_at(&limits, now)).min()
    }

    /// Settle, in exactly-once: this transaction is committed. None: it is not the one that is under way, but of an earlier
    /// stay of its shard.
    pub fn committed(&mut self, transaction: &Arc<Transaction>, now: Instant) -> Option<Committed> {
        let shard = self.shards.get_mut(&transaction.shard)?;
        let sealed = shard.under_way.take_if(|sealed| Arc::ptr_eq(&sealed.transaction, transaction))?;
        shard.gathering.ended();
        if shard.state.is_some() {
            shard.committed.extend(transaction.progress.clone());
        }
        for (id, _) in sealed.jobs {
            self.settle(id, now);
        }
        self.release_held(now);
        let copies = transaction
            .progress
            .iter()
            .map(|(partition, record)| PartitionProgress::copy_of(partition.clone(), record))
            .collect();
        Some(Committed { copies, took: now.saturating_duration_since(sealed.since) })
    }

    /// Whether this transaction is the one that is under way in its shard.
    pub fn is_under_way(&self, transaction: &Arc<Transaction>) -> bool {
        self.sealed(transaction).is_some()
    }

    /// Nothing of this transaction was written, because Kafka will never take some of its outputs: whose they are, each
    /// with the first reason, for the caller to [`RecordPath::replace`]. [`RecordPath::seal_again`] follows.
    pub fn refused_in(&self, transaction: &Arc<Transaction>, failures: Vec<OutputFailure>) -> Vec<Refused> {
        let Some(sealed) = self.sealed(transaction) else { return Vec::new() };
        let refused = |(id, reason): (JobId, Option<DeliveryError>)| {
            Some(Refused { job: Unable::of(id, self.jobs.get(&id)?), error: reason? })
        };
        first_reasons(&sealed.jobs, failures).into_iter().filter_map(refused).collect()
    }

    /// An error event takes the place of the outputs of a job in the transaction that is under way.
    pub(super) fn replace_in_transaction(&mut self, id: JobId, error_event: OutputRecord) {
        if let Some(sealed) = self.shard_of(id).and_then(|shard| shard.under_way.as_mut()) {
            sealed.instead.insert(id, error_event);
        }
    }

    /// The transaction that was refused, with what takes the place of what nobody takes, and the same progress.
    pub fn seal_again(&mut self, refused: &Arc<Transaction>) -> Option<Arc<Transaction>> {
        let shard = self.shards.get_mut(&refused.shard)?;
        let sealed = shard.under_way.as_mut().filter(|sealed| Arc::ptr_eq(&sealed.transaction, refused))?;
        let (mut outputs, mut old) = (Vec::new(), refused.outputs.iter());
        for (id, count) in &mut sealed.jobs {
            let own = old.by_ref().take(*count);
            match sealed.instead.remove(id) {
                None => outputs.extend(own.cloned()),
                Some(error_event) => {
                    own.for_each(drop);
                    outputs.push(error_event);
                    *count = 1;
                }
            }
        }
        sealed.transaction = Arc::new(Transaction { outputs, ..Transaction::clone(refused) });
        Some(Arc::clone(&sealed.transaction))
    }

    /// Whether nothing of these partitions is open, nor on its way into Kafka.
    pub fn has_left(&self, leaving: &[TopicPartition]) -> bool {
        let shards = self.shards_of(leaving);
        let is_idle = |name| self.shards.get(name).is_none_or(|shard: &OwnedShard| shard.gathering.is_idle());
        self.open(Some(leaving)) == 0 && shards.iter().all(is_idle)
    }

    fn sealed(&self, transaction: &Arc<Transaction>) -> Option<&Sealed> {
        let sealed = self.shards.get(&transaction.shard)?.under_way.as_ref()?;
        Arc::ptr_eq(&sealed.transaction, transaction).then_some(sealed)
    }

    /// Whether results go out in transactions.
    pub fn is_exactly_once(&self) -> bool {
        self.transactions.is_some()
    }
}

#[cfg(test)]
mod tests;
