//! Shards: what is owned as a whole, and whose results are committed together. A shard is one topic partition; in a
//! pipeline that keeps state and reads several topics it is the partitions of one number of all of them, because state
//! belongs to that number.

use crate::record::TopicPartition;
use std::fmt;
use std::sync::Arc;

/// A shard, by the place that names it: its topic partition, or the partition of the changelog where its state lies. Who
/// owns it has the `transactional.id` of that place: see
/// [`ProgressKey::transactional_id`](crate::progress_record::ProgressKey::transactional_id).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(TopicPartition);

impl Shard {
    /// The place that names it.
    pub fn place(&self) -> &TopicPartition {
        &self.0
    }

    /// The number of its partitions.
    pub fn number(&self) -> i32 {
        self.0.partition
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which partitions of a pipeline are a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sharding {
    /// Each by itself.
    #[default]
    Apart,
    /// Those of one number.
    Together {
        /// The topics that are read. They have as many partitions each.
        topics: Vec<Arc<str>>,
        /// The topic that keeps state.
        changelog: Arc<str>,
    },
}

impl Sharding {
    /// The shard of a partition that is read.
    pub fn shard_of(&self, partition: &TopicPartition) -> Shard {
        match self {
            Self::Apart => Shard(partition.clone()),
            Self::Together { changelog, .. } => Shard(TopicPartition::new(Arc::clone(changelog), partition.partition)),
        }
    }

    /// Whether shards have several partitions.
    pub fn is_together(&self) -> bool {
        matches!(self, Self::Together { .. })
    }

    /// The topics whose partition is not among those that came together as one shard.
    pub fn missing<'a>(&'a self, came: &[&TopicPartition]) -> Vec<&'a str> {
        let Self::Together { topics, .. } = self else { return Vec::new() };
        let is_missing = |topic: &&Arc<str>| came.iter().all(|partition| partition.topic != **topic);
        topics.iter().filter(is_missing).map(|topic| &**topic).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together() -> Sharding {
        Sharding::Together { topics: vec!["a".into(), "b".into()], changelog: "log".into() }
    }

    #[test]
    fn partitions_of_one_number_are_one_shard_where_they_are_together() {
        let [a0, a1, b1] = [("a", 0), ("a", 1), ("b", 1)].map(|(topic, number)| TopicPartition::new(topic, number));
        let together = together();
        assert_eq!(together.shard_of(&a1), together.shard_of(&b1));
        assert_ne!(together.shard_of(&a0), together.shard_of(&a1));
        assert_eq!((together.shard_of(&b1).to_string(), together.shard_of(&b1).number()), ("log/1".to_owned(), 1));
        assert_ne!(Sharding::Apart.shard_of(&a1), Sharding::Apart.shard_of(&b1));
        assert_eq!(Sharding::Apart.shard_of(&a1).place(), &a1);
    }

    #[test]
    fn a_shard_that_came_in_part_is_told_by_what_is_missing() {
        let a = TopicPartition::new("a", 1);
        assert_eq!(together().missing(&[&a]), ["b"]);
        assert!(together().missing(&[&a, &TopicPartition::new("b", 1)]).is_empty());
        assert!(Sharding::Apart.missing(&[&a]).is_empty());
    }
}
