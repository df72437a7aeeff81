//! A tool for tests, the demo and benches: writes many records quickly and waits until all are acknowledged.
//! Pipelines write through [`crate::delivery`].

use crate::config::ProducerConfig;
use crate::context::{LogContext, lock};
use crate::error::KafkaError;
use crate::flush::flush;
use millrace_flow::record::OutputRecord;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::Mutex;
use std::time::Duration;

/// How many records may be unacknowledged: enough for full batches, little enough to stay small.
const UNACKNOWLEDGED_MAX: i32 = 50_000;

/// Writes records in order.
pub struct Writer {
    producer: BaseProducer<WriterContext>,
}

/// Keeps the last thing that went wrong with a record.
#[derive(Debug, Default)]
pub(crate) struct WriterContext {
    pub(crate) failure: Mutex<Option<Native>>,
}

impl ClientContext for WriterContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        LogContext.log(level, facility, message);
    }

    fn error(&self, error: Native, reason: &str) {
        LogContext.error(error, reason);
    }
}

impl ProducerContext for WriterContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            *lock(&self.failure) = Some(error.clone());
        }
    }
}

impl Writer {
    /// A writer to a cluster.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, or an unreadable secret.
    pub fn new(config: &ProducerConfig) -> Result<Self, KafkaError> {
        let producer = BaseProducer::from_config_and_context(&config.render()?, WriterContext::default());
        Ok(Self { producer: producer.map_err(|error| KafkaError::native("starting a writer", &error))? })
    }

    /// Sends a record; its key decides the partition. Blocks while too many are unacknowledged.
    ///
    /// # Errors
    /// The record cannot be sent, or one before it failed.
    pub fn write(&self, record: &OutputRecord) -> Result<(), KafkaError> {
        self.send(record, None)
    }

    /// Sends a record to a certain partition. Blocks while too many are unacknowledged.
    ///
    /// # Errors
    /// The record cannot be sent, or one before it failed.
    pub fn write_to(&self, partition: i32, record: &OutputRecord) -> Result<(), KafkaError> {
        self.send(record, Some(partition))
    }

    /// Waits until everything is acknowledged, at most for `deadline_ms`.
    ///
    /// # Errors
    /// A record failed, or the deadline passed.
    pub fn flush(&self, deadline_ms: u64) -> Result<(), KafkaError> {
        let flushed = flush(&self.producer, Duration::from_millis(deadline_ms));
        self.check()?;
        flushed.map_err(|error| KafkaError::native("waiting for acknowledgements", &error))
    }

    fn send(&self, record: &OutputRecord, partition: Option<i32>) -> Result<(), KafkaError> {
        while self.producer.in_flight_count() >= UNACKNOWLEDGED_MAX {
            self.producer.poll(Duration::from_millis(1));
        }
        self.producer.poll(Duration::ZERO);
        self.check()?;
        let sent = self.producer.send(native_record(record, partition));
        sent.map_err(|(error, _)| KafkaError::native(format!("writing to topic {:?}", record.topic), &error))
    }

    fn check(&self) -> Result<(), KafkaError> {
        match lock(&self.producer.context().failure).take() {
            None => Ok(()),
            Some(Native::MessageProduction(code)) => Err(KafkaError::code("writing", code, None)),
            Some(error) => {
                let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
                Err(KafkaError::code("writing", code, Some(error.to_string())))
            }
        }
    }
}

/// A record as librdkafka takes it.
pub(crate) fn native_record(record: &OutputRecord, partition: Option<i32>) -> BaseRecord<'_, [u8], [u8]> {
    let mut native = BaseRecord::to(&record.topic).timestamp(record.timestamp_ms);
    native.partition = partition;
    native.key = record.key.as_deref();
    native.payload = record.value.as_deref();
    let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, header| {
        headers.insert(Header { key: &header.name, value: header.value.as_deref() })
    });
    native.headers(headers)
}
