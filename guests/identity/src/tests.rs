//! Nothing is lost and nothing is added.

use super::*;
use millrace_sdk::testing::{Decision, Host};
use millrace_sdk::{Value, json};

#[test]
fn what_comes_in_goes_out() {
    let mut host = Host::<Identity>::new(json!({})).unwrap();
    for event in [json!({}), json!({"a": {"b": [1, null, "é"]}})] {
        assert_eq!(host.run("in", &event).documents(), [event]);
    }
}

#[test]
fn a_tombstone_stays_one() {
    let decided = Host::<Identity>::new(json!({})).unwrap().run("in", &Value::Null);
    let Decision::Emit(emitted) = decided.decision else { panic!("{decided:?}") };
    assert!(emitted.iter().all(|one| one.document.is_none() && one.output == "out") && emitted.len() == 1);
}
