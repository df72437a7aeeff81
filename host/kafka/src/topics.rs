//! A tool for tests and the demo: makes and removes topics. A host never does either: topics belong to people.

use crate::cluster::Cluster;
use crate::error::KafkaError;
use crate::wake;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use std::time::Duration;

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: u16,
    /// How many replicas of each.
    pub replicas: u16,
    /// Settings, as the broker calls them.
    pub settings: Vec<(String, String)>,
}

impl TopicPlan {
    /// A topic with one replica and the broker's settings.
    pub fn new(name: impl Into<String>, partitions: u16) -> Self {
        Self { name: name.into(), partitions, replicas: 1, settings: Vec::new() }
    }
}

/// Makes topics and waits until they can be used. A topic that exists is left as it is.
///
/// # Errors
/// The cluster refuses, or does not answer within `deadline_ms`.
pub fn create(cluster: &Cluster, plans: &[TopicPlan], deadline_ms: u64) -> Result<(), KafkaError> {
    let admin = cluster.admin()?;
    let limit = Duration::from_millis(deadline_ms);
    let options = AdminOptions::new().request_timeout(Some(limit)).operation_timeout(Some(limit));
    let topics: Vec<_> = plans.iter().map(new_topic).collect();
    let made = answer(wake::wait(admin.create_topics(&topics, &options), limit), "making topics", deadline_ms)?;
    for result in made {
        match result {
            Ok(_) | Err((_, rdkafka::error::RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(KafkaError::code(format!("making topic {topic:?}"), code, None)),
        }
    }
    Ok(())
}

/// Removes a topic with everything in it.
///
/// # Errors
/// The cluster refuses, or does not answer within `deadline_ms`.
pub fn remove(cluster: &Cluster, topic: &str, deadline_ms: u64) -> Result<(), KafkaError> {
    let admin = cluster.admin()?;
    let limit = Duration::from_millis(deadline_ms);
    let options = AdminOptions::new().request_timeout(Some(limit)).operation_timeout(Some(limit));
    let removed = answer(wake::wait(admin.delete_topics(&[topic], &options), limit), "removing topics", deadline_ms)?;
    match removed.into_iter().find_map(Result::err) {
        Some((topic, code)) => Err(KafkaError::code(format!("removing topic {topic:?}"), code, None)),
        None => Ok(()),
    }
}

fn new_topic(plan: &TopicPlan) -> NewTopic<'_> {
    let replication = TopicReplication::Fixed(i32::from(plan.replicas));
    let topic = NewTopic::new(&plan.name, i32::from(plan.partitions), replication);
    plan.settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
}

fn answer<T>(
    answered: Option<Result<T, rdkafka::error::KafkaError>>,
    what: &str,
    deadline_ms: u64,
) -> Result<T, KafkaError> {
    match answered {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(KafkaError::native(what, &error)),
        None => {
            Err(KafkaError::Transport { what: what.to_owned(), message: format!("no answer within {deadline_ms} ms") })
        }
    }
}
