//! Restores the state of a shard: its partition of the changelog, from the oldest record to the last committed one,
//! folded into a store. Only the owner does that, behind the fence: before it, the former owner may still write.

use super::writer::Owner;
use super::{ChangelogConfig, Restoring};
use crate::context::LogContext;
use crate::delivery::DeliveryEvent;
use crate::eof::{EarlyEnds, Span};
use crate::error::KafkaError;
use crate::reader::{Isolation, partitions, reading_to_the_end};
use crate::settled::{SETTLED_WITHIN, settled_marks};
use millrace_flow::state::StateStore;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as Native;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{Message as _, TopicPartitionList};
use std::time::{Duration, Instant};

/// How long nothing may come before the take-over fails: longer than a broker takes to come back, and shorter than people
/// take to wonder.
const STANDSTILL_MAX: Duration = Duration::from_secs(300);

/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// How often it is said in the log.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

impl Owner {
    /// The state of the shard as it was committed last; none where the pipeline has no state, and half of it where the
    /// shard was let go meanwhile.
    ///
    /// # Errors
    /// The changelog cannot be read, has no such partition, or holds what a newer release or somebody else wrote.
    pub(super) fn restore(&self) -> Result<Option<Box<StateStore>>, KafkaError> {
        let Some(changelog) = &self.config.state else { return Ok(None) };
        let failed = |error: Native| KafkaError::native(self.restoring_from(changelog), &error);
        let open = |isolation| reading_to_the_end(self.config.cluster(), "millrace-state", isolation)?.map_err(failed);
        let (client, uncommitted) = (open(Isolation::ReadCommitted)?, open(Isolation::ReadUncommitted)?);
        let (topic, number) = (&*changelog.topic, self.shard.number());
        let found = partitions(&client, topic)?.len();
        if usize::try_from(number).is_ok_and(|number| number >= found) {
            return Err(KafkaError::Other {
                what: self.restoring_from(changelog),
                message: format!(
                    "the topic {topic} has {found} partitions, and those that are read have more: keys have moved between \
                     partitions, and their state has not. Begin with a new pipeline, or a new input topic that is written \
                     anew"
                ),
            });
        }
        // Nothing of ours is open, but what another producer has open would hide what we have committed.
        let marks = settled_marks(&client, &uncommitted, topic, number).map_err(failed)?;
        let (low, high) = marks.ok_or_else(|| KafkaError::Transport {
            what: self.restoring_from(changelog),
            message: format!("a transaction has been open in it for {} s", SETTLED_WITHIN.as_secs()),
        })?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, number, Offset::Offset(low)).map_err(failed)?;
        let mut restore = Restore::new(self, changelog, high);
        if low < high {
            client.assign(&list).map_err(failed)?;
            restore.read(&client, low)?;
        }
        Ok(Some(Box::new(restore.done())))
    }

    /// Tells how much is still to be read.
    pub(super) fn restoring(&self, remaining: u64) {
        self.report(DeliveryEvent::Restoring(Restoring { shard: self.shard.clone(), remaining }));
    }

    fn restoring_from(&self, changelog: &ChangelogConfig) -> String {
        format!("restoring the state of {} from topic {:?}", self.shard, changelog.topic)
    }
}

/// A store that is being restored.
struct Restore<'a> {
    owner: &'a Owner,
    changelog: &'a ChangelogConfig,
    store: StateStore,
    /// The offset behind the last record.
    end: i64,
    records: u64,
    began: Instant,
    /// When something came last.
    came: Instant,
    told: Instant,
    logged: Instant,
}

impl<'a> Restore<'a> {
    fn new(owner: &'a Owner, changelog: &'a ChangelogConfig, end: i64) -> Self {
        let now = Instant::now();
        let store = StateStore::new(changelog.bytes_max);
        Self { owner, changelog, store, end, records: 0, began: now, came: now, told: now, logged: now }
    }

    /// Reads from offset `begin` to the end.
    fn read(&mut self, client: &BaseConsumer<LogContext>, begin: i64) -> Result<(), KafkaError> {
        let (mut next, mut ends) = (begin, EarlyEnds::default());
        let (topic, partition, end) = (&*self.changelog.topic, self.owner.shard.number(), self.end);
        let span = Span { topic, partition, begin, end };
        while next < self.end && !self.owner.is_released() {
            self.tell(next);
            match client.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    next = message.offset() + 1;
                    self.came = Instant::now();
                    self.take(&message)?;
                }
                Some(Err(Native::PartitionEOF(_))) if !ends.is_real(client, span)? => {}
                Some(Err(Native::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) if error.rdkafka_error_code().is_some_and(crate::error::is_transport) => {}
                Some(Err(error)) => return Err(KafkaError::native(self.what(), &error)),
                None => {}
            }
            if self.came.elapsed() >= STANDSTILL_MAX {
                let minutes = STANDSTILL_MAX.as_secs() / 60;
                let message = format!(
                    "nothing came for {minutes} minutes, and {} of its offsets are still to be read; look after the \
                     brokers that have this topic",
                    self.end - next
                );
                return Err(KafkaError::Other { what: self.what(), message });
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) -> Result<(), KafkaError> {
        let restored = self.store.restore(message.key().unwrap_or_default(), message.payload());
        self.records += 1;
        restored.map_err(|error| KafkaError::Other {
            what: format!("{} at offset {}", self.what(), message.offset()),
            message: error.to_string(),
        })
    }

    fn what(&self) -> String {
        self.owner.restoring_from(self.changelog)
    }

    fn tell(&mut self, next: i64) {
        let now = Instant::now();
        let remaining = u64::try_from(self.end - next).unwrap_or(0);
        if now.duration_since(self.told) >= TOLD_EVERY {
            self.told = now;
            self.owner.restoring(remaining);
        }
        if now.duration_since(self.logged) >= LOGGED_EVERY {
            self.logged = now;
            tracing::info!(shard = %self.owner.shard, records = self.records, remaining, "state is being restored");
        }
    }

    fn done(self) -> StateStore {
        self.owner.restoring(0);
        tracing::info!(
            shard = %self.owner.shard,
            topic = %self.changelog.topic,
            records = self.records,
            keys = self.store.keys(),
            bytes = self.store.bytes(),
            seconds = self.began.elapsed().as_secs_f64(),
            "state restored"
        );
        self.store
    }
}
