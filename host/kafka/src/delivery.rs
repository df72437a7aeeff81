//! Writing: units of outputs go out in order over one idempotent producer, and are reported once all their outputs are
//! acknowledged. Progress that comes with a unit is put on the board of the commit thread when the unit is taken.
//!
//! At-least-once: the caller puts only offsets into a unit's progress that are settled already, so progress never covers
//! outputs that are not acknowledged. (Exactly-once commits both together: see [`crate::transactional`].)

use crate::commit::{Board, PartitionProgress};
use crate::config::{MESSAGE_BYTES_MAX, ProducerConfig};
use crate::consumer::Consumer;
use crate::error::KafkaError;
use crate::flight::{Flight, Manifest, Shipment, ShippingContext, Stash};
use crate::statistics::ClientStatistics;
use crate::transactional::{Restoring, TransactionEvent};
use millrace_flow::record::OutputRecord;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// How long the report thread lets acknowledgements gather before it hands them over: what this adds to the latency of a
/// unit at most, and what makes reports few at high load. It sleeps meanwhile: a poll that is given two milliseconds waits
/// for one of them in librdkafka, which counts whole ones, and asks without a pause for the other.
const GATHER: Duration = Duration::from_millis(2);

/// How long the report thread sleeps when nothing is on its way; a new unit wakes it.
const IDLE: Duration = Duration::from_millis(100);

/// What a header may add to a record beside its name and value, when librdkafka measures it.
const HEADER_OVERHEAD_BYTES: usize = 16;

/// What is written together: the outputs of one or more events, and the progress that may be committed by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Chosen by the caller; comes back in the report.
    pub serial: u64,
    /// The outputs, in order.
    pub outputs: Vec<OutputRecord>,
    /// Progress to commit: offsets that are settled already.
    pub progress: Vec<PartitionProgress>,
}

/// What is told about units, transactions and commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryEvent {
    /// All outputs of these units are acknowledged by all in-sync replicas.
    Delivered(Vec<u64>),
    /// Some outputs of a unit were not written; all of its outputs have been reported by now. The others were written.
    Failed {
        /// The unit.
        serial: u64,
        /// Which outputs, by index, and why. Never empty.
        failures: Vec<OutputFailure>,
    },
    /// This progress is committed.
    Committed(Vec<PartitionProgress>),
    /// This progress was not committed; what is committed later contains it.
    CommitFailed {
        /// What was tried.
        progress: Vec<PartitionProgress>,
        /// Why it failed.
        error: KafkaError,
    },
    /// What became of a transaction, in exactly-once.
    Transaction(TransactionEvent),
    /// The state of a partition is being restored; told every second or so.
    Restoring(Restoring),
    /// The producer is unusable: a supervisor starts a new one. Units without a report count as not delivered.
    Fatal(KafkaError),
}

/// One output that was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFailure {
    /// Its index in the unit.
    pub index: u32,
    /// Why.
    pub error: DeliveryError,
}

/// Why an output was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Larger than the client or the topic takes. Records that were batched with it may be refused with it; they pass
    /// when they are tried again without it.
    #[error("the record is larger than topic {topic:?} takes (see its max.message.bytes)")]
    TooLarge {
        /// The topic.
        topic: String,
    },
    /// The broker refuses this record and always will: its timestamp, or a key that a compacted topic wants.
    #[error("topic {topic:?} refuses the record: {message}")]
    Refused {
        /// The topic.
        topic: String,
        /// What the broker says.
        message: String,
    },
    /// Not written, because another record of its batch was refused: it passes when it is tried again.
    #[error("topic {topic:?} did not take the record, because it refused another one of its batch")]
    Dragged {
        /// The topic.
        topic: String,
    },
    /// No acknowledgement within the message timeout.
    #[error("topic {topic:?} did not acknowledge the record in time")]
    TimedOut {
        /// The topic.
        topic: String,
    },
    /// Anything else; retrying is over.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl DeliveryError {
    /// Classifies what librdkafka says about a record for `topic`.
    pub(crate) fn native(topic: &str, error: &Native) -> Self {
        let topic = topic.to_owned();
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge) => {
                Self::TooLarge { topic }
            }
            Some(Code::InvalidTimestamp | Code::InvalidRecord) => Self::Refused { topic, message: error.to_string() },
            Some(Code::InvalidDifferentRecord) => Self::Dragged { topic },
            Some(Code::MessageTimedOut) => Self::TimedOut { topic },
            _ => Self::Kafka(KafkaError::native(format!("writing to topic {topic:?}"), error)),
        }
    }
}

/// There is no room for the unit now: it is given back whole. Try again after the next [`DeliveryEvent::Delivered`] or
/// [`DeliveryEvent::Failed`], which is sure to come.
#[derive(Debug, thiserror::Error)]
#[error("the producer has no room for the unit; try again after the next report")]
pub struct QueueFull(
    /// The unit, nothing of it sent.
    pub Unit,
);

/// Writes units. Dropping it gives up what is not acknowledged; [`Delivery::finish`] waits for it.
pub struct Delivery {
    producer: Arc<BaseProducer<ShippingContext>>,
    manifest: Arc<Manifest>,
    board: Option<Arc<Board>>,
    config: ProducerConfig,
    ending: Arc<AtomicBool>,
    report_thread: Option<JoinHandle<()>>,
}

impl Delivery {
    /// Starts a producer whose reports go to `reports`. With a `consumer`, the progress of units is committed for its
    /// group, and commits are reported on the same channel; without one, progress is ignored.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, an unreadable secret, or a thread that the system refuses.
    pub fn start(
        config: ProducerConfig,
        consumer: Option<&Consumer>,
        reports: mpsc::Sender<DeliveryEvent>,
    ) -> Result<Self, KafkaError> {
        let manifest: Arc<Manifest> = Arc::default();
        let producer = BaseProducer::from_config_and_context(&config.render()?, ShippingContext(manifest.clone()))
            .map_err(|error| KafkaError::native("starting a producer", &error))?;
        let producer = Arc::new(producer);
        let board = consumer.map(Consumer::board);
        if let Some(board) = &board {
            board.report_to(reports.clone());
        }
        let ending = Arc::new(AtomicBool::new(false));
        let reporter = Reporter {
            producer: producer.clone(),
            manifest: manifest.clone(),
            ending: ending.clone(),
            reports,
            stash: Stash::default(),
        };
        let report_thread = thread::Builder::new()
            .name("kafka reports".to_owned())
            .spawn(move || reporter.run())
            .map_err(|error| KafkaError::Start { message: format!("no thread: {error}") })?;
        Ok(Self { producer, manifest, board, config, ending, report_thread: Some(report_thread) })
    }

    /// Sends the outputs of `unit` in order and puts its progress on the board. Never blocks. A unit without outputs is
    /// delivered at once.
    ///
    /// # Errors
    /// [`QueueFull`] when there is no room for the whole of it; nothing of it was sent or submitted then.
    pub fn deliver(&mut self, unit: Unit) -> Result<(), QueueFull> {
        let bytes: usize = unit.outputs.iter().map(OutputRecord::bytes).sum();
        if !self.has_room(unit.outputs.len(), bytes) {
            return Err(QueueFull(unit));
        }
        let Unit { serial, outputs, progress } = unit;
        if outputs.is_empty() {
            self.manifest.deliver_at_once(serial);
            self.wake_reporter();
        } else {
            // A reporter that still has records on their way looks by itself, and soon.
            if self.manifest.records.fetch_add(outputs.len(), Ordering::Relaxed) == 0 {
                self.wake_reporter();
            }
            self.manifest.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.send(serial, &outputs);
        }
        if let Some(board) = &self.board {
            board.submit(progress);
        }
        Ok(())
    }

    /// Records and bytes that are not acknowledged, or acknowledged and not reported yet.
    pub fn outstanding(&self) -> (usize, usize) {
        (self.manifest.records.load(Ordering::Relaxed), self.manifest.bytes.load(Ordering::Relaxed))
    }

    /// The newest statistics; none before the first interval is over, or where the interval is not set.
    pub fn statistics(&self) -> Option<Arc<ClientStatistics>> {
        self.manifest.statistics()
    }

    /// Waits until everything is acknowledged and reported, at most for `deadline_ms`; true if so. What is left then is
    /// given up. Blocks: not for tasks. The channel of reports must be read meanwhile, or have room.
    pub fn finish(self, deadline_ms: u64) -> bool {
        let deadline = Instant::now() + Duration::from_millis(deadline_ms);
        while self.manifest.records.load(Ordering::Relaxed) > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            // Acknowledgements come by network; this runs once per pipeline and shutdown.
            thread::park_timeout(GATHER);
        }
        true
    }

    fn wake_reporter(&self) {
        if let Some(thread) = &self.report_thread {
            thread.thread().unpark();
        }
    }

    /// One unit may go beyond every bound when nothing else is on its way: otherwise it could never leave.
    fn has_room(&self, records: usize, bytes: usize) -> bool {
        let (records_out, bytes_out) = self.outstanding();
        let fits = records_out + records <= self.config.outstanding_records_max
            && bytes_out + bytes <= self.config.outstanding_bytes_max;
        records == 0 || records_out == 0 || fits
    }

    fn send(&self, serial: u64, outputs: &[OutputRecord]) {
        let flight = Flight::new(serial, outputs.len());
        for (index, output) in (0..).zip(outputs) {
            let shipment = Box::new(Shipment { flight: flight.clone(), index, bytes: output.bytes() });
            if is_too_large(output) {
                let error = DeliveryError::TooLarge { topic: output.topic.to_string() };
                self.manifest.settle(&shipment, Some(error));
            } else if let Err((error, record)) = self.producer.send(native_record(output, shipment)) {
                let error = DeliveryError::native(&output.topic, &error);
                self.manifest.settle(&record.delivery_opaque, Some(error));
            }
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        if let Some(thread) = &self.report_thread {
            thread.thread().unpark();
        }
    }
}

/// The record as librdkafka takes it. It copies key, value and headers once, into its own memory.
pub(crate) fn native_record<D: rdkafka::util::IntoOpaque>(
    output: &OutputRecord,
    opaque: D,
) -> BaseRecord<'_, [u8], [u8], D> {
    let mut record = BaseRecord::with_opaque_to(&output.topic, opaque).timestamp(output.timestamp_ms);
    record.key = output.key.as_deref();
    record.payload = output.value.as_deref();
    if output.headers.is_empty() {
        return record;
    }
    let mut headers = OwnedHeaders::new_with_capacity(output.headers.len());
    for header in &output.headers {
        headers = headers.insert(Header { key: &header.name, value: header.value.as_deref() });
    }
    record.headers(headers)
}

/// Whether `output` is larger than the client sends.
pub(crate) fn is_too_large(output: &OutputRecord) -> bool {
    output.bytes() + output.headers.len() * HEADER_OVERHEAD_BYTES > MESSAGE_BYTES_MAX
}

/// The report thread: runs librdkafka's callbacks and hands over what they gathered.
struct Reporter {
    producer: Arc<BaseProducer<ShippingContext>>,
    manifest: Arc<Manifest>,
    ending: Arc<AtomicBool>,
    reports: mpsc::Sender<DeliveryEvent>,
    /// What did not go into the channel yet. Its room is not free yet, which bounds it.
    stash: Stash,
}

impl Reporter {
    fn run(mut self) {
        while !self.ending.load(Ordering::Acquire) {
            while self.gather() {}
            if !self.hand_over() {
                return;
            }
            let is_idle = self.manifest.records.load(Ordering::Relaxed) == 0;
            thread::park_timeout(if is_idle { IDLE } else { GATHER });
        }
    }

    /// Takes what has come in since the last look, one batch of acknowledgements more at most. False if nothing has.
    fn gather(&mut self) -> bool {
        self.producer.poll(Duration::ZERO);
        let mut new = self.manifest.take();
        let is_new = new.freed.0 > 0 || !new.delivered.is_empty() || !new.others.is_empty();
        self.stash.delivered.append(&mut new.delivered);
        self.stash.others.append(&mut new.others);
        self.stash.freed.0 += new.freed.0;
        self.stash.freed.1 += new.freed.1;
        is_new
    }

    /// Hands over as much as the channel takes, one message for all delivered units. False when nobody receives any more.
    fn hand_over(&mut self) -> bool {
        if !self.stash.delivered.is_empty() {
            let event = DeliveryEvent::Delivered(std::mem::take(&mut self.stash.delivered));
            match self.reports.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Closed(_)) => return false,
                Err(TrySendError::Full(DeliveryEvent::Delivered(units))) => {
                    self.stash.delivered = units;
                    return true;
                }
                Err(TrySendError::Full(_)) => return true,
            }
        }
        while let Some(event) = self.stash.others.pop_front() {
            match self.reports.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Closed(_)) => return false,
                Err(TrySendError::Full(event)) => {
                    self.stash.others.push_front(event);
                    return true;
                }
            }
        }
        let (records, bytes) = std::mem::take(&mut self.stash.freed);
        self.manifest.records.fetch_sub(records, Ordering::Relaxed);
        self.manifest.bytes.fetch_sub(bytes, Ordering::Relaxed);
        true
    }
}
