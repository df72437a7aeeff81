//! The loop of the poll thread: wishes, room, records, in this order, for ever. It is the only caller of the consumer
//! besides commits, and never waits for anything longer than it may stay away from its group.

use crate::arrival::Arrival;
use crate::batch::{Batch, Names, copy_record};
use crate::commit::Board;
use crate::config::ConsumerConfig;
use crate::consumer::{Shared, SourceEvent};
use crate::context::lock;
use crate::error::KafkaError;
use crate::outbox::Outbox;
use crate::pausing::Flow;
use crate::raw;
use crate::transactional::Transactions;
use crate::watermarks::watermarks;
use millrace_flow::record::TopicPartition;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::Offset;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long the thread sleeps when nothing happens. Whatever happens wakes it; this bounds what a wake-up that got lost
/// inside librdkafka could cost.
pub(crate) const IDLE: Duration = Duration::from_millis(100);

/// How long the first poll of a round waits. It tells an empty queue from one that only had a log line in it.
const FIRST_POLL: Duration = Duration::from_millis(1);

/// How often the same kind of trouble is told again.
const TROUBLE_AGAIN: Duration = Duration::from_secs(10);

/// How long a move to another offset may take.
const SEEK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long leaving the group may take, once the partitions are given back.
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);

/// The state of the poll thread.
pub(crate) struct Poller {
    pub(crate) config: ConsumerConfig,
    pub(crate) shared: Arc<Shared>,
    pub(crate) board: Arc<Board>,
    pub(crate) outbox: Outbox,
    pub(crate) batch: Batch,
    pub(crate) thread: Thread,
    /// The partitions that are ours, with the last leader epoch and the offset that comes next.
    pub(crate) owned: FxHashMap<TopicPartition, Position>,
    /// The partitions that are paused because the pipeline wished so.
    pub(crate) paused: BTreeSet<TopicPartition>,
    /// Since when the pipeline holds the thread back.
    pub(crate) held_since: Option<Instant>,
    /// True while everything is paused because the pipeline takes nothing.
    pub(crate) stalled: bool,
    /// In exactly-once: who takes partitions over.
    pub(crate) transactions: Option<Transactions>,
    /// Partitions that are being taken over. Further rebalances wait for that; what we own goes on.
    pub(crate) arrival: Option<Arrival>,
    /// Why the consumer has to end.
    pub(crate) fatal: Option<KafkaError>,
    names: Names,
    told: FxHashMap<String, Instant>,
}

/// Where reading of a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The offset that comes next.
    pub(crate) next: i64,
    /// The epoch of the leader that wrote the last record.
    pub(crate) epoch: Option<i32>,
}

impl Poller {
    /// The state before the first round. Made on the poll thread.
    pub(crate) fn new(
        config: ConsumerConfig,
        shared: Arc<Shared>,
        board: Arc<Board>,
        sink: mpsc::Sender<SourceEvent>,
        transactions: Option<Transactions>,
    ) -> Self {
        let thread = thread::current();
        Self {
            outbox: Outbox::new(sink, thread.clone()),
            batch: Batch::new(config.batch_records_max, config.batch_bytes_max),
            config,
            shared,
            board,
            thread,
            owned: FxHashMap::default(),
            paused: BTreeSet::new(),
            held_since: None,
            stalled: false,
            transactions,
            arrival: None,
            fatal: None,
            names: Names::default(),
            told: FxHashMap::default(),
        }
    }

    /// Runs until stopped, until the pipeline is gone, or until the client is unusable.
    pub(crate) fn run(mut self) {
        let topics: Vec<&str> = self.config.topics.iter().map(String::as_str).collect();
        if let Err(error) = self.shared.client.subscribe(&topics) {
            self.fatal = Some(KafkaError::native("subscribing", &error));
        }
        while !self.is_over() {
            self.fulfil_wishes();
            self.outbox.advance();
            self.look_after_arrival();
            if self.is_held_back() {
                self.wait_for_room();
            } else {
                self.end_stall();
                self.round();
            }
        }
        self.close();
    }

    /// True once the consumer is to end: nobody waits for what it would still read.
    pub(crate) fn is_over(&self) -> bool {
        self.fatal.is_some() || self.outbox.is_closed() || self.shared.wishes.stop.load(Ordering::Acquire)
    }

    /// One round: as many records as a batch takes, or as there are.
    fn round(&mut self) {
        let shared = self.shared.clone();
        let mut wait = FIRST_POLL;
        let mut idle = true;
        while !self.batch.is_full() && self.fatal.is_none() {
            let polled = shared.client.poll(wait);
            wait = Duration::ZERO;
            match polled {
                Some(Ok(message)) => self.take_record(&message),
                Some(Err(error)) => self.take_error(&error),
                None if self.rebalance() => {}
                None => break,
            }
            idle = false;
        }
        self.hand_over();
        if idle {
            thread::park_timeout(IDLE);
        }
    }

    /// Copies a record into the batch.
    pub(crate) fn take_record(&mut self, message: &BorrowedMessage<'_>) {
        let record = copy_record(message, &mut self.names);
        // What librdkafka still held of a partition that is gone is no longer ours to handle.
        let Some(position) = self.owned.get_mut(&record.source) else { return };
        position.next = record.offset + 1;
        if let Some(epoch) = raw::leader_epoch(message)
            && position.epoch != Some(epoch)
        {
            position.epoch = Some(epoch);
            self.board.note_epoch(&record.source, record.offset, epoch);
        }
        self.batch.push(record);
    }

    /// Hands the batch to the pipeline, if there is anything in it.
    pub(crate) fn hand_over(&mut self) {
        if let Some((records, bytes)) = self.batch.take() {
            count(&self.shared.counters.batches, 1);
            count(&self.shared.counters.records, records.len());
            count(&self.shared.counters.bytes, bytes);
            self.outbox.push(SourceEvent::Records(records));
        }
    }

    /// Acts on the next rebalance. False if there is none.
    pub(crate) fn rebalance(&mut self) -> bool {
        if self.arrival.is_some() {
            return false;
        }
        let Some(rebalance) = self.shared.client.context().next_rebalance() else { return false };
        self.hand_over();
        self.act_on(rebalance);
        true
    }

    /// Acts on what librdkafka says went wrong.
    pub(crate) fn take_error(&mut self, error: &Native) {
        let reason = self.shared.client.context().take_reason();
        let what = || format!("reading {}", self.config.topics.join(", "));
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation) => {
                self.fatal = Some(self.find_lost_offset(reason.unwrap_or_default()));
            }
            Some(Code::FencedInstanceId) => self.fatal = Some(KafkaError::SameInstance { what: what() }),
            Some(code) if matches!(error, Native::MessageConsumptionFatal(_)) => {
                let message = reason.unwrap_or_else(|| code.to_string());
                self.fatal = Some(KafkaError::Fatal { what: what(), message });
            }
            Some(code) => {
                let error = KafkaError::code(what(), code, reason);
                self.tell_trouble(error);
            }
            None => {
                let error = KafkaError::native(what(), error);
                self.tell_trouble(error);
            }
        }
    }

    /// librdkafka tells that an offset is gone, but its binding drops which: the partition that asks for what is not there.
    fn find_lost_offset(&self, reason: String) -> KafkaError {
        for (partition, position) in &self.owned {
            let TopicPartition { topic, partition: number } = partition;
            let marks = watermarks(&self.shared.client, topic, *number, Duration::from_secs(5));
            if let Ok((low, high)) = marks
                && !(low..=high).contains(&position.next)
            {
                return KafkaError::OffsetOutOfRange { partition: partition.clone(), offset: position.next, low, high };
            }
        }
        let what = format!("reading {}", self.config.topics.join(", "));
        KafkaError::Fatal { what, message: format!("an offset is no longer there: {reason}") }
    }

    /// Tells the pipeline about trouble, the same kind only now and then, and never when it has enough to do.
    pub(crate) fn tell_trouble(&mut self, error: KafkaError) {
        let kind = format!("{:?}", std::mem::discriminant(&error));
        let now = Instant::now();
        if self.told.get(&kind).is_some_and(|last| now.duration_since(*last) < TROUBLE_AGAIN) {
            return;
        }
        self.told.insert(kind, now);
        tracing::warn!(group = self.config.group, %error, "kafka is in trouble");
        if !self.outbox.is_blocked() {
            self.hand_over();
            self.outbox.push(SourceEvent::Trouble(error));
        }
    }

    /// Brings pauses and positions to what the pipeline wishes.
    fn fulfil_wishes(&mut self) {
        if !self.shared.wishes.changed.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut wishes = lock(&self.shared.wishes.inner);
        wishes.paused.retain(|partition| self.owned.contains_key(partition));
        wishes.again.retain(|partition, _| self.owned.contains_key(partition));
        let wished = wishes.paused.clone();
        let moves = std::mem::take(&mut wishes.moves);
        drop(wishes);

        let pause: Vec<_> = wished.difference(&self.paused).cloned().collect();
        let resume: Vec<_> = self.paused.difference(&wished).cloned().collect();
        self.paused = wished;
        // While everything is stalled, all is paused; the end of the stall looks at the wishes.
        if !self.stalled {
            self.pause(&pause);
            self.switch(&resume, Flow::Resume);
        }
        for (partition, offset) in moves {
            self.move_to(partition, offset);
        }
    }

    fn move_to(&mut self, partition: TopicPartition, offset: i64) {
        let Some(position) = self.owned.get_mut(&partition) else { return };
        let moved =
            self.shared.client.seek(&partition.topic, partition.partition, Offset::Offset(offset), SEEK_TIMEOUT);
        match moved {
            Ok(()) => {
                *position = Position { next: offset, epoch: None };
                self.board.lower_floor(&partition, offset);
                self.hand_over();
                self.outbox.push(SourceEvent::Moved { partition, offset });
            }
            Err(error) => self.tell_trouble(KafkaError::native(format!("moving {partition} to {offset}"), &error)),
        }
    }

    /// Leaves the group: gives the partitions back in good order, then closes the client on this thread.
    fn close(mut self) {
        self.hand_over();
        self.give_arrival_up();
        let shared = self.shared.clone();
        let closing = shared.client.close_queue();
        let deadline = Instant::now() + CLOSE_DEADLINE + Duration::from_millis(self.config.revoke_wait_ms);
        while closing.is_ok() && !shared.client.closed() && Instant::now() < deadline {
            // Records that still come are read again by the next owner.
            drop(shared.client.poll(Duration::from_millis(10)));
            while self.rebalance() {}
        }
        shared.client.context().leave_unattended();
        self.board.close();
        if let Some(error) = self.fatal.take() {
            self.outbox.push(SourceEvent::Fatal(error));
        }
        self.outbox.push(SourceEvent::Stopped);
        while self.outbox.is_blocked() && !self.outbox.is_closed() {
            self.outbox.advance();
            thread::park_timeout(IDLE);
        }
    }
}

/// Adds to a total.
pub(crate) fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}
