//! Owned shards: what their partitions share. Lanes, state, timers and transactions belong to the shard; offsets, what
//! waits for room and versions belong to its partitions.

use super::state::ShardState;
use super::transactions::Sealed;
use super::{Partition, RecordPath};
use crate::job::JobId;
use millrace_flow::lane::Lanes;
use millrace_flow::ledger::Ledger;
use millrace_flow::progress::{Progress, ProgressBudget};
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::{OutputRecord, TopicPartition};
use millrace_flow::shard::{Shard, Sharding};
use millrace_flow::state::StateStore;
use millrace_flow::transactions::{Gathering, ShardProgress};
use millrace_kafka::transactional::{Kept, Stay};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What the partitions of one owned shard share.
#[derive(Default)]
pub(super) struct OwnedShard {
    /// They that are owned. Never empty, in one order on every host.
    pub(super) partitions: BTreeSet<TopicPartition>,
    /// In exactly-once: its stay with us.
    pub(super) stay: Stay,
    pub(super) lanes: Lanes<JobId>,
    /// What is kept of its keys, where the pipeline has state.
    pub(super) state: Option<ShardState>,
    /// In exactly-once: what waits for the next transaction, and the one that is under way.
    pub(super) gathering: Gathering<(JobId, Vec<OutputRecord>)>,
    pub(super) under_way: Option<Sealed>,
    /// Where there is state: the progress that is committed.
    pub(super) committed: ShardProgress,
    /// Whether its state holds what an event changed that was given up after it had finished.
    pub(super) ahead: bool,
}

impl OwnedShard {
    /// The state, if all that changed in it is committed.
    pub(super) fn take_state(&mut self) -> Option<Kept> {
        if self.ahead || !self.gathering.is_idle() {
            return None;
        }
        let state = self.state.take()?.into_store();
        Some(Kept { stay: self.stay, state, progress: std::mem::take(&mut self.committed) })
    }
}

impl RecordPath {
    /// The same, with partitions that are owned together.
    #[must_use]
    pub fn with_sharding(mut self, sharding: Sharding) -> Self {
        self.sharding = sharding;
        self
    }

    /// Whether shards have several partitions.
    pub fn is_together(&self) -> bool {
        self.sharding.is_together()
    }

    /// Takes a partition over, from where its progress says, with the state that was kept with that: of a shard with several
    /// partitions, with one of them.
    pub fn assign(
        &mut self,
        partition: TopicPartition,
        progress: Progress,
        stay: Stay,
        state: Option<Box<StateStore>>,
    ) {
        let versions = self.versions.resume(&progress);
        let budget = match self.transactions {
            None => ProgressBudget::COMMIT_METADATA,
            Some(_) => ProgressBudget::RECORD,
        };
        let name = self.sharding.shard_of(&partition);
        let shard = self.shards.entry(name.clone()).or_default();
        shard.stay = stay;
        if self.changelog.is_some() {
            shard.committed.insert(partition.clone(), ProgressRecord::of(&progress, None));
        }
        if let Some(store) = state {
            shard.state = Some(ShardState::new(store));
        }
        shard.partitions.insert(partition.clone());
        let topics = shard.partitions.iter().map(|partition| &partition.topic);
        // Events come back long after their time, and say nothing of how far the others are.
        let is_reprocess = |topic: &&_| self.reprocess.as_ref().is_some_and(|reprocess| reprocess.topic == **topic);
        if let Some(state) = &mut shard.state {
            state.read(topics.filter(|topic| !is_reprocess(topic)), self.wall_ms);
        }
        self.partitions.insert(
            partition,
            Partition {
                shard: name,
                ledger: Ledger::resume(progress, budget),
                versions,
                swapped: None,
                backlog: VecDeque::new(),
                held: BTreeMap::new(),
                admitted: VecDeque::new(),
                leaving: false,
                full_since: None,
                paused: false,
                flipped: None,
                last_progress: None,
                uncommitted: false,
            },
        );
    }

    /// The shards of these partitions that are owned.
    pub fn shards_of(&self, partitions: &[TopicPartition]) -> BTreeSet<Shard> {
        let owned = partitions.iter().filter_map(|partition| self.partitions.get(partition));
        owned.map(|partition| partition.shard.clone()).collect()
    }

    /// The stays of the shards of these partitions that are owned.
    pub fn stays_of(&self, partitions: &[TopicPartition]) -> Vec<(Shard, Stay)> {
        let owned = self.shards_of(partitions).into_iter();
        owned.filter_map(|name| self.shards.get(&name).map(|shard| (name.clone(), shard.stay))).collect()
    }

    /// The partitions of a shard that are owned.
    pub fn partitions_of(&self, shard: &Shard) -> Vec<TopicPartition> {
        self.shards.get(shard).into_iter().flat_map(|shard| &shard.partitions).cloned().collect()
    }

    /// How many shards are owned now.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The shard of a job's partition.
    pub(super) fn shard_of(&mut self, id: JobId) -> Option<&mut OwnedShard> {
        let partition = self.partitions.get(&self.jobs.get(&id)?.partition)?;
        self.shards.get_mut(&partition.shard)
    }

    /// Forgets these partitions, and the shards that have none left.
    pub(super) fn drop_shards(&mut self, gone: &[TopicPartition]) {
        for partition in gone {
            let Some(Partition { shard: name, .. }) = self.partitions.remove(partition) else { continue };
            let Some(shard) = self.shards.get_mut(&name) else { continue };
            shard.partitions.remove(partition);
            if shard.partitions.is_empty() {
                self.shards.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
