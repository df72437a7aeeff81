//! State and timers of a pipeline: how much there is by partition, how far it is restored, what became of timers.

use super::{HostMetrics, PipelineMetrics, families, signed};
use millrace_flow::record::TopicPartition;
use prometheus::{Histogram, IntCounter, IntGaugeVec};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What became of a timer that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fired {
    /// So many outputs.
    Emitted(usize),
    /// The plugin had nothing to say.
    Skipped,
    /// An error event.
    Failed,
}

/// The handles of one pipeline.
#[derive(Debug)]
pub(super) struct StateMetrics {
    bytes: Option<IntGaugeVec>,
    keys: Option<IntGaugeVec>,
    remaining: Option<IntGaugeVec>,
    /// The partitions that have series.
    shown: Mutex<BTreeSet<TopicPartition>>,
    emitted: IntCounter,
    skipped: IntCounter,
    failed: IntCounter,
    rebalance_pause: Histogram,
}

impl StateMetrics {
    pub(super) fn new(host: &HostMetrics, pipeline: &str) -> Self {
        let gauge = |family: &families::Family| host.gauges.get(family.name).cloned();
        let fired = |outcome| host.counter(&families::TIMERS_FIRED, &[pipeline, outcome]);
        Self {
            bytes: gauge(&families::STATE_BYTES),
            keys: gauge(&families::STATE_KEYS),
            remaining: gauge(&families::STATE_RESTORE_REMAINING),
            shown: Mutex::default(),
            emitted: fired("emitted"),
            skipped: fired("skipped"),
            failed: fired("failed"),
            rebalance_pause: host.histogram(&families::REBALANCE_PAUSE, &[pipeline]),
        }
    }
}

impl PipelineMetrics {
    /// How much state a partition has.
    pub fn state(&self, partition: &TopicPartition, bytes: usize, keys: usize) {
        self.show(&self.state.bytes, partition, signed(bytes));
        self.show(&self.state.keys, partition, signed(keys));
    }

    /// How much of a partition's state is still to be restored.
    pub fn state_remaining(&self, partition: &TopicPartition, records: u64) {
        self.show(&self.state.remaining, partition, i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// The pipeline begins or ends: no partition is ours.
    pub fn no_state(&self) {
        let shown = std::mem::take(&mut *self.state.shown.lock().unwrap_or_else(PoisonError::into_inner));
        shown.iter().for_each(|partition| self.state_gone(partition));
    }

    /// A partition is no longer ours.
    pub fn state_gone(&self, partition: &TopicPartition) {
        self.state.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(partition);
        for gauge in [&self.state.bytes, &self.state.keys, &self.state.remaining].into_iter().flatten() {
            // Where there is no state, there is no series.
            drop(gauge.remove_label_values(&self.labels(partition)));
        }
    }

    fn show(&self, gauge: &Option<IntGaugeVec>, partition: &TopicPartition, value: i64) {
        let Some(gauge) = gauge else { return };
        gauge.with_label_values(&self.labels(partition)).set(value);
        self.state.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(partition.clone());
    }

    /// All partitions were taken away, and those that came back stood still for so long.
    pub fn rebalance_paused(&self, pause: Duration) {
        self.state.rebalance_pause.observe(pause.as_secs_f64());
    }

    /// A timer fired.
    pub fn timer_fired(&self, fired: Fired) {
        match fired {
            Fired::Emitted(outputs) => {
                self.state.emitted.inc();
                self.outputs.inc_by(u64::try_from(outputs).unwrap_or(u64::MAX));
            }
            Fired::Skipped => self.state.skipped.inc(),
            Fired::Failed => self.state.failed.inc(),
        }
    }
}
