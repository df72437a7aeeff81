//! Which events go out, and when.

use super::*;
use millrace_sdk::testing::{Decided, Decision, Host, Record};

const NOW_MS: u64 = 1_000_000;

fn host(settings: Value) -> Host<ReorderBuffer> {
    let mut host = Host::new(settings).unwrap();
    host.set_now_ms(NOW_MS);
    host
}

fn record(number: u64, timestamp_ms: u64) -> Record {
    let timestamp_ms = i64::try_from(timestamp_ms).unwrap();
    Record::new(&json!({"sequence": number, "text": format!("event {number}")})).key("k").timestamp_ms(timestamp_ms)
}

/// The numbers that went out.
fn numbers(decided: &Decided) -> Vec<u64> {
    decided.documents().iter().map(|document| document["sequence"].as_u64().unwrap()).collect()
}

/// Runs events with these numbers, and expects that these go out with each.
#[track_caller]
fn check(settings: Value, events: &[(u64, &[u64])]) {
    let mut host = host(settings);
    for (number, expected) in events {
        let decided = host.run_record("in", &record(*number, 1_000));
        assert_eq!(numbers(&decided), *expected, "after {number}: {decided:?}");
    }
}

#[test]
fn what_is_in_order_goes_out_at_once() {
    check(json!({}), &[(7, &[7]), (8, &[8]), (9, &[9])]);
}

#[test]
fn what_comes_early_goes_out_with_what_fills_the_gap() {
    check(json!({}), &[(1, &[1]), (3, &[]), (5, &[]), (4, &[]), (2, &[2, 3, 4, 5]), (6, &[6])]);
    check(json!({}), &[(1, &[1]), (3, &[]), (6, &[]), (2, &[2, 3]), (5, &[]), (4, &[4, 5, 6])]);
}

#[test]
fn what_comes_again_is_skipped() {
    let mut host = host(json!({}));
    for (number, expected) in [(1, None), (3, Some("held")), (3, Some("duplicate")), (1, Some("late"))] {
        let decided = host.run_record("in", &record(number, 1_000));
        let skipped = if let Decision::Skip(word) = &decided.decision { Some(word.as_str()) } else { None };
        assert_eq!(skipped, expected, "{number}");
    }
}

#[test]
fn a_gap_is_given_up_when_the_stream_has_gone_on() {
    let mut host = host(json!({"wait_ms": 500}));
    for number in [1, 5, 3] {
        host.run_record("in", &record(number, 1_000));
    }
    host.run_record("in", &record(1, 1_499).key("another"));
    assert!(host.fire_due().is_empty());
    host.run_record("in", &record(2, 1_500).key("another"));
    let fired = host.fire_due();
    assert_eq!(fired.iter().map(numbers).collect::<Vec<_>>(), [[3, 5]]);
    assert_eq!(numbers(&host.run_record("in", &record(6, 1_600))), [6]);
    assert_eq!(numbers(&host.run_record("in", &record(4, 1_600))), [0; 0], "it is late");
}

#[test]
fn each_gap_has_its_own_time() {
    let mut host = host(json!({"wait_ms": 500}));
    for (number, timestamp_ms) in [(1, 1_000), (3, 1_000), (5, 1_000), (2, 1_300)] {
        host.run_record("in", &record(number, timestamp_ms));
    }
    assert_eq!(host.timer("k", GAP, Clock::Event), Some(1_800));
    host.run_record("in", &record(4, 1_400));
    assert_eq!(host.timer("k", GAP, Clock::Event), None);
    assert_eq!((host.state("k", ORDER, "next"), host.state("k", ORDER, "held")), (Some(b"6".as_slice()), None));
    assert_eq!(host.state("k", EVENTS, "5"), None, "nothing stays behind");
}

#[test]
fn too_many_that_wait_give_the_gap_up() {
    check(json!({"held_max": 2}), &[(1, &[1]), (3, &[]), (6, &[]), (4, &[3, 4, 6]), (7, &[7])]);
}

#[test]
fn any_disorder_within_the_bound_ends_in_order() {
    // A fixed generator: every number is moved by less than ten places.
    let mut seed = 42_u64;
    let mut places: Vec<(u64, u64)> = (1..300)
        .map(|number| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (number + (seed >> 33) % 10, number)
        })
        .collect();
    places.sort_unstable();
    let mut host = host(json!({}));
    let mut out = numbers(&host.run_record("in", &record(0, 1_000)));
    for (_, number) in places {
        out.extend(numbers(&host.run_record("in", &record(number, 1_000))));
    }
    assert_eq!(out, (0..300).collect::<Vec<u64>>());
}

#[test]
fn an_event_without_a_number_fails() {
    for event in [json!({}), json!({"sequence": "1"}), json!({"sequence": -1}), json!({"sequence": u64::MAX})] {
        let decided = host(json!({})).run_record("in", &Record::new(&event).key("k"));
        assert_eq!(decided.failure_kind(), Some("no_sequence"), "{event}");
    }
    let elsewhere = Record::new(&json!({"rev": {"parent": 7}})).key("k");
    let decided = host(json!({"sequence": "/rev/parent"})).run_record("in", &elsewhere);
    assert_eq!(decided.documents().len(), 1);
}

#[test]
fn what_is_too_large_to_hold_fails_and_goes_through_in_its_turn() {
    let large = |number: u64| Record::new(&json!({"sequence": number, "text": "x".repeat(EVENT_BYTES_MAX)})).key("k");
    let mut host = host(json!({}));
    assert_eq!(numbers(&host.run_record("in", &large(1))), [1]);
    assert_eq!(host.run_record("in", &large(3)).failure_kind(), Some("too_large_to_hold"));
}

#[test]
fn settings_are_checked() {
    for (settings, expected) in [
        (json!({"held_max": 0}), "1 to 999"),
        (json!({"held_max": 1_000}), "1 to 999"),
        (json!({"sequence": "n"}), "JSON Pointer"),
        (json!({"wait": 1}), "unknown field"),
    ] {
        let error = Host::<ReorderBuffer>::new(settings).err().unwrap();
        assert!(error.contains(expected), "{error}");
    }
}
