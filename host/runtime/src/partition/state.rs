//! The state of shards on the path: an event gets that of its key when it is dispatched, and what it changed is made so
//! when it finishes, before its lane goes on. The rules are in `flow::state`.

use super::refused::Unable;
use super::{Ending, OpenJob, RecordPath};
use crate::job::{Job, JobId, VersionId};
use millrace_flow::record::{OutputRecord, Record};
use millrace_flow::state::{DueTimer, KeyState, ShardTime, StateChange, StateChanges, StateFull, StateStore};
use std::collections::HashSet;
use std::sync::Arc;

/// What is kept of the keys of one owned shard, and its time.
pub(super) struct ShardState {
    pub(super) store: Box<StateStore>,
    time: ShardTime,
}

impl ShardState {
    pub(super) fn new(store: Box<StateStore>) -> Self {
        Self { store, time: ShardTime::default() }
    }

    /// Its time is that of these topics.
    pub(super) fn read<'a>(&mut self, topics: impl Iterator<Item = &'a Arc<str>>, wall_ms: u64) {
        topics.for_each(|topic| self.time.begin(topic, wall_ms));
    }

    /// A record of a partition was taken in.
    pub(super) fn observe(&mut self, record: &Record, wall_ms: u64) {
        self.time.observe(&record.source.topic, record.timestamp_ms, wall_ms);
    }

    /// Records of this topic wait for room.
    pub(super) fn waits(&mut self, topic: &str, wall_ms: u64) {
        self.time.waits(topic, wall_ms);
    }

    /// Takes the first timer that is due.
    pub(super) fn take_due(&mut self, wall_ms: u64) -> Option<DueTimer> {
        self.store.take_due(self.time.at_ms(wall_ms), wall_ms, 1).pop()
    }

    /// A timer that was taken did not run.
    pub(super) fn put_back(&mut self, timer: &DueTimer) {
        self.store.put_back(timer.clone());
    }

    /// What is kept.
    pub(super) fn into_store(self) -> Box<StateStore> {
        self.store
    }
}

/// A job whose changes the state of its shard has no room for. Nothing of it is kept; it is to finish once more, as
/// failed.
#[derive(Debug)]
pub struct NoRoom {
    /// The job.
    pub job: Unable,
    /// Why.
    pub full: StateFull,
}

impl RecordPath {
    /// The same path, with state that is kept in `changelog`.
    #[must_use]
    pub fn with_state(mut self, changelog: Option<Arc<str>>) -> Self {
        self.changelog = changelog;
        self
    }

    /// The jobs that may run, each with the state of its key as it is now. A timer that was cleared or moved since it came
    /// due does not fire: its lane goes on.
    pub(super) fn take_ready(&mut self) -> Vec<(VersionId, Job)> {
        let mut jobs = Vec::with_capacity(self.ready.len());
        let mut ids = self.ready_now();
        while !ids.is_empty() {
            let mut passed_over = false;
            for id in ids {
                let Some(open) = self.jobs.get(&id) else { continue };
                match self.state_of(open) {
                    Opened::State(state) => {
                        let (record, timer) = (Arc::clone(&open.record), open.timer.clone());
                        let (attempts, suspicion) = (open.attempts, open.suspicion);
                        jobs.push((open.version, Job { id, record, timer, state, attempts, suspicion }));
                    }
                    Opened::NotSetAnyMore => {
                        self.pass_over(id);
                        passed_over = true;
                    }
                }
            }
            // What waited behind a timer that is not set any more goes in its place.
            ids = if passed_over && self.has_no_suspects() { self.ready_now() } else { Vec::new() };
        }
        jobs
    }

    fn state_of(&self, open: &OpenJob) -> Opened {
        let shard = self.partitions.get(&open.partition).and_then(|partition| self.shards.get(&partition.shard));
        let Some(state) = shard.and_then(|shard| shard.state.as_ref()) else { return Opened::State(None) };
        match &open.timer {
            None => Opened::State(open.record.key.as_ref().map(|key| Box::new(state.store.open(key)))),
            Some(timer) => {
                let state = state.store.open_timer(timer);
                state.map_or(Opened::NotSetAnyMore, |state| Opened::State(Some(Box::new(state))))
            }
        }
    }

    /// A timer does not fire: nothing of it is left.
    fn pass_over(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        let (lane, reserved) = (job.lane, job.reserved);
        let next = self.shard_of(id).and_then(|shard| shard.lanes.leave(lane));
        self.ready.extend(next);
        self.admission.release(reserved);
        self.jobs.remove(&id);
    }

    /// Makes the changes of a job that ends like this, all or none, and keeps them for its transaction. Returns their bytes.
    /// A timer that failed is spent all the same.
    ///
    /// # Errors
    /// The state has no room for them.
    pub(super) fn keep(&mut self, id: JobId, changes: StateChanges, ending: &Ending) -> Result<u64, StateFull> {
        let Some(job) = self.jobs.get_mut(&id) else { return Ok(0) };
        let partition = self.partitions.get(&job.partition);
        let shard = partition.and_then(|partition| self.shards.get_mut(&partition.shard));
        let Some(state) = shard.and_then(|shard| shard.state.as_mut()) else { return Ok(0) };
        let changes = match (ending, &job.timer) {
            (Ending::Failed(_), Some(timer)) => timer.spent(),
            _ => changes,
        };
        state.store.apply(&changes)?;
        let weight = bytes(&changes) as u64;
        job.changes = changes;
        Ok(weight)
    }

    pub(super) fn no_room(&self, id: JobId, full: StateFull) -> Option<NoRoom> {
        Some(NoRoom { job: Unable::of(id, self.jobs.get(&id)?), full })
    }

    /// Writes down how much state there is.
    pub(super) fn observe_state(&self) {
        for (name, shard) in &self.shards {
            if let Some(state) = &shard.state {
                self.metrics.state(name.place(), state.store.bytes(), state.store.keys());
            }
        }
    }
}

/// The state of a job's key.
enum Opened {
    /// This; none where there is no state or no key.
    State(Option<Box<KeyState>>),
    /// It is a timer that does not fire.
    NotSetAnyMore,
}

/// What changes weigh on their way.
pub(super) fn bytes(changes: &StateChanges) -> usize {
    let entry = |change: &StateChange| match change {
        StateChange::Put { store, name, value } => store.len() + name.len() + value.len(),
        StateChange::Delete { store, name } => store.len() + name.len(),
        StateChange::SetTimer { name, .. } | StateChange::ClearTimer { name, .. } => name.len(),
    };
    changes.iter().map(|change| changes.key().len() + entry(change)).sum()
}

/// The records of the changelog that say these changes, which are in the order in which their jobs ended. Of an entry that
/// changed more than once, the last one is enough.
pub(super) fn records(changes: &[StateChanges], topic: &Arc<str>) -> Vec<OutputRecord> {
    // Hashed with a seed: whoever may edit a wiki chooses keys.
    let mut said = HashSet::new();
    let mut records = Vec::new();
    for changes in changes.iter().rev() {
        let last = changes.records().filter(|record| said.insert(record.key.clone()));
        // 0 is librdkafka's way to say: now.
        records.extend(last.map(|record| record.into_output(topic, 0)));
    }
    records
}

#[cfg(test)]
mod tests;
