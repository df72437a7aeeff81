//! A stand-in for EventStreams: one topic as Server-Sent Events, with the habits of the real service: ids, `since`,
//! `Last-Event-ID`, and connections that end after a while, some of them in the middle of an event.

use anyhow::Context as _;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The events that there are, and how connections end.
struct Topic {
    stream: String,
    events: Mutex<Vec<Value>>,
    count: watch::Sender<usize>,
    per_connection: usize,
    requests: Mutex<Vec<String>>,
}

/// A running stand-in. It ends with the runtime that it was started in.
#[derive(Clone)]
pub struct EventStreams {
    topic: Arc<Topic>,
    url: String,
}

impl EventStreams {
    /// Serves `stream`, whose one topic is `eqiad.` and its name. A connection ends after `per_connection` events: every
    /// second one with half of the next event.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(stream: &str, events: Vec<Value>, per_connection: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v2/stream/", listener.local_addr()?);
        let (count, _) = watch::channel(events.len());
        let topic = Arc::new(Topic {
            stream: stream.to_owned(),
            events: Mutex::new(events),
            count,
            per_connection,
            requests: Mutex::default(),
        });
        let serving = Arc::clone(&topic);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A client that goes away is none of the others' business.
                tokio::spawn(serve(Arc::clone(&serving), socket));
            }
        });
        Ok(Self { topic, url })
    }

    /// What stands before the stream's name.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One more event, for those who listen.
    pub fn add(&self, event: Value) {
        let mut events = lock(&self.topic.events);
        events.push(event);
        self.topic.count.send_replace(events.len());
    }

    /// The heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.topic.requests).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(topic: Arc<Topic>, mut socket: TcpStream) -> anyhow::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let number = {
        let mut requests = lock(&topic.requests);
        requests.push(head.clone());
        requests.len()
    };
    let target = head.split(' ').nth(1).context("no target")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path.rsplit('/').next() != Some(&topic.stream) {
        let text = "Unknown stream";
        let answer = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        return Ok(socket.write_all(answer.as_bytes()).await?);
    }
    let begin = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n:ok\n\n";
    socket.write_all(begin.as_bytes()).await?;
    let mut count = topic.count.subscribe();
    let mut next = start(&topic, &head, query);
    for _ in 0..topic.per_connection {
        count.wait_for(|count| next < *count).await?;
        socket.write_all(frame(&topic, next).as_bytes()).await?;
        next += 1;
    }
    if number.is_multiple_of(2) {
        count.wait_for(|count| next < *count).await?;
        let frame = frame(&topic, next);
        socket.write_all(frame.get(..frame.len() / 2).unwrap_or_default().as_bytes()).await?;
    }
    Ok(socket.shutdown().await?)
}

/// Where a request begins: behind its last event, at its time, else with the next event.
fn start(topic: &Topic, head: &str, query: &str) -> usize {
    let events = lock(&topic.events);
    let last = head.lines().find_map(|line| line.strip_prefix("last-event-id: "));
    if let Some(id) = last.and_then(|id| serde_json::from_str::<Value>(id).ok()) {
        let offset = id[0]["offset"].as_u64().unwrap_or(0);
        return usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(1);
    }
    match query.strip_prefix("since=") {
        Some(since) => {
            let since = since.replace("%3A", ":");
            let at = |event: &Value| event["meta"]["dt"].as_str().is_some_and(|dt| *dt >= *since);
            events.iter().position(at).unwrap_or(events.len())
        }
        None => events.len(),
    }
}

/// An event as the service sends it, with its coordinates.
fn frame(topic: &Topic, offset: usize) -> String {
    let mut event = lock(&topic.events).get(offset).cloned().unwrap_or_default();
    let name = format!("eqiad.{}", topic.stream);
    event["meta"]["topic"] = json!(name);
    event["meta"]["partition"] = json!(0);
    event["meta"]["offset"] = json!(offset);
    let id = json!([{ "topic": name, "partition": 0, "offset": offset }]);
    format!("event: message\nid: {id}\ndata: {event}\n\n")
}
