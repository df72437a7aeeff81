//! Shards on their way in: what is known of their partitions once they are taken over.

use super::comeback::{Held, Kept};
use super::producer::{Attempt, NotOpened, TransactionalProducer};
use super::writer::{Owner, progress_records};
use super::{Stay, Transaction, stored};
use crate::consumer::{Assignment, CommittedProgress};
use crate::error::KafkaError;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::state::StateStore;
use millrace_flow::transactions::ShardProgress;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::thread::{self, Thread};
use std::time::Duration;

/// The pause between two attempts to take a shard over.
const PAUSE: Duration = Duration::from_millis(500);

/// A shard that was taken over: what is settled of its partitions and where they go on.
pub(crate) type TakenOver = Result<Vec<Assignment>, KafkaError>;

/// A shard that is to be taken over.
#[derive(Debug)]
pub(super) struct Arriving {
    /// The stay that begins.
    pub(super) stay: Stay,
    /// What the group knows of its partitions.
    pub(super) found: Vec<Assignment>,
    /// Its state, where we had it before.
    pub(super) kept: Option<Kept>,
    /// Who is told, and who is woken.
    pub(super) done: SyncSender<TakenOver>,
    pub(super) wake: Thread,
}

/// What an owner has of its shard once it is taken over.
pub(super) struct Taken {
    pub(super) held: Held,
    pub(super) state: Option<Box<StateStore>>,
}

/// Shards that are being taken over.
pub(crate) struct Takeover {
    results: Receiver<TakenOver>,
    expected: usize,
    done: Vec<Assignment>,
}

impl Takeover {
    pub(super) fn new(results: Receiver<TakenOver>, expected: usize) -> Self {
        Self { results, expected, done: Vec::new() }
    }

    /// The partitions once all shards are taken over; none until then. Never waits.
    ///
    /// # Errors
    /// One of them cannot be taken over, and trying again does not help.
    pub(crate) fn poll(&mut self) -> Result<Option<Vec<Assignment>>, KafkaError> {
        while self.expected > 0 {
            match self.results.try_recv() {
                Ok(taken) => self.done.extend(taken?),
                Err(TryRecvError::Empty) => return Ok(None),
                // Whoever was told to let its shard go says nothing.
                Err(TryRecvError::Disconnected) => {
                    let (what, message) =
                        ("taking partitions over".to_owned(), "they were let go meanwhile".to_owned());
                    return Err(KafkaError::Other { what, message });
                }
            }
            self.expected -= 1;
        }
        Ok(Some(std::mem::take(&mut self.done)))
    }
}

impl Owner {
    /// Takes the shard over: the fence, then progress and state as they were written last; less of it where the shard was
    /// `held` before and that can be proven to be good. Tries again while the cluster does not answer.
    /// None: the shard was let go meanwhile.
    ///
    /// # Errors
    /// What only people can mend.
    pub(super) fn take_over(
        &self,
        held: Option<Held>,
        found: &[Assignment],
        mut kept: Option<Kept>,
    ) -> Result<Option<Taken>, KafkaError> {
        let mut proven = held.and_then(|held| self.prove(held, found));
        while !self.is_released() {
            let held = proven.take().map_or_else(|| self.try_to_take_over(found), Ok);
            let tried = held.and_then(|held| {
                let state = match self.unchanged(&mut kept, &held.progress) {
                    Some(state) => Some(state),
                    None => self.restore()?,
                };
                Ok(Taken { held, state })
            });
            match tried {
                // Whoever lets go in the middle has half a state.
                Ok(_) if self.is_released() => {}
                Ok(taken) => return Ok(Some(taken)),
                Err(error) if error.is_transient() => {
                    tracing::warn!(shard = %self.shard, %error, "a shard is not taken over yet; trying again");
                    thread::park_timeout(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn try_to_take_over(&self, found: &[Assignment]) -> Result<Held, KafkaError> {
        let not_opened = |error| match error {
            NotOpened::Fenced => self.overtaken(),
            NotOpened::Failed(error) => error,
        };
        self.fence_former(found).map_err(not_opened)?;
        let producer = TransactionalProducer::open(&self.config, &self.config.transactional_id(&self.shard))
            .map_err(not_opened)?;
        let mut progress = stored::read(&self.config, found.iter().map(|found| &found.partition))?;
        let mut first = ShardProgress::new();
        for found in found {
            let of_group = of_group(found);
            // What cannot be read is not written down either.
            let copied = serial(found, &of_group)?;
            let is_newer = match progress.get(&found.partition) {
                Some(written) => copied > serial(found, written)?,
                None => true,
            };
            if is_newer {
                first.insert(found.partition.clone(), of_group);
            }
        }
        if first.is_empty() {
            return Ok(Held { producer, progress });
        }
        // Nothing was written yet, or at-least-once went on with it meanwhile. What is read is written down before
        // anything is fetched, so that a start at the end of the topic stays where it is.
        progress.extend(first.clone());
        let first = self.progress_alone(first);
        match producer.attempt(&first, &progress_records(&self.config, &first)) {
            Attempt::Committed { .. } => Ok(Held { producer, progress }),
            Attempt::Impossible(error) => Err(error),
            // What became of it is read by the next attempt, which has a producer of its own.
            Attempt::Aborted(error) | Attempt::Unknown(error) if error.is_for_people() => Err(error),
            Attempt::Aborted(error) | Attempt::Unknown(error) => {
                let what = format!("taking {} over", self.shard);
                Err(KafkaError::Transport { what, message: error.to_string() })
            }
            Attempt::Fenced | Attempt::Refused(_) => Err(self.overtaken()),
        }
    }

    /// A transaction of ours that only writes progress.
    pub(super) fn progress_alone(&self, progress: ShardProgress) -> Transaction {
        let (shard, stay) = (self.shard.clone(), Stay::default());
        Transaction { shard, stay, outputs: Vec::new(), changes: Vec::new(), progress }
    }

    /// Fences whoever slept through a change of the topics that are read, and owned the same partitions under another name.
    fn fence_former(&self, found: &[Assignment]) -> Result<(), NotOpened> {
        let partitions = found.iter().map(|found| &found.partition);
        for id in self.config.former_transactional_ids(&self.shard, partitions) {
            drop(TransactionalProducer::open(&self.config, &id)?);
        }
        Ok(())
    }

    fn overtaken(&self) -> KafkaError {
        KafkaError::Transport {
            what: format!("taking {} over", self.shard),
            message: "another host took it over at the same time".to_owned(),
        }
    }
}

/// What the group has committed, or where the partition begins.
pub(super) fn of_group(found: &Assignment) -> ProgressRecord {
    let text = found.progress.offset.map(|_| found.progress.metadata.clone()).unwrap_or_default();
    ProgressRecord { offset: found.start, leader_epoch: None, text }
}

/// The serial of progress. What the group has is a copy of ours, or was written by at-least-once: which is the newer one is
/// told by this number alone, which both count on.
fn serial(found: &Assignment, record: &ProgressRecord) -> Result<u64, KafkaError> {
    let partition = found.partition.clone();
    record.progress().map(|progress| progress.serial).map_err(|source| KafkaError::Progress { partition, source })
}

/// The same as assignments. The state of the shard goes with the first.
pub(super) fn assignments(
    stay: Stay,
    found: &[Assignment],
    progress: &ShardProgress,
    mut state: Option<Box<StateStore>>,
) -> Vec<Assignment> {
    let assignment = |found: &Assignment| {
        let record = progress.get(&found.partition)?;
        let progress = CommittedProgress { offset: Some(record.offset), metadata: record.text.clone() };
        let partition = found.partition.clone();
        Some(Assignment { partition, progress, start: record.offset, stay, state: state.take() })
    };
    found.iter().filter_map(assignment).collect()
}
