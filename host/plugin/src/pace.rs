//! How many inputs a turn may have so that it does not take long: a turn cannot be interrupted, and other pipelines wait
//! for it.

use std::time::Duration;

/// How many turns the mean looks back on, about.
const TURNS: u32 = 8;

/// The moving mean of the CPU time that an input takes, its share of the turn included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    per_input: Duration,
}

impl Pace {
    /// Notes a turn.
    pub(crate) fn observe(&mut self, inputs: usize, spent: Duration) {
        let inputs = u32::try_from(inputs).unwrap_or(u32::MAX).max(1);
        self.per_input = (self.per_input * (TURNS - 1) + spent / inputs) / TURNS;
    }

    /// How many inputs fit into a turn of `slice`; at least one.
    pub(crate) fn inputs(&self, slice: Duration) -> usize {
        let fitting = slice.as_nanos() / self.per_input.as_nanos().max(1);
        usize::try_from(fitting).unwrap_or(usize::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLICE: Duration = Duration::from_millis(10);

    #[track_caller]
    fn check(turns: &[(usize, u64)], at_least: usize, at_most: usize) {
        let mut pace = Pace::default();
        turns.iter().for_each(|(inputs, spent_us)| pace.observe(*inputs, Duration::from_micros(*spent_us)));
        let inputs = pace.inputs(SLICE);
        assert!((at_least..=at_most).contains(&inputs), "{inputs}");
    }

    #[test]
    fn a_fast_plugin_gets_all_that_there_is() {
        check(&[], 1_000_000, usize::MAX);
        check(&[(256, 1_500); 20], 1_000, 3_000);
    }

    #[test]
    fn a_slow_plugin_gets_few_and_at_least_one() {
        check(&[(10, 10_000); 30], 10, 12);
        check(&[(1, 100_000); 30], 1, 1);
    }

    #[test]
    fn one_turn_that_ran_into_its_deadline_is_forgotten() {
        let turns: Vec<(usize, u64)> = [(256, 356_000)].into_iter().chain([(100, 500); 20]).collect();
        check(&turns, 256, usize::MAX);
    }
}
