//! The thread of one owned shard: takes it over, then writes its transactions, one at a time, until it is let go.

use super::comeback::Held;
use super::producer::{Attempt, NotOpened, TransactionalProducer};
use super::takeover::{Arriving, Taken, assignments};
use super::{Order, Transaction, TransactionEvent, TransactionsConfig, stored};
use crate::delivery::DeliveryEvent;
use crate::failpoint::{self, Failpoint};
use bytes::Bytes;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::{OutputRecord, TopicPartition};
use millrace_flow::shard::Shard;
use millrace_flow::transactions::{Resolution, ShardProgress, resolve};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;

/// The pause before an attempt that follows an aborted one; it doubles from one to the next.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Who owns a shard.
pub(super) struct Owner {
    pub(super) config: TransactionsConfig,
    pub(super) shard: Shard,
    pub(super) reports: mpsc::Sender<DeliveryEvent>,
    /// Set once the shard was let go.
    pub(super) released: Arc<AtomicBool>,
}

/// Whether the shard is still ours after a transaction.
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
    /// The shard was let go, or only people can mend it, which was told.
    Ended,
}

impl Owner {
    /// The body of the thread.
    pub(super) fn run(self, arriving: Arriving, orders: &Receiver<Order>) {
        let (mut owned, mut next) = (None, Some(Order::GoOn(arriving)));
        while let Some(order) = next {
            owned = match (owned.take(), order) {
                (held, Order::GoOn(arriving)) => self.arrive(held, arriving),
                (Some(held), Order::Write(transaction)) => self.write_one(held, &transaction),
                (None, Order::Write(transaction)) => {
                    self.tell(TransactionEvent::Fenced(transaction));
                    None
                }
            };
            // Whoever has lost the shard ends, unless it has come back already.
            next = if owned.is_some() { orders.recv().ok() } else { orders.try_recv().ok() };
        }
    }

    /// Takes the shard over and tells so. None: it is not ours.
    fn arrive(&self, held: Option<Held>, arriving: Arriving) -> Option<Held> {
        let Arriving { stay, found, kept, done, wake } = arriving;
        let (told, owned) = match self.take_over(held, &found, kept) {
            Ok(Some(Taken { held, state })) => {
                (done.send(Ok(assignments(stay, &found, &held.progress, state))), Some(held))
            }
            Ok(None) => (Ok(()), None),
            Err(error) => (done.send(Err(error)), None),
        };
        // Whoever looks must see that nobody else will tell anything.
        drop(done);
        wake.unpark();
        // A consumer that is gone needs no partition.
        told.ok().and(owned)
    }

    fn write_one(&self, held: Held, transaction: &Arc<Transaction>) -> Option<Held> {
        let Held { producer, mut progress } = held;
        match self.write(producer, &mut progress, transaction) {
            Tenure::Goes(producer) => Some(Held { producer, progress }),
            Tenure::Ended => None,
        }
    }

    /// True once the shard was let go.
    pub(super) fn is_released(&self) -> bool {
        self.released.load(Ordering::Acquire)
    }

    /// Writes one transaction, as often as it takes. `before` is the progress of all partitions that was written last.
    fn write(
        &self,
        mut producer: TransactionalProducer,
        before: &mut ShardProgress,
        transaction: &Arc<Transaction>,
    ) -> Tenure {
        let progress = progress_records(&self.config, transaction);
        let mut pause = PAUSE_FIRST;
        while !self.is_released() {
            match producer.attempt(transaction, &progress) {
                Attempt::Committed { strained } => {
                    failpoint::pass(Failpoint::Committed);
                    before.extend(transaction.progress.clone());
                    self.tell(TransactionEvent::Committed(Arc::clone(transaction)));
                    return if strained { self.renew(producer, before, transaction) } else { Tenure::Goes(producer) };
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
                    tracing::info!(shard = %self.shard, %error, "a transaction was aborted; it is written again");
                    self.tell(TransactionEvent::Aborted(Arc::clone(transaction), error));
                }
                Attempt::Unknown(error) => {
                    tracing::warn!(shard = %self.shard, %error, "what became of a transaction is unknown; looking");
                    drop(producer);
                    producer = match self.look(before, transaction) {
                        Look::Resolved(new, Resolution::Committed) => {
                            before.extend(transaction.progress.clone());
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
    fn look(&self, before: &ShardProgress, tried: &Transaction) -> Look {
        while !self.is_released() {
            match self.open_and_read(before) {
                Ok((producer, found)) => {
                    let resolution = resolve(&found, before, &tried.progress);
                    tracing::info!(shard = %self.shard, ?resolution, "what became of a transaction is known");
                    return Look::Resolved(producer, resolution);
                }
                Err(NotOpened::Fenced) => return Look::Fenced,
                Err(NotOpened::Failed(error)) if error.is_transient() => {
                    tracing::warn!(shard = %self.shard, %error, "no new producer yet; trying again");
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

    fn open_and_read(&self, known: &ShardProgress) -> Result<(TransactionalProducer, ShardProgress), NotOpened> {
        let producer = TransactionalProducer::open(&self.config, &self.config.transactional_id(&self.shard))?;
        let found = stored::read(&self.config, known.keys()).map_err(NotOpened::Failed)?;
        Ok((producer, found))
    }

    /// Replaces a producer of which a late request may still be on its way: a broker refuses it once the name has a newer
    /// epoch. Without this, it could end a later transaction (brokers of before KIP-890's second part). Another owner may
    /// have come between the two, and be fenced by this: what it wrote says so.
    fn renew(&self, old: TransactionalProducer, progress: &ShardProgress, committed: &Arc<Transaction>) -> Tenure {
        drop(old);
        match self.look(progress, committed) {
            Look::Resolved(new, Resolution::Committed) => Tenure::Goes(new),
            Look::Resolved(_, Resolution::Aborted | Resolution::NotOurs) | Look::Fenced => self.end(committed),
            Look::Ended => Tenure::Ended,
        }
    }

    fn end(&self, transaction: &Arc<Transaction>) -> Tenure {
        tracing::warn!(shard = %self.shard, "another producer took the shard over");
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

/// The records that keep the progress of a transaction.
pub(super) fn progress_records(config: &TransactionsConfig, transaction: &Transaction) -> Vec<OutputRecord> {
    let record = |(partition, progress): (&TopicPartition, &ProgressRecord)| OutputRecord {
        topic: Arc::clone(&config.progress_topic),
        // librdkafka's way to say: now.
        timestamp_ms: 0,
        key: Some(Bytes::from(config.key(partition).encode())),
        value: Some(Bytes::from(progress.encode())),
        headers: Vec::new(),
    };
    transaction.progress.iter().map(record).collect()
}
