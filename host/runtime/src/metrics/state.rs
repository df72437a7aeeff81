//! State and timers of a pipeline: how much there is by partition, how far it is restored, what became of timers.

use super::{HostMetrics, PipelineMetrics, families, signed};
use millrace_flow::record::TopicPartition;
use prometheus::{IntCounter, IntGaugeVec};

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
    emitted: IntCounter,
    skipped: IntCounter,
    failed: IntCounter,
}

impl StateMetrics {
    pub(super) fn new(host: &HostMetrics, pipeline: &str) -> Self {
        let gauge = |family: &families::Family| host.gauges.get(family.name).cloned();
        let fired = |outcome| host.counter(&families::TIMERS_FIRED, &[pipeline, outcome]);
        Self {
            bytes: gauge(&families::STATE_BYTES),
            keys: gauge(&families::STATE_KEYS),
            remaining: gauge(&families::STATE_RESTORE_REMAINING),
            emitted: fired("emitted"),
            skipped: fired("skipped"),
            failed: fired("failed"),
        }
    }
}

impl PipelineMetrics {
    /// How much state a partition has.
    pub fn state(&self, partition: &TopicPartition, bytes: usize, keys: usize) {
        for (gauge, value) in [(&self.state.bytes, bytes), (&self.state.keys, keys)] {
            if let Some(gauge) = gauge {
                gauge.with_label_values(&self.labels(partition)).set(signed(value));
            }
        }
    }

    /// How much of a partition's state is still to be restored.
    pub fn state_remaining(&self, partition: &TopicPartition, records: u64) {
        if let Some(gauge) = &self.state.remaining {
            gauge.with_label_values(&self.labels(partition)).set(i64::try_from(records).unwrap_or(i64::MAX));
        }
    }

    /// A partition is no longer ours.
    pub fn state_gone(&self, partition: &TopicPartition) {
        for gauge in [&self.state.bytes, &self.state.keys, &self.state.remaining].into_iter().flatten() {
            // Where there is no state, there is no series.
            drop(gauge.remove_label_values(&self.labels(partition)));
        }
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
