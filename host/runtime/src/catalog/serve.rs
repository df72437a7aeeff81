//! `millrace catalog serve`: the catalog as a web page, on loopback. It only tells, and asks nobody who they are.

use super::page::{SCRIPT, STYLE};
use super::{Catalog, page, stream_page};
use anyhow::{Context as _, ensure};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What a page may load: its own style and script, and nothing from anywhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Serves until the process ends. `ready` is told the address: port 0 lets the system choose.
///
/// # Errors
/// An address beyond loopback, or one that cannot be had.
pub async fn serve(catalog: Catalog, listen: SocketAddr, ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    ensure!(
        listen.ip().is_loopback(),
        "{listen} can be reached from elsewhere; the catalog is served on loopback only"
    );
    let listener = TcpListener::bind(listen).await.with_context(|| format!("{listen} cannot be listened on"))?;
    ready(listener.local_addr()?);
    Ok(axum::serve(listener, router(catalog)).await?)
}

/// All pages.
pub(super) fn router(catalog: Catalog) -> Router {
    Router::new()
        .route("/", get(first))
        .route("/stream/{name}", get(stream))
        .route("/catalog.json", get(json))
        .route("/style.css", get(|| async { with_type("text/css; charset=utf-8", STYLE.to_owned()) }))
        .route("/search.js", get(|| async { with_type("text/javascript; charset=utf-8", SCRIPT.to_owned()) }))
        .with_state(Arc::new(catalog))
}

async fn first(State(catalog): State<Arc<Catalog>>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let words = query.get("q").map(String::as_str).unwrap_or_default();
    with_type("text/html; charset=utf-8", page::first(&catalog, words))
}

async fn stream(State(catalog): State<Arc<Catalog>>, Path(name): Path<String>) -> Response {
    match catalog.stream(&name) {
        Some(stream) => with_type("text/html; charset=utf-8", stream_page::stream(stream)),
        None => {
            let body = "<header><p><a href=\"/\">All streams</a></p><h1>There is no such stream</h1></header>\n";
            let mut response = with_type("text/html; charset=utf-8", page::page("No such stream", body));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

async fn json(State(catalog): State<Arc<Catalog>>) -> Response {
    Json(&*catalog).into_response()
}

fn with_type(kind: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, body).into_response()
}
