//! Shards of several partitions: taken over as a whole, and what of them outlives a rebalance.

use super::stay::*;
use crate::consumer::Assignment;
use crate::delivery::DeliveryEvent;
use crate::error::KafkaError;
use crate::mock::{Refusal, Request};
use crate::transactional::takeover::Takeover;
use crate::transactional::{ChangelogConfig, Kept, NotOurs, Stay, Transaction, TransactionEvent, Transactions, stored};
use bytes::Bytes;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::TopicPartition;
use millrace_flow::shard::{Shard, Sharding};
use millrace_flow::state::StateStore;
use millrace_flow::transactions::ShardProgress;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// More than any test makes.
const PRODUCERS_MAX: usize = 50;

/// One host of a pipeline with state that reads the topics `in` and `other`.
struct Host {
    bed: Bed,
    transactions: Transactions,
    events: mpsc::Receiver<DeliveryEvent>,
    /// The present one.
    stay: Stay,
}

fn other() -> TopicPartition {
    TopicPartition::new("other", 0)
}

impl Host {
    fn new() -> Self {
        let mut bed = bed(1);
        bed.cluster.create_topic("log", 1).unwrap();
        bed.config.state = Some(ChangelogConfig { topic: "log".into(), bytes_max: 1 << 20 });
        let topics = vec!["in".into(), "other".into()];
        bed.config.sharding = Sharding::Together { topics, changelog: "log".into() };
        // These count the producers that are made.
        bed.answer(Request::InitProducerId, &[None; PRODUCERS_MAX]);
        let (reports, events) = mpsc::channel(64);
        let transactions = Transactions::new(bed.config.clone(), reports);
        Self { bed, transactions, events, stay: Stay::default() }
    }

    fn shard(&self) -> Shard {
        self.bed.config.sharding.shard_of(&source())
    }

    /// The group gives the shard to us; what is settled of its partitions, and its state.
    fn assigned(&mut self) -> Result<(ShardProgress, Box<StateStore>), KafkaError> {
        let partitions = [source(), other()];
        self.transactions.assigned(&partitions);
        let found = partitions.map(|partition| Assignment { partition, ..found(0, None) });
        let takeover = self.transactions.take_over(found.to_vec(), &thread::current())?;
        let mut taken = wait_for(takeover)?;
        self.stay = taken[0].stay;
        let progress = taken.iter().map(|assignment| {
            let (offset, text) = (assignment.start, assignment.progress.metadata.clone());
            (assignment.partition.clone(), ProgressRecord { offset, leader_epoch: None, text })
        });
        let progress = progress.collect();
        let states: Vec<_> = taken.iter_mut().filter_map(|assignment| assignment.state.take()).collect();
        let [state] = <[_; 1]>::try_from(states).expect("one state for the shard");
        Ok((progress, state))
    }

    /// The `serial`th transaction of the present stay, in which this partition moves.
    fn transaction(&self, partition: &TopicPartition, serial: u64) -> Arc<Transaction> {
        let progress = ShardProgress::from([(partition.clone(), record(serial))]);
        let (shard, stay) = (self.shard(), self.stay);
        Arc::new(Transaction { shard, stay, progress, ..Transaction::clone(&transaction(serial)) })
    }

    /// Writes it.
    fn commits(&mut self, partition: &TopicPartition, serial: u64) {
        let transaction = self.transaction(partition, serial);
        self.transactions.deliver(Arc::clone(&transaction)).unwrap();
        loop {
            match self.events.blocking_recv().unwrap() {
                DeliveryEvent::Restoring(_) => {}
                event => {
                    let committed = TransactionEvent::Committed(Arc::clone(&transaction));
                    return assert_eq!(event, DeliveryEvent::Transaction(committed));
                }
            }
        }
    }

    /// The producers that were made since the last call.
    fn producers(&self) -> usize {
        let made = PRODUCERS_MAX - self.bed.left(Request::InitProducerId);
        self.bed.answer(Request::InitProducerId, &vec![None; made]);
        made
    }
}

fn record(serial: u64) -> ProgressRecord {
    ProgressRecord::of(&progress(serial), None)
}

fn wait_for(mut takeover: Takeover) -> Result<Vec<Assignment>, KafkaError> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(taken) = takeover.poll()? {
            return Ok(taken);
        }
        assert!(Instant::now() < deadline, "not taken over in time");
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// A state that nobody has written anywhere, so that it can be told from a restored one.
fn told_apart() -> Box<StateStore> {
    let mut store = StateStore::new(1 << 20);
    let mut state = store.open(&Bytes::from_static(b"key"));
    state.put(&Arc::from("counts"), "n", Bytes::from_static(b"1")).unwrap();
    store.apply(&state.into_changes()).unwrap();
    Box::new(store)
}

#[test]
fn partitions_of_one_number_have_one_producer_and_a_progress_each() {
    let mut host = Host::new();
    let (progress, state) = host.assigned().unwrap();
    assert_eq!(progress.keys().cloned().collect::<Vec<_>>(), [source(), other()]);
    assert_eq!(state.keys(), 0);
    assert_eq!(host.producers(), 3, "its own, and those of when its partitions were apart");
    host.commits(&source(), 1);
    host.commits(&other(), 1);
    host.commits(&other(), 2);
    host.transactions.release(&[(host.shard(), host.stay)]);
    let (progress, _) = host.assigned().unwrap();
    assert_eq!(progress, ShardProgress::from([(source(), record(1)), (other(), record(2))]));
}

#[test]
fn a_part_of_a_shard_is_refused_in_a_sentence() {
    let host = Host::new();
    let refused = host.transactions.take_over(vec![found(0, None)], &thread::current());
    let said = refused.err().unwrap().to_string();
    assert!(said.contains("no partition 0 of other") && said.contains("equally many partitions"), "{said}");
}

#[test]
fn what_comes_back_unchanged_goes_on_with_its_producer_and_its_state() {
    let mut host = Host::new();
    host.assigned().unwrap();
    host.commits(&source(), 1);
    host.producers();
    let progress =
        ShardProgress::from([(source(), record(1)), (other(), ProgressRecord { text: String::new(), ..record(0) })]);
    let kept = Kept { stay: host.stay, state: told_apart(), progress: progress.clone() };
    host.transactions.keep(host.shard(), kept);
    let (found, state) = host.assigned().unwrap();
    assert_eq!((found, state.keys(), host.producers()), (progress, 1, 0));
    host.commits(&source(), 2);
}

#[test]
fn state_of_other_progress_is_restored_and_its_producer_goes_on() {
    let mut host = Host::new();
    host.assigned().unwrap();
    host.commits(&source(), 1);
    host.commits(&source(), 2);
    host.producers();
    let progress = ShardProgress::from([(source(), record(1)), (other(), record(0))]);
    host.transactions.keep(host.shard(), Kept { stay: host.stay, state: told_apart(), progress });
    let (found, state) = host.assigned().unwrap();
    assert_eq!((&found[&source()], state.keys(), host.producers()), (&record(2), 0, 0));
    // As is one of which no state was kept.
    assert_eq!(host.assigned().unwrap().1.keys(), 0);
    host.commits(&source(), 3);
}

#[test]
fn a_producer_that_was_fenced_meanwhile_is_found_out_and_made_anew() {
    let mut host = Host::new();
    host.assigned().unwrap();
    host.commits(&source(), 1);
    host.producers();
    let (found, _) = host.assigned().unwrap();
    host.transactions.keep(host.shard(), Kept { stay: host.stay, state: told_apart(), progress: found.clone() });
    // What the broker says to whoever was fenced.
    host.bed.answer(Request::AddPartitionsToTxn, &[Some(Refusal::ProducerFenced)]);
    let (again, state) = host.assigned().unwrap();
    assert_eq!((again, host.producers()), (found, 3));
    assert_eq!(state.keys(), 1, "nobody has written, so the state is what it was");
    host.commits(&source(), 2);
}

#[test]
fn a_shard_that_went_elsewhere_is_taken_over_anew() {
    let mut host = Host::new();
    host.assigned().unwrap();
    host.commits(&source(), 1);
    let (found, _) = host.assigned().unwrap();
    host.transactions.keep(host.shard(), Kept { stay: host.stay, state: told_apart(), progress: found });
    host.producers();
    host.transactions.assigned(&[]);
    let (_, state) = host.assigned().unwrap();
    assert_eq!((state.keys(), host.producers()), (0, 3));
}

#[test]
fn what_is_said_late_of_a_stay_that_is_over_touches_nothing() {
    let mut host = Host::new();
    let (progress, _) = host.assigned().unwrap();
    host.commits(&source(), 1);
    let (over, late) = (host.stay, host.transaction(&source(), 2));
    let (found, _) = host.assigned().unwrap();
    assert_eq!(found, ShardProgress::from([(source(), record(1)), (other(), progress[&other()].clone())]));
    // It would count what is read again from that progress on.
    assert!(matches!(host.transactions.deliver(late), Err(NotOurs)));
    host.transactions.release(&[(host.shard(), over)]);
    host.commits(&source(), 2);
    let progress = ShardProgress::from([(source(), record(2)), (other(), found[&other()].clone())]);
    host.transactions.keep(host.shard(), Kept { stay: over, state: told_apart(), progress });
    assert_eq!(host.assigned().unwrap().1.keys(), 0, "the state was restored");
    assert!(host.transactions.is_over(&host.shard(), over) && !host.transactions.is_over(&host.shard(), host.stay));
}

#[test]
fn what_was_handed_over_before_the_shard_came_back_is_known_to_the_next_stay() {
    let mut host = Host::new();
    host.assigned().unwrap();
    host.transactions.deliver(host.transaction(&source(), 1)).unwrap();
    let (found, _) = host.assigned().unwrap();
    // Where its thread had not begun with it, it is not written: in no case does it come behind what is known.
    assert!(found[&source()] == record(1) || found[&source()].offset == 0);
    assert_eq!(stored::read(&host.bed.config, found.keys()).unwrap(), found);
}
