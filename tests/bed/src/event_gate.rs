//! A stand-in for EventGate: takes events as `POST /v1/events`, one or a list, and answers 201, 207, 400 or 503 as it does. It
//! checks what EventGate checks first, that the event's schema is the stream's, and leaves full validation to the host's
//! own tests. What it took can be read.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What EventGate takes in one body.
const BODY_BYTES_MAX: usize = 10 << 20;

/// A running stand-in; it ends when the value is dropped.
pub struct EventGate {
    address: SocketAddr,
    state: Shared,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Inner {
    /// The schema title of every stream.
    titles: BTreeMap<String, String>,
    taken: Vec<Value>,
    posts: u64,
    out: bool,
    /// Pages whose events are called invalid.
    unwanted: BTreeSet<u64>,
    /// How many of the next events cannot be produced.
    unproduced: usize,
}

type Shared = Arc<Mutex<Inner>>;

fn lock(state: &Shared) -> MutexGuard<'_, Inner> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EventGate {
    /// Starts on a port of the system's choice on loopback. `titles` says which schema each stream has.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(titles: &[(&str, &str)]) -> anyhow::Result<Self> {
        let titles = titles.iter().map(|(stream, title)| ((*stream).to_owned(), (*title).to_owned())).collect();
        let state = Arc::new(Mutex::new(Inner { titles, ..Inner::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let app = Router::new()
            .route("/v1/events", post(take))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            // Ends with the runtime or with `abort`; what else could go wrong shows in whoever posts.
            drop(axum::serve(listener, app).await);
        });
        Ok(Self { address, state, task })
    }

    /// Where events are posted.
    pub fn url(&self) -> String {
        format!("http://{}/v1/events", self.address)
    }

    /// Everything that was taken, in order.
    pub fn taken(&self) -> Vec<Value> {
        lock(&self.state).taken.clone()
    }

    /// How many posts there were.
    pub fn posts(&self) -> u64 {
        lock(&self.state).posts
    }

    /// Calls the events of a page invalid from now on.
    pub fn refuse_page(&self, page_id: u64) {
        lock(&self.state).unwanted.insert(page_id);
    }

    /// Cannot produce so many of the next events.
    pub fn fail(&self, events: usize) {
        lock(&self.state).unproduced = events;
    }

    /// From now on answers nothing but 503: an outage.
    pub fn go_out(&self) {
        lock(&self.state).out = true;
    }

    /// Ends the outage.
    pub fn come_back(&self) {
        lock(&self.state).out = false;
    }
}

impl Drop for EventGate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(state): State<Shared>, body: Bytes) -> Response {
    let mut inner = lock(&state);
    inner.posts += 1;
    if inner.out {
        return (StatusCode::SERVICE_UNAVAILABLE, "out of order\n").into_response();
    }
    let events: Vec<Value> = match serde_json::from_slice(&body) {
        Ok(Value::Array(events)) => events,
        Ok(event @ Value::Object(_)) => vec![event],
        Ok(_) | Err(_) => return (StatusCode::BAD_REQUEST, "no events\n").into_response(),
    };
    let (mut invalid, mut error) = (Vec::new(), Vec::new());
    let count = events.len();
    for event in events {
        if let Some(why) = inner.fault_of(&event) {
            invalid.push(json!({ "status": "invalid", "event": event, "context": { "errorsText": why } }));
        } else if inner.unproduced > 0 {
            inner.unproduced -= 1;
            let context = json!({ "message": "the producer's queue is full" });
            error.push(json!({ "status": "error", "event": event, "context": context }));
        } else {
            inner.taken.push(event);
        }
    }
    let status = match (invalid.len(), error.len()) {
        (0, 0) => return StatusCode::CREATED.into_response(),
        (all, _) if all == count => StatusCode::BAD_REQUEST,
        (_, all) if all == count => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::MULTI_STATUS,
    };
    (status, json!({ "invalid": invalid, "error": error }).to_string()).into_response()
}

impl Inner {
    /// Why an event is not taken.
    fn fault_of(&self, event: &Value) -> Option<String> {
        let stream = event["meta"]["stream"].as_str().unwrap_or_default();
        let schema = event["$schema"].as_str().unwrap_or_default();
        let title = schema.trim_start_matches('/').rsplit_once('/').map_or("", |(title, _)| title);
        if self.titles.get(stream).map(String::as_str) != Some(title) {
            return Some(format!("the schema {schema:?} is not that of the stream {stream:?}"));
        }
        let unwanted = event["page"]["page_id"].as_u64().is_some_and(|page| self.unwanted.contains(&page));
        unwanted.then(|| "'.page.page_id' is not wanted here".to_owned())
    }
}
