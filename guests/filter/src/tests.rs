//! What gets through, and what is said of the rest.

use super::*;
use millrace_sdk::Value;
use millrace_sdk::testing::{Decision, Host};

#[track_caller]
fn check(settings: Value, expected: Option<&str>) {
    let event = json!({"page_change_kind": "edit", "wiki_id": "dewiki", "kept": 1});
    let decided = Host::<Filter>::new(settings).unwrap().run("in", &event);
    match expected {
        None => assert_eq!(decided.documents(), [event]),
        Some(word) => assert_eq!(decided.decision, Decision::Skip(word.to_owned())),
    }
}

#[test]
fn wanted_events_get_through_whole() {
    check(json!({}), None);
    check(json!({"kinds": ["create", "edit"]}), None);
    check(json!({"kinds": ["edit"], "wikis": ["dewiki"]}), None);
}

#[test]
fn other_events_are_skipped_with_the_reason() {
    check(json!({"kinds": ["create"]}), Some("other_kind"));
    check(json!({"wikis": ["enwiki"]}), Some("other_wiki"));
    check(json!({"kinds": ["create"], "wikis": ["enwiki"]}), Some("other_kind"));
}

#[test]
fn an_unknown_setting_is_refused() {
    assert!(Host::<Filter>::new(json!({"kind": ["edit"]})).err().unwrap().contains("unknown field `kind`"));
}
