//! How a pipeline ends, and how partitions leave it: what is in flight may finish for a while, what is finished goes out.

use super::{LEAVE_MAX, Leaving, Pipeline, State};
use crate::partition::Cancelled;
use crate::worker::Message;
use millrace_flow::record::TopicPartition;
use millrace_kafka::consumer::{Assignment, SourceEvent};
use millrace_kafka::delivery::DeliveryEvent;
use std::time::{Duration, Instant};

/// How long the last transaction of a partition that leaves may take: with the second that events may still take, less than
/// the consumer waits. After that, whoever takes the partition over finds it committed or not.
const LAST_TRANSACTION_MAX: Duration = Duration::from_millis(1_500);

impl Pipeline {
    /// Leaves the consumer group in good order: the last progress was handed over, and is committed on the way.
    pub(super) async fn leave_group(&mut self, state: &mut State) {
        let until = tokio::time::Instant::now() + LEAVE_MAX;
        while !state.uncommitted.is_empty() {
            match tokio::time::timeout_at(until, self.reports.recv()).await {
                Ok(Some(DeliveryEvent::Committed(progress))) => drop(state.committed(&progress)),
                Ok(Some(DeliveryEvent::CommitFailed { progress, error })) => {
                    tracing::warn!(pipeline = self.spec.name, %error, "The last progress was not committed; its events run again.");
                    let partitions: Vec<_> = progress.into_iter().map(|progress| progress.partition).collect();
                    state.forget(&partitions);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    tracing::warn!(
                        pipeline = self.spec.name,
                        "The last progress was not committed in time; its events run again."
                    );
                    break;
                }
            }
        }
        self.consumer.stop();
        let stopped = async {
            while let Some(event) = self.source.recv().await {
                match event {
                    SourceEvent::Revoked { done, .. } => done.acknowledge(),
                    SourceEvent::Stopped => return,
                    _ => {}
                }
            }
        };
        if tokio::time::timeout(LEAVE_MAX, stopped).await.is_err() {
            tracing::warn!(
                pipeline = self.spec.name,
                "The consumer did not leave its group in time; the group will notice by itself."
            );
        }
    }

    /// A partition that is still on its way out comes back: what is left of its first stay goes, or it would take the
    /// second one along.
    pub(super) fn see_off_at_once(&mut self, assignments: &[Assignment], state: &mut State) {
        let back: Vec<TopicPartition> = assignments
            .iter()
            .map(|assignment| assignment.partition.clone())
            .filter(|partition| state.leaving.iter().any(|leaving| leaving.partitions.contains(partition)))
            .collect();
        if back.is_empty() {
            return;
        }
        for leaving in &mut state.leaving {
            leaving.partitions.retain(|partition| !back.contains(partition));
        }
        // What writes them now is of the second stay, so it is not released.
        let cancelled = self.path.revoke(&back);
        self.see_off(&back, cancelled, state);
        state.forget(&back);
    }

    /// Begins to stop: nothing new is started, what is in flight may finish until the deadline.
    pub(super) fn begin_stop(&mut self, state: &mut State) {
        state.stopping = true;
        let partitions = self.path.owned();
        self.consumer.pause(&partitions);
        self.path.stop_starting(None);
        tracing::info!(
            pipeline = self.spec.name,
            open = self.path.open(None),
            "Stopping: finishing what is in flight."
        );
        state.leaving.push(Leaving { partitions, until: Instant::now() + self.tuning.drain_deadline, done: None });
    }

    /// Sees leaving partitions off: once all is finished, or the time is over, their progress is handed over. In exactly-once
    /// what is finished by then still goes out with a last transaction.
    pub(super) fn leave(&mut self, state: &mut State, now: Instant) {
        let mut leaving = std::mem::take(&mut state.leaving);
        leaving.retain_mut(|leaving| {
            let finished = self.path.has_left(&leaving.partitions);
            if !finished && now < leaving.until {
                return true;
            }
            if !finished && self.path.is_exactly_once() && now < leaving.until + LAST_TRANSACTION_MAX {
                let cancelled = self.path.give_unfinished_up(&leaving.partitions);
                self.cancel(cancelled);
                return true;
            }
            self.commit(state, Some(&leaving.partitions));
            match (&leaving.done, self.path.is_together()) {
                (Some(_), true) => self.hand_back(&leaving.partitions, state),
                _ => self.drop_partitions(&leaving.partitions, state),
            }
            // The consumer waits for this, then commits the progress and gives the partitions up.
            if let Some(done) = leaving.done.take() {
                done.acknowledge();
                state.forget(&leaving.partitions);
            }
            false
        });
        state.leaving = leaving;
    }

    /// Lets partitions go for good.
    pub(super) fn drop_partitions(&mut self, partitions: &[TopicPartition], state: &mut State) {
        self.forget_state(partitions);
        let stays = self.path.stays_of(partitions);
        let cancelled = self.path.revoke(partitions);
        self.delivery.release(&stays);
        self.see_off(partitions, cancelled, state);
    }

    /// Lets partitions go that were taken away with all others, and will come back for the most part: their producers stay,
    /// and their state where it is as it is committed, until the group says whose they are.
    fn hand_back(&mut self, partitions: &[TopicPartition], state: &mut State) {
        self.forget_state(partitions);
        let (cancelled, kept) = self.path.hand_back(partitions);
        for (shard, kept) in kept {
            self.delivery.keep(shard, kept);
        }
        self.see_off(partitions, cancelled, state);
    }

    fn forget_state(&self, partitions: &[TopicPartition]) {
        for shard in self.path.shards_of(partitions) {
            self.spec.metrics.state_gone(shard.place());
        }
    }

    fn see_off(&mut self, partitions: &[TopicPartition], cancelled: Cancelled, state: &mut State) {
        for partition in partitions {
            tracing::info!(pipeline = self.spec.name, %partition, "Partition let go.");
        }
        self.cancel(cancelled);
        for unit in state.refused.iter_mut().chain(&mut state.refused_by_service) {
            self.path.recall(unit);
        }
        if let Some(outlet) = &self.event_outlet {
            outlet.recall(self.path.orphans());
        }
        self.publish_status(state);
    }

    fn cancel(&self, cancelled: Cancelled) {
        for ((worker, version), jobs) in cancelled {
            if let Some(inbox) = self.workers.get(worker) {
                // A worker without room finishes the jobs, and the path ignores what came of them.
                drop(inbox.try_send(Message::Cancel(version, jobs)));
            }
        }
    }
}
