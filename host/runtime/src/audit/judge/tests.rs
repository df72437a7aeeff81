//! The judge is given a good run with one thing made wrong, for each thing that can be.

use super::*;
use millrace_flow::progress::Progress;

/// What is said of a run: everything is good, but for what `change` does to it.
#[track_caller]
fn check(change: impl FnOnce(&mut Evidence, &mut Rules), expected: &[(Defect, i64, &str)]) -> Tally {
    let mut evidence = good_run();
    let mut rules = Rules { promise: Promise::ExactlyOnce, silence: Silence::Counted, repeats: Repeats::Found };
    change(&mut evidence, &mut rules);
    let mut findings = Findings::keeping(10);
    let tallies = judge(&mut evidence, rules, &mut findings);
    let told: Vec<(Defect, i64, String)> = findings
        .kept()
        .map(|finding| {
            let result = finding.result.as_ref().map(ToString::to_string).unwrap_or_default();
            (finding.defect, finding.source.as_ref().unwrap().offset, result)
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(|(defect, at, result)| (*defect, *at, (*result).to_owned())).collect();
    assert_eq!(told, expected, "{findings:?}");
    assert_eq!(findings.total(), expected.len() as u64);
    tallies[0]
}

/// Offsets 100 to 110 without 103, of which 105 is a canary event, 106 a tombstone, 107 was skipped, 108 failed, and 109
/// came back after it failed. 110 is not settled. The others have two outputs each, of two lanes: even and odd.
fn good_run() -> Evidence {
    let input = |offset: i64| Input { offset, timestamp_ms: offset * 10, lane: u64::try_from(offset % 2).unwrap() };
    let progress = Progress::at(110);
    let mut results: Vec<Found> = Vec::new();
    for (at, offset) in (0..).zip([100, 101, 102, 104]) {
        results.push(found(offset, 0, 2 * at));
        results.push(found(offset, 1, 2 * at + 1));
    }
    results.push(error(108, 0, 0));
    results.push(error(109, 0, 1));
    results.push(found(109, 0, 8));
    Evidence {
        sources: vec![Source {
            partition: TopicPartition::new("in", 0),
            range: 100..111,
            inputs: [100, 101, 102, 104, 105, 106, 107, 108, 109, 110].map(input).to_vec(),
            canaries: vec![105],
            tombstones: vec![106],
            given_back: vec![109],
            before: progress.clone(),
            after: progress,
        }],
        topics: vec!["out".to_owned(), "other".to_owned(), "out.error".to_owned()],
        results,
    }
}

fn found(offset: i64, index: u32, at: i64) -> Found {
    let lane = u64::try_from(offset % 2).unwrap();
    Found { offset, at, lane, source: 0, index, partition: 0, topic: 0, sort: Sort::Output, ordered: false }
}

fn error(offset: i64, index: u32, at: i64) -> Found {
    Found { topic: 2, sort: Sort::Error, ..found(offset, index, at) }
}

fn of(evidence: &mut Evidence, offset: i64, index: u32) -> &mut Found {
    evidence.results.iter_mut().find(|found| (found.offset, found.index) == (offset, index)).unwrap()
}

#[test]
fn a_good_run_is_good() {
    let tally = check(|_, _| {}, &[]);
    let expected =
        Tally { events: 10, emitted: 5, failed: 2, canaries: 1, tombstones: 1, silent: 1, open: 1, ..Tally::default() };
    assert_eq!(tally, expected);
}

#[test]
fn a_result_that_is_there_twice_is_doubled() {
    let again = |evidence: &mut Evidence, at, topic, partition| {
        evidence.results.push(Found { at, topic, partition, ..found(101, 1, 0) });
    };
    check(|evidence, _| again(evidence, 20, 0, 0), &[(Defect::Doubled, 101, "out/0/20")]);
    check(|evidence, _| again(evidence, 20, 0, 1), &[(Defect::Doubled, 101, "out/1/20")]);
    check(|evidence, _| again(evidence, 20, 1, 0), &[(Defect::Doubled, 101, "other/0/20")]);
    check(|evidence, _| evidence.results.push(error(108, 0, 7)), &[(Defect::Doubled, 108, "out.error/0/7")]);
    let allowed = |evidence: &mut Evidence, rules: &mut Rules| {
        again(evidence, 20, 0, 0);
        rules.repeats = Repeats::Counted;
    };
    assert_eq!(check(allowed, &[]).repeated, 1);
}

#[test]
fn an_event_has_outputs_or_an_error_event() {
    check(|evidence, _| evidence.results.push(error(102, 0, 7)), &[(Defect::Doubled, 102, "out.error/0/7")]);
    check(|evidence, _| evidence.sources[0].given_back.clear(), &[(Defect::Doubled, 109, "out.error/0/1")]);
    // What failed again after it came back says so itself.
    check(
        |evidence, _| {
            evidence.sources[0].given_back.clear();
            evidence.results.push(error(109, 1, 7));
        },
        &[],
    );
}

#[test]
fn an_output_with_a_gap_before_it_misses_another() {
    let without = |evidence: &mut Evidence, offset, index| {
        evidence.results.retain(|found| (found.offset, found.index) != (offset, index));
    };
    check(|evidence, _| without(evidence, 101, 0), &[(Defect::Missing, 101, "out/0/3")]);
    check(|evidence, _| of(evidence, 101, 1).index = 3, &[(Defect::Missing, 101, "out/0/3")]);
    // Behind the last one nobody can tell.
    check(|evidence, _| without(evidence, 101, 1), &[]);
}

#[test]
fn a_settled_event_without_a_result_was_skipped_or_is_missing() {
    let without = |evidence: &mut Evidence, rules: &mut Rules| {
        evidence.results.retain(|found| found.offset != 102);
        rules.silence = Silence::Counted;
    };
    assert_eq!(check(without, &[]).silent, 2);
    let every = |evidence: &mut Evidence, rules: &mut Rules| {
        without(evidence, rules);
        rules.silence = Silence::Found;
    };
    check(every, &[(Defect::Missing, 102, ""), (Defect::Missing, 107, "")]);
    // One that is settled in the set above the prefix counts, and one that is open does not.
    let sparse = |evidence: &mut Evidence, rules: &mut Rules| {
        every(evidence, rules);
        evidence.sources[0].before = Progress::at(102).with_settled(107).unwrap();
    };
    assert_eq!(check(sparse, &[(Defect::Missing, 107, "")]).open, 3);
}

#[test]
fn results_of_a_key_lie_in_the_order_of_their_events() {
    let swap = |evidence: &mut Evidence, one: (i64, u32), other: (i64, u32)| {
        let at = of(evidence, one.0, one.1).at;
        let other_at = std::mem::replace(&mut of(evidence, other.0, other.1).at, at);
        of(evidence, one.0, one.1).at = other_at;
    };
    check(|evidence, _| swap(evidence, (100, 1), (102, 0)), &[(Defect::OutOfOrder, 100, "out/0/4")]);
    check(|evidence, _| swap(evidence, (104, 0), (104, 1)), &[(Defect::OutOfOrder, 104, "out/0/7")]);
    // Other keys and other partitions have an order of their own.
    check(|evidence, _| swap(evidence, (101, 1), (102, 0)), &[]);
    let elsewhere = |evidence: &mut Evidence, _: &mut Rules| {
        let last = of(evidence, 104, 1);
        (last.partition, last.at) = (1, 0);
    };
    check(elsewhere, &[]);
}

#[test]
fn what_is_there_again_says_nothing_of_the_order() {
    check(|evidence, _| evidence.results.push(found(100, 0, 20)), &[(Defect::Doubled, 100, "out/0/20")]);
}

#[test]
fn what_came_back_waits_for_nobody() {
    let last = |evidence: &mut Evidence, at| evidence.results.last_mut().unwrap().at = at;
    check(|evidence, _| last(evidence, -1), &[]);
    let of_lane = |evidence: &mut Evidence| {
        evidence.sources[0].inputs.push(Input { offset: 111, timestamp_ms: 0, lane: 1 });
        evidence.sources[0].after = Progress::at(112);
        evidence.results.push(found(111, 0, 9));
    };
    check(|evidence, _| of_lane(evidence), &[]);
    let behind = |evidence: &mut Evidence, _: &mut Rules| {
        last(evidence, 10);
        of_lane(evidence);
    };
    check(behind, &[]);
}

#[test]
fn in_exactly_once_progress_contains_every_result() {
    let uncovered = |evidence: &mut Evidence, _: &mut Rules| {
        evidence.results.push(found(110, 0, 20));
    };
    assert_eq!(check(uncovered, &[(Defect::Uncovered, 110, "out/0/20")]).ahead, 1);
    let settled_meanwhile = |evidence: &mut Evidence, rules: &mut Rules| {
        uncovered(evidence, rules);
        evidence.sources[0].after = Progress::at(111);
    };
    check(settled_meanwhile, &[]);
    let at_least_once = |evidence: &mut Evidence, rules: &mut Rules| {
        uncovered(evidence, rules);
        rules.promise = Promise::AtLeastOnce;
    };
    assert_eq!(check(at_least_once, &[]).ahead, 1);
}

#[test]
fn each_partition_is_judged_by_itself() {
    let mut evidence = good_run();
    let mut second = evidence.sources[0].clone();
    second.partition = TopicPartition::new("in", 1);
    evidence.sources.push(second);
    let of_second: Vec<Found> = evidence.results.iter().map(|found| Found { source: 1, ..*found }).collect();
    evidence.results.extend(of_second);
    let rules = Rules { promise: Promise::ExactlyOnce, silence: Silence::Counted, repeats: Repeats::Found };
    let mut findings = Findings::keeping(1);
    let tallies = judge(&mut evidence, rules, &mut findings);
    assert_eq!((findings.total(), tallies[0]), (0, tallies[1]), "{findings:?}");
}

#[test]
fn everything_is_counted_and_the_first_are_kept() {
    let mut evidence = good_run();
    evidence.results.extend((0..5).map(|again| found(100, 0, 50 + again)));
    let rules = Rules { promise: Promise::ExactlyOnce, silence: Silence::Found, repeats: Repeats::Found };
    let mut findings = Findings::keeping(2);
    judge(&mut evidence, rules, &mut findings);
    assert_eq!((findings.count(Defect::Doubled), findings.count(Defect::Missing)), (5, 1));
    assert_eq!((findings.kept().count(), findings.keys()), (3, 2));
    assert_eq!((findings.count_in("out", Defect::Doubled), findings.count_in("in", Defect::Missing)), (5, 1));
}
