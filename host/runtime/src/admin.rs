//! The admin server: `/metrics`, `/healthz`, `/readyz`, and orders to pipelines (`admin/orders.rs`). What only tells is for
//! everybody who can connect, so it listens on loopback unless the configuration allows more; orders are taken from
//! loopback alone.

mod listener;
mod orders;

use crate::clock::SystemClock;
use crate::config::AdminConfig;
use crate::control::Controls;
use crate::metrics::{HostMetrics, Running};
use crate::pipeline::{Drain, Status};
use anyhow::Context as _;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use listener::{Bounded, Peer};
use millrace_flow::clock::Clock as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Connections that may be open at once: a few scrapers and a person.
const CONNECTIONS_MAX: usize = 64;

/// How one pipeline is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PipelineHealth {
    /// It is being put together, or waits to be told its partitions.
    Starting,
    /// It runs.
    Running {
        /// How many partitions it owns; none is well, when others own them.
        partitions: usize,
        /// The digest of the plugin that new events run on.
        plugin: String,
        /// Whether an operator drains it, and how far that is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drain: Option<Drain>,
        /// Why it takes no events: so many fail. It tries again by itself, so it is ready.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failing: Option<String>,
    },
    /// It is stopped, and is started again after a while.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// What is known of one pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PipelineState {
    /// How it is.
    #[serde(flatten)]
    pub health: PipelineHealth,
    /// Why the last change of its plugin, settings or limits is not used. What ran before goes on, so it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload_refused: Option<String>,
}

/// What `/readyz` tells: the state of every pipeline.
#[derive(Debug, Default)]
pub struct Health {
    pipelines: Mutex<BTreeMap<String, PipelineState>>,
    metrics: Option<Arc<HostMetrics>>,
}

impl Health {
    /// Every pipeline of `names` is starting.
    pub fn new(names: impl Iterator<Item = String>) -> Self {
        let starting = PipelineState { health: PipelineHealth::Starting, reload_refused: None };
        let pipelines = names.map(|name| (name, starting.clone())).collect();
        Self { pipelines: Mutex::new(pipelines), metrics: None }
    }

    /// The same, and `millrace_pipeline_up` follows.
    pub fn with_metrics(names: impl Iterator<Item = String>, metrics: Arc<HostMetrics>) -> Self {
        let health = Self { metrics: Some(metrics), ..Self::new(names) };
        let names: Vec<String> = health.lock().keys().cloned().collect();
        names.iter().for_each(|name| health.show(name, Running::No));
        health
    }

    /// A pipeline has been told its partitions, or runs another plugin.
    pub fn running(&self, pipeline: &str, status: Status) {
        let Status { partitions, plugin, drain, failing } = status;
        if let Some(metrics) = &self.metrics {
            metrics.pipeline_drained(pipeline, matches!(drain, Some(Drain::Drained { .. })));
        }
        self.update(pipeline, |state| state.health = PipelineHealth::Running { partitions, plugin, drain, failing });
        self.show(pipeline, Running::Yes);
    }

    /// A pipeline is stopped, and everything of it is dropped.
    pub fn stopped(&self, pipeline: &str, reason: &str) {
        self.update(pipeline, |state| state.health = PipelineHealth::Stopped { reason: reason.to_owned() });
        if let Some(metrics) = &self.metrics {
            metrics.pipeline_stopped(pipeline, SystemClock.now_ms());
        }
    }

    /// The last change of a pipeline is not used.
    pub fn reload_refused(&self, pipeline: &str, reason: &str) {
        self.update(pipeline, |state| state.reload_refused = Some(reason.to_owned()));
        if let Some(metrics) = &self.metrics {
            metrics.reload_refused(pipeline);
        }
    }

    /// The pipeline runs what its file and its settings say.
    pub fn reload_done(&self, pipeline: &str) {
        self.update(pipeline, |state| state.reload_refused = None);
        if let Some(metrics) = &self.metrics {
            metrics.reload_done(pipeline);
        }
    }

    /// Every pipeline and how it is.
    pub fn pipelines(&self) -> BTreeMap<String, PipelineState> {
        self.lock().clone()
    }

    /// Whether every pipeline runs.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|state| matches!(state.health, PipelineHealth::Running { .. }))
    }

    fn update(&self, pipeline: &str, change: impl FnOnce(&mut PipelineState)) {
        let mut pipelines = self.lock();
        let starting = || PipelineState { health: PipelineHealth::Starting, reload_refused: None };
        change(pipelines.entry(pipeline.to_owned()).or_insert_with(starting));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, PipelineState>> {
        // Each change is one assignment, so a panic elsewhere leaves the map whole.
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, pipeline: &str, running: Running) {
        if let Some(metrics) = &self.metrics {
            metrics.pipeline_up(pipeline, running);
        }
    }
}

#[derive(Clone)]
struct Shared {
    metrics: Arc<HostMetrics>,
    health: Arc<Health>,
    controls: Arc<Controls>,
}

/// Begins to serve, and goes on until the handle is aborted.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(
    config: &AdminConfig,
    (metrics, health, controls): (Arc<HostMetrics>, Arc<Health>, Arc<Controls>),
) -> anyhow::Result<JoinHandle<()>> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("the admin server cannot listen on {}; set `admin.listen`", config.listen))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "The admin server listens.");
    let app = router(Shared { metrics, health, controls }).into_make_service_with_connect_info::<Peer>();
    let listener = Bounded::new(listener, CONNECTIONS_MAX);
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "The admin server ended.");
        }
    }))
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(show_readiness))
        .layer(DefaultBodyLimit::max(0))
        .merge(orders::routes())
        .with_state(shared)
}

async fn show_metrics(State(shared): State<Shared>) -> Response {
    match shared.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// What `/readyz` answers.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    pipelines: BTreeMap<String, PipelineState>,
}

async fn show_readiness(State(shared): State<Shared>) -> Response {
    let ready = shared.health.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, pipelines: shared.health.pipelines() })).into_response()
}

#[cfg(test)]
mod tests;
