//! Reads the declared streams again now and then, and says what differs. Nothing that runs is changed by it: a topic or a
//! key that changes under a running pipeline would break its order and its partitions, so a restart decides.

use super::{Freshness, Streams};
use crate::config::{HostConfig, PipelineConfig};
use crate::supervisor::Host;
use std::sync::Arc;

/// Runs until it is aborted, with the host. Without declared streams there is nothing to watch.
pub async fn keep_watch(host: Arc<Host>) {
    let Some(streams) = host.source.streams().map(Arc::clone) else { return };
    let mut told = streams.freshness();
    tell_first(&host, &streams);
    let mut compared = streams.current();
    loop {
        tokio::time::sleep(streams.source().refresh).await;
        // How it went is its freshness. A SIGHUP may have read them too, so what is told and compared is kept here.
        drop(streams.refresh().await);
        let now = streams.freshness();
        tell_freshness(&told, &now);
        host.metrics.streams_old(now != Freshness::Fresh);
        told = now;
        let current = streams.current();
        if !Arc::ptr_eq(&current, &compared) {
            compared = current;
            tell_left_out(&streams);
            let of_task = Arc::clone(&host);
            let comparing = tokio::task::spawn_blocking(move || compare(&of_task));
            if let Err(fault) = comparing.await {
                tracing::error!(%fault, "Comparing the declared streams with the pipelines ended in a fault.");
            }
        }
    }
}

/// Says when an outage begins and ends, once.
fn tell_freshness(was: &Freshness, now: &Freshness) {
    match (was, now) {
        (Freshness::Fresh, Freshness::Old { reason }) => {
            tracing::warn!(reason, "The declared streams cannot be read again; what was read last is used.");
        }
        (Freshness::Old { .. }, Freshness::Fresh) => tracing::info!("The declared streams can be read again."),
        (Freshness::Fresh, Freshness::Fresh) | (Freshness::Old { .. }, Freshness::Old { .. }) => {}
    }
}

fn tell_first(host: &Host, streams: &Streams) {
    if let Freshness::Old { reason } = streams.freshness() {
        tracing::warn!(reason, "The declared streams cannot be read; what was kept of them on disk is used.");
    }
    host.metrics.streams_old(streams.freshness() != Freshness::Fresh);
    tell_left_out(streams);
}

fn tell_left_out(streams: &Streams) {
    for mistake in streams.left_out().iter() {
        tracing::warn!(%mistake, "A declared stream has a mistake and is left out.");
    }
}

/// Says which pipelines would be others, were they started now.
fn compare(host: &Host) {
    let wanted = match host.source.read_again(&host.config.file) {
        Ok(wanted) => wanted,
        Err(mistakes) => {
            let mistakes = mistakes.to_string();
            tracing::warn!(mistakes, "The declared streams have changed, and do not fit the configuration any more.");
            return;
        }
    };
    for (pipeline, changes) in differences(&host.config, &wanted) {
        host.metrics.streams_changed(pipeline, !changes.is_empty());
        if !changes.is_empty() {
            let changes = changes.join("; ");
            tracing::warn!(pipeline, changes, "The declared streams have changed; restart the host to follow them.");
        }
    }
}

/// Each pipeline with what is declared otherwise of its streams now.
pub(super) fn differences<'c>(running: &'c HostConfig, wanted: &HostConfig) -> Vec<(&'c str, Vec<String>)> {
    let of = |pipeline: &'c PipelineConfig| {
        let wanted = wanted.pipelines.iter().find(|wanted| wanted.name == pipeline.name)?;
        Some((pipeline.name.as_str(), of_pipeline(pipeline, wanted)))
    };
    running.pipelines.iter().filter_map(of).collect()
}

fn of_pipeline(running: &PipelineConfig, wanted: &PipelineConfig) -> Vec<String> {
    let mut changes = Vec::new();
    for (name, input) in &running.inputs {
        let Some(now) = wanted.inputs.get(name) else { continue };
        if input.topics != now.topics {
            changes.push(format!("input {name}: topics {}, not {}", now.topics.join(", "), input.topics.join(", ")));
        }
        if input.schema_title != now.schema_title {
            changes.push(format!("input {name}: another schema"));
        }
    }
    for (name, output) in &running.outputs {
        let Some(now) = wanted.outputs.get(name) else { continue };
        if output.topic != now.topic {
            changes.push(format!("output {name}: topic {}, not {}", now.topic, output.topic));
        }
        if output.key != now.key {
            changes.push(format!("output {name}: another key"));
        }
    }
    if running.errors.topic != wanted.errors.topic {
        changes.push(format!("errors: topic {}, not {}", wanted.errors.topic, running.errors.topic));
    }
    changes
}
