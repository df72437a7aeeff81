//! Which version of the pipeline an event runs on. A version begins at an offset of each partition; what lies below ends
//! on the version that started it, also after a restart, because progress names the versions that open events need.

use super::{Partition, RecordPath};
use crate::job::VersionId;
use millrace_flow::boundaries::Boundaries;
use millrace_flow::progress::{PluginDigest, Progress};
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::Instant;

/// The versions that a pipeline runs, and the plugin of each.
#[derive(Debug)]
pub(super) struct RunningVersions {
    present: VersionId,
    plugins: FxHashMap<VersionId, PluginDigest>,
    /// Those that somebody looks for.
    asked_for: FxHashSet<PluginDigest>,
}

/// Which versions the events of one partition run on.
#[derive(Debug)]
pub(super) enum PartitionVersions {
    /// These.
    Known(Boundaries<VersionId>),
    /// Those of the plugins that its progress names; some are still looked for, and nothing is admitted meanwhile.
    Awaited {
        /// The plugins.
        named: Boundaries<PluginDigest>,
        /// Behind everything that has settled: there, the present version begins.
        end: i64,
    },
}

impl RunningVersions {
    /// All events run on `version`.
    pub(super) fn new(version: VersionId, plugin: PluginDigest) -> Self {
        let plugins = FxHashMap::from_iter([(version, plugin)]);
        Self { present: version, plugins, asked_for: FxHashSet::default() }
    }

    /// What a partition with this progress runs on. One whose progress names no plugin runs on the present version.
    pub(super) fn resume(&self, progress: &Progress) -> PartitionVersions {
        match &progress.versions {
            None => PartitionVersions::Known(Boundaries::new(self.present)),
            Some(named) => self.resolve(named, progress.end()),
        }
    }

    /// How many versions have open events, or take new ones.
    pub(super) fn count(&self) -> usize {
        self.plugins.len()
    }

    fn resolve(&self, named: &Boundaries<PluginDigest>, end: i64) -> PartitionVersions {
        let is_known = named.versions().all(|(_, plugin)| self.of_plugin(plugin).is_some());
        if !is_known {
            return PartitionVersions::Awaited { named: named.clone(), end };
        }
        let mut versions = named.map(|plugin| self.of_plugin(plugin).unwrap_or(self.present));
        versions.begin(end, self.present);
        PartitionVersions::Known(versions)
    }

    /// The version that runs this plugin: the present one, if it does.
    fn of_plugin(&self, plugin: PluginDigest) -> Option<VersionId> {
        let runs = |version: &VersionId| self.plugins.get(version) == Some(&plugin);
        Some(self.present).filter(runs).or_else(|| self.plugins.keys().copied().find(runs))
    }
}

impl RecordPath {
    /// The plugins that progress names and that are still to be looked for.
    pub fn wanted_plugins(&self) -> FxHashSet<PluginDigest> {
        self.awaited_plugins().difference(&self.versions.asked_for).copied().collect()
    }

    /// This plugin is looked for, until it is found or lost. A partition that comes after that and names it again has it
    /// looked for again.
    pub fn asked_for(&mut self, plugin: PluginDigest) {
        self.versions.asked_for.insert(plugin);
    }

    /// The plugins that progress names and nobody has found yet.
    fn awaited_plugins(&self) -> FxHashSet<PluginDigest> {
        let named = self.partitions.values().filter_map(|partition| match &partition.versions {
            PartitionVersions::Awaited { named, .. } => Some(named),
            PartitionVersions::Known(_) => None,
        });
        let plugins = named.flat_map(|named| named.versions().map(|(_, plugin)| plugin));
        plugins.filter(|plugin| self.versions.of_plugin(*plugin).is_none()).collect()
    }

    /// New events run on `version`, those that were admitted end on theirs. False: some partition has open events of as
    /// many versions as progress can name; nothing has changed, and it can be tried again once the oldest have settled.
    pub fn begin_version(&mut self, version: VersionId, plugin: PluginDigest, now: Instant) -> bool {
        for partition in self.partitions.values_mut() {
            partition.versions.settled_below(partition.ledger.prefix());
            if !partition.versions.may_begin() {
                return false;
            }
        }
        self.versions.plugins.insert(version, plugin);
        self.versions.present = version;
        // It may be what mends a pipeline that fails.
        self.failures.try_now(now);
        for partition in self.partitions.values_mut() {
            if let PartitionVersions::Known(versions) = &mut partition.versions {
                versions.begin(partition.ledger.next(), version);
                partition.ledger.note_change();
                partition.swapped = Some(now);
            }
        }
        true
    }

    /// This version runs a plugin that progress names.
    pub fn found_version(&mut self, version: VersionId, plugin: PluginDigest) {
        self.versions.asked_for.remove(&plugin);
        self.versions.plugins.insert(version, plugin);
        self.resolve_awaited();
    }

    /// This plugin cannot be had any more: the present version takes over what was to run on it.
    pub fn lost_plugin(&mut self, lost: PluginDigest) {
        self.versions.asked_for.remove(&lost);
        let Some(present) = self.versions.plugins.get(&self.versions.present).copied() else { return };
        for partition in self.partitions.values_mut() {
            if let PartitionVersions::Awaited { named, .. } = &mut partition.versions {
                *named = named.map(|plugin| if plugin == lost { present } else { plugin });
            }
        }
        self.resolve_awaited();
    }

    fn resolve_awaited(&mut self) {
        for partition in self.partitions.values_mut() {
            if let PartitionVersions::Awaited { named, end } = &partition.versions {
                partition.versions = self.versions.resolve(named, *end);
            }
        }
    }

    /// Forgets the versions that nothing runs on any more, and returns them.
    pub fn retire_versions(&mut self) -> Vec<VersionId> {
        if self.versions.count() == 1 {
            return Vec::new();
        }
        let mut used: FxHashSet<VersionId> = self.jobs.values().map(|job| job.version).collect();
        used.insert(self.versions.present);
        for partition in self.partitions.values_mut() {
            partition.versions.settled_below(partition.ledger.prefix());
            if let PartitionVersions::Known(versions) = &partition.versions {
                used.extend(versions.versions().map(|(_, version)| version));
            }
        }
        // What somebody still looks for may need any of them.
        if !self.awaited_plugins().is_empty() {
            return Vec::new();
        }
        self.versions.plugins.extract_if(|version, _| !used.contains(version)).map(|(version, _)| version).collect()
    }
}

impl PartitionVersions {
    /// The version of the event at `offset`; none while that is not known yet.
    pub(super) fn at(&self, offset: i64) -> Option<VersionId> {
        match self {
            Self::Known(versions) => Some(versions.at(offset)),
            Self::Awaited { .. } => None,
        }
    }

    fn may_begin(&self) -> bool {
        match self {
            Self::Known(versions) => versions.may_begin(),
            Self::Awaited { .. } => true,
        }
    }

    fn settled_below(&mut self, offset: i64) {
        if let Self::Known(versions) = self {
            versions.settled_below(offset);
        }
    }
}

impl Partition {
    /// Adds the plugins that open events need to what is settled.
    pub(super) fn name_versions(&mut self, mut progress: Progress, running: &RunningVersions) -> Progress {
        self.versions.settled_below(progress.prefix);
        progress.versions = match &self.versions {
            PartitionVersions::Awaited { named, .. } => Some(named.clone()),
            PartitionVersions::Known(versions) => {
                Some(versions.map(|version| running.plugins.get(&version).copied().unwrap_or_default()))
            }
        };
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::sample::path;
    use millrace_flow::failures::FailureLimits;
    use millrace_flow::ledger::{Admitted, Ledger};
    use millrace_flow::progress::ProgressBudget;
    use millrace_flow::record::TopicPartition;
    use millrace_kafka::transactional::Stay;

    const GONE: PluginDigest = [1; 32];

    /// Another partition comes, of which 7 is settled and 4 to 6 are to end on `GONE`. Returns what is wanted then.
    fn arrive(path: &mut RecordPath, number: i32) -> Vec<PluginDigest> {
        let mut ledger = Ledger::resume(Progress::at(4), ProgressBudget::RECORD);
        (4..8).for_each(|offset| assert_eq!(ledger.admit(offset), Admitted::New));
        ledger.settle(7);
        let progress = Progress { versions: Some(Boundaries::new(GONE)), ..ledger.progress().unwrap() };
        path.assign(TopicPartition::new("in", number), progress, Stay::default(), None);
        path.wanted_plugins().into_iter().collect()
    }

    /// The versions of an event that is open and of one that is new.
    fn versions(path: &RecordPath, number: i32) -> [Option<VersionId>; 2] {
        let versions = &path.partitions[&TopicPartition::new("in", number)].versions;
        [versions.at(4), versions.at(8)]
    }

    #[test]
    fn a_plugin_is_looked_for_again_by_whoever_comes_after_it_was_found() {
        let mut path = path(FailureLimits::default());
        for (number, version) in [(1, VersionId(7)), (2, VersionId(8))] {
            assert_eq!(arrive(&mut path, number), [GONE]);
            path.asked_for(GONE);
            assert!(path.wanted_plugins().is_empty(), "once is enough");
            assert_eq!(versions(&path, number), [None; 2]);
            path.found_version(version, GONE);
            assert_eq!(versions(&path, number), [Some(version), Some(VersionId(0))]);
            path.drop_shards(&[TopicPartition::new("in", number)]);
            assert_eq!(path.retire_versions(), [version]);
        }
    }

    #[test]
    fn a_plugin_is_looked_for_again_by_whoever_comes_after_it_was_lost() {
        let mut path = path(FailureLimits::default());
        for number in [1, 2] {
            assert_eq!(arrive(&mut path, number), [GONE]);
            path.asked_for(GONE);
            path.lost_plugin(GONE);
            assert_eq!(versions(&path, number), [Some(VersionId(0)); 2]);
        }
    }
}
