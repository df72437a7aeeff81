//! `./x chaos`: kills, freezes and outages around two hosts of one group, as often as one likes. A run that breaks a rule
//! is told with its seed, which says the same schedule again, and leaves its logs behind.

mod kills;

use crate::{product, progress, tree};
use anyhow::{Context as _, bail};
use millrace_chaos::checker::{Breach, Findings};
use millrace_chaos::kills::plan::Plan;
use millrace_chaos::run::{self, Report};
use millrace_chaos::scene::Scene;
use millrace_chaos::schedule::Schedule;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// How many breaches of a run are told; the first ones say what there is to say.
const BREACHES_TOLD_MAX: usize = 20;

/// Arguments of `./x chaos`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("promise").required(true).args(["at_least_once", "kills"])))]
pub(crate) struct ChaosArgs {
    /// Runs that are judged by what at-least-once promises.
    #[arg(long, value_name = "N")]
    at_least_once: Option<u64>,
    /// Faults of one run, with three brokers, that is judged by what exactly-once promises.
    #[arg(long, value_name = "N")]
    kills: Option<usize>,
    /// Let every fault of a broker meet one of a host, in place of some by chance.
    #[arg(long, requires = "kills")]
    pairs: bool,
    /// The seed of the first run; each further run has the next one. Drawn at random if left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Play the schedule of this file instead, as it is printed by other runs.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "kills"])]
    schedule: Option<PathBuf>,
}

/// What all runs showed together.
#[derive(Debug, Default)]
struct Total {
    runs: u64,
    broken: u64,
    faults: usize,
    found: Findings,
}

/// Plays the runs.
///
/// # Errors
/// A rule was broken, or a run could not be brought to its end.
pub(crate) fn run(args: ChaosArgs) -> anyhow::Result<()> {
    product::build()?;
    // Small enough to be typed again.
    let first = args.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000));
    match (args.kills, args.at_least_once) {
        (Some(kills), _) if args.pairs => kills::run(&Plan::of_pairs(first, kills)),
        (Some(kills), _) => kills::run(&Plan::of(first, kills)),
        (None, Some(runs)) => at_least_once(runs, first, args.schedule.as_ref()),
        (None, None) => bail!("say how many kills or runs there are to be"),
    }
}

fn at_least_once(runs: u64, first: u64, schedule: Option<&PathBuf>) -> anyhow::Result<()> {
    let given = schedule.map(read).transpose()?;
    let scene = Scene::set()?;
    let mut total = Total::default();
    for number in 0..runs {
        let schedule = given.clone().unwrap_or_else(|| Schedule::of(first + number));
        progress::say(&format!("Run {} of {}, seed {}:", number + 1, runs, schedule.seed));
        schedule.faults.iter().for_each(|fault| progress::say(&format!("  {fault}")));
        let begun = Instant::now();
        let report = run::run(&scene, &schedule)?;
        progress::say(&format!("  {}, {:.1} s", line(&report), begun.elapsed().as_secs_f64()));
        if report.verdict.is_err() {
            progress::say(&format!("  {}", serde_json::to_string(&schedule)?));
        }
        total.add(&report);
    }
    finish(&total, first)
}

fn read(file: &PathBuf) -> anyhow::Result<Schedule> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no schedule", file.display()))
}

fn told(breaches: &[Breach], kept: Option<&PathBuf>) -> String {
    let told: Vec<String> = breaches.iter().take(BREACHES_TOLD_MAX).map(ToString::to_string).collect();
    format!("{} BREACHES (logs in {kept:?})\n    {}", breaches.len(), told.join("\n    "))
}

fn line(report: &Report) -> String {
    match &report.verdict {
        Ok(Findings { events, doubles, late_doubles, oldest_double_ms, takeovers }) => format!(
            "{events} events, {takeovers} takeovers, {doubles} doubles ({late_doubles} of former owners), the oldest \
             {oldest_double_ms} ms old when its owner was lost"
        ),
        Err(breaches) => told(breaches, report.kept.as_ref()),
    }
}

impl Total {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.faults += report.faults;
        match &report.verdict {
            Ok(found) => {
                self.found.events += found.events;
                self.found.doubles += found.doubles;
                self.found.late_doubles += found.late_doubles;
                self.found.takeovers += found.takeovers;
                self.found.oldest_double_ms = self.found.oldest_double_ms.max(found.oldest_double_ms);
            }
            Err(_) => self.broken += 1,
        }
    }
}

fn finish(total: &Total, seed: u64) -> anyhow::Result<()> {
    let Total { runs, broken, faults, found } = total;
    let figures = json!({
        "runs": runs, "first_seed": seed, "broken": broken, "faults": faults, "takeovers": found.takeovers,
        "events": found.events, "doubles": found.doubles, "late_doubles": found.late_doubles,
        "oldest_double_ms": found.oldest_double_ms,
    });
    write(&figures, "at-least-once.json")?;
    if *broken > 0 {
        bail!("{broken} of {runs} runs broke a rule");
    }
    Ok(())
}

/// Prints figures, and keeps them.
fn write(figures: &serde_json::Value, name: &str) -> anyhow::Result<()> {
    let folder = tree::root().join("target/chaos");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    std::fs::write(&file, serde_json::to_string_pretty(figures)? + "\n")?;
    progress::say(&format!("{figures:#}\nWritten: {}", file.display()));
    Ok(())
}
