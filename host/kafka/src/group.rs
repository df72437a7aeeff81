//! A consumer group from outside: who is in it, what it has committed, and committing for it while nobody is in it. For
//! commands; a pipeline commits through [`crate::consumer`].

use crate::commit::{PartitionProgress, commit_now};
use crate::config::ClusterConfig;
use crate::consumer::CommittedProgress;
use crate::context::LogContext;
use crate::error::KafkaError;
use crate::raw;
use crate::reader::reading;
use millrace_flow::record::TopicPartition;
use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use std::collections::BTreeMap;
use std::time::Duration;

/// Why nothing, or not everything, was committed for a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupCommitError {
    /// Somebody is in the group, and only members may commit then.
    #[error("the group {group:?} has members")]
    InUse {
        /// The group.
        group: String,
    },
    /// Kafka did not take it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// A consumer group, looked at by somebody who is not in it.
pub struct Group {
    client: BaseConsumer<LogContext>,
    name: String,
    timeout: Duration,
}

impl Group {
    /// Makes a client; nothing is asked yet. Each question may take `timeout`.
    ///
    /// # Errors
    /// Settings that librdkafka refuses, or an unreadable secret.
    pub fn open(cluster: &ClusterConfig, name: &str, timeout: Duration) -> Result<Self, KafkaError> {
        let client = BaseConsumer::from_config_and_context(&reading(cluster, name)?, LogContext);
        let client = client.map_err(|error| KafkaError::native(format!("looking at group {name:?}"), &error))?;
        Ok(Self { client, name: name.to_owned(), timeout })
    }

    /// The members by their client ids and hosts; empty where nobody is in the group, or there is no such group.
    ///
    /// # Errors
    /// The coordinator does not answer in time.
    pub fn members(&self) -> Result<Vec<String>, KafkaError> {
        let listed = self.client.client().fetch_group_list(Some(&self.name), self.timeout);
        let listed = listed.map_err(|error| self.native("asking for the members of", &error))?;
        let of_group = listed.groups().iter().filter(|group| group.name() == self.name);
        let members = of_group.flat_map(|group| group.members());
        Ok(members.map(|member| format!("{} at {}", member.client_id(), member.client_host())).collect())
    }

    /// What is committed for these partitions; an entry for each.
    ///
    /// # Errors
    /// The coordinator does not answer in time.
    pub fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, CommittedProgress>, KafkaError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&partition.topic, partition.partition);
        }
        let answered = self.client.committed_offsets(list, self.timeout);
        let list = answered.map_err(|error| self.native("reading the offsets of", &error))?;
        let entries = raw::entries(&list).into_iter().map(|entry| {
            if let Some(code) = entry.error {
                let what = format!("reading the offset of {}/{}", entry.topic, entry.partition);
                return Err(KafkaError::code(what, code, None));
            }
            let offset = (entry.offset >= 0).then_some(entry.offset);
            let progress = CommittedProgress { offset, metadata: entry.metadata };
            Ok((TopicPartition::new(entry.topic, entry.partition), progress))
        });
        entries.collect()
    }

    /// Commits for the group. The coordinator takes it only while nobody is in the group.
    ///
    /// # Errors
    /// Somebody is in the group, or the coordinator refuses for another reason. Some partitions may have been committed
    /// where there are several; one alone is committed or is not.
    pub fn commit(&self, progress: &[PartitionProgress]) -> Result<(), GroupCommitError> {
        let committed = commit_now(self.client.client(), progress.iter());
        let entries = committed.map_err(|code| self.refused(code, ""))?;
        match entries.into_iter().find_map(|entry| Some((entry.error?, entry.topic, entry.partition))) {
            Some((code, topic, partition)) => Err(self.refused(code, &format!("{topic}/{partition} "))),
            None => Ok(()),
        }
    }

    fn refused(&self, code: Code, what: &str) -> GroupCommitError {
        match code {
            Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress => {
                GroupCommitError::InUse { group: self.name.clone() }
            }
            _ => KafkaError::code(format!("committing {what}for group {:?}", self.name), code, None).into(),
        }
    }

    fn native(&self, what: &str, error: &Native) -> KafkaError {
        KafkaError::native(format!("{what} group {:?}", self.name), error)
    }
}
