//! The breaker on failures: as a table of what it does, and against a naive model that remembers every ending.

use millrace_flow::failures::{
    Ended, Failing, FailureBreaker, FailureLimits, FailureNews, Gate, PERCENT_OFF, Purpose, SLICES, TRIALS, WAIT_MAX,
    WAIT_MIN,
};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const LIMITS: FailureLimits = FailureLimits { percent: 50, window: Duration::from_secs(60), events_min: 10 };

/// A breaker and the time, which moves only when it is told to.
struct Bench {
    breaker: FailureBreaker,
    now: Instant,
}

impl Bench {
    fn new(limits: FailureLimits) -> Self {
        Self { breaker: FailureBreaker::new(limits), now: Instant::now() }
    }

    fn ended(&mut self, ended: Ended<'_>) -> Option<FailureNews> {
        self.breaker.ended(ended, Purpose::Ordinary, self.now)
    }

    fn opened(limits: FailureLimits) -> Self {
        let mut bench = Self::new(limits);
        while bench.ended(Ended::Failed("not_found")).is_none() {}
        bench
    }

    fn gate(&mut self) -> Gate {
        self.breaker.gate(self.now)
    }

    /// A single event, from admission to its end.
    fn trial(&mut self, ended: Ended<'_>) -> Option<FailureNews> {
        assert_eq!(self.gate(), Gate::Trial);
        self.breaker.begin_trial();
        assert_eq!(self.gate(), Gate::Shut, "one at a time");
        self.breaker.ended(ended, Purpose::Trial, self.now)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

/// Lets `failed` and `well` events end and says whether it opened.
#[track_caller]
fn check(limits: FailureLimits, failed: u32, well: u32, opens: bool) {
    let mut bench = Bench::new(limits);
    let mut news = None;
    for number in 0..failed.max(well) {
        if number < well {
            news = news.or(bench.ended(Ended::Well));
        }
        if number < failed {
            news = news.or(bench.ended(Ended::Failed("x")));
        }
    }
    assert_eq!(news.is_some(), opens, "{failed} failed, {well} did not: {news:?}");
}

#[test]
fn more_than_the_share_of_enough_events_opens_it() {
    check(LIMITS, 9, 0, false);
    check(LIMITS, 10, 0, true);
    check(LIMITS, 5, 5, false);
    check(LIMITS, 100, 100, false);
    check(LIMITS, 101, 100, true);
    check(FailureLimits { percent: 0, ..LIMITS }, 1, 99, true);
    check(FailureLimits { percent: 0, ..LIMITS }, 0, 100, false);
    check(FailureLimits { percent: 99, ..LIMITS }, 10_000, 0, true);
    check(FailureLimits { percent: PERCENT_OFF, ..LIMITS }, 10_000, 0, false);
    check(FailureLimits { events_min: 0, ..LIMITS }, 1, 0, true);
}

#[test]
fn what_fails_most_is_told() {
    let mut bench = Bench::new(LIMITS);
    for word in ["decode", "not_found", "not_found", "deadline"].iter().cycle().take(9) {
        assert_eq!(bench.ended(Ended::Failed(word)), None);
    }
    let failing = Failing { failed: 10, events: 10, window: LIMITS.window, most: Some(("not_found".to_owned(), 5)) };
    assert_eq!(failing.to_string(), "10 of 10 events failed within 60 s, 5 of them as not_found");
    let news = bench.ended(Ended::Failed("not_found"));
    assert_eq!(news, Some(FailureNews::Opened { failing: failing.clone(), wait: WAIT_MIN }));
    assert_eq!(bench.breaker.failing(), Some(&failing));
}

#[test]
fn failures_of_long_ago_and_endings_that_say_nothing_do_not_count() {
    let mut bench = Bench::new(LIMITS);
    for _ in 0..1_000 {
        assert_eq!(bench.ended(Ended::Failed("x")).or_else(|| bench.ended(Ended::Well)), None);
        assert_eq!(bench.ended(Ended::Well).or_else(|| bench.ended(Ended::Unknown)), None);
        bench.pass(Duration::from_millis(100));
    }
    let mut rare = Bench::new(LIMITS);
    for _ in 0..1_000 {
        assert_eq!(rare.ended(Ended::Failed("x")), None, "never ten within a minute");
        rare.pass(Duration::from_secs(7));
    }
}

#[test]
fn single_events_that_end_well_close_it() {
    let mut bench = Bench::opened(LIMITS);
    assert_eq!(bench.gate(), Gate::Shut);
    assert_eq!(bench.ended(Ended::Failed("x")), None, "what was in flight ends, and says nothing");
    bench.pass(WAIT_MIN);
    for _ in 1..TRIALS {
        assert_eq!(bench.trial(Ended::Well), None);
    }
    assert_eq!(bench.trial(Ended::Unknown), None, "this one neither helps nor harms");
    assert_eq!(bench.trial(Ended::Well), Some(FailureNews::Closed { after: WAIT_MIN }));
    assert_eq!((bench.gate(), bench.breaker.failing()), (Gate::Go, None));
}

#[test]
fn a_single_event_that_fails_makes_the_wait_longer_up_to_its_end() {
    let mut bench = Bench::opened(LIMITS);
    bench.pass(WAIT_MIN);
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        let wait = Duration::from_secs(seconds);
        assert_eq!(bench.trial(Ended::Well), None, "the row begins anew with each wait");
        let error_type = "deadline".to_owned();
        assert_eq!(bench.trial(Ended::Failed("deadline")), Some(FailureNews::Prolonged { error_type, wait }));
        bench.pass(wait - Duration::from_millis(1));
        assert_eq!(bench.gate(), Gate::Shut);
        bench.pass(Duration::from_millis(1));
    }
}

#[test]
fn opening_again_soon_goes_on_with_the_long_wait_and_later_begins_anew() {
    for (pause, expected) in [(LIMITS.window / 2, WAIT_MIN * 2), (LIMITS.window, WAIT_MIN)] {
        let mut bench = Bench::opened(LIMITS);
        bench.pass(WAIT_MIN);
        for _ in 0..TRIALS {
            bench.trial(Ended::Well);
        }
        bench.pass(pause);
        let news = std::iter::repeat_with(|| bench.ended(Ended::Failed("x"))).find_map(|news| news);
        assert!(matches!(news, Some(FailureNews::Opened { wait, .. }) if wait == expected), "{news:?}");
    }
}

#[test]
fn a_change_that_may_help_is_tried_at_once() {
    let mut bench = Bench::opened(LIMITS);
    bench.breaker.try_now(bench.now);
    assert_eq!(bench.gate(), Gate::Trial);
    let mut bench = Bench::opened(LIMITS);
    let off = FailureLimits { percent: PERCENT_OFF, ..LIMITS };
    assert_eq!(bench.breaker.set_limits(LIMITS, bench.now), None);
    let news = bench.breaker.set_limits(off, bench.now);
    assert_eq!((news, bench.gate()), (Some(FailureNews::Closed { after: Duration::ZERO }), Gate::Go));
}

/// The model: every ending since the breaker closed, with the number of its slice.
#[derive(Default)]
struct Model {
    endings: Vec<(u128, bool)>,
}

impl Model {
    fn is_failing(&self, newest: u128, limits: &FailureLimits) -> bool {
        let within = |slice: &u128| slice + u128::from(SLICES) > newest;
        let counted: Vec<bool> = self.endings.iter().filter(|(slice, _)| within(slice)).map(|(_, bad)| *bad).collect();
        let failed = counted.iter().filter(|bad| **bad).count() as u64;
        let events = counted.len() as u64;
        events >= limits.events_min && failed * 100 > events * u64::from(limits.percent)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// It opens exactly when the model says so, never lets more than one single event go, and never stays shut.
    #[test]
    fn it_opens_when_the_share_is_passed_and_always_closes_again(
        percent in 1_u32..100,
        events_min in 1_u64..40,
        window_s in 1_u64..100,
        endings in proptest::collection::vec((0_u64..4_000, any::<bool>()), 1..300),
    ) {
        let limits = FailureLimits { percent, window: Duration::from_secs(window_s), events_min };
        let mut bench = Bench::new(limits);
        let (mut model, mut began) = (Model::default(), None);
        for (step_ms, bad) in endings {
            bench.pass(Duration::from_millis(step_ms));
            let ended = if bad { Ended::Failed("x") } else { Ended::Well };
            match bench.gate() {
                Gate::Go => {
                    let since = bench.now - *began.get_or_insert(bench.now);
                    let slice = since.as_nanos() / (limits.window / SLICES).as_nanos();
                    model.endings.push((slice, bad));
                    let opened = bench.ended(ended).is_some();
                    prop_assert_eq!(opened, model.is_failing(slice, &limits));
                    if opened {
                        (model, began) = (Model::default(), None);
                        prop_assert_eq!(bench.gate(), Gate::Shut);
                    }
                }
                Gate::Trial => drop(bench.trial(ended)),
                Gate::Shut => prop_assert_eq!(bench.ended(ended), None),
            }
        }
        bench.pass(WAIT_MAX);
        while bench.gate() != Gate::Go {
            bench.trial(Ended::Well);
        }
    }
}
