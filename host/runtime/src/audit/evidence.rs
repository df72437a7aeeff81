//! What an audit has read, as plain data: the judge sees nothing else. An input takes 24 bytes here and a result 40, so
//! that tens of millions of events fit.

use millrace_flow::progress::Progress;
use millrace_flow::record::TopicPartition;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

/// An event of a partition that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its offset.
    pub offset: i64,
    /// Its record's timestamp in ms.
    pub timestamp_ms: i64,
    /// What it runs in order with, see [`lane`].
    pub lane: u64,
}

/// One partition that is read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The partition.
    pub partition: TopicPartition,
    /// The offsets that are judged.
    pub range: Range<i64>,
    /// Its records in this range, offsets rising.
    pub inputs: Vec<Input>,
    /// Those among them that are canary events, offsets rising.
    pub canaries: Vec<i64>,
    /// Those among them that are tombstones, offsets rising.
    pub tombstones: Vec<i64>,
    /// Those that `millrace reprocess` gave back, offsets rising.
    pub given_back: Vec<i64>,
    /// What was settled before the first result was read: the result of each of these must have been read.
    pub before: Progress,
    /// What was settled after the last result was read: in exactly-once, nothing else may have a result.
    pub after: Progress,
}

impl Source {
    /// The record at this offset; none: there is none in the range, as far as it was read.
    pub fn input(&self, offset: i64) -> Option<&Input> {
        let found = self.inputs.binary_search_by_key(&offset, |input| input.offset);
        found.ok().and_then(|at| self.inputs.get(at))
    }
}

/// Which of its event's results it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// An output; its index counts the outputs of the event.
    Output,
    /// An error event; its index says how often the event was given back before.
    Error,
}

/// An output or an error event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The offset of its cause.
    pub offset: i64,
    /// Its own offset in its topic.
    pub at: i64,
    /// The lane of its cause.
    pub lane: u64,
    /// The partition of its cause: a number in [`Evidence::sources`].
    pub source: u32,
    /// Its index.
    pub index: u32,
    /// Its own partition.
    pub partition: i32,
    /// Its topic: a number in [`Evidence::topics`].
    pub topic: u16,
    /// Output or error event.
    pub sort: Sort,
    /// For the judge: whether its place in the order says something.
    pub ordered: bool,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The partitions that are read.
    pub sources: Vec<Source>,
    /// The topics that are written.
    pub topics: Vec<String>,
    /// The results of events in the ranges of the sources.
    pub results: Vec<Found>,
}

/// What a record runs in order with, within its partition: a hash of its key. Two keys in a million million share one,
/// which could hide nothing and accuse nobody but by their order.
pub fn lane(key: Option<&[u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
