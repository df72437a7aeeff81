//! Topics in which the host keeps something of its own by key, progress or state: what they must be like.

use millrace_kafka::cluster::Cluster;
use millrace_kafka::error::KafkaError;
use millrace_kafka::mock::is_embedded;

/// What is wrong with a topic, and what to do.
pub type Unfit = (String, String);

/// A topic that keeps the newest record of every key.
#[derive(Clone, Copy, Debug)]
pub struct CompactedTopic<'a> {
    /// Where its cluster is, for the commands that are told.
    pub brokers: &'a str,
    /// Its name.
    pub topic: &'a str,
    /// What it keeps, in a word.
    pub keeps: &'a str,
    /// How many partitions it is to be created with.
    pub partitions: u32,
    /// What it means that it deletes, as the end of a sentence.
    pub deletes: &'a str,
    /// What of its largest record is told, as the middle of a sentence.
    pub largest: &'a str,
    /// Bytes of the largest record.
    pub record_bytes: u64,
}

impl CompactedTopic<'_> {
    /// How many partitions it has, or what is wrong where it is not there.
    ///
    /// # Errors
    /// The cluster does not answer within `deadline_ms`.
    pub fn find(&self, cluster: &Cluster, deadline_ms: u64) -> Result<Result<u32, Unfit>, KafkaError> {
        let Self { brokers, topic, keeps, partitions, .. } = self;
        let found = cluster.topic(topic, deadline_ms)?;
        Ok(found.map(|found| found.partitions).ok_or_else(|| {
            let remedy = format!(
                "create it: kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic} --partitions {partitions} \
                 --config cleanup.policy=compact --config min.insync.replicas=2 --config segment.bytes=104857600"
            );
            (format!("the topic `{topic}`, which keeps {keeps}, does not exist"), remedy)
        }))
    }

    /// What is wrong with its settings. None: they fit.
    ///
    /// # Errors
    /// The cluster does not answer within `deadline_ms`.
    pub fn unfit(&self, cluster: &Cluster, deadline_ms: u64) -> Result<Option<Unfit>, KafkaError> {
        let Self { brokers, topic, keeps, deletes, largest, record_bytes, .. } = self;
        // The embedded broker knows no settings of topics, and never answers who asks for them.
        if is_embedded(&cluster.id(deadline_ms)?) {
            return Ok(None);
        }
        // Where the settings of topics may not be read, nothing can be said of them.
        let Some(settings) = cluster.topic_settings(topic, deadline_ms)? else { return Ok(None) };
        let change = |settings: &str| {
            format!("kafka-configs.sh --bootstrap-server {brokers} --alter --topic {topic} --add-config {settings}")
        };
        let policy = settings.get("cleanup.policy").map_or("delete", String::as_str);
        if policy != "compact" {
            let problem = format!("the topic `{topic}`, which keeps {keeps}, has `cleanup.policy={policy}`: {deletes}");
            let remedy = format!("let it keep the newest record of every key: {}", change("cleanup.policy=compact"));
            return Ok(Some((problem, remedy)));
        }
        let takes = settings.get("max.message.bytes").and_then(|value| value.parse::<u64>().ok());
        Ok(takes.filter(|takes| takes < record_bytes).map(|takes| {
            let problem =
                format!("the topic `{topic}` takes records of up to {takes} bytes, and {largest} {record_bytes}");
            (problem, format!("raise its limit: {}", change(&format!("max.message.bytes={record_bytes}"))))
        }))
    }
}
