//! What a run reads and what must come of it: events with gaps between their offsets, each with all that its plugin will do.

use crate::plan::Plan;
use crate::random::{Random, mix};

/// The number of an input partition.
pub(crate) type Part = usize;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) partition: Part,
    pub(crate) offset: i64,
    pub(crate) key: u8,
    pub(crate) bytes: u64,
    /// The lookups that its plugin asks one after the other, by the bytes of their answers.
    pub(crate) answers: Vec<u64>,
    /// Whether its lookups take long.
    pub(crate) is_slow: bool,
    /// How often its plugin wants to run again before it decides.
    pub(crate) retries: u8,
    pub(crate) ending: Ending,
}

/// What its plugin decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Outputs; true: the topic will refuse this one.
    Emit(Vec<bool>),
    Skip,
    Fail,
}

/// Where an output comes from: what `meta.id` is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) partition: Part,
    pub(crate) offset: i64,
    pub(crate) index: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Result,
    Error,
}

/// A record on its way to an output topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) kind: Kind,
    pub(crate) id: Id,
    pub(crate) key: u8,
    /// Made of the answers that the plugin got: whose they were can be told from it.
    pub(crate) content: u64,
    pub(crate) refused: bool,
}

impl Event {
    /// What the plugin has in hand before its first answer.
    pub(crate) fn first_content(&self) -> u64 {
        mix(((self.partition as u64) << 32) | self.offset.unsigned_abs())
    }

    /// What it has in hand after the answer `number` of the event at `offset` of `partition`.
    pub(crate) fn next_content(content: u64, (partition, offset): (Part, i64), number: usize) -> u64 {
        mix(content ^ mix(((partition as u64) << 48) | (offset.unsigned_abs() << 8) | number as u64))
    }

    /// What it has in hand after all of its own answers.
    pub(crate) fn content(&self) -> u64 {
        let own = (self.partition, self.offset);
        (0..self.answers.len()).fold(self.first_content(), |content, number| Self::next_content(content, own, number))
    }

    /// What the plugin makes of what it has in hand.
    pub(crate) fn outputs(&self, content: u64) -> Vec<Output> {
        match &self.ending {
            Ending::Skip => Vec::new(),
            Ending::Fail => vec![self.error(content)],
            Ending::Emit(outputs) => {
                let one = |(index, refused): (usize, &bool)| Output {
                    kind: Kind::Result,
                    id: Id { partition: self.partition, offset: self.offset, index },
                    key: self.key,
                    content,
                    refused: *refused,
                };
                outputs.iter().enumerate().map(one).collect()
            }
        }
    }

    /// Its error event.
    pub(crate) fn error(&self, content: u64) -> Output {
        let id = Id { partition: self.partition, offset: self.offset, index: 0 };
        Output { kind: Kind::Error, id, key: self.key, content, refused: false }
    }

    /// What a reader must see of it in the end.
    pub(crate) fn expected(&self) -> Vec<(Kind, Id)> {
        let outputs = self.outputs(0);
        let seen = if outputs.iter().any(|output| output.refused) { vec![self.error(0)] } else { outputs };
        seen.into_iter().map(|output| (output.kind, output.id)).collect()
    }

    /// The bytes that it holds at most, between admission and the end.
    fn bytes_max(&self, estimate: u64) -> u64 {
        self.bytes + self.answers.iter().sum::<u64>().max(estimate)
    }
}

/// The logs that are read.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    partitions: Vec<Vec<Event>>,
    /// The bytes that the largest event holds.
    pub(crate) largest: u64,
}

impl Input {
    pub(crate) fn of(plan: &Plan, random: &mut Random) -> Self {
        let partitions: Vec<Vec<Event>> = (0..plan.partitions).map(|partition| log(partition, plan, random)).collect();
        let largest = partitions.iter().flatten().map(|event| event.bytes_max(plan.estimate)).max();
        Self { partitions, largest: largest.unwrap_or_default() }
    }

    /// The events of a partition from `position` on.
    pub(crate) fn from(&self, partition: Part, position: i64) -> &[Event] {
        let events = self.partitions.get(partition).map_or(&[][..], Vec::as_slice);
        events.get(events.partition_point(|event| event.offset < position)..).unwrap_or_default()
    }

    pub(crate) fn event(&self, partition: Part, offset: i64) -> Option<&Event> {
        self.from(partition, offset).first().filter(|event| event.offset == offset)
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.partitions.iter().flatten()
    }
}

/// An offset of nineteen digits: what progress says of it takes as many characters as it can.
const OFFSET_LARGE: i64 = 9_000_000_000_000_000_000;

fn log(partition: Part, plan: &Plan, random: &mut Random) -> Vec<Event> {
    // Near a border between blocks of the sparse set, often enough.
    let mut offset = random.pick(&[0, 3, 248, 250, 505, 1_000_000, OFFSET_LARGE]).unwrap_or_default();
    (0..random.within(plan.events.clone()))
        .map(|_| {
            // Control records and what compaction took; sometimes so many that whole blocks are passed over.
            offset += match random.below(10) {
                0 => random.within(2..=5),
                1 => random.within(100..=900),
                _ => 1,
            }
            .cast_signed();
            event(partition, offset, plan, random)
        })
        .collect()
}

fn event(partition: Part, offset: i64, plan: &Plan, random: &mut Random) -> Event {
    let lookups = random.pick(&[0, 1, 1, 2]).unwrap_or_default();
    let answers = (0..lookups).map(|_| if random.chance(5) { 500 } else { random.within(1..=60) }).collect();
    let ending = match random.below(20) {
        0..=3 => Ending::Skip,
        4 | 5 => Ending::Fail,
        6 => Ending::Emit(vec![false, true]),
        7 => Ending::Emit(vec![true]),
        8..=11 => Ending::Emit(vec![false, false]),
        _ => Ending::Emit(vec![false]),
    };
    Event {
        partition,
        offset,
        key: u8::try_from(random.below(plan.keys)).unwrap_or_default(),
        bytes: if random.chance(8) { 800 } else { random.within(1..=60) },
        answers,
        is_slow: random.chance(plan.slow_percent),
        retries: u8::from(random.chance(10)),
        ending,
    }
}
