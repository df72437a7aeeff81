//! Tests of `queue`: what goes into a call, and that nothing is lost or asked twice.

use super::*;
use crate::grants::Grants;
use crate::question::{RevisionQuestion, Shared, Slots};
use crate::service::Answered;
use proptest::prelude::*;

struct Nobody;

impl AnswerSink for Nobody {
    fn deliver(&self, _: Vec<Answered>) {}
}

const BOUNDS: CallBounds = CallBounds { revisions_max: 50, expected_bytes_max: 1_000 };

fn entry(rev_id: u64, token: u64, expected_bytes: u64) -> Entry {
    let question = RevisionQuestion { rev_id, slots: Slots::Main };
    Entry {
        key: ShareKey { what: Shared::Revision(question.clone()), class: "c".into() },
        question: Question::Revision(question),
        scope: Arc::new(Scope::new("p", &Grants::default()).unwrap()),
        waiters: vec![Waiter { token, ask_id: 0, sink: Arc::new(Nobody) }],
        expected_bytes,
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

fn revisions(taken: &[Taken]) -> Vec<u64> {
    let id = |taken: &Taken| match &taken.question {
        Question::Revision(question) => question.rev_id,
        Question::Alone(_) => 0,
    };
    taken.iter().map(id).collect()
}

/// Fills a queue, and checks which revisions the calls take, one call after the other.
#[track_caller]
fn check(entries: Vec<Entry>, expected: &[&[u64]]) {
    let mut queue = Queue::default();
    for entry in entries {
        queue.enter(entry);
    }
    for expected in expected {
        assert_eq!(revisions(&queue.take(&Turn::Live, BOUNDS, &mut |_| true)), *expected);
    }
    assert_eq!(queue.ready().len(), 0);
}

#[test]
fn a_call_takes_what_waits_in_its_order() {
    check(vec![entry(3, 1, 10), entry(1, 2, 10), entry(2, 3, 10)], &[&[3, 1, 2]]);
}

#[test]
fn a_call_is_bounded_by_count() {
    let all: Vec<u64> = (1..=120).collect();
    check(all.iter().map(|id| entry(*id, *id, 1)).collect(), &[&all[..50], &all[50..100], &all[100..]]);
}

#[test]
fn a_call_is_bounded_by_expected_bytes_but_the_first_always_goes() {
    check(vec![entry(1, 1, 600), entry(2, 2, 600), entry(3, 3, 400)], &[&[1, 3], &[2]]);
    check(vec![entry(1, 1, 5_000), entry(2, 2, 1)], &[&[1], &[2]]);
}

#[test]
fn other_slots_go_in_another_call() {
    let mut other = entry(2, 2, 10);
    other.question = Question::Revision(RevisionQuestion { rev_id: 2, slots: Slots::All });
    other.key.what = Shared::Revision(RevisionQuestion { rev_id: 2, slots: Slots::All });
    check(vec![entry(1, 1, 10), other, entry(3, 3, 10)], &[&[1, 3], &[2]]);
}

#[test]
fn what_failed_goes_in_ever_smaller_calls() {
    let failed = |failures| move |id: u64| Entry { failures, ..entry(id, id, 1) };
    check((1..=9).map(failed(1)).collect(), &[&[1, 2, 3, 4, 5, 6, 7], &[8, 9]]);
    check((1..=2).map(failed(2)).collect(), &[&[1], &[2]]);
    check(vec![entry(1, 1, 1), Entry { alone: true, ..entry(2, 2, 1) }, entry(3, 3, 1)], &[&[1, 3], &[2]]);
}

#[test]
fn equal_questions_are_one_with_the_youngest_birth() {
    let mut queue = Queue::default();
    assert_eq!(queue.enter(Entry { born_ms: Some(5), ..entry(1, 1, 1) }), Entered::Queued);
    let taken = queue.take(&Turn::Live, BOUNDS, &mut |_| true);
    // Also while it is under way.
    assert_eq!(queue.enter(Entry { born_ms: Some(7), ..entry(1, 2, 1) }), Entered::JoinedUnderWay);
    let finished = queue.finish(taken[0].id).unwrap();
    assert_eq!(finished.waiters.iter().map(|waiter| waiter.token).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(finished.born_ms, Some(7));
    assert_eq!(queue.enter(entry(1, 3, 1)), Entered::Queued);
}

#[test]
fn nobody_asks_for_those_who_left() {
    let mut queue = Queue::default();
    (1..=3).for_each(|id| _ = queue.enter(entry(id, id, 1)));
    assert_eq!(revisions(&queue.take(&Turn::Live, BOUNDS, &mut |token| token != 2)), [1, 3]);
    assert_eq!(queue.len(), 2);
}

#[test]
fn a_sweep_drops_those_who_left_and_keeps_the_order() {
    let mut queue = Queue::default();
    (1..=4).for_each(|id| _ = queue.enter(entry(id, id, 1)));
    queue.sweep(&mut |token| token % 2 == 0);
    assert_eq!(queue.len(), 2);
    assert_eq!(revisions(&queue.take(&Turn::Live, BOUNDS, &mut |_| true)), [2, 4]);
}

proptest! {
    /// Every wanted question is taken exactly once, whatever the calls look like, and no call breaks its bounds.
    #[test]
    fn every_wanted_question_is_taken_once(
        asked in prop::collection::vec((1_u64..40, 1_u64..700, 0_u32..4, any::<bool>()), 0..150),
        unwanted in prop::collection::hash_set(0_u64..150, 0..50),
    ) {
        let mut queue = Queue::default();
        let mut expected = std::collections::BTreeSet::new();
        for (token, (rev_id, bytes, failures, alone)) in asked.into_iter().enumerate() {
            let token = token as u64;
            queue.enter(Entry { failures, alone, ..entry(rev_id, token, bytes) });
            if !unwanted.contains(&token) { expected.insert(rev_id); }
        }
        let mut seen = Vec::new();
        while queue.ready().len() > 0 {
            let taken = queue.take(&Turn::Live, BOUNDS, &mut |token| !unwanted.contains(&token));
            let bytes: u64 = taken.iter().map(|taken| taken.expected_bytes).sum();
            prop_assert!(taken.len() <= 50 && (bytes <= 1_000 || taken.len() == 1));
            seen.extend(revisions(&taken));
            taken.iter().for_each(|taken| _ = queue.finish(taken.id));
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, expected.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(queue.len(), 0);
    }
}
