//! What an event makes the plugin ask, and what it emits of the answer.

use super::*;
use millrace_sdk::testing::{Decided, Host, Recording};

const WIKI: &str = "test.example.org";

/// Runs one event; every ask of that kind gets `document` and `blobs`.
fn run(ask: &Value, document: &Value, blobs: &[&'static str]) -> Decided {
    let mut host = Host::<Lookups>::new(json!({})).unwrap();
    let kind = ask["kind"].as_str().unwrap();
    host.record(Recording::answer(kind, json!({}), document.clone(), blobs.to_vec()));
    host.run("in", &json!({"ask": ask, "more": "is not kept"}))
}

/// Expects that the question arrives as the event has it, and that the answer comes out as it was given.
#[track_caller]
fn check(ask: Value, document: Value, blobs: &[&'static str]) {
    let decided = run(&ask, &document, blobs);
    assert_eq!(decided.asks, [(ask["kind"].as_str().unwrap().to_owned(), ask["params"].clone())]);
    let body = ask["body"].as_str().map(|body| body.as_bytes().to_vec());
    assert_eq!(decided.bodies, [body]);
    assert_eq!(decided.documents(), [json!({"ask": ask, "answer": document, "blobs": blobs})]);
}

fn compare() -> Value {
    json!({"kind": "compare", "params": {"domain": WIKI, "from_rev": 6, "to_rev": 7}})
}

#[test]
fn a_comparison_comes_out_as_it_was_answered() {
    let sizes = json!({"from_rev": 6, "to_rev": 7, "from_size": 18, "to_size": 12, "size": 4, "body": 0});
    check(compare(), sizes, &["<tr>"]);
    check(compare(), json!({"from_rev": 6, "to_rev": 7, "size": 0, "body": 0}), &[""]);
    check(compare(), json!({"from_rev": 6, "to_rev": 7, "hidden": true}), &[]);
}

#[test]
fn html_comes_out_as_it_was_answered() {
    let ask = json!({"kind": "html", "params": {"domain": WIKI, "rev_id": 7}});
    let headers = json!({"content-type": "text/html", "etag": "W/1"});
    check(ask, json!({"rev_id": 7, "headers": headers, "size": 3, "body": 0}), &["<p>"]);
}

#[test]
fn a_query_comes_out_as_it_was_answered() {
    let ask = json!({"kind": "query", "params": {"domain": WIKI, "params": {"prop": "info", "pageids": "3|4"}}});
    check(ask, json!({"status": 200, "headers": {}, "size": 14, "body": 0}), &[r#"{"query":"ü"}"#]);
}

#[test]
fn a_request_goes_out_with_all_that_the_event_has() {
    let answer = json!({"status": 201, "headers": {"content-type": "application/json"}, "size": 2, "body": 0});
    check(json!({"kind": "http", "params": {"target": "scores", "path": "/v1/a"}}), answer.clone(), &["[]"]);
    let params = json!({
        "target": "scores",
        "path": "/v1/a",
        "method": "POST",
        "query": {"extended": "1"},
        "headers": {"content-type": "text/plain"},
    });
    check(json!({"kind": "http", "params": params, "body": "a body"}), answer, &["[]"]);
}

#[test]
fn other_kinds_are_asked_by_their_name() {
    let ask = json!({"kind": "revision", "params": {"domain": WIKI, "rev_id": 7, "slots": ["main"]}});
    check(ask, json!({"rev_id": 7, "slots": {"main": {"size": 1, "body": 0}}}), &["x"]);
}

#[test]
fn an_error_comes_out_with_its_word() {
    let mut host = Host::<Lookups>::new(json!({})).unwrap();
    host.record(Recording::error("compare", json!({}), "too-large", "more than 64 MiB"));
    let documents = host.run("in", &json!({"ask": compare()})).documents();
    let error = json!({"kind": "too-large", "message": "more than 64 MiB"});
    assert_eq!(documents, [json!({"ask": compare(), "error": error})]);
}

#[test]
fn what_no_typed_call_can_take_is_a_failure() {
    let ask = json!({"kind": "html", "params": {"domain": WIKI, "rev_id": "seven"}});
    assert_eq!(run(&ask, &json!({}), &[]).failure_kind(), Some("invalid_json"));
}
