//! Outputs that go to an event service (EventGate) instead of Kafka: [`EventOutlet`] takes the same units as `kafka::Delivery` and
//! reports on the same channel. Error events are no business of it: they are always written to Kafka.
//!
//! One task posts one batch at a time, in order; the next one leaves when every event of the last is answered for. A batch
//! holds no two events of one key, because the service produces the events of a batch in any order. What the service
//! cannot take now is posted again before anything else, for as long as it takes: an outage is not the event's fault.

mod poster;

use crate::metrics::PipelineMetrics;
use millrace_flow::clock::Clock;
use millrace_kafka::delivery::{DeliveryEvent, QueueFull, Unit};
use millrace_lookup::EventService;
pub(crate) use poster::PostOutcome;
use poster::Poster;
use rustc_hash::FxHashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Units that may wait for the task: few, because the record path gathers what has no room yet into one.
const UNITS_MAX: usize = 4;

/// An output within the units that were handed over: the unit's serial number, and the output's index in it.
type Place = (u64, u32);

/// Outputs that must not be posted any more: their events run elsewhere.
#[derive(Clone, Debug, Default)]
struct Recalled(Arc<Mutex<FxHashSet<Place>>>);

impl Recalled {
    fn add(&self, places: impl IntoIterator<Item = Place>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(places);
    }

    /// The unit is over: nothing of it needs to be remembered.
    fn forget(&self, serial: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(unit, _)| *unit != serial);
    }

    /// Whether `place` was recalled; it is forgotten with the answer.
    fn take(&self, place: Place) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&place)
    }
}

/// Writes outputs to an event service. Dropping it gives up what the service has not answered for.
pub struct EventOutlet {
    units: mpsc::Sender<Unit>,
    recalled: Recalled,
    /// Why the service does not serve us, once it said so.
    refusal: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl EventOutlet {
    /// Starts the task. `bytes_max` is the most bytes of a batch.
    pub fn start(
        service: EventService,
        bytes_max: usize,
        metrics: Arc<PipelineMetrics>,
        clock: Arc<dyn Clock>,
        reports: mpsc::Sender<DeliveryEvent>,
    ) -> Self {
        let (units, incoming) = mpsc::channel(UNITS_MAX);
        let (refuse, refusal) = watch::channel(None);
        let recalled = Recalled::default();
        let poster = Poster::new(service, bytes_max, metrics, clock, recalled.clone());
        let task = tokio::spawn(async move {
            if let Err(why) = poster.run(incoming, reports).await {
                refuse.send_replace(Some(why));
            }
        });
        Self { units, recalled, refusal, task }
    }

    /// Hands over a unit without progress.
    ///
    /// # Errors
    /// [`QueueFull`] when there is no room for it, or nobody takes it any more: see [`EventOutlet::refusal`].
    pub fn deliver(&self, unit: Unit) -> Result<(), QueueFull> {
        self.units.try_send(unit).map_err(|error| match error {
            TrySendError::Full(unit) | TrySendError::Closed(unit) => QueueFull(unit),
        })
    }

    /// These outputs are not to be posted any more, as far as that has not been done.
    pub fn recall(&self, places: impl IntoIterator<Item = (u64, u32)>) {
        self.recalled.add(places);
    }

    /// Why nothing is posted any more; none as long as all is well.
    pub fn refusal(&self) -> Option<String> {
        let said = self.refusal.borrow().clone();
        said.or_else(|| self.task.is_finished().then(|| "the task that posts events has ended unexpectedly".to_owned()))
    }
}

impl Drop for EventOutlet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
