//! What the test's host makes of what a plugin emits, and what it tells the plugin of the record.

use super::*;
use crate::testing::Decided;
use crate::{Emission, Event, Input, MediaWiki, Outcome, Output, Patch, Pieces, json};

/// Emits what the field `do` of an event says.
struct Writer;

impl Plugin for Writer {
    type Settings = ();

    fn describe() -> Describe {
        let input = Input::new().fields(["/do", "/page/id"]).headers(["a", "null"]).tombstones();
        Describe::new("writer", "1.0.0").input("in", input).output("out", Output::new())
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        if event.is_tombstone() {
            return Ok(event.patch().emit("out"));
        }
        let document: Value = event.json()?;
        let whole = |text: &str| Ok(Emission::pieces("out", Pieces::new().raw(text)).into());
        match document["do"].as_str().unwrap_or_default() {
            "a list" => whole("[]"),
            "a key twice" => whole(r#"{"a":1,"a":1}"#),
            "two values" => whole("{}{}"),
            "meta" => whole(r#"{"meta":1}"#),
            "replace what was cut" => Ok(event.patch().set("/page", &1).emit("out")),
            "replace what was not seen" => Ok(event.patch().set("/other", &1).emit("out")),
            "a bad path" => Ok(event.patch().remove("/a~").emit("out")),
            "a header of the host's" => Ok(event.patch().to("out").header("millrace-src", "x").into()),
            "a header of its own" => Ok(event.patch().to("out").header("Millrace-x", "x").into()),
            "another output" => Ok(event.patch().emit("elsewhere")),
            "too many" => Ok(Outcome::emit((0..1_001).map(|_| Patch::default().to("out")))),
            _ => Ok(Outcome::skip(seen(&event))),
        }
    }
}

fn seen(event: &Event) -> String {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let headers = ["a", "b", "null"].map(|name| text(event.header(name)));
    let source = event.source();
    let place = json!([source.topic, source.partition, source.offset]);
    json!([text(event.key()), headers, place, event.timestamp_ms(), event.attempt()]).to_string()
}

fn run(what: &str) -> Decided {
    let event = json!({"do": what, "page": {"id": 7, "title": "A"}, "other": {"x": 1}});
    Host::<Writer>::new(json!({})).unwrap().run("in", &event)
}

#[track_caller]
fn check_invalid(what: &str, expected: &str) {
    let decided = run(what);
    assert_eq!(decided.failure_kind(), Some("output_invalid"), "{what}: {decided:?}");
    let Decision::OutputInvalid(reason) = decided.decision else { panic!("{what}: {decided:?}") };
    assert!(reason.contains(expected), "{what}: {reason}");
}

#[track_caller]
fn check_fault(what: &str, expected: &str) {
    let decision = run(what).decision;
    assert!(matches!(&decision, Decision::Fault(fault) if fault.contains(expected)), "{what}: {decision:?}");
}

#[test]
fn what_cannot_be_written_is_no_fault() {
    check_invalid("a list", "must be a JSON object");
    check_invalid("a key twice", "already in its object");
    check_invalid("two values", "not exactly one JSON value");
    check_invalid("meta", "`meta` must be an object");
    check_invalid("replace what was cut", "saw a part only");
    check_invalid("a bad path", "neither `~0` nor `~1`");
    check_invalid("a header of the host's", "millrace-src");
    let decision = Host::<Writer>::new(json!({})).unwrap().run_record("in", &Record::tombstone()).decision;
    assert!(matches!(&decision, Decision::OutputInvalid(reason) if reason.contains("tombstone")), "{decision:?}");
}

#[test]
fn what_can_be_written_is_emitted() {
    let documents = run("replace what was not seen").documents();
    let expected = json!({"do": "replace what was not seen", "page": {"id": 7, "title": "A"}, "other": 1});
    assert_eq!(documents, [expected]);
    assert_eq!(run("a header of its own").documents().len(), 1);
}

#[test]
fn what_breaks_a_rule_is_a_fault() {
    check_fault("another output", "not in `describe`");
    check_fault("too many", "1001 emissions");
}

#[track_caller]
fn check_seen(record: &Record, expected: Value) {
    let mut host = Host::<Writer>::new(json!({})).unwrap();
    host.set_now_ms(5_000);
    assert_eq!(host.run_record("in", record).decision, Decision::Skip(expected.to_string()));
}

#[test]
fn a_record_says_what_a_test_wants_it_to() {
    let plain = Record::new(&json!({}));
    check_seen(&plain, json!([null, [null, null, null], ["test.in", 0, 1], 5_000, 1]));
    let record = plain.key("k").header("a", "1").header("b", "2").null_header("null");
    let record = record.source("eqiad.t", 3, 41).timestamp_ms(-1).attempt(2);
    check_seen(&record, json!(["k", ["1", null, null], ["eqiad.t", 3, 41], -1, 2]));
}

#[test]
fn no_plugin_sees_what_is_no_event_or_comes_by_no_input() {
    let mut host = Host::<Writer>::new(json!({})).unwrap();
    for (input, event, expected) in [("in", json!([1]), "JSON object"), ("other", json!({}), "not in `describe`")] {
        let decision = host.run(input, &event).decision;
        assert!(matches!(&decision, Decision::Fault(fault) if fault.contains(expected)), "{decision:?}");
    }
}
