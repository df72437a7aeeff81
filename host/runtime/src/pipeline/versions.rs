//! The versions of a running pipeline: one is the present one, and others go on until what was started on them has ended.
//! Where new ones come from is in `reload.rs`, where each begins in `partition/versions.rs`.

use super::{Pipeline, State};
use crate::job::VersionId;
use crate::partition::PathLimits;
use crate::spec::PipelineSpec;
use crate::worker::Message;
use millrace_flow::progress::PluginDigest;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a running pipeline is told about its versions. Every worker has been told before.
pub enum Change {
    /// New events run on this version.
    Begin(NewVersion),
    /// This version runs a plugin that progress names.
    Found(Arc<PipelineSpec>),
    /// A plugin that progress names cannot be had any more.
    Lost(PluginDigest),
}

/// A version that every worker is ready to run.
pub struct NewVersion {
    /// The version.
    pub spec: Arc<PipelineSpec>,
    /// What of its limits the pipeline's own loop holds to.
    pub tuning: Tuning,
}

/// The limits that the pipeline's loop holds to.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Those of the records' path.
    pub path: PathLimits,
    /// Between two commits.
    pub commit_interval: Duration,
    /// How long a stopping pipeline may finish what it has in flight.
    pub drain_deadline: Duration,
}

impl Pipeline {
    pub(super) fn on_change(&mut self, change: Change, state: &mut State) {
        match change {
            Change::Begin(next) => {
                // One that waits for its turn is overtaken: no event has run on it.
                if let Some(overtaken) = state.next_version.replace(next) {
                    self.retire(overtaken.spec.version, state);
                }
                self.begin_next_version(state);
            }
            Change::Found(spec) => {
                self.path.found_version(spec.version, *spec.plugin.digest().as_bytes());
                self.versions.insert(spec.version, spec);
            }
            Change::Lost(plugin) => self.path.lost_plugin(plugin),
        }
    }

    /// Lets the version begin that waits for it, if progress has room to name it.
    pub(super) fn begin_next_version(&mut self, state: &mut State) {
        let Some(NewVersion { spec, tuning }) = state.next_version.take() else { return };
        if !self.path.begin_version(spec.version, *spec.plugin.digest().as_bytes(), Instant::now()) {
            state.next_version = Some(NewVersion { spec, tuning });
            return;
        }
        self.path.set_limits(tuning.path, Instant::now());
        self.tuning = tuning;
        let described = spec.plugin.describe();
        tracing::info!(
            pipeline = spec.name,
            plugin = described.name,
            version = described.version,
            digest = spec.plugin_digest,
            "A new version begins; events that were admitted before end on theirs."
        );
        spec.metrics.swapped();
        self.versions.insert(spec.version, Arc::clone(&spec));
        self.spec = spec;
        self.publish_status(state);
    }

    /// Asks for the plugins that progress names and that do not run, each once; and lets go of versions without events.
    pub(super) fn look_after_versions(&mut self, state: &mut State) {
        for plugin in self.path.wanted_plugins() {
            // Without room it is asked for at the next look.
            if self.wanted.try_send(plugin).is_ok() {
                self.path.asked_for(plugin);
            }
        }
        for version in self.path.retire_versions() {
            self.versions.remove(&version);
            self.retire(version, state);
        }
        self.begin_next_version(state);
        let (workers, mut retiring) = (&self.workers, std::mem::take(&mut state.retiring));
        retiring.retain(|(worker, version)| {
            // A worker that is gone has nothing to forget; one without room is told at the next look.
            let told = workers.get(*worker).is_none_or(|inbox| inbox.try_send(Message::Retire(*version)).is_ok());
            !told
        });
        state.retiring = retiring;
    }

    fn retire(&self, version: VersionId, state: &mut State) {
        state.retiring.extend((0..self.workers.len()).map(|worker| (worker, version)));
    }
}
