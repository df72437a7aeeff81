//! Crews whose plugins fail: who pays for it, and who does not.

use super::puppet::{End, Stage, component, good, impatient};
use crate::{FaultKind, Limits, Ticket};

/// Runs `script` among four well-behaved events, two of which wait for answers that came before, and expects a fault
/// for it and nothing but time lost for the others.
#[track_caller]
fn check(script: &str, kind: FaultKind, message: &str) -> Stage {
    let mut stage = Stage::new(impatient());
    let waiting = ["gca1wa2ws", "gca1wa2ws"].map(|script| stage.start(script));
    stage.settle();
    stage.answer(waiting[0], &good(&["body"]));
    stage.settle();
    let before = stage.asked;
    let first = stage.start("s");
    let culprit = stage.start(script);
    let last = stage.start("s");
    stage.settle();
    stage.assert_fault(culprit, kind, message);
    stage.assert_skipped(first);
    stage.assert_skipped(last);
    // One of those that waited had its first answer and asked again; nothing is asked twice.
    assert_eq!(stage.asked, before, "a question was asked again");
    for ticket in [waiting[0], waiting[1], waiting[1]] {
        stage.answer(ticket, &good(&["body"]));
        stage.settle();
    }
    for ticket in waiting {
        stage.assert_skipped(ticket);
        let report = stage.report(ticket);
        assert_eq!((report.logs.len(), report.counts[0].1), (1, 1), "a re-run counts once");
    }
    assert_eq!(stage.crew.open(), 0);
    stage
}

#[test]
fn a_trap_fails_only_the_event_that_traps() {
    let stage = check("gct", FaultKind::Trap, "it trapped: wasm `unreachable` instruction executed");
    let (culprit, end, report) = stage.ends.iter().find(|(_, end, _)| matches!(end, End::Fault(..))).unwrap();
    let End::Fault(_, _, Some(stack)) = end else { panic!("{culprit} has no stack") };
    assert!(stack.starts_with("run (at 0x"), "{stack}");
    assert_eq!((report.logs.len(), report.counts.len()), (1, 0), "its author sees its log, and nothing was counted");
}

#[test]
fn a_loop_fails_only_the_event_that_loops() {
    check("l", FaultKind::Timeout, "used up its CPU time");
}

#[test]
fn hoarding_fails_only_the_event_that_hoards() {
    check("m", FaultKind::Memory, "more memory than an instance may have");
}

#[test]
fn every_broken_rule_fails_only_the_event_that_breaks_it() {
    check("ss", FaultKind::Rule, "two `done`s");
    check("e", FaultKind::Rule, "emitted an empty list");
    check("o", FaultKind::Rule, "emitted to \"nowhere\"");
    check("u", FaultKind::Rule, "spoke of ticket 999999");
    check("a1a1w", FaultKind::Rule, "used the number 1 for two asks");
    check("i1w", FaultKind::Rule, "a lookup \"nowhere\\0\" that `describe` does not list");
    check("f9", FaultKind::Rule, "used blob 9, which is unknown");
    check("x9", FaultKind::Rule, "read blob 9, which is unknown");
    check("q", FaultKind::Rule, "its pipeline grants no state");
}

#[test]
fn a_foreign_blob_is_a_fault_of_who_uses_it() {
    let mut stage = Stage::new(Limits::default());
    let owner = stage.start("a1wa2wB");
    stage.settle();
    stage.answer(owner, &good(&["secret"]));
    stage.settle();
    let thief = stage.start("f1");
    stage.settle();
    stage.assert_fault(thief, FaultKind::Rule, "used blob 1, which");
    stage.answer(owner, &good(&["body"]));
    stage.settle();
    assert!(matches!(stage.end(owner), End::Done(_)));
}

#[test]
fn a_done_after_the_end_is_a_fault_that_nobody_alone_can_be_blamed_for() {
    let mut stage = Stage::new(Limits::default());
    let ticket = stage.start("szs");
    let bystander = stage.start("a1ws");
    stage.settle();
    stage.assert_skipped(ticket);
    stage.start("s");
    stage.settle();
    stage.answer(bystander, &good(&[]));
    stage.settle();
    stage.assert_skipped(bystander);
    assert_eq!(stage.ends.len(), 3);
}

#[test]
fn too_much_is_a_fault() {
    let tight = || Limits { asks_open_max: 2, asks_total_max: 3, result_bytes_max: 1 << 20, ..Limits::default() };
    for (script, message) in [("a1a2a3w", "more than 2 open asks"), ("h", "more bytes than a turn may")] {
        let mut stage = Stage::new(tight());
        let ticket = stage.start(script);
        stage.settle();
        stage.assert_fault(ticket, FaultKind::Rule, message);
    }
    let mut stage = Stage::new(tight());
    let ticket = stage.start("a1wa2wa3wa4w");
    for _ in 0..3 {
        stage.settle();
        stage.answer(ticket, &good(&[]));
    }
    stage.settle();
    stage.assert_fault(ticket, FaultKind::Rule, "asked more than 3 times");
}

#[test]
fn a_ticket_that_neither_ends_nor_asks_is_stalled_after_one_more_turn() {
    let mut stage = Stage::new(Limits::default());
    let [stalled, bystander] = ["w", "a1ws"].map(|script| stage.start(script));
    stage.round();
    assert!(stage.ends.is_empty());
    stage.settle();
    stage.assert_fault(stalled, FaultKind::Stalled, "neither ended the ticket nor asked");
    stage.answer(bystander, &good(&[]));
    stage.settle();
    stage.assert_skipped(bystander);
    assert_eq!(stage.crew.instances(), 1);
}

#[test]
fn a_ticket_whose_answer_came_is_stalled_when_it_does_nothing_with_it() {
    let mut stage = Stage::new(Limits::default());
    let ticket = stage.start("a1ww");
    stage.settle();
    stage.answer(ticket, &good(&[]));
    stage.settle();
    stage.assert_fault(ticket, FaultKind::Stalled, "");
}

#[test]
fn a_fault_that_needs_company_ends() {
    let mut stage = Stage::new(Limits::default());
    // Each of these traps as soon as its turn has another input, before and after its answer.
    let tickets: Vec<Ticket> = (0..5).map(|_| stage.start("pa1wps")).collect();
    stage.settle();
    for ticket in &tickets {
        stage.answer(*ticket, &good(&[]));
    }
    stage.settle();
    for ticket in tickets {
        stage.assert_skipped(ticket);
    }
    assert_eq!((stage.asked, stage.crew.open()), (5, 0));
}

#[test]
fn many_suspects_take_turns_in_quarantine() {
    let mut stage = Stage::new(Limits { quarantine_max: 2, ..Limits::default() });
    let tickets: Vec<Ticket> = (0..20).map(|n| stage.start(if n % 5 == 0 { "t" } else { "a1ws" })).collect();
    stage.settle();
    assert_eq!((stage.ends.len(), stage.asks.len()), (4, 16));
    for ticket in &tickets {
        stage.answer(*ticket, &good(&[]));
    }
    stage.settle();
    let faults = stage.ends.iter().filter(|(_, end, _)| matches!(end, End::Fault(..))).count();
    assert_eq!((faults, stage.ends.len(), stage.crew.instances()), (4, 20, 1));
}

#[test]
fn an_answer_that_comes_while_its_ticket_starts_again_is_not_lost() {
    let mut stage = Stage::new(Limits::default());
    let waiting = stage.start("a1ws");
    stage.settle();
    stage.start("t");
    stage.round();
    stage.answer(waiting, &good(&[]));
    stage.settle();
    stage.assert_skipped(waiting);
    assert_eq!(stage.asked, 1);
}

#[test]
fn a_question_that_a_re_run_asks_differently_goes_out_afresh() {
    let mut stage = Stage::new(Limits::default());
    let ticket = stage.start("n1ws");
    stage.settle();
    stage.start("t");
    stage.now_ms += 1;
    stage.settle();
    let params: Vec<&str> = stage.asks.iter().map(|(_, ask)| ask.params.as_str()).collect();
    assert_eq!(params, ["0", "1"]);
    let (old, new) = (stage.asks[0].1.id, stage.asks[1].1.id);
    stage.crew.answer(ticket, old, good(&[]));
    stage.settle();
    assert_eq!(stage.crew.open(), 1, "the answer to the old question is ignored");
    stage.crew.answer(ticket, new, good(&[]));
    stage.settle();
    stage.assert_skipped(ticket);
}

#[test]
fn a_suspect_that_is_cancelled_leaves_nothing_behind() {
    let mut stage = Stage::new(Limits { quarantine_max: 1, ..Limits::default() });
    let tickets: Vec<Ticket> = (0..4).map(|_| stage.start("Ta1ws")).collect();
    stage.now_ms = 1_001;
    stage.round();
    for ticket in tickets {
        stage.crew.cancel(ticket);
    }
    stage.settle();
    assert!(stage.ends.is_empty() && stage.crew.open() == 0 && !stage.crew.has_work());
}

#[test]
fn a_crew_that_cannot_start_says_why() {
    let plugin = super::puppet::ENGINE.load(&component(super::puppet::PUPPET)).unwrap();
    let error = crate::Crew::new(&plugin, "trap", Limits::default()).err().unwrap().to_string();
    assert!(error.contains("failed in `configure`: it trapped"), "{error}");
    let error = crate::Crew::new(&plugin, "x", Limits::default()).err().unwrap().to_string();
    assert_eq!(error, "the plugin refuses its settings: no such thing");
}
