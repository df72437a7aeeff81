//! Where a record travels, in one file: the stages of its path in the order in which it passes them.
//!
//! | stage | where | if it goes wrong |
//! |---|---|---|
//! | poll | `kafka::Consumer` -> [`RecordPath::poll`] | the supervisor restarts the pipeline with backoff |
//! | admit | [`RecordPath::admit`]: `flow::ledger`, `flow::admission`, `flow::failures` | the record waits in its backlog, its partition is paused |
//! | lane | [`RecordPath::admit`]: `flow::lane` | - |
//! | decode, turn, lookup, check | `station.rs`: `start`, `round`, `ask`, `check` | an error event |
//! | finish | [`RecordPath::finish`]: `flow::state` | a retry starts the original record again; its lane waits |
//! | deliver | [`RecordPath::deliver`] -> `kafka::Delivery`; in exactly-once [`RecordPath::seal`] -> `kafka::Transactions` | the pipeline stops, the transaction is tried again; nothing is dropped |
//! | settle | [`RecordPath::delivered`], [`RecordPath::progress`]; in exactly-once [`RecordPath::committed`] | never without delivery |
//!
//! A timer that is due takes the same path from the lane on ([`RecordPath::fire_due`]); it has no offset, so it settles
//! nothing in the ledger.
//!
//! Nothing here waits: `pipeline.rs` is the loop around it and owns every queue and timer.

mod dispatch;
mod drain;
mod failing;
mod flow;
mod leaving;
mod outbox;
mod pace;
mod progress;
mod refused;
mod reprocessed;
#[cfg(test)]
mod sample;
mod shard;
mod state;
mod suspects;
mod timers;
mod transactions;
mod versions;

pub use dispatch::Batch;
pub use drain::Until;
pub use flow::Flow;
pub use leaving::Cancelled;
pub use outbox::Destination;
pub use refused::{Refused, Unable};
pub use reprocessed::ReprocessTopic;
pub use state::NoRoom;

use crate::job::{Finish, Finished, JobId, Suspicion, VersionId};
use crate::metrics::PipelineMetrics;
use millrace_flow::admission::{Admission, AdmissionLimits, AnswerEstimate, Head};
use millrace_flow::failures::{FailureBreaker, FailureLimits, FailureNews, Gate, Purpose};
use millrace_flow::lane::LaneId;
use millrace_flow::ledger::{Admitted, Ledger};
use millrace_flow::progress::PluginDigest;
use millrace_flow::record::{OutputRecord, Record, TopicPartition};
use millrace_flow::shard::{Shard, Sharding};
use millrace_flow::state::{DueTimer, StateChanges};
use millrace_flow::transactions::TransactionLimits;
use millrace_kafka::commit::PartitionProgress;
use millrace_kafka::delivery::Unit;
use millrace_platform::{Attempts, Restored, content_bytes_hint};
use outbox::{Outboxes, UnitJobs};
use pace::Pace;
use rustc_hash::FxHashMap;
use shard::OwnedShard;
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;
use suspects::Suspects;
use versions::{PartitionVersions, RunningVersions};

/// What a path holds to.
#[derive(Clone, Copy, Debug)]
pub struct PathLimits {
    /// What may be in flight.
    pub admission: AdmissionLimits,
    /// When so many events fail that no more are admitted.
    pub failures: FailureLimits,
    /// How many events may begin per second. None: as many as there is room for.
    pub events_per_second: Option<NonZeroU32>,
    /// Exactly-once: when results become a transaction. None: at-least-once. It is settled when the path is made.
    pub transactions: Option<TransactionLimits>,
}

/// What order means in a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Events with equal key bytes run one after the other; records without a key share one lane per partition.
    PerKey,
    /// Events of a partition run one after the other.
    PerPartition,
}

/// What a record weighs beside its bytes: its entries in the ledger, the lanes, the books of the worker, the index of
/// its document. Measured on 2.5 kB events, rounded up.
const BOOKKEEPING_BYTES: u64 = 4096;

/// Everything about one owned partition that is its own; the rest belongs to its shard.
pub struct Partition {
    shard: Shard,
    ledger: Ledger,
    versions: PartitionVersions,
    /// When another version began of which no event was admitted yet.
    swapped: Option<Instant>,
    /// Records that were polled and wait for room.
    backlog: VecDeque<Waiting>,
    /// Finished events whose delivery would enlarge the progress beyond its budget, by offset. Their lanes wait.
    held: BTreeMap<i64, (JobId, Vec<OutputRecord>)>,
    /// Whether nothing of it is started any more: it leaves.
    leaving: bool,
    /// The offsets and timestamps of what was admitted, of which the oldest may be open.
    admitted: VecDeque<(i64, i64)>,
    /// Since when there has been a backlog of which nothing was admitted.
    full_since: Option<Instant>,
    /// Whether the consumer was told to pause it, and when it was last told anything.
    paused: bool,
    flipped: Option<Instant>,
    /// The last progress that was handed over, and whether its commit failed.
    last_progress: Option<PartitionProgress>,
    uncommitted: bool,
}

/// A record between poll and admission.
struct Waiting {
    record: Record,
    /// What it holds.
    bytes: u64,
    /// What it will hold beside itself at least: see [`to_come`].
    to_come: u64,
}

/// One event between admission and settlement, or one timer.
struct OpenJob {
    /// Where it came from; of a timer, the first partition of its shard.
    partition: TopicPartition,
    /// Its offset there. The record has another one where it came back through the reprocess topic; a timer has none.
    offset: i64,
    record: Arc<Record>,
    timer: Option<Arc<DueTimer>>,
    version: VersionId,
    lane: LaneId,
    attempts: Attempts,
    /// What admission holds for it.
    reserved: u64,
    admitted: Instant,
    /// Whether it was admitted alone, to find out whether events still fail.
    purpose: Purpose,
    worker: Option<usize>,
    /// What is known of it from earlier deaths of the host.
    suspicion: Suspicion,
    /// Whether its lane went on and its progress was reserved: once, also when it has to run again.
    released: bool,
    /// What came of it, once that is known; counted when it settles.
    ending: Option<Ending>,
    /// What it changed in the state of its key, until that goes into a transaction.
    changes: StateChanges,
}

/// What an event counts as once it settles.
enum Ending {
    Emitted(usize),
    Skipped(String),
    /// Skipped, and it changed state.
    Kept(String),
    Tombstone,
    Canary,
    Failed(String),
}

/// The path of every record of one pipeline, from poll to settlement.
pub struct RecordPath {
    order: Order,
    reprocess: Option<ReprocessTopic>,
    /// The topic that keeps state. None: the pipeline has none.
    changelog: Option<Arc<str>>,
    /// The wall clock, as of the last look for timers.
    wall_ms: u64,
    versions: RunningVersions,
    admission: Admission,
    pace: Pace,
    failures: FailureBreaker,
    /// What is to be told of the failures.
    failure_news: Vec<FailureNews>,
    answers: AnswerEstimate,
    /// Bytes of the records that wait in backlogs.
    backlog_bytes: u64,
    sharding: Sharding,
    shards: FxHashMap<Shard, OwnedShard>,
    partitions: FxHashMap<TopicPartition, Partition>,
    jobs: FxHashMap<JobId, OpenJob>,
    next_job: u64,
    suspects: Suspects,
    /// Jobs that may run and have no worker yet.
    ready: Vec<JobId>,
    /// Jobs in flight per worker.
    load: Vec<usize>,
    /// Retries by the time at which they are due.
    retries: BTreeMap<(Instant, JobId), ()>,
    /// Where the outputs of events go; error events always go to Kafka.
    outputs_to: Destination,
    /// Exactly-once: results go out in transactions. None: at-least-once.
    transactions: Option<TransactionLimits>,
    outboxes: Outboxes,
    units: FxHashMap<u64, UnitJobs>,
    next_unit: u64,
    /// Up to where events are taken; none: all.
    drain: Option<Until>,
    metrics: Arc<PipelineMetrics>,
}

impl RecordPath {
    /// An empty path: no partition is owned yet. Events run on `version`, which runs `plugin`.
    pub fn new(
        order: Order,
        limits: PathLimits,
        workers: usize,
        outputs_to: Destination,
        metrics: Arc<PipelineMetrics>,
        (version, plugin): (VersionId, PluginDigest),
    ) -> Self {
        Self {
            order,
            reprocess: None,
            changelog: None,
            wall_ms: 0,
            versions: RunningVersions::new(version, plugin),
            admission: Admission::new(limits.admission),
            pace: Pace::new(limits.events_per_second),
            failures: FailureBreaker::new(limits.failures),
            failure_news: Vec::new(),
            answers: AnswerEstimate::new(),
            backlog_bytes: 0,
            sharding: Sharding::Apart,
            shards: FxHashMap::default(),
            partitions: FxHashMap::default(),
            jobs: FxHashMap::default(),
            next_job: 0,
            suspects: Suspects::default(),
            ready: Vec::new(),
            load: vec![0; workers],
            retries: BTreeMap::new(),
            outputs_to,
            transactions: limits.transactions,
            outboxes: Outboxes::default(),
            units: FxHashMap::default(),
            next_unit: 0,
            drain: None,
            metrics,
        }
    }

    /// Holds to other limits from now on.
    pub fn set_limits(&mut self, limits: PathLimits, now: Instant) {
        self.admission.set_limits(limits.admission);
        self.pace.set_rate(limits.events_per_second);
        // What is promised stays as it was when the path was made.
        self.transactions = self.transactions.map(|before| limits.transactions.unwrap_or(before));
        self.failure_news.extend(self.failures.set_limits(limits.failures, now));
    }

    /// Poll: takes records that the consumer fetched. Those of a partition that is no longer owned are nobody's.
    pub fn poll(&mut self, records: Vec<Record>, now: Instant) {
        for record in records {
            if let Some(partition) = self.partitions.get_mut(&record.source) {
                // A swap holds nothing up before there is something that waits.
                if partition.backlog.is_empty() {
                    partition.swapped = partition.swapped.map(|_| now);
                }
                let bytes = record.bytes() as u64;
                self.backlog_bytes += bytes;
                partition.backlog.push_back(Waiting { bytes, to_come: to_come(&record), record });
            }
        }
    }

    /// Admit: enters waiting records into ledger and lanes as far as there is room; those whose lane is free become
    /// ready.
    pub fn admit(&mut self, now: Instant) {
        let Self { partitions, shards, admission, pace, failures, answers, backlog_bytes, jobs, next_job, .. } = self;
        let (ready, suspects) = (&mut self.ready, &mut self.suspects);
        let (order, drain, reprocess, metrics) = (self.order, &self.drain, &self.reprocess, &self.metrics);
        let wall_ms = self.wall_ms;
        pace.look(now);
        for (name, partition) in pace.in_turn(partitions) {
            let Some(shard) = shards.get_mut(&partition.shard) else { continue };
            while let Some(&Waiting { ref record, bytes, to_come }) = partition.backlog.front() {
                if drain.as_ref().is_some_and(|until| !until.takes(name, record.offset)) {
                    break;
                }
                let purpose = match failures.gate(now) {
                    Gate::Go => Purpose::Ordinary,
                    Gate::Trial => Purpose::Trial,
                    Gate::Shut => {
                        partition.swapped = partition.swapped.map(|_| now);
                        break;
                    }
                };
                let Some(version) = partition.versions.at(record.offset) else { break };
                // Answers and outputs like those of the events before it, or more where it says so itself.
                let reserved = bytes + BOOKKEEPING_BYTES + to_come.max(answers.bytes());
                let head = if partition.ledger.open() == 0 { Head::Oldest } else { Head::Later };
                let has_room = partition.ledger.may_admit() && admission.may_admit(reserved, head);
                // What is settled already begins nothing.
                if !has_room || !(partition.ledger.is_settled(record.offset) || pace.may_begin()) {
                    // Without room nothing would begin on the old version either.
                    partition.swapped = partition.swapped.map(|_| now);
                    break;
                }
                let Some(Waiting { record, .. }) = partition.backlog.pop_front() else { break };
                partition.full_since = None;
                *backlog_bytes = backlog_bytes.saturating_sub(bytes);
                metrics.polled(bytes);
                if let Some(state) = &mut shard.state {
                    state.observe(&record, wall_ms);
                }
                if partition.ledger.admit(record.offset) == Admitted::AlreadySettled {
                    metrics.repeated_settled();
                    continue;
                }
                if purpose == Purpose::Trial {
                    failures.begin_trial();
                }
                admission.reserve(reserved);
                metrics.event_in();
                if let Some(swapped) = partition.swapped.take() {
                    metrics.swap_paused(now.saturating_duration_since(swapped));
                }
                let offset = record.offset;
                partition.admitted.push_back((offset, record.timestamp_ms));
                let Restored { record, reprocessed } = reprocessed::to_run(record, reprocess.as_ref());
                if reprocessed > 0 {
                    metrics.reprocessed();
                }
                let id = JobId(*next_job);
                *next_job += 1;
                let lane = lane_of(order, record.key.as_deref());
                let suspicion = suspects.note(id, &record, None);
                jobs.insert(
                    id,
                    OpenJob {
                        partition: name.clone(),
                        offset,
                        record: Arc::new(record),
                        timer: None,
                        version,
                        lane,
                        attempts: Attempts { run: 1, reprocessed },
                        reserved,
                        admitted: now,
                        purpose,
                        worker: None,
                        suspicion,
                        released: false,
                        ending: None,
                        changes: StateChanges::default(),
                    },
                );
                ready.extend(shard.lanes.enter(lane, id));
            }
        }
    }

    /// Finish: what the workers made of their jobs. Jobs of lost partitions are ignored. Returns those whose changes the
    /// state has no room for: they are to finish once more, as failed.
    pub fn finish(&mut self, finished: Vec<Finished>, now: Instant) -> Vec<NoRoom> {
        let mut without_room = Vec::new();
        for Finished { id, finish, answer_bytes, changes } in finished {
            if matches!(finish, Finish::Grown) {
                self.grow(id, answer_bytes);
                continue;
            }
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            if let Some(load) = job.worker.take().and_then(|worker| self.load.get_mut(worker)) {
                *load = load.saturating_sub(1);
            }
            let (ending, outputs) = match finish {
                Finish::Grown => continue,
                Finish::Retry { .. }
                    if self.partitions.get(&job.partition).is_none_or(|partition| partition.leaving) =>
                {
                    self.abandon(id);
                    continue;
                }
                Finish::Retry { delay, failure } => {
                    job.attempts.run += 1;
                    self.metrics.retried(&failure.kind);
                    self.retries.insert((now + delay, id), ());
                    continue;
                }
                Finish::Emitted(outputs) => (Ending::Emitted(outputs.len()), outputs),
                Finish::Skipped(reason) if changes.is_empty() => (Ending::Skipped(reason), Vec::new()),
                Finish::Skipped(reason) => (Ending::Kept(reason), Vec::new()),
                Finish::Tombstone => (Ending::Tombstone, Vec::new()),
                Finish::Canary => (Ending::Canary, Vec::new()),
                Finish::Failed { error_type, error_event } => (Ending::Failed(error_type), vec![*error_event]),
            };
            let changed = match self.keep(id, changes, &ending) {
                Ok(changed) => changed,
                Err(full) => {
                    without_room.extend(self.no_room(id, full));
                    continue;
                }
            };
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            job.ending = Some(ending);
            let held = outputs.iter().map(|output| output.bytes() as u64).sum::<u64>() + changed;
            self.answers.observe(answer_bytes.max(held));
            let weight = job.record.bytes() as u64 + BOOKKEEPING_BYTES + held;
            self.admission.adjust(job.reserved, weight);
            job.reserved = weight;
            self.release(id, outputs, now);
        }
        self.release_held(now);
        without_room
    }

    /// Puts the outputs of a finished job into the outbox, or holds them while the progress has no room for them.
    fn release(&mut self, id: JobId, outputs: Vec<OutputRecord>, now: Instant) {
        let Some(job) = self.jobs.get(&id) else { return };
        let offset = job.offset;
        let Some(partition) = self.partitions.get_mut(&job.partition) else { return };
        if job.released {
            return self.send(id, outputs, now);
        }
        if job.timer.is_none() {
            if !partition.ledger.may_deliver(offset) {
                partition.held.insert(offset, (id, outputs));
                return;
            }
            partition.ledger.deliver(offset);
        }
        let lane = job.lane;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.released = true;
        }
        if let Some(shard) = self.shard_of(id) {
            let next = shard.lanes.leave(lane);
            self.ready.extend(next);
        }
        self.send(id, outputs, now);
    }

    /// Puts outputs into the outbox; a job without any is settled at once. In exactly-once all of it goes into the next
    /// transaction.
    fn send(&mut self, id: JobId, outputs: Vec<OutputRecord>, now: Instant) {
        if self.transactions.is_some() {
            self.gather(id, outputs);
        } else if outputs.is_empty() {
            self.settle(id, now);
        } else {
            let destination = if self.has_failed(id) { Destination::Kafka } else { self.outputs_to };
            self.outboxes.of(destination).put(id, outputs);
        }
    }

    /// Makes retries ready whose time has come, and says when the next one is due.
    pub fn retry_due(&mut self, now: Instant) -> Option<Instant> {
        while let Some(((due, id), ())) = self.retries.first_key_value().map(|(key, value)| (*key, *value)) {
            if due > now {
                return Some(due);
            }
            self.retries.remove(&(due, id));
            self.ready.push(id);
        }
        None
    }

    /// Deliver: what waits for `destination` as one unit, if there is anything.
    pub fn deliver(&mut self, destination: Destination) -> Option<Unit> {
        let (outputs, jobs) = self.outboxes.of(destination).take()?;
        let serial = self.unit_serial();
        self.units.insert(serial, jobs);
        Some(Unit { serial, outputs, progress: Vec::new() })
    }

    /// Settle: these units were acknowledged by Kafka.
    pub fn delivered(&mut self, serials: &[u64], now: Instant) {
        for serial in serials {
            for (id, _) in self.units.remove(serial).unwrap_or_default() {
                self.settle(id, now);
            }
        }
        self.release_held(now);
    }

    fn settle(&mut self, id: JobId, now: Instant) {
        let Some(job) = self.jobs.remove(&id) else { return };
        self.admission.release(job.reserved);
        self.count_ending(&job, now);
        if job.timer.is_none() {
            self.clear_suspect(&job);
        }
        if job.timer.is_some() {
            return self.count_fired(&job);
        }
        self.metrics.settled(now.saturating_duration_since(job.admitted));
        match &job.ending {
            Some(Ending::Emitted(outputs)) => self.metrics.emitted(*outputs),
            Some(Ending::Skipped(reason)) => self.metrics.skipped(reason),
            Some(Ending::Kept(reason)) => self.metrics.kept(reason),
            Some(Ending::Tombstone) => self.metrics.tombstone(),
            Some(Ending::Canary) => self.metrics.canary(),
            Some(Ending::Failed(error_type)) => self.metrics.failed(error_type),
            None => self.metrics.abandoned(),
        }
        if let Some(partition) = self.partitions.get_mut(&job.partition) {
            partition.ledger.settle(job.offset);
        }
    }

    /// Releases held results, oldest first, as far as the progress has room for them again.
    fn release_held(&mut self, now: Instant) {
        loop {
            let fitting = self.partitions.values_mut().find_map(|partition| {
                let offset = *partition.held.first_key_value()?.0;
                if partition.ledger.may_deliver(offset) { partition.held.remove(&offset) } else { None }
            });
            match fitting {
                Some((id, outputs)) => self.release(id, outputs, now),
                None => return,
            }
        }
    }

    /// Events and timers between admission and settlement, of these partitions or of all.
    pub fn open(&self, only: Option<&[TopicPartition]>) -> usize {
        match only {
            None => self.jobs.len(),
            Some(only) => self.jobs.values().filter(|job| only.contains(&job.partition)).count(),
        }
    }

    /// Whether nothing is on its way, and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.partitions.values().all(|partition| partition.backlog.is_empty())
    }

    /// The partitions that are owned now.
    pub fn owned(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// Writes the gauges: what is in flight, how much it weighs, what is paused.
    pub fn observe(&self) {
        let paused = self.partitions.values().filter(|partition| partition.paused).count();
        self.metrics.held(self.partitions.values().map(|partition| partition.held.len()).sum());
        self.metrics.versions(self.versions.count());
        self.observe_state();
        self.metrics.gauges(self.jobs.len(), self.admission.held() + self.backlog_bytes, paused, self.partitions.len());
    }

    fn unit_serial(&mut self) -> u64 {
        self.next_unit += 1;
        self.next_unit
    }
}

/// What an event will hold beside its record at least, as far as the record tells before it is decoded: an output as large as
/// itself, or the content that it tells of, which is there twice while an output is made of the answer.
fn to_come(record: &Record) -> u64 {
    let content = record.value.as_deref().map_or(0, content_bytes_hint);
    content.saturating_mul(2).max(record.bytes() as u64)
}

fn lane_of(order: Order, key: Option<&[u8]>) -> LaneId {
    match (order, key) {
        (Order::PerKey, Some(key)) => LaneId::of_key(key),
        (Order::PerKey, None) | (Order::PerPartition, _) => LaneId::PARTITION,
    }
}
