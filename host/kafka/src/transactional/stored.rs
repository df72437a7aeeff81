//! Reads the progress that was written last for some partitions: from the end of the progress topic backwards, because what
//! was written last lies there, however long the topic is.

use super::TransactionsConfig;
use crate::context::LogContext;
use crate::error::KafkaError;
use crate::reader::{Isolation, partitions, reading_to_the_end};
use crate::settled::settled_marks;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::TopicPartition;
use millrace_flow::transactions::ShardProgress;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as Native;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{Message as _, TopicPartitionList};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How many offsets are read first; eight times as many each time that nothing is found among them.
const TAIL_FIRST: i64 = 500;

/// How long reading may take before it is begun anew: longer than a transaction that nobody ends stays open.
const READ_MAX: Duration = Duration::from_secs(60);

/// The committed progress of these partitions, as far as any was ever written. To be read by their owner, behind the fence:
/// before it, the former owner may still write.
///
/// # Errors
/// The topic does not exist or cannot be read in time, or what is there was written by a newer Millrace.
pub(super) fn read<'a>(
    config: &TransactionsConfig,
    wanted: impl IntoIterator<Item = &'a TopicPartition>,
) -> Result<ShardProgress, KafkaError> {
    let topic = &*config.progress_topic;
    let keys: Keys = wanted.into_iter().map(|partition| (config.key(partition).encode(), partition.clone())).collect();
    let failed = |error: Native| KafkaError::native(format!("reading progress topic {topic:?}"), &error);
    let open = |isolation| reading_to_the_end(config.cluster(), "millrace-progress", isolation)?.map_err(failed);
    let (client, uncommitted) = (open(Isolation::ReadCommitted)?, open(Isolation::ReadUncommitted)?);
    let late = || KafkaError::Transport {
        what: format!("reading progress topic {topic:?}"),
        message: format!("not done within {} s", READ_MAX.as_secs()),
    };
    // Where a key lies is the partitioner's business, and changes when the topic gets more partitions.
    let mut newest: BTreeMap<TopicPartition, (u64, ProgressRecord)> = BTreeMap::new();
    for number in partitions(&client, topic)? {
        // The open transaction of a neighbour would hide what our shard's last owner has committed.
        let (low, high) = settled_marks(&client, &uncommitted, topic, number).map_err(failed)?.ok_or_else(late)?;
        let (mut end, mut count, mut missing) = (high, TAIL_FIRST, keys.clone());
        while end > low && !missing.is_empty() {
            let begin = (end - count).max(low);
            let span = read_span(&client, topic, number, begin..end, &missing).map_err(failed)?.ok_or_else(late)?;
            for (key, value) in span {
                let Some(partition) = missing.remove(&key) else { continue };
                // The key's last record may be a tombstone: it was forgotten.
                let Some(value) = value else { continue };
                let found = decode(&value, &partition)?;
                if newest.get(&partition).is_none_or(|(before, _)| found.0 > *before) {
                    newest.insert(partition, found);
                }
            }
            (end, count) = (begin, count * 8);
        }
    }
    Ok(newest.into_iter().map(|(partition, (_, record))| (partition, record)).collect())
}

/// Whose records are looked for, by their key.
type Keys = BTreeMap<String, TopicPartition>;

fn decode(value: &[u8], partition: &TopicPartition) -> Result<(u64, ProgressRecord), KafkaError> {
    let decoded = ProgressRecord::decode(value).and_then(|record| Ok((record.progress()?.serial, record)));
    decoded.map_err(|source| KafkaError::Progress { partition: partition.clone(), source })
}

/// The values of the last records of keys in a span of offsets; none of a tombstone.
type Span = BTreeMap<String, Option<Vec<u8>>>;

/// Reads a span to its end. None: not in time.
fn read_span(
    client: &BaseConsumer<LogContext>,
    topic: &str,
    partition: i32,
    offsets: Range<i64>,
    keys: &Keys,
) -> Result<Option<Span>, Native> {
    let deadline = Instant::now() + READ_MAX;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offsets.start))?;
    client.assign(&list)?;
    let mut span = Span::new();
    while Instant::now() < deadline {
        match client.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
                if let Some((key, _)) = key.and_then(|key| keys.get_key_value(key))
                    && message.offset() < offsets.end
                {
                    span.insert(key.clone(), message.payload().map(<[u8]>::to_vec));
                }
                if message.offset() + 1 >= offsets.end {
                    return Ok(Some(span));
                }
            }
            // Control records take offsets and are never handed out.
            Some(Err(Native::PartitionEOF(number))) if number == partition => return Ok(Some(span)),
            Some(Err(Native::PartitionEOF(_))) => {}
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(crate::error::is_transport) => {}
            Some(Err(error)) => return Err(error),
        }
    }
    Ok(None)
}
