//! The judge must find what is wrong: each test is a good run with one thing changed.

use super::*;
use crate::evidence::{Commit, Standstill, Tenure, Who};

const PROMISE: Promise = Promise { commit_interval_ms: 200, slack_ms: 300, in_flight_ms: 100, recovery_ms: 1_000 };
/// The first host dies at this time, and its partition's next owner begins at [`TAKEN_OVER`].
const DIED: i64 = 10_000;
const TAKEN_OVER: i64 = 12_000;

fn at(offset: i64) -> Source {
    Source { partition: 0, offset }
}

fn key(offset: i64) -> Vec<u8> {
    vec![u8::try_from(offset % 2).unwrap()]
}

fn output(offset: i64, at_ms: i64) -> Output {
    Output { source: at(offset), key: key(offset), id: format!("id {offset}"), partition: 0, at_ms }
}

fn commit(seen_ms: i64, prefix: i64) -> Commit {
    Commit { seen_ms, progress: [(0, Progress::at(prefix))].into() }
}

/// Six events of two keys in turns: 0 to 3 come out before the first host dies, of which 0 and 1 are committed; the second
/// host repeats 2 and 3 and goes on.
fn good() -> Evidence {
    let outputs = [(0, 9_000), (1, 9_010), (2, 9_700), (3, 9_900), (2, 12_100), (3, 12_110), (4, 12_120), (5, 12_130)];
    let tenure = |host, from_ms, left_ms| Tenure { host, partition: 0, from_ms, left_ms };
    Evidence {
        inputs: (0..6).map(|offset| Input { source: at(offset), key: key(offset) }).collect(),
        outputs: outputs.map(|(offset, at_ms)| output(offset, at_ms)).into(),
        commits: vec![commit(9_300, 2), commit(11_000, 2), commit(12_500, 6)],
        tenures: vec![tenure(0, 8_000, DIED), tenure(1, TAKEN_OVER, 20_000)],
        standstills: Vec::new(),
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Evidence), expected: &[Breach]) {
    let mut evidence = good();
    change(&mut evidence);
    assert_eq!(judge(&evidence, &PROMISE).err().unwrap_or_default(), expected);
}

#[test]
fn a_repeated_tail_of_the_last_interval_is_what_is_promised() {
    let expected = Findings { events: 6, doubles: 2, late_doubles: 0, oldest_double_ms: 300, takeovers: 1 };
    assert_eq!(judge(&good(), &PROMISE), Ok(expected));
}

#[test]
fn a_lost_event_is_found() {
    let expected = [Breach::Lost(at(4)), Breach::CommittedTooEarly(at(4))];
    check(|run| run.outputs.retain(|output| output.source != at(4)), &expected);
}

#[test]
fn an_output_of_nothing_is_found() {
    check(|run| run.outputs.push(output(6, 12_200)), &[Breach::FromNowhere(at(6))]);
}

#[test]
fn another_key_is_found() {
    check(|run| run.inputs[5].key = key(4), &[Breach::OtherKey(at(5))]);
}

#[test]
fn another_id_is_found() {
    check(|run| run.outputs[4].id.push('!'), &[Breach::OtherId(at(2))]);
    check(|run| run.outputs[7].id = "id 4".to_owned(), &[Breach::SharedId(at(4), at(5))]);
}

#[test]
fn events_of_a_key_that_change_places_are_found() {
    let swap = |run: &mut Evidence| run.outputs.swap(0, 2);
    check(swap, &[Breach::OutOfOrder { first: at(2), earlier: at(0) }]);
}

#[test]
fn events_of_different_keys_may_change_places() {
    check(|run| run.outputs.swap(2, 3), &[]);
}

#[test]
fn a_key_in_two_partitions_is_found() {
    check(|run| run.outputs[6].partition = 1, &[Breach::Scattered(at(4))]);
}

#[test]
fn a_commit_before_the_output_is_found() {
    check(|run| run.commits[0] = commit(9_005, 2), &[Breach::CommittedTooEarly(at(1))]);
}

#[test]
fn a_commit_that_goes_back_is_found() {
    check(|run| run.commits[1] = commit(11_000, 1), &[Breach::Uncommitted(at(1))]);
}

#[test]
fn an_end_without_its_commit_is_found() {
    check(|run| run.commits[2] = commit(12_500, 5), &[Breach::NeverCommitted(at(5))]);
}

#[test]
fn a_double_of_what_was_committed_is_found() {
    let expected = Breach::DoubledAfterCommit { source: at(0), committed_ms: 9_300, again_ms: 12_050 };
    check(|run| run.outputs.push(output(0, 12_050)), &[expected]);
}

#[test]
fn a_double_of_what_should_have_been_committed_is_found() {
    let too_old = Breach::DoubledTooOld { source: at(2), first_ms: 9_400, again_ms: 12_100, age_ms: Some(600) };
    check(|run| run.outputs[2].at_ms = 9_400, &[too_old]);
}

#[test]
fn a_double_without_a_loss_is_found() {
    let unowned = Breach::DoubledTooOld { source: at(5), first_ms: 12_130, again_ms: 12_300, age_ms: None };
    check(|run| run.outputs.push(output(5, 12_300)), &[unowned]);
}

#[test]
fn time_without_a_broker_does_not_count() {
    let away = Standstill { who: Who::Broker, from_ms: 9_500, to_ms: 9_600 };
    check(
        |run| {
            run.outputs[2].at_ms = 9_400;
            run.standstills.push(away);
        },
        &[],
    );
}

/// The first host is frozen instead, wakes up when the second has committed all, and lets go a little later.
fn thawed(run: &mut Evidence) {
    run.standstills.push(Standstill { who: Who::Host(0), from_ms: DIED, to_ms: 13_000 });
    run.tenures[0].left_ms = 13_200;
}

#[test]
fn a_host_that_wakes_up_late_may_write_what_it_had_in_hand() {
    check(
        |run| {
            thawed(run);
            run.outputs.push(output(3, 13_100));
        },
        &[],
    );
}

#[test]
fn a_host_that_wakes_up_late_may_not_write_what_it_had_committed_itself() {
    let expected = Breach::DoubledAfterCommit { source: at(1), committed_ms: 9_300, again_ms: 13_100 };
    check(
        |run| {
            thawed(run);
            run.outputs.push(output(1, 13_100));
        },
        &[expected],
    );
}

#[test]
fn a_host_that_wakes_up_late_may_not_go_on_for_ever() {
    let expected = Breach::DoubledAfterCommit { source: at(3), committed_ms: 12_500, again_ms: 13_301 };
    check(
        |run| {
            thawed(run);
            run.outputs.push(output(3, 13_301));
        },
        &[expected],
    );
}
