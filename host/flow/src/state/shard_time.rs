//! The event time of a shard with several topics: none of them runs ahead of one that still has something to say.

use super::timers::EventTime;
use std::sync::Arc;

/// How long a topic that says nothing holds the event time of its shard back. As long as a pause of a busy topic takes at
/// most; beyond it, timers would wait for a data centre that is not written to.
pub const QUIET_AFTER_MS: u64 = 10_000;

/// The event time of a shard: of its topics that are not quiet, the one that is least far. A topic is quiet when nothing of
/// it came for [`QUIET_AFTER_MS`] by the wall clock; where all are, the one that is farthest counts. It never goes back.
///
/// With one topic it is the [`EventTime`] of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardTime {
    topics: Vec<Topic>,
    reached_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Topic {
    name: Arc<str>,
    time: EventTime,
    /// When something of it came last, or when it began to be read.
    came_ms: u64,
}

impl ShardTime {
    /// This topic is read from now on.
    pub fn begin(&mut self, topic: &Arc<str>, wall_ms: u64) {
        self.topics.retain(|known| known.name != *topic);
        self.topics.push(Topic { name: Arc::clone(topic), time: EventTime::default(), came_ms: wall_ms });
    }

    /// A record of a topic came in.
    pub fn observe(&mut self, topic: &str, timestamp_ms: i64, wall_ms: u64) {
        if let Some(topic) = self.topic(topic) {
            topic.time.observe(timestamp_ms, wall_ms);
            topic.came_ms = wall_ms;
        }
    }

    /// A topic has records that wait for room: it is not quiet.
    pub fn waits(&mut self, topic: &str, wall_ms: u64) {
        if let Some(topic) = self.topic(topic) {
            topic.came_ms = wall_ms;
        }
    }

    /// The time by now; none while nothing came.
    pub fn at_ms(&mut self, wall_ms: u64) -> Option<u64> {
        let is_quiet = |topic: &&Topic| wall_ms.saturating_sub(topic.came_ms) >= QUIET_AFTER_MS;
        let all_quiet = self.topics.iter().all(|topic| is_quiet(&topic));
        let now_ms = match all_quiet || self.topics.len() == 1 {
            true => self.topics.iter().filter_map(|topic| topic.time.at_ms()).max(),
            // One of which nothing came yet has no time, which is less than any.
            false => {
                self.topics.iter().filter(|topic| !is_quiet(topic)).map(|topic| topic.time.at_ms()).min().flatten()
            }
        };
        self.reached_ms = self.reached_ms.max(now_ms);
        self.reached_ms
    }

    fn topic(&mut self, name: &str) -> Option<&mut Topic> {
        self.topics.iter_mut().find(|topic| *topic.name == *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn reading(topics: &[&str]) -> ShardTime {
        let mut time = ShardTime::default();
        topics.iter().for_each(|topic| time.begin(&Arc::from(*topic), NOW));
        time
    }

    #[test]
    fn of_one_topic_it_is_the_greatest_timestamp_at_once() {
        let mut time = reading(&["a"]);
        assert_eq!(time.at_ms(NOW), None);
        time.observe("a", 700, NOW);
        time.observe("a", 600, NOW);
        assert_eq!((time.at_ms(NOW), time.at_ms(NOW + 10 * QUIET_AFTER_MS)), (Some(700), Some(700)));
    }

    #[test]
    fn a_topic_that_is_behind_holds_it_back() {
        let mut time = reading(&["a", "b"]);
        time.observe("a", 700, NOW);
        assert_eq!(time.at_ms(NOW), None, "nothing of the other came yet");
        time.observe("b", 500, NOW);
        assert_eq!(time.at_ms(NOW), Some(500));
        time.observe("b", 900, NOW);
        assert_eq!(time.at_ms(NOW), Some(700));
    }

    #[test]
    fn a_quiet_topic_holds_nothing_back_unless_its_records_wait() {
        let mut time = reading(&["a", "b"]);
        time.observe("b", 500, NOW);
        let later = NOW + QUIET_AFTER_MS;
        time.observe("a", 700, later - 1);
        assert_eq!(time.at_ms(later - 1), Some(500));
        time.waits("b", later - 1);
        assert_eq!(time.at_ms(later), Some(500));
        assert_eq!(time.at_ms(later + QUIET_AFTER_MS), Some(700), "all are quiet");
        time.observe("b", 600, later + QUIET_AFTER_MS);
        assert_eq!(time.at_ms(later + QUIET_AFTER_MS), Some(700), "it never goes back");
    }

    #[test]
    fn a_topic_that_was_never_written_holds_it_back_no_longer_than_a_quiet_one() {
        let mut time = reading(&["a", "b"]);
        time.observe("a", 700, NOW + QUIET_AFTER_MS);
        assert_eq!((time.at_ms(NOW + QUIET_AFTER_MS - 1), time.at_ms(NOW + QUIET_AFTER_MS)), (None, Some(700)));
    }
}
