//! The judge of a run in exactly-once, by what readers of committed records see:
//!
//! 1. **Nothing is missing**, every output has an input and its key.
//! 2. **Nothing comes twice.** Every event has one output. So an owner that was fenced has none that is seen beside its
//!    successor's.
//! 3. **Ids** are the events' own, and **order** is kept for each key: as in at-least-once.
//! 4. **Nothing flickers.** Who reads along sees, in each output partition, the same records in the same order as who reads
//!    at the end, and all of them.
//! 5. **The group's copy** of progress holds no event whose output was not written by then, and at the end all of them. It
//!    may lag, and move back.

use super::{Appended, Breach, appended, holds, ids_belong_to_events, keys_are_in_order, nothing_is_missing};
use crate::evidence::{Commit, Evidence, Sighting, Source};
use std::collections::{BTreeMap, BTreeSet};

/// Judges a run: `evidence` has the committed outputs, `seen` what was read of them while the run lasted, in order.
///
/// # Errors
/// Every breach of the rules above.
pub fn judge(evidence: &Evidence, seen: &[Sighting]) -> Result<(), Vec<Breach>> {
    let mut breaches = Vec::new();
    let appended = appended(evidence);
    nothing_is_missing(evidence, &appended, &mut breaches);
    let twice = appended.iter().filter(|(_, times)| times.len() > 1);
    breaches.extend(twice.map(|(source, _)| Breach::SeenTwice(*source)));
    ids_belong_to_events(&evidence.outputs, &mut breaches);
    keys_are_in_order(evidence, &mut breaches);
    nothing_flickers(evidence, seen, &mut breaches);
    copies_follow_outputs(evidence, &appended, &mut breaches);
    if breaches.is_empty() { Ok(()) } else { Err(breaches) }
}

/// Rule 4. Of each partition the first breach says what there is to say.
fn nothing_flickers(evidence: &Evidence, seen: &[Sighting], breaches: &mut Vec<Breach>) {
    let mut rows: BTreeMap<i32, (Vec<Source>, Vec<Source>)> = BTreeMap::new();
    for output in &evidence.outputs {
        rows.entry(output.partition).or_default().0.push(output.source);
    }
    for sighting in seen {
        rows.entry(sighting.partition).or_default().1.push(sighting.source);
    }
    for (partition, (there, seen)) in rows {
        let differs = (0..seen.len()).find(|place| there.get(*place) != seen.get(*place));
        match differs {
            Some(place) => breaches.push(Breach::Flickered { partition, place }),
            None if seen.len() < there.len() => breaches.push(Breach::Unseen { partition, place: seen.len() }),
            None => {}
        }
    }
}

/// Rule 5.
fn copies_follow_outputs(evidence: &Evidence, appended: &Appended, breaches: &mut Vec<Breach>) {
    let mut copied: BTreeSet<Source> = BTreeSet::new();
    // Everything below is copied, by partition.
    let mut floors: BTreeMap<i32, i64> = BTreeMap::new();
    for Commit { seen_ms, progress } in &evidence.commits {
        for (partition, progress) in progress {
            let floor = floors.entry(*partition).or_default();
            for offset in *floor..progress.end() {
                let source = Source { partition: *partition, offset };
                if !holds(progress, source) || !copied.insert(source) {
                    continue;
                }
                let written = appended.get(&source).and_then(|times| times.first());
                if written.is_none_or(|written| written > seen_ms) {
                    breaches.push(Breach::CommittedTooEarly(source));
                }
            }
            *floor = progress.prefix.max(*floor);
        }
    }
    let last = evidence.commits.last();
    let never = evidence.inputs.iter().map(|input| input.source).filter(|source| {
        let progress = last.and_then(|commit| commit.progress.get(&source.partition));
        progress.is_none_or(|progress| !holds(progress, *source))
    });
    breaches.extend(never.map(Breach::NeverCommitted));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Input, Output};
    use millrace_flow::progress::Progress;

    fn at(offset: i64) -> Source {
        Source { partition: 0, offset }
    }

    fn key(offset: i64) -> Vec<u8> {
        vec![u8::try_from(offset % 2).unwrap()]
    }

    fn output(offset: i64) -> Output {
        Output { source: at(offset), key: key(offset), id: format!("id {offset}"), partition: 0, at_ms: offset * 10 }
    }

    fn sighting(offset: i64) -> Sighting {
        Sighting { partition: 0, source: at(offset) }
    }

    fn commit(seen_ms: i64, prefix: i64) -> Commit {
        Commit { seen_ms, progress: [(0, Progress::at(prefix))].into() }
    }

    /// Six events of two keys in turns, each out ten milliseconds after the one before.
    fn good() -> (Evidence, Vec<Sighting>) {
        let evidence = Evidence {
            inputs: (0..6).map(|offset| Input { source: at(offset), key: key(offset) }).collect(),
            outputs: (0..6).map(output).collect(),
            commits: vec![commit(25, 3), commit(30, 2), commit(60, 6)],
            ..Evidence::default()
        };
        (evidence, (0..6).map(sighting).collect())
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Evidence, &mut Vec<Sighting>), expected: &[Breach]) {
        let (mut evidence, mut seen) = good();
        change(&mut evidence, &mut seen);
        assert_eq!(judge(&evidence, &seen).err().unwrap_or_default(), expected);
    }

    #[test]
    fn each_event_once_is_what_is_promised() {
        check(|_, _| {}, &[]);
    }

    #[test]
    fn an_event_that_is_missing_is_found() {
        let gone = |run: &mut Evidence, seen: &mut Vec<Sighting>| {
            run.outputs.remove(3);
            seen.remove(3);
        };
        let overtaken = Breach::OutOfOrder { first: at(5), earlier: at(3) };
        check(gone, &[Breach::Lost(at(3)), overtaken, Breach::CommittedTooEarly(at(3))]);
    }

    #[test]
    fn an_event_that_comes_twice_is_found() {
        let twice = |run: &mut Evidence, seen: &mut Vec<Sighting>| {
            run.outputs.push(output(5));
            seen.push(sighting(5));
        };
        check(twice, &[Breach::SeenTwice(at(5))]);
    }

    #[test]
    fn events_of_a_key_that_change_places_are_found() {
        let swapped = |run: &mut Evidence, seen: &mut Vec<Sighting>| {
            run.outputs.swap(0, 2);
            seen.swap(0, 2);
        };
        check(swapped, &[Breach::OutOfOrder { first: at(2), earlier: at(0) }]);
    }

    #[test]
    fn an_output_that_was_seen_and_is_gone_is_found() {
        check(|_, seen| seen.insert(2, sighting(9)), &[Breach::Flickered { partition: 0, place: 2 }]);
        check(|_, seen| seen.push(sighting(5)), &[Breach::Flickered { partition: 0, place: 6 }]);
    }

    #[test]
    fn an_output_that_was_seen_elsewhere_is_found() {
        check(|_, seen| seen.swap(1, 2), &[Breach::Flickered { partition: 0, place: 1 }]);
    }

    #[test]
    fn an_output_that_a_reader_passed_over_is_found() {
        check(
            |_, seen| seen.retain(|sighting| sighting.source != at(4)),
            &[Breach::Flickered { partition: 0, place: 4 }],
        );
        check(|_, seen| seen.truncate(5), &[Breach::Unseen { partition: 0, place: 5 }]);
    }

    #[test]
    fn a_copy_ahead_of_the_outputs_is_found() {
        check(|run, _| run.commits[0] = commit(25, 4), &[Breach::CommittedTooEarly(at(3))]);
    }

    #[test]
    fn an_end_without_its_copy_is_found() {
        check(|run, _| run.commits[2] = commit(60, 5), &[Breach::NeverCommitted(at(5))]);
    }
}
