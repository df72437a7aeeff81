//! The judge: from what was read to what is wrong with it. A pure function over plain data; how the data came together,
//! and whether each result is valid by itself, is not its business.
//!
//! What it goes by: an event that is settled has its results, each once; results of one lane lie in each partition of
//! their topic in the order of their events; in exactly-once, there is no result that progress does not contain. An event
//! that was skipped has no result and leaves no other trace, so only [`Silence::Found`] makes that a finding.

use super::evidence::{Evidence, Found, Input, Sort, Source};
use super::finding::{Defect, Finding, Findings};
use millrace_flow::record::TopicPartition;
use millrace_platform::Coordinates;
use std::sync::Arc;

/// What a settled event without any result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Skipped, as far as anybody can tell.
    Counted,
    /// Missing its results: the plugin skips nothing.
    Found,
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Every result once or, after a crash, more than once.
    AtLeastOnce,
    /// Every result once, together with the progress that contains it.
    ExactlyOnce,
}

/// What becomes of a result that is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// It is a finding.
    Found,
    /// It is counted only.
    Counted,
}

/// What the judge goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What is promised.
    pub promise: Promise,
    /// What a settled event without any result is.
    pub silence: Silence,
    /// What becomes of results that are there again.
    pub repeats: Repeats,
}

/// What became of the events of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events in the range, canary events and tombstones included.
    pub events: u64,
    /// Those with outputs.
    pub emitted: u64,
    /// Those with error events.
    pub failed: u64,
    /// Canary events without a result, as it should be.
    pub canaries: u64,
    /// Tombstones without a result.
    pub tombstones: u64,
    /// Other settled events without a result: skipped, or lost.
    pub silent: u64,
    /// Events without a result that are not settled yet.
    pub open: u64,
    /// Events with results that are not settled: on their way in at-least-once, or to be repeated.
    pub ahead: u64,
    /// Results that were there already.
    pub repeated: u64,
}

/// What became of everything: a tally for each source, in their order. What is wrong goes to `findings`.
pub fn judge(evidence: &mut Evidence, rules: Rules, findings: &mut Findings) -> Vec<Tally> {
    let Evidence { sources, topics, results } = evidence;
    results.sort_unstable_by_key(|found| {
        (found.source, found.offset, found.sort, found.index, found.topic, found.partition, found.at)
    });
    let names: Vec<Arc<str>> = topics.iter().map(|topic| Arc::from(topic.as_str())).collect();
    let mut bench = Bench { sources, names: &names, rules, findings };
    let mut rest: &mut [Found] = results;
    let mut tallies = Vec::with_capacity(sources.len());
    for (number, source) in (0..).zip(sources.iter()) {
        let count = rest.iter().take_while(|found| found.source == number).count();
        let (own, others) = rest.split_at_mut(count);
        tallies.push(bench.partition(number, source, own));
        rest = others;
    }
    results.sort_unstable_by_key(|found| (found.topic, found.partition, found.source, found.lane, found.at));
    bench.order(results);
    tallies
}

struct Bench<'a> {
    sources: &'a [Source],
    names: &'a [Arc<str>],
    rules: Rules,
    findings: &'a mut Findings,
}

/// An event with what is known of it.
#[derive(Clone, Copy)]
struct Event<'a> {
    number: u32,
    source: &'a Source,
    input: Input,
}

impl Bench<'_> {
    /// Judges the events of one partition, and their results, which are in the order of the events.
    fn partition(&mut self, number: u32, source: &Source, mut results: &mut [Found]) -> Tally {
        let mut tally = Tally::default();
        for input in &source.inputs {
            let before = results.iter().take_while(|found| found.offset < input.offset).count();
            let count = results.iter().skip(before).take_while(|found| found.offset == input.offset).count();
            let (own, others) = results.split_at_mut(before + count);
            results = others;
            let own = own.get_mut(before..).unwrap_or_default();
            tally.events += 1;
            let event = Event { number, source, input: *input };
            if own.is_empty() { self.silent(event, &mut tally) } else { self.heard(event, own, &mut tally) }
        }
        tally
    }

    /// An event without a result.
    fn silent(&mut self, event: Event<'_>, tally: &mut Tally) {
        let Event { source, input, .. } = event;
        let has = |offsets: &[i64]| offsets.binary_search(&input.offset).is_ok();
        if has(&source.canaries) {
            tally.canaries += 1;
        } else if !source.before.covers(input.offset) {
            tally.open += 1;
        } else if has(&source.tombstones) {
            tally.tombstones += 1;
        } else {
            tally.silent += 1;
            if self.rules.silence == Silence::Found {
                self.find(event, Defect::Missing, None, "it is settled and has no result".to_owned());
            }
        }
    }

    /// An event with results: outputs first, indexes rising.
    fn heard(&mut self, event: Event<'_>, results: &mut [Found], tally: &mut Tally) {
        let Event { source, input, .. } = event;
        let outputs = results.partition_point(|found| found.sort == Sort::Output);
        let returned = source.given_back.binary_search(&input.offset).is_ok()
            || results.iter().any(|found| found.sort == Sort::Error && found.index > 0);
        self.mark(event, results, returned, tally);
        let (outputs, errors) = results.split_at(outputs);
        tally.emitted += u64::from(!outputs.is_empty());
        tally.failed += u64::from(!errors.is_empty());
        if let (Some(output), Some(error), false) = (outputs.first(), errors.first(), returned) {
            tally.repeated += 1;
            if self.rules.repeats == Repeats::Found {
                let detail = format!("it has an error event, and an output too, at {}", self.place(output));
                self.find(event, Defect::Doubled, Some(error), detail);
            }
        }
        if source.before.covers(input.offset) {
            self.complete(event, outputs);
        }
        if !source.after.covers(input.offset) {
            tally.ahead += 1;
            let result = results.first().filter(|_| self.rules.promise == Promise::ExactlyOnce);
            if let Some(result) = result {
                let detail = "progress does not contain the event, and its result is there".to_owned();
                self.find(event, Defect::Uncovered, Some(result), detail);
            }
        }
    }

    /// Finds results that are there again. They have no say in the order, and neither have those of an event that came
    /// back, which waits for nobody.
    fn mark(&mut self, event: Event<'_>, results: &mut [Found], returned: bool, tally: &mut Tally) {
        let mut first: Option<Found> = None;
        for found in results {
            let again = first.filter(|first| (first.sort, first.index) == (found.sort, found.index));
            found.ordered = found.sort == Sort::Output && again.is_none() && !returned;
            let Some(before) = again else {
                first = Some(*found);
                continue;
            };
            tally.repeated += 1;
            if self.rules.repeats == Repeats::Found {
                let detail = format!("the same result (index {}) is at {}", found.index, self.place(&before));
                self.find(event, Defect::Doubled, Some(found), detail);
            }
        }
    }

    /// The outputs of a settled event are numbered from 0 without a gap.
    fn complete(&mut self, event: Event<'_>, outputs: &[Found]) {
        let mut next = 0;
        for output in outputs {
            if output.index > next {
                let last = output.index - 1;
                let which = if last == next { format!("index {next}") } else { format!("indexes {next} to {last}") };
                let detail = format!("its output with {which} is not there, and one with index {} is", output.index);
                self.find(event, Defect::Missing, Some(output), detail);
            }
            next = output.index.saturating_add(1).max(next);
        }
    }

    /// Results of one lane in one partition, as they lie there: their events rise.
    fn order(&mut self, results: &[Found]) {
        let place = |found: &Found| (found.topic, found.partition, found.source, found.lane);
        let mut last: Option<&Found> = None;
        for found in results.iter().filter(|found| found.ordered) {
            match last.filter(|last| place(last) == place(found)) {
                Some(before) if (found.offset, found.index) < (before.offset, before.index) => {
                    let source = usize::try_from(found.source).ok().and_then(|number| self.sources.get(number));
                    let Some(source) = source else { continue };
                    let Some(input) = source.input(found.offset) else { continue };
                    let event = Event { number: found.source, source, input: *input };
                    let detail = format!(
                        "it lies behind {}, the result with index {} of the event {}, which has the same key",
                        self.place(before),
                        before.index,
                        at(&source.partition, before.offset),
                    );
                    self.find(event, Defect::OutOfOrder, Some(found), detail);
                }
                _ => last = Some(found),
            }
        }
    }

    fn find(&mut self, event: Event<'_>, defect: Defect, result: Option<&Found>, detail: String) {
        let Event { number, source, input } = event;
        let finding = Finding {
            defect,
            source: Some(at(&source.partition, input.offset)),
            result: result.map(|found| self.place(found)),
            key: None,
            detail,
        };
        self.findings.add(Some((number, input.lane)), finding);
    }

    fn place(&self, found: &Found) -> Coordinates {
        let topic = self.names.get(usize::from(found.topic)).cloned().unwrap_or_else(|| Arc::from(""));
        at(&TopicPartition::new(topic, found.partition), found.at)
    }
}

fn at(partition: &TopicPartition, offset: i64) -> Coordinates {
    Coordinates { partition: partition.clone(), offset }
}

#[cfg(test)]
mod tests;
