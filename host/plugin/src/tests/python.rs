//! Python as it is built: what its runtime asks of WASI, and what becomes of what goes wrong in it.

use super::puppet::{End, Stage, caching_engine, impatient, scripted};
use crate::{Event, FaultKind, Limits, Payload, Plugin};
use bytes::Bytes;
use millrace_flow::outcome::{Failure, Outcome};
use millrace_flow::state::StateStore;
use std::path::Path;
use std::sync::LazyLock;

/// Compiling Python takes ten seconds, so compiled code is kept for the next run.
static PROBE: LazyLock<Plugin> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("guests/target/components/python-probe.wasm");
    let bytes =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run ./x guests first", path.display()));
    caching_engine(&root.join("target/compiled-guests")).load(&bytes).unwrap()
});

/// Runs one event between two that pass; answers how it ended.
#[track_caller]
fn run(what: &str, limits: Limits) -> End {
    let mut stage = Stage::of(&PROBE, limits);
    let [first, probed, last] = ["", what, ""].map(|what| {
        let value = Some(Payload::Inline(Bytes::from(format!(r#"{{"do":"{what}"}}"#))));
        stage.crew.start(Event { value, ..scripted("key") })
    });
    stage.settle();
    stage.assert_skipped(first);
    stage.assert_skipped(last);
    stage.end(probed).clone()
}

#[track_caller]
fn word(what: &str) -> String {
    match run(what, Limits::default()) {
        End::Done(Outcome::Skip(word)) => word,
        other => panic!("{what}: {other:?}"),
    }
}

/// Expects an event that failed by itself, with its line in the stack; the instance goes on.
#[track_caller]
fn check_failure(what: &str, kind: &str, line: &str) {
    match run(what, Limits::default()) {
        End::Done(Outcome::Fail(Failure { kind: found, message, stack })) => {
            assert_eq!(found, kind, "{message}");
            let stack = stack.unwrap_or_default();
            assert!(stack.contains("File \"probe.py\", line ") && stack.contains(line), "{stack}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[track_caller]
fn check_fault(what: &str, limits: Limits, kind: FaultKind) {
    match run(what, limits) {
        End::Fault(found, message, _) => assert_eq!(found, kind, "{message}"),
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn pythons_clock_is_the_turns() {
    assert_eq!(word("time"), "1.0 1000");
}

#[test]
fn instances_differ_in_chance_and_events_do_not() {
    let [one, other] = [word("chance"), word("chance")];
    let parts = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (parts(&one), parts(&other));
    assert_ne!(one[0], other[0]);
    assert_ne!(one[1], other[1]);
    assert_eq!(one[2], other[2]);
}

#[test]
fn there_is_nothing_around_python() {
    assert_eq!(word("environment"), "{} []");
    assert_eq!(word("print"), "reason");
    check_failure("socket", "permission_error", "socket.socket()");
    check_failure("resolve", "permission_error", "socket.create_connection");
    check_failure("open", "file_not_found_error", "open(\"/etc/passwd\")");
    check_failure("import late", "module_not_found_error", "import wave");
}

/// What Python loads when it is first used would be out of reach then; the SDK has it loaded before.
#[test]
fn what_python_itself_loads_late_is_there() {
    assert_eq!(word("load late"), "2026 b'\\xe9' b'xn--9ca'");
}

#[test]
fn what_an_event_raises_is_its_own_failure() {
    check_failure("recursion", "recursion_error", "return deeper(levels + 1) + 1");
    check_failure("exit", "system_exit", "sys.exit(3)");
}

#[test]
fn what_an_instance_cannot_go_on_from_is_a_fault() {
    check_fault("loop", impatient(), FaultKind::Timeout);
    check_fault("memory", Limits::default(), FaultKind::Memory);
}

#[test]
fn what_is_kept_of_a_key_outlives_the_event_and_its_timer_fires_by_the_wall_clock() {
    let (mut stage, mut store) = (Stage::of(&PROBE, Limits::default()), StateStore::new(10_000));
    for expected in ["1", "2"] {
        let value = Some(Payload::Inline(Bytes::from_static(br#"{"do":"count"}"#)));
        let event = Event { value, ..scripted("key") };
        let state = store.open(event.key.as_ref().unwrap());
        let ticket = stage.crew.start_with_state(event, state);
        stage.settle();
        assert_eq!(*stage.end(ticket), End::Done(Outcome::Skip(expected.to_owned())));
        stage.changes.drain(..).for_each(|(_, changes)| store.apply(&changes).unwrap());
    }
    let due = store.take_due(Some(u64::MAX), 7, 9);
    let [timer] = due.as_slice() else { panic!("{due:?}") };
    let state = store.open_timer(timer).unwrap();
    let fired = stage.crew.start_timer(timer.clone(), state);
    stage.settle();
    assert_eq!(*stage.end(fired), End::Done(Outcome::Skip("key quiet wall 7 2".to_owned())));
    stage.changes.drain(..).for_each(|(_, changes)| store.apply(&changes).unwrap());
    assert_eq!(store.keys(), 0);
}

#[test]
fn a_store_that_is_not_listed_costs_the_instance() {
    check_fault("another store", Limits::default(), FaultKind::Rule);
}
