//! Guests in C and in Go that know the contract and no SDK: what their memory, their runtime and their panics make of
//! turns. What they make of events is judged by the cases of `tests/cases`.

use super::guests::{assert_passed, event, guest};
use super::puppet::{End, Stage, good};
use crate::{Event, FaultKind, Limits, Payload, Ticket};
use bytes::Bytes;
use millrace_flow::blob::{Blob, Piece};
use millrace_flow::lookup::{Answer, LookupError, LookupErrorKind, Reply};
use millrace_flow::outcome::{EmittedDocument, Outcome};
use serde_json::json;

/// Turns of a test for leaks: what leaks a few bytes of a value in each passes the limit of memory.
const TURNS: usize = 2_000;

/// Events of one turn of such a test.
const EVENTS: usize = 10;

/// Limits under which a leak ends the instance.
fn tight(memory_bytes_max: usize) -> Limits {
    // Collections in a busy machine's turn take their time.
    Limits { memory_bytes_max, turn_base_ms: 2_000, ..Limits::default() }
}

/// That the first instance still is the only one. A fault is contained so well that its events end as they should; but
/// those of a failed turn run alone, in instances of their own.
#[track_caller]
fn assert_unharmed(stage: &Stage, turn: usize) {
    assert_eq!(stage.crew.seats.len(), 1, "the instance was thrown away in turn {turn}");
}

#[track_caller]
fn check_identity(name: &str) {
    let mut stage = Stage::of(&guest(name), Limits::default());
    let tickets: Vec<Ticket> = (0..1_000).map(|_| stage.crew.start(event("{}"))).collect();
    let tombstone = stage.crew.start(Event { value: None, ..event("{}") });
    stage.settle();
    let ended: Vec<Ticket> = stage.ends.iter().map(|(ticket, ..)| *ticket).collect();
    assert_eq!(ended[..1_000], tickets);
    assert_passed(&stage, tickets[999]);
    let End::Done(Outcome::Emit(emissions)) = stage.end(tombstone) else { panic!("{:?}", stage.end(tombstone)) };
    assert_eq!(emissions[0].document, EmittedDocument::Tombstone);
}

#[test]
fn the_identity_in_c_and_in_go_ends_every_event_in_order() {
    check_identity("c/identity");
    check_identity("go/identity");
}

/// Slots of an event, `0` to `7` and letters: enough for small leaks to add up.
fn slots(count: usize, facts: &serde_json::Value) -> serde_json::Value {
    let role = |number: usize| format!("{number}{}", "r".repeat(100));
    (0..count).map(|number| (role(number), facts.clone())).collect::<serde_json::Map<_, _>>().into()
}

fn page_change() -> String {
    let revision = json!({"rev_id": 7, "content_slots": slots(8, &json!({"content_sha1": "a"}))});
    json!({"page_change_kind": "edit", "meta": {"domain": "en.wiki.test"}, "revision": revision}).to_string()
}

/// A revision with the first `count` of the event's slots.
fn revision(count: usize) -> Answer {
    let document = json!({"rev_id": 7, "slots": slots(count, &json!({"sha1": "b", "body": 0}))}).to_string();
    Ok(Reply { document: document.into(), blobs: vec![Blob::plain(Bytes::from_static(b"text"))] })
}

/// Every way in which a ticket of the flagship can end, turn by turn, in little memory.
#[track_caller]
fn check_flat(name: &str, memory_bytes_max: usize) {
    let mut stage = Stage::of(&guest(name), tight(memory_bytes_max));
    let missing = Err(LookupError::new(LookupErrorKind::Missing, "no such revision"));
    let (found, useless, failing) = (revision(8), revision(7), "{\"page_change_kind\":\"edit\"}");
    for turn in 0..TURNS {
        let tickets: Vec<Ticket> = (0..EVENTS).map(|_| stage.crew.start(event(&page_change()))).collect();
        let refused = stage.crew.start(event(failing));
        stage.settle();
        for (number, ticket) in tickets.iter().enumerate() {
            match number {
                0 => stage.crew.cancel(*ticket),
                1 => stage.answer(*ticket, &missing),
                2 => stage.answer(*ticket, &useless),
                _ => stage.answer(*ticket, &found),
            }
        }
        stage.settle();
        for ticket in [refused, tickets[1], tickets[2]] {
            assert!(matches!(stage.end(ticket), End::Done(Outcome::Fail(_))), "turn {turn}: {:?}", stage.end(ticket));
        }
        for ticket in &tickets[3..] {
            assert!(matches!(stage.end(*ticket), End::Done(Outcome::Emit(_))), "turn {turn}: {:?}", stage.end(*ticket));
        }
        assert_unharmed(&stage, turn);
        stage.ends.clear();
        stage.asks.clear();
    }
}

#[test]
fn memory_of_a_guest_in_c_stays_flat() {
    // Six pages of WebAssembly, of which the stack has one.
    check_flat("c/page-content-change", 6 << 16);
}

#[test]
fn memory_of_a_guest_in_go_stays_flat() {
    check_flat("go/page-content-change", 24 << 20);
}

#[test]
fn go_collects_within_turns_while_goroutines_wait_across_them() {
    const BODY: &str = "what the blob says";
    let mut stage = Stage::of(&guest("go/stress"), tight(32 << 20));
    // The inputs of a turn are more than one chunk of the guest's, so that a collection may come between two of them.
    let wish = |number: usize, garbage: usize| {
        json!({"number": number, "garbage": garbage, "filler": "f".repeat(7_000)}).to_string()
    };
    for turn in 0..TURNS {
        let wishes: Vec<String> =
            (0..EVENTS).map(|number| wish(number, if number == 5 { 16 << 10 } else { 0 })).collect();
        let tickets: Vec<Ticket> = wishes.iter().map(|wish| stage.crew.start(event(wish))).collect();
        stage.settle();
        let asked: Vec<&str> = stage.asks.iter().map(|(_, ask)| &*ask.params).collect();
        assert_eq!(asked, wishes, "turn {turn}");
        stage.crew.cancel(tickets[0]);
        for ticket in &tickets[1..] {
            stage.answer(*ticket, &good(&[BODY]));
        }
        stage.settle();
        for ticket in &tickets[1..] {
            let end = stage.end(*ticket);
            let End::Done(Outcome::Emit(emissions)) = end else { panic!("turn {turn}: {end:?}") };
            let document = Piece::Bytes(json!({ "body": BODY }).to_string().into());
            assert_eq!(emissions[0].document, EmittedDocument::Whole(vec![document]), "turn {turn}");
        }
        assert_unharmed(&stage, turn);
        stage.ends.clear();
        stage.asks.clear();
    }
}

#[test]
fn a_panic_in_go_is_told_to_its_author() {
    let mut stage = Stage::of(&guest("go/stress"), Limits::default());
    let [first, culprit, last] =
        ["{}", r#"{"panic":"as the event wants it"}"#, "{}"].map(|document| stage.crew.start(event(document)));
    stage.settle();
    for ticket in [first, last] {
        stage.answer(ticket, &good(&["text"]));
    }
    stage.settle();
    assert!(matches!(stage.end(first), End::Done(Outcome::Emit(_))), "{:?}", stage.end(first));
    assert!(matches!(stage.end(last), End::Done(Outcome::Emit(_))), "{:?}", stage.end(last));
    let End::Fault(kind, message, stack) = stage.end(culprit) else { panic!("{:?}", stage.end(culprit)) };
    assert_eq!(*kind, FaultKind::Trap, "{message}");
    assert!(message.contains("panic: as the event wants it"), "{message}");
    assert!(stack.as_deref().unwrap_or_default().contains("onEvent"), "{stack:?}");
}

/// A document with a member that makes it larger than one call of `blobs.read` takes.
fn enlarged(document: &str) -> Bytes {
    let mut document: serde_json::Value = serde_json::from_str(document).unwrap();
    document["filler"] = json!("f".repeat(3 << 20));
    document.to_string().into()
}

#[track_caller]
fn check_large(name: &str) {
    let mut stage = Stage::of(&guest(name), Limits::default());
    let value = Payload::Large(Blob::plain(enlarged(&page_change())));
    let ticket = stage.crew.start(Event { value: Some(value), ..event("") });
    stage.settle();
    assert_eq!(stage.asks.len(), 1, "{:?}", stage.ends);
    let reply =
        revision(8).map(|reply| Reply { document: enlarged(std::str::from_utf8(&reply.document).unwrap()), ..reply });
    stage.answer(ticket, &reply);
    stage.settle();
    let End::Done(Outcome::Emit(emissions)) = stage.end(ticket) else { panic!("{:?}", stage.end(ticket)) };
    let EmittedDocument::Patch(edits) = &emissions[0].document else { panic!("{emissions:?}") };
    assert_eq!(edits.len(), 8);
}

#[test]
fn values_and_documents_that_come_as_blobs_are_read_in_parts() {
    check_large("c/page-content-change");
    check_large("go/page-content-change");
}
