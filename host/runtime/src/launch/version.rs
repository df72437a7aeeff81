//! One version of a pipeline, from the plugin's file to workers that are ready to run it. Compiling and configuring
//! happen beside the I/O threads and the workers, so nothing waits for a plugin that takes long, and what fails here has
//! touched nothing.

use super::bind;
use crate::config::PipelineConfig;
use crate::contract;
use crate::job::{Finished, PipelineId};
use crate::spec::PipelineSpec;
use crate::station::Station;
use crate::supervisor::Host;
use crate::worker::Message;
use anyhow::Context as _;
use millrace_plugin::{Crew, Plugin, PluginError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// A start may take so many times as long as the first one, which was alone on its thread, and [`START_SPARE`] beyond it.
const START_TIMES: u32 = 4;
/// See [`START_TIMES`]: what a clock of 5 ms, a cold cache and a busy machine may add.
const START_SPARE: Duration = Duration::from_millis(100);

/// A version that could run: bound to its streams, with a first instance for every worker.
pub struct Prepared {
    /// The version.
    pub spec: Arc<PipelineSpec>,
    crews: Vec<Crew>,
}

/// Reads a plugin's file once, compiles it and keeps its bytes.
///
/// # Errors
/// The file cannot be read, or is no plugin.
pub async fn load(host: &Arc<Host>, file: &Path) -> anyhow::Result<Plugin> {
    let (host, file) = (Arc::clone(host), file.to_owned());
    let loading = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read the plugin {}", file.display()))?;
        let plugin = host.engine.load(&bytes).with_context(|| format!("plugin {}", file.display()))?;
        host.plugins.keep(plugin.digest(), &bytes);
        Ok(plugin)
    });
    loading.await.context("the compiler ended in a fault")?
}

/// Binds a plugin to a pipeline, and starts and configures its first instances.
///
/// # Errors
/// The plugin does not fit the pipeline, or refuses its settings; or the pipeline does not fit its schemas.
pub async fn prepare(
    host: &Arc<Host>,
    id: PipelineId,
    config: &PipelineConfig,
    plugin: Plugin,
    cluster_id: &str,
) -> anyhow::Result<Prepared> {
    let contract = contract::read(&host.schemas, config).await.map_err(|found| {
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the pipeline does not fit its schemas: {}", found.join("; "))
    })?;
    let spec = bind::bind(host, id, config, plugin, cluster_id.to_owned(), contract)?;
    let workers = host.workers.len();
    let starting = tokio::task::spawn_blocking(move || start(spec, workers));
    let prepared = starting.await.context("starting the plugin ended in a fault")?;
    prepared.context("the plugin cannot be instantiated")
}

/// Tries the settings once, and then starts a first instance for every worker. Further starts happen on threads that serve
/// other pipelines too, so they may take what the first one took, and some.
fn start(mut spec: PipelineSpec, workers: usize) -> Result<Prepared, PluginError> {
    let took = spec.plugin.try_settings(&spec.settings, &spec.plugin_limits)?;
    let start_max = Duration::from_millis(u64::from(spec.plugin_limits.start_ms));
    let allowed = (took.saturating_mul(START_TIMES) + START_SPARE).min(start_max);
    spec.plugin_limits.start_ms = u32::try_from(allowed.as_millis()).unwrap_or(u32::MAX);
    let crew = || Crew::new(&spec.plugin, &spec.settings, spec.plugin_limits.clone());
    let crews = (0..workers).map(|_| crew()).collect::<Result<Vec<_>, _>>()?;
    Ok(Prepared { spec: Arc::new(spec), crews })
}

/// Hands a version to every worker. Whoever sends them events of it afterwards finds it there.
///
/// # Errors
/// A worker has ended.
pub async fn attach(
    host: &Arc<Host>,
    prepared: Prepared,
    results: &Sender<Vec<Finished>>,
) -> anyhow::Result<Arc<PipelineSpec>> {
    let Prepared { spec, crews } = prepared;
    for (inbox, crew) in host.workers.iter().zip(crews) {
        let station = Station::new(Arc::clone(&spec), crew, results.clone());
        let sent = inbox.send(Message::Attach(Box::new(station))).await;
        sent.map_err(|_| anyhow::anyhow!("a worker has ended"))?;
    }
    Ok(spec)
}
