//! What plugins cost that do the same in different languages: tickets per second of one core with one answered lookup,
//! the host's part included; compile time, load time from the cache, and memory of an instance. Prints JSON, an entry
//! for each component that is named:
//!
//! `cargo run --release -p millrace-plugin --example guest_cost -- rust=a.wasm python=b.wasm`

#![expect(clippy::print_stdout, reason = "figures for a program that reads them")]

#[path = "load/flagship.rs"]
mod flagship;

use millrace_flow::lookup::Answer;
use millrace_plugin::{Crew, Engine, EngineConfig, Event, Limits, Plugin};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Instances of which the memory is measured together, so that noise of the allocator is divided among them.
const INSTANCES: usize = 10;

/// Tickets that each of them works off first: memory that only work takes counts, too.
const TICKETS_BEFORE_MEMORY: usize = 2_000;

/// Wall time that one measurement of speed should take at least, so that slow and fast plugins are equally exact.
const SECONDS_MIN: f64 = 1.0;

/// Measurements of speed; the best one counts, because noise only ever adds.
const REPEATS: usize = 3;

/// Tickets in flight, as the hosts of `./x bench` have them at full load.
const IN_FLIGHT: usize = 64;

/// Tickets after which the time is looked at.
const STRIDE: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut entries = Vec::new();
    for argument in std::env::args().skip(1) {
        let (name, path) = argument.split_once('=').ok_or("arguments are NAME=COMPONENT")?;
        entries.push(format!("{}: {}", serde_json::to_string(name)?, measure(Path::new(path))?));
    }
    println!("{{{}}}", entries.join(","));
    Ok(())
}

/// All figures of one component, as a JSON object.
fn measure(path: &Path) -> Result<serde_json::Value, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let cache = tempfile::tempdir()?;
    let load = || -> Result<(Plugin, f64), Box<dyn Error>> {
        let engine = Engine::new(EngineConfig { cache_dir: Some(cache.path().join("code")), ..Default::default() })?;
        let started = Instant::now();
        let plugin = engine.load(&bytes)?;
        Ok((plugin, started.elapsed().as_secs_f64()))
    };
    let (_, compile_seconds) = load()?;
    let (plugin, load_seconds) = load()?;
    let input = plugin.describe().inputs.keys().next().cloned().unwrap_or_default();
    let (event, answer) = (flagship::event(&input, flagship::PROJECTED), flagship::answer());
    let (start_seconds, memory_bytes) = memory_of_an_instance(&plugin, &event, &answer)?;
    let mut best = 0.0_f64;
    for _ in 0..REPEATS {
        best = best.max(tickets_per_second(&plugin, &event, &answer)?);
    }
    Ok(serde_json::json!({
        "plugin": plugin.describe().name,
        "events_per_second": best.round(),
        "component_bytes": bytes.len(),
        "compile_seconds": compile_seconds,
        "load_from_cache_seconds": load_seconds,
        "instance_start_ms": start_seconds * 1000.0,
        "instance_memory_bytes": memory_bytes,
    }))
}

/// The resident memory that an instance adds, and the seconds that starting one takes.
fn memory_of_an_instance(plugin: &Plugin, event: &Event, answer: &Answer) -> Result<(f64, u64), Box<dyn Error>> {
    // The first pays for what all share.
    let mut crews = vec![worked(plugin, event, answer)?];
    let before = resident_bytes()?;
    let mut seconds = 0.0;
    for _ in 0..INSTANCES {
        let started = Instant::now();
        let mut crew = Crew::new(plugin, "{}", Limits::default())?;
        seconds += started.elapsed().as_secs_f64();
        flagship::run(&mut crew, event, answer, IN_FLIGHT, TICKETS_BEFORE_MEMORY)?;
        crews.push(crew);
    }
    let added = resident_bytes()?.saturating_sub(before);
    Ok((seconds / INSTANCES as f64, added / INSTANCES as u64))
}

fn worked(plugin: &Plugin, event: &Event, answer: &Answer) -> Result<Crew, Box<dyn Error>> {
    let mut crew = Crew::new(plugin, "{}", Limits::default())?;
    flagship::run(&mut crew, event, answer, IN_FLIGHT, TICKETS_BEFORE_MEMORY)?;
    Ok(crew)
}

fn tickets_per_second(plugin: &Plugin, event: &Event, answer: &Answer) -> Result<f64, Box<dyn Error>> {
    let mut crew = worked(plugin, event, answer)?;
    let started = Instant::now();
    let mut tickets = 0;
    while started.elapsed().as_secs_f64() < SECONDS_MIN {
        flagship::run(&mut crew, event, answer, IN_FLIGHT, STRIDE)?;
        tickets += STRIDE;
    }
    Ok(tickets as f64 / started.elapsed().as_secs_f64())
}

/// What of this process is in memory.
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/self/status")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}
