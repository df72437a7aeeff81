//! The task that posts: what waits, in which batches it leaves, and what becomes of it.

use super::{Place, Recalled};
use crate::metrics::PipelineMetrics;
use bytes::Bytes;
use millrace_flow::clock::Clock;
use millrace_flow::retry::RetryPolicy;
use millrace_kafka::delivery::{DeliveryError, DeliveryEvent, OutputFailure, Unit};
use millrace_lookup::{EventService, Fate, Posted};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The most events of a batch: enough that a call costs little for each, few enough that one invalid event does not hold
/// thousands up.
const BATCH_EVENTS_MAX: usize = 500;

/// Events that may wait for a batch before more units are taken.
const WAITING_MAX: usize = 4 * BATCH_EVENTS_MAX;

/// The waits between posts that failed for a passing reason. They never end.
const RETRY: RetryPolicy = RetryPolicy { attempts_max: u32::MAX, base_ms: 400, cap_ms: 30_000 };

/// One output that the service has not answered for.
struct Waiting {
    place: Place,
    stream: Arc<str>,
    key: Option<Bytes>,
    event: Bytes,
}

/// What is known of a unit so far.
#[derive(Default)]
struct OpenUnit {
    left: usize,
    failures: Vec<OutputFailure>,
}

pub(super) struct Poster {
    service: EventService,
    bytes_max: usize,
    metrics: Arc<PipelineMetrics>,
    clock: Arc<dyn Clock>,
    recalled: Recalled,
    waiting: VecDeque<Waiting>,
    units: FxHashMap<u64, OpenUnit>,
    /// How many of the next events are posted one by one.
    alone: usize,
    /// Posts in a row that failed for a passing reason.
    failures: u32,
}

impl Poster {
    pub(super) fn new(
        service: EventService,
        bytes_max: usize,
        metrics: Arc<PipelineMetrics>,
        clock: Arc<dyn Clock>,
        recalled: Recalled,
    ) -> Self {
        Self {
            service,
            bytes_max,
            metrics,
            clock,
            recalled,
            waiting: VecDeque::new(),
            units: FxHashMap::default(),
            alone: 0,
            failures: 0,
        }
    }

    /// Posts what comes in until nobody sends or listens any more, or the service refuses to serve us: then this says why.
    pub(super) async fn run(
        mut self,
        mut incoming: mpsc::Receiver<Unit>,
        reports: mpsc::Sender<DeliveryEvent>,
    ) -> Result<(), String> {
        loop {
            if self.waiting.is_empty() {
                let Some(unit) = incoming.recv().await else { return Ok(()) };
                self.enter(unit);
            }
            while self.waiting.len() < WAITING_MAX
                && let Ok(unit) = incoming.try_recv()
            {
                self.enter(unit);
            }
            let mut wait = None;
            let batch = self.next_batch();
            if !batch.is_empty() {
                let events: Vec<Bytes> = batch.iter().map(|waiting| waiting.event.clone()).collect();
                let posted = self.service.post(&events, self.clock.now_ms()).await;
                wait = self.answered(batch, posted)?;
            }
            for event in self.concluded() {
                if reports.send(event).await.is_err() {
                    return Ok(());
                }
            }
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
        }
    }

    fn enter(&mut self, unit: Unit) {
        self.units.insert(unit.serial, OpenUnit { left: unit.outputs.len(), failures: Vec::new() });
        for (index, output) in (0..).zip(unit.outputs) {
            let place = (unit.serial, index);
            match output.value {
                Some(event) => {
                    let waiting = Waiting { place, stream: output.topic, key: output.key, event };
                    self.waiting.push_back(waiting);
                }
                None => {
                    let message = "an event service takes events only, and this is a tombstone".to_owned();
                    self.conclude(place, Some(DeliveryError::Refused { topic: output.topic.to_string(), message }));
                }
            }
        }
    }

    /// The next events that may leave together. Empty only where what waited was recalled.
    fn next_batch(&mut self) -> Vec<Waiting> {
        let mut batch: Vec<Waiting> = Vec::new();
        let mut keys: FxHashSet<Bytes> = FxHashSet::default();
        let mut bytes = 0;
        let events_max = if self.alone > 0 { 1 } else { BATCH_EVENTS_MAX };
        while batch.len() < events_max
            && let Some(next) = self.waiting.front()
        {
            if self.recalled.take(next.place) {
                let place = next.place;
                self.waiting.pop_front();
                self.conclude(place, None);
                continue;
            }
            let repeats_a_key = next.key.as_ref().is_some_and(|key| keys.contains(key));
            let fits = batch.is_empty() || bytes + next.event.len() < self.bytes_max;
            if repeats_a_key || !fits {
                break;
            }
            let Some(next) = self.waiting.pop_front() else { break };
            bytes += next.event.len() + 1;
            keys.extend(next.key.clone());
            batch.push(next);
        }
        self.alone = self.alone.saturating_sub(batch.len());
        batch
    }

    /// Does what the answer asks for; returns how long to wait before the next post.
    fn answered(&mut self, batch: Vec<Waiting>, posted: Posted) -> Result<Option<Duration>, String> {
        match posted {
            Posted::Each(fates) => Ok(self.each(batch, fates)),
            Posted::Unclear(why) if batch.len() == 1 => {
                self.metrics.posted(PostOutcome::Failed);
                Ok(Some(self.again(batch, &why, None)))
            }
            Posted::TooLarge if batch.len() == 1 => {
                self.metrics.posted(PostOutcome::Partial);
                for waiting in batch {
                    let error = DeliveryError::TooLarge { topic: waiting.stream.to_string() };
                    self.conclude(waiting.place, Some(error));
                }
                Ok(None)
            }
            Posted::Unclear(_) | Posted::TooLarge => {
                self.metrics.posted(PostOutcome::Failed);
                self.alone = batch.len();
                self.put_back(batch);
                Ok(None)
            }
            Posted::Later { why, wait_ms } => {
                self.metrics.posted(PostOutcome::Failed);
                Ok(Some(self.again(batch, &why, wait_ms)))
            }
            Posted::Refused(why) => {
                self.metrics.posted(PostOutcome::Failed);
                Err(format!("{why}; look at the pipeline's `event_service` and at who may write there"))
            }
        }
    }

    fn each(&mut self, batch: Vec<Waiting>, fates: Vec<Fate>) -> Option<Duration> {
        let (mut later, mut reason) = (Vec::new(), None);
        let all = fates.iter().all(|fate| *fate == Fate::Accepted);
        self.metrics.posted(if all { PostOutcome::Accepted } else { PostOutcome::Partial });
        for (waiting, fate) in batch.into_iter().zip(fates) {
            match fate {
                Fate::Accepted => self.conclude(waiting.place, None),
                Fate::Invalid(message) => {
                    let topic = waiting.stream.to_string();
                    self.conclude(waiting.place, Some(DeliveryError::Refused { topic, message }));
                }
                Fate::Later(why) => {
                    later.push(waiting);
                    reason = Some(why);
                }
            }
        }
        match reason {
            Some(why) => Some(self.again(later, &why, None)),
            None => {
                if self.failures > 0 {
                    tracing::info!(pipeline = self.metrics.name(), "The event service takes events again.");
                }
                self.failures = 0;
                None
            }
        }
    }

    /// Puts events back to be posted again; returns after how long.
    fn again(&mut self, batch: Vec<Waiting>, why: &str, wait_ms: Option<u64>) -> Duration {
        self.put_back(batch);
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            tracing::warn!(pipeline = self.metrics.name(), why, "The event service takes no events now; they wait.");
        }
        // One task posts, so there is nobody to be spread from.
        let backoff_ms = RETRY.delay_ms(self.failures, None, 1.0).unwrap_or(RETRY.cap_ms);
        Duration::from_millis(wait_ms.unwrap_or(0).max(backoff_ms))
    }

    fn put_back(&mut self, batch: Vec<Waiting>) {
        for waiting in batch.into_iter().rev() {
            self.waiting.push_front(waiting);
        }
    }

    /// The service, or nobody, has the last word on this output.
    fn conclude(&mut self, (serial, index): Place, error: Option<DeliveryError>) {
        if let Some(unit) = self.units.get_mut(&serial) {
            unit.left = unit.left.saturating_sub(1);
            unit.failures.extend(error.map(|error| OutputFailure { index, error }));
        }
    }

    /// The reports of the units of which nothing is left.
    fn concluded(&mut self) -> Vec<DeliveryEvent> {
        let mut delivered = Vec::new();
        let mut events = Vec::new();
        for (serial, unit) in self.units.extract_if(|_, unit| unit.left == 0) {
            self.recalled.forget(serial);
            if unit.failures.is_empty() {
                delivered.push(serial);
            } else {
                events.push(DeliveryEvent::Failed { serial, failures: unit.failures });
            }
        }
        if !delivered.is_empty() {
            events.push(DeliveryEvent::Delivered(delivered));
        }
        events
    }
}

/// How a post ended, for its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostOutcome {
    /// All events were taken.
    Accepted,
    /// Some were not.
    Partial,
    /// Nothing is known to be taken.
    Failed,
}

impl PostOutcome {
    /// The label's value.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}
