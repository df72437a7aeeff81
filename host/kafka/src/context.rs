//! What librdkafka calls back: logs, errors, statistics and rebalances of a consumer. Callbacks only take notes; the
//! poll thread reads them right after the call that ran them, so that everything it does is straight-line code.

use crate::statistics::ClientStatistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Statistics, TopicPartitionList};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The consumer as the crate uses it.
pub(crate) type SourceClient = BaseConsumer<SourceContext>;

/// A rebalance that waits for the poll thread.
#[derive(Debug)]
pub(crate) enum Rebalance {
    /// These partitions are ours from now on.
    Assign(TopicPartitionList),
    /// These partitions go; they are gone already where `lost`.
    Revoke {
        /// The partitions.
        list: TopicPartitionList,
        /// True when somebody else may own them already.
        lost: bool,
    },
}

/// Notes that the callbacks of one consumer take.
#[derive(Debug, Default)]
pub(crate) struct SourceContext {
    rebalances: Mutex<VecDeque<Rebalance>>,
    reason: Mutex<Option<String>>,
    statistics: Mutex<Option<Arc<ClientStatistics>>>,
    /// Set once nobody reads the notes any more: partitions are then given back without asking.
    unattended: AtomicBool,
}

impl SourceContext {
    /// The next rebalance to act on.
    pub(crate) fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.rebalances).pop_front()
    }

    /// The text of the newest error, taken.
    pub(crate) fn take_reason(&self) -> Option<String> {
        lock(&self.reason).take()
    }

    /// The newest statistics.
    pub(crate) fn statistics(&self) -> Option<Arc<ClientStatistics>> {
        lock(&self.statistics).clone()
    }

    /// Nobody acts on rebalances from now on.
    pub(crate) fn leave_unattended(&self) {
        self.unattended.store(true, Ordering::Release);
    }
}

/// Locks; a thread that died while it held the lock left plain data behind, which is still good.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for SourceContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        *lock(&self.statistics) = Some(Arc::new(ClientStatistics::from_native(&statistics)));
    }

    fn error(&self, _error: Native, reason: &str) {
        // The poll that runs this returns the error itself, but not its text.
        *lock(&self.reason) = Some(reason.to_owned());
    }
}

impl ConsumerContext for SourceContext {
    fn rebalance(&self, client: &SourceClient, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.unattended.load(Ordering::Acquire) {
            give_back(client, list);
            return;
        }
        let rebalance = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(list.clone()),
            _ => Rebalance::Revoke { list: list.clone(), lost: client.assignment_lost() },
        };
        lock(&self.rebalances).push_back(rebalance);
    }
}

/// Answers a rebalance with nothing, so that a consumer can be closed.
fn give_back(client: &SourceClient, list: &TopicPartitionList) {
    let answered = match client.rebalance_protocol() {
        RebalanceProtocol::Cooperative => client.incremental_unassign(list),
        _ => client.unassign(),
    };
    if let Err(error) = answered {
        tracing::debug!(%error, "partitions could not be given back while closing");
    }
}

/// Passes a line of librdkafka's log on.
pub(crate) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

/// The context of clients that only log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogContext;

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: Native, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            // It was asked to say so, and whoever polls is told.
            return;
        }
        tracing::warn!(target: "librdkafka", %error, "{reason}");
    }
}

impl ConsumerContext for LogContext {}

impl ProducerContext for LogContext {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, _opaque: ()) {}
}
