//! Reads the progress that was written last for some partitions: from the end of the progress topic backwards, because what
//! was written last lies there, however long the topic is.

use super::TransactionsConfig;
use crate::context::LogContext;
use crate::eof::{EarlyEnds, Span};
use crate::error::KafkaError;
use crate::raw;
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
use std::time::{Duration, Instant};

/// How many offsets are read first; eight times as many each time that nothing is found among them.
const TAIL_FIRST: i64 = 500;

/// How long nothing may come before reading is begun anew: longer than a transaction that nobody ends stays open.
const STANDSTILL_MAX: Duration = Duration::from_secs(60);

/// The committed progress of these partitions, as far as any was ever written. To be read by their owner, behind the fence:
/// before it, the former owner may still write.
///
/// # Errors
/// The topic does not exist or cannot be read, or what is there was written by a newer Millrace.
pub(super) fn read<'a>(
    config: &TransactionsConfig,
    wanted: impl IntoIterator<Item = &'a TopicPartition>,
) -> Result<ShardProgress, KafkaError> {
    let keys: Keys = wanted.into_iter().map(|partition| (config.key(partition).encode(), partition.clone())).collect();
    let topic = ProgressTopic::open(config)?;
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let lying = |keys: &Keys, is_there: &dyn Fn(i32) -> bool| -> Keys {
        let mut there = keys.clone();
        there.retain(|key, _| is_there(raw::partition_of(key.as_bytes(), count)));
        there
    };
    let mut newest = BTreeMap::new();
    // Where a key lies now, or nowhere yet.
    let mut elsewhere = Keys::new();
    for number in &topic.partitions {
        elsewhere.extend(topic.find(*number, lying(&keys, &|place| place == *number), &mut newest)?);
    }
    // Where it lay before the topic got more partitions: nothing of it was written since.
    for number in &topic.partitions {
        topic.find(*number, lying(&elsewhere, &|place| place != *number), &mut newest)?;
    }
    Ok(newest.into_iter().map(|(partition, (_, record))| (partition, record)).collect())
}

/// The topic of progress records, to be read.
struct ProgressTopic<'a> {
    name: &'a str,
    client: BaseConsumer<LogContext>,
    uncommitted: BaseConsumer<LogContext>,
    partitions: Vec<i32>,
}

/// The progress of the greatest serial that was found of each partition.
type Newest = BTreeMap<TopicPartition, (u64, ProgressRecord)>;

impl<'a> ProgressTopic<'a> {
    fn open(config: &'a TransactionsConfig) -> Result<Self, KafkaError> {
        let name = &*config.progress_topic;
        let failed = |error: Native| KafkaError::native(reading(name), &error);
        let open = |isolation| reading_to_the_end(config.cluster(), "millrace-progress", isolation)?.map_err(failed);
        let (client, uncommitted) = (open(Isolation::ReadCommitted)?, open(Isolation::ReadUncommitted)?);
        let partitions = partitions(&client, name)?;
        Ok(Self { name, client, uncommitted, partitions })
    }

    /// Finds the last records of these keys in one partition, from its end backwards. Returns the keys of which none is there.
    fn find(&self, number: i32, mut missing: Keys, newest: &mut Newest) -> Result<Keys, KafkaError> {
        if missing.is_empty() {
            return Ok(missing);
        }
        let failed = |error: Native| KafkaError::native(reading(self.name), &error);
        // The open transaction of a neighbour would hide what our shard's last owner has committed.
        let marks = settled_marks(&self.client, &self.uncommitted, self.name, number).map_err(failed)?;
        let (low, high) = marks.ok_or_else(|| late(self.name))?;
        let (mut end, mut count) = (high, TAIL_FIRST);
        while end > low && !missing.is_empty() {
            let begin = (end - count).max(low);
            let span = Span { topic: self.name, partition: number, begin, end };
            for (key, value) in read_span(&self.client, span, &missing)? {
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
        Ok(missing)
    }
}

fn reading(topic: &str) -> String {
    format!("reading progress topic {topic:?}")
}

fn late(topic: &str) -> KafkaError {
    let message = format!("nothing came for {} s", STANDSTILL_MAX.as_secs());
    KafkaError::Transport { what: reading(topic), message }
}

/// Whose records are looked for, by their key.
type Keys = BTreeMap<String, TopicPartition>;

fn decode(value: &[u8], partition: &TopicPartition) -> Result<(u64, ProgressRecord), KafkaError> {
    let decoded = ProgressRecord::decode(value).and_then(|record| Ok((record.progress()?.serial, record)));
    decoded.map_err(|source| KafkaError::Progress { partition: partition.clone(), source })
}

/// The values of the last records of keys in a span of offsets; none of a tombstone.
type Found = BTreeMap<String, Option<Vec<u8>>>;

/// Reads a span to its end.
fn read_span(client: &BaseConsumer<LogContext>, span: Span<'_>, keys: &Keys) -> Result<Found, KafkaError> {
    let Span { topic, partition, begin, end } = span;
    let failed = |error: Native| KafkaError::native(reading(topic), &error);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(begin)).map_err(failed)?;
    client.assign(&list).map_err(failed)?;
    let (mut found, mut ends, mut came) = (Found::new(), EarlyEnds::default(), Instant::now());
    while came.elapsed() < STANDSTILL_MAX {
        match client.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                came = Instant::now();
                let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
                if let Some((key, _)) = key.and_then(|key| keys.get_key_value(key))
                    && message.offset() < end
                {
                    found.insert(key.clone(), message.payload().map(<[u8]>::to_vec));
                }
                if message.offset() + 1 >= end {
                    return Ok(found);
                }
            }
            Some(Err(Native::PartitionEOF(number))) if number != partition || !ends.is_real(client, span)? => {}
            Some(Err(Native::PartitionEOF(_))) => return Ok(found),
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(crate::error::is_transport) => {}
            Some(Err(error)) => return Err(failed(error)),
        }
    }
    Err(late(topic))
}
