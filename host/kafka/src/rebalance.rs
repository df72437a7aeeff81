//! What the poll thread does when partitions come and go. It runs between two polls, in straight lines.

use crate::commit::PartitionProgress;
use crate::config::StartPosition;
use crate::consumer::{Acknowledgement, Assignment, CommittedProgress, SourceEvent};
use crate::context::{Rebalance, lock};
use crate::error::KafkaError;
use crate::pausing::Flow;
use crate::poller::{Poller, Position};
use crate::raw;
use crate::start::{self, Starts};
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::TopicPartition;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer as _, RebalanceProtocol};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// How long the start of newly assigned partitions is looked for before the consumer gives up. Half of the poll
/// interval: the group must not throw us out meanwhile.
const START_DEADLINE: Duration = Duration::from_secs(150);

/// The pause between two attempts to find the start.
const START_PAUSE: Duration = Duration::from_millis(500);

impl Poller {
    /// Answers a rebalance. Every one must be answered, also with an empty list, or the group hangs.
    pub(crate) fn act_on(&mut self, rebalance: Rebalance) {
        let answered = match rebalance {
            Rebalance::Assign(list) => self.take_over(list),
            Rebalance::Revoke { list, lost } => {
                let partitions = partitions_of(&list);
                if lost {
                    self.lose(partitions);
                } else {
                    self.hand_back(partitions);
                }
                self.unassign(&list)
            }
        };
        if let Err(error) = answered {
            self.fatal.get_or_insert(error);
        }
    }

    /// Partitions come: finds their starts; in exactly-once, begins to take them over.
    fn take_over(&mut self, list: TopicPartitionList) -> Result<(), KafkaError> {
        if let Some(transactions) = &self.transactions {
            transactions.assigned(&partitions_of(&list));
        }
        if list.count() == 0 {
            // Where all partitions were taken away, that is news.
            if matches!(self.shared.client.rebalance_protocol(), RebalanceProtocol::Eager) {
                self.outbox.push(SourceEvent::Assigned(Vec::new()));
            }
            return self.assign(&list);
        }
        let Some(starts) = self.find_starts(&list)? else { return self.assign(&TopicPartitionList::new()) };
        match self.transactions.clone() {
            None => self.enter(starts),
            Some(transactions) => self.arrive(&transactions, starts),
        }
    }

    /// Partitions are ours, and it is known where they begin: tells the pipeline, then fetches.
    pub(crate) fn enter(&mut self, starts: Starts) -> Result<(), KafkaError> {
        let mut pins = Vec::new();
        for Assignment { partition, progress, start, .. } in &starts.assignments {
            tracing::info!(group = self.config.group, %partition, start, "partition assigned");
            self.board.own(partition, *start);
            self.owned.insert(partition.clone(), Position { next: *start, epoch: None });
            let position = self.config.start_of(&partition.topic);
            if self.transactions.is_some() {
                pins.push(copy(partition, *start, progress));
            } else if progress.offset.is_none() && position != StartPosition::Earliest {
                pins.push(pin(partition, *start));
            }
        }
        self.outbox.push(SourceEvent::Assigned(starts.assignments));
        self.assign(&starts.list)?;
        self.board.pin(pins);
        // Pauses belong to the assignment inside librdkafka, so they are made again after every change of it.
        let paused: Vec<_> = match self.stalled {
            true => self.owned.keys().cloned().collect(),
            false => self.paused.iter().cloned().collect(),
        };
        self.switch(&paused, Flow::Pause);
        Ok(())
    }

    /// The starts of `list`; none when the consumer is to end.
    pub(crate) fn find_starts(&mut self, list: &TopicPartitionList) -> Result<Option<Starts>, KafkaError> {
        let deadline = Instant::now() + START_DEADLINE;
        while !self.is_over() {
            match start::resolve(&self.shared.client, list.clone(), |topic| self.config.start_of(topic)) {
                Ok(starts) => return Ok(Some(starts)),
                Err(error) if !error.is_transient() || Instant::now() >= deadline => return Err(error),
                Err(error) => self.tell_trouble(error),
            }
            thread::park_timeout(START_PAUSE);
        }
        Ok(None)
    }

    /// Partitions go in good order: what is settled of them is committed first, within the wait.
    fn hand_back(&mut self, partitions: Vec<TopicPartition>) {
        if partitions.is_empty() {
            return;
        }
        tracing::info!(group = self.config.group, ?partitions, "partitions revoked");
        let deadline = Instant::now() + Duration::from_millis(self.config.revoke_wait_ms);
        let (done, acknowledged) = Acknowledgement::pair(self.thread.clone());
        self.outbox.push(SourceEvent::Revoked { partitions: partitions.clone(), done });
        while !acknowledged.load(Ordering::Acquire) && !self.outbox.is_closed() {
            self.outbox.advance();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(group = self.config.group, "revoked partitions were not acknowledged in time");
                break;
            }
            thread::park_timeout(left);
        }
        self.board.flush(deadline);
        self.forget(&partitions);
    }

    /// Partitions are gone: nothing of them is committed.
    fn lose(&mut self, partitions: Vec<TopicPartition>) {
        if partitions.is_empty() {
            return;
        }
        tracing::warn!(group = self.config.group, ?partitions, "partitions lost");
        self.forget(&partitions);
        self.outbox.push(SourceEvent::Lost { partitions });
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.board.disown(partitions);
        // librdkafka remembers a pause beyond the assignment: a partition that went paused would come back paused, and
        // nobody would resume it.
        let paused: Vec<_> = partitions.iter().filter(|p| self.stalled || self.paused.contains(*p)).cloned().collect();
        self.switch(&paused, Flow::Resume);
        let mut wishes = lock(&self.shared.wishes.inner);
        wishes.take_back(partitions);
        for partition in partitions {
            self.owned.remove(partition);
            self.paused.remove(partition);
            wishes.moves.remove(partition);
        }
    }

    pub(crate) fn assign(&self, list: &TopicPartitionList) -> Result<(), KafkaError> {
        let assigned = match self.shared.client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.shared.client.incremental_assign(list),
            _ => self.shared.client.assign(list),
        };
        assigned.map_err(|error| KafkaError::native("taking partitions over", &error))
    }

    fn unassign(&self, list: &TopicPartitionList) -> Result<(), KafkaError> {
        let unassigned = match self.shared.client.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.shared.client.incremental_unassign(list),
            _ => self.shared.client.unassign(),
        };
        unassigned.map_err(|error| KafkaError::native("giving partitions back", &error))
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    raw::entries(list).into_iter().map(|entry| TopicPartition::new(entry.topic, entry.partition)).collect()
}

/// The group's copy of the progress with which a partition was taken over: whoever wrote that may have died before its own
/// copy, and where nothing comes any more there would be no other.
pub(crate) fn copy(partition: &TopicPartition, start: i64, progress: &CommittedProgress) -> PartitionProgress {
    let record = ProgressRecord { offset: start, leader_epoch: None, text: progress.metadata.clone() };
    PartitionProgress::copy_of(partition.clone(), &record)
}

/// The first position of a partition as progress: nothing above it is settled.
fn pin(partition: &TopicPartition, start: i64) -> PartitionProgress {
    PartitionProgress { partition: partition.clone(), offset: start, leader_epoch: None, metadata: String::new() }
}
