//! How many events come of one, and where to.

use super::*;
use millrace_sdk::testing::{Decision, Emitted, Host};

#[track_caller]
fn emitted(settings: Value, kind: &str) -> Vec<Emitted> {
    let page = json!({"page_id": 7, "page_title": "Straße", "namespace_id": 0});
    let event = json!({"page_change_kind": kind, "wiki_id": "dewiki", "page": page});
    let decided = Host::<FanOut>::new(settings).unwrap().run("in", &event);
    match decided.decision {
        Decision::Emit(emitted) => emitted,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_and_its_page() {
    let emitted = emitted(json!({}), "edit");
    let outputs: Vec<_> = emitted.iter().map(|one| one.output.as_str()).collect();
    assert_eq!(outputs, ["changes", "pages"]);
    let page = emitted.last().unwrap();
    assert_eq!(page.document, Some(json!({"wiki_id": "dewiki", "page_id": 7, "page_title": "Straße"})));
    assert_eq!(page.key.as_deref(), Some(br#"{"page_id":7,"wiki_id":"dewiki"}"#.as_slice()));
}

#[test]
fn a_deleted_page_is_a_tombstone() {
    let page = emitted(json!({}), "delete").pop().unwrap();
    assert_eq!((page.output.as_str(), page.document), ("pages", None));
}

#[test]
fn as_many_copies_as_wanted_each_with_its_number() {
    let emitted = emitted(json!({"copies": 3}), "edit");
    let numbers: Vec<_> = emitted.iter().filter_map(|one| one.document.clone()?.get("copy").cloned()).collect();
    assert_eq!(numbers, [json!(0), json!(1), json!(2)]);
    assert_eq!(emitted[2].headers, [("copy".to_owned(), b"2".to_vec())]);
}
