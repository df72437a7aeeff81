//! Exactly-once: outputs, error events, changes of state and progress of one source partition in one transaction on the
//! output cluster.
//!
//! Every owned partition has a producer of its own, whose `transactional.id` names the partition, and a thread of its own.
//! The thread takes the partition over (`takeover`): it makes the producer, which puts whoever had the
//! partition before out of work (the *fence*), and then reads the progress that was written last, and the state, where there
//! is any. Only then is anything fetched. After that it writes one transaction at a time (`writer`) until the partition is let go.
//!
//! What is committed is what can be read: an outcome that nobody told is resolved by reading progress back, and a producer
//! that is of no more use is replaced. A fenced producer means that the partition is somebody else's: nothing is tried
//! again then.

mod producer;
mod restore;
mod stored;
mod takeover;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use takeover::Takeover;

use crate::config::{ClusterConfig, ProducerConfig};
use crate::consumer::Assignment;
use crate::context::lock;
use crate::delivery::{DeliveryEvent, OutputFailure};
use crate::error::KafkaError;
use millrace_flow::progress_record::{ProgressKey, ProgressRecord};
use millrace_flow::record::{OutputRecord, TopicPartition};
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::Duration;
use tokio::sync::mpsc;

/// The most partitions that one pipeline of one host may own in exactly-once. Each has a producer with some threads and
/// connections of its own; 32 of them took 128 threads and 12 MB, measured.
pub const PARTITIONS_MAX: usize = 32;

/// See [`TransactionsConfig::transaction_ms`].
pub const TRANSACTION_MS_DEFAULT: u32 = 30_000;

/// How the transactions of a pipeline are written.
#[derive(Clone, Debug)]
pub struct TransactionsConfig {
    /// How outputs are written, and to which cluster.
    pub producer: ProducerConfig,
    /// The pipeline's name.
    pub pipeline: String,
    /// The id of the cluster that is read.
    pub cluster_id: String,
    /// The compacted topic of progress records, on the cluster that is written.
    pub progress_topic: Arc<str>,
    /// How long a transaction may be open, in milliseconds, before the broker gives it up: that long a host that vanished
    /// keeps readers of its outputs waiting, unless another one takes its partitions over before. The largest outputs must
    /// get through a slow line in that time. Default [`TRANSACTION_MS_DEFAULT`].
    pub transaction_ms: u32,
    /// Where state is kept. None: there is none.
    pub state: Option<ChangelogConfig>,
}

/// Where the state of a pipeline is kept.
#[derive(Clone, Debug)]
pub struct ChangelogConfig {
    /// The compacted topic, on the cluster that is written. It has as many partitions as the topic that is read.
    pub topic: Arc<str>,
    /// The most bytes of state of one partition.
    pub bytes_max: usize,
}

impl TransactionsConfig {
    /// Whose progress it is.
    fn key(&self, partition: &TopicPartition) -> ProgressKey {
        let (pipeline, cluster_id) = (self.pipeline.clone(), self.cluster_id.clone());
        ProgressKey { pipeline, cluster_id, partition: partition.clone() }
    }

    /// The cluster that is written.
    fn cluster(&self) -> &ClusterConfig {
        &self.producer.cluster
    }

    /// How long one call may wait for the broker before it is made again. librdkafka resumes what was begun.
    fn call(&self) -> Duration {
        Duration::from_millis(u64::from(self.transaction_ms) / 3)
    }

    /// How long one kind of call is made again while the broker does not answer. After that the outcome counts as unknown.
    fn patience(&self) -> Duration {
        Duration::from_millis(u64::from(self.transaction_ms) * 2)
    }
}

/// What is written together, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The partition whose results these are.
    pub partition: TopicPartition,
    /// Outputs and error events, in order.
    pub outputs: Vec<OutputRecord>,
    /// What changed in the state of the partition: records of the changelog. They go to its partition of the same number,
    /// whatever their keys are.
    pub changes: Vec<OutputRecord>,
    /// The progress that counts them as settled.
    pub progress: ProgressRecord,
}

/// What is told about transactions. Which one it is about is told by the one that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionEvent {
    /// It is committed: readers see all of it.
    Committed(Arc<Transaction>),
    /// An attempt came to nothing, and the next one follows. Readers that look at uncommitted records saw its outputs.
    Aborted(Arc<Transaction>, KafkaError),
    /// Nothing of it is committed, and nothing of it will be while it has these outputs.
    Refused(Arc<Transaction>, Vec<OutputFailure>),
    /// The partition is no longer ours: another producer took it over. Whether this transaction is committed is its
    /// business.
    Fenced(Arc<Transaction>),
}

/// How far the state of a partition is restored that is being taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoring {
    /// The partition.
    pub partition: TopicPartition,
    /// The offsets of the changelog that are still to be read. 0: it is done.
    pub remaining: u64,
}

/// Nobody writes transactions of this partition: it was let go, or fenced.
#[derive(Debug, thiserror::Error)]
#[error("nobody writes transactions of this partition any more")]
pub struct NotOurs;

/// The transactions of one pipeline.
#[derive(Clone)]
pub struct Transactions(Arc<Shared>);

struct Shared {
    config: TransactionsConfig,
    reports: mpsc::Sender<DeliveryEvent>,
    writers: Mutex<FxHashMap<TopicPartition, Handle>>,
}

/// The way to the thread of a partition. Dropping it lets the partition go.
struct Handle {
    inbox: SyncSender<Arc<Transaction>>,
    released: Arc<AtomicBool>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.released.store(true, Ordering::Release);
    }
}

impl Transactions {
    /// Nothing is owned yet. What becomes of transactions is told to `reports`.
    pub fn new(config: TransactionsConfig, reports: mpsc::Sender<DeliveryEvent>) -> Self {
        Self(Arc::new(Shared { config, reports, writers: Mutex::default() }))
    }

    /// Begins to take partitions over, all at once and without waiting; `wake` is unparked when one is done. `found` is
    /// what the group has committed of each and where it would begin.
    pub(crate) fn take_over(&self, found: Vec<Assignment>, wake: &Thread) -> Result<Takeover, KafkaError> {
        let (done, results) = sync_channel(found.len());
        let expected = found.len();
        for assignment in found {
            let partition = assignment.partition.clone();
            // One transaction is under way at a time, so there is always room for the next.
            let (inbox, transactions) = sync_channel(1);
            let released = Arc::new(AtomicBool::new(false));
            let owner = writer::Owner {
                config: self.0.config.clone(),
                partition: partition.clone(),
                reports: self.0.reports.clone(),
                released: released.clone(),
            };
            let (done, wake) = (done.clone(), wake.clone());
            thread::Builder::new()
                .name("kafka transactions".to_owned())
                .spawn(move || owner.run(assignment, &done, &wake, &transactions))
                .map_err(|error| KafkaError::Start { message: format!("no thread: {error}") })?;
            lock(&self.0.writers).insert(partition, Handle { inbox, released });
        }
        Ok(Takeover::new(results, expected))
    }

    /// Hands a transaction over to be written; [`TransactionEvent`]s tell what becomes of it. Never waits. The one before
    /// it of the same partition must have been committed or refused.
    ///
    /// # Errors
    /// The partition is not, or no longer, ours.
    pub fn deliver(&self, transaction: Arc<Transaction>) -> Result<(), NotOurs> {
        let writers = lock(&self.0.writers);
        let handle = writers.get(&transaction.partition).ok_or(NotOurs)?;
        handle.inbox.try_send(transaction).map_err(|_gone| NotOurs)
    }

    /// Lets partitions go. What is being written of them is not waited for: whoever takes them over finds it committed or
    /// not.
    pub fn release(&self, partitions: &[TopicPartition]) {
        let mut writers = lock(&self.0.writers);
        for partition in partitions {
            writers.remove(partition);
        }
    }
}
