//! Orders to pipelines: `POST /pipelines/NAME/drain` and `/resume`. They are taken from this machine alone, whatever the
//! server listens on, and only as JSON: a web page that an operator happens to look at can send neither.

use super::Shared;
use super::listener::Peer;
use crate::partition::Until;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

/// The most bytes of an order: room for the offsets of a thousand partitions.
const ORDER_BYTES_MAX: usize = 64 << 10;

/// The order to drain.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrainOrder {
    /// Up to where events are taken.
    pub(crate) until: Until,
}

/// The order to go on.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResumeOrder {}

/// The routes of orders.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/pipelines/{name}/drain", post(drain))
        .route("/pipelines/{name}/resume", post(resume))
        .layer(DefaultBodyLimit::max(ORDER_BYTES_MAX))
}

async fn drain(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Json(order): Json<DrainOrder>,
) -> Response {
    take(&shared, peer, &name, Some(order.until))
}

async fn resume(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(name): Path<String>,
    Json(ResumeOrder {}): Json<ResumeOrder>,
) -> Response {
    take(&shared, peer, &name, None)
}

fn take(shared: &Shared, peer: Peer, name: &str, until: Option<Until>) -> Response {
    if !peer.0.ip().to_canonical().is_loopback() {
        let text = "orders are taken from this machine alone; run the command on the host itself\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    if shared.controls.order_drain(name, until) {
        return (StatusCode::ACCEPTED, Json(serde_json::json!({ "pipeline": name }))).into_response();
    }
    let names: Vec<&str> = shared.controls.pipelines().collect();
    (StatusCode::NOT_FOUND, format!("this host has no pipeline of that name; it has {}\n", names.join(", ")))
        .into_response()
}
