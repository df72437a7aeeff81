//! Where a partition ends for readers of committed records, once nothing is open any more of what was written before.
//!
//! Readers of committed records see nothing behind the first transaction that is open. So the open transaction of one
//! producer hides what others have committed behind it, and an end that is taken meanwhile is too early: it is waited for.

use crate::context::LogContext;
use crate::reader::ASK_TIMEOUT;
use crate::watermarks::watermarks;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError as Native;
use std::thread;
use std::time::{Duration, Instant};

/// The pause between two looks whether the transactions have ended.
const PAUSE: Duration = Duration::from_millis(20);

/// How long is waited for them: longer than a transaction of ours stays open that nobody ends.
pub(crate) const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// The oldest offset and the end of a partition once all that is written now is committed or aborted; none if that takes
/// longer than [`SETTLED_WITHIN`]. `committed` and `uncommitted` read with these isolation levels.
pub(crate) fn settled_marks(
    committed: &BaseConsumer<LogContext>,
    uncommitted: &BaseConsumer<LogContext>,
    topic: &str,
    partition: i32,
) -> Result<Option<(i64, i64)>, Native> {
    let (_, written) = watermarks(uncommitted, topic, partition, ASK_TIMEOUT)?;
    let deadline = Instant::now() + SETTLED_WITHIN;
    while Instant::now() < deadline {
        // For a reader of committed records, the end is the last stable offset.
        let (low, stable) = watermarks(committed, topic, partition, ASK_TIMEOUT)?;
        if stable >= written {
            return Ok(Some((low, stable)));
        }
        thread::park_timeout(PAUSE);
    }
    Ok(None)
}
