//! `./x bench edges`: load that is unusual in one way each. What counts is memory against the configured bound and ratios
//! of two runs; how fast this machine is does not matter.

use super::process;
use super::report::{self, Goal};
use super::run::Measured;
use super::scenario::{API_LATENCY, Output, PARTITIONS, Stage, page};
use crate::broker::{iso, now_ms, record};
use crate::progress;
use anyhow::Context as _;
use millrace_bed::api::SLOW;
use millrace_bed::enrichment::Enrichment;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::guest;
use millrace_bed::world::World;
use millrace_flow::record::OutputRecord;
use millrace_kafka::config::ProducerConfig;
use millrace_kafka::writer::Writer;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One lookup of so many is slow.
const SLOW_EVERY: u64 = 10_000;
/// Events in flight at once while every answer takes [`SLOW`].
const IN_FLIGHT: u64 = 10_000;
/// Events with a hot key, and beside it.
const HOT_EVENTS: u64 = 10_000;
/// A lag that has grown over night.
const LAG_EVENTS: u64 = 1_000_000;
/// Page content at its largest: so many pages a second, for so long, with so many call slots. The second is what a host with
/// two cores can just not do.
const LARGE_CONTENT_BYTES: usize = 10_000_000;
const LARGE_CONTENTS: [(&str, u32, usize); 2] = [("large_5", 5, 4), ("large_50", 50, 32)];
const LARGE_CONTENT_SECONDS: u32 = 20;
/// Events of nearly 20 MB.
const LARGE_EVENTS: u64 = 100;
/// Versions that begin one after the other under load, and what is fed meanwhile.
const SWAPS: u32 = 20;
const SWAPPED_EVENTS: u64 = 600_000;
/// Pipelines of one host on one topic, what they read, and for how long they are watched while there is nothing to read.
const PIPELINES: u64 = 200;
const SHARED_EVENTS: u64 = 2_000;
const REST: Duration = Duration::from_secs(10);

/// Producers wait so long for the last acknowledgement.
const FLUSH_MS: u64 = 120_000;

const GOALS: [Goal; 10] = [
    Goal::at_most(
        "in_flight_rss_peak_mb",
        "resident memory with 10,000 events in flight at answers after 15 s",
        1_500.0,
    ),
    Goal::at_most("exactly_once_in_flight_rss_peak_mb", "the same in exactly-once", 1_500.0),
    Goal::at_least("scale_two_hosts_ratio", "events/s of two hosts against one whose call slots are the limit", 1.8),
    Goal::at_least("hot_key_ratio", "events/s of 10,000 keys beside one key with as many events", 0.8),
    Goal::at_most("large_5_rss_of_bound", "resident memory with 5 contents of 10 MB/s, by the configured bound", 1.3),
    Goal::at_most("large_50_rss_of_bound", "resident memory with 50 contents of 10 MB/s, by the configured bound", 1.3),
    Goal::at_most("large_events_rss_of_bound", "resident memory with events of 20 MB, by the configured bound", 1.3),
    Goal::at_most("swap_pause_p99_ms", "pause of a partition when another version begins, at full load", 20.0),
    Goal::at_most("lag_rss_of_bound", "resident memory behind a lag of a million events, by the configured bound", 1.3),
    Goal::at_most("exactly_once_lag_rss_of_bound", "the same in exactly-once", 1.3),
];

/// What a host with one pipeline may hold beside what is in flight, in MB: 30 at rest, 34 that are fetched ahead (32 MiB),
/// 134 on their way to Kafka (128 MiB), 34 of answers in the cache (32 MiB). With the budget of bytes in flight it is the
/// configured bound.
const HOST_MB: f64 = 232.0;

/// The default of `limits.bytes_in_flight`, in MB.
const BUDGET_MB: f64 = 268.0;

/// Measures something and adds its figures.
type Measure = fn(&mut Map<String, Value>) -> anyhow::Result<()>;

/// What is measured, by name.
const PARTS: [(&str, Measure); 8] = [
    ("in-flight", in_flight),
    ("large-content", large_content),
    ("large-events", large_events),
    ("hot-key", hot_key),
    ("scale", super::scale::measure),
    ("pipelines", many_pipelines),
    ("swaps", swaps),
    ("lag", lag),
];

/// Runs all of it, or the part of that name, and writes `target/bench/edges.json`.
///
/// # Errors
/// There is no such part, something did not start, or a run stalled. Goals that are not reached are no error: they are
/// figures.
pub(super) fn run(only: Option<&str>) -> anyhow::Result<()> {
    let chosen: Vec<_> = PARTS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    let names = PARTS.map(|(name, _)| name).join(", ");
    anyhow::ensure!(!chosen.is_empty(), "there is no such part of the bench; there are {names}");
    let mut figures = Map::new();
    for (name, measure) in chosen {
        measure(&mut figures).with_context(|| format!("measuring {name}"))?;
    }
    let file = report::write_figures("edges.json", &figures)?;
    progress::say(&report::table(&figures, &GOALS));
    progress::say(&format!("Written: {}", file.display()));
    Ok(())
}

/// A stage whose API answers at once, or as good as.
fn quick_stage() -> anyhow::Result<Stage> {
    Stage::set(Duration::from_millis(1))
}

/// One partition, with and without lookups that take long now and then.
pub(super) fn slow_lookups(stage: &Stage, events: u64, figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    slow_lookups_of(stage, events, false, figures)?;
    slow_lookups_of(stage, events, true, figures)
}

fn slow_lookups_of(stage: &Stage, events: u64, once: bool, figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    let pipeline = |name: &str| {
        let mut pipeline = stage.enrichment(name, 64)?;
        if once {
            stage.promise_once(&mut pipeline)?;
        }
        pipeline.limits = vec!["open_offsets: 100000".to_owned()];
        stage.create_with(&pipeline.input, 1)?;
        stage.create(&[&pipeline.output, &pipeline.errors])?;
        feed(stage, &pipeline, (0..events).map(page))?;
        anyhow::Ok(pipeline)
    };
    let mut rates = Vec::new();
    for (name, every) in [("undisturbed", 0), ("slow-lookups", SLOW_EVERY)] {
        let name = if once { format!("{name}-once") } else { name.to_owned() };
        progress::say(&format!("Measuring one partition: {name}."));
        let pipeline = pipeline(&name)?;
        stage.api.slow_down(every);
        // The last slow ones are 15 s late: what counts is the time until all others are out.
        let late = events / SLOW_EVERY.max(1) * 50 * every.min(1);
        rates.push(stage.run(&name, &pipeline, &[], events.saturating_sub(late))?.events_per_second);
    }
    stage.api.slow_down(0);
    if let [undisturbed, slow] = rates.as_slice() {
        let key = if once { "exactly_once_slow_lookup_ratio" } else { "slow_lookup_ratio" };
        figures.insert(key.to_owned(), json!(slow / undisturbed.max(1.0)));
    }
    Ok(())
}

/// Both promises, with what the figures of each begin with.
const PROMISES: [(&str, bool); 2] = [("", false), ("exactly_once_", true)];

fn in_flight(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    let stage = Stage::set(SLOW)?;
    for (prefix, once) in PROMISES {
        progress::say(&format!("Measuring 10,000 events in flight at answers after 15 s ({}).", promise(once)));
        let mut pipeline = ready(&stage, &format!("in-flight-{once}"), 200)?;
        if once {
            stage.promise_once(&mut pipeline)?;
        }
        pipeline.limits = vec![format!("open_offsets: {IN_FLIGHT}"), "bytes_in_flight: 1 GiB".to_owned()];
        feed(&stage, &pipeline, (0..3 * IN_FLIGHT).map(page))?;
        let measured = stage.run("in flight", &pipeline, &[], 3 * IN_FLIGHT)?;
        figures.insert(format!("{prefix}in_flight_rss_peak_mb"), json!(measured.rss_peak_mb));
        figures.insert(format!("{prefix}in_flight_events_per_second"), json!(measured.events_per_second));
    }
    Ok(())
}

fn promise(once: bool) -> &'static str {
    if once { "exactly once" } else { "at least once" }
}

/// Content of 10 MB, at a pace that a pipeline can keep up with and at one that it cannot.
fn large_content(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    let stage = Stage::of(World::new(4, LARGE_CONTENT_BYTES), API_LATENCY)?;
    for (key, per_second, call_slots) in LARGE_CONTENTS {
        progress::say(&format!("Measuring {per_second} contents of 10 MB a second."));
        let mut pipeline = ready(&stage, &key.replace('_', "-"), call_slots)?;
        pipeline.message_bytes = "20 MiB";
        let events = u64::from(per_second * LARGE_CONTENT_SECONDS);
        let every = Duration::from_secs(1) / per_second;
        let measured = std::thread::scope(|scope| {
            let fed = scope.spawn(|| feed_at(&stage, &pipeline, (0..events).map(page), every));
            let measured = stage.run(key, &pipeline, &[], events)?;
            fed.join().map_err(|_| anyhow::anyhow!("the feeder panicked"))??;
            anyhow::Ok(measured)
        })?;
        set_large(figures, key, &measured, 10.0);
    }
    Ok(())
}

/// Events of nearly 20 MB.
fn large_events(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    progress::say("Measuring events of 20 MB.");
    let stage = quick_stage()?;
    let mut pipeline = ready(&stage, "large-events", 4)?;
    (pipeline.plugin, pipeline.names, pipeline.message_bytes) = (guest("identity")?, ("in", "out"), "20 MiB");
    let wiki = Wiki::numbered(0);
    let writer = Writer::new(&ProducerConfig::new(stage.cluster()))?;
    let padding = "x".repeat(2 * LARGE_CONTENT_BYTES - 10_000);
    for number in 0..LARGE_EVENTS {
        let mut record = change(&stage, &pipeline, &wiki, page(number), number);
        let text = String::from_utf8(record.value.clone().context("a change has a value")?.to_vec())?;
        record.value = Some(text.replacen('{', &format!("{{\"padding\":\"{padding}\","), 1).into_bytes().into());
        writer.write(&record)?;
    }
    writer.flush(FLUSH_MS)?;
    let measured = stage.run("large events", &pipeline, &[], LARGE_EVENTS)?;
    set_large(figures, "large_events", &measured, 20.0);
    Ok(())
}

/// Peak and pace of a run with events that hold `event_mb` each. The oldest of each partition may go on beyond the budget.
fn set_large(figures: &mut Map<String, Value>, key: &str, measured: &Measured, event_mb: f64) {
    let bound_mb = BUDGET_MB + HOST_MB + f64::from(PARTITIONS) * event_mb;
    figures.insert(format!("{key}_rss_peak_mb"), json!(measured.rss_peak_mb));
    figures.insert(format!("{key}_rss_of_bound"), json!(measured.rss_peak_mb / bound_mb));
    figures.insert(format!("{key}_events_per_second"), json!(measured.events_per_second));
}

/// 10,000 keys with one event each, alone and between the events of one key.
fn hot_key(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    const HOT_PAGE: u64 = 1;
    let stage = &quick_stage()?;
    let mut seconds = Vec::new();
    for name in ["cold-keys", "hot-key"] {
        progress::say(&format!("Measuring 10,000 keys: {name}."));
        let mut pipeline = ready(stage, name, 8)?;
        pipeline.limits = vec![format!("open_offsets: {}", 2 * HOT_EVENTS)];
        let hot = if name == "hot-key" { 1 } else { 0 };
        let pages = (0..HOT_EVENTS).flat_map(|number| [2 + number].into_iter().chain((0..hot).map(|_| HOT_PAGE)));
        feed(stage, &pipeline, pages)?;
        // Until as many events are out as there are cold keys, and a tenth for those of the hot one between them.
        let began = Instant::now();
        stage.run(name, &pipeline, &[], HOT_EVENTS)?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    if let [cold, hot] = seconds.as_slice() {
        figures.insert("hot_key_ratio".to_owned(), json!(cold / hot));
    }
    Ok(())
}

fn lag(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    progress::say("Feeding a million events.");
    let stage = &quick_stage()?;
    let fed = ready(stage, "lag", 32)?;
    feed(stage, &fed, (0..LAG_EVENTS).map(page))?;
    for (prefix, once) in PROMISES {
        progress::say(&format!("Measuring what works them off ({}).", promise(once)));
        let mut pipeline = Enrichment { input: fed.input.clone(), ..stage.enrichment(&format!("lag-{once}"), 32)? };
        stage.create(&[&pipeline.output, &pipeline.errors])?;
        if once {
            stage.promise_once(&mut pipeline)?;
        }
        let measured = stage.run("lag", &pipeline, &[], LAG_EVENTS)?;
        figures.insert(format!("{prefix}lag_events_per_second"), json!(measured.events_per_second));
        figures.insert(format!("{prefix}lag_rss_peak_mb"), json!(measured.rss_peak_mb));
        figures.insert(format!("{prefix}lag_rss_of_bound"), json!(measured.rss_peak_mb / (BUDGET_MB + HOST_MB)));
    }
    Ok(())
}

/// A plugin's file that is changed again and again at full load. The figure is the upper end of the histogram's bucket.
fn swaps(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    const PAUSE: &str = "millrace_plugin_swap_pause_seconds";
    progress::say("Measuring the pause when another version begins.");
    let stage = &quick_stage()?;
    let folder = tempfile::tempdir()?;
    let mut pipeline = ready(stage, "swaps", 32)?;
    let component = std::fs::read(&pipeline.plugin)?;
    pipeline.plugin = folder.path().join("plugin.wasm");
    std::fs::write(&pipeline.plugin, &component)?;
    feed(stage, &pipeline, (0..SWAPPED_EVENTS).map(page))?;
    let mut host = stage.start_millrace(&pipeline, &[])?;
    host.wait_ready()?;
    for number in 1..=SWAPS {
        // A custom section with an empty name and one byte: another digest, the same behaviour.
        let section = [0, 2, 0, u8::try_from(number)?];
        std::fs::write(&pipeline.plugin, [component.as_slice(), &section].concat())?;
        let until = Instant::now() + Duration::from_secs(30);
        while host.metrics()?.sum("millrace_plugin_swaps_total", &[]) < f64::from(number) {
            anyhow::ensure!(Instant::now() < until, "version {number} did not begin:\n{}", host.log_tail());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let metrics = host.metrics()?;
    let count = metrics.sum(&format!("{PAUSE}_count"), &[]);
    let bucket = format!("{PAUSE}_bucket");
    let ends = metrics.with_prefix(&bucket).filter(|(_, below)| *below >= 0.99 * count);
    let ends = ends.filter_map(|(name, _)| name.split("le=\"").nth(1)?.split('"').next()?.parse::<f64>().ok());
    figures.insert("swap_pause_p99_ms".to_owned(), json!(ends.fold(f64::INFINITY, f64::min) * 1_000.0));
    figures.insert("swap_pauses".to_owned(), json!(count));
    host.terminate()?;
    Ok(())
}

/// 200 pipelines of one host, all of which read the same topic.
fn many_pipelines(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    progress::say("Measuring 200 pipelines on one topic.");
    let stage = &quick_stage()?;
    let first = ready(stage, "shared", 4)?;
    let identity = |number: u64| {
        anyhow::Ok(Enrichment {
            name: format!("pipeline{number}"),
            group: format!("bench.shared.{number}"),
            plugin: guest("identity")?,
            names: ("in", "out"),
            lookups: "{ kinds: [] }".to_owned(),
            ..first.clone()
        })
    };
    let mut pipelines = (0..PIPELINES).map(identity).collect::<anyhow::Result<Vec<_>>>()?;
    let others = pipelines.split_off(1);
    let one = pipelines.pop().context("there is one")?;
    let ends = Output::open(&stage.cluster(), &one.output)?;
    let mut host = stage.start_millrace(&one, &others)?;
    host.wait_ready()?;
    let mut set = |key: &str, value: f64| figures.insert(format!("pipelines_{key}"), json!(value));
    let cpu_before = process::cpu_seconds(host.id())?;
    std::thread::sleep(REST);
    set("cores_at_rest", (process::cpu_seconds(host.id())? - cpu_before) / REST.as_secs_f64());
    set("rss_at_rest_mb", process::rss_peak_mb(host.id())?);
    set("threads", std::fs::read_dir(format!("/proc/{}/task", host.id()))?.count() as f64);
    feed(stage, &first, (0..SHARED_EVENTS).map(page))?;
    let until = Instant::now() + Duration::from_secs(120);
    while ends.records()? < PIPELINES * SHARED_EVENTS {
        anyhow::ensure!(Instant::now() < until, "{} outputs:\n{}", ends.records()?, host.log_tail());
        std::thread::sleep(Duration::from_millis(200));
    }
    let metrics = host.metrics()?;
    set("rss_peak_mb", process::rss_peak_mb(host.id())?);
    let admitted = metrics.sum("millrace_admitted_bytes_total", &[]);
    set("read_mb", admitted / 1e6);
    set("fetched_by_read", metrics.sum("millrace_fetched_bytes_total", &[]) / admitted.max(1.0));
    host.terminate()?;
    Ok(())
}

/// A pipeline whose topics are there.
pub(super) fn ready(stage: &Stage, name: &str, call_slots: usize) -> anyhow::Result<Enrichment> {
    let pipeline = stage.enrichment(name, call_slots)?;
    stage.create(&[&pipeline.input, &pipeline.output, &pipeline.errors])?;
    Ok(pipeline)
}

pub(super) fn feed(stage: &Stage, pipeline: &Enrichment, pages: impl Iterator<Item = u64>) -> anyhow::Result<()> {
    feed_at(stage, pipeline, pages, Duration::ZERO)
}

/// The same with one event each `every`.
fn feed_at(
    stage: &Stage,
    pipeline: &Enrichment,
    pages: impl Iterator<Item = u64>,
    every: Duration,
) -> anyhow::Result<()> {
    let writer = Writer::new(&ProducerConfig::new(stage.cluster()))?;
    let (wiki, begin) = (Wiki::numbered(0), Instant::now());
    for (number, page) in (0_u32..).zip(pages) {
        std::thread::sleep((begin + every * number).saturating_duration_since(Instant::now()));
        writer.write(&change(stage, pipeline, &wiki, page, number.into()))?;
    }
    Ok(writer.flush(FLUSH_MS)?)
}

fn change(stage: &Stage, pipeline: &Enrichment, wiki: &Wiki, page_id: u64, number: u64) -> OutputRecord {
    let topic: Arc<str> = pipeline.input.as_str().into();
    let dt = iso(now_ms());
    record(&topic, &Change { wiki, page_id, edit: 2 + number % 700, kind: Kind::Edit, dt: &dt }, &stage.world)
}
