//! The end of a partition as librdkafka tells of it, and whether it is the end that is looked for.
//!
//! Control records take offsets and are never handed out, so the record that was read last need not lie right before the
//! end: librdkafka's word is needed. But it only repeats what the broker says that it has asked, and a leader that has just
//! become one may say less than its predecessor until it knows how far the others are (KIP-207). Believing that would leave
//! out what is committed. So an end that comes too early is believed only when the leader, asked again, says that there is
//! more and yet hands out nothing: then compaction has taken what was there, and left a batch that is empty.

use crate::context::LogContext;
use crate::error::KafkaError;
use crate::raw;
use crate::reader::ASK_TIMEOUT;
use crate::watermarks::watermarks;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as Native;
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;

/// A span of a partition that is read: from its first offset to the one behind its last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) begin: i64,
    pub(crate) end: i64,
}

/// The ends that a client was told of too early, by partition: where it stood then.
#[derive(Debug, Default)]
pub(crate) struct EarlyEnds(BTreeMap<i32, i64>);

impl EarlyEnds {
    /// librdkafka says that the partition of `span` ends. True: all of it was handed out. False: it is read again from where
    /// reading stands.
    ///
    /// # Errors
    /// The leader does not answer, or says that the partition is shorter than it was.
    pub(crate) fn is_real(&mut self, client: &BaseConsumer<LogContext>, span: Span<'_>) -> Result<bool, KafkaError> {
        let Span { topic, partition, begin, end } = span;
        let what = || format!("reading {topic}/{partition} to its end");
        let failed = |error: Native| KafkaError::native(what(), &error);
        let told = self.0.get(&partition).copied();
        // After a seek there may be none until something is handed out.
        let next = position(client, topic, partition).map_err(failed)?.or(told).unwrap_or(begin);
        if next >= end || told == Some(next) {
            return Ok(true);
        }
        let (_, now) = watermarks(client, topic, partition, ASK_TIMEOUT).map_err(failed)?;
        if now < end {
            let message = format!("it ends at offset {now} and ended at {end} before; its leader has changed");
            return Err(KafkaError::Transport { what: what(), message });
        }
        self.0.insert(partition, next);
        tracing::info!(topic, partition, next, end, "a partition seems to end before its end; reading on");
        client.seek(topic, partition, Offset::Offset(next), ASK_TIMEOUT).map_err(failed)?;
        Ok(false)
    }
}

/// The offset behind what was handed out last, control records counted; none where nothing was yet.
fn position(client: &BaseConsumer<LogContext>, topic: &str, partition: i32) -> Result<Option<i64>, Native> {
    let entries = raw::entries(&client.position()?);
    let entry = entries.into_iter().find(|entry| entry.topic == topic && entry.partition == partition);
    Ok(entry.map(|entry| entry.offset).filter(|offset| *offset >= 0))
}
