//! Crews whose plugins behave: order, many instances, blobs, cancels, quiet turns, reports.

use super::puppet::{End, Stage, good, scripted};
use crate::{Limits, Payload, Ticket};
use bytes::Bytes;
use millrace_flow::blob::{Blob, Piece};
use millrace_flow::lookup::{LookupError, LookupErrorKind, Seal, SealedAnswer};
use millrace_flow::outcome::{EmittedDocument, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn emitted(end: &End) -> &[Piece] {
    match end {
        End::Done(Outcome::Emit(emissions)) => match &emissions[0].document {
            EmittedDocument::Whole(pieces) => pieces,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn events_of_one_round_share_a_turn_and_end_in_their_order() {
    let mut stage = Stage::new(Limits::default());
    let tickets: Vec<Ticket> = (0..100).map(|_| stage.start("s")).collect();
    stage.round();
    let ended: Vec<Ticket> = stage.ends.iter().map(|(ticket, ..)| *ticket).collect();
    assert_eq!(ended, tickets);
    assert!(!stage.crew.has_work() && stage.crew.open() == 0 && stage.crew.instances() == 1);
}

#[test]
fn what_is_beyond_a_turns_inputs_waits_for_the_next() {
    let mut stage = Stage::new(Limits { inputs_max: 10, ..Limits::default() });
    for _ in 0..25 {
        stage.start("s");
    }
    for ended in [10, 20, 25] {
        assert!(stage.crew.has_work());
        stage.round();
        assert_eq!(stage.ends.len(), ended);
    }
}

#[test]
fn an_outcome_of_every_kind_comes_through() {
    let mut stage = Stage::new(Limits::default());
    let tickets = ["E", "s", "R", "F"].map(|script| stage.start(script));
    stage.settle();
    assert_eq!(emitted(stage.end(tickets[0])), [Piece::Bytes(Bytes::from_static(b"{\"a\":1}"))]);
    stage.assert_skipped(tickets[1]);
    assert!(matches!(stage.end(tickets[2]), End::Done(Outcome::Retry { after_ms: None, .. })));
    assert!(matches!(stage.end(tickets[3]), End::Done(Outcome::Fail(failure)) if failure.kind == "reason"));
}

#[test]
fn asks_are_answered_in_the_order_in_which_answers_come() {
    let mut stage = Stage::new(Limits::default());
    let ticket = stage.start("a1a2wgws");
    stage.settle();
    let asks: Vec<(u32, &str, &str)> =
        stage.asks.iter().map(|(_, ask)| (ask.id, ask.kind.as_str(), ask.params.as_str())).collect();
    assert_eq!(asks, [(0, "revision", "{}"), (1, "revision", "{}")]);
    stage.crew.answer(ticket, 1, good(&[]));
    stage.settle();
    assert!(stage.ends.is_empty());
    stage.crew.answer(ticket, 0, Err(LookupError::new(LookupErrorKind::Missing, "gone")));
    stage.settle();
    stage.assert_skipped(ticket);
}

#[test]
fn an_answer_to_nobody_is_ignored() {
    let mut stage = Stage::new(Limits::default());
    let ticket = stage.start("a1ws");
    stage.settle();
    stage.crew.answer(Ticket(12_345), 0, good(&[]));
    stage.crew.answer(ticket, 9, good(&[]));
    assert!(!stage.crew.has_work());
    stage.answer(ticket, &good(&[]));
    stage.settle();
    stage.crew.answer(ticket, 0, good(&[]));
    assert!(!stage.crew.has_work());
}

#[test]
fn a_full_instance_gets_company_which_leaves_when_it_is_idle() {
    let mut stage = Stage::new(Limits { tickets_max: 10, ..Limits::default() });
    let tickets: Vec<Ticket> = (0..35).map(|_| stage.start("a1ws")).collect();
    stage.settle();
    assert_eq!(stage.crew.instances(), 4);
    for ticket in tickets {
        stage.answer(ticket, &good(&[]));
    }
    stage.settle();
    assert_eq!(stage.ends.len(), 35);
    (0..5).for_each(|_| stage.round());
    assert_eq!(stage.crew.instances(), 1);
}

#[test]
fn large_documents_and_parts_of_answers_go_by_number() {
    let mut stage = Stage::new(Limits::default());
    let blob = Blob::plain(Bytes::from_static(b"a large document"));
    let event = stage.crew.start(crate::Event { value: Some(Payload::Large(blob.clone())), ..scripted("r7B") });
    let answered = stage.start("a1wr4B");
    stage.settle();
    assert_eq!(emitted(stage.end(event)), [Piece::JsonString(blob)]);
    assert_eq!(stage.report(event).logs[0].message, "a large");
    stage.answer(answered, &good(&["wikitext", "other"]));
    stage.settle();
    assert_eq!(emitted(stage.end(answered)), [Piece::JsonString(Blob::plain(Bytes::from_static(b"wikitext")))]);
    assert_eq!(stage.report(answered).logs[0].message, "wiki");
}

#[test]
fn an_escaped_blob_is_read_unescaped() {
    let mut stage = Stage::new(Limits::default());
    let blob = Blob::escaped(Bytes::from_static(b"a\\\"b\\u0041"), 4);
    let ticket = stage.crew.start(crate::Event { value: Some(Payload::Large(blob)), ..scripted("r9r2s") });
    stage.settle();
    let said: Vec<&str> = stage.report(ticket).logs.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(said, ["a\"bA", "a\""]);
}

#[test]
fn a_cancelled_ticket_says_no_more() {
    let mut stage = Stage::new(Limits::default());
    let [early, waiting, sleeping] = ["s", "a1ws", "zs"].map(|script| stage.start(script));
    stage.crew.cancel(early);
    stage.round();
    stage.crew.cancel(waiting);
    // The puppet does not forget this one: it ends it in its next turn, which is ignored.
    stage.crew.cancel(sleeping);
    stage.crew.answer(waiting, 0, good(&[]));
    stage.settle();
    assert!(stage.ends.is_empty() && stage.crew.open() == 0);
    let next = stage.start("s");
    stage.settle();
    stage.assert_skipped(next);
}

#[test]
fn what_is_ready_one_turn_later_gets_its_turn() {
    let mut stage = Stage::new(Limits::default());
    let ticket = stage.start("zs");
    stage.round();
    assert!(stage.ends.is_empty() && stage.crew.has_work());
    stage.round();
    stage.assert_skipped(ticket);
}

#[test]
fn what_a_ticket_says_comes_with_its_end_and_what_no_ticket_says_at_once() {
    let mut stage = Stage::new(Limits::default());
    let ticket = stage.start("ggccGa1ws");
    stage.settle();
    assert_eq!(stage.crew.take_report().logs.len(), 1);
    assert!(stage.crew.take_report().is_empty());
    stage.answer(ticket, &good(&[]));
    stage.settle();
    let report = stage.report(ticket);
    assert_eq!((report.logs.len(), report.counts[0].1), (2, 2));
}

/// Answers find their ticket by its number, whichever crew it belongs to.
#[test]
fn two_crews_never_share_a_ticket() {
    let (mut one, mut other) = (Stage::new(Limits::default()), Stage::new(Limits::default()));
    let tickets: Vec<Ticket> = (0..10).flat_map(|_| [one.start("s"), other.start("s")]).collect();
    let mut distinct = tickets.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), tickets.len());
}

#[derive(Debug, Default)]
struct Breakable(AtomicBool);

impl Seal for Breakable {
    fn holds(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

fn sealed(body: &'static str) -> (Arc<Breakable>, SealedAnswer) {
    let seal = Arc::new(Breakable::default());
    (Arc::clone(&seal), SealedAnswer { answer: good(&[body]), seal: Some(seal) })
}

#[test]
fn an_answer_that_was_forgotten_before_its_turn_is_asked_for_anew() {
    let mut stage = Stage::new(Limits::default());
    let ticket = stage.start("a1wr9B");
    stage.settle();
    let (seal, answer) = sealed("forbidden");
    stage.crew.answer(ticket, 0, answer);
    seal.0.store(true, Ordering::Relaxed);
    stage.asks.clear();
    stage.settle();
    assert!(stage.ends.is_empty());
    assert_eq!(stage.asks.iter().map(|(_, ask)| (ask.id, ask.kind.as_str())).collect::<Vec<_>>(), [(0, "revision")]);
    stage.answer(ticket, &good(&["hidden"]));
    stage.settle();
    assert_eq!(stage.report(ticket).logs[0].message, "hidden");
}

#[test]
fn a_re_run_is_not_given_what_was_forgotten_since() {
    let mut stage = Stage::new(Limits::default());
    let waits = stage.start("a1wr9a2wB");
    stage.settle();
    let (seal, answer) = sealed("forbidden");
    stage.crew.answer(waits, 0, answer);
    stage.settle();
    let asked = stage.asked;
    seal.0.store(true, Ordering::Relaxed);
    // Somebody else ends the instance: the one that waits starts again.
    let culprit = stage.start("t");
    stage.settle();
    assert!(matches!(stage.end(culprit), End::Fault(..)));
    assert_eq!(stage.asked, asked + 1, "the first question, and nothing else, is asked anew");
    stage.crew.answer(waits, 0, good(&["hidden"]));
    stage.settle();
    stage.crew.answer(waits, 1, good(&[]));
    stage.settle();
    let said: Vec<&str> = stage.report(waits).logs.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(said, ["hidden"]);
    assert_eq!(emitted(stage.end(waits)), [Piece::JsonString(Blob::plain(Bytes::from_static(b"hidden")))]);
}

#[test]
fn a_re_run_is_given_what_still_may_be_shown_without_asking() {
    let mut stage = Stage::new(Limits::default());
    let waits = stage.start("a1wa2ws");
    stage.settle();
    let (_seal, answer) = sealed("text");
    stage.crew.answer(waits, 0, answer);
    stage.settle();
    let asked = stage.asked;
    stage.start("t");
    stage.settle();
    assert_eq!(stage.asked, asked);
    stage.crew.answer(waits, 1, good(&[]));
    stage.settle();
    stage.assert_skipped(waits);
}
