//! What was seen of one run, as plain data: the checker's input. How it is gathered is not known here.
//!
//! All times are of the machine's clock, in milliseconds since 1970; the broker stamps outputs with the same clock.

use millrace_flow::progress::Progress;
use std::collections::BTreeMap;

/// Where an event lay in the input topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// One record of the input topic.
#[derive(Clone, Debug)]
pub struct Input {
    /// Where it lies.
    pub source: Source,
    /// Its key.
    pub key: Vec<u8>,
}

/// One record of the output topic.
#[derive(Clone, Debug)]
pub struct Output {
    /// The event that it came of, as its header says.
    pub source: Source,
    /// Its key.
    pub key: Vec<u8>,
    /// Its `meta.id`.
    pub id: String,
    /// The output partition that it lies in.
    pub partition: i32,
    /// When the broker appended it.
    pub at_ms: i64,
}

/// A committed output, as it was read while everything went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The output partition.
    pub partition: i32,
    /// The event that it came of.
    pub source: Source,
}

/// What the group had committed at one moment.
#[derive(Clone, Debug)]
pub struct Commit {
    /// When the coordinator's answer was there.
    pub seen_ms: i64,
    /// The progress of each partition that has any.
    pub progress: BTreeMap<i32, Progress>,
}

/// A stretch of time in which a host took a partition for its own, rightly or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Which host.
    pub host: usize,
    /// Which partition.
    pub partition: i32,
    /// When it was assigned.
    pub from_ms: i64,
    /// When the host let go of it, or died.
    pub left_ms: i64,
}

/// Who stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A host, by its number.
    Host(usize),
    /// The broker, and with it everybody.
    Broker,
    /// The group: it was rebalancing, and takes no commits then.
    Group,
}

/// A stretch of time in which somebody could do nothing: a frozen host, a broker that is away, a group that is rebalancing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standstill {
    /// Who.
    pub who: Who,
    /// Since when.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
}

/// Everything that was seen of one run.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The input topic.
    pub inputs: Vec<Input>,
    /// The output topic, each of its partitions in order.
    pub outputs: Vec<Output>,
    /// The committed progress, looked at again and again, in order.
    pub commits: Vec<Commit>,
    /// Who owned what, and when.
    pub tenures: Vec<Tenure>,
    /// Who stood still, and when.
    pub standstills: Vec<Standstill>,
}
