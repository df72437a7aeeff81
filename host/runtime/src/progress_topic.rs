//! The topic of progress records in exactly-once: what it must be like.

use millrace_kafka::cluster::Cluster;
use millrace_kafka::error::KafkaError;
use millrace_kafka::mock::is_embedded;

/// What the largest progress record takes, with room for its key: what progress may grow to, and some.
const RECORD_BYTES: u64 = 128 << 10;

/// What is wrong with the topic, and what to do. None: it fits.
///
/// # Errors
/// The cluster does not answer within `deadline_ms`.
pub fn unfit(
    cluster: &Cluster,
    brokers: &str,
    topic: &str,
    deadline_ms: u64,
) -> Result<Option<(String, String)>, KafkaError> {
    let change = |settings: &str| {
        format!("kafka-configs.sh --bootstrap-server {brokers} --alter --topic {topic} --add-config {settings}")
    };
    if cluster.topic(topic, deadline_ms)?.is_none() {
        let remedy = format!(
            "create it: kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic} --partitions 4 \
             --config cleanup.policy=compact --config min.insync.replicas=2 --config segment.bytes=104857600"
        );
        return Ok(Some((format!("the topic `{topic}`, which keeps progress, does not exist"), remedy)));
    }
    // The embedded broker knows no settings of topics, and never answers who asks for them.
    if is_embedded(&cluster.id(deadline_ms)?) {
        return Ok(None);
    }
    // Where the settings of topics may not be read, nothing can be said of them.
    let Some(settings) = cluster.topic_settings(topic, deadline_ms)? else { return Ok(None) };
    let policy = settings.get("cleanup.policy").map_or("delete", String::as_str);
    if policy != "compact" {
        let problem = format!(
            "the topic `{topic}`, which keeps progress, has `cleanup.policy={policy}`: what it forgets is read once more"
        );
        return Ok(Some((
            problem,
            format!("let it keep the newest record of every key: {}", change("cleanup.policy=compact")),
        )));
    }
    let takes = settings.get("max.message.bytes").and_then(|value| value.parse::<u64>().ok());
    Ok(takes.filter(|takes| *takes < RECORD_BYTES).map(|takes| {
        let problem =
            format!("the topic `{topic}` takes records of up to {takes} bytes, and progress may take {RECORD_BYTES}");
        (problem, format!("raise its limit: {}", change(&format!("max.message.bytes={RECORD_BYTES}"))))
    }))
}
