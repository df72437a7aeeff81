//! The breaker of one target: when it counts as out, and how it is found to be back. Time is handed in.
//!
//! While it is open nothing is asked of the target and the deadlines of what waits stand still; then one call goes
//! through as a probe, and what it meets decides.

use std::collections::VecDeque;

/// When a target counts as out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRule {
    /// So many failures in a row open it.
    pub failures_in_a_row: u32,
    /// Or half of so many calls...
    pub window_calls: usize,
    /// ...within this time, in milliseconds.
    pub window_ms: u64,
    /// How long it stays open the first time, in milliseconds; it doubles with each probe that fails.
    pub open_ms: u64,
    /// The longest it stays open, in milliseconds.
    pub open_ms_max: u64,
}

impl Default for BreakerRule {
    fn default() -> Self {
        Self { failures_in_a_row: 5, window_calls: 20, window_ms: 10_000, open_ms: 1_000, open_ms_max: 30_000 }
    }
}

/// Whether a call may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes.
    Go,
    /// One may, to find out whether the target is back.
    Probe,
    /// Not before this time, in milliseconds.
    NotBefore(u64),
    /// Not before the probe is back.
    AwaitProbe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until_ms: u64 },
    Probing,
}

/// The breaker's state, as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go.
    Closed,
    /// The target asked for a pause; calls go again after it.
    Paused,
    /// The target is out.
    Open,
    /// One call finds out whether it is back.
    Probing,
}

/// The breaker of one target.
#[derive(Debug)]
pub(crate) struct Breaker {
    rule: BreakerRule,
    state: State,
    in_a_row: u32,
    recent: VecDeque<(u64, bool)>,
    openings: u32,
    /// The target asked for quiet until then.
    quiet_until_ms: u64,
    /// Since when calls have been held back, while they are.
    held_since_ms: Option<u64>,
    held_ms: u64,
}

impl Breaker {
    pub(crate) fn new(rule: BreakerRule) -> Self {
        Self {
            rule,
            state: State::Closed,
            in_a_row: 0,
            recent: VecDeque::new(),
            openings: 0,
            quiet_until_ms: 0,
            held_since_ms: None,
            held_ms: 0,
        }
    }

    /// Whether a call may go now. Whoever lets one go says so with [`Breaker::begin`].
    pub(crate) fn gate(&self, now_ms: u64) -> Gate {
        match self.state {
            State::Probing => Gate::AwaitProbe,
            State::Open { until_ms } if now_ms < until_ms.max(self.quiet_until_ms) => {
                Gate::NotBefore(until_ms.max(self.quiet_until_ms))
            }
            State::Open { .. } => Gate::Probe,
            State::Closed if now_ms < self.quiet_until_ms => Gate::NotBefore(self.quiet_until_ms),
            State::Closed => Gate::Go,
        }
    }

    /// A call goes, as the gate allowed. As long as it is a probe, no other goes.
    pub(crate) fn begin(&mut self, now_ms: u64, probe: Probe) {
        match probe {
            Probe::Yes => self.state = State::Probing,
            Probe::No => self.end_hold(now_ms),
        }
    }

    /// A call was answered.
    pub(crate) fn succeeded(&mut self, now_ms: u64, probe: Probe) {
        self.remember(now_ms, true);
        self.in_a_row = 0;
        if probe == Probe::Yes {
            self.state = State::Closed;
            self.openings = 0;
            self.recent.clear();
            self.end_hold(now_ms);
        }
    }

    /// A call failed for a reason that is not the question's; `quiet_ms` is what the target asked for.
    pub(crate) fn failed(&mut self, now_ms: u64, probe: Probe, quiet_ms: Option<u64>) {
        self.remember(now_ms, false);
        self.in_a_row += 1;
        if let Some(quiet_ms) = quiet_ms {
            self.quiet_until_ms = self.quiet_until_ms.max(now_ms + quiet_ms);
            self.begin_hold(now_ms);
        }
        if probe == Probe::Yes || (self.state == State::Closed && self.is_out()) {
            let open_ms = self.rule.open_ms.saturating_mul(1 << self.openings.min(20)).min(self.rule.open_ms_max);
            self.openings += 1;
            self.state = State::Open { until_ms: now_ms + open_ms };
            self.begin_hold(now_ms);
        }
    }

    /// A question has come: if it must wait, it is held back from now on.
    pub(crate) fn asked(&mut self, now_ms: u64) {
        if self.gate(now_ms) != Gate::Go {
            self.begin_hold(now_ms);
        }
    }

    /// No question is left that could be held back.
    pub(crate) fn unasked(&mut self, now_ms: u64) {
        self.end_hold(now_ms);
    }

    /// How long calls have been held back in all, in milliseconds.
    pub(crate) fn held_ms(&self, now_ms: u64) -> u64 {
        self.held_ms + self.held_since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms))
    }

    /// The state, as an operator sees it.
    pub(crate) fn state(&self, now_ms: u64) -> BreakerState {
        match self.state {
            State::Closed if now_ms < self.quiet_until_ms => BreakerState::Paused,
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::Probing => BreakerState::Probing,
        }
    }

    /// The state where nobody asks anything: once its time is over, an open breaker holds nothing back. The next question
    /// finds out.
    pub(crate) fn state_unasked(&self, now_ms: u64) -> BreakerState {
        match self.gate(now_ms) {
            Gate::Go | Gate::Probe => BreakerState::Closed,
            Gate::NotBefore(_) | Gate::AwaitProbe => self.state(now_ms),
        }
    }

    fn is_out(&self) -> bool {
        let failures = self.recent.iter().filter(|(_, good)| !good).count();
        self.in_a_row >= self.rule.failures_in_a_row
            || (self.recent.len() >= self.rule.window_calls && failures * 2 >= self.recent.len())
    }

    fn remember(&mut self, now_ms: u64, good: bool) {
        self.recent.push_back((now_ms, good));
        while self.recent.len() > self.rule.window_calls
            || self.recent.front().is_some_and(|(at_ms, _)| now_ms.saturating_sub(*at_ms) > self.rule.window_ms)
        {
            self.recent.pop_front();
        }
    }

    fn begin_hold(&mut self, now_ms: u64) {
        self.held_since_ms.get_or_insert(now_ms);
    }

    fn end_hold(&mut self, now_ms: u64) {
        self.held_ms = self.held_ms(now_ms);
        self.held_since_ms = None;
    }
}

/// Whether a call was the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It was.
    Yes,
    /// It was an ordinary one.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerRule::default())
    }

    /// The gate, and a call through it where it is open.
    fn passed(breaker: &mut Breaker, now_ms: u64) -> Gate {
        let gate = breaker.gate(now_ms);
        match gate {
            Gate::Go => breaker.begin(now_ms, Probe::No),
            Gate::Probe => breaker.begin(now_ms, Probe::Yes),
            Gate::NotBefore(_) | Gate::AwaitProbe => {}
        }
        gate
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let mut breaker = breaker();
        for _ in 0..4 {
            breaker.failed(0, Probe::No, None);
        }
        assert_eq!(breaker.gate(0), Gate::Go);
        breaker.failed(0, Probe::No, None);
        assert_eq!(breaker.gate(0), Gate::NotBefore(1_000));
    }

    #[test]
    fn a_success_in_between_starts_the_row_anew() {
        let mut breaker = breaker();
        for _ in 0..4 {
            for _ in 0..2 {
                breaker.succeeded(0, Probe::No);
            }
            breaker.failed(0, Probe::No, None);
        }
        assert_eq!(breaker.gate(0), Gate::Go);
    }

    #[test]
    fn half_of_twenty_within_the_window_opens_it() {
        let mut breaker = breaker();
        for at_ms in 0..10 {
            breaker.succeeded(at_ms, Probe::No);
            breaker.failed(at_ms, Probe::No, None);
        }
        assert_eq!(breaker.state(10), BreakerState::Open);
    }

    #[test]
    fn half_of_twenty_over_a_longer_time_does_not() {
        let mut breaker = breaker();
        for n in 0..100 {
            breaker.succeeded(n * 1_300, Probe::No);
            breaker.failed(n * 1_300, Probe::No, None);
        }
        assert_eq!(breaker.state(130_000), BreakerState::Closed);
    }

    #[test]
    fn one_probe_goes_through_and_closes_it() {
        let mut breaker = breaker();
        (0..5).for_each(|_| breaker.failed(0, Probe::No, None));
        assert_eq!(passed(&mut breaker, 1_000), Gate::Probe);
        assert_eq!(breaker.gate(1_000), Gate::AwaitProbe);
        // An older call that comes back now says nothing about the probe.
        breaker.succeeded(1_001, Probe::No);
        assert_eq!(breaker.gate(1_001), Gate::AwaitProbe);
        breaker.succeeded(1_002, Probe::Yes);
        assert_eq!(breaker.gate(1_002), Gate::Go);
    }

    #[test]
    fn a_probe_that_fails_doubles_the_wait_up_to_its_end() {
        let mut breaker = breaker();
        (0..5).for_each(|_| breaker.failed(0, Probe::No, None));
        let mut now_ms = 0;
        for expected_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert_eq!(breaker.gate(now_ms), Gate::NotBefore(now_ms + expected_ms));
            now_ms += expected_ms;
            assert_eq!(passed(&mut breaker, now_ms), Gate::Probe);
            breaker.failed(now_ms, Probe::Yes, None);
        }
    }

    #[test]
    fn a_target_that_asks_for_quiet_gets_it() {
        let mut breaker = breaker();
        breaker.failed(0, Probe::No, Some(7_000));
        assert_eq!(breaker.gate(6_999), Gate::NotBefore(7_000));
        assert_eq!(breaker.state(6_999), BreakerState::Paused);
        assert_eq!(passed(&mut breaker, 7_000), Gate::Go);
        assert_eq!(breaker.held_ms(9_000), 7_000);
    }

    #[test]
    fn deadlines_stand_still_from_the_opening_to_the_closing() {
        let mut breaker = breaker();
        (0..5).for_each(|_| breaker.failed(100, Probe::No, None));
        assert_eq!(breaker.held_ms(600), 500);
        assert_eq!(passed(&mut breaker, 1_100), Gate::Probe);
        breaker.succeeded(1_300, Probe::Yes);
        assert_eq!(breaker.held_ms(5_000), 1_200);
    }

    #[test]
    fn a_probe_that_was_not_sent_is_given_again() {
        let mut breaker = breaker();
        (0..5).for_each(|_| breaker.failed(0, Probe::No, None));
        assert_eq!(breaker.gate(1_000), Gate::Probe);
        assert_eq!(breaker.gate(1_000), Gate::Probe);
    }

    proptest! {
        /// Whatever happens, a target that is back is found to be back.
        #[test]
        fn it_never_stays_shut(calls in prop::collection::vec((0_u64..3_000, any::<bool>(), prop::option::of(0_u64..9_000)), 0..200)) {
            let mut breaker = breaker();
            let mut now_ms = 0;
            for (step_ms, good, quiet_ms) in calls {
                now_ms += step_ms;
                let probe = match passed(&mut breaker, now_ms) {
                    Gate::Go => Probe::No,
                    Gate::Probe => Probe::Yes,
                    Gate::NotBefore(at_ms) => { prop_assert!(at_ms > now_ms && at_ms <= now_ms + 60_000); continue }
                    Gate::AwaitProbe => { prop_assert!(false, "no probe is under way"); continue }
                };
                if good { breaker.succeeded(now_ms, probe) } else { breaker.failed(now_ms, probe, quiet_ms) }
            }
            now_ms += 60_000;
            if passed(&mut breaker, now_ms) == Gate::Probe { breaker.succeeded(now_ms, Probe::Yes) }
            prop_assert_eq!(breaker.gate(now_ms), Gate::Go);
            prop_assert!(breaker.held_ms(now_ms) <= now_ms);
        }
    }
}
