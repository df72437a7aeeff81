//! The changelog: the records of a compacted topic that hold a store, one for each value and timer. The partition of the
//! topic is that of the store; a record without value says that its entry is gone.
//!
//! Numbers are big-endian. A key is: version, kind (1: value, 2: timer), length of the event's key (4 bytes), that key,
//! and then for a value the length of its store's name (1 byte), the store and the name, for a timer the clock (1: event
//! time, 2: wall) and the name. A value is: version, and then the bytes that are kept, or when the timer is due (8 bytes).
//! A key must always be written in the same way: compaction and tombstones go by its bytes.

use super::changes::StateChange;
use super::timers::TimerClock;
use crate::record::OutputRecord;
use bytes::Bytes;
use std::sync::Arc;

/// The version of keys and values that is written.
const VERSION: u8 = 1;

const KIND_VALUE: u8 = 1;
const KIND_TIMER: u8 = 2;
const CLOCK_EVENT_TIME: u8 = 1;
const CLOCK_WALL: u8 = 2;

/// A record of the changelog that is none of ours, or of a release to come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangelogError {
    /// A newer release wrote it.
    #[error(
        "the changelog has a record of version {found}, and this host knows {VERSION}; run the newer Millrace that wrote it"
    )]
    Newer {
        /// Its version.
        found: u8,
    },
    /// Nobody wrote this.
    #[error("the changelog has a record that no Millrace wrote ({what}); is another program writing to its topic?")]
    Garbage {
        /// What is wrong with it.
        what: &'static str,
    },
}

/// One record of a changelog.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangelogRecord {
    /// Names the entry.
    pub key: Bytes,
    /// What is kept; none: nothing any more.
    pub value: Option<Bytes>,
}

impl ChangelogRecord {
    /// The record that says this of `key`.
    pub(super) fn of(key: &Bytes, change: &StateChange) -> Self {
        match change {
            StateChange::Put { store, name, value } => {
                let kept = [&[VERSION], value.as_ref()].concat();
                Self { key: value_key(key, store, name), value: Some(kept.into()) }
            }
            StateChange::Delete { store, name } => Self { key: value_key(key, store, name), value: None },
            StateChange::SetTimer { name, clock, due_ms } => {
                let kept = [&[VERSION], due_ms.to_be_bytes().as_slice()].concat();
                Self { key: timer_key(key, *clock, name), value: Some(kept.into()) }
            }
            StateChange::ClearTimer { name, clock } => Self { key: timer_key(key, *clock, name), value: None },
        }
    }

    /// The same on its way to Kafka. The partition is the store's number, whatever the key hashes to.
    pub fn into_output(self, topic: &Arc<str>, timestamp_ms: i64) -> OutputRecord {
        let Self { key, value } = self;
        OutputRecord { topic: Arc::clone(topic), timestamp_ms, key: Some(key), value, headers: Vec::new() }
    }

    /// Reads a record: the event's key, and what it says of that.
    pub(super) fn read(key: &[u8], value: Option<&[u8]>) -> Result<(Bytes, StateChange), ChangelogError> {
        let mut rest = versioned(key)?;
        let kind = take_number::<1>(&mut rest, "its key ends after the version")?;
        let length = take_number::<4>(&mut rest, "its key ends in a length")?;
        let key = Bytes::copy_from_slice(take(&mut rest, length, "its key ends within the event's key")?);
        match u8::try_from(kind) {
            Ok(KIND_VALUE) => {
                let length = take_number::<1>(&mut rest, "its key ends before the store")?;
                let store = text(take(&mut rest, length, "its key ends within the store")?)?;
                let name = text(rest)?;
                let change = match value.map(versioned).transpose()? {
                    Some(value) => StateChange::Put { store, name, value: Bytes::copy_from_slice(value) },
                    None => StateChange::Delete { store, name },
                };
                Ok((key, change))
            }
            Ok(KIND_TIMER) => {
                let clock = match u8::try_from(take_number::<1>(&mut rest, "its key ends before the clock")?) {
                    Ok(CLOCK_EVENT_TIME) => TimerClock::EventTime,
                    Ok(CLOCK_WALL) => TimerClock::Wall,
                    _ => return Err(ChangelogError::Garbage { what: "its clock is neither 1 nor 2" }),
                };
                let name = text(rest)?;
                let change = match value.map(versioned).transpose()? {
                    Some(due) => {
                        let due: [u8; 8] =
                            due.try_into().map_err(|_| ChangelogError::Garbage { what: "its time is not 8 bytes" })?;
                        StateChange::SetTimer { name, clock, due_ms: u64::from_be_bytes(due) }
                    }
                    None => StateChange::ClearTimer { name, clock },
                };
                Ok((key, change))
            }
            _ => Err(ChangelogError::Garbage { what: "its kind is neither 1 nor 2" }),
        }
    }
}

fn value_key(key: &[u8], store: &str, name: &str) -> Bytes {
    let mut bytes = begin_key(KIND_VALUE, key, 1 + store.len() + name.len());
    // `describe` is refused where the name of a store has more than 64 bytes.
    bytes.push(u8::try_from(store.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(store.as_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.into()
}

fn timer_key(key: &[u8], clock: TimerClock, name: &str) -> Bytes {
    let mut bytes = begin_key(KIND_TIMER, key, 1 + name.len());
    bytes.push(match clock {
        TimerClock::EventTime => CLOCK_EVENT_TIME,
        TimerClock::Wall => CLOCK_WALL,
    });
    bytes.extend_from_slice(name.as_bytes());
    bytes.into()
}

fn begin_key(kind: u8, key: &[u8], more: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(6 + key.len() + more);
    bytes.extend([VERSION, kind]);
    // Bounded by `KEY_BYTES_MAX` when it was written to.
    bytes.extend(u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(key);
    bytes
}

/// What follows the version.
fn versioned(bytes: &[u8]) -> Result<&[u8], ChangelogError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((&found, _)) if found > VERSION => Err(ChangelogError::Newer { found }),
        _ => Err(ChangelogError::Garbage { what: "it has no version" }),
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize, what: &'static str) -> Result<&'a [u8], ChangelogError> {
    let (taken, behind) = rest.split_at_checked(length).ok_or(ChangelogError::Garbage { what })?;
    *rest = behind;
    Ok(taken)
}

/// A number of `N` bytes, 4 at most.
fn take_number<const N: usize>(rest: &mut &[u8], what: &'static str) -> Result<usize, ChangelogError> {
    let digits = take(rest, N, what)?;
    Ok(digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit)))
}

fn text(bytes: &[u8]) -> Result<Arc<str>, ChangelogError> {
    std::str::from_utf8(bytes).map(Arc::from).map_err(|_| ChangelogError::Garbage { what: "a name is not UTF-8" })
}
