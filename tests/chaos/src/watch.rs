//! Looks again and again at what the group has committed, while everything else goes wrong.

use crate::evidence::Commit;
use crate::journal::now_ms;
use millrace_flow::progress::Progress;
use millrace_kafka::config::ClusterConfig;
use millrace_kafka::reader::GroupReader;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two looks: several in every commit interval.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// How long one look may take; while the broker is away there is none.
const LOOK_MAX: Duration = Duration::from_millis(1_000);

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: Mutex<Vec<Commit>>,
    over: AtomicBool,
}

impl Watch {
    /// Looks until [`Watch::end`].
    ///
    /// # Errors
    /// No client can be made, or what is committed is no progress.
    pub(crate) fn run(&self, cluster: &ClusterConfig, group: &str, topic: &str) -> anyhow::Result<()> {
        let reader = GroupReader::open(cluster, group, topic)?;
        while !self.over.load(Ordering::Relaxed) {
            // A broker that is away answers nothing; what it says afterwards is what counts.
            if let Ok(committed) = reader.committed(LOOK_MAX) {
                let mut progress = BTreeMap::new();
                for (partition, committed) in committed {
                    if let Some(offset) = committed.offset {
                        let committed = Progress::decode(offset, &committed.metadata)?;
                        progress.insert(partition.partition, committed);
                    }
                }
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Commit { seen_ms: now_ms(), progress });
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// How many offsets are below the newest prefixes seen.
    pub(crate) fn committed(&self) -> i64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.last().map_or(0, |commit| commit.progress.values().map(|progress| progress.prefix).sum())
    }

    /// Ends the watch.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Everything that was seen.
    pub(crate) fn into_seen(self) -> Vec<Commit> {
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
