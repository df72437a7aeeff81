//! Counters by a word that a plugin chooses: handles are found once per word, and words beyond a bound share one.

use prometheus::{IntCounter, IntCounterVec};
use rustc_hash::FxHashMap;
use std::sync::{Mutex, PoisonError};

/// Words per pipeline and family; what is beyond counts as [`OTHER`].
pub(crate) const WORDS_MAX: usize = 64;

/// The word that stands for all beyond the bound.
pub(crate) const OTHER: &str = "other";

/// The most bytes of a word.
const WORD_BYTES_MAX: usize = 64;

/// The counters of one family and pipeline.
#[derive(Debug)]
pub(crate) struct WordCounters {
    family: IntCounterVec,
    pipeline: String,
    known: Mutex<FxHashMap<String, IntCounter>>,
}

impl WordCounters {
    pub(crate) fn new(family: &IntCounterVec, pipeline: &str) -> Self {
        Self { family: family.clone(), pipeline: pipeline.to_owned(), known: Mutex::default() }
    }

    /// Counts one under `word`.
    pub(crate) fn count(&self, word: &str) {
        self.add(word, 1);
    }

    /// Counts so many under `word`.
    pub(crate) fn add(&self, word: &str, count: u64) {
        // A panic while counting cannot leave the map half-changed, so a poisoned lock is as good as another.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = known.get(word) {
            return counter.inc_by(count);
        }
        let fits = known.len() < WORDS_MAX && word.len() <= WORD_BYTES_MAX && !word.contains(char::is_control);
        let word = if fits { word } else { OTHER };
        let counter = self.family.with_label_values(&[self.pipeline.as_str(), word]);
        counter.inc_by(count);
        known.insert(word.to_owned(), counter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Opts;
    use prometheus::core::Collector as _;

    #[test]
    fn words_beyond_the_bound_count_as_other() {
        let family = IntCounterVec::new(Opts::new("words", "Words."), &["pipeline", "word"]).unwrap();
        let counters = WordCounters::new(&family, "p");
        for number in 0..WORDS_MAX + 10 {
            counters.count(&format!("word{number}"));
        }
        counters.count("word0");
        counters.count("a\nb");
        counters.count(&"x".repeat(WORD_BYTES_MAX + 1));
        let value = |word: &str| family.with_label_values(&["p", word]).get();
        assert_eq!((value("word0"), value(OTHER)), (2, 12));
        assert_eq!(family.collect()[0].get_metric().len(), WORDS_MAX + 1);
    }
}
