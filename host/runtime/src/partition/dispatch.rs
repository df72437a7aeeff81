//! Jobs on their way to the workers.

use super::RecordPath;
use crate::job::{Job, VersionId};
use std::collections::BTreeMap;

/// Jobs of one version that go to one worker together.
#[derive(Debug)]
pub struct Batch {
    /// The worker's number.
    pub worker: usize,
    /// The version.
    pub version: VersionId,
    /// The jobs. Never empty.
    pub jobs: Vec<Job>,
}

impl RecordPath {
    /// Hands the ready jobs out: few go together to the worker that has least to do, many are shared evenly.
    pub fn dispatch(&mut self) -> Vec<Batch> {
        /// Below this, a batch is not worth splitting: a turn of many events costs less than many turns.
        const SPLIT_FROM: usize = 16;
        let mut by_version: BTreeMap<VersionId, Vec<Job>> = BTreeMap::new();
        for (version, job) in self.take_ready() {
            by_version.entry(version).or_default().push(job);
        }
        let mut batches = Vec::new();
        for (version, mut ready) in by_version {
            let shares = if ready.len() < SPLIT_FROM { 1 } else { self.load.len().max(1) };
            let share = ready.len().div_ceil(shares).max(1);
            while !ready.is_empty() {
                let rest = ready.split_off(share.min(ready.len()));
                let Some(worker) = (0..self.load.len()).min_by_key(|worker| self.load.get(*worker)) else { break };
                if let Some(load) = self.load.get_mut(worker) {
                    *load += ready.len();
                }
                for job in &ready {
                    if let Some(open) = self.jobs.get_mut(&job.id) {
                        open.worker = Some(worker);
                    }
                }
                batches.push(Batch { worker, version, jobs: std::mem::replace(&mut ready, rest) });
            }
        }
        batches
    }

    /// Takes jobs back that a worker had no room for.
    pub fn undispatch(&mut self, batch: Batch) {
        if let Some(load) = self.load.get_mut(batch.worker) {
            *load = load.saturating_sub(batch.jobs.len());
        }
        for Job { id, .. } in batch.jobs {
            // Nobody has it in hand: a suspect may run beside it.
            if let Some(open) = self.jobs.get_mut(&id) {
                open.worker = None;
            }
            self.ready.push(id);
        }
    }
}
