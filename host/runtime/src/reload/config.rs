//! The configuration read again, on SIGHUP. Plugins, settings, limits and what a backfill may have are taken over while they run;
//! everything else needs a restart, and what differs is named.

use crate::config::{HostConfig, PipelineConfig, Source};
use crate::registry::wait_for;
use tokio::sync::watch;

/// What each pipeline is to be, in the order of the configuration.
pub type PipelineConfigs = Vec<watch::Sender<PipelineConfig>>;

/// Reads the file of `running` and the declared streams again and tells the pipelines what is new for them. A file with mistakes changes nothing.
///
/// # Errors
/// The mistakes, for people.
pub fn reread(running: &HostConfig, source: &Source, pipelines: &PipelineConfigs) -> Result<(), String> {
    if let Some(streams) = source.streams() {
        // Where they cannot be read, what was read last is used, and whoever watches them says so.
        drop(wait_for(streams.refresh()).map_err(|error| format!("{error:#}"))?);
    }
    let wanted = HostConfig::load_again(&running.file, source).map_err(|mistakes| mistakes.to_string())?;
    let mut restart = sections_that_differ(running, &wanted);
    for pipeline in pipelines {
        let now = pipeline.borrow().clone();
        let Some(wanted) = wanted.pipelines.iter().find(|wanted| wanted.name == now.name) else {
            restart.push(format!("pipeline {} is gone", now.name));
            continue;
        };
        let taken_over = take_over(&now, wanted);
        if taken_over != *wanted {
            restart.push(format!("pipeline {}: more than `plugin`, `settings`, `limits` and `backfill`", now.name));
        }
        pipeline.send_if_modified(|config| {
            let differs = *config != taken_over;
            *config = taken_over;
            differs
        });
    }
    let known = |name: &String| pipelines.iter().any(|pipeline| pipeline.borrow().name == *name);
    let new = wanted.pipelines.iter().filter(|pipeline| !known(&pipeline.name));
    restart.extend(new.map(|pipeline| format!("pipeline {} is new", pipeline.name)));
    if !restart.is_empty() {
        tracing::warn!(changes = restart.join("; "), "Some changes of the configuration need a restart.");
    }
    Ok(())
}

/// The pipeline with what may change while it runs.
fn take_over(running: &PipelineConfig, wanted: &PipelineConfig) -> PipelineConfig {
    PipelineConfig {
        plugin: wanted.plugin.clone(),
        settings: wanted.settings.clone(),
        limits: wanted.limits.clone(),
        backfill: wanted.backfill,
        ..running.clone()
    }
}

/// The sections beside `pipelines` that are written otherwise now.
fn sections_that_differ(running: &HostConfig, wanted: &HostConfig) -> Vec<String> {
    let sections = [
        ("kafka", running.clusters != wanted.clusters),
        ("data_centre", running.data_centre != wanted.data_centre),
        ("streams", running.streams != wanted.streams),
        ("schemas", running.schemas != wanted.schemas),
        ("mediawiki", running.mediawiki != wanted.mediawiki),
        ("http", running.http_targets != wanted.http_targets),
        ("plugins", running.plugins != wanted.plugins),
        ("admin", running.admin != wanted.admin),
        ("log", running.log != wanted.log),
        ("workers", running.workers != wanted.workers),
    ];
    sections.iter().filter(|(_, differs)| *differs).map(|(name, _)| format!("section `{name}`")).collect()
}
