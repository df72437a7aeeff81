//! How the poll thread holds back while the pipeline has no room: it waits for a moment, and pauses partitions when that
//! becomes too long. A pause makes librdkafka throw away what it had fetched, so that is taken over first.

use crate::config::PREFETCH_KIB;
use crate::context::SourceClient;
use crate::error::KafkaError;
use crate::poller::{IDLE, Poller, count};
use millrace_flow::record::TopicPartition;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError as Native;
use rdkafka::message::BorrowedMessage;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// How long the pipeline may take nothing, or hold the thread back, before all partitions are paused so that the group can
/// be served. Far below the poll interval of 5 minutes, and long enough to flip at most once a second.
const STALL: Duration = Duration::from_secs(1);

/// What a record weighs in memory beside its key and value.
const RECORD_OVERHEAD_BYTES: usize = 256;

/// So many polls in a row without a record are the end of what was fetched. One may only have run a callback.
const EMPTY_POLLS: usize = 3;

/// Which way a partition is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// No more records.
    Pause,
    /// Records again.
    Resume,
}

impl Poller {
    /// Whether the pipeline has no room now, or says that it has none.
    pub(crate) fn is_held_back(&mut self) -> bool {
        let held = self.shared.wishes.hold.load(Ordering::Acquire);
        self.held_since = held.then(|| self.held_since.unwrap_or_else(Instant::now));
        held || self.outbox.is_blocked()
    }

    /// Serves the group while the pipeline takes nothing.
    pub(crate) fn wait_for_room(&mut self) {
        let held_for = self.held_since.map_or(Duration::ZERO, |since| since.elapsed());
        if !self.stalled && self.outbox.blocked_for().max(held_for) >= STALL {
            self.stalled = true;
            count(&self.shared.counters.stalls, 1);
            let running: Vec<_> = self.owned.keys().filter(|p| !self.paused.contains(p)).cloned().collect();
            self.pause(&running);
        }
        if self.stalled {
            let shared = self.shared.clone();
            match shared.client.poll(Duration::ZERO) {
                // None should come while everything is paused; one that does is kept, in its order.
                Some(Ok(message)) => self.take_record(&message),
                Some(Err(error)) => self.take_error(&error),
                None if self.rebalance() => {}
                None => thread::park_timeout(IDLE),
            }
        } else {
            thread::park_timeout(IDLE);
        }
    }

    /// Resumes what a stall had paused.
    pub(crate) fn end_stall(&mut self) {
        if self.stalled {
            self.stalled = false;
            let running: Vec<_> = self.owned.keys().filter(|p| !self.paused.contains(p)).cloned().collect();
            self.switch(&running, Flow::Resume);
        }
    }

    /// Pauses partitions, and keeps what librdkafka has fetched, room or not: it only moves from librdkafka's memory into
    /// ours. Nothing is copied before the pause, because a queue that runs empty is fetched for again within milliseconds.
    pub(crate) fn pause(&mut self, partitions: &[TopicPartition]) {
        if partitions.is_empty() {
            return;
        }
        let shared = self.shared.clone();
        let fetched = take_fetched(&shared.client);
        self.switch(partitions, Flow::Pause);
        for polled in fetched {
            match polled {
                Ok(message) => self.take_record(&message),
                Err(error) => self.take_error(&error),
            }
            if self.batch.is_full() {
                self.hand_over();
            }
        }
        self.hand_over();
    }

    /// Pauses or resumes partitions and counts them.
    pub(crate) fn switch(&mut self, partitions: &[TopicPartition], flow: Flow) {
        if partitions.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(&partition.topic, partition.partition);
        }
        let (switched, counter) = match flow {
            Flow::Pause => (self.shared.client.pause(&list), &self.shared.counters.pauses),
            Flow::Resume => (self.shared.client.resume(&list), &self.shared.counters.resumes),
        };
        count(counter, partitions.len());
        if let Err(error) = switched {
            self.tell_trouble(KafkaError::native("pausing or resuming", &error));
        }
    }
}

/// What librdkafka has fetched and not handed out, bounded by what it may fetch ahead. Rebalances that come meanwhile wait
/// for the next round.
fn take_fetched(client: &SourceClient) -> Vec<Result<BorrowedMessage<'_>, Native>> {
    let mut fetched = Vec::new();
    let (mut bytes, mut empty) = (0, 0);
    while bytes < PREFETCH_KIB as usize * 1024 && empty < EMPTY_POLLS {
        match client.poll(Duration::ZERO) {
            Some(polled) => {
                let weight = polled.as_ref().map_or(0, |message| message.payload_len() + message.key_len());
                (bytes, empty) = (bytes + weight + RECORD_OVERHEAD_BYTES, 0);
                fetched.push(polled);
            }
            None => empty += 1,
        }
    }
    fetched
}
