//! Questions to a cluster before anything runs: is it there, who is it, do the topics exist, how large may records be.
//! Nothing here changes anything; all of it blocks, within deadlines, and is not for tasks.

use crate::config::ClusterConfig;
use crate::context::{LogContext, lock};
use crate::error::KafkaError;
use crate::raw::{self, Entry};
use crate::wake;
use crate::watermarks::watermarks;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigEntry, ResourceSpecifier};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::{FromClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// How many of librdkafka's errors are looked through for the one that explains a failure.
const ERRORS_MAX: usize = 64;

/// A broker as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its number.
    pub id: i32,
    /// Where it can be reached.
    pub address: String,
}

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// The fewest replicas that a partition of it has.
    pub replicas: u32,
    /// How many of its partitions have no leader just now.
    pub leaderless: u32,
}

/// A connection for questions.
pub struct Cluster {
    client: BaseConsumer<ProbeContext>,
    config: ClusterConfig,
}

/// Keeps what librdkafka says went wrong, so that a deadline that passes has a reason.
#[derive(Debug, Default)]
struct ProbeContext {
    errors: Mutex<Vec<(Code, String)>>,
}

impl ClientContext for ProbeContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        LogContext.log(level, facility, message);
    }

    fn error(&self, error: Native, reason: &str) {
        let mut errors = lock(&self.errors);
        if errors.len() < ERRORS_MAX {
            errors.push((error.rdkafka_error_code().unwrap_or(Code::Unknown), reason.to_owned()));
        }
    }
}

impl ConsumerContext for ProbeContext {}

impl Cluster {
    /// Makes a client; nothing is asked yet.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, or an unreadable secret.
    pub fn connect(config: &ClusterConfig) -> Result<Self, KafkaError> {
        let mut client = config.render()?;
        client.set("allow.auto.create.topics", "false");
        config.apply_overrides(&mut client)?;
        let connected = BaseConsumer::from_config_and_context(&client, ProbeContext::default());
        let client = connected.map_err(|error| KafkaError::native("connecting", &error))?;
        Ok(Self { client, config: config.clone() })
    }

    /// The brokers of the cluster: proof that one can be reached and lets us in.
    ///
    /// # Errors
    /// No broker answers within `deadline_ms`, or it refuses us; the message says what was tried.
    pub fn brokers(&self, deadline_ms: u64) -> Result<Vec<Broker>, KafkaError> {
        let metadata = self.client.fetch_metadata(None, Duration::from_millis(deadline_ms));
        let metadata = metadata.map_err(|error| self.explain(&error))?;
        let broker = |broker: &rdkafka::metadata::MetadataBroker| Broker {
            id: broker.id(),
            address: format!("{}:{}", broker.host(), broker.port()),
        };
        Ok(metadata.brokers().iter().map(broker).collect())
    }

    /// The cluster's id, which goes into the ids of everything that is read from it.
    ///
    /// # Errors
    /// As [`Cluster::brokers`], and a cluster that has no id (Kafka has one since 0.10).
    pub fn id(&self, deadline_ms: u64) -> Result<String, KafkaError> {
        self.brokers(deadline_ms)?;
        self.client.client().fetch_cluster_id(Duration::from_millis(deadline_ms)).ok_or_else(|| KafkaError::Other {
            what: format!("asking {} for its cluster id", self.config.brokers),
            message: "the cluster has none; it is older than Kafka 0.10".to_owned(),
        })
    }

    /// What is known of `topic`; none when it does not exist.
    ///
    /// # Errors
    /// As [`Cluster::brokers`], and a topic that we may not see.
    pub fn topic(&self, topic: &str, deadline_ms: u64) -> Result<Option<Topic>, KafkaError> {
        let metadata = self.client.fetch_metadata(Some(topic), Duration::from_millis(deadline_ms));
        let metadata = metadata.map_err(|error| self.explain(&error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        match found.error().map(Code::from) {
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
            Some(code) if found.partitions().is_empty() => {
                Err(KafkaError::code(format!("looking at topic {topic:?}"), code, None))
            }
            _ => Ok(Some(facts(found))),
        }
    }

    /// The names of all topics that we may see.
    ///
    /// # Errors
    /// As [`Cluster::brokers`].
    pub fn topic_names(&self, deadline_ms: u64) -> Result<Vec<String>, KafkaError> {
        let metadata = self.client.fetch_metadata(None, Duration::from_millis(deadline_ms));
        let metadata = metadata.map_err(|error| self.explain(&error))?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    }

    /// The oldest offset and the one after the newest of a partition.
    ///
    /// # Errors
    /// As [`Cluster::brokers`], and a partition that does not exist.
    pub fn offsets(&self, topic: &str, partition: i32, deadline_ms: u64) -> Result<(i64, i64), KafkaError> {
        let marks = watermarks(&self.client, topic, partition, Duration::from_millis(deadline_ms));
        marks.map_err(|error| KafkaError::native(format!("looking at {topic}/{partition}"), &error))
    }

    /// The first offset of a partition whose record is of that time (in ms since 1970) or later; none: there is no such
    /// record yet.
    ///
    /// # Errors
    /// As [`Cluster::offsets`].
    pub fn offset_at(
        &self,
        topic: &str,
        partition: i32,
        time_ms: i64,
        deadline_ms: u64,
    ) -> Result<Option<i64>, KafkaError> {
        let what = || format!("looking for a time in {topic}/{partition}");
        let mut times = TopicPartitionList::new();
        let added = times.add_partition_offset(topic, partition, Offset::Offset(time_ms));
        let found = added.and_then(|()| self.client.offsets_for_times(times, Duration::from_millis(deadline_ms)));
        let found = found.map_err(|error| KafkaError::native(what(), &error))?;
        match raw::entries(&found).into_iter().next() {
            Some(Entry { error: Some(code), .. }) => Err(KafkaError::code(what(), code, None)),
            entry => Ok(entry.map(|entry| entry.offset).filter(|offset| *offset >= 0)),
        }
    }

    /// The topic's `max.message.bytes`: the largest batch, compressed, that it takes. None where the cluster does not
    /// tell: the right to describe the topic is missing, or the cluster is an embedded one.
    ///
    /// # Errors
    /// A client cannot be made, or nothing answers within `deadline_ms`.
    pub fn topic_bytes_max(&self, topic: &str, deadline_ms: u64) -> Result<Option<u64>, KafkaError> {
        let settings = self.topic_settings(topic, deadline_ms)?;
        Ok(settings.and_then(|settings| settings.get("max.message.bytes")?.parse().ok()))
    }

    /// The topic's settings by name, as the broker calls them; none where the cluster does not tell, as above.
    ///
    /// # Errors
    /// As [`Cluster::topic_bytes_max`].
    pub fn topic_settings(
        &self,
        topic: &str,
        deadline_ms: u64,
    ) -> Result<Option<BTreeMap<String, String>>, KafkaError> {
        let admin = self.admin()?;
        let limit = Duration::from_millis(deadline_ms);
        let asked = [ResourceSpecifier::Topic(topic)];
        let options = AdminOptions::new().request_timeout(Some(limit));
        let what = || format!("asking for the settings of topic {topic:?}");
        let late = || KafkaError::Transport { what: what(), message: format!("no answer within {deadline_ms} ms") };
        let answered = wake::wait(admin.describe_configs(&asked, &options), limit).ok_or_else(late)?;
        match answered {
            Ok(resources) => {
                let resource = resources.into_iter().find_map(Result::ok);
                let named = |entry: ConfigEntry| Some((entry.name, entry.value?));
                Ok(resource.map(|resource| resource.entries.into_iter().filter_map(named).collect()))
            }
            Err(Native::AdminOp(Code::UnsupportedFeature)) => Ok(None),
            Err(error) => Err(KafkaError::native(what(), &error)),
        }
    }

    /// A client for administration: for `topics`.
    pub(crate) fn admin(&self) -> Result<AdminClient<DefaultClientContext>, KafkaError> {
        let mut client = self.config.render()?;
        self.config.apply_overrides(&mut client)?;
        AdminClient::from_config(&client).map_err(|error| KafkaError::native("starting an admin client", &error))
    }

    /// The error that explains why nothing was answered: what the brokers or the network said, where they said anything.
    fn explain(&self, error: &Native) -> KafkaError {
        for _ in 0..ERRORS_MAX {
            // Runs the callback that keeps the errors; ends with the first poll that has none.
            if self.client.poll(Duration::ZERO).is_none() {
                break;
            }
        }
        let what = format!("talking to {}", self.config.brokers);
        let errors = std::mem::take(&mut *lock(&self.client.context().errors));
        let weight = |code: Code| match code {
            Code::Authentication | Code::SaslAuthenticationFailed => 3,
            Code::SSL => 2,
            Code::AllBrokersDown => 0,
            _ => 1,
        };
        match errors.into_iter().max_by_key(|(code, _)| weight(*code)) {
            Some((code, reason)) => KafkaError::code(what, code, Some(reason)),
            None => KafkaError::native(what, error),
        }
    }
}

fn facts(topic: &MetadataTopic) -> Topic {
    let partitions = topic.partitions();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Topic {
        name: topic.name().to_owned(),
        partitions: count(partitions.len()),
        replicas: count(partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0)),
        leaderless: count(partitions.iter().filter(|partition| partition.leader() < 0).count()),
    }
}

/// The command that makes a missing topic, for an error message. `bytes_max` is the largest record that will be written.
pub fn create_command(brokers: &str, topic: &str, partitions: u32, bytes_max: u64) -> String {
    format!(
        "kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic} --partitions {partitions} \
         --config max.message.bytes={bytes_max}"
    )
}
