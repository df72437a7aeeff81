//! What a ticket costs in a crew, host's part included: the identity, a plugin that touches its JSON, and the flagship
//! with one answered lookup, in turns of 1, 8 and 64 events. Run after `./x guests`:
//!
//! `cargo run --release -p millrace-plugin --example turn_cost`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table for people")]

use bytes::Bytes;
use millrace_flow::blob::Blob;
use millrace_flow::lookup::{Answer, Reply};
use millrace_flow::record::TopicPartition;
use millrace_plugin::{Crew, Effect, Engine, EngineConfig, Event, Limits, Payload, PluginError};
use std::path::Path;
use std::time::{Duration, Instant};

/// Tickets of one measurement.
const TICKETS: usize = 200_000;

/// Measurements of each row; the best one counts, because noise only ever adds.
const REPEATS: usize = 3;

/// A revision as the flagship sees it after projection.
const PROJECTED: &str = r#"{"page_change_kind":"edit","meta":{"domain":"en.wikipedia.org"},"revision":{"rev_id":1234567,"is_content_visible":true,"content_slots":{"main":{"slot_role":"main","content_model":"wikitext","content_sha1":"abcdefghijklmnopqrstuvwxyz01234","content_size":10000,"content_format":"text/x-wiki","origin_rev_id":1234567}}}}"#;

/// The answer to the flagship's one question.
const ANSWER: &str = r#"{"rev_id":1234567,"page_id":1,"parent_id":1234566,"slots":{"main":{"model":"wikitext","format":"text/x-wiki","size":10000,"sha1":"abcdefghijklmnopqrstuvwxyz01234","body":0}}}"#;

fn main() -> Result<(), PluginError> {
    let engine = Engine::new(EngineConfig::default())?;
    let body = Blob::plain(Bytes::from(vec![b'x'; 10_000]));
    let answer: Answer = Ok(Reply { document: Bytes::from_static(ANSWER.as_bytes()), blobs: vec![body] });
    println!("{:<24} {:>6} {:>12} {:>12} {:>8}", "guest", "batch", "µs/ticket", "tickets/s", "turns");
    for (name, document) in [("identity", "{}"), ("json-touch", PROJECTED), ("page-content-change", PROJECTED)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../guests/target/components/{name}.wasm"));
        let Ok(component) = std::fs::read(&path) else {
            eprintln!("{name} is not built; run ./x guests first");
            continue;
        };
        let plugin = engine.load(&component)?;
        let input = plugin.describe().inputs.keys().next().cloned().unwrap_or_default();
        for batch in [1, 8, 64] {
            let event = event(&input, document);
            let mut best = f64::INFINITY;
            let mut turns = 0;
            for _ in 0..REPEATS {
                let mut crew = Crew::new(&plugin, "{}", Limits::default())
                    .or_else(|_| Crew::new(&plugin, "null", Limits::default()))?;
                let started = Instant::now();
                turns = run(&mut crew, &event, &answer, batch);
                best = best.min(started.elapsed().as_secs_f64());
            }
            let tickets = TICKETS as f64;
            println!("{name:<24} {batch:>6} {:>12.2} {:>12.0} {turns:>8}", best * 1e6 / tickets, tickets / best);
        }
    }
    Ok(())
}

fn event(input: &str, document: &'static str) -> Event {
    Event {
        input: input.into(),
        source: TopicPartition::new("eqiad.mediawiki.page_change.v1", 0),
        offset: 1_234_567,
        timestamp_ms: 1_700_000_000_000,
        key: Some(Bytes::from_static(br#"{"wiki_id":"enwiki","page_id":1}"#)),
        value: Some(Payload::Inline(Bytes::from_static(document.as_bytes()))),
        headers: Vec::new(),
        attempt: 1,
    }
}

/// Keeps `batch` tickets in flight until all are over. Returns the rounds that it took.
fn run(crew: &mut Crew, event: &Event, answer: &Answer, batch: usize) -> usize {
    let mut effects = Vec::new();
    let (mut started, mut ended, mut rounds) = (0, 0, 0);
    while ended < TICKETS {
        while crew.open() < batch && started < TICKETS {
            crew.start(event.clone());
            started += 1;
        }
        crew.run(1_700_000_000_000, Duration::MAX, &mut effects);
        rounds += 1;
        for effect in effects.drain(..) {
            match effect {
                Effect::Ask { ticket, ask } => crew.answer(ticket, ask.id, answer.clone()),
                Effect::Done { .. } => ended += 1,
                Effect::Fault { fault, .. } => {
                    eprintln!("{fault}");
                    return rounds;
                }
            }
        }
    }
    rounds
}
