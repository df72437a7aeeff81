//! The topic of a pipeline's state: what it must be like.

use crate::compacted_topic::{CompactedTopic, Unfit};
use millrace_kafka::cluster::Cluster;
use millrace_kafka::error::KafkaError;

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
) -> Result<Option<Unfit>, KafkaError> {
    let wanted = CompactedTopic {
        brokers,
        topic,
        keeps: "state",
        partitions,
        deletes: "it forgets state",
        largest: "one of state may have",
        record_bytes: RECORD_BYTES,
    };
    let found = match wanted.find(cluster, deadline_ms)? {
        Ok(found) => found,
        Err(missing) => return Ok(Some(missing)),
    };
    if found != partitions {
        let problem = format!(
            "the topic `{topic}`, which keeps state, has {found} partitions, and the input topic has {partitions}: the state \
             of a partition lies in that of the same number"
        );
        let remedy = "name a new topic with as many partitions; where the input topic was given more, keys have moved \
                      between partitions and their state has not, so begin with a new pipeline or a new input topic";
        return Ok(Some((problem, remedy.to_owned())));
    }
    wanted.unfit(cluster, deadline_ms)
}
