//! An API that misbehaves on purpose: each wiki's calls meet what its [`Trouble`] says. It writes to bare sockets,
//! because half of what it says no HTTP library would.

use crate::api::{parameters, revisions};
use crate::trouble::{Body, Changes, End, Reply, Then, Trouble};
use crate::world::World;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The longest head of a request, in bytes: fifty numbers of revisions fit many times.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// What is sent at once of what never ends, in bytes.
const ENDLESS_PIECE_BYTES: usize = 64 << 10;

/// A running API; it ends when the value is dropped.
pub struct Troubled {
    address: SocketAddr,
    books: Arc<Books>,
    task: tokio::task::JoinHandle<()>,
}

struct Books {
    world: Arc<World>,
    /// By the first label of the wiki's domain.
    troubles: BTreeMap<String, Trouble>,
    healed: AtomicBool,
    /// When the calls of each wiki came.
    calls: Mutex<BTreeMap<String, Vec<Instant>>>,
}

impl Troubled {
    /// Listens at `address`, or on a port of the system's choice on loopback. The wiki `NAME.wikipedia.org` has the
    /// trouble `NAME`; others have none.
    ///
    /// # Errors
    /// The port cannot be had.
    pub async fn start(
        address: Option<SocketAddr>,
        world: Arc<World>,
        troubles: BTreeMap<String, Trouble>,
    ) -> anyhow::Result<Self> {
        let address = address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let books = Books { world, troubles, healed: AtomicBool::new(false), calls: Mutex::default() };
        let books = Arc::new(books);
        let served = Arc::clone(&books);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // How a connection ends is the point of it; it ends with the runtime at the latest.
                drop(tokio::spawn(serve(socket, Arc::clone(&served))));
            }
        });
        Ok(Self { address, books, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every call is answered right.
    pub fn heal(&self) {
        self.books.healed.store(true, Ordering::Relaxed);
    }

    /// When the calls of a wiki came, by the first label of its domain.
    pub fn calls(&self, wiki: &str) -> Vec<Instant> {
        let calls = self.books.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.get(wiki).cloned().unwrap_or_default()
    }
}

impl Drop for Troubled {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Books {
    /// What this call of a wiki meets.
    fn next(&self, wiki: &str) -> Reply {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.entry(wiki.to_owned()).or_default();
        let number = calls.len();
        calls.push(Instant::now());
        let Some(trouble) = self.troubles.get(wiki).filter(|_| !self.healed.load(Ordering::Relaxed)) else {
            return Reply::default();
        };
        let last = || trouble.replies.last().filter(|_| trouble.then == Then::Same);
        trouble.replies.get(number).or_else(last).cloned().unwrap_or_default()
    }
}

/// Answers the calls of one connection.
async fn serve(mut socket: TcpStream, books: Arc<Books>) -> anyhow::Result<()> {
    let mut received = Vec::new();
    loop {
        let Some(head) = next_head(&mut socket, &mut received).await? else { return Ok(()) };
        let (wiki, ids) = asked(&head)?;
        let reply = books.next(&wiki);
        tokio::time::sleep(Duration::from_millis(reply.wait_ms)).await;
        send(&mut socket, &reply, &books.world, &ids).await?;
        match reply.end {
            End::Kept => {}
            End::Closed => return Ok(()),
            End::Reset => return Ok(socket.set_zero_linger()?),
            End::Silent => std::future::pending().await,
        }
    }
}

/// The head of the next request; none when the other side has closed.
async fn next_head(socket: &mut TcpStream, received: &mut Vec<u8>) -> anyhow::Result<Option<String>> {
    const END: &[u8] = b"\r\n\r\n";
    loop {
        if let Some(at) = received.windows(END.len()).position(|window| window == END) {
            let head = received.drain(..at + END.len()).collect();
            return Ok(Some(String::from_utf8(head)?));
        }
        anyhow::ensure!(received.len() < HEAD_BYTES_MAX, "a head without an end");
        if socket.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

/// The first label of the wiki's domain, and the revisions that are asked for.
fn asked(head: &str) -> anyhow::Result<(String, Vec<u64>)> {
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).context("no request line")?;
    let host =
        lines.find_map(|line| line.to_ascii_lowercase().strip_prefix("host:").map(|host| host.trim().to_owned()));
    let wiki = host.context("no host")?.split('.').next().unwrap_or_default().to_owned();
    let query = target.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let ids = parameters(query, b"").remove("revids").unwrap_or_default();
    Ok((wiki, ids.split('|').filter_map(|id| id.parse().ok()).collect()))
}

async fn send(socket: &mut TcpStream, reply: &Reply, world: &World, ids: &[u64]) -> anyhow::Result<()> {
    if let Some(raw) = &reply.raw {
        return Ok(socket.write_all(raw.as_bytes()).await?);
    }
    let (body, length) = match &reply.body {
        Body::Right(changes) => whole(right(world, ids, changes)?.into_bytes()),
        Body::Json(json) => whole(json.to_string().into_bytes()),
        Body::Text(text) => whole(text.clone().into_bytes()),
        Body::Endless(text) => (text.repeat(ENDLESS_PIECE_BYTES / text.len().max(1)).into_bytes(), None),
    };
    socket.write_all(head(reply, length)?.as_bytes()).await?;
    if reply.endless_headers {
        return for_ever(socket, b"x-more: and more, and more, and more\r\n").await;
    }
    socket.write_all(b"\r\n").await?;
    if length.is_none() {
        return for_ever(socket, &body).await;
    }
    let sent = body.get(..body.len() * reply.percent / 100).unwrap_or(&body);
    match reply.byte_every_ms {
        None => socket.write_all(sent).await?,
        Some(every_ms) => {
            for byte in sent {
                socket.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(every_ms)).await;
            }
        }
    }
    Ok(())
}

/// A body with its length.
fn whole(body: Vec<u8>) -> (Vec<u8>, Option<usize>) {
    let length = body.len();
    (body, Some(length))
}

/// Sends the same until the other side has enough.
async fn for_ever(socket: &mut TcpStream, piece: &[u8]) -> anyhow::Result<()> {
    loop {
        socket.write_all(piece).await?;
    }
}

fn head(reply: &Reply, length: Option<usize>) -> anyhow::Result<String> {
    let mut head = format!("HTTP/1.1 {} whatever\r\n", reply.status);
    if let Some(length) = length {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    if !reply.headers.contains_key("content-type") {
        head.push_str("content-type: application/json; charset=utf-8\r\n");
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {}\r\n", dated(value)?));
    }
    Ok(head)
}

/// A header's value, with `{in N s}` as a date.
fn dated(value: &str) -> anyhow::Result<String> {
    let Some(seconds) = value.strip_prefix("{in ").and_then(|rest| rest.strip_suffix(" s}")) else {
        return Ok(value.to_owned());
    };
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds.parse()?);
    Ok(jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at)?)
}

/// The right answer, with changes.
fn right(world: &World, ids: &[u64], changes: &Changes) -> anyhow::Result<String> {
    let (mut kept, mut bytes) = (ids.len(), 0);
    for (at, id) in ids.iter().enumerate() {
        bytes += world.text(*id, 0).escaped.len() * changes.times;
        if bytes > changes.bytes_max && kept == ids.len() {
            kept = at;
        }
    }
    let (kept, left_out) = ids.split_at(kept);
    let mut answer: Value = serde_json::from_str(&revisions(world, kept))?;
    if let Some(next) = left_out.first() {
        answer["continue"] = json!({"rvcontinue": next.to_string(), "continue": "||"});
        let says = format!("This result is cut, because it would be larger than {} bytes.", changes.bytes_max);
        answer["warnings"] = json!({"result": {"warnings": says}});
    }
    if let Some(pages) = answer["query"]["pages"].as_array_mut() {
        pages.iter_mut().for_each(|page| change(page, changes));
        if changes.reversed {
            pages.reverse();
        }
    }
    for (name, value) in &changes.members {
        answer[name] = value.clone();
    }
    Ok(answer.to_string())
}

fn change(page: &mut Value, changes: &Changes) {
    let Some(revisions) = page["revisions"].as_array_mut() else { return };
    if changes.reversed {
        revisions.reverse();
    }
    for revision in revisions {
        if changes.other_revisions {
            revision["revid"] = json!(revision["revid"].as_u64().unwrap_or(0) + 1_000_000_000);
        }
        let content = &mut revision["slots"]["main"]["content"];
        if let Some(text) = content.as_str().map(|text| text.repeat(changes.times)) {
            *content = text.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(changes: &Changes) -> Value {
        serde_json::from_str(&right(&World::new(3, 500), &[1001, 1002, 2001], changes).unwrap()).unwrap()
    }

    fn ids(answer: &Value) -> Vec<u64> {
        let pages = answer["query"]["pages"].as_array().unwrap();
        let revisions = pages.iter().flat_map(|page| page["revisions"].as_array().unwrap());
        revisions.map(|revision| revision["revid"].as_u64().unwrap()).collect()
    }

    #[test]
    fn changes_are_made_to_the_right_answer() {
        assert_eq!(ids(&answer(&Changes::default())), [1001, 1002, 2001]);
        assert_eq!(ids(&answer(&Changes { reversed: true, ..Changes::default() })), [2001, 1002, 1001]);
        let others = answer(&Changes { other_revisions: true, ..Changes::default() });
        assert_eq!(ids(&others), [1_000_001_001, 1_000_001_002, 1_000_002_001]);
    }

    #[test]
    fn what_would_pass_the_size_is_left_out_and_named() {
        let cut = answer(&Changes { bytes_max: 1_200, ..Changes::default() });
        assert_eq!((ids(&cut), cut["continue"]["rvcontinue"].as_str()), (vec![1001, 1002], Some("2001")));
    }

    #[test]
    fn a_request_says_which_wiki_and_which_revisions() {
        let head = "GET /w/api.php?action=query&revids=1%7C2 HTTP/1.1\r\nHost: slow.wikipedia.org\r\n\r\n";
        assert_eq!(asked(head).unwrap(), ("slow".to_owned(), vec![1, 2]));
    }
}
