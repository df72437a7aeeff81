//! The topic of a pipeline's state: what it must be like, and what the topics must be like whose events have state.

use crate::compacted_topic::{CompactedTopic, Unfit};
use millrace_kafka::cluster::Cluster;
use millrace_kafka::error::KafkaError;

/// What the largest record of state takes: the longest key, store and name with the largest value, which
/// `millrace_flow::state` bounds so that it fits into what topics take where nobody set anything.
const RECORD_BYTES: u64 = 1 << 20;

/// What is wrong with the partition counts of the topics that a pipeline with state reads, and what to do. None: nothing.
pub fn unequal<'a>(counts: &[(&'a str, u32)]) -> Option<(&'a str, Unfit)> {
    let (first, partitions) = counts.first()?;
    let (other, found) = counts.iter().find(|(_, found)| found != partitions)?;
    let problem = format!(
        "the topic `{other}` has {found} partitions, and `{first}` has {partitions}: with state, a key has one state for all \
         topics that are read, in the partitions of one number"
    );
    let remedy = "give all input topics and the reprocess topic equally many partitions, in which keys lie alike; where one \
                  has too few, begin with a new topic, because keys move when partitions are added";
    Some((other, (problem, remedy.to_owned())))
}

/// What is wrong with the topic of a pipeline whose input topics have `partitions`, and what to do. None: it fits.
///
/// # Errors
/// The cluster does not answer within `deadline_ms`.
pub fn unfit(
    cluster: &Cluster,
    brokers: &str,
    topic: &str,
    partitions: u32,
    deadline_ms: u64,
) -> Result<Option<Unfit>, KafkaError> {
    let wanted = CompactedTopic {
        brokers,
        topic,
        keeps: "state",
        partitions,
        deletes: "it forgets state",
        largest: "one of state may have",
        record_bytes: RECORD_BYTES,
    };
    let found = match wanted.find(cluster, deadline_ms)? {
        Ok(found) => found,
        Err(missing) => return Ok(Some(missing)),
    };
    if found != partitions {
        let problem = format!(
            "the topic `{topic}`, which keeps state, has {found} partitions, and the topics that are read have \
             {partitions}: the state of a partition lies in that of the same number"
        );
        let remedy = "name a new topic with as many partitions; where the input topic was given more, keys have moved \
                      between partitions and their state has not, so begin with a new pipeline or a new input topic";
        return Ok(Some((problem, remedy.to_owned())));
    }
    wanted.unfit(cluster, deadline_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_one_state_have_equally_many_partitions() {
        assert!(unequal(&[]).is_none() && unequal(&[("a", 2)]).is_none() && unequal(&[("a", 2), ("b", 2)]).is_none());
        let (topic, (problem, _)) = unequal(&[("a", 2), ("b", 2), ("c", 3)]).unwrap();
        assert_eq!(topic, "c");
        assert!(problem.starts_with("the topic `c` has 3 partitions, and `a` has 2: "), "{problem}");
    }
}
