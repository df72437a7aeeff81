//! What projection and validation cost per output: an enriched `page_change` event of 2.5 kB with a body of 10 kB, as it is
//! and with fields that its schema does not know. `./x bench` makes a share of the host's CPU of it.

#![expect(clippy::print_stdout, reason = "this is a program")]

use anyhow::Context as _;
use bytes::Bytes;
use millrace_flow::blob::{Blob, Piece};
use millrace_flow::outcome::{Change, Edit};
use millrace_platform::{DecodeLimits, Document, Projection, Schema, SchemaUri};
use std::hint::black_box;
use std::time::Instant;

/// Events of one measurement, and how many measurements there are; the best one is told, because others share the cores.
const EVENTS: u32 = 20_000;
const ROUNDS: usize = 5;

fn main() -> anyhow::Result<()> {
    let uri = SchemaUri::parse("/mediawiki/page/change/1.2.0")?;
    let file =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/schemas/jsonschema/mediawiki/page/change/1.2.0.yaml");
    let schema = Schema::compile(&uri, &std::fs::read(file).with_context(|| file.to_owned())?)?;
    let newer = enriched()?;
    let pinned = schema.conform(&newer)?.document;
    println!("event us");
    println!("pinned {:.2}", micros(&schema, &pinned));
    println!("newer {:.2}", micros(&schema, &newer));
    Ok(())
}

/// The event as the flagship makes it: a patch with a body that stays as the API sent it.
fn enriched() -> anyhow::Result<Document> {
    let event = include_bytes!("../tests/platform/page_change.json");
    let document = Document::parse(Bytes::from_static(event), &DecodeLimits::default())?;
    let body = "== M\\u00fchle ==\\n[[Wasser]] ".repeat(10_000 / 27);
    let body = Blob::escaped(Bytes::from(body.clone()), body.len() as u64);
    let path = "/revision/content_slots/main/content_body".to_owned();
    let edit = Edit { path, change: Change::Set(vec![Piece::JsonString(body)]) };
    Ok(document.patch(&[edit], &Projection::everything())?)
}

/// Microseconds per event, of the best round.
fn micros(schema: &Schema, document: &Document) -> f64 {
    let round = || {
        let began = Instant::now();
        (0..EVENTS).for_each(|_| drop(black_box(schema.conform(document))));
        began.elapsed().as_secs_f64() * 1e6 / f64::from(EVENTS)
    };
    (0..ROUNDS).map(|_| round()).fold(f64::MAX, f64::min)
}
