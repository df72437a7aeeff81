//! The topic of a pipeline's state: what it must be like.

use millrace_kafka::cluster::Cluster;
use millrace_kafka::error::KafkaError;
use millrace_kafka::mock::is_embedded;

/// What the largest record of state takes: the longest key, store and name with the largest value, which
/// `millrace_flow::state` bounds so that it fits into what topics take where nobody set anything.
const RECORD_BYTES: u64 = 1 << 20;

/// What is wrong with the topic of a pipeline whose input topic has `partitions`, and what to do. None: it fits.
///
/// # Errors
/// The cluster does not answer within `deadline_ms`.
pub fn unfit(
    cluster: &Cluster,
    brokers: &str,
    topic: &str,
    partitions: u32,
    deadline_ms: u64,
) -> Result<Option<(String, String)>, KafkaError> {
    let change = |settings: &str| {
        format!("kafka-configs.sh --bootstrap-server {brokers} --alter --topic {topic} --add-config {settings}")
    };
    let Some(found) = cluster.topic(topic, deadline_ms)? else {
        let remedy = format!(
            "create it: kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic} --partitions {partitions} \
             --config cleanup.policy=compact --config min.insync.replicas=2 --config segment.bytes=104857600"
        );
        return Ok(Some((format!("the topic `{topic}`, which keeps state, does not exist"), remedy)));
    };
    if found.partitions != partitions {
        let problem = format!(
            "the topic `{topic}`, which keeps state, has {} partitions, and the input topic has {partitions}: the state of \
             a partition lies in that of the same number",
            found.partitions
        );
        let remedy = "name a new topic with as many partitions; where the input topic was given more, keys have moved \
                      between partitions and their state has not, so begin with a new pipeline or a new input topic";
        return Ok(Some((problem, remedy.to_owned())));
    }
    // The embedded broker knows no settings of topics, and never answers who asks for them.
    if is_embedded(&cluster.id(deadline_ms)?) {
        return Ok(None);
    }
    // Where the settings of topics may not be read, nothing can be said of them.
    let Some(settings) = cluster.topic_settings(topic, deadline_ms)? else { return Ok(None) };
    let policy = settings.get("cleanup.policy").map_or("delete", String::as_str);
    if policy != "compact" {
        let problem =
            format!("the topic `{topic}`, which keeps state, has `cleanup.policy={policy}`: it forgets state");
        let remedy = format!("let it keep the newest record of every key: {}", change("cleanup.policy=compact"));
        return Ok(Some((problem, remedy)));
    }
    let takes = settings.get("max.message.bytes").and_then(|value| value.parse::<u64>().ok());
    Ok(takes.filter(|takes| *takes < RECORD_BYTES).map(|takes| {
        let problem = format!(
            "the topic `{topic}` takes records of up to {takes} bytes, and one of state may have {RECORD_BYTES}"
        );
        (problem, format!("raise its limit: {}", change(&format!("max.message.bytes={RECORD_BYTES}"))))
    }))
}
