//! Exactly-once: transactions on their way, and what became of them.

use super::{Pipeline, PipelineError, State};
use millrace_flow::record::TopicPartition;
use millrace_kafka::failpoint::{self, Failpoint};
use millrace_kafka::transactional::{NotOurs, PARTITIONS_MAX, Transaction, TransactionEvent};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a shard rests that another producer took over, before it is taken over once more where the group says that
/// it is ours. A host that was frozen learns within that time that it is not.
const FENCED_REST: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Hands over the transactions that begin now.
    pub(super) fn transact(&mut self, state: &mut State) {
        let consumer = &self.consumer;
        let epoch = |partition: &TopicPartition, offset| consumer.leader_epoch(partition, offset);
        for transaction in self.path.seal(Instant::now(), epoch) {
            self.write(&transaction, state);
        }
    }

    fn write(&mut self, transaction: &Arc<Transaction>, state: &mut State) {
        if let Err(NotOurs) = self.delivery.write(Arc::clone(transaction)) {
            self.on_fenced(transaction, state);
        }
    }

    pub(super) fn on_transaction(&mut self, event: TransactionEvent, state: &mut State) -> Result<(), PipelineError> {
        match event {
            TransactionEvent::Committed(transaction) => {
                if let Some(committed) = self.path.committed(&transaction, Instant::now()) {
                    self.spec.metrics.commit_took(committed.took);
                    self.spec.metrics.committed(committed.copies.len());
                    failpoint::pass(Failpoint::Settled);
                    self.consumer.submit(committed.copies);
                }
            }
            TransactionEvent::Aborted(transaction, error) => {
                self.spec.metrics.transaction_aborted(transaction.outputs.len());
                tracing::warn!(
                    pipeline = self.spec.name,
                    shard = %transaction.shard,
                    outputs = transaction.outputs.len(),
                    %error,
                    "A transaction was aborted; it is written again."
                );
            }
            TransactionEvent::Refused(transaction, failures) => {
                self.spec.metrics.transaction_aborted(transaction.outputs.len());
                for refused in self.path.refused_in(&transaction, failures) {
                    self.on_refused(refused)?;
                }
                if let Some(again) = self.path.seal_again(&transaction) {
                    self.write(&again, state);
                }
            }
            TransactionEvent::Fenced(transaction) => self.on_fenced(&transaction, state),
        }
        Ok(())
    }

    /// Another producer has the shard: nothing of it is ours any more. Where the group says otherwise, it is taken over
    /// anew after a rest, from what was written last.
    fn on_fenced(&mut self, transaction: &Arc<Transaction>, state: &mut State) {
        if !self.path.is_under_way(transaction) {
            return;
        }
        let partitions = self.path.partitions_of(&transaction.shard);
        self.spec.metrics.fenced();
        tracing::warn!(
            pipeline = self.spec.name,
            ?partitions,
            "Another host has taken these partitions over; they are let go."
        );
        self.drop_partitions(&partitions, state);
        self.consumer.take_again(&partitions, transaction.stay, FENCED_REST);
    }

    /// Each owned shard has a producer of its own, so their number is bounded.
    pub(super) fn look_at_partition_count(&self) -> Result<(), PipelineError> {
        let owned = self.path.shards();
        if self.path.is_exactly_once() && owned > PARTITIONS_MAX {
            return Err(PipelineError::TooManyPartitions { owned });
        }
        Ok(())
    }
}
