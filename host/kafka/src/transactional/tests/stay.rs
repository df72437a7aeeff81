//! What the tests share: an embedded cluster with the topics of a writer, and the stay of one owner.

use crate::config::{ClusterConfig, ProducerConfig};
use crate::consumer::{Assignment, CommittedProgress};
use crate::delivery::DeliveryEvent;
use crate::error::KafkaError;
use crate::mock::{EmbeddedCluster, Refusal, Request};
use crate::transactional::takeover::Arriving;
use crate::transactional::writer::Owner;
use crate::transactional::{self, Order, Transaction, TransactionEvent, TransactionsConfig};
use bytes::Bytes;
use millrace_flow::progress::Progress;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::{OutputRecord, TopicPartition};
use millrace_flow::shard::Sharding;
use millrace_flow::transactions::ShardProgress;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A test that waits this long has failed: the longest way out of any error takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The one broker.
pub(super) const BROKER: u16 = 1;

pub(super) struct Bed {
    pub(super) cluster: EmbeddedCluster,
    pub(super) config: TransactionsConfig,
}

/// A cluster with the topics `out`, of one partition, and `progress`.
pub(super) fn bed(progress_partitions: u16) -> Bed {
    let cluster = EmbeddedCluster::start(BROKER).unwrap();
    cluster.create_topic("out", 1).unwrap();
    cluster.create_topic("progress", progress_partitions).unwrap();
    let producer = ProducerConfig::new(ClusterConfig::plain(cluster.brokers()));
    let (pipeline, cluster_id) = ("enrich".to_owned(), "input".to_owned());
    let config = TransactionsConfig {
        producer,
        pipeline,
        cluster_id,
        progress_topic: "progress".into(),
        transaction_ms: 6_000,
        state: None,
        sharding: Sharding::Apart,
    };
    Bed { cluster, config }
}

impl Bed {
    /// The next requests of this kind are answered like this.
    pub(super) fn answer(&self, request: Request, answers: &[Option<Refusal>]) {
        self.cluster.answer_next(BROKER, request, answers).unwrap();
    }

    /// How many of the answers are left.
    pub(super) fn left(&self, request: Request) -> usize {
        self.cluster.answers_left(BROKER, request).unwrap()
    }
}

pub(super) fn source() -> TopicPartition {
    TopicPartition::new("in", 0)
}

/// What the group knows of the source partition.
pub(super) fn found(start: i64, committed: Option<&Progress>) -> Assignment {
    let progress = CommittedProgress {
        offset: committed.map(|progress| progress.prefix),
        metadata: committed.map(Progress::encode).unwrap_or_default(),
    };
    Assignment { partition: source(), progress, start, stay: transactional::Stay::default(), state: None }
}

/// The progress of the `serial`th write: up to the offset of that number.
pub(super) fn progress(serial: u64) -> Progress {
    Progress { serial, ..Progress::at(i64::try_from(serial).unwrap()) }
}

/// The `serial`th transaction, with one output.
pub(super) fn transaction(serial: u64) -> Arc<Transaction> {
    let output = OutputRecord {
        topic: "out".into(),
        timestamp_ms: 1_700_000_000_000,
        key: Some(Bytes::from_static(b"key")),
        value: Some(serial.to_string().into()),
        headers: Vec::new(),
    };
    let progress = ShardProgress::from([(source(), ProgressRecord::of(&progress(serial), None))]);
    let (shard, stay) = (Sharding::Apart.shard_of(&source()), transactional::Stay::default());
    Arc::new(Transaction { shard, stay, outputs: vec![output], changes: Vec::new(), progress })
}

/// What an assignment says is settled.
pub(super) fn settled(assignment: &Assignment) -> Progress {
    Progress::decode(assignment.start, &assignment.progress.metadata).unwrap()
}

/// The thread of an owned partition, from its takeover on.
pub(super) struct Stay {
    runtime: Runtime,
    inbox: SyncSender<Order>,
    reports: mpsc::Receiver<DeliveryEvent>,
    released: Arc<AtomicBool>,
}

impl Stay {
    /// Takes the partition over.
    pub(super) fn begin(bed: &Bed, found: Assignment) -> Result<(Self, Assignment), KafkaError> {
        let (done, taken) = sync_channel(1);
        let (inbox, orders) = sync_channel(1);
        let (sender, reports) = mpsc::channel(64);
        let released = Arc::new(AtomicBool::new(false));
        let (config, shard) = (bed.config.clone(), bed.config.sharding.shard_of(&found.partition));
        let owner = Owner { config, shard, reports: sender, released: released.clone() };
        let stay = transactional::Stay::default();
        let arriving = Arriving { stay, found: vec![found], kept: None, done, wake: thread::current() };
        thread::spawn(move || owner.run(arriving, &orders));
        let assignment = taken.recv_timeout(PATIENCE).expect("taken over in time")?.remove(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Ok((Self { runtime, inbox, reports, released }, assignment))
    }

    pub(super) fn deliver(&self, transaction: &Arc<Transaction>) {
        self.inbox.try_send(Order::Write(Arc::clone(transaction))).unwrap();
    }

    /// The next report.
    pub(super) fn next(&mut self) -> DeliveryEvent {
        self.reported().expect("a report before the thread ended")
    }

    /// The next report; none once the thread has ended.
    fn reported(&mut self) -> Option<DeliveryEvent> {
        let Self { runtime, reports, .. } = self;
        runtime.block_on(async { timeout(PATIENCE, reports.recv()).await }).expect("a report in time")
    }

    /// Waits until the thread has ended by itself; it has nothing more to tell.
    pub(super) fn ends(mut self) {
        assert_eq!(self.reported(), None);
    }

    /// Lets the partition go.
    pub(super) fn release(self) {
        self.released.store(true, Ordering::Release);
        let Self { inbox, runtime, reports, released } = self;
        drop(inbox);
        let (unused, _) = sync_channel(1);
        Self { runtime, inbox: unused, reports, released }.ends();
    }

    /// Writes a transaction that nothing stands in the way of.
    pub(super) fn commits(&mut self, transaction: &Arc<Transaction>) {
        self.deliver(transaction);
        let committed = DeliveryEvent::Transaction(TransactionEvent::Committed(Arc::clone(transaction)));
        assert_eq!(self.next(), committed);
    }
}
