//! What an audit found: each kind counted in full, the first ones of each kind with their coordinates.

use millrace_platform::Coordinates;
use std::collections::{BTreeMap, HashSet};

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// A settled event lacks a result that it must have.
    Missing,
    /// An event has a result twice, or outputs and an error event.
    Doubled,
    /// A result lies behind one of a later event of its key.
    OutOfOrder,
    /// A result is not what its stream and its cause make of it.
    Invalid,
    /// A result is there that progress does not contain.
    Uncovered,
}

impl Defect {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 5] = [Self::Missing, Self::Doubled, Self::OutOfOrder, Self::Invalid, Self::Uncovered];

    /// The word for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Doubled => "doubled",
            Self::OutOfOrder => "out_of_order",
            Self::Invalid => "invalid",
            Self::Uncovered => "uncovered",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is.
    pub defect: Defect,
    /// The event that it is about, where that is known.
    pub source: Option<Coordinates>,
    /// The result that it is about, if there is one.
    pub result: Option<Coordinates>,
    /// The event's key as text, once it was looked up.
    pub key: Option<String>,
    /// What exactly is wrong.
    pub detail: String,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// So many of each kind are kept.
    kept_max: usize,
    counts: BTreeMap<Defect, u64>,
    /// What was found by the topic of the result, else of the event.
    by_topic: BTreeMap<(String, Defect), u64>,
    kept: Vec<Finding>,
    lanes: HashSet<(u32, u64)>,
}

impl Findings {
    /// Nothing was found; `kept_max` of each kind will be kept.
    pub fn keeping(kept_max: usize) -> Self {
        Self { kept_max, counts: BTreeMap::new(), by_topic: BTreeMap::new(), kept: Vec::new(), lanes: HashSet::new() }
    }

    /// Something was found about an event of this source and lane, where that is known.
    pub fn add(&mut self, lane: Option<(u32, u64)>, finding: Finding) {
        let count = self.counts.entry(finding.defect).or_default();
        *count += 1;
        let topic = finding.result.as_ref().or(finding.source.as_ref()).map(|at| at.partition.topic.to_string());
        *self.by_topic.entry((topic.unwrap_or_default(), finding.defect)).or_default() += 1;
        self.lanes.extend(lane);
        if *count <= self.kept_max as u64 {
            self.kept.push(finding);
        }
    }

    /// How many of this kind there are.
    pub fn count(&self, defect: Defect) -> u64 {
        self.counts.get(&defect).copied().unwrap_or(0)
    }

    /// How many of this kind there are in a topic.
    pub fn count_in(&self, topic: &str, defect: Defect) -> u64 {
        self.by_topic.get(&(topic.to_owned(), defect)).copied().unwrap_or(0)
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How many keys are concerned, in all partitions.
    pub fn keys(&self) -> usize {
        self.lanes.len()
    }

    /// Those that were kept, in the order of the kinds.
    pub fn kept(&self) -> impl Iterator<Item = &Finding> {
        Defect::ALL.into_iter().flat_map(|defect| self.kept.iter().filter(move |finding| finding.defect == defect))
    }

    /// Those that were kept, to be completed.
    pub fn kept_mut(&mut self) -> &mut [Finding] {
        &mut self.kept
    }
}
