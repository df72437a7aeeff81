//! Which error events are given back: what the operator asks for, and what the rules allow. Nothing is read or written
//! here.

use crate::reprocess::summary::Fate;
use millrace_flow::record::OutputRecord;
use millrace_platform::{Coordinates, FailedEvent, Original, Unreturnable};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// What the operator asks for. Of each kind: any of the values; none: all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// From this time on (ms since 1970), by the error event's record.
    pub since_ms: Option<i64>,
    /// Before this time.
    pub until_ms: Option<i64>,
    /// `error_type`.
    pub error_types: Vec<String>,
    /// `errored_stream_name`.
    pub streams: Vec<String>,
    /// Keys of the original records.
    pub keys: Vec<KeyFilter>,
}

/// A key that is asked for: the same bytes, or the same JSON.
#[derive(Clone, Debug)]
pub struct KeyFilter {
    text: String,
    json: Option<serde_json::Value>,
}

impl KeyFilter {
    /// The key that is written so.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), json: serde_json::from_str(text).ok() }
    }

    fn is(&self, key: Option<&[u8]>) -> bool {
        let Some(key) = key else { return false };
        let json = || serde_json::from_slice::<serde_json::Value>(key).ok();
        key == self.text.as_bytes() || (self.json.is_some() && json() == self.json)
    }
}

impl Selection {
    /// Whether the error event, written at this time, is asked for.
    pub fn wants(&self, failed: &FailedEvent, timestamp_ms: i64) -> bool {
        let key = failed.original.as_ref().ok().and_then(|original| original.key.as_deref());
        self.since_ms.is_none_or(|since_ms| timestamp_ms >= since_ms)
            && self.until_ms.is_none_or(|until_ms| timestamp_ms < until_ms)
            && (self.error_types.is_empty() || self.error_types.contains(&failed.error_type))
            && (self.streams.is_empty() || failed.stream.as_ref().is_some_and(|stream| self.streams.contains(stream)))
            && (self.keys.is_empty() || self.keys.iter().any(|filter| filter.is(key)))
    }
}

/// The rules by which a pipeline takes events back.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The pipeline.
    pub pipeline: String,
    /// The id of the cluster that it reads.
    pub cluster_id: String,
    /// The topics of its inputs.
    pub topics: FxHashSet<String>,
    /// Its reprocess topic.
    pub topic: Arc<str>,
    /// The largest record that the topic takes.
    pub bytes_max: u64,
    /// How often an event may be given back in all.
    pub attempts_max: u32,
}

/// The error events that were given back.
#[derive(Clone, Debug, Default)]
pub struct GivenBack(FxHashMap<Arc<str>, FxHashSet<(i32, i64)>>);

impl GivenBack {
    /// This one was.
    pub fn add(&mut self, error: &Coordinates) {
        let of_topic = self.0.entry(Arc::clone(&error.partition.topic)).or_default();
        of_topic.insert((error.partition.partition, error.offset));
    }

    /// Whether it was.
    pub fn has(&self, error: &Coordinates) -> bool {
        let of_topic = self.0.get(&error.partition.topic);
        of_topic.is_some_and(|known| known.contains(&(error.partition.partition, error.offset)))
    }
}

/// What becomes of a selected error event.
#[derive(Debug)]
pub enum Verdict {
    /// It is given back by this record.
    Give(OutputRecord),
    /// It is not, for this reason.
    Leave(Fate),
}

impl Rules {
    /// What becomes of an error event that was asked for.
    pub fn judge(&self, failed: &FailedEvent, given_back: &GivenBack, now_ms: u64) -> Verdict {
        if given_back.has(&failed.at) {
            return Verdict::Leave(Fate::Before);
        }
        let original = match &failed.original {
            Ok(original) => original,
            Err(Unreturnable::Cut) => return Verdict::Leave(Fate::Cut),
            Err(Unreturnable::Incomplete(_) | Unreturnable::Timer) => return Verdict::Leave(Fate::Incomplete),
        };
        if !self.is_ours(original) {
            return Verdict::Leave(Fate::Foreign);
        }
        if original.reprocessed >= self.attempts_max {
            return Verdict::Leave(Fate::AtTheCap);
        }
        let record = failed.give_back(original, &self.topic, original.reprocessed + 1, now_ms);
        if record.bytes() as u64 > self.bytes_max {
            return Verdict::Leave(Fate::TooLarge);
        }
        Verdict::Give(record)
    }

    fn is_ours(&self, original: &Original) -> bool {
        original.cluster_id == self.cluster_id && self.topics.contains(&*original.at.partition.topic)
    }
}

#[cfg(test)]
mod tests;
