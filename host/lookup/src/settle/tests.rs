//! Tests of `settle`: who is at fault, and who is asked again.

use super::*;
use crate::api_error::What;
use crate::grants::{Grants, Scope};
use crate::question::{RevisionQuestion, ShareKey, Shared, Slots};
use crate::queue::Stage;
use std::sync::Arc;

fn entry() -> Entry {
    let question = RevisionQuestion { rev_id: 7, slots: Slots::Main };
    Entry {
        key: ShareKey { what: Shared::Revision(question.clone()), class: "c".into() },
        question: Question::Revision(question),
        scope: Arc::new(Scope::new("p", &Grants::default()).unwrap()),
        waiters: Vec::new(),
        expected_bytes: 1,
        born_ms: None,
        failures: 0,
        strikes: 0,
        tally_then: Tally::default(),
        answered_seen: 0,
        asked_while_young: 0,
        alone: false,
        stage: Stage::Ready,
        askers: Vec::new(),
    }
}

fn passing(what: What, retry_after_ms: Option<u64>) -> Result<Brought, Failure> {
    Err(Failure::Passing(Passing { what, retry_after_ms, message: "m".into() }))
}

fn told(next: Next) -> String {
    match next {
        Next::Answer { answer: Ok(_), .. } => "answer".to_owned(),
        Next::Answer { answer: Err(error), .. } => error.kind.word().to_owned(),
        Next::Again { wait_ms, why } => format!("{why:?} {wait_ms}"),
    }
}

/// Lets the same question fail again and again, while so many calls of others are answered and fail in between.
#[track_caller]
fn check_failures(what: What, questions: usize, (answered, failed): (u64, u64), expected: &[&str]) {
    let (cfg, mut entry, mut tally) = (LookupConfig::default(), entry(), Tally::default());
    for (n, expected) in expected.iter().enumerate() {
        tally.answered += answered;
        (0..answered).for_each(|_| tally.vouch());
        // Its own failure is among them until it is a suspect.
        (0..failed + u64::from(entry.failures < SUSPECT_FROM)).for_each(|_| tally.fail());
        let around = Circumstances { cfg: &cfg, wall_ms: 0, questions, tally, jitter: 1.0 };
        assert_eq!(told(next(&mut entry, &mut passing(what, None), &around)), *expected, "failure {n}");
    }
}

#[test]
fn three_failures_alone_while_others_succeed_are_its_own_fault() {
    for what in [What::Server, What::Timeout, What::Transport, What::Malformed] {
        check_failures(what, 1, (8, 0), &["Failed 200", "Failed 400", "unavailable"]);
    }
}

#[test]
fn an_outage_is_never_a_questions_fault() {
    check_failures(What::Server, 1, (0, 0), &["Failed 200", "Failed 400", "Failed 800", "Failed 1600", "Failed 3200"]);
}

#[test]
fn a_target_that_fails_now_and_then_is_at_fault_itself() {
    check_failures(What::Server, 1, (8, 1), &["Failed 200", "Failed 400", "Failed 800", "Failed 1600", "Failed 3200"]);
    check_failures(What::Server, 1, (16, 1), &["Failed 200", "Failed 400", "unavailable"]);
}

#[test]
fn what_a_target_did_before_a_question_came_counts_too() {
    let (cfg, mut entry, mut tally) = (LookupConfig::default(), entry(), Tally::default());
    (0..10).for_each(|_| tally.fail());
    (entry.tally_then, entry.failures) = (tally, SUSPECT_FROM);
    let mut fail_after = |answered: u64| {
        tally.answered += answered;
        (0..answered).for_each(|_| tally.vouch());
        let around = Circumstances { cfg: &cfg, wall_ms: 0, questions: 1, tally, jitter: 1.0 };
        told(next(&mut entry, &mut passing(What::Server, None), &around))
    };
    for _ in 0..5 {
        assert!(fail_after(10).starts_with("Failed"));
    }
    // By now the failures before it are among the last 64 calls no more.
    assert_eq!([10, 10, 10].map(|answered| fail_after(answered).starts_with("Failed")), [true, true, false]);
}

#[test]
fn what_hits_everybody_is_never_a_questions_fault() {
    for what in [What::Connect, What::RateLimited, What::Lag, What::ReadOnly] {
        check_failures(what, 1, (8, 0), &["Failed 200", "Failed 400", "Failed 800", "Failed 1600"]);
    }
}

#[test]
fn a_failure_beside_others_is_nobodys_fault() {
    check_failures(What::Server, 7, (8, 0), &["Failed 200", "Failed 400", "Failed 800", "Failed 1600"]);
}

#[test]
fn the_target_may_ask_for_a_longer_wait() {
    let (cfg, mut entry) = (LookupConfig::default(), entry());
    let around = Circumstances { cfg: &cfg, wall_ms: 0, questions: 1, tally: Tally::default(), jitter: 1.0 };
    assert_eq!(told(next(&mut entry, &mut passing(What::Lag, Some(5_000)), &around)), "Failed 5000");
}

fn cut(cut_before: u64) -> Result<Brought, Failure> {
    Ok(Brought::Revisions(crate::revision::Revisions { cut_before: Some(cut_before), ..Default::default() }))
}

#[track_caller]
fn check_cut(cut_before: u64, questions: usize, expected: (&str, bool)) {
    let (cfg, mut entry) = (LookupConfig::default(), entry());
    let around = Circumstances { cfg: &cfg, wall_ms: 0, questions, tally: Tally::default(), jitter: 1.0 };
    let next = told(next(&mut entry, &mut cut(cut_before), &around));
    assert_eq!((next.as_str(), entry.alone), expected);
}

#[test]
fn what_did_not_fit_is_asked_again_and_its_cause_alone() {
    check_cut(7, 5, ("Cut 0", true));
    check_cut(6, 5, ("Cut 0", false));
    check_cut(0, 5, ("Cut 0", true));
}

#[test]
fn what_does_not_fit_alone_is_too_large() {
    check_cut(7, 1, ("too-large", false));
    check_cut(0, 1, ("too-large", false));
}

#[test]
fn a_cut_before_something_else_is_no_answer() {
    check_cut(6, 1, ("Failed 200", false));
}

#[test]
fn an_answer_beyond_the_hosts_bound_is_asked_for_in_parts() {
    let cfg = LookupConfig::default();
    for (questions, expected) in [(5, "Cut 0"), (1, "too-large")] {
        let around = Circumstances { cfg: &cfg, wall_ms: 0, questions, tally: Tally::default(), jitter: 1.0 };
        assert_eq!(told(next(&mut entry(), &mut Err(Failure::TooLarge("m".into())), &around)), expected);
    }
}
