//! A tool for tests, the demo and benches: reads a topic from its beginning, and the committed offsets of a group.
//! It never joins a group. Pipelines read through [`crate::consumer`].

use crate::batch::{Names, copy_record};
use crate::config::ClusterConfig;
use crate::consumer::CommittedProgress;
use crate::context::LogContext;
use crate::error::KafkaError;
use crate::raw;
use crate::watermarks::watermarks;
use millrace_flow::record::{Record, TopicPartition};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as Native;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long one question to the brokers may take.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether records of open and aborted transactions are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Only what is committed.
    ReadCommitted,
    /// Everything.
    ReadUncommitted,
}

/// Reads a topic from the beginning, all partitions.
pub struct TopicReader {
    client: BaseConsumer<LogContext>,
    topic: String,
    names: Names,
    /// The partitions that were not read to the end at the time of opening, with that end.
    ends: BTreeMap<i32, i64>,
}

impl TopicReader {
    /// Opens a topic at its oldest records and notes where it ends now.
    ///
    /// # Errors
    /// The topic does not exist, or the cluster does not answer within 10 s.
    pub fn open(cluster: &ClusterConfig, topic: &str, isolation: Isolation) -> Result<Self, KafkaError> {
        let opening = |error: Native| KafkaError::native(format!("opening topic {topic:?}"), &error);
        let client = reading_to_the_end(cluster, "millrace-reader", isolation)?.map_err(opening)?;
        let mut list = TopicPartitionList::new();
        let mut ends = BTreeMap::new();
        for partition in partitions(&client, topic)? {
            let (low, high) = watermarks(&client, topic, partition, ASK_TIMEOUT).map_err(opening)?;
            list.add_partition_offset(topic, partition, Offset::Beginning).map_err(opening)?;
            if low < high {
                ends.insert(partition, high);
            }
        }
        client.assign(&list).map_err(opening)?;
        Ok(Self { client, topic: topic.to_owned(), names: Names::default(), ends })
    }

    /// The next record of any partition; none when none comes within `deadline_ms`.
    ///
    /// # Errors
    /// What librdkafka says while reading; what passes by itself is waited for.
    pub fn next(&mut self, deadline_ms: u64) -> Result<Option<Record>, KafkaError> {
        let deadline = Instant::now() + Duration::from_millis(deadline_ms);
        loop {
            match self.client.poll(deadline.saturating_duration_since(Instant::now())) {
                Some(Ok(message)) => {
                    let record = copy_record(&message, &mut self.names);
                    let end = self.ends.get(&record.source.partition);
                    if end.is_some_and(|end| record.offset + 1 >= *end) {
                        self.ends.remove(&record.source.partition);
                    }
                    return Ok(Some(record));
                }
                // Control records take offsets and are never handed out, so the end is also where librdkafka says it is.
                Some(Err(Native::PartitionEOF(partition))) => {
                    self.ends.remove(&partition);
                    if self.ends.is_empty() && deadline_ms == 0 {
                        return Ok(None);
                    }
                }
                Some(Err(error)) => {
                    let error = KafkaError::native(format!("reading topic {:?}", self.topic), &error);
                    if !error.is_transient() {
                        return Err(error);
                    }
                }
                None => {}
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    /// Reads `count` records, or what comes within `deadline_ms`.
    ///
    /// # Errors
    /// As [`TopicReader::next`].
    pub fn take(&mut self, count: usize, deadline_ms: u64) -> Result<Vec<Record>, KafkaError> {
        let deadline = Instant::now() + Duration::from_millis(deadline_ms);
        let mut records = Vec::with_capacity(count.min(100_000));
        while records.len() < count && Instant::now() < deadline {
            let left_ms = deadline.saturating_duration_since(Instant::now()).as_millis();
            records.extend(self.next(u64::try_from(left_ms).unwrap_or(u64::MAX))?);
        }
        Ok(records)
    }

    /// Reads what was in the topic when it was opened, at most for `deadline_ms`.
    ///
    /// # Errors
    /// As [`TopicReader::next`], and when the deadline passes before the end.
    pub fn take_all(&mut self, deadline_ms: u64) -> Result<Vec<Record>, KafkaError> {
        let deadline = Instant::now() + Duration::from_millis(deadline_ms);
        let mut records = Vec::new();
        while !self.ends.is_empty() {
            if Instant::now() >= deadline {
                let what = format!("reading topic {:?} to its end", self.topic);
                return Err(KafkaError::Transport { what, message: format!("not done within {deadline_ms} ms") });
            }
            records.extend(self.next(STEP_MS)?);
        }
        Ok(records)
    }
}

/// How long [`TopicReader::take_all`] waits for a record before it looks again whether the end was reached.
const STEP_MS: u64 = 20;

/// What `group` has committed for all partitions of `topic`, by partition.
///
/// # Errors
/// The topic does not exist, or the coordinator does not answer within 10 s.
pub fn committed(
    cluster: &ClusterConfig,
    group: &str,
    topic: &str,
) -> Result<BTreeMap<TopicPartition, CommittedProgress>, KafkaError> {
    GroupReader::open(cluster, group, topic)?.committed(ASK_TIMEOUT)
}

/// Reads what a group has committed for a topic, as often as it is asked.
pub struct GroupReader {
    client: BaseConsumer<LogContext>,
    group: String,
    list: TopicPartitionList,
}

impl GroupReader {
    /// Finds the partitions of `topic`.
    ///
    /// # Errors
    /// The topic does not exist, or the cluster does not answer within 10 s.
    pub fn open(cluster: &ClusterConfig, group: &str, topic: &str) -> Result<Self, KafkaError> {
        let client = BaseConsumer::from_config_and_context(&reading(cluster, group)?, LogContext);
        let client: BaseConsumer<LogContext> = client.map_err(|error| asking(group, &error))?;
        let mut list = TopicPartitionList::new();
        for partition in partitions(&client, topic)? {
            list.add_partition(topic, partition);
        }
        Ok(Self { client, group: group.to_owned(), list })
    }

    /// What is committed now, by partition.
    ///
    /// # Errors
    /// The coordinator does not answer within `timeout`.
    pub fn committed(&self, timeout: Duration) -> Result<BTreeMap<TopicPartition, CommittedProgress>, KafkaError> {
        let answered = self.client.committed_offsets(self.list.clone(), timeout);
        let list = answered.map_err(|error| asking(&self.group, &error))?;
        let entries = raw::entries(&list).into_iter().map(|entry| {
            let offset = (entry.offset >= 0).then_some(entry.offset);
            (TopicPartition::new(entry.topic, entry.partition), CommittedProgress { offset, metadata: entry.metadata })
        });
        Ok(entries.collect())
    }

    /// Whether the group has nothing to rebalance now: while it does, it takes no commits.
    ///
    /// # Errors
    /// As [`GroupReader::committed`].
    pub fn is_stable(&self, timeout: Duration) -> Result<bool, KafkaError> {
        let answered = self.client.client().fetch_group_list(Some(&self.group), timeout);
        let list = answered.map_err(|error| asking(&self.group, &error))?;
        Ok(list.groups().iter().all(|group| group.name() != self.group || group.state() == "Stable"))
    }
}

fn asking(group: &str, error: &Native) -> KafkaError {
    KafkaError::native(format!("reading the offsets of group {group:?}"), error)
}

/// The settings of a client that reads without a group's rebalances.
pub(crate) fn reading(cluster: &ClusterConfig, group: &str) -> Result<ClientConfig, KafkaError> {
    let mut config = cluster.render()?;
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("fetch.wait.max.ms", "20")
        .set("fetch.queue.backoff.ms", "5");
    cluster.apply_overrides(&mut config)?;
    Ok(config)
}

/// A client that reads topics and says where they end now. Whoever opens it says what for, where librdkafka refuses.
pub(crate) fn reading_to_the_end(
    cluster: &ClusterConfig,
    group: &str,
    isolation: Isolation,
) -> Result<Result<BaseConsumer<LogContext>, Native>, KafkaError> {
    let mut config = reading(cluster, group)?;
    let level = match isolation {
        Isolation::ReadCommitted => "read_committed",
        Isolation::ReadUncommitted => "read_uncommitted",
    };
    config.set("isolation.level", level).set("enable.partition.eof", "true");
    // A replica that is nearer than the leader may lag behind it, and end before its end.
    config.set("client.rack", "");
    Ok(BaseConsumer::from_config_and_context(&config, LogContext))
}

/// The partitions of a topic.
pub(crate) fn partitions(client: &BaseConsumer<LogContext>, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let what = || format!("reading topic {topic:?}");
    let metadata =
        client.fetch_metadata(Some(topic), ASK_TIMEOUT).map_err(|error| KafkaError::native(what(), &error))?;
    let partitions: Vec<i32> =
        metadata.topics().iter().flat_map(|topic| topic.partitions()).map(|partition| partition.id()).collect();
    if partitions.is_empty() { Err(KafkaError::TopicMissing { what: what() }) } else { Ok(partitions) }
}
