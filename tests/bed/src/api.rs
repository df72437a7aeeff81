//! A stand-in for MediaWiki's action API: answers `prop=revisions` from the [`World`], after a set time. It keeps
//! connections alive and does as little as it can, because benches run it on the same cores.

use crate::world::{RevisionState, World};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a slow revision takes: what MediaWiki's API takes at worst before it gives up.
pub const SLOW: Duration = Duration::from_secs(15);

/// A running stand-in; it ends when the value is dropped.
pub struct StandIn {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    revisions: AtomicU64,
    out: AtomicBool,
    /// One revision of so many is slow to read; 0: none.
    slow_every: AtomicU64,
}

struct Served {
    world: Arc<World>,
    latency: Duration,
    counts: Arc<Counts>,
}

impl Served {
    /// Pages are numbered from 1, so their remainders spread slow ones over time.
    fn latency_of(&self, ids: &[u64]) -> Duration {
        let every = self.counts.slow_every.load(Ordering::Relaxed);
        let is_slow = |id: &u64| every > 0 && World::page_of(*id).is_multiple_of(every);
        if ids.iter().any(is_slow) { SLOW } else { self.latency }
    }
}

impl StandIn {
    /// Starts on a port of the system's choice on loopback.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(world: Arc<World>, latency: Duration) -> anyhow::Result<Self> {
        let counts = Arc::new(Counts::default());
        let served = Arc::new(Served { world, latency, counts: Arc::clone(&counts) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let app = Router::new().fallback(answer).with_state(served);
        let task = tokio::spawn(async move {
            // Ends with the runtime or with `abort`; what else could go wrong shows in whoever asks.
            drop(axum::serve(listener, app).await);
        });
        Ok(Self { address, counts, task })
    }

    /// Where it listens, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many calls it was asked.
    pub fn calls(&self) -> u64 {
        self.counts.calls.load(Ordering::Relaxed)
    }

    /// How many revisions it was asked for, in all calls.
    pub fn revisions(&self) -> u64 {
        self.counts.revisions.load(Ordering::Relaxed)
    }

    /// From now on one revision of `every` takes [`SLOW`] to read, and with it the call that asks for it; 0: none.
    pub fn slow_down(&self, every: u64) {
        self.counts.slow_every.store(every, Ordering::Relaxed);
    }

    /// From now on answers nothing but 503, at once: an outage.
    pub fn go_out(&self) {
        self.counts.out.store(true, Ordering::Relaxed);
    }

    /// Ends the outage.
    pub fn come_back(&self) {
        self.counts.out.store(false, Ordering::Relaxed);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(served): State<Arc<Served>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    served.counts.calls.fetch_add(1, Ordering::Relaxed);
    if served.counts.out.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "out of order\n").into_response();
    }
    let params = parameters(uri.query().unwrap_or_default(), &body);
    let Some(revids) = params.get("revids") else {
        tokio::time::sleep(served.latency).await;
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("?");
        return (StatusCode::BAD_REQUEST, format!("{host}: this stand-in answers revids only\n")).into_response();
    };
    let ids: Vec<u64> = revids.split('|').filter_map(|id| id.parse().ok()).collect();
    tokio::time::sleep(served.latency_of(&ids)).await;
    served.counts.revisions.fetch_add(ids.len() as u64, Ordering::Relaxed);
    ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], revisions(&served.world, &ids)).into_response()
}

/// Query and form parameters, percent-decoded.
pub(crate) fn parameters(query: &str, body: &[u8]) -> BTreeMap<String, String> {
    let form = std::str::from_utf8(body).unwrap_or_default();
    query
        .split('&')
        .chain(form.split('&'))
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.into(), decode(v)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || bytes.next().and_then(|d| (d as char).to_digit(16)).unwrap_or(0);
                let value = digit() * 16 + digit();
                out.push(u8::try_from(value).unwrap_or(b'?'));
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The answer of `formatversion=2`: grouped by page, what does not exist under `badrevids`.
pub(crate) fn revisions(world: &World, ids: &[u64]) -> String {
    let mut pages: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut bad = Vec::new();
    for id in ids {
        match World::state_of(*id) {
            RevisionState::Missing => bad.push(*id),
            RevisionState::Visible | RevisionState::Hidden => pages.entry(World::page_of(*id)).or_default().push(*id),
        }
    }
    let mut out = String::with_capacity(ids.len() * 12_000 + 200);
    out.push_str("{\"batchcomplete\":true,\"query\":{");
    if !bad.is_empty() {
        out.push_str("\"badrevids\":{");
        for (at, id) in bad.iter().enumerate() {
            write_or_ignore(&mut out, format_args!("{}\"{id}\":{{\"revid\":{id},\"missing\":true}}", comma(at)));
        }
        out.push_str(if pages.is_empty() { "}" } else { "}," });
    }
    if !pages.is_empty() {
        out.push_str("\"pages\":[");
        for (at, (page, revs)) in pages.iter().enumerate() {
            write_or_ignore(
                &mut out,
                format_args!("{}{{\"pageid\":{page},\"ns\":0,\"title\":\"Page {page}\",\"revisions\":[", comma(at)),
            );
            for (at, rev) in revs.iter().enumerate() {
                out.push_str(comma(at));
                revision(world, *page, *rev, &mut out);
            }
            out.push_str("]}");
        }
        out.push(']');
    }
    out.push_str("}}");
    out
}

fn revision(world: &World, page: u64, rev: u64, out: &mut String) {
    write_or_ignore(out, format_args!("{{\"revid\":{rev},\"parentid\":{},\"slots\":{{", rev.saturating_sub(1)));
    let hidden = World::state_of(rev) == RevisionState::Hidden;
    for (at, slot) in World::slots_of(page).iter().enumerate() {
        write_or_ignore(out, format_args!("{}\"{}\":{{\"contentmodel\":\"{}\",", comma(at), slot.role, slot.model));
        if hidden {
            out.push_str("\"texthidden\":true}");
        } else {
            let text = world.text(rev, slot.number);
            write_or_ignore(out, format_args!("\"contentformat\":\"{}\",\"content\":\"", slot.format));
            out.push_str(&text.escaped);
            out.push_str("\"}");
        }
    }
    out.push_str("}}");
}

fn comma(at: usize) -> &'static str {
    if at == 0 { "" } else { "," }
}

/// Writing to a `String` cannot fail.
fn write_or_ignore(out: &mut String, text: std::fmt::Arguments<'_>) {
    if out.write_fmt(text).is_err() {
        out.push('?');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_json_of_the_known_shape() {
        let world = World::new(3, 500);
        let text = revisions(&world, &[1001, 1002, 7001, 1850, 1950]);
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["query"]["badrevids"]["1850"]["missing"], true);
        assert_eq!(answer["query"]["pages"][0]["revisions"][0]["slots"]["main"]["content"], world.text(1001, 0).plain);
        assert_eq!(answer["query"]["pages"][0]["revisions"][2]["slots"]["main"]["texthidden"], true);
        assert_eq!(
            answer["query"]["pages"][1]["revisions"][0]["slots"]["mediainfo"]["contentmodel"],
            "wikibase-mediainfo"
        );
    }

    #[test]
    fn parameters_are_decoded() {
        let params = parameters("revids=1%7C2&a=b+c", b"");
        assert_eq!(params.get("revids").map(String::as_str), Some("1|2"));
        assert_eq!(params.get("a").map(String::as_str), Some("b c"));
    }
}
