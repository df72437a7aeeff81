//! `./x bench guests`: the flagship in every language that it is written in, in the same run: speed of one core, sizes and
//! times, measured by `host/plugin/examples/guest_cost.rs` without Kafka and lookups.

use super::report::{self, Goal};
use crate::step::{execute, line};
use crate::{guests, progress, python, tree};
use anyhow::Context as _;
use serde_json::{Map, Value};
use std::process::Command;

/// The language, and the component of the flagship in it.
const LANGUAGES: [(&str, &str); 2] = [("rust", "page-content-change"), ("python", "python-enrichment")];

/// The goals of the design, of one core, the host's part included.
const GOALS: [Goal; 2] = [
    Goal::at_least("rust_events_per_second", "events/s of the flagship in Rust, one lookup an event", 150_000.0),
    Goal::at_least("python_events_per_second", "the same in Python", 6_000.0),
];

/// Builds the plugins, measures them, and writes `target/bench/guests.json`.
///
/// # Errors
/// Something does not build or fails. Goals that are not reached are no error: they are figures.
pub(super) fn run() -> anyhow::Result<()> {
    guests::build(&tree::guests_manifest())?;
    python::build_all()?;
    execute(&mut tree::cargo(&["build", "--release", "--workspace", "--examples"]))?;
    progress::say("Measuring the flagship in each language, for some half a minute.");
    let measured = measure()?;
    let path = report::write_figures("guests.json", &measured)?;
    progress::say(&report::table(&flat(&measured), &GOALS));
    progress::say(&format!("Written: {}", path.display()));
    Ok(())
}

/// The figures of each language, by its name.
fn measure() -> anyhow::Result<Map<String, Value>> {
    let components = tree::root().join("guests/target/components");
    let mut command = Command::new(tree::root().join("target/release/examples/guest_cost"));
    for (language, component) in LANGUAGES {
        command.arg(format!("{language}={}", components.join(format!("{component}.wasm")).display()));
    }
    let said = command.output().with_context(|| format!("cannot start {}", line(&command)))?;
    anyhow::ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Ok(serde_json::from_slice(&said.stdout)?)
}

/// All figures in one table: `python_events_per_second` and so on.
fn flat(measured: &Map<String, Value>) -> Map<String, Value> {
    let of_language = |(language, figures): (&String, &Value)| {
        let figures = figures.as_object().cloned().unwrap_or_default();
        figures.into_iter().map(|(key, figure)| (format!("{language}_{key}"), figure)).collect::<Vec<_>>()
    };
    measured.iter().flat_map(of_language).collect()
}
