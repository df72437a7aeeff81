//! Results of timers. No event stands for them and progress does not name them, so they are judged by themselves and against
//! each other: the same result twice, or outputs and an error event of one timer.

use super::evidence::Sort;
use millrace_flow::record::TopicPartition;
use millrace_flow::state::DueTimer;
use millrace_platform::Coordinates;
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The results of timers that were read.
#[derive(Debug, Default)]
pub struct TimerResults {
    /// The places of the pipeline's shards.
    shards: BTreeSet<TopicPartition>,
    /// Where the first of each lies, by a hash of the timer. Two timers in ten thousand million million share one.
    first: HashMap<(u64, Sort, u32), Coordinates>,
}

impl TimerResults {
    /// None was read yet of these shards, given by their places.
    pub fn of(shards: BTreeSet<TopicPartition>) -> Self {
        Self { shards, first: HashMap::new() }
    }

    /// Whether it is one of these shards.
    pub fn are_of(&self, shard: &TopicPartition) -> bool {
        self.shards.contains(shard)
    }

    /// Takes note of the result at `at`. Returned: what is wrong with it beside what was noted before.
    pub fn note(
        &mut self,
        (place, timer): (&TopicPartition, &DueTimer),
        (sort, index): (Sort, u32),
        at: &Coordinates,
    ) -> Option<String> {
        let mut hasher = DefaultHasher::new();
        (place, timer).hash(&mut hasher);
        let cause = hasher.finish();
        let said = format!("the timer `{}` of {place}, due at {}", timer.name, timer.due_ms);
        let other = if sort == Sort::Output { Sort::Error } else { Sort::Output };
        if let Some(first) = self.first.get(&(cause, sort, index)) {
            return Some(format!(
                "the same result (index {index}) of {said}, is at {first}; a plugin that sets a timer again to the very time \
                 at which it fired makes that, too"
            ));
        }
        self.first.insert((cause, sort, index), at.clone());
        let first = self.first.get(&(cause, other, 0))?;
        Some(format!("there is an error event and an output of {said}: the other one is at {first}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_flow::state::TimerClock;

    #[test]
    fn a_timer_has_each_result_once_and_an_error_event_alone() {
        let timer = |due_ms| DueTimer { due_ms, key: "k".into(), name: "gap".into(), clock: TimerClock::Wall };
        let (place, other) = (TopicPartition::new("log", 0), TopicPartition::new("log", 1));
        let mut results = TimerResults::of(BTreeSet::from([place.clone()]));
        assert!(results.are_of(&place) && !results.are_of(&other));
        let mut offset = 0;
        let mut note = |place: &TopicPartition, due_ms, sort, index| {
            offset += 1;
            let at = Coordinates { partition: TopicPartition::new("out", 0), offset };
            results.note((place, &timer(due_ms)), (sort, index), &at)
        };
        for (place, due_ms, index) in [(&place, 5, 0), (&place, 5, 1), (&place, 6, 0), (&other, 5, 0)] {
            assert_eq!(note(place, due_ms, Sort::Output, index), None);
        }
        let doubled = note(&place, 5, Sort::Output, 1).unwrap();
        assert!(
            doubled.contains("(index 1)") && doubled.contains("`gap` of log/0, due at 5, is at out/0/2"),
            "{doubled}"
        );
        assert!(note(&other, 5, Sort::Error, 0).unwrap().contains("the other one is at out/0/4"));
        assert_eq!(note(&other, 7, Sort::Error, 0), None);
        assert!(note(&other, 7, Sort::Output, 0).is_some());
    }
}
