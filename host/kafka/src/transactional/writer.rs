//! The thread of one owned partition: takes it over, then writes its transactions, one at a time, until it is let go.

use super::producer::{Attempt, NotOpened, TransactionalProducer};
use super::takeover::{Taken, TakenOver, assignment};
use super::{Transaction, TransactionEvent, TransactionsConfig, stored};
use crate::consumer::Assignment;
use crate::delivery::DeliveryEvent;
use crate::failpoint::{self, Failpoint};
use bytes::Bytes;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::{OutputRecord, TopicPartition};
use millrace_flow::transactions::{Resolution, resolve};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::{self, Thread};
use std::time::Duration;
use tokio::sync::mpsc;

/// The pause before an attempt that follows an aborted one; it doubles from one to the next.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Who owns a partition.
pub(super) struct Owner {
    pub(super) config: TransactionsConfig,
    pub(super) partition: TopicPartition,
    pub(super) reports: mpsc::Sender<DeliveryEvent>,
    /// Set once the partition was let go.
    pub(super) released: Arc<AtomicBool>,
}

/// Whether the partition is still ours after a transaction.
enum Tenure {
    Goes(TransactionalProducer),
    Ended,
}

/// What is found of a transaction whose outcome nobody told.
enum Look {
    /// What became of it, and a producer to go on with.
    Resolved(TransactionalProducer, Resolution),
    /// Another producer was made meanwhile.
    Fenced,
    /// The partition was let go, or only people can mend it, which was told.
    Ended,
}

impl Owner {
    /// The body of the thread.
    pub(super) fn run(
        self,
        found: Assignment,
        done: &SyncSender<TakenOver>,
        wake: &Thread,
        transactions: &Receiver<Arc<Transaction>>,
    ) {
        let taken = self.take_over(&found);
        let (told, owned) = match taken {
            Ok(Some(Taken { producer, progress, state })) => {
                (done.send(Ok(assignment(&found, &progress, state))), Some((producer, progress)))
            }
            Ok(None) => (Ok(()), None),
            Err(error) => (done.send(Err(error)), None),
        };
        wake.unpark();
        // A consumer that is gone needs no partition.
        let (Some((mut producer, mut before)), Ok(())) = (owned, told) else { return };
        while let Ok(transaction) = transactions.recv() {
            match self.write(producer, &mut before, &transaction) {
                Tenure::Goes(same_or_new) => producer = same_or_new,
                Tenure::Ended => return,
            }
        }
    }

    /// True once the partition was let go.
    pub(super) fn is_released(&self) -> bool {
        self.released.load(Ordering::Acquire)
    }

    /// Writes one transaction, as often as it takes. `before` is the progress that was written last.
    fn write(
        &self,
        mut producer: TransactionalProducer,
        before: &mut ProgressRecord,
        transaction: &Arc<Transaction>,
    ) -> Tenure {
        let progress = progress_record(&self.config, transaction);
        let mut pause = PAUSE_FIRST;
        while !self.is_released() {
            match producer.attempt(transaction, &progress) {
                Attempt::Committed { strained } => {
                    failpoint::pass(Failpoint::Committed);
                    *before = transaction.progress.clone();
                    self.tell(TransactionEvent::Committed(Arc::clone(transaction)));
                    return if strained { self.renew(producer, transaction) } else { Tenure::Goes(producer) };
                }
                Attempt::Refused(failures) => {
                    self.tell(TransactionEvent::Refused(Arc::clone(transaction), failures));
                    return Tenure::Goes(producer);
                }
                Attempt::Fenced => return self.end(transaction),
                Attempt::Impossible(error) => {
                    self.report(DeliveryEvent::Fatal(error));
                    return Tenure::Ended;
                }
                Attempt::Aborted(error) => {
                    tracing::info!(partition = %self.partition, %error, "a transaction was aborted; it is written again");
                    self.tell(TransactionEvent::Aborted(Arc::clone(transaction), error));
                }
                Attempt::Unknown(error) => {
                    tracing::warn!(partition = %self.partition, %error, "what became of a transaction is unknown; looking");
                    drop(producer);
                    producer = match self.look(before, transaction) {
                        Look::Resolved(new, Resolution::Committed) => {
                            *before = transaction.progress.clone();
                            self.tell(TransactionEvent::Committed(Arc::clone(transaction)));
                            return Tenure::Goes(new);
                        }
                        Look::Resolved(new, Resolution::Aborted) => {
                            self.tell(TransactionEvent::Aborted(Arc::clone(transaction), error));
                            new
                        }
                        Look::Resolved(_, Resolution::NotOurs) | Look::Fenced => return self.end(transaction),
                        Look::Ended => return Tenure::Ended,
                    };
                }
            }
            thread::park_timeout(pause);
            pause = PAUSE_MAX.min(pause * 2);
        }
        Tenure::Ended
    }

    /// Replaces a producer that is of no more use, and looks what became of its last transaction. The new one is the fence:
    /// the transaction is committed or aborted by then, and stays so.
    fn look(&self, before: &ProgressRecord, tried: &Transaction) -> Look {
        while !self.is_released() {
            match self.open_and_read() {
                Ok((producer, found)) => {
                    let resolution =
                        found.map_or(Resolution::NotOurs, |found| resolve(&found, before, &tried.progress));
                    tracing::info!(partition = %self.partition, ?resolution, "what became of a transaction is known");
                    return Look::Resolved(producer, resolution);
                }
                Err(NotOpened::Fenced) => return Look::Fenced,
                Err(NotOpened::Failed(error)) if error.is_transient() => {
                    tracing::warn!(partition = %self.partition, %error, "no new producer yet; trying again");
                    thread::park_timeout(PAUSE_MAX);
                }
                Err(NotOpened::Failed(error)) => {
                    self.report(DeliveryEvent::Fatal(error));
                    return Look::Ended;
                }
            }
        }
        Look::Ended
    }

    fn open_and_read(&self) -> Result<(TransactionalProducer, Option<ProgressRecord>), NotOpened> {
        let producer = TransactionalProducer::open(&self.config, &self.partition)?;
        let found = stored::read(&self.config, &self.partition).map_err(NotOpened::Failed)?;
        Ok((producer, found))
    }

    /// Replaces a producer of which a late request may still be on its way: a broker refuses it once the name has a newer
    /// epoch. Without this, it could end a later transaction (brokers of before KIP-890's second part). Another owner may
    /// have come between the two, and be fenced by this: what it wrote says so.
    fn renew(&self, old: TransactionalProducer, committed: &Arc<Transaction>) -> Tenure {
        drop(old);
        match self.look(&committed.progress, committed) {
            Look::Resolved(new, Resolution::Committed) => Tenure::Goes(new),
            Look::Resolved(_, Resolution::Aborted | Resolution::NotOurs) | Look::Fenced => self.end(committed),
            Look::Ended => Tenure::Ended,
        }
    }

    fn end(&self, transaction: &Arc<Transaction>) -> Tenure {
        tracing::warn!(partition = %self.partition, "another producer took the partition over");
        self.tell(TransactionEvent::Fenced(Arc::clone(transaction)));
        Tenure::Ended
    }

    fn tell(&self, event: TransactionEvent) {
        self.report(DeliveryEvent::Transaction(event));
    }

    pub(super) fn report(&self, event: DeliveryEvent) {
        if self.reports.blocking_send(event).is_err() {
            tracing::debug!("nobody receives reports of transactions any more");
        }
    }
}

/// The record that keeps the progress of a transaction.
pub(super) fn progress_record(config: &TransactionsConfig, transaction: &Transaction) -> OutputRecord {
    OutputRecord {
        topic: Arc::clone(&config.progress_topic),
        // librdkafka's way to say: now.
        timestamp_ms: 0,
        key: Some(Bytes::from(config.key(&transaction.partition).encode())),
        value: Some(Bytes::from(transaction.progress.encode())),
        headers: Vec::new(),
    }
}
