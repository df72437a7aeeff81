//! Timers that are due become jobs of their own in the lanes of their keys. They have no offset, so nothing of them is in
//! the ledger; what tells that one has fired is its state, which no longer has it.

use super::{BOOKKEEPING_BYTES, Ending, OpenJob, RecordPath, lane_of};
use crate::job::JobId;
use crate::metrics::Fired;
use millrace_flow::admission::Head;
use millrace_flow::failures::{Gate, Purpose};
use millrace_flow::state::StateChanges;
use millrace_platform::{Attempts, timer_record};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl RecordPath {
    /// Makes jobs of the timers that are due, as far as there is room. None fires while the pipeline drains, nor while so
    /// many events fail that single ones are taken only.
    pub fn fire_due(&mut self, now: Instant, wall_ms: u64) {
        self.wall_ms = wall_ms;
        if self.changelog.is_none() || self.drain.is_some() || self.failures.gate(now) != Gate::Go {
            return;
        }
        let Self { partitions, shards, admission, answers, jobs, next_job, ready, order, suspects, .. } = self;
        for (name, shard) in shards.iter_mut() {
            let Some(state) = &mut shard.state else { continue };
            let owned = || shard.partitions.iter().filter_map(|name| Some((name, partitions.get(name)?)));
            // The first one stands for all of them.
            let Some((first, partition)) = owned().next().filter(|(_, partition)| !partition.leaving) else { continue };
            let Some(version) = partition.versions.at(partition.ledger.next()) else { continue };
            for (waiting, _) in owned().filter(|(_, partition)| !partition.backlog.is_empty()) {
                state.waits(&waiting.topic, wall_ms);
            }
            loop {
                let reserved = BOOKKEEPING_BYTES + answers.bytes();
                let alone = owned().all(|(_, partition)| partition.ledger.open() == 0) && shard.lanes.running() == 0;
                if !admission.may_admit(reserved, if alone { Head::Oldest } else { Head::Later }) {
                    break;
                }
                let Some(timer) = state.take_due(wall_ms) else { break };
                admission.reserve(reserved);
                let id = JobId(*next_job);
                *next_job += 1;
                let lane = lane_of(*order, Some(&timer.key));
                let record = timer_record(name.place(), &timer);
                let suspicion = suspects.note(id, &record, Some(&timer));
                jobs.insert(
                    id,
                    OpenJob {
                        partition: first.clone(),
                        offset: -1,
                        record: Arc::new(record),
                        timer: Some(Arc::new(timer)),
                        version,
                        lane,
                        attempts: Attempts { run: 1, reprocessed: 0 },
                        reserved,
                        admitted: now,
                        purpose: Purpose::Ordinary,
                        worker: None,
                        suspicion,
                        released: false,
                        ending: None,
                        changes: StateChanges::default(),
                    },
                );
                ready.extend(shard.lanes.enter(lane, id));
            }
        }
    }

    /// How long it is until the wall clock makes a timer due. Those that are due and have no room wait for that.
    pub fn next_timer(&self, wall_ms: u64) -> Option<Duration> {
        let states = self.shards.values().filter_map(|shard| shard.state.as_ref());
        let next = states.filter_map(|state| state.store.next_wall_ms()).filter(|due_ms| *due_ms > wall_ms).min()?;
        Some(Duration::from_millis(next - wall_ms))
    }

    /// A timer's ticket is over, and what came of it is committed.
    pub(super) fn count_fired(&self, job: &OpenJob) {
        self.metrics.timer_fired(match &job.ending {
            Some(Ending::Emitted(outputs)) => Fired::Emitted(*outputs),
            Some(Ending::Failed(_)) => Fired::Failed,
            _ => Fired::Skipped,
        });
    }
}

#[cfg(test)]
mod tests;
