//! `./x chaos --kills N`: one long run in exactly-once, with a line for each fault.

use super::{told, write};
use crate::progress;
use anyhow::bail;
use millrace_chaos::kills::plan::Plan;
use millrace_chaos::kills::{self, Scene};
use serde_json::json;
use std::time::Instant;

/// Plays a plan.
///
/// # Errors
/// A rule was broken, or the run could not be brought to its end.
pub(super) fn run(plan: &Plan) -> anyhow::Result<()> {
    progress::say(&format!("{} faults, seed {}:", plan.faults(), plan.seed));
    let begun = Instant::now();
    let report = kills::run(&mut Scene::set()?, plan, &mut |line| progress::say(line))?;
    let breaches = report.verdict.as_ref().err().map_or(0, Vec::len);
    let effects = report.effects;
    let figures = json!({
        "faults": report.faults, "seed": plan.seed, "breaches": breaches, "events": report.events,
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
