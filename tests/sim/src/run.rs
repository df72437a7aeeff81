//! One run: a seed's world, step by step, while things go wrong and until everything has settled.

use crate::action::Action;
use crate::fact::{Facts, Notes};
use crate::mutant::Mutant;
use crate::oracle::{Check, Violation};
use crate::plan::{Mode, Plan};
use crate::random::Random;
use crate::world::{Rarely, World};

/// Once nothing goes wrong any more, everything settles within so many steps: three times what the longest of all runs took
/// that were played so far.
const HEALING_STEPS_MAX: u64 = 20_000;

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The first check that failed, if one did.
    pub violation: Option<Violation>,
    /// What happened.
    pub facts: Facts,
    /// The steps that it took, and those after the last fault.
    pub steps: u64,
    /// See `steps`.
    pub healing_steps: u64,
    /// Every step in words, if they were to be told.
    pub trace: Vec<String>,
}

/// Plays a seed, with a broken rule if one is given.
#[must_use]
pub fn run(seed: u64, mutant: Option<Mutant>) -> Report {
    play(World::new(seed, mutant, Notes::default()))
}

/// The same, and tells every step.
#[must_use]
pub fn run_traced(seed: u64, mutant: Option<Mutant>) -> Report {
    play(World::new(seed, mutant, Notes { trace: Some(Vec::new()), ..Notes::default() }))
}

fn play(mut world: World) -> Report {
    let (mut possible, mut steps, mut healing_steps) = (Vec::new(), 0, 0);
    while world.oracle.violation.is_none() {
        world.heals |= steps >= world.plan.fault_steps;
        if world.heals && world.is_complete() {
            world.check_end();
            break;
        }
        let Some(action) = next(&mut world, &mut possible) else {
            if !world.heals {
                world.heals = true;
                continue;
            }
            fail_to_settle(&mut world, "nothing can happen any more");
            break;
        };
        world.step(action);
        steps += 1;
        healing_steps += u64::from(world.heals);
        if healing_steps > HEALING_STEPS_MAX {
            fail_to_settle(&mut world, "it goes on for ever");
        }
    }
    let trace = world.notes.trace.take().unwrap_or_default();
    Report { violation: world.oracle.violation, facts: world.notes.facts, steps, healing_steps, trace }
}

/// What happens next. Some things happen rarely, or when nothing else can.
fn next(world: &mut World, possible: &mut Vec<Action>) -> Option<Action> {
    possible.clear();
    if !world.heals && world.random.chance(world.plan.fault_percent) {
        world.faults(possible);
        possible.retain(|fault| world.plan.allows(*fault));
    }
    if possible.is_empty() {
        let rarely = Rarely {
            answers: world.random.chance_in_thousand(world.plan.slow_permille),
            wakes: world.random.chance_in_thousand(world.plan.wake_permille),
            hears: world.random.within(0..=99),
        };
        world.possible(possible, rarely);
        if possible.is_empty() {
            world.possible(possible, Rarely { answers: true, wakes: true, hears: 0 });
        }
    }
    world.random.pick(possible)
}

fn fail_to_settle(world: &mut World, how: &str) {
    let first = world.oracle.open(&world.input).next().map(|event| (event.partition, event.offset));
    let what = match first {
        Some((partition, offset)) => format!("{partition}/{offset} does not settle: {how}"),
        None => format!("everything has settled, but {how}"),
    };
    world.oracle.fail(Check::Live, || what);
}

/// Whether a seed plays exactly-once.
#[must_use]
pub fn is_exactly_once(seed: u64) -> bool {
    Plan::of(&mut Random::new(seed)).mode == Mode::ExactlyOnce
}
