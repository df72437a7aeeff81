//! What the gauges of a pipeline show that has stopped: what it holds, which is nothing. Its topics go on forgetting all the
//! same what it had not settled.

use super::source::locked;
use super::{Failing, HostMetrics, PipelineMetrics, Running};

impl HostMetrics {
    /// A pipeline has stopped: its gauges show what it holds, which is nothing.
    pub fn pipeline_stopped(&self, name: &str, now_ms: u64) {
        self.pipeline_up(name, Running::No);
        self.pipeline_drained(name, false);
        let pipelines = locked(&self.pipelines);
        if let Some(pipeline) = pipelines.get(name) {
            pipeline.stopped(now_ms);
        }
    }

    /// Looks again how long topics still keep what stopped pipelines had not settled.
    pub(super) fn observe_stopped(&self, now_ms: u64) {
        let pipelines = locked(&self.pipelines);
        pipelines.values().for_each(|pipeline| pipeline.observe_stopped(i64::try_from(now_ms).unwrap_or(i64::MAX)));
    }
}

impl PipelineMetrics {
    /// The pipeline has stopped, and holds nothing any more.
    fn stopped(&self, now_ms: u64) {
        self.gauges(0, 0, 0, 0);
        self.held(0);
        self.versions(0);
        self.failing(Failing::No);
        self.no_state();
        self.reads_nothing(i64::try_from(now_ms).unwrap_or(i64::MAX));
    }

    /// The pipeline has stopped: it reads nothing, so nothing is behind. Topics go on forgetting what it had not settled.
    fn reads_nothing(&self, now_ms: i64) {
        let shown = locked(&self.by_partition.shown);
        let mut stopped = locked(&self.by_partition.stopped);
        for (partition, oldest_ms) in &*shown {
            // What comes from now on is not settled either. Where it has not run since it stopped before, this is known.
            stopped.entry(partition.clone()).or_insert(oldest_ms.unwrap_or(now_ms));
        }
        if let Some(lag) = &self.by_partition.lag_seconds {
            shown.keys().for_each(|partition| drop(lag.remove_label_values(&self.labels(partition))));
        }
        let before = std::mem::take(&mut locked(&self.consumer_before).partitions);
        if let Some(lag) = &self.by_partition.lag_records {
            // A partition whose lag was never known has no series.
            before.iter().for_each(|gone| drop(lag.remove_label_values(&self.labels(&gone.partition))));
        }
    }

    /// How long the topics of a stopped pipeline still keep what it had not settled.
    fn observe_stopped(&self, now_ms: i64) {
        let retention_ms = locked(&self.by_partition.retention_ms);
        for (partition, oldest_ms) in &*locked(&self.by_partition.stopped) {
            self.headroom(partition, &retention_ms, now_ms.saturating_sub(*oldest_ms).max(0));
        }
    }
}
