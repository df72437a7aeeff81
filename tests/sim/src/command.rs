//! `./x sim`: many seeds, one seed with every step, or the broken rules and how soon each is noticed.

use crate::fact::Facts;
use crate::mutant::Mutant;
use crate::run::{Report, run, run_traced};
use anyhow::bail;
use std::io::Write;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// How many seeds a broken rule is given before it counts as unnoticed.
pub const MUTANT_SEEDS_MAX: u64 = 30_000;

/// So much of the first failed seed is told without being asked.
const LAST_STEPS: usize = 40;

/// Arguments of `./x sim`.
#[derive(Clone, Debug, clap::Args)]
pub struct SimArgs {
    /// How many seeds to play.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "S", default_value_t = 0)]
    first_seed: u64,
    /// Play this seed only.
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "first_seed"])]
    seed: Option<u64>,
    /// Tell every step of it.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Break one rule after the other, and tell how soon each is noticed.
    #[arg(long, conflicts_with_all = ["seeds", "seed"])]
    mutants: bool,
    /// Break this rule (a word of `--mutants`).
    #[arg(long, value_name = "RULE", conflicts_with = "mutants")]
    mutant: Option<String>,
}

/// All seeds of a range, played on all cores.
#[derive(Clone, Debug, Default)]
pub struct Total {
    /// Runs and their steps.
    pub runs: u64,
    /// See `runs`.
    pub steps: u64,
    /// The most steps that a run took after its last fault.
    pub healing_steps_max: u64,
    /// What happened in all of them.
    pub facts: Facts,
    /// The seeds in which a check failed, and which.
    pub failed: Vec<(u64, crate::Violation)>,
}

/// Plays what the arguments say.
///
/// # Errors
/// A check failed, a broken rule was not noticed, or nothing can be printed.
pub fn execute(args: &SimArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let mutant = args.mutant.as_deref().map(named).transpose()?;
    match args.seed {
        Some(seed) if args.trace => play_one(seed, &run_traced(seed, mutant), out),
        Some(seed) => play_one(seed, &run(seed, mutant), out),
        None if args.mutants => play_mutants(args.first_seed, out),
        None => play_many(args, mutant, out),
    }
}

fn named(word: &str) -> anyhow::Result<Mutant> {
    match Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == word) {
        Some(mutant) => Ok(mutant),
        None => bail!("there is no broken rule {word}: `--mutants` names them"),
    }
}

fn play_one(seed: u64, report: &Report, out: &mut impl Write) -> anyhow::Result<()> {
    for line in &report.trace {
        writeln!(out, "{line}")?;
    }
    match &report.violation {
        None => Ok(writeln!(out, "seed {seed}: {} steps, everything holds", report.steps)?),
        Some(violation) => bail!("seed {seed}, step {}: {violation}", report.steps),
    }
}

fn play_many(args: &SimArgs, mutant: Option<Mutant>, out: &mut impl Write) -> anyhow::Result<()> {
    let total = play(args.first_seed, args.seeds, mutant);
    let Total { runs, steps, healing_steps_max, facts, failed } = total;
    for (fact, count) in facts.each() {
        writeln!(out, "{count:>12} {}", fact.words())?;
    }
    writeln!(out, "{runs} runs, {steps} steps, at most {healing_steps_max} after a run's last fault")?;
    for (seed, violation) in failed.iter().take(20) {
        writeln!(out, "seed {seed}: {violation}")?;
    }
    match failed.first() {
        None => Ok(()),
        Some((seed, _)) => {
            let trace = run_traced(*seed, mutant).trace;
            writeln!(out, "the last steps of seed {seed}:")?;
            for line in trace.iter().skip(trace.len().saturating_sub(LAST_STEPS)) {
                writeln!(out, "  {line}")?;
            }
            let broken = mutant.map(|mutant| format!(" --mutant {mutant:?}")).unwrap_or_default();
            bail!("{} of {runs} seeds failed; every step of one: ./x sim --seed {seed} --trace{broken}", failed.len())
        }
    }
}

fn play_mutants(first_seed: u64, out: &mut impl Write) -> anyhow::Result<()> {
    let mut unnoticed = Vec::new();
    writeln!(out, "| broken rule | what is broken | seeds until noticed | noticed by |\n|---|---|---|---|")?;
    for mutant in Mutant::ALL {
        let (seeds, by) = match notice(mutant, first_seed) {
            Some((seeds, violation)) => (seeds.to_string(), violation.check.to_string()),
            None => {
                unnoticed.push(format!("{mutant:?}"));
                (format!("more than {MUTANT_SEEDS_MAX}"), "nothing".to_owned())
            }
        };
        writeln!(out, "| `{mutant:?}` | {mutant} | {seeds} | {by} |")?;
    }
    if unnoticed.is_empty() {
        return Ok(());
    }
    bail!("not noticed: {}", unnoticed.join(", "))
}

/// After how many seeds a broken rule is noticed, and by which check.
#[must_use]
pub fn notice(mutant: Mutant, first_seed: u64) -> Option<(u64, crate::Violation)> {
    (0..MUTANT_SEEDS_MAX).find_map(|number| {
        let violation = run(first_seed + number, Some(mutant)).violation?;
        Some((number + 1, violation))
    })
}

/// Plays many seeds.
#[must_use]
pub fn play(first_seed: u64, seeds: u64, mutant: Option<Mutant>) -> Total {
    let next = AtomicU64::new(first_seed);
    let end = first_seed.saturating_add(seeds);
    let work = || {
        let mut total = Total::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return total;
            }
            total.add(seed, run(seed, mutant));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut total = Total::default();
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        total.join(work());
        for other in others {
            match other.join() {
                Ok(part) => total.join(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    total.failed.sort_by_key(|(seed, _)| *seed);
    total
}

impl Total {
    fn add(&mut self, seed: u64, report: Report) {
        self.runs += 1;
        self.steps += report.steps;
        self.healing_steps_max = self.healing_steps_max.max(report.healing_steps);
        self.facts.add(&report.facts);
        self.failed.extend(report.violation.map(|violation| (seed, violation)));
    }

    fn join(&mut self, other: Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.healing_steps_max = self.healing_steps_max.max(other.healing_steps_max);
        self.facts.add(&other.facts);
        self.failed.extend(other.failed);
    }
}
