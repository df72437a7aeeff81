//! The newest record of some keys of a compacted topic, found by reading all of it: for commands, which do so once.

use crate::config::ClusterConfig;
use crate::error::KafkaError;
use crate::range::{RangeReader, Step};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long one wait for a record takes.
const LOOK: Duration = Duration::from_millis(200);

/// The value of the newest committed record of each of `keys`; a key without one, or whose newest is a tombstone, is
/// absent. Equal keys lie in one partition, so the newest is the one with the greatest offset.
///
/// # Errors
/// The topic does not exist, or the cluster does not answer for as long as `patience`.
pub fn newest_values(
    cluster: &ClusterConfig,
    topic: &str,
    keys: &BTreeSet<Bytes>,
    patience: Duration,
) -> Result<BTreeMap<Bytes, Bytes>, KafkaError> {
    let mut range = RangeReader::open(cluster, topic, None)?;
    let mut newest = BTreeMap::new();
    let mut heard = Instant::now();
    loop {
        match range.next(LOOK)? {
            Step::End => return Ok(newest),
            Step::Record(record) => {
                heard = Instant::now();
                match (record.key.filter(|key| keys.contains(key)), record.value) {
                    (Some(key), Some(value)) => drop(newest.insert(key, value)),
                    (Some(key), None) => drop(newest.remove(&key)),
                    (None, _) => {}
                }
            }
            Step::Nothing if heard.elapsed() >= patience => {
                let what = format!("reading topic {topic:?} to its end");
                let message = format!("nothing came for {} s", patience.as_secs());
                return Err(KafkaError::Transport { what, message });
            }
            Step::Nothing => {}
        }
    }
}
