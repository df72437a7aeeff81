//! Partitions on their way in: what is known of each once it is taken over.

use super::Transaction;
use super::producer::{Attempt, NotOpened, TransactionalProducer};
use super::stored;
use super::writer::{Owner, progress_record};
use crate::consumer::{Assignment, CommittedProgress};
use crate::error::KafkaError;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::state::StateStore;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

/// The pause between two attempts to take a partition over.
const PAUSE: Duration = Duration::from_millis(500);

/// A partition that was taken over: what is settled of it and where it goes on.
pub(crate) type TakenOver = Result<Assignment, KafkaError>;

/// What an owner has of its partition once it is taken over.
pub(super) struct Taken {
    pub(super) producer: TransactionalProducer,
    pub(super) progress: ProgressRecord,
    pub(super) state: Option<StateStore>,
}

/// Partitions that are being taken over.
pub(crate) struct Takeover {
    results: Receiver<TakenOver>,
    expected: usize,
    done: Vec<Assignment>,
}

impl Takeover {
    pub(super) fn new(results: Receiver<TakenOver>, expected: usize) -> Self {
        Self { results, expected, done: Vec::new() }
    }

    /// The partitions once all of them are taken over; none until then. Never waits.
    ///
    /// # Errors
    /// One of them cannot be taken over, and trying again does not help.
    pub(crate) fn poll(&mut self) -> Result<Option<Vec<Assignment>>, KafkaError> {
        while self.done.len() < self.expected {
            match self.results.try_recv() {
                Ok(taken) => self.done.push(taken?),
                Err(TryRecvError::Empty) => return Ok(None),
                // Whoever was told to let its partition go says nothing.
                Err(TryRecvError::Disconnected) => {
                    let (what, message) =
                        ("taking partitions over".to_owned(), "they were let go meanwhile".to_owned());
                    return Err(KafkaError::Other { what, message });
                }
            }
        }
        Ok(Some(std::mem::take(&mut self.done)))
    }
}

impl Owner {
    /// Takes the partition over: the fence, then progress and state as they were written last. Tries again while the cluster
    /// does not answer.
    /// None: the partition was let go meanwhile.
    ///
    /// # Errors
    /// What only people can mend.
    pub(super) fn take_over(&self, found: &Assignment) -> Result<Option<Taken>, KafkaError> {
        while !self.is_released() {
            let tried = self.try_to_take_over(found).and_then(|(producer, progress)| {
                let state = self.restore()?;
                Ok(Taken { producer, progress, state })
            });
            match tried {
                // Whoever lets go in the middle has half a state.
                Ok(_) if self.is_released() => {}
                Ok(taken) => return Ok(Some(taken)),
                Err(error) if error.is_transient() => {
                    tracing::warn!(partition = %self.partition, %error, "a partition is not taken over yet; trying again");
                    thread::park_timeout(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn try_to_take_over(&self, found: &Assignment) -> Result<(TransactionalProducer, ProgressRecord), KafkaError> {
        let producer = TransactionalProducer::open(&self.config, &self.partition).map_err(|error| match error {
            NotOpened::Fenced => self.overtaken(),
            NotOpened::Failed(error) => error,
        })?;
        let written = stored::read(&self.config, &self.partition)?;
        let of_group = of_group(found);
        // What cannot be read is not written down either.
        let copied = serial(self, &of_group)?;
        if let Some(written) = written
            && serial(self, &written)? >= copied
        {
            return Ok((producer, written));
        }
        // Nothing was written yet, or at-least-once went on with it meanwhile. What is read is written down before
        // anything is fetched, so that a start at the end of the topic stays where it is.
        let (partition, progress) = (self.partition.clone(), of_group.clone());
        let first = Transaction { partition, outputs: Vec::new(), changes: Vec::new(), progress };
        match producer.attempt(&first, &progress_record(&self.config, &first)) {
            Attempt::Committed { .. } => Ok((producer, of_group)),
            Attempt::Impossible(error) => Err(error),
            // What became of it is read by the next attempt, which has a producer of its own.
            Attempt::Aborted(error) | Attempt::Unknown(error) if error.is_for_people() => Err(error),
            Attempt::Aborted(error) | Attempt::Unknown(error) => {
                let what = format!("taking {} over", self.partition);
                Err(KafkaError::Transport { what, message: error.to_string() })
            }
            Attempt::Fenced | Attempt::Refused(_) => Err(self.overtaken()),
        }
    }

    fn overtaken(&self) -> KafkaError {
        KafkaError::Transport {
            what: format!("taking {} over", self.partition),
            message: "another host took it over at the same time".to_owned(),
        }
    }
}

/// What the group has committed, or where the partition begins.
fn of_group(found: &Assignment) -> ProgressRecord {
    let text = found.progress.offset.map(|_| found.progress.metadata.clone()).unwrap_or_default();
    ProgressRecord { offset: found.start, leader_epoch: None, text }
}

/// The serial of progress. What the group has is a copy of ours, or was written by at-least-once: which is the newer one is
/// told by this number alone, which both count on.
fn serial(owner: &Owner, record: &ProgressRecord) -> Result<u64, KafkaError> {
    let partition = owner.partition.clone();
    record.progress().map(|progress| progress.serial).map_err(|source| KafkaError::Progress { partition, source })
}

/// The same as an assignment.
pub(super) fn assignment(found: &Assignment, record: &ProgressRecord, state: Option<StateStore>) -> Assignment {
    let progress = CommittedProgress { offset: Some(record.offset), metadata: record.text.clone() };
    Assignment { partition: found.partition.clone(), progress, start: record.offset, state: state.map(Box::new) }
}
