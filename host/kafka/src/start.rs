//! Where fetching of an assigned partition begins: at the committed offset, else where the configuration says.
//! The answer is always a number, because the ledger counts from it.

use crate::config::StartPosition;
use crate::consumer::{Assignment, CommittedProgress};
use crate::context::SourceClient;
use crate::error::KafkaError;
use crate::raw::{self, Entry};
use crate::transactional::Stay;
use crate::watermarks::watermarks;
use millrace_flow::record::TopicPartition;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::Offset;
use std::time::Duration;

/// How long one question to the brokers may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// What was found out about newly assigned partitions.
pub(crate) struct Starts {
    /// The list as librdkafka wants it: with the offsets, and with the leader epochs that were committed.
    pub(crate) list: TopicPartitionList,
    /// The same for the pipeline.
    pub(crate) assignments: Vec<Assignment>,
}

/// Asks for the committed offsets of `list` and resolves the start of partitions that have none.
pub(crate) fn resolve(
    client: &SourceClient,
    list: TopicPartitionList,
    position: impl Fn(&str) -> StartPosition,
) -> Result<Starts, KafkaError> {
    let asking = |error: &rdkafka::error::KafkaError| KafkaError::native("reading the committed offsets", error);
    let mut list = client.committed_offsets(list, ASK_TIMEOUT).map_err(|error| asking(&error))?;
    let mut assignments = Vec::new();
    for entry in raw::entries(&list) {
        if let Some(code) = entry.error {
            let what = format!("reading the committed offset of {}/{}", entry.topic, entry.partition);
            return Err(KafkaError::code(what, code, None));
        }
        let position = position(&entry.topic);
        assignments.push(assignment(client, entry, position)?);
    }
    for Assignment { partition, start, .. } in &assignments {
        let set = list.set_partition_offset(&partition.topic, partition.partition, Offset::Offset(*start));
        set.map_err(|error| KafkaError::native(format!("starting {partition}"), &error))?;
    }
    Ok(Starts { list, assignments })
}

fn assignment(client: &SourceClient, entry: Entry, position: StartPosition) -> Result<Assignment, KafkaError> {
    let partition = TopicPartition::new(entry.topic, entry.partition);
    if entry.offset >= 0 {
        let progress = CommittedProgress { offset: Some(entry.offset), metadata: entry.metadata };
        return Ok(Assignment { partition, progress, start: entry.offset, stay: Stay::default(), state: None });
    }
    let start = first_position(client, &partition, position)?;
    Ok(Assignment { partition, progress: CommittedProgress::default(), start, stay: Stay::default(), state: None })
}

/// The offset at which a partition begins that has no committed one.
fn first_position(
    client: &SourceClient,
    partition: &TopicPartition,
    position: StartPosition,
) -> Result<i64, KafkaError> {
    let failed = |error| KafkaError::native(format!("finding the start of {partition}"), &error);
    if let StartPosition::Timestamp(timestamp_ms) = position {
        let mut times = TopicPartitionList::new();
        let offset = Offset::Offset(timestamp_ms);
        times.add_partition_offset(&partition.topic, partition.partition, offset).map_err(failed)?;
        let found = client.offsets_for_times(times, ASK_TIMEOUT).map_err(failed)?;
        if let Some(entry) = raw::entries(&found).into_iter().find(|entry| entry.offset >= 0) {
            return Ok(entry.offset);
        }
    }
    let (low, high) = watermarks(client, &partition.topic, partition.partition, ASK_TIMEOUT).map_err(failed)?;
    Ok(if position == StartPosition::Earliest { low } else { high })
}
