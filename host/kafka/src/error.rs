//! What can go wrong with Kafka, in words that say where and what to do. Never a secret in it.

use millrace_flow::progress::ProgressError;
use millrace_flow::record::TopicPartition;
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};

/// Why something with Kafka failed. [`KafkaError::is_transient`] says whether waiting may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// A setting is impossible. Values are left out: one of them may be a secret.
    #[error("kafka setting {key:?}: {message}")]
    Setting {
        /// The name of the setting, as librdkafka calls it.
        key: String,
        /// What is wrong with it.
        message: String,
    },
    /// A setting on which the guarantees rest was overridden.
    #[error("kafka setting {key:?} cannot be overridden: {reason}; remove it from the configuration")]
    Protected {
        /// The name of the setting.
        key: String,
        /// What depends on it.
        reason: &'static str,
    },
    /// A file with a secret cannot be read or holds none.
    #[error("cannot read the secret in {path}: {message}")]
    Secret {
        /// The file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// A client could not be made.
    #[error("cannot start a kafka client: {message}")]
    Start {
        /// What librdkafka or the operating system says.
        message: String,
    },
    /// A topic or partition does not exist (yet).
    #[error("{what}: the topic or partition does not exist; create it, the host never does")]
    TopicMissing {
        /// What was tried, and on which topic.
        what: String,
    },
    /// The broker knows us, and refuses, or does not know us at all.
    #[error("{what}: {message}; check the credentials and the access rules of this host")]
    Denied {
        /// What was tried.
        what: String,
        /// What the broker says.
        message: String,
    },
    /// The broker cannot be reached or does not answer in time; librdkafka goes on trying.
    #[error("{what}: {message}")]
    Transport {
        /// What was tried.
        what: String,
        /// What is known.
        message: String,
    },
    /// The records from the wanted offset on are no longer (or not yet) in the partition.
    #[error(
        "{partition}: offset {offset} is outside of what the topic holds ({low}..{high}); records are lost to this \
         pipeline: restore the topic, or reset the group's offset deliberately, then start again"
    )]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// Where fetching was to go on.
        offset: i64,
        /// The oldest offset that is there; -1 where it is not known.
        low: i64,
        /// The offset after the newest; -1 where it is not known.
        high: i64,
    },
    /// The committed metadata is larger than the broker takes: the budget of the progress encoding was not kept.
    #[error(
        "{partition}: the broker refuses {characters} characters of commit metadata; the progress encoding went over \
         its budget, which is a defect of the host (or offset.metadata.max.bytes of the broker is below 4096)"
    )]
    MetadataTooLarge {
        /// The partition.
        partition: TopicPartition,
        /// How long the metadata was.
        characters: usize,
    },
    /// Progress that was written cannot be read.
    #[error("partition {partition}: {source}")]
    Progress {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        source: ProgressError,
    },
    /// Another member of the group has the same instance id. Whoever joins again puts the other one out.
    #[error(
        "{what}: another host has the same `instance_id` and has taken this one's place in the group; give every host of \
         a group an `instance_id` of its own, then start this one again"
    )]
    SameInstance {
        /// What was tried.
        what: String,
    },
    /// The client is unusable from here on: a supervisor starts a new one.
    #[error("{what}: fatal: {message}")]
    Fatal {
        /// What was tried.
        what: String,
        /// What librdkafka says.
        message: String,
    },
    /// Anything else that the broker or librdkafka says.
    #[error("{what}: {message}")]
    Other {
        /// What was tried.
        what: String,
        /// What it says.
        message: String,
    },
}

impl KafkaError {
    /// True where librdkafka or a later attempt may succeed without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transport { .. })
    }

    /// True where only people can mend it: a topic to be created, an access right to be given.
    pub(crate) fn is_for_people(&self) -> bool {
        matches!(self, Self::TopicMissing { .. } | Self::Denied { .. })
    }

    /// Classifies what librdkafka said about `what`.
    pub(crate) fn native(what: impl Into<String>, error: &Native) -> Self {
        let what = what.into();
        match error {
            // The value is left out: it may be a password.
            Native::ClientConfig(_, description, key, _) => {
                Self::Setting { key: key.clone(), message: description.clone() }
            }
            Native::ClientCreation(message) => Self::Start { message: message.clone() },
            Native::MessageConsumptionFatal(Code::FencedInstanceId) => Self::SameInstance { what },
            Native::MessageConsumptionFatal(code) => Self::Fatal { what, message: code.to_string() },
            Native::Transaction(error) if is_denial(error.code()) => Self::Denied { what, message: error.to_string() },
            Native::Transaction(error) if error.is_fatal() => Self::Fatal { what, message: error.to_string() },
            // It goes on in librdkafka; whatever its last answer was, the next may be another.
            Native::Transaction(error) if error.is_retriable() => Self::Transport { what, message: error.to_string() },
            Native::Subscription(message) | Native::Seek(message) | Native::PauseResume(message) => {
                Self::Other { what, message: message.clone() }
            }
            other => match other.rdkafka_error_code() {
                Some(code) => Self::code(what, code, None),
                None => Self::Other { what, message: other.to_string() },
            },
        }
    }

    /// Classifies an error code about `what`; `reason` is librdkafka's longer text where there is one.
    pub(crate) fn code(what: impl Into<String>, code: Code, reason: Option<String>) -> Self {
        let what = what.into();
        let message = reason.filter(|text| !text.is_empty()).unwrap_or_else(|| code.to_string());
        match code {
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => Self::TopicMissing { what },
            _ if is_denial(code) => Self::Denied { what, message },
            Code::Fatal | Code::Fenced => Self::Fatal { what, message },
            _ if is_transport(code) => Self::Transport { what, message },
            _ => Self::Other { what, message },
        }
    }
}

/// True for codes that say that we may not, or that nobody knows us.
fn is_denial(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
    )
}

/// True for codes that say that another producer has the same name now.
pub(crate) fn is_fence(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

/// True for codes that speak of the way to the broker, or of a broker or coordinator that is on the move or at work on
/// what was before.
pub(crate) fn is_transport(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::SSL
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::MessageTimedOut
            | Code::WaitingForCoordinator
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::BrokerNotAvailable
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::NetworkException
            | Code::UnstableOffsetCommit
            | Code::ConcurrentTransactions
            | Code::KafkaStorageError
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::types::RDKafkaConfRes;

    #[test]
    fn a_refused_setting_never_shows_its_value() {
        let refused = Native::ClientConfig(
            RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "invalid value".into(),
            "sasl.password".into(),
            "hunter2".into(),
        );
        let error = KafkaError::native("starting", &refused);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(error.to_string().contains("sasl.password"));
    }

    #[test]
    fn codes_are_sorted_by_what_is_to_be_done() {
        let class = |code| KafkaError::code("reading orders", code, None);
        assert!(matches!(class(Code::UnknownTopicOrPartition), KafkaError::TopicMissing { .. }));
        assert!(matches!(class(Code::TopicAuthorizationFailed), KafkaError::Denied { .. }));
        assert!(matches!(class(Code::Fatal), KafkaError::Fatal { .. }));
        assert!(class(Code::AllBrokersDown).is_transient());
        assert!(class(Code::CoordinatorLoadInProgress).is_transient());
        assert!(!class(Code::InvalidMessage).is_transient());
    }
}
