//! What a plugin can say and what comes of it, through the door that plugins' own tests use. One plugin does one thing
//! for each word in the field `do`.

use crate::bindings::millrace::plugin::types as wit;
use crate::testing::{Decided, Decision, Host, Recording};
use crate::ticket::Ticket;
use crate::{
    Describe, Emission, Event, Failure, Input, Level, LookupErrorKind, MediaWiki, Outcome, Output, Pieces, Plugin,
    Slot, Source, Value, join, join_all, json,
};
use std::collections::BTreeMap;
use std::rc::Rc;

const WIKI: &str = "test.example.org";

struct Probe;

impl Plugin for Probe {
    type Settings = ();

    fn describe() -> Describe {
        let lookups = Describe::new("probe", "1.0.0").lookup("revision").lookup("query");
        lookups.input("in", Input::new()).output("out", Output::new())
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
        let document: Value = event.json()?;
        match document.get("do").and_then(Value::as_str).unwrap_or_default() {
            "emit nothing" => Ok(Outcome::emit([])),
            "retry" => Ok(Outcome::retry(Failure::new("not_yet", "later"))),
            "retry after" => Ok(Outcome::retry_after(500, Failure::new("not_yet", "later"))),
            // Keys of JSON are strings.
            "set what is no JSON" => Ok(event.patch().set("/a", &BTreeMap::from([((1, 2), 3)])).emit("out")),
            "remove" => Ok(event.patch().remove("/do").emit("out")),
            "report" => Ok(report(&event)),
            "wait for nothing" => Ok(std::future::pending().await),
            "join" => joined(&event, wiki).await,
            "slots" => slots(&event, wiki).await,
            other => blobs(other, &event, wiki).await,
        }
    }
}

fn report(event: &Event) -> Outcome {
    event.log(Level::Warn, "look");
    event.count("seen", &[("kind", "a"), ("wiki", "b")], 2);
    event.observe("diff_bytes", &[], 1.5);
    event.patch().set("/now_ms", &event.now_ms()).set("/dice", &[event.random(), event.random()]).emit("out")
}

async fn joined(event: &Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
    let (second, none) = join(wiki.revision(WIKI, 2), wiki.revision(WIKI, 9)).await;
    let all = join_all([3, 1].map(|rev_id| wiki.revision(WIKI, rev_id))).await;
    let found: Vec<u64> = all.into_iter().flatten().map(|revision| revision.rev_id).collect();
    let error = none.err().map(|error| error.to_string());
    Ok(event.patch().set("/found", &(second?.rev_id, found)).set("/error", &error).emit("out"))
}

async fn slots(event: &Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
    let revision = wiki.revision(WIKI, 1).await?;
    let roles: Vec<(&str, bool)> = revision.slots().map(|(role, slot)| (role, *slot == Slot::Hidden)).collect();
    let kinds = ["aux", "none"].map(|role| revision.content(role).err().map(|failure| failure.kind));
    Ok(event.patch().set("/roles", &roles).set("/kinds", &kinds).emit("out"))
}

async fn blobs(what: &str, event: &Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
    let reply = wiki.ask("query", json!({"domain": WIKI, "params": {}}).to_string()).await?;
    match what {
        "set a JSON blob" => Ok(event.patch().set_json_blob("/answer", reply.blob(0)?).emit("out")),
        "set text as JSON" => Ok(event.patch().set_json_blob("/answer", reply.blob(1)?).emit("out")),
        "set pieces" => {
            let pieces = Pieces::new().raw("[").blob(reply.blob(0)?).raw(",").string_blob(reply.blob(1)?).raw("]");
            Ok(event.patch().set_pieces("/answer", pieces).emit("out"))
        }
        "emit pieces" => Ok(Emission::pieces("out", Pieces::new().blob(reply.blob(0)?)).into()),
        "read" => {
            let text = reply.blob(1)?;
            let part = String::from_utf8_lossy(&text.read(2, 100)).into_owned();
            Ok(event.patch().set("/read", &(text.text()?, part, text.size(), text.read(9, 1))).emit("out"))
        }
        "a blob that is not there" => Ok(event.patch().set_json_blob("/answer", reply.blob(2)?).emit("out")),
        _ => Ok(Outcome::skip(reply.json::<String>()?)),
    }
}

fn run(what: &str) -> Decided {
    let mut host = Host::<Probe>::new(json!({})).unwrap();
    host.set_now_ms(1_800_000_000_000);
    host.record(Recording::answer("query", json!({}), json!({"status": 200}), [r#"{"b":[1.50]}"#, r#"a"bc"#]));
    let slots = json!({"main": {"model": "wikitext", "size": 1, "body": 0}, "aux": {"hidden": true}});
    for rev_id in 1..=3 {
        let params = json!({"domain": WIKI, "rev_id": rev_id});
        host.record(Recording::answer("revision", params, json!({"rev_id": rev_id, "slots": slots}), ["x"]));
    }
    host.record(Recording::error("revision", json!({}), "missing", "no such revision"));
    host.run("in", &json!({"do": what}))
}

/// Expects one event with these members besides `do`.
#[track_caller]
fn check(what: &str, expected: Value) {
    let mut documents = run(what).documents();
    let found = documents.pop().map(|mut document| {
        document.as_object_mut().map(|members| members.remove("do"));
        document
    });
    assert_eq!((found, documents.len()), (Some(expected), 0), "{what}");
}

#[track_caller]
fn check_decision(what: &str, expected: Decision) {
    assert_eq!(run(what).decision, expected, "{what}");
}

#[track_caller]
fn check_failure(what: &str, expected: &str) {
    let decided = run(what);
    assert_eq!(decided.failure_kind(), Some(expected), "{what}: {decided:?}");
}

#[test]
fn blobs_become_values_without_being_read() {
    check("set a JSON blob", json!({"answer": {"b": [1.5]}}));
    check("set pieces", json!({"answer": [{"b": [1.5]}, "a\"bc"]}));
    check("emit pieces", json!({"b": [1.5]}));
}

#[test]
fn a_blob_that_is_no_json_cannot_be_written() {
    let decision = run("set text as JSON").decision;
    assert!(
        matches!(&decision, Decision::OutputInvalid(message) if message.contains("not exactly one JSON value")),
        "{decision:?}"
    );
}

#[test]
fn blobs_are_read_whole_or_in_part() {
    check("read", json!({"read": ["a\"bc", "bc", 4, []]}));
}

#[test]
fn an_answer_of_another_shape_is_invalid() {
    check_failure("a blob that is not there", "lookup_invalid");
    check_failure("read the document as text", "lookup_invalid");
}

#[test]
fn what_cannot_be_written_fails_the_event() {
    check_failure("set what is no JSON", "invalid_json");
}

#[test]
fn outcomes_are_what_was_said() {
    let failure = || Failure::new("not_yet", "later");
    check_decision("emit nothing", Decision::Skip("nothing".to_owned()));
    check_decision("retry", Decision::Retry(None, failure()));
    check_decision("retry after", Decision::Retry(Some(500), failure()));
    check("remove", json!({}));
}

#[test]
fn joined_lookups_keep_their_order_and_their_own_errors() {
    check("join", json!({"found": [2, [3, 1]], "error": "not_found: no such revision"}));
    let asked: Vec<Value> =
        run("join").asks.into_iter().filter_map(|(_, params)| params.get("rev_id").cloned()).collect();
    assert_eq!(asked, [2, 9, 3, 1]);
}

#[test]
fn slots_come_by_role_and_hidden_ones_have_no_content() {
    check("slots", json!({"roles": [["aux", true], ["main", false]], "kinds": ["hidden", "not_found"]}));
}

#[test]
fn waiting_for_what_is_no_lookup_is_a_stall() {
    let decision = run("wait for nothing").decision;
    assert!(matches!(&decision, Decision::Fault(message) if message.contains("stalled")), "{decision:?}");
}

#[test]
fn a_report_holds_what_was_logged_and_counted() {
    let report = run("report").report;
    assert_eq!(report.logs, [(Level::Warn, "look".to_owned())]);
    assert_eq!(report.counts, BTreeMap::from([("seen{kind=a,wiki=b}".to_owned(), 2)]));
    assert_eq!(report.observations, BTreeMap::from([("diff_bytes".to_owned(), vec![1.5])]));
}

#[test]
fn time_is_the_hosts_and_chance_is_the_events() {
    let throw = |offset| {
        let event = event(offset);
        [event.random(), event.random()]
    };
    let [first, second] = throw(5);
    assert_ne!(first, second);
    assert_eq!(throw(5), [first, second]);
    assert_ne!(throw(6), [first, second]);
    let documents = run("report").documents();
    assert_eq!(documents.first().and_then(|document| document.get("now_ms")), Some(&json!(1_800_000_000_000_u64)));
}

fn event(offset: u64) -> Event {
    let header = |name: &str, value: Option<&str>| wit::Header {
        name: name.to_owned(),
        value: value.map(|value| value.as_bytes().to_vec()),
    };
    let inner = wit::Event {
        ticket: 1,
        input: "in".to_owned(),
        source: wit::Source { topic: "eqiad.t".to_owned(), partition: 3, offset },
        timestamp_ms: -1,
        key: Some(b"k".to_vec()),
        value: None,
        headers: vec![header("a", Some("1")), header("a", Some("2")), header("b", None)],
        attempt: 2,
    };
    Event::new(Ticket::new(1, Rc::default()), inner)
}

#[test]
fn an_event_says_where_it_comes_from() {
    let event = event(5);
    assert_eq!((event.input(), event.attempt(), event.timestamp_ms()), ("in", 2, -1));
    assert_eq!(event.source(), Source { topic: "eqiad.t", partition: 3, offset: 5 });
    assert_eq!((event.key(), event.header("a")), (Some(b"k".as_slice()), Some(b"1".as_slice())));
    assert_eq!((event.header("b"), event.header("c")), (None, None));
    assert!(event.is_tombstone() && event.bytes().is_empty());
    assert_eq!(event.json::<Value>().unwrap_err().kind, "invalid_event");
}

#[test]
fn every_class_of_lookup_error_has_its_word_and_its_failure() {
    for (word, kind, failure) in [
        ("missing", LookupErrorKind::Missing, "not_found"),
        ("denied", LookupErrorKind::Denied, "lookup_denied"),
        ("too-large", LookupErrorKind::TooLarge, "lookup_too_large"),
        ("unavailable", LookupErrorKind::Unavailable, "lookup_unavailable"),
        ("invalid", LookupErrorKind::Invalid, "lookup_invalid"),
        ("of-a-newer-host", LookupErrorKind::Unavailable, "lookup_unavailable"),
    ] {
        assert_eq!((LookupErrorKind::of_word(word), kind.failure_kind()), (kind, failure), "{word}");
        assert_eq!(LookupErrorKind::of_word(kind.word()), kind, "{word}");
    }
}
