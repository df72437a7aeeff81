//! Outputs between an event's end and their delivery: one outbox for each place that they can go to. All outputs of an event
//! go to one place, so a unit has one destination.

use super::JobId;
use millrace_flow::record::OutputRecord;
use rustc_hash::FxHashMap;

/// Where a unit is delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Kafka's output cluster.
    Kafka,
    /// The pipeline's event service.
    EventService,
}

/// The jobs that one unit delivers, each with the number of its outputs, in order.
pub(super) type UnitJobs = Vec<(JobId, usize)>;

/// Outputs that wait to be delivered, with their jobs, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    outputs: Vec<OutputRecord>,
    jobs: UnitJobs,
}

impl Outbox {
    /// Puts the outputs of a job in; there is at least one.
    pub(super) fn put(&mut self, id: JobId, outputs: Vec<OutputRecord>) {
        self.jobs.push((id, outputs.len()));
        self.outputs.extend(outputs);
    }

    /// Everything that waits, if anything does.
    pub(super) fn take(&mut self) -> Option<(Vec<OutputRecord>, UnitJobs)> {
        let any = !self.outputs.is_empty();
        any.then(|| (std::mem::take(&mut self.outputs), std::mem::take(&mut self.jobs)))
    }

    /// Leaves the outputs of jobs that are still ours.
    pub(super) fn keep<T>(&mut self, known: &FxHashMap<JobId, T>) {
        let jobs = std::mem::take(&mut self.jobs);
        self.jobs = keep_known(known, jobs, &mut self.outputs);
    }
}

/// The outboxes of a path.
#[derive(Debug, Default)]
pub(super) struct Outboxes {
    kafka: Outbox,
    event_service: Outbox,
}

impl Outboxes {
    /// The one for `destination`.
    pub(super) fn of(&mut self, destination: Destination) -> &mut Outbox {
        match destination {
            Destination::Kafka => &mut self.kafka,
            Destination::EventService => &mut self.event_service,
        }
    }
}

/// Leaves the outputs of known jobs in `outputs`, and returns those jobs.
pub(super) fn keep_known<T>(known: &FxHashMap<JobId, T>, unit: UnitJobs, outputs: &mut Vec<OutputRecord>) -> UnitJobs {
    let mut all = std::mem::take(outputs).into_iter();
    let mut kept = UnitJobs::new();
    for (id, count) in unit {
        let own = all.by_ref().take(count);
        if known.contains_key(&id) {
            outputs.extend(own);
            kept.push((id, count));
        } else {
            own.for_each(drop);
        }
    }
    kept
}
