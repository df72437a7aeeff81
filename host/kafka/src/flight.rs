//! Units on their way: what of each is still unacknowledged, and what is to be reported. Filled by librdkafka's delivery
//! reports, emptied by the report thread.

use crate::context::{lock, log_line};
use crate::delivery::{DeliveryError, DeliveryEvent, OutputFailure};
use crate::error::KafkaError;
use crate::statistics::ClientStatistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::{Message, Statistics};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One unit on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    serial: u64,
    /// Outputs without a report.
    open: AtomicUsize,
    failures: Mutex<Vec<OutputFailure>>,
}

impl Flight {
    /// A unit of `outputs` outputs, at least one.
    pub(crate) fn new(serial: u64, outputs: usize) -> Arc<Self> {
        Arc::new(Self { serial, open: AtomicUsize::new(outputs), failures: Mutex::default() })
    }
}

/// One output of a unit, as librdkafka carries it along.
#[derive(Debug)]
pub(crate) struct Shipment {
    pub(crate) flight: Arc<Flight>,
    pub(crate) index: u32,
    pub(crate) bytes: usize,
}

/// What is to be reported next.
#[derive(Debug, Default)]
pub(crate) struct Stash {
    /// Units whose outputs are all acknowledged.
    pub(crate) delivered: Vec<u64>,
    /// Failed units, and what else is to be told.
    pub(crate) others: VecDeque<DeliveryEvent>,
    /// Records and bytes that are free again once this stash is handed over.
    pub(crate) freed: (usize, usize),
}

/// The state that deliveries, librdkafka's callbacks and the report thread share.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    stash: Mutex<Stash>,
    statistics: Mutex<Option<Arc<ClientStatistics>>>,
    /// Records that were sent and not reported to the pipeline yet.
    pub(crate) records: AtomicUsize,
    /// Their bytes.
    pub(crate) bytes: AtomicUsize,
}

impl Manifest {
    /// A unit that needs no acknowledgement.
    pub(crate) fn deliver_at_once(&self, serial: u64) {
        lock(&self.stash).delivered.push(serial);
    }

    /// What happened to one output; with the last one of a unit, the unit is reported.
    pub(crate) fn settle(&self, shipment: &Shipment, error: Option<DeliveryError>) {
        let flight = &shipment.flight;
        if let Some(error) = error {
            lock(&flight.failures).push(OutputFailure { index: shipment.index, error });
        }
        let last = flight.open.fetch_sub(1, Ordering::AcqRel) == 1;
        let mut stash = lock(&self.stash);
        stash.freed.0 += 1;
        stash.freed.1 += shipment.bytes;
        if !last {
            return;
        }
        let mut failures = std::mem::take(&mut *lock(&flight.failures));
        if failures.is_empty() {
            stash.delivered.push(flight.serial);
        } else {
            failures.sort_by_key(|failure| failure.index);
            stash.others.push_back(DeliveryEvent::Failed { serial: flight.serial, failures });
        }
    }

    /// Takes what is to be reported.
    pub(crate) fn take(&self) -> Stash {
        std::mem::take(&mut *lock(&self.stash))
    }

    /// The newest statistics.
    pub(crate) fn statistics(&self) -> Option<Arc<ClientStatistics>> {
        lock(&self.statistics).clone()
    }
}

/// The callbacks of a producer.
#[derive(Debug)]
pub(crate) struct ShippingContext(pub(crate) Arc<Manifest>);

impl ClientContext for ShippingContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        *lock(&self.0.statistics) = Some(Arc::new(ClientStatistics::from_native(&statistics)));
    }

    fn error(&self, error: Native, reason: &str) {
        if error.rdkafka_error_code() == Some(Code::Fatal) {
            let fatal = KafkaError::Fatal { what: "writing".to_owned(), message: reason.to_owned() };
            lock(&self.0.stash).others.push_back(DeliveryEvent::Fatal(fatal));
        } else {
            tracing::warn!(target: "librdkafka", %error, "{reason}");
        }
    }
}

impl ProducerContext for ShippingContext {
    type DeliveryOpaque = Box<Shipment>;

    fn delivery(&self, result: &DeliveryResult<'_>, shipment: Box<Shipment>) {
        let error = result.as_ref().err().map(|(error, message)| DeliveryError::native(message.topic(), error));
        self.0.settle(&shipment, error);
    }
}
