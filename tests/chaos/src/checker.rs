//! The judge of a run: is what came out what at-least-once promises?
//!
//! The rules, exactly:
//!
//! 1. **Nothing is missing.** Every input has an output, every output has an input, and carries its key.
//! 2. **Ids.** All outputs of an event have one `meta.id`, and no two events share one.
//! 3. **Order.** All outputs of a key lie in one partition, and there an event of the key comes for the first time only
//!    when all its earlier events have come. After a kill a tail may come again, so 1 2 3 2 3 4 is in order and 1 3 2 is not.
//! 4. **Commits.** Committed progress holds only events whose outputs the broker had appended before, it never shrinks, and
//!    at the end it holds everything.
//! 5. **Doubles only from the last commit interval.** An event comes again only if its output was younger than a commit
//!    interval (and some slack) when its owner lost the partition; time in which the owner or the broker stood still, or the
//!    group took no commits because it was rebalancing, does not count. And what was seen committed comes again only from a former owner that does not know yet, or whose last
//!    writes were still on their way: nothing fences it in at-least-once.
//!
//! What exactly-once promises is more, and has a judge of its own ([`once`]).

mod breach;
mod doubles;
pub mod once;

use crate::evidence::{Evidence, Input, Output, Source};
pub use breach::Breach;
use millrace_flow::progress::Progress;
use std::collections::{BTreeMap, BTreeSet};

/// What the hosts were configured to, and what the machine is granted.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// How often progress is committed.
    pub commit_interval_ms: i64,
    /// What acknowledging, settling and committing may take beside the interval.
    pub slack_ms: i64,
    /// How long a write of a host that let go or died may be under way.
    pub in_flight_ms: i64,
    /// How long clients need to be at work again once the broker is back.
    pub recovery_ms: i64,
    /// How long a host may take to commit again once the group has rebalanced.
    pub regroup_ms: i64,
}

/// What a run showed that kept all rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Events.
    pub events: usize,
    /// Outputs beyond one for each event.
    pub doubles: usize,
    /// Doubles of what was committed already, written by former owners.
    pub late_doubles: usize,
    /// The age of the oldest output that was doubled, when its owner lost the partition.
    pub oldest_double_ms: i64,
    /// How often a partition went from one host to the next.
    pub takeovers: usize,
}

/// Judges a run.
///
/// # Errors
/// Every breach of the rules above.
pub fn judge(evidence: &Evidence, promise: &Promise) -> Result<Findings, Vec<Breach>> {
    let mut breaches = Vec::new();
    let appended = appended(evidence);
    nothing_is_missing(evidence, &appended, &mut breaches);
    ids_belong_to_events(&evidence.outputs, &mut breaches);
    keys_are_in_order(evidence, &mut breaches);
    let committed = commits_follow_outputs(evidence, &appended, &mut breaches);
    let mut findings = doubles::check(evidence, promise, &appended, &committed, &mut breaches);
    findings.events = evidence.inputs.len();
    if breaches.is_empty() { Ok(findings) } else { Err(breaches) }
}

/// When the outputs of each event were appended, the earliest first.
type Appended = BTreeMap<Source, Vec<i64>>;

/// When each event was first seen committed.
type Committed = BTreeMap<Source, i64>;

fn appended(evidence: &Evidence) -> Appended {
    let mut appended = Appended::new();
    for output in &evidence.outputs {
        appended.entry(output.source).or_default().push(output.at_ms);
    }
    appended.values_mut().for_each(|times| times.sort_unstable());
    appended
}

/// Rule 1.
fn nothing_is_missing(evidence: &Evidence, appended: &Appended, breaches: &mut Vec<Breach>) {
    let keys: BTreeMap<Source, &[u8]> =
        evidence.inputs.iter().map(|input| (input.source, input.key.as_slice())).collect();
    let lost = keys.keys().filter(|source| !appended.contains_key(source));
    breaches.extend(lost.map(|source| Breach::Lost(*source)));
    for Output { source, key, .. } in &evidence.outputs {
        match keys.get(source) {
            None => breaches.push(Breach::FromNowhere(*source)),
            Some(own) if own != key => breaches.push(Breach::OtherKey(*source)),
            Some(_) => {}
        }
    }
}

/// Rule 2.
fn ids_belong_to_events(outputs: &[Output], breaches: &mut Vec<Breach>) {
    let mut ids: BTreeMap<Source, &str> = BTreeMap::new();
    let mut owners: BTreeMap<&str, Source> = BTreeMap::new();
    for Output { source, id, .. } in outputs {
        if *ids.entry(*source).or_insert(id) != id {
            breaches.push(Breach::OtherId(*source));
        }
        let owner = *owners.entry(id).or_insert(*source);
        if owner != *source {
            breaches.push(Breach::SharedId(owner, *source));
        }
    }
}

/// Rule 3.
fn keys_are_in_order(evidence: &Evidence, breaches: &mut Vec<Breach>) {
    let mut waiting: BTreeMap<&[u8], BTreeSet<Source>> = BTreeMap::new();
    for Input { source, key } in &evidence.inputs {
        waiting.entry(key).or_default().insert(*source);
    }
    let mut homes: BTreeMap<&[u8], i32> = BTreeMap::new();
    for Output { source, key, partition, .. } in &evidence.outputs {
        if *homes.entry(key).or_insert(*partition) != *partition {
            breaches.push(Breach::Scattered(*source));
        }
        let Some(to_come) = waiting.get_mut(key.as_slice()) else { continue };
        if to_come.remove(source)
            && let Some(earlier) = to_come.first().filter(|first| *first < source)
        {
            breaches.push(Breach::OutOfOrder { first: *source, earlier: *earlier });
        }
    }
}

/// Rule 4. Answers when each event was first seen committed.
fn commits_follow_outputs(evidence: &Evidence, appended: &Appended, breaches: &mut Vec<Breach>) -> Committed {
    let mut committed = Committed::new();
    let mut last: BTreeMap<i32, &Progress> = BTreeMap::new();
    for commit in &evidence.commits {
        for (partition, progress) in &commit.progress {
            let before = last.insert(*partition, progress);
            if before == Some(progress) {
                continue;
            }
            for source in evidence.inputs.iter().map(|input| input.source).filter(|it| it.partition == *partition) {
                let (was, is) = (before.is_some_and(|before| holds(before, source)), holds(progress, source));
                if was && !is {
                    breaches.push(Breach::Uncommitted(source));
                }
                if is && !was {
                    committed.entry(source).or_insert(commit.seen_ms);
                    let written = appended.get(&source).and_then(|times| times.first());
                    if written.is_none_or(|written| *written > commit.seen_ms) {
                        breaches.push(Breach::CommittedTooEarly(source));
                    }
                }
            }
        }
    }
    let never = evidence.inputs.iter().map(|input| input.source).filter(|source| {
        let progress = last.get(&source.partition);
        progress.is_none_or(|progress| !holds(progress, *source))
    });
    breaches.extend(never.map(Breach::NeverCommitted));
    committed
}

/// Whether progress says that an event is settled.
fn holds(progress: &Progress, source: Source) -> bool {
    source.offset < progress.prefix || progress.settled.contains(source.offset)
}

#[cfg(test)]
mod tests;
