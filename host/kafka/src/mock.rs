//! An embedded cluster: librdkafka's in-process stand-in for brokers, for the quickstart, the examples and tests of this
//! crate. It never judges guarantees: it has no transactions, no fencing, no retention worth the name, no size limits, and
//! forgets everything when it ends. A host refuses to run on it outside of the demo ([`is_embedded`]).

use crate::context::LogContext;
use crate::error::KafkaError;
use crate::raw;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError as Native;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::time::Duration;

/// What the ids of embedded clusters begin with.
const ID_PREFIX: &str = "mockCluster";

/// True for the id of an embedded cluster. A real one has 22 characters of base64.
pub fn is_embedded(cluster_id: &str) -> bool {
    cluster_id.starts_with(ID_PREFIX)
}

/// A request that an embedded cluster can be made to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Writing records.
    Produce,
    /// Reading records.
    Fetch,
    /// Committing offsets.
    OffsetCommit,
    /// Reading committed offsets.
    OffsetFetch,
    /// Reading the oldest or newest offset.
    ListOffsets,
    /// The first request of a connection: which versions of which requests a broker knows.
    ApiVersions,
    /// Asking where a coordinator is.
    FindCoordinator,
    /// Becoming a producer.
    InitProducerId,
    /// Telling the coordinator which partitions a transaction writes to.
    AddPartitionsToTxn,
    /// Committing or aborting a transaction.
    EndTxn,
}

/// What an embedded cluster answers instead of doing what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The connection breaks.
    Disconnect,
    /// The coordinator is somewhere else.
    NotCoordinator,
    /// The coordinator is not ready.
    CoordinatorLoading,
    /// The group has moved on.
    IllegalGeneration,
    /// The commit metadata is too large.
    OffsetMetadataTooLarge,
    /// The record is too large.
    RecordTooLarge,
    /// The leader is somewhere else.
    NotLeader,
    /// We may not read or write the topic.
    Unauthorised,
    /// We may not have the transactional id.
    TransactionalIdUnauthorised,
    /// The broker was not done in time.
    RequestTimedOut,
    /// The broker does not know what is wrong with it.
    ServerError,
    /// The broker cannot use its disk.
    StorageError,
    /// Too few replicas are there.
    NotEnoughReplicas,
    /// The topic does not take the record.
    InvalidRecord,
    /// The coordinator is still at work on the transaction before.
    ConcurrentTransactions,
    /// Another producer has the same name now, as coordinators say it since KIP-588.
    ProducerFenced,
    /// Another producer has the same name now, as brokers say it.
    InvalidProducerEpoch,
    /// What is asked does not fit what the transaction has come to.
    InvalidTxnState,
    /// The coordinator knows the transactional id under another number.
    InvalidProducerIdMapping,
    /// The leader does not know the producer.
    UnknownProducerId,
    /// Records are missing before these.
    OutOfOrderSequence,
}

/// A running embedded cluster; it ends when it is dropped.
pub struct EmbeddedCluster {
    /// The cluster lives inside this client, which does nothing else.
    keeper: BaseProducer<LogContext>,
    bootstrap: String,
}

impl EmbeddedCluster {
    /// Starts `brokers` brokers on ports of 127.0.0.1 that the system chooses.
    ///
    /// # Errors
    /// librdkafka cannot start it.
    pub fn start(brokers: u16) -> Result<Self, KafkaError> {
        let starting = |error: Native| KafkaError::native("starting the embedded cluster", &error);
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", brokers.to_string()).set("client.id", "millrace-embedded");
        let keeper = BaseProducer::from_config_and_context(&config, LogContext).map_err(starting)?;
        raw::start_groups_at_once(keeper.client());
        let bootstrap = match keeper.client().mock_cluster() {
            Some(cluster) => cluster.bootstrap_servers(),
            None => return Err(KafkaError::Start { message: "librdkafka made no embedded cluster".to_owned() }),
        };
        Ok(Self { keeper, bootstrap })
    }

    /// Where clients begin: `host:port`, separated by commas. Other processes of this machine may use it too.
    pub fn brokers(&self) -> &str {
        &self.bootstrap
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// The topic exists, or its name or partition count is impossible.
    pub fn create_topic(&self, topic: &str, partitions: u16) -> Result<(), KafkaError> {
        self.with(|cluster| cluster.create_topic(topic, i32::from(partitions), 1))
    }

    /// Answers as if `topic` did not exist. (Without this, writing to a topic that is missing makes it.)
    ///
    /// # Errors
    /// Never with a running cluster.
    pub fn hide_topic(&self, topic: &str) -> Result<(), KafkaError> {
        self.with(|cluster| cluster.topic_error(topic, RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART))
    }

    /// Makes every answer of every broker take `round_trip` from now on.
    ///
    /// # Errors
    /// The broker does not exist.
    pub fn slow_down(&self, brokers: u16, round_trip: Duration) -> Result<(), KafkaError> {
        (1..=i32::from(brokers)).try_for_each(|id| self.with(|cluster| cluster.broker_round_trip_time(id, round_trip)))
    }

    /// Cuts a broker off; it keeps its records.
    ///
    /// # Errors
    /// The broker does not exist.
    pub fn cut_off(&self, broker: u16) -> Result<(), KafkaError> {
        self.with(|cluster| cluster.broker_down(i32::from(broker)))
    }

    /// Brings a broker back.
    ///
    /// # Errors
    /// The broker does not exist.
    pub fn bring_back(&self, broker: u16) -> Result<(), KafkaError> {
        self.with(|cluster| cluster.broker_up(i32::from(broker)))
    }

    /// Answers the next requests of a kind with these refusals, in this order, one each.
    ///
    /// # Errors
    /// Never with a running cluster.
    pub fn refuse(&self, request: Request, refusals: &[Refusal]) -> Result<(), KafkaError> {
        let codes: Vec<_> = refusals.iter().map(|refusal| code(*refusal)).collect();
        self.with(|cluster| {
            cluster.request_errors(api_key(request), &codes);
            Ok(())
        })
    }

    /// Answers the next requests of a kind that come to one broker, in this order, one each; none: does what is asked. How
    /// many of them were met tells [`EmbeddedCluster::answers_left`]. From the first call on, [`EmbeddedCluster::refuse`]
    /// does nothing to such requests at this broker.
    ///
    /// # Errors
    /// The broker does not exist.
    pub fn answer_next(&self, broker: u16, request: Request, answers: &[Option<Refusal>]) -> Result<(), KafkaError> {
        answers.iter().try_for_each(|answer| {
            let code = answer.map_or(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, code);
            let pushed = raw::answer_next(self.keeper.client(), broker, api_key(request), code);
            pushed.map_err(|code| KafkaError::code("changing the embedded cluster", code, None))
        })
    }

    /// How many answers are left of those that [`EmbeddedCluster::answer_next`] laid down.
    ///
    /// # Errors
    /// The broker does not exist.
    pub fn answers_left(&self, broker: u16, request: Request) -> Result<usize, KafkaError> {
        let left = raw::answers_left(self.keeper.client(), broker, api_key(request));
        left.map_err(|code| KafkaError::code("looking at the embedded cluster", code, None))
    }

    fn with(&self, act: impl FnOnce(&MockCluster<'_, LogContext>) -> Result<(), Native>) -> Result<(), KafkaError> {
        let acting = |error: Native| KafkaError::native("changing the embedded cluster", &error);
        match self.keeper.client().mock_cluster() {
            Some(cluster) => act(&cluster).map_err(acting),
            None => Err(KafkaError::Start { message: "the embedded cluster has ended".to_owned() }),
        }
    }
}

fn api_key(request: Request) -> RDKafkaApiKey {
    match request {
        Request::Produce => RDKafkaApiKey::Produce,
        Request::Fetch => RDKafkaApiKey::Fetch,
        Request::OffsetCommit => RDKafkaApiKey::OffsetCommit,
        Request::OffsetFetch => RDKafkaApiKey::OffsetFetch,
        Request::ListOffsets => RDKafkaApiKey::ListOffsets,
        Request::ApiVersions => RDKafkaApiKey::ApiVersion,
        Request::FindCoordinator => RDKafkaApiKey::FindCoordinator,
        Request::InitProducerId => RDKafkaApiKey::InitProducerId,
        Request::AddPartitionsToTxn => RDKafkaApiKey::AddPartitionsToTxn,
        Request::EndTxn => RDKafkaApiKey::EndTxn,
    }
}

fn code(refusal: Refusal) -> RDKafkaRespErr {
    match refusal {
        Refusal::Disconnect => RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        Refusal::NotCoordinator => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        Refusal::CoordinatorLoading => RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        Refusal::IllegalGeneration => RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        Refusal::OffsetMetadataTooLarge => RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
        Refusal::RecordTooLarge => RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        Refusal::NotLeader => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Refusal::Unauthorised => RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Refusal::TransactionalIdUnauthorised => RDKafkaRespErr::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        Refusal::RequestTimedOut => RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        Refusal::ServerError => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN,
        Refusal::StorageError => RDKafkaRespErr::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        Refusal::NotEnoughReplicas => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Refusal::InvalidRecord => RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD,
        Refusal::ConcurrentTransactions => RDKafkaRespErr::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
        Refusal::ProducerFenced => RDKafkaRespErr::RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
        Refusal::InvalidProducerEpoch => RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        Refusal::InvalidTxnState => RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE,
        Refusal::InvalidProducerIdMapping => RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
        Refusal::UnknownProducerId => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        Refusal::OutOfOrderSequence => RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    }
}
