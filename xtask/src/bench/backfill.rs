//! `./x bench backfill`: what a live pipeline keeps of its speed beside a backfill that asks the same wiki, where the calls
//! to it are the limit. Each figure is a ratio of two runs, one after the other, on the same stage.

use super::edges;
use super::report::{self, Goal};
use super::scenario::{API_LATENCY, Stage, page};
use crate::progress;
use millrace_bed::enrichment::Enrichment;
use serde_json::{Map, Value, json};

/// Call slots of the wiki: what a host has where nobody says anything.
const CALL_SLOTS: usize = 4;
/// Events of the live pipeline: 15 s and more for one host.
const LIVE_EVENTS: u64 = 30_000;
/// Events of the backfill: more than it gets through.
const OLD_EVENTS: u64 = 60_000;
/// The first page of the backfill: nobody else asks for those.
const OLD_PAGES: u64 = 1_000_000;

const GOALS: [Goal; 3] = [
    Goal::at_least("backfill_live_rate_ratio", "events/s of a live pipeline beside a backfill, against alone", 0.9),
    Goal::at_most("backfill_live_p99_ratio", "p99 at 50 events/s of a live pipeline beside a backfill", 1.5),
    Goal::at_least("backfill_alone_of_share", "events/s of a backfill alone, against its share of the call slots", 0.8),
];

/// Runs it and writes `target/bench/backfill.json`.
///
/// # Errors
/// Something did not start, or a run stalled. Goals that are not reached are no error: they are figures.
pub(super) fn run(latency_seconds: u64) -> anyhow::Result<()> {
    let mut figures = Map::new();
    let stage = Stage::set(API_LATENCY)?;
    let mut rates = Vec::new();
    let mut p99s = Vec::new();
    for beside in ["none", "backfill", "neighbour"] {
        progress::say(&format!("Measuring a live pipeline, beside it: {beside}."));
        let live = edges::ready(&stage, &format!("live-{beside}"), CALL_SLOTS)?;
        edges::feed(&stage, &live, (0..LIVE_EVENTS).map(page))?;
        let measured = stage.run(beside, &live, &others(&stage, beside, "rate")?, LIVE_EVENTS)?;
        rates.push(measured.events_per_second);
        let named = stage.enrichment(&format!("live-{beside}-latency"), CALL_SLOTS)?;
        let latency = stage.latency_of(&named, &others(&stage, beside, "latency")?, latency_seconds)?;
        p99s.push(latency.p99_ms());
    }
    let mut set = |key: &str, value: f64| figures.insert(format!("backfill_{key}"), json!(value));
    if let ([alone, beside, neighbour], [p99_alone, p99_beside, p99_neighbour]) = (rates.as_slice(), p99s.as_slice()) {
        set("live_alone_events_per_second", *alone);
        set("live_events_per_second", *beside);
        set("live_rate_ratio", beside / alone.max(1.0));
        set("neighbour_rate_ratio", neighbour / alone.max(1.0));
        set("live_alone_p99_ms", *p99_alone);
        set("live_p99_ms", *p99_beside);
        set("live_p99_ratio", p99_beside / p99_alone.max(1.0));
        set("neighbour_p99_ratio", p99_neighbour / p99_alone.max(1.0));
    }
    alone(&stage, &mut figures)?;
    let file = report::write_figures("backfill.json", &figures)?;
    progress::say(&report::table(&figures, &GOALS));
    progress::say(&format!("Written: {}", file.display()));
    Ok(())
}

/// A backfill that has the wiki to itself, and one with a rate.
fn alone(stage: &Stage, figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    const EVENTS: u64 = 10_000;
    const RATE: u64 = 400;
    progress::say("Measuring a backfill alone, and one with a rate.");
    let share = (CALL_SLOTS / 2 * 50) as f64 / API_LATENCY.as_secs_f64();
    for (key, section, events, expected) in [
        ("alone_of_share", "{}".to_owned(), EVENTS, share),
        ("of_its_rate", format!("{{ rate_per_second: {RATE} }}"), 20 * RATE, RATE as f64),
    ] {
        let mut old = edges::ready(stage, &format!("old-{}", key.replace('_', "-")), CALL_SLOTS)?;
        old.backfill = section;
        edges::feed(stage, &old, (0..events).map(page))?;
        let measured = stage.run(key, &old, &[], events)?;
        figures.insert(format!("backfill_{key}"), json!(measured.events_per_second / expected));
    }
    Ok(())
}

/// What runs beside the live pipeline: nothing, a backfill, or the same without being one.
fn others(stage: &Stage, beside: &str, run: &str) -> anyhow::Result<Vec<Enrichment>> {
    if beside == "none" {
        return Ok(Vec::new());
    }
    let mut old = edges::ready(stage, &format!("{beside}-{run}"), CALL_SLOTS)?;
    old.name = "old".to_owned();
    if beside == "backfill" {
        // Its rate is above what it reaches in one call of twenty: that is what is measured.
        old.backfill = "{ rate_per_second: 1000 }".to_owned();
    }
    edges::feed(stage, &old, (0..OLD_EVENTS).map(|number| OLD_PAGES + number))?;
    Ok(vec![old])
}
