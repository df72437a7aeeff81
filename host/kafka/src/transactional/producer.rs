//! A transactional producer, and what its errors mean. Every call of librdkafka's transactions is here.

use super::{Transaction, TransactionsConfig};
use crate::config::{MessageTimeout, ProducerConfig};
use crate::context::{lock, log_line};
use crate::delivery::{DeliveryError, OutputFailure, is_too_large, native_record};
use crate::error::{KafkaError, is_fence};
use crate::failpoint::{self, Failpoint};
use crate::flush::flush;
use millrace_flow::record::OutputRecord;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The producer of one shard. Whoever opens it next puts this one out of work.
pub(super) struct TransactionalProducer {
    native: BaseProducer<Reports>,
    what: String,
    /// See [`TransactionsConfig`].
    call: Duration,
    patience: Duration,
}

/// Why there is no producer.
#[derive(Debug)]
pub(super) enum NotOpened {
    /// Another producer was made of the same name at the same time, and won.
    Fenced,
    /// Settings that librdkafka refuses, or a cluster that does not answer in time or knows no transactions.
    Failed(KafkaError),
}

/// What became of one attempt to write a transaction.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It is committed. `strained`: only after a call had to be made again, so that an answer to an earlier one may
    /// still be on its way.
    Committed {
        /// See above.
        strained: bool,
    },
    /// It is not committed; the same can be tried again.
    Aborted(KafkaError),
    /// It is not committed, and never will be with these outputs.
    Refused(Vec<OutputFailure>),
    /// It is not committed, and no transaction will be before people change something.
    Impossible(KafkaError),
    /// Nobody told, and this producer is of no more use.
    Unknown(KafkaError),
    /// Another producer has taken over.
    Fenced,
}

impl TransactionalProducer {
    /// Becomes the producer of this `transactional.id`. The one before it is out of work for good, and what it had begun is
    /// either committed or aborted by the time this returns.
    ///
    /// # Errors
    /// See [`NotOpened`].
    pub(super) fn open(config: &TransactionsConfig, id: &str) -> Result<Self, NotOpened> {
        let what = format!("becoming the producer {id:?}");
        // A record that is not acknowledged in time fails its transaction, which is tried again: nothing is lost.
        let message_timeout = MessageTimeout::AfterMs(config.transaction_ms);
        let producer = ProducerConfig { message_timeout, linger_ms: LINGER_MS, ..config.producer.clone() };
        let mut client = producer.render().map_err(NotOpened::Failed)?;
        client.set("transactional.id", id).set("transaction.timeout.ms", config.transaction_ms.to_string());
        let native: BaseProducer<Reports> = BaseProducer::from_config_and_context(&client, Reports::default())
            .map_err(|error| NotOpened::Failed(KafkaError::native(&what, &error)))?;
        native.init_transactions(config.call()).map_err(|error| match error.rdkafka_error_code() {
            Some(Code::UnsupportedFeature | Code::UnsupportedVersion) => NotOpened::Failed(KafkaError::Other {
                what: what.clone(),
                message: "the cluster knows no transactions: exactly-once needs brokers of Kafka 2.5 or newer"
                    .to_owned(),
            }),
            _ if meaning(&error) == Meaning::Fenced => NotOpened::Fenced,
            _ => NotOpened::Failed(KafkaError::native(&what, &error)),
        })?;
        let (call, patience) = (config.call(), config.patience());
        Ok(Self { native, what: format!("writing a transaction as {id:?}"), call, patience })
    }

    /// Writes `transaction` once. Blocks until it is known, or known to be unknown, what became of it.
    pub(super) fn attempt(&self, transaction: &Transaction, progress: &[OutputRecord]) -> Attempt {
        // Known beforehand: no transaction is spent on it.
        let too_large: Vec<_> = (0..).zip(&transaction.outputs).filter(|(_, output)| is_too_large(output)).collect();
        if !too_large.is_empty() {
            let fails = |(index, output): (u32, &OutputRecord)| OutputFailure {
                index,
                error: DeliveryError::TooLarge { topic: output.topic.to_string() },
            };
            return Attempt::Refused(too_large.into_iter().map(fails).collect());
        }
        lock(&self.native.context().failures).clear();
        if let Err(error) = self.native.begin_transaction() {
            return self.unusable(&error);
        }
        failpoint::pass(Failpoint::Begun);
        // The partition follows from the key, but for state.
        let outputs = transaction.outputs.iter().map(|output| (output, None));
        let changes = transaction.changes.iter().map(|change| (change, Some(transaction.shard.number())));
        let progress = progress.iter().map(|record| (record, None));
        let mut unwritten = 0;
        for (index, (output, partition)) in (0..).zip(outputs.chain(changes).chain(progress)) {
            if unwritten >= UNWRITTEN_BYTES_MAX {
                if let Err(error) = flush(&self.native, self.patience) {
                    return self.abort(KafkaError::native(&self.what, &error));
                }
                unwritten = 0;
            }
            unwritten += output.bytes();
            let mut record = native_record(output, Box::new(index));
            record.partition = partition;
            if let Err((error, _)) = self.native.send(record) {
                self.native.context().note(index, &output.topic, &error);
            }
            self.native.poll(Duration::ZERO);
            failpoint::pass(Failpoint::Sending);
        }
        failpoint::pass(Failpoint::Sent);
        let flushed = flush(&self.native, self.patience);
        let failures = std::mem::take(&mut *lock(&self.native.context().failures));
        match (flushed, failures.is_empty()) {
            (Ok(()), true) => self.commit(),
            (Ok(()), false) => self.give_up(failures, transaction.outputs.len()),
            (Err(error), _) => self.abort(KafkaError::native(&self.what, &error)),
        }
    }

    fn commit(&self) -> Attempt {
        failpoint::pass(Failpoint::Flushed);
        let deadline = Instant::now() + self.patience;
        let mut strained = false;
        loop {
            let committed = failpoint::during(Failpoint::Committing, || self.native.commit_transaction(self.call));
            let Err(error) = committed else { return Attempt::Committed { strained } };
            match meaning(&error) {
                Meaning::Again if Instant::now() < deadline => strained = true,
                Meaning::Abort if !strained => return self.abort(KafkaError::native(&self.what, &error)),
                Meaning::Fenced => return Attempt::Fenced,
                Meaning::Again | Meaning::Abort | Meaning::Unusable => return self.unusable(&error),
            }
        }
    }

    /// Aborts what has records that were not written. Where some of them never will be, that is what is told.
    fn give_up(&self, failures: Vec<OutputFailure>, outputs: usize) -> Attempt {
        let outputs = u32::try_from(outputs).unwrap_or(u32::MAX);
        let for_ever = |failure: &OutputFailure| {
            matches!(failure.error, DeliveryError::TooLarge { .. } | DeliveryError::Refused { .. })
        };
        let (refused, others): (Vec<_>, Vec<_>) = failures.into_iter().partition(for_ever);
        let mut errors = others.iter().chain(&refused).map(|failure| self.told_of(&failure.error));
        let first = errors.next();
        let because = errors.find(KafkaError::is_for_people).or(first).unwrap_or_else(|| KafkaError::Other {
            what: self.what.clone(),
            message: "a record was not written".to_owned(),
        });
        match self.abort(because.clone()) {
            // State and progress stand behind the outputs. A topic that refuses them takes no transaction at all.
            Attempt::Aborted(_) => match refused.iter().find(|failure| failure.index >= outputs) {
                Some(OutputFailure { error, .. }) => Attempt::Impossible(KafkaError::Other {
                    what: self.what.clone(),
                    message: format!("state or progress cannot be kept: {error}"),
                }),
                None if refused.is_empty() => Attempt::Aborted(because),
                None => Attempt::Refused(refused),
            },
            attempt => attempt,
        }
    }

    fn told_of(&self, error: &DeliveryError) -> KafkaError {
        match error {
            DeliveryError::Kafka(error) => error.clone(),
            _ => KafkaError::Transport { what: self.what.clone(), message: error.to_string() },
        }
    }

    /// Aborts. By now every record has its report: aborting before that is what librdkafka is known to get wrong (its
    /// issue 4849). Where the call had to be made again, an earlier one may still be on its way and would cut the next
    /// transaction off, so this producer is of no more use.
    fn abort(&self, because: KafkaError) -> Attempt {
        let deadline = Instant::now() + self.patience;
        let mut strained = false;
        loop {
            self.native.poll(Duration::ZERO);
            let Err(error) = self.native.abort_transaction(self.call) else {
                return match because {
                    // The same transaction would meet the same.
                    because if because.is_for_people() => Attempt::Impossible(because),
                    because if strained => Attempt::Unknown(because),
                    because => Attempt::Aborted(because),
                };
            };
            match meaning(&error) {
                Meaning::Again if Instant::now() < deadline => strained = true,
                Meaning::Fenced => return Attempt::Fenced,
                Meaning::Again | Meaning::Abort | Meaning::Unusable => return self.unusable(&error),
            }
        }
    }

    fn unusable(&self, error: &Native) -> Attempt {
        match meaning(error) {
            Meaning::Fenced => Attempt::Fenced,
            _ => Attempt::Unknown(KafkaError::native(&self.what, error)),
        }
    }
}

/// So many bytes of records are handed to librdkafka, which copies them, before what was handed over has to be written.
/// Twice what an ordinary transaction holds. Half of it takes no less memory (measured with records of 10 MB).
const UNWRITTEN_BYTES_MAX: usize = 16 << 20;

/// How long records wait for company, in milliseconds: those of a transaction come all at once.
const LINGER_MS: u32 = 1;

/// What an error of a transactional call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The same call again.
    Again,
    /// The transaction is to be aborted; the producer goes on.
    Abort,
    /// Another producer has the same name now.
    Fenced,
    /// A new producer, and a look at what was written.
    Unusable,
}

/// What is neither to be repeated nor aborted is fatal, which does not mean that it is not committed: librdkafka raises it
/// also where the broker may have done what it was asked.
fn meaning(error: &Native) -> Meaning {
    match error {
        Native::Transaction(error) if error.is_retriable() => Meaning::Again,
        Native::Transaction(error) if error.txn_requires_abort() => Meaning::Abort,
        error if error.rdkafka_error_code().is_some_and(is_fence) => Meaning::Fenced,
        _ => Meaning::Unusable,
    }
}

/// The callbacks of the producer: collects the records that were not written.
#[derive(Debug, Default)]
struct Reports {
    failures: Mutex<Vec<OutputFailure>>,
}

impl Reports {
    fn note(&self, index: u32, topic: &str, error: &Native) {
        // What is thrown away with its transaction did not fail by itself.
        if !matches!(error.rdkafka_error_code(), Some(Code::PurgeQueue | Code::PurgeInflight)) {
            lock(&self.failures).push(OutputFailure { index, error: DeliveryError::native(topic, error) });
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: Native, reason: &str) {
        // The call that meets it says what is to be done.
        tracing::warn!(target: "librdkafka", %error, "{reason}");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<u32>;

    fn delivery(&self, result: &DeliveryResult<'_>, index: Box<u32>) {
        if let Err((error, message)) = result {
            self.note(*index, rdkafka::Message::topic(message), error);
        }
    }
}
