//! `./x bench`: what Millrace can do on this machine. `./x bench hostile` is in `bench/hostile.rs`, `./x bench backfill` in
//! `bench/backfill.rs`, `./x bench edges` in
//! `bench/edges.rs`, `./x bench guests` in `bench/languages.rs`; without a word it is enriched events per second, CPU,
//! memory and latency on a real broker, beside the hand-written twin. The API is a stand-in that answers after 100 ms;
//! everything runs on this machine, on the cores that are measured too.

mod backfill;
mod edges;
mod hostile;
mod languages;
mod process;
mod report;
mod run;
mod scale;
mod scenario;

use crate::step::execute;
use crate::{product, progress, tree};
use anyhow::Context as _;
use report::Goal;
use run::{Measured, percentile};
use scenario::{Scenario, Stage, Who};
use serde_json::{Map, Value, json};
use std::process::Command;

/// Arguments of `./x bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// What is measured.
    #[arg(value_enum, default_value = "enrichment")]
    what: What,
    /// Events per throughput run.
    #[arg(long, default_value_t = 120_000)]
    events: u64,
    /// Seconds of the latency run, at 50 events/s.
    #[arg(long, default_value_t = 20)]
    latency_seconds: u64,
    /// One part of `bench edges` only; a name that does not exist lists them.
    #[arg(long, value_name = "PART")]
    only: Option<String>,
    /// Leave out the mix of 300 wikis.
    #[arg(long)]
    no_mix: bool,
}

/// What there is to measure.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    /// Throughput, latency, CPU and memory of Simple Enrichment, beside a hand-written twin.
    Enrichment,
    /// What a pipeline and its neighbours keep of their speed when a plugin misbehaves.
    Hostile,
    /// Memory and speed where load is unusual: slow answers, large events, one hot key, a long lag, many pipelines.
    Edges,
    /// What a live pipeline keeps of its speed beside a backfill that asks the same wiki.
    Backfill,
    /// The flagship in every language that it is written in.
    Guests,
}

/// The goals of the design.
const GOALS: [Goal; 14] = [
    Goal::at_least("events_per_second", "enriched events per second, one wiki, 32 call slots", 8000.0),
    Goal::at_least("native_ratio", "events/s against the hand-written twin in the same run", 0.75),
    Goal::at_most("cpu_seconds_per_1000_events", "CPU of the host process, user and system", 0.10),
    Goal::at_most("api_calls_per_event", "calls to the API per enriched event", 0.05),
    Goal::at_most("rss_peak_mb", "resident memory at its peak", 512.0),
    Goal::at_most("latency_p99_added_ms", "p99 at 50 events/s beyond the API's own 100 ms", 20.0),
    Goal::at_most("turn_identity_64_us", "µs of a ticket's turn, identity, 64 events a turn", 2.0),
    Goal::at_most("turn_page_content_change_64_us", "µs of a ticket's turns, flagship on a projected event", 6.0),
    Goal::at_least(
        "slow_lookup_ratio",
        "events/s of one partition with 1 in 10,000 lookups taking 15 s, against none",
        0.80,
    ),
    Goal::at_least("exactly_once_ratio", "events/s in exactly-once against at-least-once, same input and run", 0.80),
    Goal::at_most("exactly_once_latency_p99_added_ms", "p99 at 50 events/s beyond the API's own, exactly-once", 200.0),
    Goal::at_least("exactly_once_slow_lookup_ratio", "`slow_lookup_ratio` in exactly-once", 0.80),
    Goal::at_most("validation_share", "share of the host's CPU that projection and validation take", 0.33),
    Goal::at_least("mix_native_ratio", "the same with 300 wikis", 0.75),
];

/// Runs the benches.
///
/// # Errors
/// Something did not start, or a run stalled. Goals that are not reached are no error: they are figures.
pub(crate) fn run(args: BenchArgs) -> anyhow::Result<()> {
    if !matches!(args.what, What::Guests) {
        product::build()?;
    }
    match args.what {
        What::Enrichment => enrichment(args),
        What::Hostile => hostile::run(args.latency_seconds),
        What::Edges => edges::run(args.only.as_deref()),
        What::Backfill => backfill::run(args.latency_seconds),
        What::Guests => languages::run(),
    }
}

fn enrichment(args: BenchArgs) -> anyhow::Result<()> {
    let stage = Stage::set(scenario::API_LATENCY)?;
    let mut figures = Map::new();
    let mut runs = Vec::new();
    turns(&mut figures)?;
    throughput(&stage, &Scenario::one_wiki(args.events), "", &mut figures, &mut runs)?;
    validation(&mut figures)?;
    latency(&stage, args.latency_seconds, &mut figures, &mut runs)?;
    edges::slow_lookups(&stage, args.events, &mut figures)?;
    if !args.no_mix {
        throughput(&stage, &Scenario::mix(args.events), "mix_", &mut figures, &mut runs)?;
    }
    write(&figures, &runs)
}

/// Turns alone, without Kafka and lookups: what `host/plugin/examples/turn_cost.rs` prints.
fn turns(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    progress::say("Measuring turns alone.");
    execute(&mut tree::cargo(&["build", "--release", "--workspace", "--examples"]))?;
    let program = tree::root().join("target/release/examples/turn_cost");
    let said = Command::new(&program).output().with_context(|| format!("cannot start {}", program.display()))?;
    anyhow::ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let table = String::from_utf8(said.stdout)?;
    progress::say(table.trim_end());
    for row in table.lines().skip(1) {
        let mut cells = row.split_whitespace();
        if let (Some(guest), Some(batch), Some(Ok(micros))) = (cells.next(), cells.next(), cells.next().map(str::parse))
        {
            let micros: f64 = micros;
            figures.insert(format!("turn_{}_{batch}_us", guest.replace('-', "_")), json!(micros));
        }
    }
    Ok(())
}

/// The share of the host's CPU that projection and validation take: what they cost per event alone, which
/// `host/platform/examples/validation_cost.rs` prints, against what an event costs the host in all. `_newer` is that of
/// events with fields that the pinned version does not know.
fn validation(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    let program = tree::root().join("target/release/examples/validation_cost");
    let said = Command::new(&program).output().with_context(|| format!("cannot start {}", program.display()))?;
    anyhow::ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let table = String::from_utf8(said.stdout)?;
    progress::say(table.trim_end());
    let of_host = figures.get("cpu_seconds_per_1000_events").and_then(Value::as_f64).context("no CPU was measured")?;
    let micros_of_host = of_host * 1e6 / 1000.0;
    for row in table.lines().skip(1) {
        if let Some((event, micros)) = row.split_once(' ') {
            let micros: f64 = micros.parse()?;
            let suffix = if event == "pinned" { "" } else { "_newer" };
            figures.insert(format!("validation_us{suffix}"), json!(micros));
            figures.insert(format!("validation_share{suffix}"), json!(micros / micros_of_host));
        }
    }
    Ok(())
}

/// The twin and Millrace on the same input, one after the other.
fn throughput(
    stage: &Stage,
    scenario: &Scenario,
    prefix: &str,
    figures: &mut Map<String, Value>,
    runs: &mut Vec<Measured>,
) -> anyhow::Result<()> {
    progress::say(&format!("Feeding {} events ({}).", scenario.events, scenario.name));
    let input = stage.feed(scenario)?;
    progress::say("Measuring the hand-written twin.");
    let native = stage.measure(scenario, &input, Who::Native)?;
    progress::say(&format!("  {:.0} events/s. Measuring Millrace.", native.events_per_second));
    let millrace = stage.measure(scenario, &input, Who::Millrace)?;
    progress::say(&format!("  {:.0} events/s.", millrace.events_per_second));
    let mut set = |key: &str, value: f64| figures.insert(format!("{prefix}{key}"), json!(value));
    set("events_per_second", millrace.events_per_second);
    set("native_events_per_second", native.events_per_second);
    set("native_ratio", millrace.events_per_second / native.events_per_second.max(1.0));
    set("cpu_seconds_per_1000_events", millrace.cpu_seconds_per_1000_events);
    set("native_cpu_seconds_per_1000_events", native.cpu_seconds_per_1000_events);
    set("api_calls_per_event", millrace.api_calls_per_event);
    set("rss_peak_mb", millrace.rss_peak_mb);
    set("native_rss_peak_mb", native.rss_peak_mb);
    progress::say("Measuring Millrace in exactly-once.");
    let once = stage.measure(scenario, &input, Who::MillraceOnce)?;
    progress::say(&format!("  {:.0} events/s.", once.events_per_second));
    let mut set = |key: &str, value: f64| figures.insert(format!("{prefix}exactly_once_{key}"), json!(value));
    set("events_per_second", once.events_per_second);
    set("ratio", once.events_per_second / millrace.events_per_second.max(1.0));
    set("cpu_seconds_per_1000_events", once.cpu_seconds_per_1000_events);
    set("rss_peak_mb", once.rss_peak_mb);
    runs.extend([native, millrace, once]);
    Ok(())
}

fn latency(
    stage: &Stage,
    seconds: u64,
    figures: &mut Map<String, Value>,
    runs: &mut Vec<Measured>,
) -> anyhow::Result<()> {
    progress::say(&format!("Measuring latency at 50 events/s for {seconds} s."));
    let measured = stage.latency("latency", &[], seconds)?;
    let once = stage.latency_once("latency-once", seconds)?;
    let once_p99 = once.p99_ms() - scenario::API_LATENCY.as_secs_f64() * 1000.0;
    figures.insert("exactly_once_latency_p99_added_ms".to_owned(), json!(once_p99));
    runs.push(once);
    let p50 = percentile(&measured.latencies_ms, 0.50);
    let p99 = measured.p99_ms();
    figures.insert("latency_p50_ms".to_owned(), json!(p50));
    figures.insert("latency_p99_ms".to_owned(), json!(p99));
    figures.insert("latency_p99_added_ms".to_owned(), json!(p99 - scenario::API_LATENCY.as_secs_f64() * 1000.0));
    runs.push(measured);
    Ok(())
}

fn write(figures: &Map<String, Value>, runs: &[Measured]) -> anyhow::Result<()> {
    let json = report::write_figures("enrichment.json", figures)?;
    let page = report::write("report.html", &report::html(figures, &GOALS, runs, &machine()))?;
    progress::say(&report::table(figures, &GOALS));
    progress::say(&format!("Written: {} and {}", json.display(), page.display()));
    Ok(())
}

/// The machine in a sentence.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{cores} cores, {}; broker, API stand-in, feeder and reader run on them too.", model.unwrap_or("unknown"))
}
