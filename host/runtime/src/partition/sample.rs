//! A path of one partition, for the tests of this folder.

use crate::job::{Finish, Finished, Job, JobId, VersionId};
use crate::metrics::HostMetrics;
use crate::partition::{Destination, Order, PathLimits, RecordPath};
use millrace_flow::admission::AdmissionLimits;
use millrace_flow::failures::FailureLimits;
use millrace_flow::progress::Progress;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::{OutputRecord, Record, TopicPartition};
use millrace_flow::state::{KeyState, StateChanges, StateStore};
use millrace_flow::transactions::TransactionLimits;
use millrace_kafka::transactional::{Stay, Transaction};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PARTITION: (&str, i32) = ("in", 0);

pub(super) fn record(offset: i64) -> Record {
    Record {
        source: TopicPartition::new(PARTITION.0, PARTITION.1),
        offset,
        timestamp_ms: 0,
        key: Some(offset.to_string().into()),
        value: Some("{}".into()),
        headers: Vec::new(),
    }
}

/// A path with a budget of a megabyte that owns one partition.
pub(super) fn path(failures: FailureLimits) -> RecordPath {
    let admission = AdmissionLimits { bytes_max: 1 << 20, open_max: 1_000 };
    path_within(PathLimits { admission, failures, events_per_second: None, transactions: None })
}

/// A path that owns one partition.
pub(super) fn path_within(limits: PathLimits) -> RecordPath {
    let metrics = HostMetrics::new().unwrap().pipeline("p");
    let mut path = RecordPath::new(Order::PerKey, limits, 1, Destination::Kafka, metrics, (VersionId(0), [0; 32]));
    path.assign(TopicPartition::new(PARTITION.0, PARTITION.1), Progress::at(0), Stay::default(), None);
    path
}

/// A path in exactly-once whose partition has state, empty and of so many bytes at most.
pub(super) fn path_with_state(open_max: usize, bytes_max: usize) -> RecordPath {
    let metrics = HostMetrics::new().unwrap().pipeline("p");
    let admission = AdmissionLimits { bytes_max: 1 << 20, open_max };
    let transactions = Some(TransactionLimits { interval: Duration::ZERO, ..TransactionLimits::default() });
    let limits = PathLimits { admission, failures: FailureLimits::default(), events_per_second: None, transactions };
    let path = RecordPath::new(Order::PerKey, limits, 1, Destination::Kafka, metrics, (VersionId(0), [0; 32]));
    let mut path = path.with_state(Some("log".into()));
    let state = Some(Box::new(StateStore::new(bytes_max)));
    path.assign(TopicPartition::new(PARTITION.0, PARTITION.1), Progress::at(0), Stay::default(), state);
    path
}

/// A record of this key and time.
pub(super) fn keyed(offset: i64, key: &'static str, timestamp_ms: i64) -> Record {
    Record { key: Some(key.into()), timestamp_ms, ..record(offset) }
}

/// The jobs that may run now.
pub(super) fn jobs(path: &mut RecordPath) -> Vec<Job> {
    path.dispatch().into_iter().flat_map(|batch| batch.jobs).collect()
}

/// What a job comes to whose plugin wrote to its state by `write`.
pub(super) fn wrote(job: Job, finish: Finish, write: impl FnOnce(&mut KeyState)) -> Vec<Finished> {
    let mut state = job.state.unwrap();
    write(&mut state);
    vec![Finished { id: job.id, finish, answer_bytes: 0, changes: state.into_changes() }]
}

/// An event's own skip.
pub(super) fn skip() -> Finish {
    Finish::Skipped("x".to_owned())
}

/// An event's failure.
pub(super) fn fail() -> Finish {
    let (topic, value) = ("e".into(), Some("{}".into()));
    let error_event = OutputRecord { topic, timestamp_ms: 0, key: None, value, headers: Vec::new() };
    Finish::Failed { error_type: "x".to_owned(), error_event: Box::new(error_event) }
}

/// The transaction that begins now, committed at once.
pub(super) fn transact(path: &mut RecordPath, now: Instant) -> Option<Arc<Transaction>> {
    let transaction = path.seal(now, |_, _| None).pop()?;
    path.committed(&transaction, now).unwrap();
    Some(transaction)
}

/// The progress of a transaction of one partition.
pub(super) fn progress(transaction: &Transaction) -> &ProgressRecord {
    let mut moved = transaction.progress.values();
    let (Some(only), None) = (moved.next(), moved.next()) else { panic!("{transaction:?}") };
    only
}

pub(super) fn finished(id: u64, finish: Finish, answer_bytes: u64) -> Vec<Finished> {
    vec![Finished { id: JobId(id), finish, answer_bytes, changes: StateChanges::default() }]
}
