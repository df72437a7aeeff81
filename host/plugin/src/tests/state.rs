//! State and timers: what a ticket sees and what it changes, through re-runs, faults and instances that are thrown away.

use super::guests::guest;
use super::puppet::{ENGINE, End, PUPPET, Stage, component, good, scripted};
use crate::{Event, FaultKind, Limits, Payload, Plugin, Ticket};
use bytes::Bytes;
use millrace_flow::blob::Piece;
use millrace_flow::outcome::{Change, EmittedDocument, Outcome};
use millrace_flow::state::{ENTRIES_MAX, KEY_BYTES_MAX, StateStore, TimerClock};
use std::sync::LazyLock;

/// The puppet, with a store.
static KEEPER: LazyLock<Plugin> = LazyLock::new(|| {
    let (said, more) = (r#"\"lookups\":[\"revision\"]}"#, r#"\"lookups\":[\"revision\"],\"stores\":{\"hello\":{}}}"#);
    let text =
        PUPPET.replace(said, more).replace("(i32.const 4096) (i32.const 98)", "(i32.const 4096) (i32.const 120)");
    ENGINE.load(&component(&text)).unwrap()
});

/// A crew of keepers with the store behind it, as a pipeline has it.
struct Kept {
    stage: Stage,
    store: StateStore,
}

impl Kept {
    fn new() -> Self {
        Self::of(&KEEPER)
    }

    fn of(plugin: &Plugin) -> Self {
        Self { stage: Stage::of(plugin, Limits::default()), store: StateStore::new(1_000_000) }
    }

    fn start(&mut self, script: &str) -> Ticket {
        let event = scripted(script);
        let state = self.store.open(event.key.as_ref().unwrap());
        self.stage.crew.start_with_state(event, state)
    }

    /// Runs until nothing is left to do, and keeps what changed.
    fn settle(&mut self) {
        self.stage.settle();
        for (_, changes) in self.stage.changes.drain(..) {
            self.store.apply(&changes).unwrap();
        }
    }

    /// Starts an event with this key, time and document.
    fn event(&mut self, key: &str, timestamp_ms: i64, document: &str) -> Ticket {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let value = Some(Payload::Inline(Bytes::copy_from_slice(document.as_bytes())));
        let state = self.store.open(&key);
        self.stage.crew.start_with_state(Event { key: Some(key), timestamp_ms, value, ..scripted("") }, state)
    }

    /// What a ticket emitted: the bytes that it set, or whole documents; a patch of nothing is `as it came`.
    fn emitted(&self, ticket: Ticket) -> Vec<String> {
        let End::Done(Outcome::Emit(emissions)) = self.stage.end(ticket) else { return Vec::new() };
        let text = |pieces: &[Piece]| match pieces {
            [Piece::Bytes(bytes)] => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{other:?}"),
        };
        let document = |document: &EmittedDocument| match document {
            EmittedDocument::Whole(pieces) => text(pieces),
            EmittedDocument::Patch(edits) => match edits.as_slice() {
                [] => "as it came".to_owned(),
                [edit] => match &edit.change {
                    Change::Set(pieces) => text(pieces),
                    Change::Remove => "removed".to_owned(),
                },
                other => panic!("{other:?}"),
            },
            EmittedDocument::Tombstone => "tombstone".to_owned(),
        };
        emissions.iter().map(|emission| document(&emission.document)).collect()
    }

    /// Runs one event to its end.
    fn run(&mut self, script: &str) -> Ticket {
        let ticket = self.start(script);
        self.settle();
        ticket
    }

    /// Runs the timers that are due by the wall clock.
    fn fire(&mut self, wall_ms: u64) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for timer in self.store.take_due(None, wall_ms, 9) {
            let state = self.store.open_timer(&timer).unwrap();
            tickets.push(self.stage.crew.start_timer(timer, state));
        }
        self.settle();
        tickets
    }

    /// What a ticket logged: what it found in its state.
    fn found(&self, ticket: Ticket) -> Vec<&str> {
        self.stage.report(ticket).logs.iter().map(|line| line.message.as_str()).collect()
    }

    /// What is kept for the key that is this script.
    fn value(&self, script: &'static str) -> Option<String> {
        let state = self.store.open(&Bytes::from_static(script.as_bytes()));
        state.get("hello", "hello").map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

#[test]
fn a_ticket_sees_its_own_writes_and_those_that_were_kept_before() {
    let mut kept = Kept::new();
    let [first, second] = ["?+1?-?+2?s", "?+1?-?+2?s"].map(|script| kept.run(script));
    assert_eq!(kept.found(first), ["1", "2"]);
    assert_eq!(kept.found(second), ["2", "1", "2"]);
    assert_eq!(kept.value("?+1?-?+2?s").as_deref(), Some("2"));
}

#[test]
fn keys_of_one_turn_do_not_see_each_other() {
    let mut kept = Kept::new();
    let tickets = ["+1?s", "?+2s", "+3?E"].map(|script| kept.start(script));
    kept.settle();
    assert_eq!(tickets.map(|ticket| kept.found(ticket).concat()), ["1", "", "3"]);
    assert_eq!(["+1?s", "?+2s", "+3?E"].map(|script| kept.value(script).unwrap()), ["1", "2", "3"]);
}

#[test]
fn writes_are_kept_with_emit_and_skip_and_dropped_otherwise() {
    let mut kept = Kept::new();
    for script in ["+1E", "+1s", "+1R", "+1F", "+1o", "+1t"] {
        kept.run(script);
    }
    let is_kept = ["+1E", "+1s", "+1R", "+1F", "+1o", "+1t"].map(|script| kept.value(script).is_some());
    assert_eq!(is_kept, [true, true, false, false, false, false]);
    let unchanged = kept.start("-s");
    kept.stage.settle();
    kept.stage.assert_skipped(unchanged);
    assert_eq!(kept.stage.changes, []);
}

#[test]
fn what_is_written_lasts_across_lookups_and_not_across_re_runs() {
    let mut kept = Kept::new();
    let ticket = kept.start("?+1a1w?s");
    kept.settle();
    // Another event's fault throws the instance away.
    let culprit = kept.run("t");
    kept.stage.assert_fault(culprit, FaultKind::Trap, "");
    assert_eq!(kept.value("?+1a1w?s"), None);
    kept.stage.answer(ticket, &good(&[]));
    kept.settle();
    kept.stage.assert_skipped(ticket);
    assert_eq!(kept.found(ticket), ["1"], "the second run found nothing of the first one");
    assert_eq!(kept.value("?+1a1w?s").as_deref(), Some("1"));
}

#[test]
fn a_cancelled_ticket_changes_nothing() {
    let mut kept = Kept::new();
    let ticket = kept.start("+1a1ws");
    kept.settle();
    kept.stage.crew.cancel(ticket);
    kept.settle();
    assert_eq!((kept.value("+1a1ws"), kept.stage.ends.len()), (None, 0));
}

#[test]
fn a_timer_opens_a_ticket_with_the_state_of_its_key() {
    let mut kept = Kept::new();
    kept.run("+1@5s|?+2s");
    assert!(kept.fire(4).is_empty());
    let [fired] = kept.fire(5)[..] else { panic!("no timer is due") };
    kept.stage.assert_skipped(fired);
    assert_eq!(kept.found(fired), ["1"]);
    assert_eq!(kept.value("+1@5s|?+2s").as_deref(), Some("2"));
    assert!(kept.fire(9).is_empty(), "it fires once");
}

#[test]
fn a_timer_is_moved_cleared_and_set_again() {
    let mut kept = Kept::new();
    kept.run("@5@7s|@8s");
    kept.run("@5#@5#s");
    assert_eq!((kept.fire(6).len(), kept.store.next_wall_ms()), (0, Some(7)));
    assert_eq!((kept.fire(7).len(), kept.store.next_wall_ms()), (1, Some(8)));
}

#[test]
fn a_timer_whose_ticket_fails_is_still_set_until_the_host_says_otherwise() {
    let mut kept = Kept::new();
    kept.run("@5s|+1F");
    let [fired] = kept.fire(5)[..] else { panic!("no timer is due") };
    assert!(matches!(kept.stage.end(fired), End::Done(_)));
    let key = Bytes::from_static(b"@5s|+1F");
    assert_eq!(kept.store.open(&key).timer("hello", TimerClock::Wall), Some(5));
    assert_eq!(kept.value("@5s|+1F"), None);
}

/// Expects that the ticket of a plugin ends with a broken rule.
#[track_caller]
fn check_broken(kept: &mut Kept, ticket: Ticket, message: &str) {
    kept.settle();
    kept.stage.assert_fault(ticket, FaultKind::Rule, message);
}

#[test]
fn who_has_no_state_breaks_a_rule_by_using_it() {
    let mut kept = Kept::new();
    for script in ["?s", "+1s", "-s", "@1s", "#s"] {
        let keyless = kept.stage.start(script);
        check_broken(&mut kept, keyless, "its event has no key");
    }
    let mut without = Kept { stage: Stage::new(Limits::default()), store: StateStore::new(1_000) };
    for (script, message) in [
        ("?s", "used store \"hello\", but its pipeline grants no state"),
        ("+1s", "but its pipeline grants no state"),
        ("@1s", "its pipeline grants no timers"),
        ("#s", "its pipeline grants no timers"),
    ] {
        let ticket = without.start(script);
        check_broken(&mut without, ticket, message);
    }
}

#[test]
fn a_store_that_is_not_described_breaks_a_rule() {
    let text = PUPPET
        .replace(r#"\"lookups\":[\"revision\"]}"#, r#"\"lookups\":[\"revision\"],\"stores\":{\"other\":{}}}"#)
        .replace("(i32.const 4096) (i32.const 98)", "(i32.const 4096) (i32.const 120)");
    let stage = Stage::of(&ENGINE.load(&component(&text)).unwrap(), Limits::default());
    let mut kept = Kept { stage, store: StateStore::new(1_000) };
    let ticket = kept.start("+1s");
    check_broken(&mut kept, ticket, "used store \"hello\", but `describe` does not list it");
}

#[test]
fn bounds_of_state_are_rules() {
    let mut kept = Kept::new();
    let key = Bytes::from(format!("+1s|{}", "x".repeat(KEY_BYTES_MAX)));
    let state = kept.store.open(&key);
    let ticket = kept.stage.crew.start_with_state(Event { key: Some(key), ..scripted("") }, state);
    check_broken(&mut kept, ticket, "a key that has state has 16384 at most");
    let mut full = kept.store.open(&Bytes::from_static(b"+1s"));
    (0..ENTRIES_MAX).for_each(|n| full.set_timer(&n.to_string(), TimerClock::Wall, 1).unwrap());
    let ticket = kept.stage.crew.start_with_state(scripted("+1s"), full);
    check_broken(&mut kept, ticket, "more than 4096 values and timers");
}

#[test]
fn a_counter_counts_by_key_in_one_turn_and_in_many_instances() {
    let mut kept = Kept::of(&guest("counter"));
    let mut counts = Vec::new();
    for _ in 0..3 {
        let tickets = ["a", "b"].map(|key| kept.event(key, 1_000, "{}"));
        kept.settle();
        counts.push(tickets.map(|ticket| kept.emitted(ticket).concat()));
        // The state is the store's: another instance finds the same.
        kept.stage = Stage::of(&guest("counter"), Limits::default());
    }
    assert_eq!(counts, [["1", "1"], ["2", "2"], ["3", "3"]]);
}

#[test]
fn a_reorder_buffer_holds_events_until_they_are_in_order_or_the_time_is_over() {
    let mut kept = Kept::of(&guest("reorder-buffer"));
    let run = |kept: &mut Kept, number: u32| {
        let ticket = kept.event("k", 1_000, &format!("{{\"sequence\":{number}}}"));
        kept.settle();
        kept.emitted(ticket)
    };
    assert_eq!(run(&mut kept, 1), ["as it came"]);
    assert_eq!(run(&mut kept, 4), [""; 0]);
    assert_eq!(run(&mut kept, 3), [""; 0]);
    assert_eq!(run(&mut kept, 2), ["as it came", r#"{"sequence":3}"#, r#"{"sequence":4}"#]);
    assert_eq!(run(&mut kept, 6), [""; 0]);
    assert!(kept.store.take_due(Some(60_999), u64::MAX, 9).is_empty());
    let due = kept.store.take_due(Some(61_000), 0, 9);
    let [timer] = due.as_slice() else { panic!("{due:?}") };
    let state = kept.store.open_timer(timer).unwrap();
    let fired = kept.stage.crew.start_timer(timer.clone(), state);
    kept.settle();
    assert_eq!(kept.emitted(fired), [r#"{"sequence":6}"#]);
    assert_eq!(kept.store.records().len(), 1, "nothing is left but the number that comes next");
}
