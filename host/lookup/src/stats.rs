//! What lookups count: one table of counters with their names and help, and a snapshot that the runtime exports.

pub use crate::breaker::BreakerState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Upper ends of the buckets that the durations of calls are counted in, in milliseconds. The last bucket is open.
pub const CALL_MS_BUCKETS: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

/// Targets that a snapshot names; the others are summed up. A metric with a label per wiki must stay bounded.
pub const TARGETS_NAMED_MAX: usize = 50;

macro_rules! counters {
    ($($name:ident, $word:literal, $help:literal;)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Counter {
            $(#[doc = $help] $name,)*
        }

        impl Counter {
            /// Every counter, in the order of the table.
            pub const ALL: &'static [Counter] = &[$(Counter::$name,)*];

            /// The metric's name, without the product's prefix.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What it counts, for people.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

counters! {
    Asks, "lookup_asks_total", "Asks of plugins.";
    Answers, "lookup_answers_total", "Asks that were answered, errors included.";
    Errors, "lookup_errors_total", "Asks that were answered with an error.";
    Refused, "lookup_refused_total", "Asks that were refused without a call: not granted, not configured, or senseless.";
    Cancelled, "lookup_cancelled_total", "Tokens whose open asks were withdrawn.";
    Coalesced, "lookup_coalesced_total", "Asks that joined an equal one which was open already.";
    CacheHits, "lookup_cache_hits_total", "Asks that were answered from the cache.";
    Calls, "lookup_calls_total", "Calls that were made.";
    BackfillCalls, "lookup_backfill_calls_total", "Calls that were made for backfills.";
    CallFailures, "lookup_call_failures_total", "Calls that failed for a reason which may pass.";
    Revisions, "lookup_revisions_total", "Revisions that calls asked for.";
    AnswerBytes, "lookup_answer_bytes_total", "Bytes of answers, after decompression.";
    Retries, "lookup_retries_total", "Questions that were put again because a call failed.";
    CutAnswers, "lookup_cut_answers_total", "Answers that the wiki cut, so that some of their revisions had to be asked for again.";
    YoungWaits, "lookup_young_waits_total", "Unknown revisions that were asked for again because their event was young.";
    Strangers, "lookup_strangers_total", "Revisions in answers that nobody had asked for.";
    Forgotten, "lookup_forgotten_total", "Answers that were thrown away because the content may have become forbidden meanwhile.";
    BreakerOpened, "lookup_breaker_opened_total", "Times that a target was found to be out.";
}

/// The counters.
#[derive(Debug)]
pub(crate) struct Counters {
    counts: Vec<AtomicU64>,
    call_ms: [AtomicU64; CALL_MS_BUCKETS.len() + 1],
    call_ms_sum: AtomicU64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        let counts = Counter::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Self {
            counts,
            call_ms: [const { AtomicU64::new(0) }; CALL_MS_BUCKETS.len() + 1],
            call_ms_sum: AtomicU64::new(0),
        }
    }

    pub(crate) fn add(&self, counter: Counter, by: u64) {
        if let Some(count) = self.counts.get(counter as usize) {
            count.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// A call took so long.
    pub(crate) fn call_took(&self, ms: u64) {
        let bucket = CALL_MS_BUCKETS.partition_point(|end_ms| *end_ms < ms);
        if let Some(count) = self.call_ms.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.call_ms_sum.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Vec<(Counter, u64)> {
        Counter::ALL
            .iter()
            .zip(&self.counts)
            .map(|(counter, count)| (*counter, count.load(Ordering::Relaxed)))
            .collect()
    }

    pub(crate) fn call_ms(&self) -> (Vec<u64>, u64) {
        let buckets = self.call_ms.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        (buckets, self.call_ms_sum.load(Ordering::Relaxed))
    }
}

/// A snapshot.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Every counter.
    pub counters: Vec<(Counter, u64)>,
    /// Calls by duration: one count per bucket of [`CALL_MS_BUCKETS`] and a last, open one. Not cumulated.
    pub call_ms_buckets: Vec<u64>,
    /// The sum of all durations, in milliseconds.
    pub call_ms_sum: u64,
    /// Tokens that wait for an answer.
    pub open_tokens: usize,
    /// Bytes that the cache holds.
    pub cache_bytes: u64,
    /// Bytes of answers that are still referred to.
    pub pinned_bytes: u64,
    /// At most [`TARGETS_NAMED_MAX`] targets: those that are out, then those with most waiting, then the busiest.
    pub targets: Vec<TargetStats>,
    /// Targets that are not named.
    pub targets_unnamed: usize,
}

impl Stats {
    /// The value of a counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters.iter().find(|(which, _)| *which == counter).map_or(0, |(_, count)| *count)
    }
}

/// One target in a snapshot.
#[derive(Clone, Debug)]
pub struct TargetStats {
    /// The wiki's domain, or `target:` and the name of an HTTP target.
    pub name: Arc<str>,
    /// Calls that were made to it.
    pub calls: u64,
    /// Calls to it that failed for a reason which may pass.
    pub failures: u64,
    /// Questions that wait for it, without those whose calls are under way.
    pub waiting: usize,
    /// Those whose call is under way.
    pub under_way: usize,
    /// Calls that are under way.
    pub slots_taken: usize,
    /// Slots that there are for this host.
    pub slots: usize,
    /// Its breaker. While nobody asks, one that would let a call through counts as closed.
    pub breaker: BreakerState,
    /// How long its breaker has held back calls in all, in milliseconds.
    pub held_ms: u64,
}
