//! What a worker must know of a pipeline to run its events: plugin, settings, bindings, limits, streams. Made once per
//! version, shared by all workers, never changed: new settings or another plugin are a new version.

use crate::config::UnfitConfig;
use crate::job::{PipelineId, VersionId};
use crate::metrics::PipelineMetrics;
use millrace_flow::record::Record;
use millrace_flow::retry::RetryPolicy;
use millrace_flow::state::DueTimer;
use millrace_lookup::Scope;
use millrace_platform::{DecodeLimits, ErrorStream, Origin, OutputStream, Projection};
use millrace_plugin::{Limits, Plugin};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;

/// An input of the plugin as the operator bound it.
#[derive(Debug)]
pub struct InputBinding {
    /// The input's name in `describe`.
    pub name: Arc<str>,
    /// The fields that the plugin reads.
    pub projection: Projection,
    /// The headers that the plugin reads.
    pub headers: Vec<String>,
    /// The title that its events' schemas must have, and what becomes of others. None: no event is looked at for it.
    pub schema: Option<(String, UnfitConfig)>,
    /// Whether the plugin takes tombstones. Where it does not, a tombstone is a counted skip.
    pub tombstones: bool,
}

/// One version of a pipeline, as its workers see it.
pub struct PipelineSpec {
    /// The pipeline's number within the host.
    pub id: PipelineId,
    /// The number of this version of it.
    pub version: VersionId,
    /// The pipeline's name.
    pub name: String,
    /// The id of the Kafka cluster that the inputs come from: part of `meta.id` and of every source coordinate.
    pub cluster_id: String,
    /// The compiled plugin.
    pub plugin: Plugin,
    /// The plugin's digest in hex, for headers.
    pub plugin_digest: String,
    /// The plugin's settings as JSON.
    pub settings: String,
    /// What an instance may use.
    pub plugin_limits: Limits,
    /// Which input a topic feeds.
    pub inputs: FxHashMap<Arc<str>, InputBinding>,
    /// Which stream an output goes to.
    pub outputs: FxHashMap<String, OutputStream>,
    /// Where error events go.
    pub errors: ErrorStream,
    /// How large and deep an input document may be.
    pub decode: DecodeLimits,
    /// How often and when an event is tried again.
    pub retry: RetryPolicy,
    /// How long an event may take, waiting for a call slot or an outage aside.
    pub event_deadline: Duration,
    /// Values above this size reach the plugin as a blob.
    pub inline_bytes_max: usize,
    /// Whether state is kept, by the keys of records.
    pub has_state: bool,
    /// What the plugin may ask for.
    pub scope: Arc<Scope>,
    /// The pipeline's metrics.
    pub metrics: Arc<PipelineMetrics>,
}

impl PipelineSpec {
    /// Where `record` came from, as outputs and error events say it; or the timer that it stands for.
    pub fn origin<'a>(&'a self, record: &'a Record, timer: Option<&'a DueTimer>) -> Origin<'a> {
        let (pipeline, cluster_id) = (self.name.as_str(), self.cluster_id.as_str());
        Origin { pipeline, cluster_id, record, timer, plugin_digest: &self.plugin_digest }
    }
}
