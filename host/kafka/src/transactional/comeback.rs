//! Shards that were taken away by a rebalance and come back to us. Their threads and producers have waited, and so has state
//! of which everything was committed: nothing is restored.
//!
//! That nobody else had the shard meanwhile is never believed but proven: the producer that was kept writes what it wrote
//! last once more, progress alone. Whoever took the shard over in between has fenced it, and then it cannot. From a
//! transaction of ours on, nobody has written and nobody will without fencing us, so progress and state are what they were.

use super::producer::{Attempt, TransactionalProducer};
use super::takeover::Arriving;
use super::writer::{Owner, progress_records};
use super::{Order, Stay, Transactions, takeover};
use crate::consumer::Assignment;
use crate::context::lock;
use millrace_flow::record::TopicPartition;
use millrace_flow::shard::Shard;
use millrace_flow::state::StateStore;
use millrace_flow::transactions::{ShardProgress, says_the_same};
use std::sync::mpsc::TrySendError;

/// State that is handed back with its shard.
#[derive(Debug)]
pub struct Kept {
    /// The stay that is over.
    pub stay: Stay,
    /// The state. Everything that changed in it is committed.
    pub state: Box<StateStore>,
    /// The progress of that, of all partitions of the shard.
    pub progress: ShardProgress,
}

/// What a thread has had of its shard.
pub(super) struct Held {
    pub(super) producer: TransactionalProducer,
    pub(super) progress: ShardProgress,
}

impl Transactions {
    /// Keeps the state of a shard that was taken away, until the group says whose it is. Whether it is still good then is
    /// found out. It comes too late where the group has said so already.
    pub fn keep(&self, shard: Shard, kept: Kept) {
        let writers = lock(&self.0.writers);
        if writers.get(&shard).is_some_and(|handle| handle.stay == kept.stay) {
            lock(&self.0.kept).insert(shard, kept);
        }
    }

    /// The group has assigned these partitions and no others: shards that are not among them are let go for good.
    pub(crate) fn assigned(&self, partitions: &[TopicPartition]) {
        if !self.sharding().is_together() {
            return;
        }
        let ours: Vec<Shard> = partitions.iter().map(|partition| self.sharding().shard_of(partition)).collect();
        lock(&self.0.writers).retain(|shard, _| ours.contains(shard));
        lock(&self.0.kept).retain(|shard, _| ours.contains(shard));
    }

    /// Lets the thread that has had the shard go on with it. Returned: there is none that could.
    pub(super) fn go_on(&self, shard: &Shard, arriving: Arriving) -> Option<Arriving> {
        if !self.sharding().is_together() {
            return Some(arriving);
        }
        let mut writers = lock(&self.0.writers);
        let Some(handle) = writers.get_mut(shard) else { return Some(arriving) };
        let stay = arriving.stay;
        match handle.inbox.try_send(Order::GoOn(arriving)) {
            Ok(()) => {
                // What is delivered of the stay before comes too late from here on.
                handle.stay = stay;
                None
            }
            Err(TrySendError::Full(Order::GoOn(arriving)) | TrySendError::Disconnected(Order::GoOn(arriving))) => {
                Some(arriving)
            }
            Err(TrySendError::Full(Order::Write(_)) | TrySendError::Disconnected(Order::Write(_))) => None,
        }
    }
}

impl Owner {
    /// What was held of the shard, if nobody else had it meanwhile. None: it is taken over like any other.
    pub(super) fn prove(&self, held: Held, found: &[Assignment]) -> Option<Held> {
        let is_behind = |found: &Assignment| {
            let known = held.progress.get(&found.partition).and_then(|known| known.progress().ok());
            let copied = takeover::of_group(found).progress().ok();
            known.zip(copied).is_some_and(|(known, copied)| copied.serial <= known.serial)
        };
        if held.progress.len() != found.len() || !found.iter().all(is_behind) {
            return None;
        }
        let again = self.progress_alone(held.progress.clone());
        match held.producer.attempt(&again, &progress_records(&self.config, &again)) {
            Attempt::Committed { strained: false } => Some(held),
            other => {
                tracing::info!(shard = %self.shard, ?other, "a shard that came back is taken over anew");
                None
            }
        }
    }

    /// The state of a shard whose progress this is: what was kept, where it is of that.
    pub(super) fn unchanged(&self, kept: &mut Option<Kept>, progress: &ShardProgress) -> Option<Box<StateStore>> {
        let kept = kept.take_if(|kept| says_the_same(&kept.progress, progress))?;
        tracing::info!(shard = %self.shard, keys = kept.state.keys(), bytes = kept.state.bytes(), "state kept");
        self.restoring(0);
        Some(kept.state)
    }
}
