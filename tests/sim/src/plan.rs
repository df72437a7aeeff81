//! What a seed fixes before its run begins: how large everything is, and how much goes wrong.

use crate::action::{Action, FAULT_KINDS};
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
    /// The budgets of progress, one for each host: not all need be configured alike.
    budgets: Vec<ProgressBudget>,
    pub(crate) transactions: TransactionLimits,
    /// The records of one request.
    pub(crate) chunk: usize,
    /// The share of events whose lookups take long, and the chance in a thousand, at each step, that one is answered: the lower,
    /// the more finishes behind it.
    pub(crate) slow_percent: u64,
    pub(crate) slow_permille: u64,
    /// The chance in a thousand, at each step, that hosts wake which stand still.
    pub(crate) wake_permille: u64,
    /// The chance of each host, at each step, that it may hear what is new in the group: the lower, the longer it goes on as a
    /// former owner.
    hear_percent: Vec<u64>,
    /// The kinds of faults that happen, as bits. With few kinds, those that must meet to do harm meet more often.
    fault_kinds: u32,
    /// For so many steps things go wrong, with this chance at each step.
    pub(crate) fault_steps: u64,
    pub(crate) fault_percent: u64,
}

/// More hosts than partitions at times, so that one waits for its turn.
const HOSTS_MAX: usize = 3;

impl Plan {
    /// The budget that a host keeps to.
    pub(crate) fn budget(&self, host: usize) -> ProgressBudget {
        self.budgets.get(host).copied().unwrap_or(ProgressBudget::RECORD)
    }

    /// Whether a fault may happen; whatever is none may.
    pub(crate) fn allows(&self, action: Action) -> bool {
        action.fault_kind().is_none_or(|kind| self.fault_kinds >> kind & 1 == 1)
    }

    /// See the field.
    pub(crate) fn hear_percent(&self, host: usize) -> u64 {
        self.hear_percent.get(host).copied().unwrap_or(100)
    }

    /// The characters of the largest budget: what another host left behind may be longer than one's own.
    pub(crate) fn budget_chars_max(&self) -> usize {
        self.budgets.iter().map(|budget| budget.chars()).max().unwrap_or_default()
    }

    pub(crate) fn of(random: &mut Random) -> Self {
        // Where much is in flight behind slow events, the text of progress becomes long and results are held back.
        let is_wide = random.chance(15);
        let pick = |random: &mut Random, of: [u64; 4]| {
            if is_wide { of.last().copied() } else { random.pick(&of) }.unwrap_or_default()
        };
        // From the least that makes sense, where events run one after the other, to where hardly anything is held.
        let budget = pick(random, [64, 76, 90, 74]);
        Self {
            mode: if random.chance(70) { Mode::ExactlyOnce } else { Mode::AtLeastOnce },
            hosts: 2 + random.below(HOSTS_MAX - 1),
            partitions: 1 + random.below(3),
            events: 2..=pick(random, [4, 10, 30, 90]),
            keys: small(pick(random, [1, 3, 12, 40])),
            admission: AdmissionLimits {
                bytes_max: pick(random, [60, 300, 2_000, 20_000]),
                open_max: small(pick(random, [1, 4, 20, 100])),
            },
            estimate: random.within(0..=80),
            budgets: budgets(random, budget),
            transactions: TransactionLimits {
                interval: Duration::from_millis(random.pick(&[0, 50, 1_000]).unwrap_or_default()),
                bytes_max: small(random.within(1..=6)),
                results_max: small(random.within(1..=4)),
            },
            chunk: 1 + random.below(3),
            slow_percent: pick(random, [0, 5, 40, 100]),
            slow_permille: random.pick(&[2, 20, 100, 300]).unwrap_or(20),
            wake_permille: random.pick(&[10, 50, 200]).unwrap_or(10),
            hear_percent: (0..HOSTS_MAX).map(|_| random.pick(&[1, 20, 100]).unwrap_or(100)).collect(),
            fault_kinds: fault_kinds(random),
            fault_steps: random.within(50..=1_500),
            fault_percent: random.pick(&[0, 2, 5, 12, 25]).unwrap_or_default(),
        }
    }
}

/// All of them, or some.
fn fault_kinds(random: &mut Random) -> u32 {
    let all = random.chance(40);
    (0..FAULT_KINDS).filter(|_| all || random.chance(25)).fold(0, |kinds, kind| kinds | 1 << kind)
}

/// Alike in most runs.
fn budgets(random: &mut Random, chars: u64) -> Vec<ProgressBudget> {
    let others = if random.chance(30) { [64, 74, 120] } else { [chars; 3] };
    let mut budgets = vec![ProgressBudget::new(small(chars))];
    budgets.extend((1..HOSTS_MAX).map(|_| ProgressBudget::new(small(random.pick(&others).unwrap_or(chars)))));
    budgets
}

fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(1)
}
