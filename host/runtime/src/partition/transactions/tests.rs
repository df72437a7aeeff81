//! Results on their way through transactions, without Kafka.

use crate::job::{Finish, JobId};
use crate::partition::sample::{finished, path, path_within, progress, record};
use crate::partition::{PathLimits, RecordPath, Refused, Unable, Until};
use millrace_flow::admission::AdmissionLimits;
use millrace_flow::failures::FailureLimits;
use millrace_flow::progress::Progress;
use millrace_flow::record::{OutputRecord, Record, TopicPartition};
use millrace_flow::sparse_set::SparseSet;
use millrace_flow::transactions::TransactionLimits;
use millrace_kafka::delivery::{DeliveryError, OutputFailure};
use millrace_kafka::transactional::{Stay, Transaction};
use std::sync::Arc;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(100);

/// A path that works on the offsets 0 to `count`, which is not among them.
fn started(count: i64) -> (RecordPath, Instant) {
    let admission = AdmissionLimits { bytes_max: 1 << 30, open_max: 100_000 };
    let transactions = Some(TransactionLimits { interval: INTERVAL, ..TransactionLimits::default() });
    let path = path_within(PathLimits {
        admission,
        failures: FailureLimits::default(),
        events_per_second: None,
        transactions,
    });
    let (mut path, now) = (path, Instant::now());
    take(&mut path, (0..count).map(record).collect(), now);
    (path, now)
}

fn take(path: &mut RecordPath, records: Vec<Record>, now: Instant) {
    path.poll(records, now);
    path.admit(now);
    path.dispatch();
}

fn output(value: &'static str) -> OutputRecord {
    OutputRecord { topic: "out".into(), timestamp_ms: 0, key: None, value: Some(value.into()), headers: Vec::new() }
}

fn emit(path: &mut RecordPath, id: u64, values: &[&'static str], now: Instant) {
    path.finish(finished(id, Finish::Emitted(values.iter().map(|value| output(value)).collect()), 0), now);
}

fn skip(path: &mut RecordPath, id: u64, now: Instant) {
    path.finish(finished(id, Finish::Skipped("x".to_owned()), 0), now);
}

/// The transactions that begin now. The leader's epoch is always 9.
fn seal(path: &mut RecordPath, now: Instant) -> Vec<Arc<Transaction>> {
    path.seal(now, |_, _| Some(9))
}

/// The transaction that begins now.
#[track_caller]
fn sealed(path: &mut RecordPath, now: Instant) -> Arc<Transaction> {
    let mut begun = seal(path, now);
    assert_eq!(begun.len(), 1);
    begun.remove(0)
}

fn here() -> TopicPartition {
    record(0).source
}

/// Holds a transaction against its outputs and how far its progress counts.
#[track_caller]
fn check(transaction: &Transaction, values: &[&str], prefix: i64) {
    let outputs: Vec<_> = transaction.outputs.iter().filter_map(|output| output.value.clone()).collect();
    assert_eq!(outputs, values);
    assert_eq!((progress(transaction).offset, progress(transaction).leader_epoch), (prefix, Some(9)));
    assert_eq!(progress(transaction).progress().unwrap().prefix, prefix);
}

fn too_large(index: u32) -> OutputFailure {
    OutputFailure { index, error: DeliveryError::TooLarge { topic: index.to_string() } }
}

#[test]
fn results_wait_for_the_interval() {
    let (mut path, now) = started(3);
    assert_eq!(path.next_seal(now), None, "nothing waits");
    emit(&mut path, 0, &["a"], now);
    assert_eq!(path.next_seal(now), Some(now));
    let first = sealed(&mut path, now);
    check(&first, &["a"], 1);
    emit(&mut path, 1, &["b"], now);
    assert_eq!(path.next_seal(now), None, "one is under way");
    path.committed(&first, now).unwrap();
    assert_eq!(path.next_seal(now), Some(now + INTERVAL));
    let just_before = now + INTERVAL - Duration::from_millis(1);
    assert!(seal(&mut path, just_before).is_empty());
    emit(&mut path, 2, &["c"], just_before);
    check(&sealed(&mut path, now + INTERVAL), &["b", "c"], 3);
}

#[test]
fn what_is_under_way_settles_when_it_is_committed() {
    let (mut path, now) = started(2);
    emit(&mut path, 0, &["a"], now);
    let first = sealed(&mut path, now);
    emit(&mut path, 1, &["b"], now);
    let later = now + INTERVAL * 10;
    assert!(seal(&mut path, later).is_empty(), "one at a time");
    assert_eq!((path.open(None), path.is_under_way(&first)), (2, true));
    let committed = path.committed(&first, later).unwrap();
    assert_eq!((committed.took, path.open(None), path.is_under_way(&first)), (INTERVAL * 10, 1, false));
    let [copy] = committed.copies.as_slice() else { panic!("{committed:?}") };
    assert_eq!((&copy.partition, copy.offset, copy.leader_epoch), (&here(), 1, Some(9)));
    assert_eq!(copy.metadata, progress(&first).text);
    assert!(path.committed(&first, later).is_none(), "once");
    check(&sealed(&mut path, later), &["b"], 2);
}

#[test]
fn progress_counts_what_is_in_its_transaction_and_all_before_it() {
    let (mut path, now) = started(4);
    emit(&mut path, 2, &["c"], now);
    let first = sealed(&mut path, now);
    check(&first, &["c"], 0);
    emit(&mut path, 0, &["a"], now);
    path.committed(&first, now).unwrap();
    let second = sealed(&mut path, now + INTERVAL);
    check(&second, &["a"], 1);
    let (first, second) = (progress(&first).progress().unwrap(), progress(&second).progress().unwrap());
    assert!(first.settled.contains(2) && second.settled.contains(2) && !second.settled.contains(3));
    assert_eq!((first.serial, second.serial), (1, 2));
}

#[test]
fn a_skipped_event_goes_out_as_progress_without_outputs() {
    let (mut path, now) = started(1);
    skip(&mut path, 0, now);
    assert_eq!(path.open(None), 1);
    let transaction = sealed(&mut path, now);
    check(&transaction, &[], 1);
    path.committed(&transaction, now).unwrap();
    assert_eq!(path.open(None), 0);
    assert!(seal(&mut path, now + INTERVAL).is_empty(), "nothing moved");
}

#[test]
fn a_gap_moves_progress_without_events() {
    let (mut path, now) = started(1);
    skip(&mut path, 0, now);
    let first = sealed(&mut path, now);
    path.committed(&first, now).unwrap();
    take(&mut path, vec![record(7)], now);
    let gap = sealed(&mut path, now + INTERVAL);
    check(&gap, &[], 7);
    path.committed(&gap, now).unwrap();
    assert_eq!(path.open(None), 1, "the event at its end is open");
}

#[test]
fn a_refused_output_is_replaced_in_its_place_and_the_same_progress_goes_again() {
    let (mut path, now) = started(3);
    emit(&mut path, 0, &["a"], now);
    emit(&mut path, 1, &["b", "c"], now);
    emit(&mut path, 2, &["d"], now);
    let first = sealed(&mut path, now);
    check(&first, &["a", "b", "c", "d"], 3);

    let refused = path.refused_in(&first, vec![too_large(2), too_large(1)]);
    let [Refused { job: Unable { id: JobId(1), record, .. }, error: DeliveryError::TooLarge { topic } }] =
        refused.as_slice()
    else {
        panic!("{refused:?}")
    };
    assert_eq!((record.offset, topic.as_str()), (1, "1"), "each event once, with the first reason");
    path.replace(JobId(1), "output_too_large", output("error"));
    let second = path.seal_again(&first).unwrap();
    check(&second, &["a", "error", "d"], 3);
    assert_eq!(second.progress, first.progress);

    // The error event is refused too: that is told, and it is known to be one.
    let refused = path.refused_in(&second, vec![too_large(1)]);
    assert_eq!(refused.iter().map(|refused| refused.job.id).collect::<Vec<_>>(), [JobId(1)]);
    assert!(path.has_failed(JobId(1)) && !path.has_failed(JobId(0)));
    let third = path.seal_again(&second).unwrap();
    check(&third, &["a", "error", "d"], 3);

    assert!(path.committed(&first, now).is_none() && path.committed(&second, now).is_none());
    path.committed(&third, now).unwrap();
    assert_eq!(path.open(None), 0);
}

#[test]
fn a_report_of_an_earlier_stay_is_ignored() {
    let (mut path, now) = started(1);
    emit(&mut path, 0, &["a"], now);
    let earlier = sealed(&mut path, now);
    path.revoke(&[here()]);
    assert!(path.committed(&earlier, now).is_none(), "nobody owns the partition");
    path.assign(here(), Progress::at(0), Stay::default(), None);
    take(&mut path, vec![record(0)], now);
    emit(&mut path, 1, &["a"], now);
    let present = sealed(&mut path, now);
    assert_eq!(*present, *earlier, "only which one it is tells them apart");

    assert!(!path.is_under_way(&earlier));
    assert!(path.refused_in(&earlier, vec![too_large(0)]).is_empty());
    assert!(path.seal_again(&earlier).is_none());
    assert!(path.committed(&earlier, now).is_none());
    assert_eq!((path.open(None), path.is_under_way(&present)), (1, true));
    path.committed(&present, now).unwrap();
    assert_eq!(path.open(None), 0);
}

#[test]
fn a_partition_that_leaves_waits_for_no_interval() {
    let (mut path, now) = started(3);
    emit(&mut path, 0, &["a"], now);
    let first = sealed(&mut path, now);
    path.committed(&first, now).unwrap();
    emit(&mut path, 1, &["b"], now);
    assert!(seal(&mut path, now).is_empty());
    path.stop_starting(Some(&[here()]));
    let last = sealed(&mut path, now);
    check(&last, &["b"], 2);
    assert!(!path.has_left(&[here()]), "an event runs, and a transaction is under way");
    emit(&mut path, 2, &["c"], now);
    path.committed(&last, now).unwrap();
    assert!(!path.has_left(&[here()]), "a result waits");
    let last = sealed(&mut path, now);
    path.committed(&last, now).unwrap();
    assert!(path.has_left(&[here()]));
}

#[test]
fn what_is_not_finished_is_given_up_and_what_is_finished_goes_out() {
    let (mut path, now) = started(3);
    emit(&mut path, 0, &["a"], now);
    emit(&mut path, 2, &["c"], now);
    path.stop_starting(Some(&[here()]));
    let given_up: Vec<_> = path.give_unfinished_up(&[here()]).into_values().flatten().collect();
    assert_eq!((given_up, path.open(None)), (vec![JobId(1)], 2));
    emit(&mut path, 1, &["too late"], now);
    let last = sealed(&mut path, now);
    check(&last, &["a", "c"], 1);
    path.committed(&last, now).unwrap();
    assert!(path.has_left(&[here()]));
}

#[test]
fn it_is_drained_once_everything_is_committed() {
    let (mut path, now) = started(1);
    path.drain(Some(Until::Now));
    assert!(!path.is_drained(), "an event runs");
    emit(&mut path, 0, &["a"], now);
    assert!(!path.is_drained(), "its result waits");
    let transaction = sealed(&mut path, now);
    assert!(!path.is_drained(), "its transaction is under way");
    path.committed(&transaction, now).unwrap();
    assert!(path.is_drained());
}

#[test]
fn each_partition_has_a_transaction_of_its_own() {
    let (mut path, now) = started(1);
    let there = TopicPartition::new("in", 1);
    path.assign(there.clone(), Progress::at(5), Stay::default(), None);
    take(&mut path, vec![Record { source: there.clone(), ..record(5) }], now);
    emit(&mut path, 0, &["a"], now);
    emit(&mut path, 1, &["b"], now);
    let mut begun = seal(&mut path, now);
    begun.sort_by_key(|transaction| progress(transaction).offset);
    check(&begun[0], &["a"], 1);
    check(&begun[1], &["b"], 6);
    path.committed(&begun[1], now).unwrap();
    assert_eq!((path.open(Some(&[here()])), path.open(Some(&[there]))), (1, 0));
}

#[test]
fn progress_that_no_group_takes_is_copied_without_what_is_settled_above_its_prefix() {
    let (mut path, now) = started(30_000);
    (0..30_000).filter(|offset| offset % 2 == 1).for_each(|id| skip(&mut path, id, now));
    let transaction = sealed(&mut path, now);
    assert!(progress(&transaction).text.len() > 4_096);
    let copy = path.committed(&transaction, now).unwrap().copies.remove(0);
    let (written, copied) = (progress(&transaction).progress().unwrap(), Progress::decode(0, &copy.metadata).unwrap());
    assert_eq!((copy.offset, copied), (0, Progress { settled: SparseSet::default(), ..written }));
}

#[test]
fn at_least_once_has_no_transactions() {
    let (mut path, now) = (path(FailureLimits::default()), Instant::now());
    take(&mut path, vec![record(0)], now);
    emit(&mut path, 0, &["a"], now);
    assert!(seal(&mut path, now).is_empty());
    assert_eq!((path.is_exactly_once(), path.next_seal(now)), (false, None));
}
