//! Outputs that Kafka would not take: whose they were, and what takes their place.

use super::outbox::UnitJobs;
use super::{Destination, Ending, OpenJob, RecordPath};
use crate::job::{JobId, VersionId};
use millrace_flow::record::{OutputRecord, Record};
use millrace_flow::state::DueTimer;
use millrace_kafka::delivery::{DeliveryError, OutputFailure};
use millrace_platform::Attempts;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// What is told of a job that cannot end as it was to, so that an error event can be made of it.
#[derive(Debug)]
pub struct Unable {
    /// The job.
    pub id: JobId,
    /// Its record, or what stands for it.
    pub record: Arc<Record>,
    /// The timer, where it is one.
    pub timer: Option<Arc<DueTimer>>,
    /// The version that it ran on.
    pub version: VersionId,
    /// Which try it was.
    pub attempts: Attempts,
}

impl Unable {
    pub(super) fn of(id: JobId, job: &OpenJob) -> Self {
        let (record, timer) = (Arc::clone(&job.record), job.timer.clone());
        Self { id, record, timer, version: job.version, attempts: job.attempts }
    }
}

/// A job whose outputs Kafka would not take.
#[derive(Debug)]
pub struct Refused {
    /// The job.
    pub job: Unable,
    /// Why.
    pub error: DeliveryError,
}

/// The first reason for each job of a unit or transaction, in which the outputs of one job follow on those of the one
/// before; none for those whose outputs have none.
pub(super) fn first_reasons(jobs: &UnitJobs, failures: Vec<OutputFailure>) -> Vec<(JobId, Option<DeliveryError>)> {
    let mut reasons: BTreeMap<usize, DeliveryError> =
        failures.into_iter().map(|failure| (failure.index as usize, failure.error)).collect();
    let mut first = 0;
    let of_job = |(id, outputs): &(JobId, usize)| {
        let reason = reasons.range(first..first + outputs).next().map(|(index, _)| *index);
        first += outputs;
        (*id, reason.and_then(|index| reasons.remove(&index)))
    };
    jobs.iter().map(of_job).collect()
}

impl RecordPath {
    /// Runs a job again whose outputs were not written for no reason of its own. Its lane went on meanwhile, so its
    /// outputs may come after those of its key's next events: it is the price for neither losing nor failing it.
    pub fn run_again(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.ending = None;
        self.ready.push(id);
    }

    /// Whether what Kafka would not take was an error event.
    pub fn has_failed(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|job| matches!(job.ending, Some(Ending::Failed(_))))
    }

    /// Some outputs of a unit were not written. The jobs whose outputs were all written settle; the others are returned,
    /// each with the first reason, for the caller to decide.
    pub fn refused(&mut self, serial: u64, failures: Vec<OutputFailure>, now: Instant) -> Vec<Refused> {
        let mut refused = Vec::new();
        let jobs = self.units.remove(&serial).unwrap_or_default();
        for (id, reason) in first_reasons(&jobs, failures) {
            match (reason, self.jobs.get(&id)) {
                (Some(error), Some(job)) => refused.push(Refused { job: Unable::of(id, job), error }),
                (Some(_), None) => {}
                (None, _) => self.settle(id, now),
            }
        }
        self.release_held(now);
        refused
    }

    /// Puts an error event in place of outputs that Kafka would not take. What the job changed in the state of its key stays:
    /// events that came after it have seen it.
    pub fn replace(&mut self, id: JobId, error_type: &str, error_event: OutputRecord) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.ending = Some(Ending::Failed(error_type.to_owned()));
        }
        self.metrics.refused_outputs();
        if self.transactions.is_some() {
            return self.replace_in_transaction(id, error_event);
        }
        self.outboxes.of(Destination::Kafka).put(id, vec![error_event]);
    }
}
