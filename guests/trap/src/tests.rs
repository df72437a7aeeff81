//! The traps that a native test can outlive; the others need a sandbox.

use super::*;
use millrace_sdk::json;
use millrace_sdk::testing::{Host, Recording};

fn run(trap: &str) -> millrace_sdk::testing::Decided {
    let mut host = Host::<Trap>::new(json!({})).unwrap();
    host.record(Recording::answer("revision", json!({"rev_id": 1}), json!({"rev_id": 1, "slots": {}}), []));
    host.run("in", &json!({"trap": trap}))
}

#[test]
fn an_event_without_a_trap_passes() {
    let decided = Host::<Trap>::new(json!({})).unwrap().run("in", &json!({"a": 1}));
    assert_eq!(decided.documents(), [json!({"a": 1})]);
}

#[test]
fn a_trap_that_does_not_exist_is_a_failure() {
    assert_eq!(run("door").failure_kind(), Some("unknown_trap"));
}

#[test]
fn ask_twice_tells_what_the_first_wiki_said() {
    let said = |slots| {
        let mut host = Host::<Trap>::new(json!({})).unwrap();
        let asked = |domain: &str, rev_id: u64| json!({"domain": domain, "rev_id": rev_id});
        let document = |rev_id: u64, slots| json!({"rev_id": rev_id, "page_id": 1, "parent_id": 0, "slots": slots});
        host.record(Recording::answer("revision", asked("first.example.org", 1), document(1, slots), ["text"]));
        host.record(Recording::answer("revision", asked("second.example.org", 2), document(2, json!({})), []));
        host.run("in", &json!({"trap": "ask_twice"})).documents()[0]["content"].clone()
    };
    let shown = json!({"model": "wikitext", "format": "text/x-wiki", "size": 4, "sha1": "x", "body": 0});
    assert_eq!(said(json!({"main": shown})), "text");
    assert_eq!(said(json!({"main": {"hidden": true}})), "hidden");
}

#[test]
#[should_panic = "as the event wants it"]
fn panic_panics() {
    run("panic");
}

#[test]
#[should_panic = "after a lookup"]
fn panic_after_lookup_gets_its_answer_first() {
    run("panic_after_lookup");
}

#[test]
#[should_panic = "index out of bounds"]
fn out_of_bounds_panics() {
    run("out_of_bounds");
}
