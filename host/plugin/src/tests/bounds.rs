//! What a plugin may take of the host: each bound, and that whoever keeps to it does not notice that others do not.

use super::puppet::{ENGINE, PUPPET, Stage, component, good};
use crate::{FaultKind, Limits, Ticket};

/// The puppet's memory when it is started.
const PUPPET_BYTES: usize = 4 << 20;

/// A stage whose plugin shares its memory with no other test.
fn stage_alone(limits: Limits) -> Stage {
    Stage::of(&ENGINE.load(&component(PUPPET)).unwrap(), limits)
}

#[test]
fn answers_of_one_event_have_a_bound_in_bytes_together() {
    let mut stage = Stage::new(Limits { answers_bytes_max: 100, ..Limits::default() });
    let [culprit, bystander] = ["a1wa2wa3ws", "a1wa2ws"].map(|script| stage.start(script));
    for _ in 0..3 {
        stage.settle();
        for ticket in [culprit, bystander] {
            stage.answer(ticket, &good(&["forty bytes, with the two of the document"]));
        }
    }
    stage.settle();
    stage.assert_fault(
        culprit,
        FaultKind::Rule,
        "the answers to its lookups have more than 100 bytes in all; ask for less",
    );
    stage.assert_skipped(bystander);
    assert_eq!((stage.crew.open(), stage.crew.instances(), stage.crew.take_lost()), (0, 1, 0));
}

#[test]
fn asks_of_one_event_have_a_bound_in_bytes_together() {
    let mut stage = Stage::new(Limits { asks_bytes_max: 5, ..Limits::default() });
    // Each has the params `{}`.
    let [culprit, bystander] = ["a1wa2wa3ws", "a1wa2ws"].map(|script| stage.start(script));
    for _ in 0..3 {
        stage.settle();
        for ticket in [culprit, bystander] {
            stage.answer(ticket, &good(&[]));
        }
    }
    stage.settle();
    stage.assert_fault(culprit, FaultKind::Rule, "have more than 5 bytes in all");
    stage.assert_skipped(bystander);
}

#[test]
fn one_round_starts_few_instances() {
    let mut stage = Stage::new(Limits { tickets_max: 1, starts_max: 2, ..Limits::default() });
    let tickets: Vec<Ticket> = (0..6).map(|_| stage.start("a1ws")).collect();
    for instances in [3, 5, 6] {
        assert!(stage.crew.has_work());
        stage.round();
        assert_eq!(stage.crew.instances(), instances);
    }
    for ticket in &tickets {
        stage.answer(*ticket, &good(&[]));
    }
    stage.settle();
    tickets.iter().for_each(|ticket| stage.assert_skipped(*ticket));
}

#[test]
fn one_round_starts_few_instances_for_suspects() {
    let mut stage = Stage::new(Limits { starts_max: 3, ..Limits::default() });
    for _ in 0..20 {
        stage.start("t");
    }
    stage.round();
    for ended in [3, 6, 9] {
        stage.round();
        assert_eq!(stage.ends.len(), ended);
    }
    stage.settle();
    assert_eq!(stage.ends.len(), 20);
}

#[test]
fn instances_that_would_not_fit_are_not_started_and_their_events_wait() {
    let limits = Limits { tickets_max: 1, memory_total_bytes_max: 3 * PUPPET_BYTES + 1, ..Limits::default() };
    let mut stage = stage_alone(limits);
    let tickets: Vec<Ticket> = (0..10).map(|_| stage.start("a1ws")).collect();
    stage.settle();
    assert_eq!((stage.crew.instances(), stage.asks.len()), (3, 3));
    for _ in 0..10 {
        let asking: Vec<Ticket> = stage.asks.iter().map(|(ticket, _)| *ticket).collect();
        asking.into_iter().for_each(|ticket| stage.answer(ticket, &good(&[])));
        stage.settle();
        assert!(stage.crew.instances() <= 3);
    }
    tickets.iter().for_each(|ticket| stage.assert_skipped(*ticket));
}

#[test]
fn where_memory_is_short_suspects_have_their_turn_one_by_one() {
    let limits = Limits { memory_total_bytes_max: PUPPET_BYTES, ..Limits::default() };
    let mut stage = stage_alone(limits);
    let tickets: Vec<Ticket> = (0..8).map(|number| stage.start(if number == 5 { "t" } else { "a1ws" })).collect();
    for _ in 0..100 {
        stage.round();
        assert!(stage.crew.instances() <= 2, "the shared one and that of one suspect");
    }
    tickets.iter().for_each(|ticket| stage.answer(*ticket, &good(&[])));
    stage.settle();
    stage.assert_fault(tickets[5], FaultKind::Trap, "it trapped");
    assert_eq!(stage.ends.len(), 8);
}

/// What an instance hoards from event to event it loses with its life, and no event pays for it.
#[test]
fn hoarding_from_event_to_event_costs_nobody_an_event() {
    let limits = Limits { memory_bytes_max: PUPPET_BYTES + (3 << 20), inputs_max: 1, ..Limits::default() };
    let mut stage = stage_alone(limits);
    let tickets: Vec<Ticket> = (0..20).map(|_| stage.start("Mgs")).collect();
    stage.settle();
    tickets.iter().for_each(|ticket| stage.assert_skipped(*ticket));
    assert!(tickets.iter().all(|ticket| stage.report(*ticket).logs.len() == 1), "a line of a re-run counts once");
    assert_eq!(stage.crew.take_lost(), 5, "one for every four events: three fit, and the fourth then runs alone");
    assert_eq!(stage.crew.take_lost(), 0);
}

/// An instance that has to share may fail because others hold the memory, and its event is not to blame for that.
#[test]
fn a_suspect_that_only_lacks_memory_waits_until_it_has_it() {
    let limits = Limits {
        tickets_max: 1,
        inputs_max: 1,
        memory_total_bytes_max: 3 * PUPPET_BYTES + (3 << 19),
        ..Limits::default()
    };
    let mut stage = stage_alone(limits);
    let tickets: Vec<Ticket> = (0..6).map(|_| stage.start("MMMa1ws")).collect();
    for _ in 0..200 {
        stage.round();
        tickets.iter().for_each(|ticket| stage.answer(*ticket, &good(&[])));
    }
    stage.settle();
    tickets.iter().for_each(|ticket| stage.assert_skipped(*ticket));
}

#[test]
fn parts_of_an_outcome_have_a_bound() {
    let mut stage = Stage::new(Limits { parts_max: 0, ..Limits::default() });
    let [culprit, bystander] = ["E", "s"].map(|script| stage.start(script));
    stage.settle();
    stage.assert_fault(culprit, FaultKind::Rule, "emitted more than 0 edits, pieces and headers in all");
    stage.assert_skipped(bystander);
}
