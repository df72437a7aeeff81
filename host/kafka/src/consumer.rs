//! Reading: one consumer of one pipeline, polled by its own thread. Events come out in order over one bounded channel;
//! wishes go in without ever blocking. Partitions and their start are resolved here, what is read is not looked at.
//!
//! A full channel, or a pipeline that holds it back, does not end the polling: the thread keeps one batch, takes over what
//! was fetched and pauses its partitions once the pipeline has been standing still for a second, and goes on serving the
//! group. It resumes them when there is room.

use crate::commit::{self, Board, PartitionProgress};
use crate::config::ConsumerConfig;
use crate::context::{SourceClient, SourceContext, lock};
use crate::error::KafkaError;
use crate::poller::Poller;
use crate::statistics::ClientStatistics;
use crate::transactional::{Stay, Transactions};
use millrace_flow::record::{Record, TopicPartition};
use millrace_flow::state::StateStore;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::Consumer as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The committed progress of a partition as the group coordinator keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommittedProgress {
    /// The committed offset; none where the group never committed.
    pub offset: Option<i64>,
    /// The commit metadata, as it was given when it was committed.
    pub metadata: String,
}

/// A partition that is ours from now on.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The partition.
    pub partition: TopicPartition,
    /// What the group had committed.
    pub progress: CommittedProgress,
    /// The offset at which fetching begins: the committed one, else the configured start, as a number.
    pub start: i64,
    /// In exactly-once: the stay of its shard that begins.
    pub stay: Stay,
    /// The state that was kept with its progress, where the pipeline has any; that of several partitions goes with one of
    /// them.
    pub state: Option<Box<StateStore>>,
}

/// What comes out of a consumer, in this order and over one channel.
#[derive(Debug)]
pub enum SourceEvent {
    /// These partitions are ours from now on; their records follow. Empty where all were taken away and none has come.
    Assigned(Vec<Assignment>),
    /// Records, in offset order within a partition. Never empty.
    Records(Vec<Record>),
    /// These partitions go, in good order: whoever holds `done` may commit until it is dropped or the wait is over.
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// Drop it, or call [`Acknowledgement::acknowledge`], once the last progress was submitted.
        done: Acknowledgement,
    },
    /// These partitions are gone and may have another owner: nothing of them is committed any more.
    Lost {
        /// The partitions.
        partitions: Vec<TopicPartition>,
    },
    /// A wished move is done: what follows of this partition begins at `offset`.
    Moved {
        /// The partition.
        partition: TopicPartition,
        /// Where it goes on.
        offset: i64,
    },
    /// There will be no more records: what is read has an end, which no topic has.
    Exhausted,
    /// Something is wrong that may pass: a broker out of reach, a topic missing. For metrics and logs.
    Trouble(KafkaError),
    /// The consumer has ended because of this; a supervisor starts a new one.
    Fatal(KafkaError),
    /// The last event: the consumer has left the group.
    Stopped,
}

/// Tells the poll thread that the last progress of revoked partitions was submitted. Dropping it says the same.
#[derive(Debug)]
pub struct Acknowledgement {
    done: Arc<AtomicBool>,
    thread: Thread,
}

impl Acknowledgement {
    /// A pair: what the pipeline gets, and the flag that `thread` looks at when it is woken.
    pub(crate) fn pair(thread: Thread) -> (Self, Arc<AtomicBool>) {
        let done = Arc::new(AtomicBool::new(false));
        (Self { done: done.clone(), thread }, done)
    }

    /// The last progress was submitted.
    pub fn acknowledge(self) {}
}

impl Drop for Acknowledgement {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// What the pipeline wants of its consumer. Newer wishes replace older ones, so it is bounded by the number of partitions.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) inner: Mutex<WishList>,
    pub(crate) changed: AtomicBool,
    pub(crate) hold: AtomicBool,
    pub(crate) stop: AtomicBool,
}

/// The wishes themselves.
#[derive(Debug, Default)]
pub(crate) struct WishList {
    /// The partitions that are to be paused; all others run.
    pub(crate) paused: BTreeSet<TopicPartition>,
    /// Where to go on, by partition.
    pub(crate) moves: BTreeMap<TopicPartition, i64>,
    /// What is to be taken over once more, from when on, and after which stay.
    pub(crate) again: BTreeMap<TopicPartition, (Instant, Stay)>,
}

impl WishList {
    /// These partitions are not to be taken over once more, nor to wait for that.
    pub(crate) fn take_back(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.again.remove(partition);
            self.paused.remove(partition);
        }
    }
}

/// Totals of one consumer, counted by its poll thread.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) pauses: AtomicU64,
    pub(crate) resumes: AtomicU64,
    pub(crate) stalls: AtomicU64,
}

/// Totals of one consumer since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerTotals {
    /// Batches handed to the pipeline.
    pub batches: u64,
    /// Records handed to the pipeline.
    pub records: u64,
    /// Their bytes, as [`Record::bytes`] counts them.
    pub bytes: u64,
    /// Partitions paused. Each pause throws away what is being fetched, so more than one a second is a waste.
    pub pauses: u64,
    /// Partitions resumed.
    pub resumes: u64,
    /// How often everything was paused because the pipeline took nothing for a second.
    pub stalls: u64,
}

/// What the threads of one consumer share.
pub(crate) struct Shared {
    pub(crate) client: SourceClient,
    pub(crate) wishes: Wishes,
    pub(crate) counters: Counters,
}

/// A running consumer. Dropping it stops it without waiting.
pub struct Consumer {
    shared: Arc<Shared>,
    board: Arc<Board>,
    poll_thread: Option<JoinHandle<()>>,
}

impl Consumer {
    /// Starts the threads of a consumer whose events go to `sink`. It joins its group at once.
    ///
    /// A channel of 16 batches is enough to keep the pipeline busy.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, an unreadable secret, or threads that the system refuses. A cluster that
    /// cannot be reached is no error: see [`SourceEvent::Trouble`] and [`crate::cluster`].
    pub fn start(config: ConsumerConfig, sink: mpsc::Sender<SourceEvent>) -> Result<Self, KafkaError> {
        Self::launch(config, sink, None)
    }

    /// The same for exactly-once: every shard is taken over by `transactions` before anything of it is fetched.
    ///
    /// # Errors
    /// See [`Consumer::start`].
    pub fn start_with(
        config: ConsumerConfig,
        sink: mpsc::Sender<SourceEvent>,
        transactions: Transactions,
    ) -> Result<Self, KafkaError> {
        Self::launch(config, sink, Some(transactions))
    }

    fn launch(
        config: ConsumerConfig,
        sink: mpsc::Sender<SourceEvent>,
        transactions: Option<Transactions>,
    ) -> Result<Self, KafkaError> {
        let wake: Arc<OnceLock<Thread>> = Arc::default();
        let client = make_client(&config, wake.clone())?;
        let shared = Arc::new(Shared { client, wishes: Wishes::default(), counters: Counters::default() });
        let board: Arc<Board> = Arc::default();
        let failed = |error: std::io::Error| KafkaError::Start { message: format!("no thread: {error}") };

        let (committer, commit_board) = (shared.clone(), board.clone());
        let name = format!("commit {}", config.group);
        thread::Builder::new()
            .name(name)
            .spawn(move || commit::run(&committer.client, &commit_board))
            .map_err(failed)?;
        let (polled, poll_board) = (shared.clone(), board.clone());
        let poll = move || {
            // Set once, here, and by nobody else.
            drop(wake.set(thread::current()));
            Poller::new(config, polled, poll_board, sink, transactions).run();
        };
        let spawned = thread::Builder::new().name("kafka poll".to_owned()).spawn(poll);
        let poll_thread = spawned.map_err(|error| {
            board.close();
            failed(error)
        })?;
        Ok(Self { shared, board, poll_thread: Some(poll_thread) })
    }

    /// No records of any partition until [`Consumer::go_on`]: for a moment without room. What was fetched ahead stays where
    /// it is. The group is not served meanwhile, so whoever has no room for longer than half a second pauses what is full
    /// instead; after a second of holding, everything is paused as for a pipeline that stands still.
    pub fn hold(&self) {
        self.shared.wishes.hold.store(true, Ordering::Release);
        self.tell();
    }

    /// Ends [`Consumer::hold`].
    pub fn go_on(&self) {
        self.shared.wishes.hold.store(false, Ordering::Release);
        self.tell();
    }

    /// No records of `partitions` from soon on. What was fetched ahead is handed out first, of all partitions, because
    /// librdkafka would throw it away; what is on its way is fetched again later, so pause and resume a partition at most
    /// once a second. Ends with the ownership of the partition.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        lock(&self.shared.wishes.inner).paused.extend(partitions.iter().cloned());
        self.tell();
    }

    /// Records of `partitions` again, from where they were paused.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        let mut wishes = lock(&self.shared.wishes.inner);
        for partition in partitions {
            wishes.paused.remove(partition);
        }
        drop(wishes);
        self.tell();
    }

    /// Goes on at `offset` of `partition`; [`SourceEvent::Moved`] says when. From there on, progress may go backwards.
    pub fn seek(&self, partition: &TopicPartition, offset: i64) {
        lock(&self.shared.wishes.inner).moves.insert(partition.clone(), offset);
        self.tell();
    }

    /// The partitions of a shard that another producer took over in this stay are to be taken over once more after `rest`, if
    /// the group still says that they are ours: [`SourceEvent::Assigned`] says when. Nothing of them comes before. Where they
    /// are no longer ours, or ours anew already, the group says so by itself.
    pub fn take_again(&self, partitions: &[TopicPartition], stay: Stay, rest: Duration) {
        let (mut wishes, due) = (lock(&self.shared.wishes.inner), Instant::now() + rest);
        for partition in partitions {
            wishes.paused.insert(partition.clone());
            wishes.again.insert(partition.clone(), (due, stay));
        }
        drop(wishes);
        self.tell();
    }

    /// The epoch of the leader that wrote the record before `offset`, where that was seen.
    pub fn leader_epoch(&self, partition: &TopicPartition, offset: i64) -> Option<i32> {
        self.board.leader_epoch(partition, offset)
    }

    /// Leaves the group in good order: partitions are revoked (with the wait for their last progress), then
    /// [`SourceEvent::Stopped`] comes. Does not wait.
    pub fn stop(&self) {
        self.shared.wishes.stop.store(true, Ordering::Release);
        self.tell();
    }

    /// Puts progress on the board of the commit thread, as [`crate::delivery::Delivery`] does for units. What belongs to
    /// partitions that are not ours, and what would move backwards, is dropped.
    pub fn submit(&self, progress: Vec<PartitionProgress>) {
        self.board.submit(progress);
    }

    /// Totals since the start.
    pub fn totals(&self) -> ConsumerTotals {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ConsumerTotals {
            batches: read(&counters.batches),
            records: read(&counters.records),
            bytes: read(&counters.bytes),
            pauses: read(&counters.pauses),
            resumes: read(&counters.resumes),
            stalls: read(&counters.stalls),
        }
    }

    /// The newest statistics; none before the first interval is over.
    pub fn statistics(&self) -> Option<Arc<ClientStatistics>> {
        self.shared.client.context().statistics()
    }

    /// Waits for a stopped consumer to end, at most for `deadline_ms`. True when it has ended. Blocks: not for tasks.
    pub fn join(mut self, deadline_ms: u64) -> bool {
        let deadline = Instant::now() + Duration::from_millis(deadline_ms);
        let Some(thread) = self.poll_thread.take() else { return true };
        while !thread.is_finished() {
            if Instant::now() >= deadline {
                return false;
            }
            // The thread has no other way to tell that it has ended; this runs once per pipeline and shutdown.
            thread::park_timeout(Duration::from_millis(5));
        }
        thread.join().is_ok()
    }

    /// The board that deliveries put their progress on.
    pub(crate) fn board(&self) -> Arc<Board> {
        self.board.clone()
    }

    fn tell(&self) {
        self.shared.wishes.changed.store(true, Ordering::Release);
        if let Some(thread) = &self.poll_thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The client, subscribed, whose queue wakes the poll thread when something comes in.
fn make_client(config: &ConsumerConfig, wake: Arc<OnceLock<Thread>>) -> Result<SourceClient, KafkaError> {
    let starting = |error| KafkaError::native(format!("starting a consumer of group {:?}", config.group), &error);
    let mut client =
        SourceClient::from_config_and_context(&config.render()?, SourceContext::default()).map_err(starting)?;
    client.set_nonempty_callback(move || {
        if let Some(thread) = wake.get() {
            thread.unpark();
        }
    });
    Ok(client)
}
