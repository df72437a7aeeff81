//! `./x chaos --kills N`: one long run in exactly-once, with a line for each fault.

use super::{told, write};
use crate::progress;
use anyhow::bail;
use millrace_chaos::kills::plan::Plan;
use millrace_chaos::kills::{self, Scene};
use serde_json::json;
use std::time::Instant;

/// Plays so many faults.
///
/// # Errors
/// A rule was broken, or the run could not be brought to its end.
pub(super) fn run(faults: usize, seed: u64) -> anyhow::Result<()> {
    let plan = Plan::of(seed, faults);
    progress::say(&format!("{faults} faults, seed {seed}:"));
    let begun = Instant::now();
    let report = kills::run(&mut Scene::set()?, &plan, &mut |line| progress::say(line))?;
    let breaches = report.verdict.as_ref().err().map_or(0, Vec::len);
    let effects = report.effects;
    let figures = json!({
        "faults": report.faults, "seed": seed, "breaches": breaches, "events": report.events,
        "seconds": begun.elapsed().as_secs(), "longest_s": report.longest.as_secs(), "takeovers": effects.takeovers,
        "fences": effects.fences, "aborts": effects.aborts, "resolves": effects.resolves,
        "aborted_outputs": effects.aborted_outputs,
    });
    write(&figures, "kills.json")?;
    match &report.verdict {
        Ok(()) => Ok(()),
        Err(breaches) => bail!("{}", told(breaches, report.kept.as_ref())),
    }
}
