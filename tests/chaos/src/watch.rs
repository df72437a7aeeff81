//! Looks again and again at what the group has committed and whether it is rebalancing, while everything else goes wrong.

use crate::evidence::{Commit, Standstill, Who};
use crate::journal::now_ms;
use millrace_flow::progress::Progress;
use millrace_kafka::config::ClusterConfig;
use millrace_kafka::reader::GroupReader;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two looks: several in every commit interval.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// How long one look may take; while the broker is away there is none.
const LOOK_MAX: Duration = Duration::from_millis(1_000);

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: Mutex<Vec<Commit>>,
    rebalances: Mutex<Vec<Standstill>>,
    over: AtomicBool,
}

impl Watch {
    /// Looks until [`Watch::end`].
    ///
    /// # Errors
    /// No client can be made, or what is committed is no progress.
    pub(crate) fn run(&self, cluster: &ClusterConfig, group: &str, topic: &str) -> anyhow::Result<()> {
        let reader = GroupReader::open(cluster, group, topic)?;
        let mut last_look_ms = now_ms();
        while !self.over.load(Ordering::Relaxed) {
            // A broker that is away answers nothing; what it says afterwards is what counts.
            if let Ok(committed) = reader.committed(LOOK_MAX) {
                let seen_ms = now_ms();
                let mut progress = BTreeMap::new();
                for (partition, committed) in committed {
                    if let Some(offset) = committed.offset {
                        progress.insert(partition.partition, Progress::decode(offset, &committed.metadata)?);
                    }
                }
                lock(&self.seen).push(Commit { seen_ms, progress });
            }
            if reader.is_stable(LOOK_MAX).is_ok_and(|stable| !stable) {
                // It may have begun just after the look before, and end just before the next.
                let to_ms = now_ms() + i64::try_from(LOOK_EVERY.as_millis())?;
                lock(&self.rebalances).push(Standstill { who: Who::Group, from_ms: last_look_ms, to_ms });
            }
            last_look_ms = now_ms();
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// How many offsets are below the newest prefixes seen.
    pub(crate) fn committed(&self) -> i64 {
        let seen = lock(&self.seen);
        seen.last().map_or(0, |commit| commit.progress.values().map(|progress| progress.prefix).sum())
    }

    /// Ends the watch.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Everything that was seen: commits, and rebalances.
    pub(crate) fn into_seen(self) -> (Vec<Commit>, Vec<Standstill>) {
        let Self { seen, rebalances, .. } = self;
        (
            seen.into_inner().unwrap_or_else(PoisonError::into_inner),
            rebalances.into_inner().unwrap_or_else(PoisonError::into_inner),
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
