//! Two topics whose partitions share lanes, state, timers and transactions.

use crate::job::{Finish, Job};
use crate::metrics::HostMetrics;
use crate::partition::sample::{fail, finished, jobs, keyed, progress, skip, wrote};
use crate::partition::{Destination, Order, PathLimits, RecordPath, ReprocessTopic};
use bytes::Bytes;
use millrace_flow::admission::AdmissionLimits;
use millrace_flow::failures::FailureLimits;
use millrace_flow::progress::Progress;
use millrace_flow::record::{Record, TopicPartition};
use millrace_flow::shard::Sharding;
use millrace_flow::state::{KeyState, QUIET_AFTER_MS, StateStore, TimerClock};
use millrace_flow::transactions::TransactionLimits;
use millrace_kafka::transactional::{Stay, Transaction};
use std::sync::Arc;
use std::time::{Duration, Instant};

const WALL_MS: u64 = 1_000_000;

fn partitions() -> [TopicPartition; 2] {
    ["a", "b"].map(|topic| TopicPartition::new(topic, 0))
}

/// A path that owns the partitions 0 of the topics `a`, `b` and `again`, through which failed events come back.
fn path() -> RecordPath {
    let metrics = HostMetrics::new().unwrap().pipeline("p");
    let admission = AdmissionLimits { bytes_max: 1 << 20, open_max: 100 };
    let transactions = Some(TransactionLimits { interval: Duration::ZERO, ..TransactionLimits::default() });
    let limits = PathLimits { admission, failures: FailureLimits::default(), transactions, events_per_second: None };
    let path =
        RecordPath::new(Order::PerKey, limits, 1, Destination::Kafka, metrics, (crate::job::VersionId(0), [0; 32]));
    let topics = vec!["a".into(), "b".into(), "again".into()];
    let mut path = path
        .with_state(Some("log".into()))
        .with_sharding(Sharding::Together { topics, changelog: "log".into() })
        .with_reprocess(Some(ReprocessTopic { topic: "again".into(), cluster_id: "c".to_owned() }));
    path.fire_due(Instant::now(), WALL_MS);
    assign(&mut path, Some(Box::new(StateStore::new(1 << 20))));
    path
}

fn assign(path: &mut RecordPath, mut state: Option<Box<StateStore>>) {
    for partition in partitions().into_iter().chain([TopicPartition::new("again", 0)]) {
        path.assign(partition, Progress::at(0), Stay::default(), state.take());
    }
}

fn of(topic: &str, record: Record) -> Record {
    Record { source: TopicPartition::new(topic, 0), ..record }
}

fn take(path: &mut RecordPath, records: Vec<Record>) -> Vec<Job> {
    let now = Instant::now();
    path.poll(records, now);
    path.admit(now);
    jobs(path)
}

fn put(value: &'static str) -> impl FnOnce(&mut KeyState) {
    move |state| state.put(&Arc::from("counts"), "n", Bytes::from_static(value.as_bytes())).unwrap()
}

fn value(job: &Job) -> Option<Bytes> {
    job.state.as_ref().unwrap().get("counts", "n").cloned()
}

fn end(path: &mut RecordPath, job: Job, write: impl FnOnce(&mut KeyState)) {
    assert!(path.finish(wrote(job, skip(), write), Instant::now()).is_empty());
}

fn sealed(path: &mut RecordPath) -> Arc<Transaction> {
    let mut begun = path.seal(Instant::now(), |_, _| None);
    assert_eq!(begun.len(), 1);
    begun.remove(0)
}

fn transact(path: &mut RecordPath) -> Arc<Transaction> {
    let transaction = sealed(path);
    path.committed(&transaction, Instant::now()).unwrap();
    transaction
}

#[test]
fn events_of_one_key_run_one_after_the_other_whichever_topic_they_are_of() {
    let mut path = path();
    let mut first = take(&mut path, vec![of("a", keyed(0, "k", 0)), of("b", keyed(0, "k", 0))]);
    assert_eq!(first.len(), 1);
    end(&mut path, first.remove(0), put("1"));
    let mut second = jobs(&mut path);
    assert_eq!(value(&second[0]).as_deref(), Some(b"1".as_slice()), "and see the same state");
    end(&mut path, second.remove(0), put("2"));
    let transaction = transact(&mut path);
    assert_eq!(transaction.shard.to_string(), "log/0");
    let settled: Vec<_> = transaction.progress.iter().map(|(name, record)| (name.clone(), record.offset)).collect();
    assert_eq!(settled, partitions().map(|partition| (partition, 1)), "a record for each that moved, and no other");
    assert_eq!((transaction.changes.len(), path.open(None)), (1, 0));
}

#[test]
fn what_waits_for_one_topic_goes_with_what_is_due_of_another() {
    let mut path = path();
    let mut jobs = take(&mut path, vec![of("a", keyed(0, "k", 0)), of("b", keyed(0, "l", 0))]);
    jobs.sort_by_key(|job| job.record.source.clone());
    let second = jobs.remove(1);
    end(&mut path, jobs.remove(0), put("1"));
    let first = sealed(&mut path);
    assert_eq!(progress(&first).offset, 1);
    end(&mut path, second, put("1"));
    assert!(path.seal(Instant::now(), |_, _| None).is_empty(), "one transaction at a time for all of them");
    let copies = path.committed(&first, Instant::now()).unwrap().copies;
    assert_eq!(copies.iter().map(|copy| copy.partition.clone()).collect::<Vec<_>>(), partitions()[..1]);
    assert_eq!(transact(&mut path).progress.keys().cloned().collect::<Vec<_>>(), partitions()[1..]);
}

#[test]
fn a_timer_waits_for_the_topic_that_is_least_far() {
    let mut path = path();
    let mut jobs = take(&mut path, vec![of("a", keyed(0, "k", 500)), of("b", keyed(0, "l", 600))]);
    jobs.sort_by_key(|job| job.record.source.clone());
    jobs.truncate(1);
    end(&mut path, jobs.remove(0), |state| state.set_timer("t", TimerClock::EventTime, 700).unwrap());
    take(&mut path, vec![of("b", keyed(1, "m", 900)), of("again", keyed(0, "n", 1))]);
    let fired = |path: &mut RecordPath, wall_ms| {
        path.fire_due(Instant::now(), wall_ms);
        crate::partition::sample::jobs(path).into_iter().find(|job| job.timer.is_some())
    };
    assert!(fired(&mut path, WALL_MS).is_none(), "the other one is at 500");
    assert!(fired(&mut path, WALL_MS + QUIET_AFTER_MS - 1).is_none());
    let job = fired(&mut path, WALL_MS + QUIET_AFTER_MS).unwrap();
    assert_eq!((job.record.source.to_string().as_str(), job.record.offset), ("log/0", -1), "no topic is its own");
    path.finish(wrote(job, skip(), |_| {}), Instant::now());
    let transaction = transact(&mut path);
    assert!(transaction.progress.contains_key(&partitions()[0]), "one of them says that it has fired");
}

/// The partitions are taken away; how many keys has the state that is handed back.
fn handed_back(path: &mut RecordPath) -> Option<usize> {
    let all = path.owned();
    path.stop_starting(Some(&all));
    let mut kept = path.hand_back(&all).1;
    assert_eq!((path.open(None), path.owned().len(), path.shards()), (0, 0, 0));
    assert!(kept.len() <= 1);
    let (shard, kept) = kept.pop()?;
    assert_eq!((shard.to_string().as_str(), kept.progress.len()), ("log/0", 3));
    Some(kept.state.keys())
}

#[test]
fn state_of_which_all_is_committed_is_handed_back() {
    let mut path = path();
    let mut jobs = take(&mut path, vec![of("a", keyed(0, "k", 0)), of("b", keyed(0, "l", 0))]);
    end(&mut path, jobs.remove(0), put("1"));
    transact(&mut path);
    // The other one still runs, and has changed nothing.
    assert_eq!(handed_back(&mut path), Some(1));
}

#[test]
fn state_that_is_ahead_of_what_is_committed_is_thrown_away() {
    for stage in ["waits", "is under way", "was given up"] {
        let mut path = path();
        let job = take(&mut path, vec![of("a", keyed(0, "k", 0))]).remove(0);
        let id = job.id;
        end(&mut path, job, put("1"));
        match stage {
            "is under way" => drop(sealed(&mut path)),
            "was given up" => {
                path.abandon(id);
                assert!(path.seal(Instant::now(), |_, _| None).is_empty());
            }
            _ => {}
        }
        assert_eq!(handed_back(&mut path), None, "it {stage}");
    }
}

#[test]
fn a_timer_that_was_running_is_due_again_where_its_state_comes_back() {
    let mut path = path();
    let mut jobs = take(&mut path, vec![of("a", keyed(0, "k", 0))]);
    end(&mut path, jobs.remove(0), |state| state.set_timer("t", TimerClock::Wall, WALL_MS).unwrap());
    transact(&mut path);
    path.fire_due(Instant::now(), WALL_MS);
    assert_eq!(crate::partition::sample::jobs(&mut path).len(), 1);
    let all = path.owned();
    let (_, mut kept) = path.hand_back(&all);
    assign(&mut path, kept.pop().map(|(_, kept)| kept.state));
    path.fire_due(Instant::now(), WALL_MS);
    assert_eq!(crate::partition::sample::jobs(&mut path).len(), 1);
}

#[test]
fn an_event_that_failed_without_changes_hands_its_state_back() {
    let mut path = path();
    let job = take(&mut path, vec![of("a", keyed(0, "k", 0))]).remove(0);
    path.finish(finished(job.id.0, fail(), 0), Instant::now());
    transact(&mut path);
    assert_eq!(handed_back(&mut path), Some(0));
    assert!(path.seal(Instant::now(), |_, _| None).is_empty());
    assert_eq!(path.finish(finished(job.id.0, Finish::Canary, 0), Instant::now()).len(), 0);
}
