//! `./x bench edges`: load at the edges. Each scenario says what it did and how much memory the host took, against what it
//! was configured to hold: ratios and bytes, which a busy machine changes little, and rates only where they are compared
//! within one run.

mod bed;
mod crowd;
mod scenarios;

use crate::progress;
use anyhow::{Context as _, bail};
use bed::Bed;
use serde_json::{Map, Value, json};

/// Arguments of `./x bench edges`.
#[derive(Debug, clap::Args)]
pub(crate) struct EdgesArgs {
    /// One scenario only.
    name: Option<String>,
}

/// A scenario's figures, by name.
pub(crate) type Figures = Map<String, Value>;

/// A scenario.
type Play = fn(&Bed) -> anyhow::Result<Figures>;

/// All scenarios, by name.
const SCENARIOS: [(&str, Play); 8] = [
    ("in_flight", scenarios::in_flight),
    ("slow_lookups", scenarios::slow_lookups),
    ("one_key", scenarios::one_key),
    ("large_events", scenarios::large_events),
    ("large_bodies_5", scenarios::large_bodies_5),
    ("large_bodies_50", scenarios::large_bodies_50),
    ("lag", scenarios::lag),
    ("pipelines", crowd::pipelines),
];

/// Runs the scenarios and writes `target/bench/edges.json`. What another run wrote there of other scenarios stays.
///
/// # Errors
/// Something did not start, or a scenario did not come to its end.
pub(crate) fn run(args: &EdgesArgs) -> anyhow::Result<()> {
    let chosen = |name: &str| args.name.as_ref().is_none_or(|wanted| wanted == name);
    if !SCENARIOS.iter().any(|(name, _)| chosen(name)) {
        let names: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        bail!("there is no such scenario; there are {}", names.join(", "));
    }
    let file = millrace_bed::host::root().join("target/bench/edges.json");
    let mut all: Figures = match std::fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is not ours", file.display()))?,
        Err(_) => Figures::new(),
    };
    let bed = Bed::set()?;
    all.insert("idle_mb".to_owned(), json!(bed.idle_mb()));
    for (name, play) in SCENARIOS.iter().filter(|(name, _)| chosen(name)) {
        progress::say(&format!("Scenario {name}."));
        let figures = play(&bed).with_context(|| format!("scenario {name}"))?;
        progress::say(&format!("{:#}", Value::Object(figures.clone())));
        all.insert((*name).to_owned(), Value::Object(figures));
        std::fs::create_dir_all(millrace_bed::host::root().join("target/bench"))?;
        std::fs::write(&file, serde_json::to_string_pretty(&all)? + "\n")?;
    }
    progress::say(&format!("Written: {}", file.display()));
    Ok(())
}

/// Events per second on one partition when 1 lookup in 10,000 takes 15 s, against none.
///
/// # Errors
/// As [`run`].
pub(crate) fn slow_lookup_ratio() -> anyhow::Result<f64> {
    let figures = scenarios::slow_lookups(&Bed::set()?)?;
    figures.get("slow_lookup_ratio").and_then(Value::as_f64).context("no ratio")
}
