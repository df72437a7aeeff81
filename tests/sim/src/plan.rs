//! What a seed fixes before its run begins: how large everything is, and how much goes wrong.

use crate::random::Random;
use millrace_flow::admission::AdmissionLimits;
use millrace_flow::progress::ProgressBudget;
use millrace_flow::transactions::TransactionLimits;
use std::ops::RangeInclusive;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    ExactlyOnce,
    AtLeastOnce,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) hosts: usize,
    pub(crate) partitions: usize,
    pub(crate) events: RangeInclusive<u64>,
    pub(crate) keys: usize,
    pub(crate) admission: AdmissionLimits,
    /// The bytes that are reserved for an event's answers.
    pub(crate) estimate: u64,
    pub(crate) budget: ProgressBudget,
    pub(crate) transactions: TransactionLimits,
    /// The records of one request.
    pub(crate) chunk: usize,
    /// The chance, at each step, that hosts may hear what is new in the group: the lower, the longer a former owner goes on.
    pub(crate) hear_percent: u64,
    /// For so many steps things go wrong, with this chance at each step.
    pub(crate) fault_steps: u64,
    pub(crate) fault_percent: u64,
}

impl Plan {
    pub(crate) fn of(random: &mut Random) -> Self {
        Self {
            mode: if random.chance(70) { Mode::ExactlyOnce } else { Mode::AtLeastOnce },
            hosts: 2 + random.below(2),
            partitions: 1 + random.below(3),
            events: random.pick(&[4, 10, 25, 60]).map_or(1..=5, |most| 2..=most),
            keys: random.pick(&[1, 3, 20, 20]).unwrap_or(1),
            admission: AdmissionLimits {
                bytes_max: random.pick(&[60, 200, 1_000, 5_000]).unwrap_or(60),
                open_max: usize::try_from(random.within(1..=40)).unwrap_or(1),
            },
            estimate: random.within(0..=80),
            // From the least that makes sense, where nearly everything is held, to where hardly anything is.
            budget: ProgressBudget::new(usize::try_from(random.within(64..=80)).unwrap_or_default()),
            transactions: TransactionLimits {
                interval: Duration::from_millis(random.pick(&[0, 20, 100]).unwrap_or_default()),
                bytes_max: usize::try_from(random.within(1..=6)).unwrap_or(1),
                results_max: usize::try_from(random.within(1..=4)).unwrap_or(1),
            },
            chunk: 1 + random.below(3),
            hear_percent: random.pick(&[3, 20, 100]).unwrap_or(100),
            fault_steps: random.within(50..=1_500),
            fault_percent: random.pick(&[0, 2, 5, 12, 25]).unwrap_or_default(),
        }
    }
}
