//! A topic from a time on, up to where it ended when it was opened, transactions that were open then included: for commands
//! that work off what is there. It joins no
//! group and commits nothing.

use crate::batch::{Names, copy_record};
use crate::config::ClusterConfig;
use crate::context::LogContext;
use crate::eof::{self, EarlyEnds};
use crate::error::KafkaError;
use crate::raw;
use crate::reader::{ASK_TIMEOUT, Isolation, partitions, reading_to_the_end};
use crate::settled::{SETTLED_WITHIN, settled_marks};
use millrace_flow::record::Record;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as Native;
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// What comes out of a range.
#[derive(Debug)]
pub enum Step {
    /// The next record, in offset order within a partition.
    Record(Record),
    /// Nothing came within the wait.
    Nothing,
    /// Everything was read.
    End,
}

/// Reads the committed records of a range, all partitions.
pub struct RangeReader {
    client: BaseConsumer<LogContext>,
    topic: String,
    names: Names,
    /// The partitions that are not read to their end.
    left: BTreeMap<i32, Span>,
    early: EarlyEnds,
    offsets: u64,
    passed: u64,
}

/// What is left of a partition.
#[derive(Clone, Copy, Debug)]
struct Span {
    next: i64,
    end: i64,
}

impl RangeReader {
    /// Opens a topic at the first records of that time (in ms since 1970), or at the oldest, and notes where it ends now;
    /// transactions that are open are waited for.
    ///
    /// # Errors
    /// The topic does not exist, the cluster does not answer within 10 s, or a transaction stays open for 60 s.
    pub fn open(cluster: &ClusterConfig, topic: &str, since_ms: Option<i64>) -> Result<Self, KafkaError> {
        let opening = |error: Native| KafkaError::native(format!("opening topic {topic:?}"), &error);
        let (client, uncommitted) =
            (client(cluster, topic, Isolation::ReadCommitted)?, client(cluster, topic, Isolation::ReadUncommitted)?);
        let mut left = BTreeMap::new();
        for partition in partitions(&client, topic)? {
            let marks = settled_marks(&client, &uncommitted, topic, partition).map_err(opening)?;
            let (low, high) = marks.ok_or_else(|| KafkaError::Transport {
                what: format!("opening topic {topic:?}"),
                message: format!(
                    "a transaction has been open in partition {partition} for {} s",
                    SETTLED_WITHIN.as_secs()
                ),
            })?;
            left.insert(partition, Span { next: low, end: high });
        }
        if let Some(since_ms) = since_ms {
            begin_at(&client, topic, since_ms, &mut left).map_err(opening)?;
        }
        Self::begin(client, topic, left)
    }

    /// Opens these partitions of a topic, each at its own offsets.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn open_offsets(
        cluster: &ClusterConfig,
        topic: &str,
        offsets: &BTreeMap<i32, Range<i64>>,
    ) -> Result<Self, KafkaError> {
        let span = |(partition, range): (&i32, &Range<i64>)| (*partition, Span { next: range.start, end: range.end });
        Self::begin(client(cluster, topic, Isolation::ReadCommitted)?, topic, offsets.iter().map(span).collect())
    }

    fn begin(client: BaseConsumer<LogContext>, topic: &str, mut left: BTreeMap<i32, Span>) -> Result<Self, KafkaError> {
        let opening = |error: Native| KafkaError::native(format!("opening topic {topic:?}"), &error);
        left.retain(|_, span| span.next < span.end);
        let mut list = TopicPartitionList::new();
        for (partition, span) in &left {
            list.add_partition_offset(topic, *partition, Offset::Offset(span.next)).map_err(opening)?;
        }
        client.assign(&list).map_err(opening)?;
        let offsets = left.values().map(|span| span.end.abs_diff(span.next)).sum();
        let (topic, names, early) = (topic.to_owned(), Names::default(), EarlyEnds::default());
        Ok(Self { client, topic, names, left, early, offsets, passed: 0 })
    }

    /// How many offsets the range has, and how many of them were passed: for showing how far it is.
    pub fn position(&self) -> (u64, u64) {
        (self.passed, self.offsets)
    }

    /// The next record of the range.
    ///
    /// # Errors
    /// What librdkafka says while reading; what passes by itself is [`Step::Nothing`].
    pub fn next(&mut self, wait: Duration) -> Result<Step, KafkaError> {
        while !self.left.is_empty() {
            let polled = self.client.poll(wait);
            match polled.map(|message| message.map(|message| copy_record(&message, &mut self.names))) {
                None => return Ok(Step::Nothing),
                Some(Ok(record)) => {
                    if self.pass(record.source.partition, record.offset) {
                        return Ok(Step::Record(record));
                    }
                }
                Some(Err(Native::PartitionEOF(partition))) => match self.ends(partition) {
                    Ok(()) => {}
                    Err(error) if error.is_transient() => return Ok(Step::Nothing),
                    Err(error) => return Err(error),
                },
                Some(Err(error)) => {
                    let error = KafkaError::native(format!("reading topic {:?}", self.topic), &error);
                    return if error.is_transient() { Ok(Step::Nothing) } else { Err(error) };
                }
            }
        }
        Ok(Step::End)
    }

    /// Notes that an offset was reached. False: it is beyond the range.
    fn pass(&mut self, partition: i32, offset: i64) -> bool {
        let Some(span) = self.left.get_mut(&partition) else { return false };
        let is_within = offset < span.end;
        let next = (offset + 1).min(span.end);
        self.passed += next.abs_diff(span.next);
        span.next = next;
        if next == span.end {
            self.left.remove(&partition);
        }
        is_within
    }

    /// librdkafka says that a partition ends.
    fn ends(&mut self, partition: i32) -> Result<(), KafkaError> {
        let Some(Span { next, end }) = self.left.get(&partition).copied() else { return Ok(()) };
        if self.early.is_real(&self.client, eof::Span { topic: &self.topic, partition, begin: next, end })? {
            self.left.remove(&partition);
            self.passed += end.abs_diff(next);
        }
        Ok(())
    }
}

fn client(cluster: &ClusterConfig, topic: &str, isolation: Isolation) -> Result<BaseConsumer<LogContext>, KafkaError> {
    let client = reading_to_the_end(cluster, "millrace-range", isolation)?;
    client.map_err(|error| KafkaError::native(format!("opening topic {topic:?}"), &error))
}

/// Moves each beginning to the first record of a time. Where there is none, nothing is left.
fn begin_at(
    client: &BaseConsumer<LogContext>,
    topic: &str,
    since_ms: i64,
    left: &mut BTreeMap<i32, Span>,
) -> Result<(), Native> {
    let mut times = TopicPartitionList::new();
    for partition in left.keys() {
        times.add_partition_offset(topic, *partition, Offset::Offset(since_ms))?;
    }
    for entry in raw::entries(&client.offsets_for_times(times, ASK_TIMEOUT)?) {
        if let Some(code) = entry.error {
            return Err(Native::OffsetFetch(code));
        }
        if let Some(span) = left.get_mut(&entry.partition) {
            span.next = if entry.offset < 0 { span.end } else { entry.offset.max(span.next) };
        }
    }
    Ok(())
}
