//! Reads part of some topics without a group: from a place or a time on, up to what is there now or for ever. Nothing is
//! committed and nobody's progress is touched.

use crate::batch::{Names, copy_record};
use crate::config::ClusterConfig;
use crate::context::LogContext;
use crate::error::KafkaError;
use crate::raw;
use crate::reader::{ASK_TIMEOUT, partitions, reading};
use crate::watermarks::watermarks;
use millrace_flow::record::Record;
use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as Native;
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a scan begins, in every partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanStart {
    /// The oldest record.
    Oldest,
    /// What is written from now on.
    Newest,
    /// The first record whose timestamp is this or later, in milliseconds.
    Time(i64),
}

/// Where a scan ends, in every partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanEnd {
    /// Behind what is there when it begins.
    Now,
    /// Before the first record whose timestamp is this or later, in milliseconds; else behind what is there.
    Time(i64),
    /// Never.
    Never,
}

/// What comes next of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// A record, in offset order within a partition.
    Record(Record),
    /// Nothing just now.
    Nothing,
    /// Nothing any more.
    End,
}

/// Reads a range of topics.
pub struct Scan {
    topics: Vec<TopicScan>,
    /// Whose turn it is: a long topic does not keep the others waiting.
    turn: usize,
}

/// Reads a range of one topic. Each has a client of its own, because librdkafka's binding says of an end which partition
/// it belongs to, and not which topic.
struct TopicScan {
    client: BaseConsumer<LogContext>,
    topic: String,
    names: Names,
    /// Where the partitions end that are not read to their end; none for one that never ends.
    open: BTreeMap<i32, Option<i64>>,
}

impl Scan {
    /// Finds where the range begins and ends in each partition of `topics`.
    ///
    /// # Errors
    /// A topic does not exist, or the cluster does not answer within 10 s.
    pub fn open(
        cluster: &ClusterConfig,
        topics: &[String],
        start: ScanStart,
        end: ScanEnd,
    ) -> Result<Self, KafkaError> {
        let topics =
            topics.iter().map(|topic| TopicScan::open(cluster, topic, start, end)).collect::<Result<_, _>>()?;
        Ok(Self { topics, turn: 0 })
    }

    /// The next record of any partition, waiting for it as long as `patience`.
    ///
    /// # Errors
    /// What librdkafka says while reading; what passes by itself is waited for.
    pub fn next(&mut self, patience: Duration) -> Result<Scanned, KafkaError> {
        self.topics.retain(|topic| !topic.open.is_empty());
        let count = self.topics.len();
        let wait = patience / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        for patience in [Duration::ZERO, wait] {
            for _ in 0..count {
                self.turn = (self.turn + 1) % count;
                let Some(topic) = self.topics.get_mut(self.turn) else { continue };
                if let Some(record) = topic.next(patience)? {
                    return Ok(Scanned::Record(record));
                }
            }
        }
        let is_over = self.topics.iter().all(|topic| topic.open.is_empty());
        Ok(if is_over { Scanned::End } else { Scanned::Nothing })
    }
}

impl TopicScan {
    fn open(cluster: &ClusterConfig, topic: &str, start: ScanStart, end: ScanEnd) -> Result<Self, KafkaError> {
        let failed = |error: Native| KafkaError::native(format!("reading topic {topic:?}"), &error);
        let mut config = reading(cluster, "millrace-scan")?;
        // Records that are deleted while they are read are passed over: nobody's progress hangs on them.
        config.set("auto.offset.reset", "earliest").set("isolation.level", "read_committed");
        config.set("enable.partition.eof", "true");
        let client = BaseConsumer::from_config_and_context(&config, LogContext);
        let client: BaseConsumer<LogContext> = client.map_err(failed)?;
        let mut marks = BTreeMap::new();
        for partition in partitions(&client, topic)? {
            marks.insert(partition, watermarks(&client, topic, partition, ASK_TIMEOUT).map_err(failed)?);
        }
        let from = match start {
            ScanStart::Oldest => marks.iter().map(|(partition, (low, _))| (*partition, *low)).collect(),
            ScanStart::Newest => marks.iter().map(|(partition, (_, high))| (*partition, *high)).collect(),
            ScanStart::Time(time) => at(&client, topic, time, &marks).map_err(failed)?,
        };
        let to: BTreeMap<i32, Option<i64>> = match end {
            ScanEnd::Never => marks.keys().map(|partition| (*partition, None)).collect(),
            ScanEnd::Now => marks.iter().map(|(partition, (_, high))| (*partition, Some(*high))).collect(),
            ScanEnd::Time(time) => {
                let found = at(&client, topic, time, &marks).map_err(failed)?;
                found.into_iter().map(|(partition, offset)| (partition, Some(offset))).collect()
            }
        };
        let (mut open, mut list) = (BTreeMap::new(), TopicPartitionList::new());
        for (partition, to) in to {
            let from = from.get(&partition).copied().unwrap_or(0);
            if to.is_none_or(|to| from < to) {
                open.insert(partition, to);
                list.add_partition_offset(topic, partition, Offset::Offset(from)).map_err(failed)?;
            }
        }
        client.assign(&list).map_err(failed)?;
        Ok(Self { client, topic: topic.to_owned(), names: Names::default(), open })
    }

    /// The next record; none when none comes in time, or none at all.
    fn next(&mut self, patience: Duration) -> Result<Option<Record>, KafkaError> {
        while !self.open.is_empty() {
            match self.client.poll(patience) {
                None => break,
                Some(Ok(message)) => {
                    let record = copy_record(&message, &mut self.names);
                    if let Some(record) = self.within(record) {
                        return Ok(Some(record));
                    }
                }
                // Control records take offsets and are never handed out, so the end is also where librdkafka says it is.
                Some(Err(Native::PartitionEOF(partition))) => {
                    if self.open.get(&partition).is_some_and(Option::is_some) {
                        self.open.remove(&partition);
                    }
                }
                Some(Err(error)) => {
                    let error = KafkaError::native(format!("reading topic {:?}", self.topic), &error);
                    return if error.is_transient() { Ok(None) } else { Err(error) };
                }
            }
        }
        Ok(None)
    }

    /// The record, if it is before the end of its partition; notes when that is reached.
    fn within(&mut self, record: Record) -> Option<Record> {
        let end = *self.open.get(&record.source.partition)?;
        if end.is_some_and(|end| record.offset + 1 >= end) {
            self.open.remove(&record.source.partition);
        }
        end.is_none_or(|end| record.offset < end).then_some(record)
    }
}

/// The first offset of each partition at or after a time; its end where there is none.
fn at(
    client: &BaseConsumer<LogContext>,
    topic: &str,
    time: i64,
    marks: &BTreeMap<i32, (i64, i64)>,
) -> Result<BTreeMap<i32, i64>, Native> {
    let mut asked = TopicPartitionList::new();
    for partition in marks.keys() {
        // A time before 1970 would be one of librdkafka's names for a place.
        asked.add_partition_offset(topic, *partition, Offset::Offset(time.max(0)))?;
    }
    let mut found: BTreeMap<i32, i64> = marks.iter().map(|(partition, (_, high))| (*partition, *high)).collect();
    for entry in raw::entries(&client.offsets_for_times(asked, ASK_TIMEOUT)?) {
        if let Some(code) = entry.error {
            return Err(Native::OffsetFetch(code));
        }
        if let Some(offset) = found.get_mut(&entry.partition).filter(|_| entry.offset >= 0) {
            *offset = entry.offset.min(*offset);
        }
    }
    Ok(found)
}
