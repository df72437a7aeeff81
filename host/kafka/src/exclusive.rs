//! A writer that only one process can be at a time: whoever opens it puts the one before it out of work, for good and in
//! the middle of whatever it did. What it writes at once is there at once or not at all. For commands, not for pipelines.

use crate::config::{MessageTimeout, ProducerConfig};
use crate::context::lock;
use crate::error::{KafkaError, is_fence};
use crate::writer::{WriterContext, native_record};
use millrace_flow::record::OutputRecord;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError as Native;
use rdkafka::producer::{BaseProducer, Producer as _};
use std::time::Duration;

/// How long an acknowledgement may take, and a transaction be open: after that the broker gives it up.
const TRANSACTION_MS: u32 = 60_000;

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExclusiveError {
    /// Another process has become this writer; this one can write no more.
    #[error("another process has become the writer {name:?}")]
    Overtaken {
        /// The writer's name.
        name: String,
    },
    /// Kafka did not take it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// The writer of this name.
pub struct ExclusiveWriter {
    producer: BaseProducer<WriterContext>,
    name: String,
    patience: Duration,
}

impl ExclusiveWriter {
    /// Becomes the writer `name` (the producer's `transactional.id`). What the one before it had begun to write is given
    /// up, and it cannot write any more.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, or no answer of the cluster within `patience`.
    pub fn open(config: &ProducerConfig, name: &str, patience: Duration) -> Result<Self, KafkaError> {
        let opening = || format!("becoming the writer {name:?}");
        let config = ProducerConfig { message_timeout: MessageTimeout::AfterMs(TRANSACTION_MS), ..config.clone() };
        let mut client = config.render()?;
        client.set("transactional.id", name).set("transaction.timeout.ms", TRANSACTION_MS.to_string());
        let producer = BaseProducer::from_config_and_context(&client, WriterContext::default());
        let producer: BaseProducer<WriterContext> = producer.map_err(|error| KafkaError::native(opening(), &error))?;
        producer.init_transactions(patience).map_err(|error| KafkaError::native(opening(), &error))?;
        Ok(Self { producer, name: name.to_owned(), patience })
    }

    /// Writes all of `records`, or none.
    ///
    /// # Errors
    /// None was written: another process has become this writer, a record is refused, or the cluster does not answer in
    /// time. Where even that is unknown, whoever opens the writer next finds them all or none.
    pub fn write(&self, records: &[OutputRecord]) -> Result<(), ExclusiveError> {
        self.write_to(records, |_| None)
    }

    /// The same, each to the partition of its topic that `partition` says; none: to that which follows from its key.
    ///
    /// # Errors
    /// See [`ExclusiveWriter::write`].
    pub fn write_to(
        &self,
        records: &[OutputRecord],
        partition: impl Fn(usize) -> Option<i32>,
    ) -> Result<(), ExclusiveError> {
        self.attempt(records, partition).map_err(|error| {
            let what = format!("writing {} records as {:?}", records.len(), self.name);
            let error = self.explain(what, &error);
            if !matches!(error, ExclusiveError::Overtaken { .. }) {
                // What is left open is given up by the broker, or by the next one to open the writer.
                drop(self.producer.abort_transaction(self.patience));
            }
            error
        })
    }

    fn attempt(&self, records: &[OutputRecord], partition: impl Fn(usize) -> Option<i32>) -> Result<(), Native> {
        self.producer.begin_transaction()?;
        for (index, record) in records.iter().enumerate() {
            self.producer.send(native_record(record, partition(index))).map_err(|(error, _)| error)?;
            self.producer.poll(Duration::ZERO);
        }
        self.producer.commit_transaction(self.patience)
    }

    /// The reason why a record was not taken says more than that its transaction failed.
    fn explain(&self, what: String, error: &Native) -> ExclusiveError {
        let of_record = lock(&self.producer.context().failure).take();
        let code = |error: &Native| error.rdkafka_error_code();
        if code(error).into_iter().chain(of_record.as_ref().and_then(code)).any(is_fence) {
            return ExclusiveError::Overtaken { name: self.name.clone() };
        }
        match of_record {
            Some(Native::MessageProduction(code)) => KafkaError::code(what, code, None).into(),
            _ => KafkaError::native(what, error).into(),
        }
    }
}
