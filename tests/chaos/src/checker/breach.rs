//! What a run can do wrong.

use crate::evidence::Source;
use std::fmt;

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} offset {}", self.partition, self.offset)
    }
}

/// One breach of a rule of the checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// An event has no output.
    Lost(Source),
    /// An output names an event that is not there.
    FromNowhere(Source),
    /// An output has another key than its event.
    OtherKey(Source),
    /// Two outputs of an event have different ids.
    OtherId(Source),
    /// Two events have one id.
    SharedId(Source, Source),
    /// The outputs of a key lie in several partitions.
    Scattered(Source),
    /// An event came for the first time before an earlier one of its key had come.
    OutOfOrder {
        /// What came.
        first: Source,
        /// What had not come yet.
        earlier: Source,
    },
    /// Progress that holds an event was seen before its output was appended.
    CommittedTooEarly(Source),
    /// Progress that held an event does not hold it any more.
    Uncommitted(Source),
    /// The last progress does not hold an event.
    NeverCommitted(Source),
    /// An event came again although it was committed, and nobody who could not know wrote it.
    DoubledAfterCommit {
        /// The event.
        source: Source,
        /// When it was seen committed.
        committed_ms: i64,
        /// When it came again.
        again_ms: i64,
    },
    /// An event came again although its output was older than a commit interval when its partition was lost.
    DoubledTooOld {
        /// The event.
        source: Source,
        /// When it came.
        first_ms: i64,
        /// When it came again.
        again_ms: i64,
        /// How old its output was at the nearest loss of the partition, standstills aside; none: there was no loss.
        age_ms: Option<i64>,
    },
    /// Readers of committed records see two outputs of an event.
    SeenTwice(Source),
    /// A reader that went along saw another event at this place of an output partition than is there now, or one where
    /// there is none.
    Flickered {
        /// The output partition.
        partition: i32,
        /// The place among its committed records, from 0.
        place: usize,
    },
    /// A reader that went along did not see the committed records of an output partition from this place on.
    Unseen {
        /// The output partition.
        partition: i32,
        /// The place among its committed records, from 0.
        place: usize,
    },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(source) => write!(f, "{source} has no output"),
            Self::FromNowhere(source) => write!(f, "an output says that it came of {source}, which is not there"),
            Self::OtherKey(source) => write!(f, "{source} came out under another key"),
            Self::OtherId(source) => write!(f, "{source} came out under two ids"),
            Self::SharedId(one, other) => write!(f, "{one} and {other} have the same id"),
            Self::Scattered(source) => write!(f, "{source} came out in another partition than its key's first event"),
            Self::OutOfOrder { first, earlier } => write!(f, "{first} came before {earlier} of its key"),
            Self::CommittedTooEarly(source) => write!(f, "{source} was committed before its output was written"),
            Self::Uncommitted(source) => write!(f, "{source} was committed, and later it was not"),
            Self::NeverCommitted(source) => write!(f, "{source} is not committed at the end"),
            Self::DoubledAfterCommit { source, committed_ms, again_ms } => {
                write!(f, "{source} was committed by {committed_ms} and came again at {again_ms}")
            }
            Self::DoubledTooOld { source, first_ms, again_ms, age_ms } => write!(
                f,
                "{source} came at {first_ms} and again at {again_ms}; its age at the nearest loss: {age_ms:?} ms"
            ),
            Self::SeenTwice(source) => write!(f, "{source} has two committed outputs"),
            Self::Flickered { partition, place } => {
                write!(f, "committed record {place} of output partition {partition} was seen as another one before")
            }
            Self::Unseen { partition, place } => {
                write!(f, "from record {place} on, output partition {partition} was not seen by who read along")
            }
        }
    }
}
