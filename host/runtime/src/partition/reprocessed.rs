//! Events that come back: records of the pipeline's reprocess topic, which are admitted as the records that they once were.
//! Their offsets there are what the ledger counts and progress names.

use super::RecordPath;
use millrace_flow::record::Record;
use millrace_platform::{Restored, restore};
use std::sync::Arc;

/// The topic through which `millrace reprocess` gives failed events back.
#[derive(Clone, Debug)]
pub struct ReprocessTopic {
    /// Its name.
    pub topic: Arc<str>,
    /// The id of the cluster that the pipeline reads.
    pub cluster_id: String,
}

/// The record that is to be run: that of an event that comes back, else the one that was read. One in the reprocess topic
/// that nobody gave back stays what it is, and fails because it belongs to no input.
pub(super) fn to_run(record: Record, reprocess: Option<&ReprocessTopic>) -> Restored {
    match reprocess.filter(|reprocess| *reprocess.topic == *record.source.topic) {
        Some(reprocess) => restore(record, &reprocess.cluster_id),
        None => Restored { record, reprocessed: 0 },
    }
}

impl RecordPath {
    /// The same path, with a topic through which failed events come back.
    #[must_use]
    pub fn with_reprocess(mut self, reprocess: Option<ReprocessTopic>) -> Self {
        self.reprocess = reprocess;
        self
    }
}
