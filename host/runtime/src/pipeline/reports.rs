//! What became of outputs, transactions and commits.

use super::{Pipeline, PipelineError, State};
use crate::partition::{Refused, Unable};
use millrace_flow::cause::Cause;
use millrace_flow::outcome::Failure;
use millrace_flow::record::OutputRecord;
use millrace_kafka::delivery::{DeliveryError, DeliveryEvent};
use millrace_platform::build_error_event;
use std::time::Instant;

impl Pipeline {
    pub(super) fn on_report(&mut self, report: DeliveryEvent, state: &mut State) -> Result<(), PipelineError> {
        match report {
            DeliveryEvent::Delivered(serials) => self.path.delivered(&serials, Instant::now()),
            DeliveryEvent::Failed { serial, failures } => {
                for refused in self.path.refused(serial, failures, Instant::now()) {
                    self.on_refused(refused)?;
                }
            }
            DeliveryEvent::Committed(progress) => {
                if let Some(since) = state.committed(&progress) {
                    self.spec.metrics.commit_took(since.elapsed());
                }
                self.spec.metrics.committed(progress.len());
            }
            DeliveryEvent::CommitFailed { progress, error } => {
                self.spec.metrics.commit_failed();
                tracing::warn!(pipeline = self.spec.name, %error, "Progress was not committed; it goes with the next commit.");
                self.path.uncommitted(&progress);
            }
            DeliveryEvent::Transaction(event) => self.on_transaction(event, state)?,
            DeliveryEvent::Restoring(restoring) => self.on_restoring(&restoring),
            DeliveryEvent::Fatal(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Kafka did not take an event's outputs. Where it never will, an error event takes their place; where they only shared
    /// a batch with such a one, the event runs again. Anything else, and an error event that is refused itself: the
    /// pipeline stops, and starts again from what is committed.
    pub(super) fn on_refused(&mut self, refused: Refused) -> Result<(), PipelineError> {
        let cause = match &refused.error {
            DeliveryError::Dragged { .. } => {
                self.path.run_again(refused.job.id);
                return Ok(());
            }
            _ if self.path.has_failed(refused.job.id) => return Err(refused.error.into()),
            DeliveryError::TooLarge { .. } => Cause::OutputTooLarge,
            DeliveryError::Refused { .. } => Cause::OutputInvalid,
            DeliveryError::TimedOut { .. } | DeliveryError::Kafka(_) => return Err(refused.error.into()),
        };
        let event = self.error_event(&refused.job, &cause, refused.error.to_string());
        self.path.replace(refused.job.id, cause.word(), event);
        Ok(())
    }

    /// The error event of a job that workers are through with.
    pub(super) fn error_event(&self, job: &Unable, cause: &Cause, message: String) -> OutputRecord {
        let spec = self.versions.get(&job.version).unwrap_or(&self.spec);
        let failure = Failure::new(cause.word(), message);
        let origin = spec.origin(&job.record, job.timer.as_deref());
        build_error_event(cause.word(), &failure, None, &spec.errors, &origin, job.attempts, self.clock.now_ms())
    }
}
