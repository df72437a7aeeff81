//! The topic of progress records in exactly-once: what it must be like.

use crate::compacted_topic::{CompactedTopic, Unfit};
use millrace_kafka::cluster::Cluster;
use millrace_kafka::error::KafkaError;

/// What the largest progress record takes, with room for its key: what progress may grow to, and some.
const RECORD_BYTES: u64 = 128 << 10;

/// What is wrong with the topic, and what to do. None: it fits.
///
/// # Errors
/// The cluster does not answer within `deadline_ms`.
pub fn unfit(cluster: &Cluster, brokers: &str, topic: &str, deadline_ms: u64) -> Result<Option<Unfit>, KafkaError> {
    let wanted = CompactedTopic {
        brokers,
        topic,
        keeps: "progress",
        partitions: 4,
        deletes: "what it forgets is read once more",
        largest: "progress may take",
        record_bytes: RECORD_BYTES,
    };
    match wanted.find(cluster, deadline_ms)? {
        Ok(_) => wanted.unfit(cluster, deadline_ms),
        Err(missing) => Ok(Some(missing)),
    }
}
