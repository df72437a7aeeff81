//! State and timers: what the loop has to do with them.

use super::Pipeline;
use crate::job::{Finish, Finished};
use crate::partition::NoRoom;
use millrace_flow::cause::Cause;
use millrace_flow::state::StateChanges;
use millrace_kafka::transactional::Restoring;
use std::time::Instant;

impl Pipeline {
    /// Workers finished jobs. One whose changes the state has no room for becomes an error event.
    pub(super) fn on_finished(&mut self, finished: Vec<Finished>) {
        let now = Instant::now();
        let without_room = self.path.finish(finished, now);
        if without_room.is_empty() {
            return;
        }
        let failed = without_room.into_iter().map(|job| self.failed(job)).collect();
        // What failed makes no state grow.
        self.path.finish(failed, now);
    }

    fn failed(&self, NoRoom { job, full }: NoRoom) -> Finished {
        let event = self.error_event(&job, &Cause::StateFull, format!("{full} (`state.bytes`)"));
        let finish = Finish::Failed { error_type: Cause::StateFull.word().to_owned(), error_event: Box::new(event) };
        Finished { id: job.id, finish, answer_bytes: 0, changes: StateChanges::default() }
    }

    /// The state of a shard is on its way.
    pub(super) fn on_restoring(&self, Restoring { shard, remaining }: &Restoring) {
        self.spec.metrics.state_remaining(shard.place(), *remaining);
    }
}
