//! What is done to whom, and when: a seeded list of faults. It is data, so that a seed says the same schedule everywhere,
//! and one that was written down can be played again.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::RangeInclusive;

/// How many hosts of one group take part.
pub const HOSTS: usize = 2;

/// For how long a host is fed; every fault begins in this time.
pub const SPAN_MS: u64 = 4_000;

/// After how long without a heartbeat the group gives a host up: short, so that a run is.
pub const SESSION_TIMEOUT_MS: u64 = 2_000;

/// Ten seeds whose schedules have every kind of fault between them: for whoever has no time for more.
pub const TEN_SEEDS: RangeInclusive<u64> = 71..=80;

/// Who a fault happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A host, by its number.
    Host(usize),
    /// The broker.
    Broker,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SIGTERM, the end, and a new start.
    Terminate,
    /// SIGKILL, and a new start.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Freeze,
    /// SIGKILL, and a new start with a plugin cache on a full disk. Hosts only.
    FillDisk,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins, from the begin of the run.
    pub at_ms: u64,
    /// How long it lasts: until the process is started again, or goes on.
    pub lasts_ms: u64,
    /// What happens.
    pub kind: Kind,
    /// To whom.
    pub target: Target,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_ms, lasts_ms, kind, target } = self;
        let kind = match kind {
            Kind::Terminate => "SIGTERM",
            Kind::Kill => "SIGKILL",
            Kind::Freeze => "SIGSTOP",
            Kind::FillDisk => "SIGKILL and a full disk",
        };
        match target {
            Target::Host(number) => write!(f, "{at_ms:>5} ms: {kind} for host {number}, {lasts_ms} ms"),
            Target::Broker => write!(f, "{at_ms:>5} ms: {kind} for the broker, {lasts_ms} ms"),
        }
    }
}

/// The faults of one run, in the order in which they begin. Those of one target never overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// What it was made of, and what names the run.
    pub seed: u64,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl Schedule {
    /// The schedule of a seed: some faults for each host, and in half of the runs one for the broker.
    pub fn of(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut faults = Vec::new();
        for host in 0..HOSTS {
            let mut at_ms = rng.u64(200..2_000);
            while at_ms < SPAN_MS {
                let fault = host_fault(&mut rng, Target::Host(host), at_ms);
                at_ms += fault.lasts_ms + rng.u64(500..2_500);
                faults.push(fault);
            }
        }
        if rng.bool() {
            faults.push(broker_fault(&mut rng));
        }
        faults.sort_by_key(|fault| (fault.at_ms, fault.target));
        Self { seed, faults }
    }

    /// The faults of one target, in order.
    pub fn of_target(&self, target: Target) -> impl Iterator<Item = Fault> + '_ {
        self.faults.iter().copied().filter(move |fault| fault.target == target)
    }
}

fn host_fault(rng: &mut fastrand::Rng, target: Target, at_ms: u64) -> Fault {
    let kind = match rng.u32(0..8) {
        0 | 1 => Kind::Terminate,
        2..=4 => Kind::Kill,
        5 | 6 => Kind::Freeze,
        _ => Kind::FillDisk,
    };
    let lasts_ms = match kind {
        // Shorter than the session, or long enough for the other host to take over in the meantime.
        Kind::Freeze if rng.bool() => rng.u64(100..1_000),
        Kind::Freeze => SESSION_TIMEOUT_MS + rng.u64(500..2_000),
        Kind::Terminate | Kind::Kill | Kind::FillDisk => rng.u64(0..1_500),
    };
    Fault { at_ms, lasts_ms, kind, target }
}

fn broker_fault(rng: &mut fastrand::Rng) -> Fault {
    let kind = match rng.u32(0..3) {
        0 => Kind::Terminate,
        1 => Kind::Kill,
        _ => Kind::Freeze,
    };
    Fault { at_ms: rng.u64(500..SPAN_MS), lasts_ms: rng.u64(0..1_500), kind, target: Target::Broker }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_says_the_same_schedule_again() {
        assert_eq!(Schedule::of(7), Schedule::of(7));
        assert_ne!(Schedule::of(7).faults, Schedule::of(8).faults);
    }

    #[test]
    fn a_schedule_that_was_written_down_is_read_as_it_was() {
        let text = serde_json::to_string(&Schedule::of(3)).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), Schedule::of(3));
    }

    #[test]
    fn faults_of_one_target_never_overlap() {
        for schedule in (0..1_000).map(Schedule::of) {
            for target in [Target::Host(0), Target::Host(1), Target::Broker] {
                let faults: Vec<Fault> = schedule.of_target(target).collect();
                for pair in faults.windows(2) {
                    assert!(pair[0].at_ms + pair[0].lasts_ms < pair[1].at_ms, "{schedule:?}");
                }
            }
        }
    }

    #[test]
    fn ten_seeds_have_every_fault() {
        let faults: Vec<Fault> = TEN_SEEDS.flat_map(|seed| Schedule::of(seed).faults).collect();
        let all: BTreeSet<_> = faults.iter().map(|fault| (fault.kind, fault.target == Target::Broker)).collect();
        assert_eq!(all.len(), 4 + 3, "{all:?}");
        assert!(faults.iter().any(|fault| fault.kind == Kind::Freeze && fault.lasts_ms > SESSION_TIMEOUT_MS));
    }
}
