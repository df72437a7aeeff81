//! The newest record of some keys of a compacted topic, found by reading all of it: for commands, which do so once.

use crate::config::ClusterConfig;
use crate::error::KafkaError;
use crate::range::{RangeReader, Step};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long one wait for a record takes.
const LOOK: Duration = Duration::from_millis(200);

/// The values of the newest committed records of each of `keys`: one of each partition that has one, because a key lies in
/// another partition once its topic has got more. A key without any, or whose newest is a tombstone, is absent.
///
/// # Errors
/// The topic does not exist, or the cluster does not answer for as long as `patience`.
pub fn newest_values(
    cluster: &ClusterConfig,
    topic: &str,
    keys: &BTreeSet<Bytes>,
    patience: Duration,
) -> Result<BTreeMap<Bytes, Vec<Bytes>>, KafkaError> {
    let mut range = RangeReader::open(cluster, topic, None)?;
    let mut newest = BTreeMap::new();
    let mut heard = Instant::now();
    loop {
        match range.next(LOOK)? {
            Step::End => break,
            Step::Record(record) => {
                heard = Instant::now();
                let Some(key) = record.key.filter(|key| keys.contains(key)) else { continue };
                match record.value {
                    Some(value) => drop(newest.insert((key, record.source.partition), value)),
                    None => drop(newest.remove(&(key, record.source.partition))),
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
    let mut values: BTreeMap<Bytes, Vec<Bytes>> = BTreeMap::new();
    for ((key, _partition), value) in newest {
        values.entry(key).or_default().push(value);
    }
    Ok(values)
}
