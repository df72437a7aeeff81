//! Partitions between the group's word that they are ours and the first record of them, in exactly-once: they are taken
//! over on threads of their own, while this one goes on with all others. The rebalance is answered when that is done.

use crate::commit::{PartitionProgress, commit_now};
use crate::consumer::{Assignment, SourceEvent};
use crate::context::lock;
use crate::error::KafkaError;
use crate::poller::{Poller, Position};
use crate::rebalance::copy;
use crate::start::Starts;
use crate::transactional::{Takeover, Transactions};
use millrace_flow::record::TopicPartition;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::Offset;
use std::time::{Duration, Instant};

/// The pause before the group is asked once more whether a partition is ours.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long a move to another offset may take.
const SEEK_TIMEOUT: Duration = Duration::from_secs(10);

/// What is being taken over.
pub(crate) struct Arrival {
    takeover: Takeover,
    how: How,
}

enum How {
    /// The group has just assigned these.
    Assigned(Starts),
    /// It was ours already, and somebody else's producer took it over meanwhile.
    Again,
}

impl Poller {
    /// Begins to take over what the group assigned.
    pub(crate) fn arrive(&mut self, transactions: &Transactions, starts: Starts) -> Result<(), KafkaError> {
        let takeover = transactions.take_over(starts.assignments.clone(), &self.thread)?;
        self.arrival = Some(Arrival { takeover, how: How::Assigned(starts) });
        Ok(())
    }

    /// Goes on with what is being taken over, and begins with what is to be taken over once more.
    pub(crate) fn look_after_arrival(&mut self) {
        let looked = match self.arrival.take() {
            None => self.take_again(),
            Some(mut arrival) => match arrival.takeover.poll() {
                Ok(None) => {
                    self.arrival = Some(arrival);
                    Ok(())
                }
                Ok(Some(taken)) => self.arrived(taken, arrival.how),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = looked {
            self.fatal.get_or_insert(error);
        }
    }

    /// The consumer ends: the group's assignment must be answered all the same.
    pub(crate) fn give_arrival_up(&mut self) {
        if let Some(Arrival { how: How::Assigned(_), .. }) = self.arrival.take()
            && let Err(error) = self.assign(&TopicPartitionList::new())
        {
            tracing::debug!(%error, "an assignment was not answered while closing");
        }
    }

    fn arrived(&mut self, taken: Vec<Assignment>, how: How) -> Result<(), KafkaError> {
        match how {
            How::Again => self.go_on_from(taken),
            How::Assigned(Starts { mut list, .. }) => {
                for Assignment { partition, start, .. } in &taken {
                    let set = list.set_partition_offset(&partition.topic, partition.partition, Offset::Offset(*start));
                    set.map_err(|error| KafkaError::native(format!("starting {partition}"), &error))?;
                }
                self.enter(Starts { list, assignments: taken })
            }
        }
    }

    /// Partitions that were taken over once more go on where their progress says.
    fn go_on_from(&mut self, taken: Vec<Assignment>) -> Result<(), KafkaError> {
        let mut copies = Vec::new();
        for Assignment { partition, start, progress, .. } in &taken {
            let moving = |error| KafkaError::native(format!("moving {partition} to {start}"), &error);
            let offset = Offset::Offset(*start);
            self.shared.client.seek(&partition.topic, partition.partition, offset, SEEK_TIMEOUT).map_err(moving)?;
            self.owned.insert(partition.clone(), Position { next: *start, epoch: None });
            self.board.own(partition, *start);
            copies.push(copy(partition, *start, progress));
            lock(&self.shared.wishes.inner).paused.remove(partition);
        }
        self.board.pin(copies);
        self.shared.wishes.changed.store(true, std::sync::atomic::Ordering::Release);
        self.hand_over();
        self.outbox.push(SourceEvent::Assigned(taken));
        Ok(())
    }

    /// Takes a shard over that another producer took from us, once its rest is over and the group still says that it is
    /// ours: a commit of ours is taken from members of the present generation only.
    fn take_again(&mut self) -> Result<(), KafkaError> {
        let Some(transactions) = self.transactions.clone() else { return Ok(()) };
        let now = Instant::now();
        let mut wishes = lock(&self.shared.wishes.inner);
        let due = wishes.again.iter().find(|(_, (due, _))| *due <= now);
        let Some((due, stay)) = due.map(|(partition, (_, stay))| (partition.clone(), *stay)) else { return Ok(()) };
        let shard = transactions.sharding().shard_of(&due);
        let is_of_shard = |partition: &&TopicPartition| transactions.sharding().shard_of(partition) == shard;
        let partitions: Vec<TopicPartition> = self.owned.keys().filter(is_of_shard).cloned().collect();
        if transactions.is_over(&shard, stay) {
            // The group has given it to us anew before the pipeline heard that it was gone.
            wishes.take_back(&partitions);
            self.shared.wishes.changed.store(true, std::sync::atomic::Ordering::Release);
            return Ok(());
        }
        wishes.again.insert(due, (now + ASK_AGAIN, stay));
        drop(wishes);
        if partitions.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for TopicPartition { topic, partition } in &partitions {
            list.add_partition(topic, *partition);
        }
        let Some(starts) = self.find_starts(&list)? else { return Ok(()) };
        if !self.is_member(&starts.assignments) {
            return Ok(());
        }
        let mut wishes = lock(&self.shared.wishes.inner);
        wishes.again.retain(|partition, _| !partitions.contains(partition));
        drop(wishes);
        tracing::info!(group = self.config.group, %shard, "the group says that it is ours: taking it over once more");
        let takeover = transactions.take_over(starts.assignments, &self.thread)?;
        self.arrival = Some(Arrival { takeover, how: How::Again });
        Ok(())
    }

    /// Whether the group takes a commit of ours. What is committed is what was committed.
    fn is_member(&self, found: &[Assignment]) -> bool {
        let again = |found: &Assignment| {
            let (partition, metadata) = (found.partition.clone(), found.progress.metadata.clone());
            PartitionProgress { partition, offset: found.start, leader_epoch: None, metadata }
        };
        let again: Vec<PartitionProgress> = found.iter().map(again).collect();
        let committed = commit_now(self.shared.client.client(), again.iter());
        committed.is_ok_and(|entries| !entries.is_empty() && entries.iter().all(|entry| entry.error.is_none()))
    }
}
