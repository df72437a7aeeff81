//! What librdkafka counts, cut down to what metrics need. Counters are totals since the client was made.

use millrace_flow::record::TopicPartition;
use rdkafka::Statistics as Native;

/// A snapshot of one client's counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientStatistics {
    /// Bytes received from brokers.
    pub received_bytes: u64,
    /// Bytes sent to brokers.
    pub sent_bytes: u64,
    /// Records fetched, the ones fetched again after a pause included.
    pub fetched_records: u64,
    /// Bytes of the fetched records, the ones fetched again after a pause included.
    pub fetched_bytes: u64,
    /// Records that wait in the producer.
    pub producer_records: u64,
    /// Bytes of the records that wait in the producer.
    pub producer_bytes: u64,
    /// Requests that were not answered in time, over all brokers.
    pub request_timeouts: u64,
    /// How often the group was rebalanced.
    pub rebalances: u64,
    /// Partitions of the topics that this client knows, fetched or not.
    pub topic_partitions: usize,
    /// The partitions that this client fetches.
    pub partitions: Vec<PartitionStatistics>,
}

/// A snapshot of one partition's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatistics {
    /// The partition.
    pub partition: TopicPartition,
    /// Records between what was last handed out and the end of the partition; none before the end is known.
    pub lag: Option<u64>,
    /// Records that were fetched and not handed out yet.
    pub queued_records: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Records fetched, the ones fetched again after a pause included.
    pub fetched_records: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// The offset after the newest readable record; none before it is known.
    pub end: Option<i64>,
}

impl ClientStatistics {
    /// Cuts down what librdkafka reports.
    pub(crate) fn from_native(native: &Native) -> Self {
        let mut partitions: Vec<_> = native.topics.values().flat_map(partitions_of).collect();
        partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
        Self {
            received_bytes: count(native.rx_bytes),
            sent_bytes: count(native.tx_bytes),
            fetched_records: count(native.rxmsgs),
            fetched_bytes: count(native.rxmsg_bytes),
            producer_records: native.msg_cnt,
            producer_bytes: native.msg_size,
            request_timeouts: native.brokers.values().map(|broker| broker.req_timeouts).sum(),
            rebalances: native.cgrp.as_ref().map_or(0, |group| count(group.rebalance_cnt)),
            topic_partitions: native.topics.values().map(known_partitions).sum(),
            partitions,
        }
    }
}

/// Partition -1 is librdkafka's own, for records that have no partition yet.
fn known_partitions(topic: &rdkafka::statistics::Topic) -> usize {
    topic.partitions.values().filter(|p| p.partition >= 0).count()
}

fn partitions_of(topic: &rdkafka::statistics::Topic) -> impl Iterator<Item = PartitionStatistics> + '_ {
    // One that is not desired is not fetched.
    topic.partitions.values().filter(|p| p.partition >= 0 && p.desired).map(|p| PartitionStatistics {
        partition: TopicPartition::new(topic.topic.as_str(), p.partition),
        lag: u64::try_from(p.consumer_lag).ok(),
        queued_records: count(p.fetchq_cnt),
        queued_bytes: p.fetchq_size,
        fetched_records: p.rxmsgs,
        fetched_bytes: p.rxbytes,
        end: (p.ls_offset >= 0).then_some(p.ls_offset),
    })
}

/// librdkafka reports counters as signed numbers and uses -1 for what it does not know.
fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
