//! How far a pipeline is in each partition that it reads, as commands see it from outside: what its group has committed,
//! and in exactly-once the record in its progress topic. Only [`truth`] knows which of the two counts.

use crate::config::{DeliveryConfig, PipelineConfig};
use anyhow::Context as _;
use bytes::Bytes;
use millrace_flow::progress::Progress;
use millrace_flow::progress_record::{ProgressKey, ProgressRecord};
use millrace_flow::record::TopicPartition;
use millrace_kafka::cluster::{Cluster, create_command};
use millrace_kafka::group::Group;
use millrace_kafka::newest::newest_values;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a cluster may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// See [`PATIENCE`].
const PATIENCE_MS: u64 = 60_000;
/// What the command for a missing topic allows for: the platform's largest messages.
const MESSAGE_BYTES: u64 = 10 * 1024 * 1024;

/// Where the progress of a pipeline is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// At-least-once: in what the group has committed.
    Group,
    /// Exactly-once: in the records of this topic of the output cluster.
    Records {
        /// The progress topic.
        topic: String,
    },
}

/// Where the progress of this pipeline is kept.
pub fn truth(config: &PipelineConfig) -> Truth {
    match &config.delivery {
        DeliveryConfig::AtLeastOnce => Truth::Group,
        DeliveryConfig::ExactlyOnce { progress_topic } => Truth::Records { topic: progress_topic.clone() },
    }
}

/// Which of the two says how far a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Neither: the pipeline has not begun with it.
    Nowhere,
    /// What the group has committed.
    Group,
    /// The progress record.
    Record,
}

impl Origin {
    /// The word for people and machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nowhere => "nowhere",
            Self::Group => "group",
            Self::Record => "progress record",
        }
    }
}

/// How far a pipeline is in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What the group has committed.
    pub group: Option<Progress>,
    /// What the progress record says.
    pub record: Option<Progress>,
}

impl Standing {
    /// What counts. The group's counts beside a record where it was written later, in a phase of at-least-once: its serial
    /// is the greater one.
    pub fn progress(&self) -> (Origin, Option<&Progress>) {
        match (&self.record, &self.group) {
            (Some(record), Some(group)) if group.serial > record.serial => (Origin::Group, Some(group)),
            (Some(record), _) => (Origin::Record, Some(record)),
            (None, Some(group)) => (Origin::Group, Some(group)),
            (None, None) => (Origin::Nowhere, None),
        }
    }
}

/// A pipeline and the clusters it reads and writes, for commands that look at both.
pub struct Place<'a> {
    /// The pipeline.
    pub pipeline: &'a PipelineConfig,
    /// Where its progress is kept.
    pub truth: Truth,
    /// The cluster that is read.
    pub input: Cluster,
    /// Its id.
    pub cluster_id: String,
    /// The partitions that are read, those of the reprocess topic included.
    pub partitions: Vec<TopicPartition>,
}

impl<'a> Place<'a> {
    /// Connects, and finds the partitions.
    ///
    /// # Errors
    /// The pipeline has no Kafka, the cluster is out of reach, or a topic is missing.
    pub fn find(pipeline: &'a PipelineConfig, truth: Truth) -> anyhow::Result<Self> {
        if pipeline.brokerless.is_some() {
            anyhow::bail!("the pipeline `{}` reads and writes without Kafka, and this is about Kafka", pipeline.name);
        }
        let input = Cluster::connect(&pipeline.cluster)?;
        let cluster_id = input.id(PATIENCE_MS).context("the cluster cannot be reached")?;
        let mut partitions = Vec::new();
        for name in pipeline.consumed() {
            let topic = input.topic(name, PATIENCE_MS)?.with_context(|| {
                let command = create_command(&pipeline.cluster.brokers, name, 1, MESSAGE_BYTES);
                format!("topic {name} does not exist; create it with: {command}")
            })?;
            let count = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
            partitions.extend((0..count).map(|partition| TopicPartition::new(name, partition)));
        }
        Ok(Self { pipeline, truth, input, cluster_id, partitions })
    }

    /// The pipeline's group.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn group(&self) -> anyhow::Result<Group> {
        Ok(Group::open(&self.pipeline.cluster, &self.pipeline.group, PATIENCE)?)
    }

    /// The key of a partition's progress record.
    pub fn key(&self, partition: &TopicPartition) -> ProgressKey {
        ProgressKey {
            pipeline: self.pipeline.name.clone(),
            cluster_id: self.cluster_id.clone(),
            partition: partition.clone(),
        }
    }

    /// The `transactional.id` of whoever owns a partition.
    pub fn transactional_id(&self, partition: &TopicPartition) -> String {
        self.key(self.pipeline.sharding().shard_of(partition).place()).transactional_id()
    }

    /// The places of the shards that its partitions are of.
    pub fn shards(&self) -> BTreeSet<TopicPartition> {
        let sharding = self.pipeline.sharding();
        self.partitions.iter().map(|partition| sharding.shard_of(partition).place().clone()).collect()
    }

    /// The oldest offset of a partition and the one after its newest.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn log(&self, partition: &TopicPartition) -> anyhow::Result<(i64, i64)> {
        Ok(self.input.offsets(&partition.topic, partition.partition, PATIENCE_MS)?)
    }

    /// The first offset at a time or after it; where there is none yet, the end.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn at_time(&self, partition: &TopicPartition, time_ms: i64) -> anyhow::Result<i64> {
        let found = self.input.offset_at(&partition.topic, partition.partition, time_ms, PATIENCE_MS)?;
        found.map_or_else(|| Ok(self.log(partition)?.1), Ok)
    }

    /// How far the pipeline is now; an entry for each of its partitions.
    ///
    /// # Errors
    /// A cluster does not answer, or what is kept cannot be read: then it says which partition, and what to do.
    pub fn standings(&self) -> anyhow::Result<BTreeMap<TopicPartition, Standing>> {
        let mut standings = BTreeMap::new();
        for (partition, committed) in self.group()?.committed(&self.partitions)? {
            let decoded = committed.offset.map(|offset| Progress::decode(offset, &committed.metadata)).transpose();
            let group = decoded.with_context(|| {
                format!("what the group `{}` has committed for {partition} cannot be read", self.pipeline.group)
            })?;
            standings.insert(partition, Standing { group, record: None });
        }
        if let Truth::Records { topic } = &self.truth {
            self.read_records(topic, &mut standings)?;
        }
        Ok(standings)
    }

    fn read_records(&self, topic: &str, standings: &mut BTreeMap<TopicPartition, Standing>) -> anyhow::Result<()> {
        let key = |partition: &TopicPartition| Bytes::from(self.key(partition).encode());
        let keys: BTreeSet<Bytes> = self.partitions.iter().map(key).collect();
        let values = newest_values(&self.pipeline.output_cluster, topic, &keys, PATIENCE)?;
        for (partition, standing) in standings {
            let unread = || format!("the newest progress record of {partition} in topic {topic} cannot be read");
            for value in values.get(&key(partition)).into_iter().flatten() {
                let read = ProgressRecord::decode(value).and_then(|record| record.progress()).with_context(unread)?;
                if standing.record.as_ref().is_none_or(|record| record.serial < read.serial) {
                    standing.record = Some(read);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(group: Option<u64>, record: Option<u64>, expected: (Origin, Option<u64>)) {
        let progress = |serial: Option<u64>| serial.map(|serial| Progress { serial, ..Progress::at(5) });
        let standing = Standing { group: progress(group), record: progress(record) };
        let (origin, found) = standing.progress();
        assert_eq!((origin, found.map(|progress| progress.serial)), expected);
    }

    #[test]
    fn the_record_counts_unless_the_group_was_written_later() {
        check(None, None, (Origin::Nowhere, None));
        check(Some(3), None, (Origin::Group, Some(3)));
        check(None, Some(3), (Origin::Record, Some(3)));
        check(Some(3), Some(3), (Origin::Record, Some(3)));
        check(Some(2), Some(3), (Origin::Record, Some(3)));
        check(Some(4), Some(3), (Origin::Group, Some(4)));
    }
}
