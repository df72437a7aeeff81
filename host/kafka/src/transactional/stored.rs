//! Reads the progress that was written last for a partition: from the end of the progress topic backwards, because what
//! was written last lies there, however long the topic is.

use super::TransactionsConfig;
use crate::context::LogContext;
use crate::error::KafkaError;
use crate::reader::{ASK_TIMEOUT, partitions, reading};
use crate::watermarks::watermarks;
use millrace_flow::progress_record::{ProgressKey, ProgressRecord};
use millrace_flow::record::TopicPartition;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as Native;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{Message as _, TopicPartitionList};
use std::time::{Duration, Instant};

/// How many offsets are read first; eight times as many each time that nothing is found among them.
const TAIL_FIRST: i64 = 500;

/// How long reading may take before it is begun anew.
const READ_MAX: Duration = Duration::from_secs(60);

/// The committed progress of a partition, if any was ever written. To be read by its owner, behind the fence: before it,
/// the former owner may still write.
///
/// # Errors
/// The topic does not exist or cannot be read in time, or what is there was written by a newer Millrace.
pub(super) fn read(
    config: &TransactionsConfig,
    partition: &TopicPartition,
) -> Result<Option<ProgressRecord>, KafkaError> {
    let (topic, key) = (&*config.progress_topic, config.key(partition));
    let failed = |error: Native| KafkaError::native(format!("reading progress topic {topic:?}"), &error);
    let mut client = reading(config.cluster(), "millrace-progress")?;
    // Up to the last stable offset: what is aborted is not there, and nothing of ours is open.
    client.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
    let client: BaseConsumer<LogContext> =
        BaseConsumer::from_config_and_context(&client, LogContext).map_err(failed)?;
    // Where a key lies is the partitioner's business, and changes when the topic gets more partitions.
    let mut newest: Option<(u64, ProgressRecord)> = None;
    for number in partitions(&client, topic)? {
        let (low, high) = watermarks(&client, topic, number, ASK_TIMEOUT).map_err(failed)?;
        let (mut end, mut count) = (high, TAIL_FIRST);
        while end > low {
            let begin = (end - count).max(low);
            let found = read_span(&client, topic, number, begin, end, &key).map_err(failed)?;
            match found {
                Span::Holds(value) => {
                    let (serial, record) = decode(&value, partition)?;
                    if newest.as_ref().is_none_or(|(before, _)| serial > *before) {
                        newest = Some((serial, record));
                    }
                    break;
                }
                Span::Forgotten => break,
                Span::Nothing => (end, count) = (begin, count * 8),
                Span::NotInTime => {
                    let message = format!("not done within {} s", READ_MAX.as_secs());
                    return Err(KafkaError::Transport { what: format!("reading progress topic {topic:?}"), message });
                }
            }
        }
    }
    Ok(newest.map(|(_, record)| record))
}

fn decode(value: &[u8], partition: &TopicPartition) -> Result<(u64, ProgressRecord), KafkaError> {
    let decoded = ProgressRecord::decode(value).and_then(|record| Ok((record.progress()?.serial, record)));
    decoded.map_err(|source| KafkaError::Progress { partition: partition.clone(), source })
}

/// What was found in a span of offsets.
enum Span {
    /// The value of the key's last record.
    Holds(Vec<u8>),
    /// The key's last record is a tombstone.
    Forgotten,
    /// Nothing of the key.
    Nothing,
    /// It was not read to its end.
    NotInTime,
}

/// Reads a span to its end.
fn read_span(
    client: &BaseConsumer<LogContext>,
    topic: &str,
    partition: i32,
    begin: i64,
    end: i64,
    key: &ProgressKey,
) -> Result<Span, Native> {
    let (key, deadline) = (key.encode(), Instant::now() + READ_MAX);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(begin))?;
    client.assign(&list)?;
    let mut span = Span::Nothing;
    while Instant::now() < deadline {
        match client.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                if message.offset() < end && message.key() == Some(key.as_bytes()) {
                    span = message.payload().map_or(Span::Forgotten, |value| Span::Holds(value.to_vec()));
                }
                if message.offset() + 1 >= end {
                    return Ok(span);
                }
            }
            // Control records take offsets and are never handed out.
            Some(Err(Native::PartitionEOF(number))) if number == partition => return Ok(span),
            Some(Err(Native::PartitionEOF(_))) => {}
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(crate::error::is_transport) => {}
            Some(Err(error)) => return Err(error),
        }
    }
    Ok(Span::NotInTime)
}
