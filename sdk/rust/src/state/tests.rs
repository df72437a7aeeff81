//! State and timers through the host of tests. One plugin does one thing for each word in the field `do`.

use crate::testing::{Decision, Host, Record};
use crate::{Clock, Describe, Emission, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Timer, Value, json};

struct Keeper;

impl Plugin for Keeper {
    type Settings = ();

    fn describe() -> Describe {
        let describe = Describe::new("keeper", "1.0.0").input("in", Input::new()).output("out", Output::new());
        describe.store("kept").lookup("query")
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
        let document: Value = event.json()?;
        let kept = event.state("kept");
        let count = kept.get_json::<u64>("n")?.unwrap_or(0) + 1;
        kept.put_json("n", &count)?;
        match document["do"].as_str().unwrap_or_default() {
            "delete" => kept.delete("n"),
            "fail" => return Err(Failure::new("odd", "it is odd")),
            "retry" => return Ok(Outcome::retry(Failure::new("not_yet", "later"))),
            "ask" => drop(wiki.ask("query", "{}".to_owned()).await?),
            "emit what cannot be written" => return Ok(event.patch().remove("").emit("out")),
            "set" => event.set_timer("t", Clock::Wall, document["at"].as_u64().unwrap_or(0)),
            "set by event time" => event.set_timer("t", Clock::Event, document["at"].as_u64().unwrap_or(0)),
            "clear" => event.clear_timer("t", Clock::Wall),
            "another store" => event.state("other").put("n", "1"),
            "no name" => kept.put("", "1"),
            "too large" => kept.put("n", vec![0; 1_000_001]),
            "too many" => (0..4_096).for_each(|n| kept.put(&n.to_string(), "")),
            "garble" => kept.put("n", "x"),
            _ => return Ok(event.patch().set("/n", &count).emit("out")),
        }
        Ok(Outcome::skip("done"))
    }

    async fn on_timer(&self, timer: Timer, _: &MediaWiki) -> Result<Outcome, Failure> {
        let count = timer.state("kept").get_json::<u64>("n")?;
        if count == Some(3) {
            return Err(Failure::new("three", "it fails"));
        }
        if count == Some(2) {
            timer.set_timer("t", Clock::Wall, timer.due_ms());
        }
        timer.state("kept").delete("n");
        let key = String::from_utf8_lossy(timer.key()).into_owned();
        let seen = json!({"key": key, "n": count, "name": timer.name(), "due_ms": timer.due_ms()});
        Ok(Emission::document("out", &seen).into())
    }
}

fn host() -> Host<Keeper> {
    let mut host = Host::new(json!({})).unwrap();
    host.set_now_ms(100);
    host
}

fn record(key: &str, what: &str) -> Record {
    Record::new(&json!({"do": what, "at": 50})).key(key)
}

/// Runs these one after the other with the key `k`, and expects that this is kept at the end.
#[track_caller]
fn check_kept(words: &[&str], expected: Option<&str>) {
    let mut host = host();
    words.iter().for_each(|word| drop(host.run_record("in", &record("k", word))));
    let kept = host.state("k", "kept", "n").map(|value| String::from_utf8_lossy(value).into_owned());
    assert_eq!(kept.as_deref(), expected, "{words:?}");
}

#[test]
fn writes_are_kept_with_emit_and_skip_and_dropped_otherwise() {
    check_kept(&["emit", "emit"], Some("2"));
    check_kept(&["emit", "set"], Some("2"));
    check_kept(&["emit", "delete"], None);
    for dropped in ["fail", "retry", "ask", "emit what cannot be written"] {
        check_kept(&["emit", dropped], Some("1"));
    }
}

#[test]
fn each_key_has_state_of_its_own() {
    let mut host = host();
    for (key, count) in [("a", 1), ("b", 1), ("a", 2), ("", 1)] {
        let documents = host.run_record("in", &record(key, "emit")).documents();
        assert_eq!(documents[0]["n"], json!(count), "{key}");
    }
    host.put_state("b", "kept", "n", "41");
    assert_eq!(host.run_record("in", &record("b", "emit")).documents()[0]["n"], json!(42));
}

#[test]
fn what_is_kept_in_another_shape_fails_the_event() {
    let mut host = host();
    host.run_record("in", &record("k", "garble"));
    assert_eq!(host.run_record("in", &record("k", "emit")).failure_kind(), Some("invalid_state"));
}

#[test]
fn timers_fire_when_they_are_due_and_once() {
    let mut host = host();
    for key in ["b", "a"] {
        host.run_record("in", &record(key, "set"));
    }
    host.set_now_ms(49);
    assert!(host.fire_due().is_empty());
    host.set_now_ms(50);
    let fired: Vec<Value> = host.fire_due().iter().flat_map(|decided| decided.documents()).collect();
    let of_key = |key: &str| json!({"key": key, "n": 1, "name": "t", "due_ms": 50});
    assert_eq!(fired, [of_key("a"), of_key("b")]);
    assert!(host.fire_due().is_empty());
    assert_eq!((host.state("a", "kept", "n"), host.timer("a", "t", Clock::Wall)), (None, None));
}

#[test]
fn a_timer_that_fails_is_gone_and_changes_nothing_and_one_may_set_itself_again() {
    let mut host = host();
    (0..2).for_each(|_| drop(host.run_record("in", &record("again", "set"))));
    (0..3).for_each(|_| drop(host.run_record("in", &record("fails", "set"))));
    let fired = host.fire_due();
    assert_eq!((fired.len(), fired[1].failure_kind()), (2, Some("three")));
    assert_eq!(
        (host.state("fails", "kept", "n"), host.timer("fails", "t", Clock::Wall)),
        (Some(b"3".as_slice()), None)
    );
    assert_eq!(host.timer("again", "t", Clock::Wall), Some(50));
    host.run_record("in", &record("again", "clear"));
    assert!(host.fire_due().is_empty());
}

#[test]
fn event_time_follows_the_records_and_not_the_clock() {
    let mut host = host();
    host.run_record("in", &record("k", "set by event time").timestamp_ms(49));
    assert!(host.fire_due().is_empty());
    host.run_record("in", &record("other", "skip").timestamp_ms(50));
    assert_eq!(host.fire_due().len(), 1);
}

#[track_caller]
fn check_broken(record: &Record, expected: &str) {
    let mut host = host();
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| host.run_record("in", record)));
    let said = broken.map_err(|said| said.downcast_ref::<String>().cloned().unwrap_or_default());
    assert!(said.as_ref().is_err_and(|said| said.contains(expected)), "{said:?}");
}

#[test]
fn what_a_host_would_refuse_panics() {
    check_broken(&Record::new(&json!({})), "has no key");
    check_broken(&record("k", "another store"), "store other is not in `describe`");
    check_broken(&record("k", "no name"), "a name of 0 bytes");
    check_broken(&record("k", "too large"), "a value of 1000001 bytes");
    check_broken(&record("k", "too many"), "a key with 4097 values and timers");
}

struct Stateless;

impl Plugin for Stateless {
    type Settings = ();

    fn describe() -> Describe {
        Describe::new("stateless", "1.0.0").input("in", Input::new())
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        event.set_timer("t", Clock::Wall, 1);
        Ok(Outcome::skip("done"))
    }
}

#[test]
#[should_panic(expected = "no store is in `describe`")]
fn timers_need_a_store() {
    Host::<Stateless>::new(json!({})).unwrap().run_record("in", &record("k", ""));
}

#[test]
fn stores_are_described() {
    assert!(Keeper::describe().to_json().contains(r#""stores":{"kept":{}}"#));
    let decided = Host::<Stateless>::new(json!({})).unwrap().fire_due();
    assert!(decided.is_empty());
    assert!(matches!(host().run_record("in", &record("k", "set")).decision, Decision::Skip(_)));
}
