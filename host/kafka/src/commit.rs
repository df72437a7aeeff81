//! Committing progress: a board that holds the newest progress of each partition, and one thread that commits what is
//! on it. What is settled is the ledger's to know; here it is only written down.
//!
//! The board is bounded by the number of partitions: newer progress replaces older. A partition that is no longer ours
//! is never committed (the broker would accept it and set its new owner back), and an offset never moves backwards.

use crate::context::{SourceClient, lock};
use crate::delivery::DeliveryEvent;
use crate::epochs::Epochs;
use crate::error::{KafkaError, is_transport};
use crate::raw::{self, Entry};
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::TopicPartition;
use rdkafka::TopicPartitionList;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::Offset;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often a commit is tried before it is reported as failed. With the pauses between, about 3 s beside the broker's
/// own time; the next progress of the partition contains what failed.
const ATTEMPTS_MAX: u32 = 10;

/// The pause before the second attempt; it doubles from one to the next.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// The longest pause. A group that rebalances takes no commits, and what settles meanwhile is repeated by the next owner if
/// this host dies before the next attempt.
const PAUSE_MAX: Duration = Duration::from_millis(400);

/// The progress of one partition, ready to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset to commit: the prefix, below which everything is settled.
    pub offset: i64,
    /// The epoch of the leader that wrote the record before it; none: what was seen while fetching.
    pub leader_epoch: Option<i32>,
    /// The sparse set and the serial, encoded: ASCII, at most 4,095 characters (the brokers' default limit).
    pub metadata: String,
}

impl PartitionProgress {
    /// The group's copy of what a progress record says, in exactly-once: see [`ProgressRecord::copied_text`].
    pub fn copy_of(partition: TopicPartition, record: &ProgressRecord) -> Self {
        let ProgressRecord { offset, leader_epoch, .. } = record;
        Self { partition, offset: *offset, leader_epoch: *leader_epoch, metadata: record.copied_text() }
    }

    /// Whether the two say the same of the same partition. The leader epoch is no part of it: a commit fills it in.
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.partition, self.offset, &self.metadata) == (&other.partition, other.offset, &other.metadata)
    }
}

/// What waits to be committed, and what may be. Shared by the poll thread, the commit thread and deliveries.
#[derive(Debug, Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<TopicPartition, Wish>,
    owned: FxHashMap<TopicPartition, Ownership>,
    committing: bool,
    closed: bool,
    reports: Option<mpsc::Sender<DeliveryEvent>>,
}

#[derive(Clone, Debug)]
struct Wish {
    progress: PartitionProgress,
    voice: Voice,
}

/// Whether anybody is told about a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Reported,
    Silent,
}

#[derive(Debug)]
struct Ownership {
    /// Nothing below this is committed any more.
    floor: i64,
    epochs: Epochs,
}

impl Board {
    /// `partition` is ours from now on, and begins at `start`.
    pub(crate) fn own(&self, partition: &TopicPartition, start: i64) {
        let ownership = Ownership { floor: start, epochs: Epochs::default() };
        lock(&self.state).owned.insert(partition.clone(), ownership);
    }

    /// These partitions are no longer ours: what waits for them is dropped.
    pub(crate) fn disown(&self, partitions: &[TopicPartition]) {
        let mut state = lock(&self.state);
        for partition in partitions {
            state.owned.remove(partition);
            state.waiting.remove(partition);
        }
        self.changed.notify_all();
    }

    /// `partition` was moved to `offset` deliberately: from there on, backwards is allowed.
    pub(crate) fn lower_floor(&self, partition: &TopicPartition, offset: i64) {
        if let Some(ownership) = lock(&self.state).owned.get_mut(partition) {
            ownership.floor = ownership.floor.min(offset);
        }
    }

    /// Notes the leader epochs of fetched records: the partition, an offset and its epoch.
    pub(crate) fn note_epoch(&self, partition: &TopicPartition, offset: i64, epoch: i32) {
        if let Some(ownership) = lock(&self.state).owned.get_mut(partition) {
            ownership.epochs.note(offset, epoch);
        }
    }

    /// The epoch of the leader that wrote the record before `offset`, where it is known.
    pub(crate) fn leader_epoch(&self, partition: &TopicPartition, offset: i64) -> Option<i32> {
        lock(&self.state).owned.get(partition)?.epochs.before(offset)
    }

    /// Commits are reported here from now on.
    pub(crate) fn report_to(&self, reports: mpsc::Sender<DeliveryEvent>) {
        lock(&self.state).reports = Some(reports);
    }

    /// Puts progress on the board.
    pub(crate) fn submit(&self, progress: Vec<PartitionProgress>) {
        self.put(progress, Voice::Reported);
    }

    /// Pins first positions, without telling anybody.
    pub(crate) fn pin(&self, progress: Vec<PartitionProgress>) {
        self.put(progress, Voice::Silent);
    }

    fn put(&self, progress: Vec<PartitionProgress>, voice: Voice) {
        if progress.is_empty() {
            return;
        }
        let mut state = lock(&self.state);
        for progress in progress {
            let floor = match state.owned.get_mut(&progress.partition) {
                Some(ownership) if ownership.floor <= progress.offset => &mut ownership.floor,
                _ => continue,
            };
            *floor = progress.offset;
            state.waiting.insert(progress.partition.clone(), Wish { progress, voice });
        }
        self.changed.notify_all();
    }

    /// Waits until everything on the board is committed or given up, at most until `deadline`. True if so.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        let mut state = lock(&self.state);
        while !state.waiting.is_empty() || state.committing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.closed {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Ends the commit thread, once what it is doing is done.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    /// Waits for something to commit and takes it; none once the board is closed.
    fn take(&self) -> Option<Vec<Wish>> {
        let mut state = lock(&self.state);
        loop {
            if state.closed {
                return None;
            }
            if !state.waiting.is_empty() {
                state.committing = true;
                return Some(std::mem::take(&mut state.waiting).into_values().collect());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What was taken is done with; `again` goes back on the board where nothing newer has come and we still own it.
    fn settle(&self, again: Vec<Wish>) {
        let mut state = lock(&self.state);
        for wish in again {
            if state.owned.contains_key(&wish.progress.partition) {
                state.waiting.entry(wish.progress.partition.clone()).or_insert(wish);
            }
        }
        state.committing = false;
        self.changed.notify_all();
    }

    /// Leaves `wishes` that may be committed now, with their leader epochs filled in.
    fn retain_owned(&self, wishes: &mut Vec<Wish>) {
        let state = lock(&self.state);
        wishes.retain_mut(|wish| match state.owned.get(&wish.progress.partition) {
            None => false,
            Some(ownership) => {
                let seen = || ownership.epochs.before(wish.progress.offset);
                wish.progress.leader_epoch = wish.progress.leader_epoch.or_else(seen);
                true
            }
        });
    }

    /// Waits for `pause`, less when the board is closed.
    fn pause(&self, pause: Duration) {
        let deadline = Instant::now() + pause;
        let mut state = lock(&self.state);
        while !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn report(&self, event: DeliveryEvent) {
        let reports = lock(&self.state).reports.clone();
        // A receiver that is gone does not want to know.
        if let Some(reports) = reports
            && reports.blocking_send(event).is_err()
        {
            tracing::debug!("nobody receives commit reports any more");
        }
    }
}

/// Commits what is on the board until it is closed. The body of the commit thread.
pub(crate) fn run(client: &SourceClient, board: &Board) {
    let mut attempt = 0;
    while let Some(mut wishes) = board.take() {
        board.retain_owned(&mut wishes);
        let results = commit_now(client.client(), wishes.iter().map(|wish| &wish.progress));
        let Sorted { committed, again, refused } = sort(wishes, results);
        report(board, committed, refused);
        attempt = if again.is_empty() { 0 } else { attempt + 1 };
        match attempt {
            0 => board.settle(Vec::new()),
            ATTEMPTS_MAX => {
                attempt = 0;
                give_up(board, again);
                board.settle(Vec::new());
            }
            _ => {
                board.settle(again.into_iter().map(|(wish, _)| wish).collect());
                board.pause(PAUSE_MAX.min(PAUSE_FIRST * 2_u32.pow(attempt - 1)));
            }
        }
    }
}

fn report(board: &Board, committed: Vec<Wish>, refused: Vec<(Wish, KafkaError)>) {
    let told = |wish: &Wish| wish.voice == Voice::Reported;
    let committed: Vec<_> = committed.into_iter().filter(told).map(|wish| wish.progress).collect();
    if !committed.is_empty() {
        board.report(DeliveryEvent::Committed(committed));
    }
    for (wish, error) in refused {
        tracing::error!(partition = %wish.progress.partition, %error, "progress was not committed");
        if told(&wish) {
            board.report(DeliveryEvent::CommitFailed { progress: vec![wish.progress], error });
        }
    }
}

/// Reports what could not be committed in all attempts. The next progress of these partitions contains it.
fn give_up(board: &Board, again: Vec<(Wish, Code)>) {
    report(
        board,
        Vec::new(),
        again
            .into_iter()
            .map(|(wish, code)| {
                let error = commit_error(&wish.progress, code);
                (wish, error)
            })
            .collect(),
    );
}

/// Commits progress and waits: what happened to each partition, or why nothing is known of any.
pub(crate) fn commit_now<'a, C: ClientContext>(
    client: &Client<C>,
    progress: impl Iterator<Item = &'a PartitionProgress>,
) -> Result<Vec<Entry>, Code> {
    let mut list = TopicPartitionList::new();
    for (index, PartitionProgress { partition, offset, leader_epoch, metadata }) in progress.enumerate() {
        let mut element = list.add_partition(&partition.topic, partition.partition);
        if element.set_offset(Offset::Offset(*offset)).is_err() {
            return Err(Code::InvalidArgument);
        }
        if !metadata.is_empty() {
            element.set_metadata(metadata.as_str());
        }
        if let Some(epoch) = leader_epoch {
            raw::set_leader_epoch(&mut list, index, *epoch);
        }
    }
    // An empty list would mean "what librdkafka remembers", which is nothing that we settled.
    if list.count() == 0 { Ok(Vec::new()) } else { raw::commit(client, &list) }
}

struct Sorted {
    committed: Vec<Wish>,
    again: Vec<(Wish, Code)>,
    refused: Vec<(Wish, KafkaError)>,
}

/// Sorts what was tried by what happened to it.
fn sort(wishes: Vec<Wish>, results: Result<Vec<Entry>, Code>) -> Sorted {
    let mut sorted = Sorted { committed: Vec::new(), again: Vec::new(), refused: Vec::new() };
    for wish in wishes {
        let code = match &results {
            Err(code) => Some(*code),
            Ok(entries) => {
                let own = |entry: &&Entry| {
                    entry.partition == wish.progress.partition.partition
                        && *entry.topic == *wish.progress.partition.topic
                };
                // A partition that the answer leaves out was not committed.
                entries.iter().find(own).map_or(Some(Code::Fail), |entry| entry.error)
            }
        };
        match code {
            None => sorted.committed.push(wish),
            Some(code) if is_worth_another_try(code) => sorted.again.push((wish, code)),
            Some(code) => {
                let error = commit_error(&wish.progress, code);
                sorted.refused.push((wish, error));
            }
        }
    }
    sorted
}

/// Ownership is checked before every attempt, so a generation that has just moved on is worth another one.
fn is_worth_another_try(code: Code) -> bool {
    is_transport(code) || matches!(code, Code::RebalanceInProgress | Code::IllegalGeneration)
}

fn commit_error(progress: &PartitionProgress, code: Code) -> KafkaError {
    match code {
        Code::OffsetMetadataTooLarge => {
            KafkaError::MetadataTooLarge { partition: progress.partition.clone(), characters: progress.metadata.len() }
        }
        other => KafkaError::code(format!("committing {} of {}", progress.offset, progress.partition), other, None),
    }
}
