//! When timers fire, and what remains of them.

use crate::job::{Finish, Finished, Job};
use crate::partition::RecordPath;
use crate::partition::drain::Until;
use crate::partition::sample::{fail, jobs, keyed, path_with_state, progress, skip, transact, wrote};
use millrace_flow::outcome::Failure;
use millrace_flow::record::TopicPartition;
use millrace_flow::state::{KeyState, StateChanges, TimerClock};
use std::time::{Duration, Instant};

const WALL_MS: u64 = 1_000_000;

fn set(clock: TimerClock, due_ms: u64) -> impl FnOnce(&mut KeyState) {
    move |state| state.set_timer("t", clock, due_ms).unwrap()
}

/// Runs the record at the next offset, which sets a timer of its key.
fn run(path: &mut RecordPath, offset: i64, key: &'static str, write: impl FnOnce(&mut KeyState)) {
    let now = Instant::now();
    path.poll(vec![keyed(offset, key, 500)], now);
    path.admit(now);
    let job = jobs(path).pop().unwrap();
    path.finish(wrote(job, skip(), write), now);
    transact(path, now).unwrap();
}

fn path_with_timer(clock: TimerClock, due_ms: u64) -> RecordPath {
    let mut path = path_with_state(10, 1 << 20);
    path.fire_due(Instant::now(), WALL_MS);
    run(&mut path, 0, "a", set(clock, due_ms));
    path
}

fn fire(path: &mut RecordPath, wall_ms: u64) -> Vec<Job> {
    path.fire_due(Instant::now(), wall_ms);
    jobs(path)
}

fn end(job: &Job, finish: Finish) -> Vec<Finished> {
    vec![Finished { id: job.id, finish, answer_bytes: 0, changes: StateChanges::default() }]
}

#[test]
fn a_timer_fires_once_and_its_transaction_says_that_it_is_gone() {
    let (mut path, now) = (path_with_timer(TimerClock::Wall, WALL_MS + 10), Instant::now());
    assert!(fire(&mut path, WALL_MS + 9).is_empty());
    assert_eq!(path.next_timer(WALL_MS + 7), Some(Duration::from_millis(3)));
    let job = fire(&mut path, WALL_MS + 10).pop().unwrap();
    assert!(fire(&mut path, WALL_MS + 11).is_empty());
    assert_eq!((job.record.offset, job.record.key.as_deref()), (-1, Some(b"a".as_slice())));
    path.finish(wrote(job, skip(), |_| {}), now);
    let transaction = transact(&mut path, now).unwrap();
    assert_eq!(progress(&transaction).offset, 1, "it settles nothing");
    assert!(
        progress(&transaction).progress().unwrap().serial > 1,
        "and its transaction can be told from the one before"
    );
    assert!(transaction.changes.iter().all(|change| change.value.is_none()));
    assert_eq!((path.open(None), transact(&mut path, now)), (0, None));
}

#[test]
fn event_time_goes_on_with_the_records_of_the_partition() {
    let mut path = path_with_timer(TimerClock::EventTime, 700);
    assert!(fire(&mut path, WALL_MS).is_empty());
    let now = Instant::now();
    path.poll(vec![keyed(1, "b", 700)], now);
    path.admit(now);
    let keys: Vec<_> = fire(&mut path, WALL_MS).into_iter().map(|job| job.timer.is_some()).collect();
    assert_eq!(keys, [false, true]);
}

#[test]
fn a_timer_waits_for_its_key_and_does_not_fire_once_it_was_moved() {
    let (mut path, now) = (path_with_timer(TimerClock::Wall, WALL_MS), Instant::now());
    path.poll(vec![keyed(1, "a", 500), keyed(2, "a", 500)], now);
    path.admit(now);
    let event = jobs(&mut path).pop().unwrap();
    assert!(fire(&mut path, WALL_MS).is_empty(), "its lane is busy");
    path.finish(wrote(event, skip(), set(TimerClock::Wall, WALL_MS + 50)), now);
    let event = jobs(&mut path).pop().unwrap();
    assert_eq!(event.record.offset, 2);
    path.finish(wrote(event, skip(), |_| {}), now);
    assert!(jobs(&mut path).is_empty(), "it was moved");
    assert_eq!(fire(&mut path, WALL_MS + 50).len(), 1);
}

#[test]
fn a_timer_that_fails_is_spent() {
    let (mut path, now) = (path_with_timer(TimerClock::Wall, WALL_MS), Instant::now());
    let job = fire(&mut path, WALL_MS).pop().unwrap();
    path.finish(end(&job, fail()), now);
    let transaction = transact(&mut path, now).unwrap();
    assert_eq!((transaction.outputs.len(), transaction.changes.len()), (1, 1));
    assert!(fire(&mut path, WALL_MS + 1).is_empty());
}

#[test]
fn a_timer_is_tried_again_as_an_event_is() {
    let (mut path, now) = (path_with_timer(TimerClock::Wall, WALL_MS), Instant::now());
    let job = fire(&mut path, WALL_MS).pop().unwrap();
    let retry = Finish::Retry { delay: Duration::ZERO, failure: Failure::new("late", "late") };
    path.finish(end(&job, retry), now);
    path.retry_due(now);
    let again = jobs(&mut path).pop().unwrap();
    assert_eq!((again.id, again.attempts.run), (job.id, 2));
    assert!(again.state.unwrap().timer("t", TimerClock::Wall).is_none(), "it is spent, unless it is set again");
}

#[test]
fn timers_take_room_as_events_do() {
    let mut path = path_with_state(2, 1 << 20);
    for (offset, key) in [(0, "a"), (1, "b"), (2, "c")] {
        run(&mut path, offset, key, set(TimerClock::Wall, WALL_MS));
    }
    let mut fired = fire(&mut path, WALL_MS);
    assert_eq!(fired.len(), 2);
    let now = Instant::now();
    path.finish(wrote(fired.pop().unwrap(), skip(), |_| {}), now);
    transact(&mut path, now).unwrap();
    assert_eq!(fire(&mut path, WALL_MS).len(), 1);
}

#[test]
fn no_timer_fires_while_the_pipeline_drains_or_its_partition_leaves() {
    let mut path = path_with_timer(TimerClock::Wall, WALL_MS);
    path.drain(Some(Until::Now));
    assert!(fire(&mut path, WALL_MS).is_empty());
    assert!(path.is_drained());
    path.drain(None);
    assert_eq!(fire(&mut path, WALL_MS).len(), 1);
    path.drain(Some(Until::Now));
    assert!(!path.is_drained(), "it still runs");
    let here = TopicPartition::new("in", 0);
    path.revoke(std::slice::from_ref(&here));
    assert_eq!(path.open(None), 0);
}
