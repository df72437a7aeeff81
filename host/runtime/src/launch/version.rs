//! One version of a pipeline, from the plugin's file to workers that are ready to run it. Compiling and configuring
//! happen beside the I/O threads and the workers, so nothing waits for a plugin that takes long, and what fails here has
//! touched nothing.

use super::bind;
use crate::config::PipelineConfig;
use crate::job::{Finished, PipelineId};
use crate::spec::PipelineSpec;
use crate::station::Station;
use crate::supervisor::Host;
use crate::worker::Message;
use anyhow::Context as _;
use millrace_plugin::{Crew, Plugin};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

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
/// The plugin does not fit the pipeline, or refuses its settings.
pub async fn prepare(
    host: &Arc<Host>,
    id: PipelineId,
    config: &PipelineConfig,
    plugin: Plugin,
    cluster_id: &str,
) -> anyhow::Result<Prepared> {
    let spec = Arc::new(bind::bind(host, id, config, plugin, cluster_id.to_owned())?);
    let (bound, workers) = (Arc::clone(&spec), host.workers.len());
    let starting = tokio::task::spawn_blocking(move || {
        let crew = || Crew::new(&bound.plugin, &bound.settings, bound.plugin_limits.clone());
        (0..workers).map(|_| crew()).collect::<Result<Vec<_>, _>>()
    });
    let crews = starting.await.context("starting the plugin ended in a fault")?;
    Ok(Prepared { spec, crews: crews.context("the plugin cannot be instantiated")? })
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
