//! Progress in at-least-once: what moved is committed behind its outputs, and again where that failed.

use super::RecordPath;
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
}
