//! Which error events are selected, and what becomes of them, as tables.

use super::*;
use bytes::Bytes;
use millrace_flow::record::TopicPartition;

fn at(topic: &str, offset: i64) -> Coordinates {
    Coordinates { partition: TopicPartition::new(topic, 0), offset }
}

fn original() -> Original {
    Original {
        cluster_id: "c".to_owned(),
        at: at("in", 5),
        timestamp_ms: 7,
        key: Some(Bytes::from_static(br#"{"wiki_id":"enwiki","page_id":1}"#)),
        value: Some(Bytes::from_static(b"{}")),
        headers: Vec::new(),
        reprocessed: 0,
    }
}

fn failed(original: Result<Original, Unreturnable>) -> FailedEvent {
    FailedEvent {
        at: at("error", 9),
        emitter_id: "p".to_owned(),
        error_type: "not_found".to_owned(),
        stream: Some("s".to_owned()),
        source: None,
        original,
    }
}

/// Whether an error event of the time 100 is selected.
#[track_caller]
fn check(change: impl FnOnce(&mut Selection), expected: bool) {
    let mut selection = Selection::default();
    change(&mut selection);
    assert_eq!(selection.wants(&failed(Ok(original())), 100), expected, "{selection:?}");
}

#[test]
fn what_is_asked_for_is_selected() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let keys = |texts: &[&str]| texts.iter().map(|text| KeyFilter::new(text)).collect::<Vec<_>>();
    check(|_| {}, true);
    check(|all| all.since_ms = Some(100), true);
    check(|all| all.since_ms = Some(101), false);
    check(|all| all.until_ms = Some(101), true);
    check(|all| all.until_ms = Some(100), false);
    check(|all| all.error_types = texts(&["decode", "not_found"]), true);
    check(|all| all.error_types = texts(&["decode"]), false);
    check(|all| all.streams = texts(&["s"]), true);
    check(|all| all.streams = texts(&["t"]), false);
    check(|all| all.keys = keys(&[r#"{"wiki_id":"enwiki","page_id":1}"#]), true);
    check(|all| all.keys = keys(&["x", r#" {"page_id": 1, "wiki_id": "enwiki"} "#]), true);
    check(|all| all.keys = keys(&[r#"{"wiki_id":"enwiki","page_id":2}"#, "no json"]), false);
    check(|all| (all.error_types, all.streams) = (texts(&["not_found"]), texts(&["t"])), false);
}

#[test]
fn what_has_no_stream_or_key_is_not_among_those_that_have() {
    let nameless = FailedEvent { stream: None, ..failed(Err(Unreturnable::Cut)) };
    let by_stream = Selection { streams: vec!["s".to_owned()], ..Selection::default() };
    let by_key = Selection { keys: vec![KeyFilter::new("null")], ..Selection::default() };
    assert!(!by_stream.wants(&nameless, 0) && !by_key.wants(&nameless, 0));
    assert!(Selection::default().wants(&nameless, 0));
}

/// What becomes of an error event; none: it is given back.
#[track_caller]
fn check_verdict(original: Result<Original, Unreturnable>, bytes_max: u64, expected: Option<Fate>) {
    let rules = Rules {
        pipeline: "p".to_owned(),
        cluster_id: "c".to_owned(),
        topics: FxHashSet::from_iter(["in".to_owned()]),
        topic: "again".into(),
        bytes_max,
        attempts_max: 3,
    };
    let fate = match rules.judge(&failed(original), &GivenBack::default(), 1) {
        Verdict::Give(record) => {
            assert_eq!((&*record.topic, record.timestamp_ms), ("again", 1));
            None
        }
        Verdict::Leave(fate) => Some(fate),
    };
    assert_eq!(fate, expected);
}

#[test]
fn the_rules_decide_what_becomes_of_it() {
    let changed = |change: fn(&mut Original)| {
        let mut original = original();
        change(&mut original);
        Ok(original)
    };
    check_verdict(Ok(original()), 1_000, None);
    check_verdict(changed(|original| original.reprocessed = 2), 1_000, None);
    check_verdict(changed(|original| original.reprocessed = 3), 1_000, Some(Fate::AtTheCap));
    check_verdict(Ok(original()), 50, Some(Fate::TooLarge));
    check_verdict(Err(Unreturnable::Cut), 1_000, Some(Fate::Cut));
    check_verdict(Err(Unreturnable::Incomplete("x")), 1_000, Some(Fate::Incomplete));
    check_verdict(changed(|original| original.at = at("other", 5)), 1_000, Some(Fate::Foreign));
    check_verdict(changed(|original| original.cluster_id = "d".to_owned()), 1_000, Some(Fate::Foreign));
}

#[test]
fn what_was_given_back_is_not_given_back_again() {
    let rules = Rules {
        pipeline: "p".to_owned(),
        cluster_id: "c".to_owned(),
        topics: FxHashSet::from_iter(["in".to_owned()]),
        topic: "again".into(),
        bytes_max: 1_000,
        attempts_max: 3,
    };
    let mut before = GivenBack::default();
    before.add(&at("error", 8));
    before.add(&at("elsewhere", 9));
    assert!(matches!(rules.judge(&failed(Ok(original())), &before, 1), Verdict::Give(_)));
    before.add(&at("error", 9));
    assert!(matches!(rules.judge(&failed(Ok(original())), &before, 1), Verdict::Leave(Fate::Before)));
}
