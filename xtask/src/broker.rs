//! Records as the demo and the benches feed them.

use millrace_bed::events::Change;
use millrace_bed::world::World;
use millrace_flow::record::OutputRecord;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The record of a change, as EventGate would write it.
pub(crate) fn record(topic: &Arc<str>, change: &Change<'_>, world: &World) -> OutputRecord {
    OutputRecord {
        topic: Arc::clone(topic),
        timestamp_ms: i64::try_from(now_ms()).unwrap_or(0),
        key: Some(change.key().into_bytes().into()),
        value: Some(change.event(world).into_bytes().into()),
        headers: Vec::new(),
    }
}

/// The machine's clock, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a tool, which tells events when they happened")]
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// A time as events write it.
pub(crate) fn iso(ms: u64) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(0)).unwrap_or_default();
    format!("{timestamp:.3}")
}
