//! Ten thousand seeds hold; every fault happens in them; every broken rule is noticed; a seed says the same run again.

use millrace_sim::command::{Total, notice, play};
use millrace_sim::{Mutant, run_traced};
use std::collections::BTreeSet;
use std::thread;

/// As many as `./x sim` plays by itself.
const SEEDS: u64 = 10_000;

#[test]
fn every_rule_holds_and_every_fault_happens() {
    let Total { runs, facts, failed, .. } = play(0, SEEDS, None);
    let told: Vec<String> = failed.iter().take(10).map(|(seed, violation)| format!("{seed}: {violation}")).collect();
    assert!(
        told.is_empty(),
        "{} of {runs} seeds failed (every step of one: ./x sim --seed SEED --trace), among them\n{}",
        failed.len(),
        told.join("\n")
    );
    // One or two would be chance, and the next change of the scheduler would lose them.
    let rare: Vec<_> = facts.each().filter(|(_, count)| *count < 10).collect();
    assert_eq!(rare, [], "too rare to prove anything");
}

/// Each from a seed of its own on, so that no single run notices them all.
#[test]
fn every_broken_rule_is_noticed() {
    let unnoticed = |mutants: &[Mutant]| {
        let first_seed = |mutant: &Mutant| 1_000_000 + 100_000 * (*mutant as u64);
        let missed = mutants.iter().filter(|mutant| notice(**mutant, first_seed(mutant)).is_none());
        missed.map(|mutant| format!("{mutant:?}: {mutant}")).collect::<Vec<_>>()
    };
    let (some, others) = Mutant::ALL.split_at(Mutant::ALL.len() / 2);
    let missed = thread::scope(|scope| {
        let thread = scope.spawn(|| unnoticed(some));
        let mut missed = unnoticed(others);
        missed.extend(thread.join().unwrap());
        missed
    });
    assert_eq!(missed, [""; 0]);
}

#[test]
fn a_seed_says_the_same_run_again() {
    for seed in 0..20 {
        let (once, again) = (run_traced(seed, None), run_traced(seed, None));
        assert_eq!(once.trace, again.trace, "seed {seed}");
        assert!(once.trace.len() as u64 > once.steps);
    }
}

#[test]
fn both_modes_are_played() {
    let modes: BTreeSet<bool> = (0..20).map(millrace_sim::is_exactly_once).collect();
    assert_eq!(modes.len(), 2);
}

#[test]
fn broken_rules_are_told_apart_by_their_sentences() {
    let sentences: BTreeSet<&str> = Mutant::ALL.into_iter().map(Mutant::sentence).collect();
    assert_eq!(sentences.len(), Mutant::ALL.len());
}
