//! Partitions on their way out: what is given up, what is still sent, and that the books add up.

use super::outbox::keep_known;
use super::shard::OwnedShard;
use super::{Destination, JobId, OpenJob, RecordPath, Waiting};
use crate::job::VersionId;
use millrace_flow::record::TopicPartition;
use millrace_flow::shard::Shard;
use millrace_kafka::delivery::Unit;
use millrace_kafka::transactional::Kept;
use rustc_hash::FxHashMap;

/// Jobs that workers shall forget, by worker and version.
pub type Cancelled = FxHashMap<(usize, VersionId), Vec<JobId>>;

impl RecordPath {
    /// Gives up what has not been started of these partitions (all of them without `only`): the next owner runs it.
    /// Returns the jobs that workers shall forget.
    pub fn stop_starting(&mut self, only: Option<&[TopicPartition]>) {
        let mut dropped = Vec::new();
        for (name, partition) in &mut self.partitions {
            if only.is_some_and(|only| !only.contains(name)) {
                continue;
            }
            partition.leaving = true;
            for Waiting { bytes, .. } in partition.backlog.drain(..) {
                self.backlog_bytes = self.backlog_bytes.saturating_sub(bytes);
            }
            dropped.extend(self.shards.get_mut(&partition.shard).into_iter().flat_map(|shard| shard.lanes.clear()));
        }
        dropped.extend(self.ready.extract_if(.., |id| leaves(&self.jobs, only, *id)));
        let retries: Vec<_> = self.retries.keys().copied().filter(|(_, id)| leaves(&self.jobs, only, *id)).collect();
        for key in retries {
            self.retries.remove(&key);
            dropped.push(key.1);
        }
        for id in dropped {
            self.abandon(id);
        }
        if only.is_none() {
            self.pace.end();
        }
    }

    /// Lets partitions go, with everything that is still open in them. Returns the jobs that workers shall forget.
    pub fn revoke(&mut self, gone: &[TopicPartition]) -> Cancelled {
        let cancelled = self.give_up(gone);
        self.drop_shards(gone);
        self.outboxes.of(Destination::Kafka).keep(&self.jobs);
        self.outboxes.of(Destination::EventService).keep(&self.jobs);
        cancelled
    }

    /// The same with partitions that may come back: returns the state of their shards too, where it is as it is committed.
    pub fn hand_back(&mut self, gone: &[TopicPartition]) -> (Cancelled, Vec<(Shard, Kept)>) {
        let cancelled = self.give_up(gone);
        let mut kept = Vec::new();
        for name in self.shards_of(gone) {
            let state = self.shards.get_mut(&name).and_then(OwnedShard::take_state);
            kept.extend(state.map(|state| (name, state)));
        }
        self.drop_shards(gone);
        (cancelled, kept)
    }

    fn give_up(&mut self, gone: &[TopicPartition]) -> Cancelled {
        self.stop_starting(Some(gone));
        self.forget(|job| gone.contains(&job.partition))
    }

    /// Gives up what is not finished of partitions that leave; what is finished goes out with their last transaction.
    /// Returns the jobs that workers shall forget.
    pub fn give_unfinished_up(&mut self, leaving: &[TopicPartition]) -> Cancelled {
        for name in leaving {
            if let Some(partition) = self.partitions.get_mut(name) {
                partition.held.clear();
            }
        }
        self.forget(|job| !job.released && leaving.contains(&job.partition))
    }

    fn forget(&mut self, which: impl Fn(&OpenJob) -> bool) -> Cancelled {
        let mut cancelled = Cancelled::default();
        let left: Vec<_> = self.jobs.extract_if(|_, job| which(job)).collect();
        for (id, job) in left {
            self.admission.release(job.reserved);
            self.count_given_up(&job);
            self.note_given_up(&job);
            if let Some(worker) = job.worker {
                cancelled.entry((worker, job.version)).or_default().push(id);
                if let Some(load) = self.load.get_mut(worker) {
                    *load = load.saturating_sub(1);
                }
            }
        }
        cancelled
    }

    /// Takes the outputs of jobs that are no longer ours out of a unit that was not sent yet.
    pub fn recall(&mut self, unit: &mut Unit) {
        let Some(jobs) = self.units.remove(&unit.serial) else { return };
        let mut outputs = std::mem::take(&mut unit.outputs);
        let kept = keep_known(&self.jobs, jobs, &mut outputs);
        unit.outputs = outputs;
        self.units.insert(unit.serial, kept);
    }

    /// Where the outputs of jobs that are no longer ours stand in units that were sent: the unit's serial number, and the
    /// output's index in it.
    pub fn orphans(&self) -> Vec<(u64, u32)> {
        let mut orphans = Vec::new();
        for (serial, jobs) in &self.units {
            let mut index = 0;
            for (id, count) in jobs {
                let end = index + u32::try_from(*count).unwrap_or(u32::MAX);
                if !self.jobs.contains_key(id) {
                    orphans.extend((index..end).map(|index| (*serial, index)));
                }
                index = end;
            }
        }
        orphans
    }

    /// Gives a job up: its record runs again elsewhere.
    pub(super) fn abandon(&mut self, id: JobId) {
        if let Some(job) = self.jobs.remove(&id) {
            self.admission.release(job.reserved);
            self.count_given_up(&job);
            self.note_given_up(&job);
        }
    }

    /// What a job that is given up leaves in the state of its shard: a timer that did not run is due again; what it had
    /// changed will not be committed.
    fn note_given_up(&mut self, job: &OpenJob) {
        let partition = self.partitions.get(&job.partition);
        let Some(shard) = partition.and_then(|partition| self.shards.get_mut(&partition.shard)) else { return };
        shard.ahead |= !job.changes.is_empty();
        if let (Some(state), Some(timer)) = (&mut shard.state, &job.timer) {
            state.put_back(timer);
        }
    }
}

/// What passes a pipeline's end without an outcome is given up, so that the books add up over its restarts.
impl Drop for RecordPath {
    fn drop(&mut self) {
        self.jobs.drain().filter(|(_, job)| job.timer.is_none()).for_each(|_| self.metrics.abandoned());
    }
}

/// Whether a job belongs to one of the partitions that leave.
fn leaves(jobs: &FxHashMap<JobId, OpenJob>, only: Option<&[TopicPartition]>, id: JobId) -> bool {
    only.is_none_or(|only| jobs.get(&id).is_none_or(|job| only.contains(&job.partition)))
}
