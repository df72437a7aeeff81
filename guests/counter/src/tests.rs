//! What is counted, and for whom.

use super::*;
use millrace_sdk::Value;
use millrace_sdk::testing::{Decision, Host, Record};

/// Runs events with these keys, and expects that these counts are emitted; none for a skip.
#[track_caller]
fn check(settings: Value, keys: &[&str], expected: &[Option<u64>]) {
    let mut host = Host::<Counter>::new(settings).unwrap();
    let mut found = Vec::new();
    for key in keys {
        let decided = host.run_record("in", &Record::new(&json!({"a": 1})).key(*key));
        found.push(decided.documents().pop().and_then(|document| document["count"].as_u64()));
        assert!(matches!(decided.decision, Decision::Emit(_) | Decision::Skip(_)), "{decided:?}");
    }
    assert_eq!(found, expected);
}

#[test]
fn each_key_is_counted_by_itself() {
    check(json!({}), &["a", "b", "a", "a", "b"], &[Some(1), Some(1), Some(2), Some(3), Some(2)]);
}

#[test]
fn what_is_not_emitted_is_counted_all_the_same() {
    check(json!({"every": 2}), &["a", "a", "b", "a", "a"], &[None, Some(2), None, None, Some(4)]);
}

#[test]
fn the_rest_of_an_event_stays() {
    let mut host = Host::<Counter>::new(json!({})).unwrap();
    host.put_state("a", "counts", "events", "41");
    let decided = host.run_record("in", &Record::new(&json!({"a": 1})).key("a"));
    assert_eq!(decided.documents(), [json!({"a": 1, "count": 42})]);
}

#[test]
fn settings_are_checked() {
    assert!(Host::<Counter>::new(json!({"every": 0})).err().unwrap().contains("1 or more"));
    assert!(Host::<Counter>::new(json!({"evry": 1})).err().unwrap().contains("unknown field"));
}
