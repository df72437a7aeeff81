//! `./x bench hostile`: what bystanders keep of their speed when a plugin misbehaves. Each figure is a ratio of two runs,
//! one after the other, on the same stage: how fast this machine is does not matter.

use super::report::{self, Goal};
use super::scenario::{API_LATENCY, Scenario, Stage, page};
use crate::broker::{iso, now_ms, record};
use crate::progress;
use millrace_bed::enrichment::{ANY_SCHEMA, Enrichment};
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::guest;
use millrace_kafka::config::ProducerConfig;
use millrace_kafka::writer::Writer;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long the API takes while one event in [`POISON_EVERY`] is poison.
const SLOW_API: Duration = Duration::from_secs(5);
/// Events in flight at once then.
const IN_FLIGHT: u64 = 2_000;
/// Call slots that keep as many events in flight: 50 revisions fit a call.
const SLOW_CALL_SLOTS: usize = 40;
/// Events of a run with the slow API.
const POISONED_EVENTS: u64 = 12_000;
/// One event of so many is poison.
const POISON_EVERY: u64 = 1_000;

/// Events of the healthy pipeline that has a hostile neighbour.
const HEALTHY_EVENTS: u64 = 60_000;
/// Events of that neighbour: more than it gets through, at two turns of 0.1 s for each.
const SPINNING_EVENTS: u64 = 5_000;

const GOALS: [Goal; 8] = [
    Goal::at_least("trap_rate_ratio", "bystanders' events/s, one event in 1,000 traps", 0.8),
    Goal::at_most("trap_api_calls_ratio", "calls to the API, one event in 1,000 traps", 1.05),
    Goal::at_most("trap_api_revisions_ratio", "revisions asked of the API, one event in 1,000 traps", 1.05),
    Goal::at_least("spin_rate_ratio", "bystanders' events/s, one event in 1,000 spins", 0.8),
    Goal::at_most("spin_api_calls_ratio", "calls to the API, one event in 1,000 spins", 1.05),
    Goal::at_most("spin_api_revisions_ratio", "revisions asked of the API, one event in 1,000 spins", 1.05),
    Goal::at_least("neighbour_rate_ratio", "events/s of a pipeline whose neighbour spins with every turn", 0.9),
    Goal::at_most("neighbour_p99_ratio", "p99 at 50 events/s of a pipeline whose neighbour spins", 2.0),
];

/// Runs it and writes `target/bench/hostile.json`.
///
/// # Errors
/// Something did not start, or a run stalled. Goals that are not reached are no error: they are figures.
pub(super) fn run(latency_seconds: u64) -> anyhow::Result<()> {
    let mut figures = Map::new();
    poison(&Stage::set(SLOW_API)?, &mut figures)?;
    neighbour(&Stage::set(API_LATENCY)?, latency_seconds, &mut figures)?;
    let file = report::write_figures("hostile.json", &figures)?;
    progress::say(&report::table(&figures, &GOALS));
    progress::say(&format!("Written: {}", file.display()));
    Ok(())
}

/// One pipeline, one event in a thousand poison, against the same input without poison.
fn poison(stage: &Stage, figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    let clean = poisoned(stage, "clean", "trap", 0)?;
    let mut set = |key: String, value: f64| figures.insert(key, json!(value));
    set("clean_events_per_second".to_owned(), clean.events_per_second);
    for misdeed in ["trap", "spin"] {
        let hostile = poisoned(stage, misdeed, misdeed, POISON_EVERY)?;
        set(format!("{misdeed}_events_per_second"), hostile.events_per_second);
        set(format!("{misdeed}_rate_ratio"), hostile.events_per_second / clean.events_per_second);
        set(format!("{misdeed}_api_calls_ratio"), hostile.calls / clean.calls);
        set(format!("{misdeed}_api_revisions_ratio"), hostile.revisions / clean.revisions);
    }
    Ok(())
}

/// What a run beside poison showed.
struct Poisoned {
    events_per_second: f64,
    calls: f64,
    revisions: f64,
}

/// Works off [`POISONED_EVENTS`] of which every `every`th suffers `misdeed`; 0: none.
fn poisoned(stage: &Stage, name: &str, misdeed: &str, every: u64) -> anyhow::Result<Poisoned> {
    progress::say(&format!("Measuring with answers after {} s: {name}.", SLOW_API.as_secs()));
    let mut pipeline = hostile_pipeline(stage, &format!("poison-{name}"), misdeed)?;
    pipeline.call_slots = SLOW_CALL_SLOTS;
    pipeline.limits = vec![format!("open_offsets: {IN_FLIGHT}")];
    let poison = |number: u64| every > 0 && number % every == every / 2;
    feed(stage, &pipeline, POISONED_EVENTS, poison)?;
    let bystanders = (0..POISONED_EVENTS).filter(|number| !poison(*number)).count();
    let (calls, revisions) = (stage.api.calls(), stage.api.revisions());
    let measured = stage.run(name, &pipeline, &[], u64::try_from(bystanders)?)?;
    Ok(Poisoned {
        events_per_second: measured.events_per_second,
        calls: (stage.api.calls() - calls) as f64,
        revisions: (stage.api.revisions() - revisions) as f64,
    })
}

/// A healthy pipeline alone, and beside one that spins up to its deadline with every turn.
fn neighbour(stage: &Stage, seconds: u64, figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    let mut scenario = Scenario::one_wiki(HEALTHY_EVENTS);
    let input = stage.feed(&scenario)?;
    let mut rates = Vec::new();
    let mut p99s = Vec::new();
    for name in ["alone", "beside"] {
        progress::say(&format!("Measuring a healthy pipeline: {name}."));
        scenario.name = name;
        let others = |what: &str| match name {
            "alone" => Ok(Vec::new()),
            _ => spinning(stage, &format!("spinning-{what}")).map(|pipeline| vec![pipeline]),
        };
        let mut healthy = stage.enrichment(&format!("healthy-{name}"), 32)?;
        stage.create(&[&healthy.output, &healthy.errors])?;
        healthy.input = format!("{input}.in");
        let measured = stage.run(name, &healthy, &others("rate")?, scenario.events)?;
        let latency = stage.latency(&format!("latency-{name}"), &others("latency")?, seconds)?;
        rates.push(measured.events_per_second);
        p99s.push(latency.p99_ms());
    }
    let mut set = |key: &str, value: f64| figures.insert(key.to_owned(), json!(value));
    if let ([alone, beside], [p99_alone, p99_beside]) = (rates.as_slice(), p99s.as_slice()) {
        set("alone_events_per_second", *alone);
        set("neighbour_events_per_second", *beside);
        set("neighbour_rate_ratio", beside / alone.max(1.0));
        set("alone_p99_ms", *p99_alone);
        set("neighbour_p99_ms", *p99_beside);
        set("neighbour_p99_ratio", p99_beside / p99_alone.max(1.0));
    }
    Ok(())
}

/// A pipeline that spins with every event, with more input than it gets through.
fn spinning(stage: &Stage, name: &str) -> anyhow::Result<Enrichment> {
    let mut pipeline = hostile_pipeline(stage, name, "spin_always")?;
    // All of its events fail, and it is to go on all the same.
    pipeline.limits.push("failures: { percent: 100 }".to_owned());
    feed(stage, &pipeline, SPINNING_EVENTS, |_| true)?;
    Ok(pipeline)
}

fn hostile_pipeline(stage: &Stage, name: &str, misdeed: &str) -> anyhow::Result<Enrichment> {
    let pipeline = stage.enrichment(name, 32)?;
    stage.create(&[&pipeline.input, &pipeline.output, &pipeline.errors])?;
    Ok(Enrichment {
        name: name.to_owned(),
        plugin: guest("hostile")?,
        names: ("in", "out"),
        schema: ANY_SCHEMA,
        settings: format!("{{ misdeed: {misdeed} }}"),
        ..pipeline
    })
}

/// Fills the input of a pipeline with edits, those of them marked that suffer the misdeed.
fn feed(stage: &Stage, pipeline: &Enrichment, events: u64, suffers: impl Fn(u64) -> bool) -> anyhow::Result<()> {
    let writer = Writer::new(&ProducerConfig::new(stage.cluster()))?;
    let (wiki, dt) = (Wiki::numbered(0), iso(now_ms()));
    let topic: Arc<str> = pipeline.input.as_str().into();
    for number in 0..events {
        let change = Change { wiki: &wiki, page_id: page(number), edit: 2, kind: Kind::Edit, dt: &dt };
        let mut record = record(&topic, &change, &stage.world);
        if suffers(number) {
            let event = change.event(&stage.world).replacen('{', "{\"hostile\":true,", 1);
            record.value = Some(event.into_bytes().into());
        }
        writer.write(&record)?;
    }
    Ok(writer.flush(60_000)?)
}
