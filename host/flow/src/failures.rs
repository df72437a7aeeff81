//! The breaker on failures: when so many events of a pipeline fail that something is wrong with all of them (a plugin, a
//! service, an input), no more are taken, so that a topic is not drained into the stream of error events. Then single
//! events find out whether it is over. Time is handed in.
//!
//! Nothing is lost by it: what is in flight ends as it would have, and each single event that fails becomes an error
//! event like any other. Which endings count as failures is the caller's to say.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// The window is counted in so many slices: endings are forgotten by a slice at a time.
pub const SLICES: u32 = 30;
/// The first wait before single events are taken.
pub const WAIT_MIN: Duration = Duration::from_secs(1);
/// The longest wait. A pipeline that is repaired goes on after a minute at the latest.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// So many single events in a row must end well: one could be luck.
pub const TRIALS: u32 = 5;
/// A share that is never passed: the breaker is off.
pub const PERCENT_OFF: u32 = 100;
/// The words that a slice counts one by one; the others are few, or many and all different, and explain nothing.
const WORDS_MAX: usize = 16;

/// When a pipeline counts as failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureLimits {
    /// More than so many percent of its events failed; [`PERCENT_OFF`]: never.
    pub percent: u32,
    /// Within this time.
    pub window: Duration,
    /// And so many events ended in it at least: a share of few says nothing.
    pub events_min: u64,
}

impl Default for FailureLimits {
    /// More than half of 500 or more events within a minute.
    fn default() -> Self {
        Self { percent: 50, window: Duration::from_secs(60), events_min: 500 }
    }
}

/// How an event ended, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended<'a> {
    /// As an error event, with this `error_type`.
    Failed(&'a str),
    /// As it should.
    Well,
    /// In a way that says nothing: it never reached the plugin, or was given up.
    Unknown,
}

/// Whether an event may be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Go,
    /// One may, to find out; whoever admits it says so with [`FailureBreaker::begin_trial`].
    Trial,
    /// None now.
    Shut,
}

/// Whether an event was admitted to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It was.
    Trial,
    /// It was an ordinary one.
    Ordinary,
}

/// What was counted when the breaker opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Events that failed.
    pub failed: u64,
    /// Events that ended, in any way.
    pub events: u64,
    /// Within this time.
    pub window: Duration,
    /// The most frequent `error_type` and how often it was.
    pub most: Option<(String, u64)>,
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failed, events, window, most } = self;
        write!(f, "{failed} of {events} events failed within {} s", window.as_secs())?;
        match most {
            Some((word, count)) => write!(f, ", {count} of them as {word}"),
            None => Ok(()),
        }
    }
}

/// What an operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureNews {
    /// No more events are taken; single ones after `wait`.
    Opened {
        /// What was counted.
        failing: Failing,
        /// How long.
        wait: Duration,
    },
    /// A single event failed; the next one is taken after `wait`.
    Prolonged {
        /// Its `error_type`.
        error_type: String,
        /// How long.
        wait: Duration,
    },
    /// Events are taken as before, after so long.
    Closed {
        /// How long the pipeline had been failing.
        after: Duration,
    },
}

/// The breaker of one pipeline.
#[derive(Clone, Debug)]
pub struct FailureBreaker {
    limits: FailureLimits,
    state: State,
    window: Window,
    /// What the next wait doubles from: how often it opened, or was prolonged, in a row.
    in_a_row: u32,
    /// When it closed last. Opening again soon after that goes on in the same row.
    closed: Option<Instant>,
    failing: Option<(Failing, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    Trying {
        /// Single events that ended well, in a row.
        well: u32,
        /// Whether one is under way.
        under_way: bool,
    },
}

impl FailureBreaker {
    /// A breaker that has seen nothing.
    pub fn new(limits: FailureLimits) -> Self {
        Self { limits, state: State::Closed, window: Window::default(), in_a_row: 0, closed: None, failing: None }
    }

    /// Holds to other limits from now on. Turned off, it closes.
    pub fn set_limits(&mut self, limits: FailureLimits, now: Instant) -> Option<FailureNews> {
        if limits.window != self.limits.window {
            self.window = Window::default();
        }
        self.limits = limits;
        (limits.percent >= PERCENT_OFF && self.state != State::Closed).then(|| self.close(now))
    }

    /// Whether an event may be admitted now.
    pub fn gate(&mut self, now: Instant) -> Gate {
        if let State::Open { until } = self.state
            && now >= until
        {
            self.state = State::Trying { well: 0, under_way: false };
        }
        match self.state {
            State::Closed => Gate::Go,
            State::Trying { under_way: false, .. } => Gate::Trial,
            State::Trying { under_way: true, .. } | State::Open { .. } => Gate::Shut,
        }
    }

    /// A single event is admitted, as the gate allowed. Until it has ended no other is.
    pub fn begin_trial(&mut self) {
        if let State::Trying { under_way, .. } = &mut self.state {
            *under_way = true;
        }
    }

    /// Something was changed that may help: single events are taken at once.
    pub fn try_now(&mut self, now: Instant) {
        if let State::Open { until } = &mut self.state {
            *until = now;
        }
    }

    /// An event ended. What was in flight when the breaker opened says nothing any more.
    pub fn ended(&mut self, ended: Ended<'_>, purpose: Purpose, now: Instant) -> Option<FailureNews> {
        match (self.state, purpose) {
            (State::Closed, _) => {
                self.window.count(ended, self.limits.window, now);
                let is_failing = self.limits.percent < PERCENT_OFF
                    && self.window.events >= self.limits.events_min.max(1)
                    && self.window.failed * 100 > self.window.events * u64::from(self.limits.percent);
                is_failing.then(|| self.open(now))
            }
            (State::Trying { well, .. }, Purpose::Trial) => match ended {
                Ended::Failed(error_type) => {
                    let wait = self.wait(now);
                    Some(FailureNews::Prolonged { error_type: error_type.to_owned(), wait })
                }
                Ended::Well if well + 1 >= TRIALS => Some(self.close(now)),
                Ended::Well => {
                    self.state = State::Trying { well: well + 1, under_way: false };
                    None
                }
                Ended::Unknown => {
                    self.state = State::Trying { well, under_way: false };
                    None
                }
            },
            (State::Open { .. }, _) | (State::Trying { .. }, Purpose::Ordinary) => None,
        }
    }

    /// Why no events are taken, while none are.
    pub fn failing(&self) -> Option<&Failing> {
        self.failing.as_ref().map(|(failing, _)| failing)
    }

    fn open(&mut self, now: Instant) -> FailureNews {
        let is_soon = |closed: Instant| now.saturating_duration_since(closed) < self.limits.window;
        if !self.closed.is_some_and(is_soon) {
            self.in_a_row = 0;
        }
        let Window { failed, events, .. } = self.window;
        let failing = Failing { failed, events, window: self.limits.window, most: self.window.most() };
        self.window = Window::default();
        self.failing = Some((failing.clone(), now));
        let wait = self.wait(now);
        FailureNews::Opened { failing, wait }
    }

    /// Waits from now on, each time twice as long.
    fn wait(&mut self, now: Instant) -> Duration {
        let wait = WAIT_MIN.saturating_mul(1 << self.in_a_row.min(16)).min(WAIT_MAX);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.state = State::Open { until: now + wait };
        wait
    }

    fn close(&mut self, now: Instant) -> FailureNews {
        self.state = State::Closed;
        self.closed = Some(now);
        let after = self.failing.take().map_or(Duration::ZERO, |(_, since)| now.saturating_duration_since(since));
        FailureNews::Closed { after }
    }
}

/// The endings of the last while, by slices of it.
#[derive(Clone, Debug, Default)]
struct Window {
    began: Option<Instant>,
    slices: VecDeque<Slice>,
    failed: u64,
    events: u64,
}

#[derive(Clone, Debug, Default)]
struct Slice {
    number: u128,
    failed: u64,
    events: u64,
    words: Vec<(String, u64)>,
}

impl Window {
    fn count(&mut self, ended: Ended<'_>, length: Duration, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let slice = (length / SLICES).as_nanos().max(1);
        let number = now.saturating_duration_since(began).as_nanos() / slice;
        while self.slices.front().is_some_and(|old| old.number + u128::from(SLICES) <= number) {
            if let Some(old) = self.slices.pop_front() {
                self.failed -= old.failed;
                self.events -= old.events;
            }
        }
        if ended == Ended::Unknown {
            return;
        }
        if self.slices.back().is_none_or(|newest| newest.number < number) {
            self.slices.push_back(Slice { number, ..Slice::default() });
        }
        let Some(slice) = self.slices.back_mut() else { return };
        slice.events += 1;
        self.events += 1;
        if let Ended::Failed(word) = ended {
            slice.failed += 1;
            self.failed += 1;
            add(&mut slice.words, word, 1);
        }
    }

    fn most(&self) -> Option<(String, u64)> {
        let mut words = Vec::new();
        for (word, count) in self.slices.iter().flat_map(|slice| &slice.words) {
            add(&mut words, word, *count);
        }
        // Of equals the one that came first.
        words.into_iter().rev().max_by_key(|(_, count)| *count)
    }
}

/// Counts `by` under `word`, as long as there is room for it.
fn add(words: &mut Vec<(String, u64)>, word: &str, by: u64) {
    if let Some((_, count)) = words.iter_mut().find(|(known, _)| known == word) {
        *count += by;
    } else if words.len() < WORDS_MAX {
        words.push((word.to_owned(), by));
    }
}
