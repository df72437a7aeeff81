//! The cases of `tests/cases`, and what cannot be said in a folder.

use super::*;
use millrace_sdk::testing::{Host, Recording, cases};

#[test]
fn every_case_ends_as_expected() {
    let count = cases::run::<PageContentChange>(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases"));
    assert!(count >= 30, "{count} cases");
}

#[test]
fn a_setting_that_does_not_exist_is_refused() {
    for settings in [json!({"sha1": "emit"}), json!({"sha1_mismatch": "explode"})] {
        assert!(Host::<PageContentChange>::new(settings).is_err());
    }
}

#[test]
fn the_slots_of_the_event_are_asked_for_and_no_others() {
    let slots = json!({"main": {"slot_role": "main"}, "mediainfo": {"slot_role": "mediainfo"}});
    let event = json!({
        "page_change_kind": "edit",
        "meta": {"domain": "commons.wikimedia.org"},
        "revision": {"rev_id": 5, "content_slots": slots},
    });
    let mut host = Host::<PageContentChange>::new(json!({})).unwrap();
    host.record(Recording::error("revision", json!({}), "missing", "no such revision"));
    let asks = host.run("page_change", &event).asks;
    let params = json!({"domain": "commons.wikimedia.org", "rev_id": 5, "slots": ["main", "mediainfo"]});
    assert_eq!(asks, [("revision".to_owned(), params)]);
}

#[test]
fn nothing_is_asked_for_what_gets_no_body() {
    let mut host = Host::<PageContentChange>::new(json!({})).unwrap();
    for (kind, is_visible, slots) in
        [("delete", true, json!({"main": {}})), ("edit", false, json!({"main": {}})), ("edit", true, json!({}))]
    {
        let revision = json!({"rev_id": 5, "is_content_visible": is_visible, "content_slots": slots});
        let event = json!({"page_change_kind": kind, "revision": revision});
        let decided = host.run("page_change", &event);
        assert_eq!((decided.asks.len(), decided.documents()), (0, vec![event]));
    }
}
