//! What is done to whom: a seeded row of rounds. A round has one fault, or two of different actors that overlap. It is data,
//! so that a seed says the same plan everywhere; when a round begins depends on how soon the one before it was overcome.

use super::scene::{PARTITIONS, SESSION_MS};
use crate::schedule::HOSTS;
use millrace_kafka::failpoint::{FAILPOINTS, Failpoint};

/// One fault. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL of a host, which starts again after a while.
    KillHost {
        /// Which host.
        host: usize,
        /// After how long it starts again.
        away_ms: u64,
    },
    /// SIGSTOP of a host for longer than its session, then SIGCONT: it wakes up as an owner of partitions that are not
    /// its own any more, with work in its hands.
    FreezeHost {
        /// Which host.
        host: usize,
        /// For how long.
        lasts_ms: u64,
    },
    /// SIGTERM and a new start of one host, and of the other one while the group is still busy with that.
    RestartHosts {
        /// Which host is first.
        first: usize,
    },
    /// A host is started to die at a place on the way of its records, and starts again.
    DieAt {
        /// Which host.
        host: usize,
        /// The place's name.
        place: &'static str,
        /// How often it is passed before, and once more.
        time: u32,
    },
    /// SIGKILL of the broker that leads a partition of the output topic.
    KillLeader {
        /// Which partition.
        partition: i32,
        /// After how long it starts again.
        away_ms: u64,
    },
    /// SIGKILL of the broker that coordinates the group.
    KillGroupCoordinator {
        /// After how long it starts again.
        away_ms: u64,
    },
    /// SIGKILL of the broker that coordinates the transactions of an input partition.
    KillTransactionCoordinator {
        /// Which partition.
        partition: i32,
        /// After how long it starts again.
        away_ms: u64,
    },
    /// SIGSTOP of the broker that leads a partition of the output topic.
    FreezeLeader {
        /// Which partition.
        partition: i32,
        /// For how long.
        lasts_ms: u64,
    },
    /// The API answers 503.
    ApiOutage {
        /// For how long.
        lasts_ms: u64,
    },
}

/// Who suffers a fault. Two faults of one actor never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Hosts,
    Brokers,
    Api,
}

impl Fault {
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::KillHost { .. } | Self::FreezeHost { .. } | Self::RestartHosts { .. } | Self::DieAt { .. } => {
                Actor::Hosts
            }
            Self::KillLeader { .. }
            | Self::KillGroupCoordinator { .. }
            | Self::KillTransactionCoordinator { .. }
            | Self::FreezeLeader { .. } => Actor::Brokers,
            Self::ApiOutage { .. } => Actor::Api,
        }
    }
}

/// The rounds of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it was made of.
    pub seed: u64,
    /// The rounds, each with its faults.
    pub rounds: Vec<Vec<Fault>>,
}

/// The kinds of faults, each as often as it comes in twenty.
const DECK: [Card; 20] = [
    Card::KillHost,
    Card::KillHost,
    Card::KillHost,
    Card::FreezeHost,
    Card::FreezeHost,
    Card::FreezeHost,
    Card::RestartHosts,
    Card::RestartHosts,
    Card::DieAt,
    Card::DieAt,
    Card::DieAt,
    Card::DieAt,
    Card::KillLeader,
    Card::KillLeader,
    Card::KillGroupCoordinator,
    Card::KillGroupCoordinator,
    Card::KillTransactionCoordinator,
    Card::KillTransactionCoordinator,
    Card::FreezeLeader,
    Card::ApiOutage,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Card {
    KillHost,
    FreezeHost,
    RestartHosts,
    DieAt,
    KillLeader,
    KillGroupCoordinator,
    KillTransactionCoordinator,
    FreezeLeader,
    ApiOutage,
}

impl Plan {
    /// The plan of a seed, with so many faults. Twenty of them are of every kind.
    pub fn of(seed: u64, faults: usize) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut drawn = Vec::with_capacity(faults + DECK.len());
        while drawn.len() < faults {
            let mut deck = DECK;
            rng.shuffle(&mut deck);
            drawn.extend(deck.map(|card| fault(&mut rng, card)));
        }
        drawn.truncate(faults);
        let mut rounds: Vec<Vec<Fault>> = Vec::new();
        for fault in drawn {
            match rounds.last_mut() {
                Some(round) if may_join(round, &fault) && rng.u32(0..5) < 2 => round.push(fault),
                _ => rounds.push(vec![fault]),
            }
        }
        Self { seed, rounds }
    }

    /// The plan of a seed in which each fault of a broker meets one of a host, with so many faults, or one less where that
    /// is odd: the hosts' last transactions then meet a broker that dies, which is rare elsewhere.
    pub fn of_pairs(seed: u64, faults: usize) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rounds =
            (0..faults / 2).map(|_| [Actor::Brokers, Actor::Hosts].map(|actor| of_actor(&mut rng, actor)).into());
        Self { seed, rounds: rounds.collect() }
    }

    /// How many faults there are.
    pub fn faults(&self) -> usize {
        self.rounds.iter().map(Vec::len).sum()
    }
}

/// A fault of this actor, each kind as often as elsewhere.
fn of_actor(rng: &mut fastrand::Rng, actor: Actor) -> Fault {
    loop {
        let card = rng.choice(DECK).unwrap_or(DECK[0]);
        let fault = fault(rng, card);
        if fault.actor() == actor {
            return fault;
        }
    }
}

/// Whether a fault may overlap with those of a round.
fn may_join(round: &[Fault], fault: &Fault) -> bool {
    round.len() == 1 && round.iter().all(|other| other.actor() != fault.actor())
}

fn fault(rng: &mut fastrand::Rng, card: Card) -> Fault {
    let (host, partition, away_ms) = (rng.usize(0..HOSTS), rng.i32(0..PARTITIONS), rng.u64(0..2_000));
    match card {
        Card::KillHost => Fault::KillHost { host, away_ms },
        Card::FreezeHost => Fault::FreezeHost { host, lasts_ms: SESSION_MS + rng.u64(2_000..5_000) },
        Card::RestartHosts => Fault::RestartHosts { first: host },
        Card::DieAt => {
            let (place, name) = rng.choice(FAILPOINTS).unwrap_or(FAILPOINTS[0]);
            Fault::DieAt { host, place: name, time: time_of(rng, place) }
        }
        Card::KillLeader => Fault::KillLeader { partition, away_ms },
        Card::KillGroupCoordinator => Fault::KillGroupCoordinator { away_ms },
        Card::KillTransactionCoordinator => Fault::KillTransactionCoordinator { partition, away_ms },
        Card::FreezeLeader => Fault::FreezeLeader { partition, lasts_ms: rng.u64(10_000..16_000) },
        Card::ApiOutage => Fault::ApiOutage { lasts_ms: rng.u64(3_000..8_000) },
    }
}

/// Places that every event passes are passed much more often than those of a transaction.
fn time_of(rng: &mut fastrand::Rng, place: Failpoint) -> u32 {
    match place {
        Failpoint::Answered | Failpoint::Sending => rng.u32(1..=100),
        Failpoint::Polled | Failpoint::InTurn => rng.u32(1..=40),
        Failpoint::Begun
        | Failpoint::Sent
        | Failpoint::Flushed
        | Failpoint::Committing
        | Failpoint::Committed
        | Failpoint::Settled
        | Failpoint::Event(_) => rng.u32(1..=10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::mem::discriminant;

    #[test]
    fn a_seed_says_the_same_plan_again() {
        assert_eq!(Plan::of(7, 50), Plan::of(7, 50));
        assert_ne!(Plan::of(7, 50).rounds, Plan::of(8, 50).rounds);
    }

    #[test]
    fn twenty_faults_are_of_every_kind() {
        for plan in (0..200).map(|seed| Plan::of(seed, 20)) {
            let kinds: HashSet<_> = plan.rounds.iter().flatten().map(discriminant).collect();
            assert_eq!((plan.faults(), kinds.len()), (20, 9), "{plan:?}");
        }
    }

    #[test]
    fn in_pairs_a_host_and_a_broker_suffer_at_once() {
        for plan in (0..200).map(|seed| Plan::of_pairs(seed, 20)) {
            assert_eq!(plan.rounds.len(), 10);
            for round in plan.rounds {
                assert_eq!(round.iter().map(Fault::actor).collect::<Vec<_>>(), [Actor::Brokers, Actor::Hosts]);
            }
        }
    }

    #[test]
    fn faults_overlap_but_nobody_suffers_two_at_once() {
        let rounds: Vec<Vec<Fault>> = (0..200).flat_map(|seed| Plan::of(seed, 20).rounds).collect();
        assert!(rounds.iter().any(|round| round.len() == 2));
        for round in rounds {
            assert!(matches!(&round[..], [_]) || round[0].actor() != round[1].actor(), "{round:?}");
        }
    }
}
