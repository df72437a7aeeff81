//! How far partitions are. Progress in at-least-once: what moved is committed behind its outputs, and again where that
//! failed.

use super::{Partition, RecordPath};
use crate::metrics::OldestOpen;
use millrace_flow::record::TopicPartition;
use millrace_kafka::commit::PartitionProgress;
use millrace_kafka::delivery::Unit;

impl RecordPath {
    /// What moved since the last call, as a unit without outputs. `only` narrows it to partitions that leave.
    pub fn progress(&mut self, only: Option<&[TopicPartition]>) -> Option<Unit> {
        let mut moved = Vec::new();
        for (name, partition) in &mut self.partitions {
            if only.is_some_and(|only| !only.contains(name)) {
                continue;
            }
            if let Some(progress) = partition.ledger.progress() {
                let progress = partition.name_versions(progress, &self.versions);
                partition.last_progress = Some(PartitionProgress {
                    partition: name.clone(),
                    offset: progress.prefix,
                    leader_epoch: None,
                    metadata: progress.encode(),
                });
            } else if !std::mem::take(&mut partition.uncommitted) {
                continue;
            }
            moved.extend(partition.last_progress.clone());
        }
        if moved.is_empty() {
            return None;
        }
        Some(Unit { serial: self.unit_serial(), outputs: Vec::new(), progress: moved })
    }

    /// This progress was not committed: it goes with the next one, or in what moved since.
    pub fn uncommitted(&mut self, progress: &[PartitionProgress]) {
        for refused in progress {
            if let Some(partition) = self.partitions.get_mut(&refused.partition) {
                partition.uncommitted = true;
            }
        }
    }

    /// The oldest record of each partition that was polled and is not settled.
    pub fn oldest_open(&mut self) -> Vec<OldestOpen> {
        let oldest = |(name, partition): (&TopicPartition, &mut Partition)| {
            let prefix = partition.ledger.prefix();
            while partition.admitted.front().is_some_and(|(offset, _)| *offset < prefix) {
                partition.admitted.pop_front();
            }
            let open = partition.admitted.front().map(|(_, timestamp_ms)| *timestamp_ms);
            let waiting = partition.backlog.front().map(|waiting| waiting.record.timestamp_ms);
            OldestOpen { partition: name.clone(), timestamp_ms: open.or(waiting) }
        };
        self.partitions.iter_mut().map(oldest).collect()
    }
}
