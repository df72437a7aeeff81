//! How far the reading of each partition is: behind its end in records, behind now in seconds, and how long what is not
//! settled yet will still be there.

use super::{HostMetrics, PipelineMetrics, families};
use millrace_flow::record::TopicPartition;
use millrace_kafka::statistics::ClientStatistics;
use prometheus::{IntCounter, IntGaugeVec};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The oldest record of a partition that was polled and is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldestOpen {
    /// The partition.
    pub partition: TopicPartition,
    /// The record's timestamp. None: everything that was polled is settled.
    pub timestamp_ms: Option<i64>,
}

/// The gauges that have a series for each partition.
#[derive(Debug)]
pub(super) struct ByPartition {
    pub(super) lag_records: Option<IntGaugeVec>,
    pub(super) lag_seconds: Option<IntGaugeVec>,
    headroom: Option<IntGaugeVec>,
    /// How long the topics keep records, in milliseconds; those that keep them for ever are not in it.
    pub(super) retention_ms: Mutex<BTreeMap<String, i64>>,
    /// The partitions that have seconds, with the timestamps of their oldest open records.
    pub(super) shown: Mutex<BTreeMap<TopicPartition, Option<i64>>>,
    /// The same of a pipeline that has stopped: what was open then is open still.
    pub(super) stopped: Mutex<BTreeMap<TopicPartition, i64>>,
}

impl ByPartition {
    pub(super) fn new(host: &HostMetrics) -> Self {
        let gauge = |family: &families::Family| host.gauges.get(family.name).cloned();
        Self {
            lag_records: gauge(&families::LAG),
            lag_seconds: gauge(&families::LAG_SECONDS),
            headroom: gauge(&families::RETENTION_HEADROOM),
            retention_ms: Mutex::default(),
            shown: Mutex::default(),
            stopped: Mutex::default(),
        }
    }
}

impl PipelineMetrics {
    /// How long the topics that are read keep records, in milliseconds, by topic.
    pub fn retentions(&self, retention_ms: BTreeMap<String, i64>) {
        *locked(&self.by_partition.retention_ms) = retention_ms;
    }

    /// How old what is open is. Partitions that are not in `oldest` are no longer ours.
    pub fn oldest_open(&self, oldest: &[OldestOpen], now_ms: u64) {
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let retention_ms = locked(&self.by_partition.retention_ms);
        let mut shown = locked(&self.by_partition.shown);
        let ours: BTreeMap<TopicPartition, Option<i64>> =
            oldest.iter().map(|oldest| (oldest.partition.clone(), oldest.timestamp_ms)).collect();
        locked(&self.by_partition.stopped).clear();
        for gone in shown.keys().filter(|partition| !ours.contains_key(partition)) {
            for gauge in [&self.by_partition.lag_seconds, &self.by_partition.headroom].into_iter().flatten() {
                // A topic that keeps records for ever has no headroom.
                drop(gauge.remove_label_values(&self.labels(gone)));
            }
        }
        *shown = ours;
        for OldestOpen { partition, timestamp_ms } in oldest {
            let age_ms = timestamp_ms.map_or(0, |timestamp_ms| now_ms.saturating_sub(timestamp_ms).max(0));
            if let Some(gauge) = &self.by_partition.lag_seconds {
                gauge.with_label_values(&self.labels(partition)).set(age_ms / 1_000);
            }
            self.headroom(partition, &retention_ms, age_ms);
        }
    }

    pub(super) fn headroom(&self, partition: &TopicPartition, retention_ms: &BTreeMap<String, i64>, age_ms: i64) {
        if let (Some(gauge), Some(kept_ms)) = (&self.by_partition.headroom, retention_ms.get(&*partition.topic)) {
            gauge.with_label_values(&self.labels(partition)).set(kept_ms.saturating_sub(age_ms) / 1_000);
        }
    }

    pub(super) fn labels(&self, source: &TopicPartition) -> [String; 3] {
        [self.name.clone(), source.topic.to_string(), source.partition.to_string()]
    }

    /// What the consumer counts: totals since it was made, which begin at zero again with a new one.
    pub fn consumer(&self, now: &ClientStatistics) {
        let mut before = locked(&self.consumer_before);
        // Looked at with every commit, and new only every few seconds.
        if *before == *now {
            return;
        }
        let grown = |counter: &IntCounter, before: u64, now: u64| {
            counter.inc_by(if now >= before { now - before } else { now });
        };
        grown(&self.fetched_bytes, before.fetched_bytes, now.fetched_bytes);
        grown(&self.fetched_records, before.fetched_records, now.fetched_records);
        grown(&self.rebalances, before.rebalances, now.rebalances);
        if let Some(lag) = &self.by_partition.lag_records {
            let kept = |source| now.partitions.iter().any(|partition| partition.partition == source);
            for gone in before.partitions.iter().filter(|gone| !kept(gone.partition.clone())) {
                // A partition whose lag was never known has no series.
                drop(lag.remove_label_values(&self.labels(&gone.partition)));
            }
            for partition in &now.partitions {
                if let Some(records) = partition.lag {
                    let records = i64::try_from(records).unwrap_or(i64::MAX);
                    lag.with_label_values(&self.labels(&partition.partition)).set(records);
                }
            }
        }
        *before = now.clone();
    }
}

pub(super) fn locked<T>(books: &Mutex<T>) -> MutexGuard<'_, T> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}
