//! Which offsets of a partition are judged.

use crate::standing::Place;
use millrace_flow::record::TopicPartition;
use std::collections::BTreeMap;
use std::ops::Range;

/// An offset of a partition, `TOPIC:PARTITION:OFFSET` on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset.
    pub offset: i64,
}

/// Reads `TOPIC:PARTITION:OFFSET`. Kafka allows no `:` in the name of a topic.
///
/// # Errors
/// The text is something else.
pub fn parse_point(text: &str) -> Result<Point, String> {
    let read = || {
        let (rest, offset) = text.rsplit_once(':')?;
        let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
        Some(Point { partition: parse_partition(rest).ok()?, offset })
    };
    read().ok_or_else(|| "expected TOPIC:PARTITION:OFFSET, like eqiad.mediawiki.page_change.v1:0:1200".to_owned())
}

/// Reads `TOPIC:PARTITION`.
///
/// # Errors
/// The text is something else.
pub fn parse_partition(text: &str) -> Result<TopicPartition, String> {
    let read = || {
        let (topic, partition) = text.rsplit_once(':')?;
        let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
        (!topic.is_empty() && !topic.contains(':')).then(|| TopicPartition::new(topic, partition))
    };
    read().ok_or_else(|| "expected TOPIC:PARTITION, like eqiad.mediawiki.page_change.v1:0".to_owned())
}

/// What the command line says of the range.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// From this time on.
    pub since_ms: Option<i64>,
    /// Before this time.
    pub until_ms: Option<i64>,
    /// From these offsets on.
    pub from: Vec<Point>,
    /// Before these offsets.
    pub to: Vec<Point>,
}

impl Window {
    /// The offsets of each of these partitions, within what its log holds now.
    ///
    /// # Errors
    /// The cluster does not answer, or an offset is of a partition that is not among them.
    pub fn ranges(
        &self,
        place: &Place<'_>,
        partitions: &[TopicPartition],
    ) -> anyhow::Result<BTreeMap<TopicPartition, Range<i64>>> {
        if let Some(point) = self.from.iter().chain(&self.to).find(|point| !partitions.contains(&point.partition)) {
            anyhow::bail!("the pipeline reads no partition {}", point.partition);
        }
        let mut ranges = BTreeMap::new();
        for partition in partitions {
            let log = place.log(partition)?;
            let at_time = |time_ms: Option<i64>| time_ms.map(|time_ms| place.at_time(partition, time_ms)).transpose();
            let point =
                |points: &[Point]| points.iter().find(|point| point.partition == *partition).map(|at| at.offset);
            let start = [at_time(self.since_ms)?, point(&self.from)].into_iter().flatten().fold(log.0, i64::max);
            let end = [at_time(self.until_ms)?, point(&self.to)].into_iter().flatten().fold(log.1, i64::min);
            ranges.insert(partition.clone(), start..end.max(start));
        }
        Ok(ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_names_topic_partition_and_offset() {
        let point = Point { partition: TopicPartition::new("eqiad.a-b_c", 3), offset: 12 };
        assert_eq!(parse_point("eqiad.a-b_c:3:12"), Ok(point.clone()));
        assert_eq!(parse_partition("eqiad.a-b_c:3"), Ok(point.partition));
        for text in ["", "a", "a:1", "a:1:", "a:1:-1", "a:-1:1", ":1:1", "a:b:1:1", "a:x:1"] {
            assert!(parse_point(text).is_err(), "{text}");
        }
        for text in ["", "a", "a:", "a:-1", ":1", "a:b:1", "a:x"] {
            assert!(parse_partition(text).is_err(), "{text}");
        }
    }
}
