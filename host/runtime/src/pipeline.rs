//! The task of one pipeline: the loop around a [`RecordPath`]. It owns the pipeline's queues and timers, tells the
//! consumer, the workers and the delivery what the path decided, and ends cleanly: on a revoke, on a stop, on a fault.

mod failing;
mod leaving;
mod pause;
mod reports;
mod state;
mod transactions;
mod versions;

pub use versions::{Change, NewVersion, Tuning};

use crate::brokerless::{Intake, Outlet};
use crate::event_outlet::EventOutlet;
use crate::group_parts::GroupPart;
use crate::job::{Finished, VersionId};
use crate::partition::{Batch, Destination, RecordPath, Until};
use crate::spec::PipelineSpec;
use crate::supervisor::Host;
use crate::worker::Message;
use millrace_flow::clock::Clock;
use millrace_flow::progress::{PluginDigest, Progress, ProgressError};
use millrace_flow::record::TopicPartition;
use millrace_kafka::commit::PartitionProgress;
use millrace_kafka::consumer::{Acknowledgement, Assignment, SourceEvent};
use millrace_kafka::delivery::{DeliveryError, DeliveryEvent, Unit};
use millrace_kafka::error::KafkaError;
use millrace_kafka::failpoint::{self, Failpoint};
use millrace_kafka::transactional::PARTITIONS_MAX;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::watch;

/// How long a partition that moves to another host may still finish what it has in flight: a third of what the consumer
/// waits for the last progress, so that there is time to commit it.
const REVOKE_DRAIN: Duration = Duration::from_secs(1);
/// How long leaving the group may take, the last commit included.
const LEAVE_MAX: Duration = Duration::from_secs(5);
/// How often the loop looks around when nothing happens.
const IDLE_TICK: Duration = Duration::from_millis(100);

/// Why a pipeline stopped by itself. The supervisor starts it again with backoff.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Kafka's client gave up.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Kafka did not take an output.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The progress in the group's commit metadata cannot be read.
    #[error("partition {partition}: {source}")]
    Progress {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        source: ProgressError,
    },
    /// The event service does not serve us.
    #[error("outputs cannot be posted: {0}")]
    EventService(String),
    /// More partitions are ours than exactly-once bears.
    #[error(
        "{owned} partitions are assigned to this host (of topics that share state, those of one number count once), and \
         exactly-once bears {PARTITIONS_MAX} of a pipeline, each with a producer of its own: run more hosts of this group, or \
         `delivery: at_least_once`"
    )]
    TooManyPartitions {
        /// How many.
        owned: usize,
    },
    /// A thread or task that the pipeline needs has ended.
    #[error("the {0} ended unexpectedly")]
    Gone(&'static str),
}

/// Partitions that are on their way out.
struct Leaving {
    partitions: Vec<TopicPartition>,
    until: Instant,
    /// Tells the consumer that the last progress was handed over.
    done: Option<Acknowledgement>,
}

/// The loop of one pipeline.
pub struct Pipeline {
    /// The version that new events run on.
    pub spec: Arc<PipelineSpec>,
    /// The versions that events run on, the present one among them.
    pub versions: FxHashMap<VersionId, Arc<PipelineSpec>>,
    /// Changes to them.
    pub changes: Receiver<Change>,
    /// Asks for plugins that progress names.
    pub wanted: Sender<PluginDigest>,
    /// The path of its records.
    pub path: RecordPath,
    /// The workers' inboxes.
    pub workers: Vec<Sender<Message>>,
    /// What the workers finished.
    pub results: Receiver<Vec<Finished>>,
    /// Reads the inputs.
    pub consumer: Intake,
    /// What the consumer says.
    pub source: Receiver<SourceEvent>,
    /// Writes the outputs and commits progress.
    pub delivery: Outlet,
    /// Posts the outputs, where they go to an event service; error events and progress go to Kafka all the same.
    pub event_outlet: Option<EventOutlet>,
    /// What became of them.
    pub reports: Receiver<DeliveryEvent>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The limits that this loop holds to.
    pub tuning: Tuning,
    /// Up to where it is to take events, if an operator drains it.
    pub drain: watch::Receiver<Option<Until>>,
    /// The host.
    pub host: Arc<Host>,
    /// What this host's part of the group is.
    pub part: GroupPart,
    /// True once the host stops.
    pub stop: watch::Receiver<bool>,
    /// How it is, for readiness.
    pub status: watch::Sender<Option<Status>>,
}

/// How a running pipeline is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How many partitions it owns.
    pub partitions: usize,
    /// The digest of the plugin that new events run on.
    pub plugin: String,
    /// Whether an operator drains it, and how far that is.
    pub drain: Option<Drain>,
    /// Why it takes no events, while that is because so many fail.
    pub failing: Option<String>,
}

/// How far draining is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Drain {
    /// Events are taken up to some offset, or in flight.
    Draining,
    /// All of them are settled, and so much is committed: the next offset of every partition.
    Drained {
        /// By `topic/partition`.
        offsets: BTreeMap<String, i64>,
    },
}

/// What changes while the loop runs.
struct State {
    leaving: Vec<Leaving>,
    /// Set once the pipeline is to end.
    stopping: bool,
    /// Set once there is nothing more to read.
    exhausted: bool,
    /// A unit that the producer had no room for.
    refused: Option<Unit>,
    /// A unit that the event service had no room for.
    refused_by_service: Option<Unit>,
    /// Progress that was handed over and is not reported as committed yet, with the time of that.
    uncommitted: FxHashMap<TopicPartition, (PartitionProgress, Instant)>,
    next_commit: Instant,
    /// Whether the consumer is held back.
    holding: bool,
    /// The version that begins as soon as progress has room to name it.
    next_version: Option<NewVersion>,
    /// Workers that are still to forget a version.
    retiring: Vec<(usize, VersionId)>,
    /// How far draining is.
    drain: Option<Drain>,
    /// Since when all partitions are away, until it is known for how long.
    pause: Option<pause::Pause>,
}

impl State {
    /// Waits for no commit of these partitions any more: whether it is made is the consumer's business now.
    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.uncommitted.retain(|partition, _| !partitions.contains(partition));
    }

    /// Crosses off what was committed; newer progress of the same partition stays. Returns since when it had waited.
    fn committed(&mut self, progress: &[PartitionProgress]) -> Option<Instant> {
        let mut since = None;
        for committed in progress {
            if self.uncommitted.get(&committed.partition).is_some_and(|(waiting, _)| waiting.is_of(committed))
                && let Some((_, handed_over)) = self.uncommitted.remove(&committed.partition)
            {
                since = Some(since.map_or(handed_over, |since: Instant| since.min(handed_over)));
            }
        }
        since
    }
}

impl Pipeline {
    /// Runs until the host stops or something breaks that only a restart mends.
    ///
    /// # Errors
    /// See [`PipelineError`]. Nothing is lost: what was not committed runs again.
    pub async fn run(mut self) -> Result<(), PipelineError> {
        let mut state = State {
            leaving: Vec::new(),
            stopping: false,
            exhausted: false,
            refused: None,
            refused_by_service: None,
            uncommitted: FxHashMap::default(),
            next_commit: Instant::now() + self.tuning.commit_interval,
            holding: false,
            next_version: None,
            retiring: Vec::new(),
            drain: None,
            pause: None,
        };
        self.on_drain(&mut state);
        loop {
            let wake = self.next_wake(&state);
            tokio::select! {
                biased;
                report = self.reports.recv() => {
                    self.on_report(report.ok_or(PipelineError::Gone("delivery"))?, &mut state)?;
                }
                finished = self.results.recv() => {
                    self.on_finished(finished.ok_or(PipelineError::Gone("workers"))?);
                }
                changed = self.stop.changed(), if !state.stopping => {
                    if changed.is_err() || *self.stop.borrow() {
                        self.begin_stop(&mut state);
                    }
                }
                change = self.changes.recv() => {
                    self.on_change(change.ok_or(PipelineError::Gone("reloader"))?, &mut state);
                }
                ordered = self.drain.changed() => {
                    ordered.map_err(|_host_is_gone| PipelineError::Gone("host"))?;
                    self.on_drain(&mut state);
                }
                event = self.source.recv() => {
                    self.on_source(event.ok_or(PipelineError::Gone("consumer"))?, &mut state)?;
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            self.advance(&mut state)?;
            if state.stopping && state.leaving.is_empty() {
                self.leave_group(&mut state).await;
                return Ok(());
            }
        }
    }

    /// Moves everything on that can move: the part of the loop that does not depend on what woke it.
    fn advance(&mut self, state: &mut State) -> Result<(), PipelineError> {
        let now = Instant::now();
        self.path.retry_due(now);
        if !state.stopping {
            self.path.fire_due(now, self.clock.now_ms());
            self.path.admit(now);
        }
        self.dispatch()?;
        self.deliver(state);
        self.transact(state);
        self.post(state)?;
        if state.exhausted && !state.stopping && self.path.is_idle() {
            self.begin_stop(state);
        }
        self.leave(state, now);
        self.look_whether_drained(state);
        if now >= state.next_commit {
            self.commit(state, None);
            state.next_commit = now + self.tuning.commit_interval;
            self.look_after_versions(state);
            self.look_at_pause(state, false);
            self.observe();
        }
        self.tell_failures(state);
        let flow = self.path.flow(now);
        if !flow.pause.is_empty() {
            self.consumer.pause(&flow.pause);
        }
        if !flow.resume.is_empty() {
            self.consumer.resume(&flow.resume);
        }
        if flow.hold != state.holding {
            state.holding = flow.hold;
            if flow.hold { self.consumer.hold() } else { self.consumer.go_on() }
        }
        Ok(())
    }

    /// Writes down how things stand.
    fn observe(&mut self) {
        self.path.observe();
        let cleared = self.path.cleared_suspects();
        if !cleared.is_empty() {
            self.host.crumbs.cleared(&self.spec.name, &cleared);
        }
        self.spec.metrics.oldest_open(&self.path.oldest_open(), self.clock.now_ms());
        self.observe_failures();
        if let Some(statistics) = self.consumer.statistics() {
            self.spec.metrics.consumer(&statistics);
            self.part.reads(statistics.topic_partitions);
        }
    }

    fn next_wake(&mut self, state: &State) -> Instant {
        let now = Instant::now();
        let mut wake = now + IDLE_TICK;
        if let Some(due) = self.path.retry_due(now) {
            wake = wake.min(due);
        }
        if state.refused.is_some() || state.refused_by_service.is_some() {
            wake = wake.min(now + Duration::from_millis(1));
        }
        if let Some(due) = self.path.next_seal(now) {
            wake = wake.min(due.max(now));
        }
        if let Some(after) = self.path.next_timer(self.clock.now_ms()) {
            wake = wake.min(now + after);
        }
        if let Some(due) = self.path.paced_until() {
            wake = wake.min(due.max(now));
        }
        wake.min(state.next_commit.max(now))
    }

    fn dispatch(&mut self) -> Result<(), PipelineError> {
        for Batch { worker, version, jobs } in self.path.dispatch() {
            let Some(inbox) = self.workers.get(worker) else { continue };
            match inbox.try_send(Message::Start(version, jobs)) {
                Ok(()) => {}
                Err(TrySendError::Full(Message::Start(_, jobs))) => {
                    self.path.undispatch(Batch { worker, version, jobs });
                }
                Err(_) => return Err(PipelineError::Gone("worker")),
            }
        }
        Ok(())
    }

    fn deliver(&mut self, state: &mut State) {
        let unit = match state.refused.take() {
            Some(unit) => Some(unit),
            None => self.path.deliver(Destination::Kafka),
        };
        if let Some(Err(refused)) = unit.map(|unit| self.delivery.deliver(unit)) {
            state.refused = Some(refused.0);
        }
    }

    /// Hands outputs to the event service, where they go there.
    fn post(&mut self, state: &mut State) -> Result<(), PipelineError> {
        let Some(outlet) = &self.event_outlet else { return Ok(()) };
        if let Some(why) = outlet.refusal() {
            return Err(PipelineError::EventService(why));
        }
        let unit = match state.refused_by_service.take() {
            Some(unit) => Some(unit),
            None => self.path.deliver(Destination::EventService),
        };
        if let Some(Err(refused)) = unit.map(|unit| outlet.deliver(unit)) {
            state.refused_by_service = Some(refused.0);
        }
        Ok(())
    }

    /// Hands progress to be committed: of everything, or of partitions that leave. A unit without outputs always fits.
    fn commit(&mut self, state: &mut State, only: Option<&[TopicPartition]>) {
        // In exactly-once, progress leaves with its outputs alone.
        if self.path.is_exactly_once() {
            return;
        }
        let Some(unit) = self.path.progress(only) else { return };
        for progress in &unit.progress {
            state.uncommitted.insert(progress.partition.clone(), (progress.clone(), Instant::now()));
        }
        if let Err(refused) = self.delivery.deliver(unit) {
            self.path.uncommitted(&refused.0.progress);
        }
    }

    fn on_source(&mut self, event: SourceEvent, state: &mut State) -> Result<(), PipelineError> {
        match event {
            SourceEvent::Records(records) => {
                failpoint::pass(Failpoint::Polled);
                self.look_at_pause(state, true);
                self.path.poll(records, Instant::now());
            }
            SourceEvent::Assigned(assignments) => self.on_assigned(assignments, state)?,
            SourceEvent::Revoked { partitions, done } => {
                self.begin_pause(state);
                self.path.stop_starting(Some(&partitions));
                self.commit(state, Some(&partitions));
                state.leaving.push(Leaving { partitions, until: Instant::now() + REVOKE_DRAIN, done: Some(done) });
            }
            SourceEvent::Lost { partitions } => {
                tracing::warn!(
                    pipeline = self.spec.name,
                    partitions = partitions.len(),
                    "Partitions were lost; their open events run elsewhere."
                );
                self.drop_partitions(&partitions, state);
                state.forget(&partitions);
            }
            SourceEvent::Moved { partition, offset } => {
                tracing::info!(pipeline = self.spec.name, %partition, offset, "Fetching goes on elsewhere.");
            }
            SourceEvent::Trouble(error) => {
                self.spec.metrics.source_trouble();
                tracing::warn!(pipeline = self.spec.name, %error, "Kafka has trouble; the consumer goes on trying.");
            }
            SourceEvent::Exhausted => state.exhausted = true,
            SourceEvent::Fatal(error) => return Err(error.into()),
            SourceEvent::Stopped => return Err(PipelineError::Gone("consumer")),
        }
        Ok(())
    }

    fn on_assigned(&mut self, assignments: Vec<Assignment>, state: &mut State) -> Result<(), PipelineError> {
        self.see_off_at_once(&assignments, state);
        Self::partitions_are_back(state, assignments.len());
        for Assignment { partition, progress, start, stay, state } in assignments {
            let offset = progress.offset.unwrap_or(start);
            let progress = match progress.offset {
                None => Progress::at(start),
                Some(offset) => Progress::decode(offset, &progress.metadata)
                    .map_err(|source| PipelineError::Progress { partition: partition.clone(), source })?,
            };
            tracing::info!(pipeline = self.spec.name, %partition, offset, "Partition assigned.");
            self.path.assign(partition, progress, stay, state);
        }
        self.look_at_partition_count()?;
        self.look_after_versions(state);
        self.publish_status(state);
        Ok(())
    }

    /// An operator drains the pipeline, or lets it go on.
    fn on_drain(&mut self, state: &mut State) {
        let until = self.drain.borrow_and_update().clone();
        if until.is_none() && state.drain.is_none() {
            return;
        }
        tracing::info!(pipeline = self.spec.name, ?until, "Draining was ordered, or taken back.");
        state.drain = until.is_some().then_some(Drain::Draining);
        self.path.drain(until);
        self.publish_status(state);
    }

    /// Once all that is still taken is settled and committed, the pipeline is drained; a partition that comes, or an order
    /// to go on, ends that.
    fn look_whether_drained(&mut self, state: &mut State) {
        let Some(before) = &state.drain else { return };
        let settled = self.path.is_drained();
        if settled && *before == Drain::Draining {
            self.commit(state, None);
        }
        let drain = if settled && state.uncommitted.is_empty() {
            Drain::Drained { offsets: self.path.prefixes() }
        } else {
            Drain::Draining
        };
        if state.drain.as_ref() != Some(&drain) {
            tracing::info!(pipeline = self.spec.name, drain = ?drain, "Draining has come further.");
            state.drain = Some(drain);
            self.publish_status(state);
        }
    }

    fn publish_status(&mut self, state: &State) {
        let partitions = self.path.owned().len();
        self.part.owns(partitions);
        let status = Status {
            partitions,
            plugin: self.spec.plugin_digest.clone(),
            drain: state.drain.clone(),
            failing: self.path.failing().map(ToString::to_string),
        };
        self.status.send_replace(Some(status));
    }
}
