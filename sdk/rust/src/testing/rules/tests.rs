//! Every rule and limit, just kept and just broken.

use super::*;
use crate::{Input, Output};

fn describe() -> Describe {
    Describe::new("p", "1").input("in", Input::new()).output("out", Output::new()).lookup("http")
}

fn ask(id: u32) -> wit::Ask {
    wit::Ask { ticket: 1, id, kind: "http".to_owned(), params: "{}".to_owned(), body: Vec::new() }
}

fn asks(ids: std::ops::Range<u32>) -> Vec<wit::Output> {
    ids.map(|id| wit::Output::Ask(ask(id))).collect()
}

fn emission(pieces: Vec<wit::Piece>) -> wit::Emission {
    let document = wit::Document::Whole(pieces);
    wit::Emission { output: "out".to_owned(), key: None, document, headers: Vec::new() }
}

fn done(emissions: Vec<wit::Emission>) -> wit::Output {
    wit::Output::Done(wit::Done { ticket: 1, outcome: wit::Outcome::Emit(emissions) })
}

/// Expects that this turn keeps all rules, or breaks the one whose fault says `expected`.
#[track_caller]
fn check(outputs: Vec<wit::Output>, expected: Option<&str>) {
    let describe = describe();
    let found = Rules::new(&describe, 1).check(&outputs);
    match expected {
        None => assert_eq!(found, Ok(())),
        Some(expected) => assert!(found.clone().is_err_and(|fault| fault.contains(expected)), "{found:?}"),
    }
}

#[test]
fn as_many_asks_may_be_open() {
    check(asks(0..64), None);
    check(asks(0..65), Some("more than 64 asks are open"));
}

#[test]
fn a_ticket_may_ask_so_often_in_all() {
    let describe = describe();
    let mut rules = Rules::new(&describe, 1);
    for id in 0..1_000 {
        assert_eq!(rules.check(&asks(id..id + 1)), Ok(()));
        rules.answered();
    }
    assert!(rules.check(&asks(1_000..1_001)).unwrap_err().contains("more than 1000 asks"));
}

#[test]
fn an_ask_is_of_a_known_kind_with_a_new_id_and_small_params() {
    let with_params = |bytes: usize| vec![wit::Output::Ask(wit::Ask { params: " ".repeat(bytes), ..ask(0) })];
    check(with_params(64 << 10), None);
    check(with_params((64 << 10) + 1), Some("more than 65536 bytes"));
    check(vec![wit::Output::Ask(wit::Ask { kind: "query".to_owned(), ..ask(0) })], Some("not in `describe`"));
    check(vec![wit::Output::Ask(ask(3)), wit::Output::Ask(ask(3))], Some("the id 3"));
    check(vec![wit::Output::Ask(wit::Ask { ticket: 2, ..ask(0) })], Some("ticket 2 is not open"));
    check(vec![wit::Output::Ask(wit::Ask { body: vec![wit::Piece::Blob(9)], ..ask(0) })], Some("blob 9 is unknown"));
}

#[test]
fn an_outcome_emits_something_and_not_too_much() {
    let emissions = |count: usize| vec![done(vec![emission(Vec::new()); count])];
    check(emissions(0), Some("an empty `emit`"));
    check(emissions(1_000), None);
    check(emissions(1_001), Some("1001 emissions"));
}

#[test]
fn an_emission_is_to_a_known_output_from_its_own_blobs() {
    let elsewhere = wit::Emission { output: "elsewhere".to_owned(), ..emission(Vec::new()) };
    check(vec![done(vec![elsewhere])], Some("not in `describe`"));
    let foreign = || vec![wit::Piece::JsonString(7)];
    check(vec![done(vec![emission(foreign())])], Some("blob 7 is unknown"));
    let edit = wit::Edit { path: "/a".to_owned(), change: wit::Change::Set(foreign()) };
    let patch = wit::Emission { document: wit::Document::Patch(vec![edit]), ..emission(Vec::new()) };
    check(vec![done(vec![patch])], Some("blob 7 is unknown"));
}

#[test]
fn a_ticket_is_done_once() {
    check(vec![done(vec![emission(Vec::new())]), done(vec![emission(Vec::new())])], Some("two `done`"));
}

#[test]
fn a_turn_returns_so_many_bytes() {
    let megabytes = |count: usize| vec![done(vec![emission(vec![wit::Piece::Bytes(vec![b' '; count << 20])])])];
    check(megabytes(63), None);
    check(megabytes(65), Some("may return 67108864"));
}
