//! Where a partition goes on that is taken over.

use super::stay::*;
use crate::config::ClusterConfig;
use crate::consumer::{Assignment, CommittedProgress};
use crate::delivery::DeliveryEvent;
use crate::error::KafkaError;
use crate::reader::{Isolation, TopicReader};
use crate::transactional::{NotOurs, Transaction, TransactionEvent, Transactions, stored};
use millrace_flow::ledger::{Admitted, Ledger};
use millrace_flow::progress::{Progress, ProgressBudget};
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::TopicPartition;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The values of the progress topic.
fn written(bed: &Bed) -> Vec<String> {
    let cluster: &ClusterConfig = &bed.config.producer.cluster;
    let mut reader = TopicReader::open(cluster, "progress", Isolation::ReadCommitted).unwrap();
    let values = reader.take_all(20_000).unwrap().into_iter().filter_map(|record| record.value);
    values.map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

fn value(progress: &Progress) -> String {
    ProgressRecord::of(progress, None).encode()
}

/// Takes the partition over and lets it go; what was settled of it.
fn visit(bed: &Bed, found: Assignment) -> Progress {
    let (stay, taken) = Stay::begin(bed, found).unwrap();
    stay.release();
    settled(&taken)
}

#[test]
fn the_first_start_is_written_down() {
    let bed = bed(1);
    assert_eq!(visit(&bed, found(7, None)), Progress::at(7));
    assert_eq!(written(&bed), ["1 7 - -"]);
    // Wherever the next one would begin, the topic's end for example: it is where it was.
    assert_eq!(visit(&bed, found(100, None)), Progress::at(7));
    assert_eq!(written(&bed).len(), 1);
}

#[test]
fn what_at_least_once_has_committed_is_taken_over_once() {
    let bed = bed(1);
    // With an offset settled above its prefix.
    let mut ledger = Ledger::resume(progress(5), ProgressBudget::COMMIT_METADATA);
    (5..9).for_each(|offset| assert_eq!(ledger.admit(offset), Admitted::New));
    ledger.settle(8);
    let committed = ledger.progress().unwrap();
    assert_eq!(visit(&bed, found(5, Some(&committed))), committed);
    assert_eq!(written(&bed), [value(&committed)]);
    assert_eq!(visit(&bed, found(5, Some(&committed))), committed);
    assert_eq!(written(&bed).len(), 1);
}

#[test]
fn of_record_and_group_the_greater_serial_counts() {
    let bed = bed(1);
    let (mut stay, _) = Stay::begin(&bed, found(0, None)).unwrap();
    (1..=3).for_each(|serial| stay.commits(&transaction(serial)));
    stay.release();
    // The group's copy is older, or as old.
    for copied in [1, 2, 3] {
        assert_eq!(visit(&bed, found(copied, Some(&progress(u64::try_from(copied).unwrap())))), progress(3));
    }
    assert_eq!(written(&bed).len(), 4);
    // At-least-once went on with it meanwhile.
    assert_eq!(visit(&bed, found(9, Some(&progress(9)))), progress(9));
    assert_eq!(written(&bed).last(), Some(&value(&progress(9))));
    // What was written then holds against copies of before.
    assert_eq!(visit(&bed, found(3, Some(&progress(3)))), progress(9));
    assert_eq!(written(&bed).len(), 5);
}

#[test]
fn progress_that_cannot_be_read_is_for_people() {
    let bed = bed(1);
    let progress = CommittedProgress { offset: Some(5), metadata: "garbage".to_owned() };
    let found = Assignment { progress, ..found(5, None) };
    let error = Stay::begin(&bed, found.clone()).err().unwrap();
    assert!(matches!(error, KafkaError::Progress { .. }), "{error:?}");
    // Also where a record is there: which is newer is not known.
    visit(&bed, super::stay::found(7, None));
    let error = Stay::begin(&bed, found).err().unwrap();
    assert!(matches!(error, KafkaError::Progress { .. }), "{error:?}");
    assert_eq!(written(&bed), ["1 7 - -"], "nothing was written over it");
}

/// Polls until it is known what became of it.
fn taken(transactions: &Transactions, found: Vec<Assignment>) -> Result<Vec<Assignment>, KafkaError> {
    let mut takeover = transactions.take_over(found, &thread::current()).unwrap();
    poll(|| takeover.poll().transpose())
}

/// Looks again and again, woken by whoever is looked at.
fn poll<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match look() {
            Some(seen) => return seen,
            None => assert!(Instant::now() < deadline, "not seen in time"),
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn partitions_that_come_together_are_taken_over_together() {
    let bed = bed(1);
    let (reports, mut events) = mpsc::channel(16);
    let transactions = Transactions::new(bed.config.clone(), reports);
    assert!(matches!(transactions.deliver(transaction(1)), Err(NotOurs)), "not yet");
    let other = Assignment { partition: TopicPartition::new("in", 1), ..found(4, None) };
    let mut both = taken(&transactions, vec![found(0, None), other.clone()]).unwrap();
    both.sort_by_key(|assignment| assignment.partition.partition);
    assert_eq!(both.iter().map(|assignment| assignment.start).collect::<Vec<_>>(), [0, 4]);

    let stay = both.iter().find(|assignment| assignment.partition == source()).unwrap().stay;
    let of_stay = |serial| Arc::new(Transaction { stay, ..Transaction::clone(&transaction(serial)) });
    let first = of_stay(1);
    transactions.deliver(first.clone()).unwrap();
    let committed = events.blocking_recv().unwrap();
    assert_eq!(committed, DeliveryEvent::Transaction(TransactionEvent::Committed(first.clone())));

    transactions.release(&[(first.shard.clone(), stay)]);
    assert!(matches!(transactions.deliver(of_stay(2)), Err(NotOurs)), "no longer");
    let there = stored::read(&bed.config, [&other.partition]).unwrap().remove(&other.partition).unwrap();
    assert_eq!((there.offset, there.text.as_str()), (4, ""));
}

#[test]
fn a_partition_that_is_let_go_on_its_way_in_is_let_go() {
    let bed = bed(1);
    bed.cluster.cut_off(BROKER).unwrap();
    let (reports, _events) = mpsc::channel(16);
    let transactions = Transactions::new(bed.config.clone(), reports);
    let mut takeover = transactions.take_over(vec![found(0, None)], &thread::current()).unwrap();
    assert!(takeover.poll().unwrap().is_none());
    // The group has taken it away and given it back.
    let _next = transactions.take_over(vec![found(0, None)], &thread::current()).unwrap();
    let error = poll(|| takeover.poll().transpose()).unwrap_err();
    assert!(error.to_string().contains("let go"), "{error}");
}

#[test]
fn a_cluster_out_of_reach_is_waited_for() {
    let bed = bed(1);
    bed.cluster.cut_off(BROKER).unwrap();
    let (reports, _events) = mpsc::channel(16);
    let transactions = Transactions::new(bed.config.clone(), reports);
    let mut takeover = transactions.take_over(vec![found(3, None)], &thread::current()).unwrap();
    assert!(takeover.poll().unwrap().is_none());
    bed.cluster.bring_back(BROKER).unwrap();
    let taken = poll(|| takeover.poll().transpose()).unwrap();
    assert_eq!(taken[0].start, 3);
}
