//! State: what plugins keep per key, and the timers that they set. This is the store of one partition number of one
//! pipeline; topics, transactions and restoring are the caller's business.
//!
//! An event runs with the [`KeyState`] of its key, which shows what is kept and takes writes on top of it. When the event
//! ends well the writes become [`StateChanges`], which are applied to the [`StateStore`] at once and written to the
//! changelog in the transaction of the event's results. Else they are dropped with the `KeyState`.
//!
//! Changes are applied before they are committed. That is right because only one event of a key is in flight, so the next
//! one must see them, and because whoever cannot commit gives the partition up, and its store with it: the next owner
//! restores what was committed. A store that holds nothing but what was committed may be kept by whoever gets the partition
//! back.
//!
//! In reading order: [`KeyState`], [`StateChanges`], [`StateStore`], [`DueTimer`], [`EventTime`] and [`ShardTime`], then
//! the changelog ([`ChangelogRecord`]).

mod changelog;
mod changes;
mod entries;
mod key_state;
mod shard_time;
mod store;
mod timers;

pub use changelog::{ChangelogError, ChangelogRecord};
pub use changes::{StateChange, StateChanges};
pub use key_state::{BrokenBound, KeyState};
pub use shard_time::{QUIET_AFTER_MS, ShardTime};
pub use store::{StateFull, StateStore};
pub use timers::{DueTimer, EventTime, TimerClock};

/// Bytes of a key that has state. Keys of events are some hundred bytes of JSON.
pub const KEY_BYTES_MAX: usize = 16 << 10;

/// Bytes of the name of an entry or of a timer: a page's title fits four times.
pub const NAME_BYTES_MAX: usize = 1 << 10;

/// Bytes of one value. With the longest key, store and name it still fits into a record of 1 MiB, which is what topics
/// take where nobody set anything (`message.max.bytes`).
pub const VALUE_BYTES_MAX: usize = 1_000_000;

/// Values and timers of one key, together. An event runs with all of them, so a key is for what belongs to one thing.
pub const ENTRIES_MAX: usize = 4_096;

/// Bytes of all writes of one event: what one transaction takes without waiting for its interval.
pub const WRITES_BYTES_MAX: usize = 8 << 20;

/// What a key weighs in the store beside its bytes: its place in the table of keys.
pub const KEY_OVERHEAD_BYTES: usize = 192;

/// What a value or a timer weighs in the store beside its bytes: its place in its key, and among the timers.
pub const ENTRY_OVERHEAD_BYTES: usize = 128;
