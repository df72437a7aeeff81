//! A plugin, its settings or its limits changed while their pipeline runs. What is new is read, compiled and configured
//! first; if that goes well, it is used from an offset on (`pipeline/versions.rs`), and if not, what ran before goes on
//! and log, metrics and `/readyz` say why.
//!
//! Plugins that progress names and that do not run any more are looked for here too: after a restart, events that an
//! older version had started end on it as long as its bytes are kept.

pub mod config;
pub mod file;
pub mod store;

use crate::config::PipelineConfig;
use crate::job::{Finished, PipelineId};
use crate::launch::{tuning, version};
use crate::pipeline::{Change, NewVersion};
use crate::spec::PipelineSpec;
use crate::supervisor::Host;
use file::PluginFile;
use millrace_flow::progress::PluginDigest;
use millrace_plugin::{Digest, Plugin};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::watch;

/// Looks after the versions of one running pipeline.
pub struct Reloader {
    pub(crate) host: Arc<Host>,
    pub(crate) id: PipelineId,
    /// The id of the cluster that is read.
    pub(crate) cluster_id: String,
    /// The pipeline as the operator wants it now.
    pub(crate) wanted_config: watch::Receiver<PipelineConfig>,
    /// The pipeline as it runs.
    pub(crate) config: PipelineConfig,
    /// The plugin that new events run on.
    pub(crate) plugin: Plugin,
    /// The plugin's file.
    pub(crate) file: PluginFile,
    /// Where workers put what is finished.
    pub(crate) results: Sender<Vec<Finished>>,
    /// Where the pipeline is told.
    pub(crate) changes: Sender<Change>,
    /// Plugins that progress names and that do not run.
    pub(crate) wanted: Receiver<PluginDigest>,
}

impl Reloader {
    /// Runs until it is dropped, with its pipeline.
    pub async fn run(mut self) -> Infallible {
        loop {
            tokio::select! {
                biased;
                Some(plugin) = self.wanted.recv() => self.look_for(Digest::from(plugin)).await,
                Ok(()) = self.wanted_config.changed() => self.take_config().await,
                () = self.file.changed() => self.take_file().await,
            }
        }
    }

    /// The configuration was read again, and this pipeline's part may be another.
    async fn take_config(&mut self) {
        let config = self.wanted_config.borrow_and_update().clone();
        if config.plugin != self.config.plugin {
            self.file = PluginFile::watch(config.plugin.clone(), &self.host.files);
        }
        self.replace(config).await;
    }

    /// The plugin's file is another.
    async fn take_file(&mut self) {
        let config = self.wanted_config.borrow().clone();
        self.replace(config).await;
    }

    /// Lets what the file and `config` say now take the place of what runs.
    async fn replace(&mut self, config: PipelineConfig) {
        let plugin = match version::load(&self.host, &config.plugin).await {
            Ok(plugin) => plugin,
            Err(error) => return self.refuse(&error),
        };
        if *plugin.digest() == *self.plugin.digest() && config == self.config {
            return self.host.health.reload_done(&self.config.name);
        }
        match self.begin(&config, plugin.clone()).await {
            Ok(()) => {
                self.host.plugins.runs(self.id, plugin.clone());
                self.host.metrics.plugin_runs(&config.name, &plugin);
                self.host.metrics.pipeline_backfill(&config.name, config.backfill.as_ref());
                self.host.health.reload_done(&config.name);
                (self.config, self.plugin) = (config, plugin);
            }
            Err(error) => self.refuse(&error),
        }
    }

    async fn begin(&self, config: &PipelineConfig, plugin: Plugin) -> anyhow::Result<()> {
        let spec = self.ready(config, plugin).await?;
        let begin = Change::Begin(NewVersion { spec, tuning: tuning(config) });
        // A pipeline that is gone takes its reloader with it.
        drop(self.changes.send(begin).await);
        Ok(())
    }

    /// A version that every worker is ready to run.
    async fn ready(&self, config: &PipelineConfig, plugin: Plugin) -> anyhow::Result<Arc<PipelineSpec>> {
        let prepared = version::prepare(&self.host, self.id, config, plugin, &self.cluster_id).await?;
        version::attach(&self.host, prepared, &self.results).await
    }

    fn refuse(&self, error: &anyhow::Error) {
        refuse(&self.host, &self.config.name, &self.plugin, error);
    }

    /// Looks for a plugin that progress names. Where it cannot be had, the present one takes over.
    async fn look_for(&self, digest: Digest) {
        let found = match self.host.plugins.load(&self.host.engine, digest).await {
            Ok(plugin) => self.ready(&self.config, plugin).await,
            Err(error) => Err(error),
        };
        let change = match found {
            Ok(spec) => {
                tracing::info!(pipeline = self.config.name, %digest, "Events that an older version started end on it.");
                Change::Found(spec)
            }
            Err(error) => {
                tracing::warn!(
                    pipeline = self.config.name,
                    %digest,
                    error = format!("{error:#}"),
                    "A version that has open events cannot be had any more; the present one takes them over."
                );
                self.host.metrics.version_gone(&self.config.name);
                Change::Lost(*digest.as_bytes())
            }
        };
        drop(self.changes.send(change).await);
    }
}

/// What is new cannot be used; `running` goes on.
pub(crate) fn refuse(host: &Host, pipeline: &str, running: &Plugin, error: &anyhow::Error) {
    let reason = format!("{error:#}");
    tracing::error!(
        pipeline,
        error = reason,
        running = %running.digest(),
        "The new version is refused; the one before goes on. Correct the plugin's file or the settings."
    );
    host.health.reload_refused(pipeline, &reason);
}
