//! Where a pipeline's records come from, and the wishes of its loop: hold, pause, stop.

use millrace_flow::record::TopicPartition;
use millrace_kafka::commit::PartitionProgress;
use millrace_kafka::consumer::Consumer;
use millrace_kafka::statistics::ClientStatistics;
use millrace_kafka::transactional::Stay;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What reads the records of a pipeline.
pub enum Intake {
    /// A consumer of a group.
    Kafka(Consumer),
    /// Files, or a stream of Server-Sent Events.
    Brokerless(BrokerlessIntake),
}

impl Intake {
    /// No records until [`Intake::go_on`].
    pub fn hold(&self) {
        match self {
            Self::Kafka(consumer) => consumer.hold(),
            Self::Brokerless(intake) => intake.wish(|wishes| wishes.hold = true),
        }
    }

    /// Ends [`Intake::hold`].
    pub fn go_on(&self) {
        match self {
            Self::Kafka(consumer) => consumer.go_on(),
            Self::Brokerless(intake) => intake.wish(|wishes| wishes.hold = false),
        }
    }

    /// No records of `partitions` from soon on.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        match self {
            Self::Kafka(consumer) => consumer.pause(partitions),
            Self::Brokerless(intake) => intake.wish(|wishes| wishes.paused.extend(partitions.iter().cloned())),
        }
    }

    /// Records of `partitions` again.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        match self {
            Self::Kafka(consumer) => consumer.resume(partitions),
            Self::Brokerless(intake) => {
                intake.wish(|wishes| wishes.paused.retain(|paused| !partitions.contains(paused)));
            }
        }
    }

    /// Ends; [`millrace_kafka::consumer::SourceEvent::Stopped`] says when. Does not wait.
    pub fn stop(&self) {
        match self {
            Self::Kafka(consumer) => consumer.stop(),
            Self::Brokerless(intake) => intake.wish(|wishes| wishes.stop = true),
        }
    }

    /// Tells the group how far partitions are, for those who watch their lag.
    pub fn submit(&self, progress: Vec<PartitionProgress>) {
        match self {
            Self::Kafka(consumer) => consumer.submit(progress),
            Self::Brokerless(_) => {}
        }
    }

    /// The epoch of the leader that wrote the record before `offset`, where that is known.
    pub fn leader_epoch(&self, partition: &TopicPartition, offset: i64) -> Option<i32> {
        match self {
            Self::Kafka(consumer) => consumer.leader_epoch(partition, offset),
            Self::Brokerless(_) => None,
        }
    }

    /// Partitions of a shard that another producer took over are taken over anew after `rest`, if the group says that they
    /// are ours.
    pub fn take_again(&self, partitions: &[TopicPartition], stay: Stay, rest: Duration) {
        match self {
            Self::Kafka(consumer) => consumer.take_again(partitions, stay, rest),
            Self::Brokerless(_) => {}
        }
    }

    /// The newest statistics of a consumer.
    pub fn statistics(&self) -> Option<Arc<ClientStatistics>> {
        match self {
            Self::Kafka(consumer) => consumer.statistics(),
            Self::Brokerless(_) => None,
        }
    }
}

/// What the loop wishes.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    pub(super) hold: bool,
    pub(super) paused: BTreeSet<TopicPartition>,
    pub(super) stop: bool,
}

impl Wishes {
    /// One source is read in its order, so one partition that is full keeps all waiting.
    pub(super) fn stands_still(&self) -> bool {
        !self.stop && (self.hold || !self.paused.is_empty())
    }
}

/// The handle of a source that runs elsewhere. Dropping it stops that.
pub struct BrokerlessIntake {
    wishes: watch::Sender<Wishes>,
}

impl BrokerlessIntake {
    /// A handle, and what its source looks at.
    pub(super) fn new() -> (Self, watch::Receiver<Wishes>) {
        let (wishes, watched) = watch::channel(Wishes::default());
        (Self { wishes }, watched)
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        self.wishes.send_modify(change);
    }
}

impl Drop for BrokerlessIntake {
    fn drop(&mut self) {
        self.wish(|wishes| wishes.stop = true);
    }
}

/// Waits until the loop has room. False: it wants no more.
pub(super) async fn has_room(watched: &mut watch::Receiver<Wishes>) -> bool {
    match watched.wait_for(|wishes| !wishes.stands_still()).await {
        Ok(wishes) => !wishes.stop,
        Err(_gone) => false,
    }
}
