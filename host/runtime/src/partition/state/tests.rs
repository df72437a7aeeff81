//! What becomes of the state of keys as their events come to an end.

use crate::job::{Finish, Finished};
use crate::partition::sample::{fail, jobs, keyed, path_with_state, progress, skip, transact, wrote};
use bytes::Bytes;
use millrace_flow::outcome::Failure;
use millrace_flow::state::{KeyState, StateChanges, StateStore};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn put(value: &'static str) -> impl FnOnce(&mut KeyState) {
    move |state| state.put(&Arc::from("counts"), "n", Bytes::from_static(value.as_bytes())).unwrap()
}

fn value(state: &KeyState) -> Option<Bytes> {
    state.get("counts", "n").cloned()
}

#[test]
fn what_an_event_kept_is_seen_by_the_next_one_of_its_key_and_goes_with_its_transaction() {
    let (mut path, now) = (path_with_state(10, 1 << 20), Instant::now());
    path.poll(vec![keyed(0, "a", 0), keyed(1, "b", 0), keyed(2, "a", 0)], now);
    path.admit(now);
    let mut first = jobs(&mut path);
    assert_eq!(first.len(), 2, "one of each key");
    assert_eq!(value(first[0].state.as_ref().unwrap()), None);
    assert!(path.finish(wrote(first.remove(0), skip(), put("1")), now).is_empty());
    let mut next = jobs(&mut path);
    assert_eq!(value(next[0].state.as_ref().unwrap()).as_deref(), Some(b"1".as_slice()));
    path.finish(wrote(next.remove(0), skip(), put("2")), now);
    let transaction = transact(&mut path, now).unwrap();
    assert_eq!((transaction.changes.len(), progress(&transaction).offset), (1, 1), "what changed twice is said once");
    let mut restored = StateStore::new(1 << 20);
    let change = &transaction.changes[0];
    assert_eq!(&*change.topic, "log");
    restored.restore(change.key.as_deref().unwrap(), change.value.as_deref()).unwrap();
    assert_eq!(value(&restored.open(&"a".into())).as_deref(), Some(b"2".as_slice()));
    assert_eq!(path.open(None), 1, "the event of the other key");
}

#[test]
fn what_fails_or_is_tried_again_leaves_its_state_as_it_was() {
    let (mut path, now) = (path_with_state(10, 1 << 20), Instant::now());
    path.poll(vec![keyed(0, "a", 0), keyed(1, "a", 0)], now);
    path.admit(now);
    let job = jobs(&mut path).remove(0);
    let retry = Finish::Retry { delay: Duration::ZERO, failure: Failure::new("late", "late") };
    // Workers hand no changes over with these outcomes.
    let none = StateChanges::default();
    path.finish(vec![Finished { id: job.id, finish: retry, answer_bytes: 0, changes: none.clone() }], now);
    path.retry_due(now);
    let again = jobs(&mut path).remove(0);
    assert_eq!((again.id, again.attempts.run), (job.id, 2));
    assert_eq!(value(again.state.as_ref().unwrap()), None);
    path.finish(vec![Finished { id: again.id, finish: fail(), answer_bytes: 0, changes: none }], now);
    assert_eq!(value(jobs(&mut path)[0].state.as_ref().unwrap()), None);
    let transaction = transact(&mut path, now).unwrap();
    assert_eq!((transaction.outputs.len(), transaction.changes.len()), (1, 0));
}

#[test]
fn an_event_whose_changes_have_no_room_fails_and_the_others_go_on() {
    let (mut path, now) = (path_with_state(10, 400), Instant::now());
    path.poll(vec![keyed(0, "a", 0), keyed(1, "b", 0), keyed(2, "b", 0)], now);
    path.admit(now);
    let mut first = jobs(&mut path);
    assert!(path.finish(wrote(first.remove(0), skip(), put("1")), now).is_empty());
    let without_room = path.finish(wrote(first.remove(0), skip(), put("1")), now);
    assert_eq!(without_room.len(), 1);
    assert!(without_room[0].full.to_string().contains("`counts`"), "{}", without_room[0].full);
    assert!(jobs(&mut path).is_empty(), "its lane waits");
    let failed =
        Finished { id: without_room[0].job.id, finish: fail(), answer_bytes: 0, changes: StateChanges::default() };
    assert!(path.finish(vec![failed], now).is_empty());
    let next = jobs(&mut path).remove(0);
    path.finish(wrote(next, skip(), |_| {}), now);
    let transaction = transact(&mut path, now).unwrap();
    assert_eq!((transaction.outputs.len(), transaction.changes.len(), progress(&transaction).offset), (1, 1, 3));
    assert_eq!(path.open(None), 0);
}

#[test]
fn a_record_without_a_key_has_no_state() {
    let (mut path, now) = (path_with_state(10, 400), Instant::now());
    path.poll(vec![millrace_flow::record::Record { key: None, ..keyed(0, "a", 0) }], now);
    path.admit(now);
    assert!(jobs(&mut path)[0].state.is_none());
}
