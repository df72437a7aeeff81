//! Exactly-once: outputs, error events, changes of state and progress of one shard in one transaction on the output cluster.
//!
//! Every owned shard has a producer of its own, whose `transactional.id` names the shard, and a thread of its own. The thread
//! takes the shard over (`takeover`): it makes the producer, which puts whoever had the shard before out of work (the
//! *fence*), and then reads the progress that was written last, and the state, where there is any. Only then is anything
//! fetched. After that it writes one transaction at a time (`writer`) until the shard is let go.
//!
//! Where shards have several partitions, the group takes all of them away at every rebalance and gives most of them back.
//! Their producers outlive that, and so does state of which everything is committed (`comeback`).
//!
//! What is committed is what can be read: an outcome that nobody told is resolved by reading progress back, and a producer
//! that is of no more use is replaced. A fenced producer means that the shard is somebody else's: nothing is tried
//! again then.

mod comeback;
mod producer;
mod restore;
mod stay;
mod stored;
mod takeover;
#[cfg(test)]
mod tests;
mod writer;

pub use comeback::Kept;
pub use stay::Stay;
pub(crate) use takeover::Takeover;

use crate::config::{ClusterConfig, ProducerConfig};
use crate::consumer::Assignment;
use crate::context::lock;
use crate::delivery::{DeliveryEvent, OutputFailure};
use crate::error::KafkaError;
use millrace_flow::progress_record::ProgressKey;
use millrace_flow::record::{OutputRecord, TopicPartition};
use millrace_flow::shard::{Shard, Sharding};
use millrace_flow::transactions::ShardProgress;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::Duration;
use takeover::Arriving;
use tokio::sync::mpsc;

/// The most shards that one pipeline of one host may own in exactly-once. Each has a producer with some threads and
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
    /// Which partitions are owned together.
    pub sharding: Sharding,
}

/// Where the state of a pipeline is kept.
#[derive(Clone, Debug)]
pub struct ChangelogConfig {
    /// The compacted topic, on the cluster that is written. It has as many partitions as the topics that are read.
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

    /// The `transactional.id` of whoever owns a shard.
    fn transactional_id(&self, shard: &Shard) -> String {
        self.key(shard.place()).transactional_id()
    }

    /// Those of whoever owned the same partitions of a pipeline with state while it read more topics, or fewer: together they
    /// were apart, and apart they were together.
    fn former_transactional_ids<'a>(
        &self,
        shard: &Shard,
        partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> Vec<String> {
        match (&self.state, &self.sharding) {
            (None, _) => Vec::new(),
            (Some(state), Sharding::Apart) => {
                let together = TopicPartition::new(Arc::clone(&state.topic), shard.number());
                vec![self.key(&together).transactional_id()]
            }
            (Some(_), Sharding::Together { .. }) => {
                partitions.map(|partition| self.key(partition).transactional_id()).collect()
            }
        }
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
    /// The shard whose results these are.
    pub shard: Shard,
    /// The stay of it with us in which they came about: it is written in that one or not at all.
    pub stay: Stay,
    /// Outputs and error events, in order.
    pub outputs: Vec<OutputRecord>,
    /// What changed in the state of the shard: records of the changelog. They go to its partition of the same number,
    /// whatever their keys are.
    pub changes: Vec<OutputRecord>,
    /// The progress that counts them as settled, of the partitions in which it moved.
    pub progress: ShardProgress,
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
    /// The shard is no longer ours: another producer took it over. Whether this transaction is committed is its business.
    Fenced(Arc<Transaction>),
}

/// How far the state of a shard is restored that is being taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoring {
    /// The shard.
    pub shard: Shard,
    /// The offsets of the changelog that are still to be read. 0: it is done.
    pub remaining: u64,
}

/// Nobody writes transactions of this stay of the shard: it was let go, or fenced.
#[derive(Debug, thiserror::Error)]
#[error("nobody writes transactions of this stay of the shard any more")]
pub struct NotOurs;

/// The transactions of one pipeline.
#[derive(Clone)]
pub struct Transactions(Arc<Shared>);

struct Shared {
    config: TransactionsConfig,
    reports: mpsc::Sender<DeliveryEvent>,
    writers: Mutex<FxHashMap<Shard, Handle>>,
    /// What was handed back of shards that may come back.
    kept: Mutex<FxHashMap<Shard, Kept>>,
    /// How many stays have begun.
    stays: AtomicU64,
}

/// The way to the thread of a shard. Dropping it lets the shard go.
struct Handle {
    /// The stay that it has begun, or was told to begin.
    stay: Stay,
    inbox: SyncSender<Order>,
    released: Arc<AtomicBool>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.released.store(true, Ordering::Release);
    }
}

/// What the thread of a shard is to do.
#[derive(Debug)]
enum Order {
    /// To write this.
    Write(Arc<Transaction>),
    /// To go on with the shard, which was taken away and has come back.
    GoOn(Arriving),
}

impl Transactions {
    /// Nothing is owned yet. What becomes of transactions is told to `reports`.
    pub fn new(config: TransactionsConfig, reports: mpsc::Sender<DeliveryEvent>) -> Self {
        let (writers, kept, stays) = (Mutex::default(), Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Shared { config, reports, writers, kept, stays }))
    }

    /// Which partitions are owned together.
    pub(crate) fn sharding(&self) -> &Sharding {
        &self.0.config.sharding
    }

    /// Begins to take shards over, all at once and without waiting; `wake` is unparked when one is done. `found` is what
    /// the group has committed of each of their partitions and where it would begin.
    ///
    /// # Errors
    /// The system refuses a thread, or the group has given us a part of a shard only.
    pub(crate) fn take_over(&self, found: Vec<Assignment>, wake: &Thread) -> Result<Takeover, KafkaError> {
        let mut shards: BTreeMap<Shard, Vec<Assignment>> = BTreeMap::new();
        for assignment in found {
            shards.entry(self.sharding().shard_of(&assignment.partition)).or_default().push(assignment);
        }
        let (done, results) = sync_channel(shards.len());
        let expected = shards.len();
        for (shard, found) in shards {
            self.is_whole(&found)?;
            let kept = lock(&self.0.kept).remove(&shard);
            let stay = self.0.next_stay();
            let arriving = Arriving { stay, found, kept, done: done.clone(), wake: wake.clone() };
            if let Some(arriving) = self.go_on(&shard, arriving) {
                self.begin(shard, arriving)?;
            }
        }
        Ok(Takeover::new(results, expected))
    }

    /// Topics that no longer have equal partition counts, or hosts that read different ones, tear shards apart.
    fn is_whole(&self, found: &[Assignment]) -> Result<(), KafkaError> {
        let came: Vec<&TopicPartition> = found.iter().map(|assignment| &assignment.partition).collect();
        let missing = self.sharding().missing(&came);
        match came.first() {
            Some(first) if !missing.is_empty() => Err(KafkaError::Other {
                what: format!("taking {first} over"),
                message: format!(
                    "the group gave this host no partition {} of {}, and state is shared by the partitions of one number: \
                     give all input topics and the reprocess topic equally many partitions, and let all hosts of this \
                     group read the same topics",
                    first.partition,
                    missing.join(", ")
                ),
            }),
            _ => Ok(()),
        }
    }

    /// A thread of its own takes the shard over.
    fn begin(&self, shard: Shard, arriving: Arriving) -> Result<(), KafkaError> {
        // One transaction is under way at a time, so there is always room for the next.
        let (inbox, orders) = sync_channel(1);
        let (stay, released) = (arriving.stay, Arc::new(AtomicBool::new(false)));
        let owner = writer::Owner {
            config: self.0.config.clone(),
            shard: shard.clone(),
            reports: self.0.reports.clone(),
            released: released.clone(),
        };
        thread::Builder::new()
            .name("kafka transactions".to_owned())
            .spawn(move || owner.run(arriving, &orders))
            .map_err(|error| KafkaError::Start { message: format!("no thread: {error}") })?;
        lock(&self.0.writers).insert(shard, Handle { stay, inbox, released });
        Ok(())
    }

    /// Hands a transaction over to be written; [`TransactionEvent`]s tell what becomes of it. Never waits. The one before
    /// it of the same shard must have been committed or refused.
    ///
    /// # Errors
    /// The shard is not, or no longer, ours, or in another stay by now.
    pub fn deliver(&self, transaction: Arc<Transaction>) -> Result<(), NotOurs> {
        let writers = lock(&self.0.writers);
        let handle = writers.get(&transaction.shard).filter(|handle| handle.stay == transaction.stay).ok_or(NotOurs)?;
        handle.inbox.try_send(Order::Write(transaction)).map_err(|_gone| NotOurs)
    }

    /// Lets these shards go, where they are still in these stays. What is being written of them is not waited for: whoever
    /// takes them over finds it committed or not.
    pub fn release(&self, stays: &[(Shard, Stay)]) {
        let (mut writers, mut kept) = (lock(&self.0.writers), lock(&self.0.kept));
        for (shard, stay) in stays {
            if writers.get(shard).is_some_and(|handle| handle.stay == *stay) {
                writers.remove(shard);
            }
            if kept.get(shard).is_some_and(|kept| kept.stay == *stay) {
                kept.remove(shard);
            }
        }
    }

    /// Whether a stay of a shard is over, and another one has begun.
    pub(crate) fn is_over(&self, shard: &Shard, stay: Stay) -> bool {
        lock(&self.0.writers).get(shard).is_some_and(|handle| handle.stay != stay)
    }
}
