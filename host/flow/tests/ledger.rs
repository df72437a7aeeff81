//! The ledger against a naive model: sets of offsets and a log with gaps. Only the public interface is used.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect has failed")]

use millrace_flow::ledger::{Admitted, Ledger};
use millrace_flow::progress::{Progress, ProgressBudget};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Step {
    Admit(u8),
    Deliver(u16),
    Settle(u16),
    SettleNewest,
    Withdraw(u16),
    Skip(u16),
    Storm(u64),
    Commit,
    Crash { compacted: Option<u16> },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..40_u8).prop_map(Step::Admit),
        6 => any::<u16>().prop_map(Step::Deliver),
        4 => any::<u16>().prop_map(Step::Settle),
        2 => Just(Step::SettleNewest),
        1 => any::<u16>().prop_map(Step::Withdraw),
        2 => any::<u16>().prop_map(Step::Skip),
        1 => any::<u64>().prop_map(Step::Storm),
        2 => Just(Step::Commit),
        1 => proptest::option::of(any::<u16>()).prop_map(|compacted| Step::Crash { compacted }),
    ]
}

/// Distances between the offsets of the log: mostly none, some control records, some compaction, some of it enormous.
fn distance() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => Just(1_i64),
        2 => 2..4_i64,
        2 => 40..300_i64,
        1 => 256..20_000_i64,
    ]
}

fn budget() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), 64..130_usize, 130..400_usize, Just(3_000)]
}

/// A partition that is old enough for the longest prefix and serial: nothing of the text's frame is left over.
const OLD: i64 = 9_000_000_000_000_000_000;

fn first_progress(start: i64) -> Progress {
    Progress { serial: if start < OLD { 0 } else { u64::MAX - 1_000_000 }, ..Progress::at(start) }
}

struct World {
    budget: ProgressBudget,
    ledger: Ledger,
    log: Vec<i64>,
    /// How much of the log is admitted.
    read: usize,
    open: BTreeSet<i64>,
    reserved: BTreeSet<i64>,
    settled: BTreeSet<i64>,
    committed: (i64, String),
    settled_at_commit: BTreeSet<i64>,
    /// Settled offsets that a restart no longer finds in the log.
    gone: BTreeSet<i64>,
}

fn nth(set: &BTreeSet<i64>, pick: u16) -> Option<i64> {
    set.iter().nth(usize::from(pick) % set.len().max(1)).copied()
}

impl World {
    fn new(start: i64, distances: &[i64], budget: usize) -> Self {
        let budget = ProgressBudget::new(budget);
        let log = distances.iter().scan(start, |at, d| {
            *at += d;
            Some(*at)
        });
        let progress = first_progress(start);
        Self {
            budget,
            ledger: Ledger::resume(progress.clone(), budget),
            log: log.collect(),
            read: 0,
            open: BTreeSet::new(),
            reserved: BTreeSet::new(),
            settled: BTreeSet::new(),
            committed: (start, progress.encode()),
            settled_at_commit: BTreeSet::new(),
            gone: BTreeSet::new(),
        }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Admit(count) => (0..*count).for_each(|_| self.admit()),
            Step::Deliver(pick) => self.deliver(nth(&self.open, *pick)),
            Step::Settle(pick) => self.settle(nth(&self.reserved, *pick)),
            Step::SettleNewest => {
                let newest = self.open.last().copied();
                self.deliver(newest);
                self.settle(newest.filter(|offset| self.reserved.contains(offset)));
            }
            Step::Withdraw(pick) => {
                if let Some(offset) = nth(&self.reserved, *pick) {
                    self.ledger.withdraw(offset);
                    self.reserved.remove(&offset);
                }
            }
            Step::Skip(pick) => {
                let skipped = nth(&self.open, *pick).filter(|offset| self.ledger.may_deliver(*offset));
                self.settle(skipped);
            }
            Step::Storm(choice) => self.storm(*choice),
            Step::Commit => self.commit(),
            Step::Crash { compacted } => self.crash(*compacted),
        }
        self.compare();
    }

    fn admit(&mut self) {
        if !self.ledger.may_admit() {
            assert!(!self.open.is_empty(), "nothing is open, so nothing else could make room");
            return;
        }
        let Some(offset) = self.log.get(self.read).copied() else { return };
        self.read += 1;
        let expected = if self.settled.contains(&offset) { Admitted::AlreadySettled } else { Admitted::New };
        assert_eq!(self.ledger.is_settled(offset), expected == Admitted::AlreadySettled, "offset {offset}");
        assert_eq!(self.ledger.admit(offset), expected, "offset {offset}");
        assert_eq!(self.ledger.admit(offset), Admitted::AlreadySettled, "offset {offset} a second time");
        if expected == Admitted::New {
            self.open.insert(offset);
        }
    }

    fn deliver(&mut self, offset: Option<i64>) {
        if let Some(offset) = offset.filter(|offset| self.ledger.may_deliver(*offset)) {
            self.ledger.deliver(offset);
            self.reserved.insert(offset);
        }
    }

    fn settle(&mut self, offset: Option<i64>) {
        let Some(offset) = offset else { return };
        self.ledger.settle(offset);
        self.ledger.settle(offset);
        self.open.remove(&offset);
        self.reserved.remove(&offset);
        self.settled.insert(offset);
    }

    /// Settles any part of what is reserved, in a copy, and looks at the text after each.
    fn storm(&self, choice: u64) {
        let mut ledger = self.ledger.clone();
        let mut rest: Vec<i64> = self.reserved.iter().copied().collect();
        let mut random = choice;
        while !rest.is_empty() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let offset = rest.swap_remove((random >> 33) as usize % rest.len());
            if random & (1 << 20) != 0 {
                ledger.settle(offset);
                self.check_length(ledger.progress());
            }
        }
    }

    fn check_length(&self, progress: Option<Progress>) {
        let text = progress.unwrap().encode();
        assert!(text.len() <= self.budget.chars(), "{} > {}: {text}", text.len(), self.budget.chars());
        assert!(text.is_ascii());
    }

    fn commit(&mut self) {
        let serial_before = Progress::decode(self.committed.0, &self.committed.1).unwrap().serial;
        let Some(progress) = self.ledger.progress() else { return };
        assert_eq!(self.ledger.progress(), None, "nothing changed since");
        assert_eq!(progress.serial, serial_before + 1);
        for offset in self.log.iter().filter(|offset| **offset >= progress.prefix) {
            assert_eq!(progress.settled.contains(*offset), self.settled.contains(offset), "offset {offset}");
        }
        self.check_length(Some(progress.clone()));
        let text = progress.encode();
        assert_eq!(Progress::decode(progress.prefix, &text), Ok(progress.clone()));
        self.committed = (progress.prefix, text);
        self.settled_at_commit = self.settled.clone();
    }

    /// Starts again from the last commit. Of a compacted log, one record that is settled may be gone meanwhile.
    fn crash(&mut self, compacted: Option<u16>) {
        let (prefix, text) = &self.committed;
        self.ledger = Ledger::resume(Progress::decode(*prefix, text).unwrap(), self.budget);
        self.settled = self.settled_at_commit.clone();
        if let Some(gone) = compacted.and_then(|pick| nth(&self.settled, pick)) {
            self.log.retain(|offset| *offset != gone);
            self.gone.insert(gone);
        }
        self.open.clear();
        self.reserved.clear();
        self.read = self.log.partition_point(|offset| offset < prefix);
    }

    fn compare(&self) {
        assert_eq!(self.ledger.open(), self.open.len());
        assert_eq!(self.ledger.oldest_open(), self.open.first().copied());
        if let Some(oldest) = self.open.first() {
            assert_eq!(self.ledger.prefix(), *oldest);
            assert!(self.ledger.may_deliver(*oldest), "the head rule");
        }
        let unsettled = self.log.iter().find(|offset| !self.settled.contains(offset));
        assert!(unsettled.is_none_or(|offset| self.ledger.prefix() <= *offset));
    }

    /// Ends everything, oldest first where nothing else may go, and counts what ran.
    fn drain(&mut self) {
        while self.read < self.log.len() || !self.open.is_empty() {
            let before = (self.read, self.settled.len());
            (0..500).for_each(|_| self.admit());
            let newest_first: Vec<i64> = self.open.iter().rev().copied().collect();
            for offset in newest_first {
                self.deliver(Some(offset));
            }
            self.storm(before.1 as u64);
            while let Some(offset) = self.reserved.last().copied() {
                self.settle(Some(offset));
            }
            self.commit();
            assert_ne!(before, (self.read, self.settled.len()), "deadlock");
        }
        self.commit();
        assert!(self.log.iter().all(|offset| self.settled.contains(offset)));
        assert!(self.log.last().is_none_or(|last| self.ledger.prefix() > *last));
        let last = Progress::decode(self.committed.0, &self.committed.1).unwrap();
        assert!(last.settled.is_empty() || self.gone.range(last.prefix..).next().is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_agrees_with_the_model_through_gaps_holds_and_crashes(
        start in prop_oneof![Just(0_i64), 1..600_i64, OLD..OLD + 600],
        distances in proptest::collection::vec(distance(), 0..400),
        budget in budget(),
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(start, &distances, budget);
        steps.iter().for_each(|step| world.apply(step));
        world.drain();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Long logs behind an open head, so that the large budget is reached as well.
    #[test]
    fn the_large_budget_holds_back_what_would_pass_it(
        distances in proptest::collection::vec(prop_oneof![20 => 1..4_i64, 1 => 100..400_i64], 3_000..6_000),
        budget in prop_oneof![500..1_500_usize, Just(3_000)],
        steps in proptest::collection::vec(step(), 0..60),
        picks in proptest::collection::vec(any::<u16>(), 1_000),
    ) {
        let mut world = World::new(17, &distances, budget);
        (0..6_000).for_each(|_| world.admit());
        for pick in picks {
            let somewhere = world.log.get(1 + usize::from(pick) % (world.log.len() - 1)).copied();
            world.deliver(somewhere.filter(|offset| world.open.contains(offset)));
        }
        steps.iter().for_each(|step| world.apply(step));
        world.drain();
    }
}

#[test]
fn a_straggler_holds_up_neither_the_window_nor_the_results() {
    let mut ledger = Ledger::resume(Progress::at(0), ProgressBudget::COMMIT_METADATA);
    let mut delivered = 0;
    for offset in 0..100_000 {
        assert!(ledger.may_admit(), "at {offset}");
        ledger.admit(offset);
        // One in 1,000 takes until the end.
        if offset % 1_000 != 0 {
            assert!(ledger.may_deliver(offset), "at {offset}");
            ledger.deliver(offset);
            ledger.settle(offset);
            delivered += 1;
        }
    }
    assert_eq!((delivered, ledger.open(), ledger.prefix()), (99_900, 100, 0));
    assert!(ledger.progress().unwrap().encode().len() < 500);
}

#[test]
fn the_window_of_open_offsets_is_a_hundred_thousand_wide() {
    let mut ledger = Ledger::resume(Progress::at(5), ProgressBudget::COMMIT_METADATA);
    let mut offset = 5;
    // Every other offset is a control record.
    while ledger.may_admit() {
        ledger.admit(offset);
        offset += 2;
    }
    assert_eq!(ledger.open(), 100_000);
}

#[test]
fn any_mixture_of_seventeen_thousand_offsets_fits_commit_metadata() {
    let mut ledger = Ledger::resume(Progress::at(0), ProgressBudget::COMMIT_METADATA);
    for offset in 0..20_000 {
        ledger.admit(offset);
    }
    let first_held = (1..20_000).find(|offset| {
        let held = !ledger.may_deliver(*offset);
        ledger.deliver(*offset);
        held
    });
    assert!(first_held.is_some_and(|offset| offset > 16_000), "{first_held:?}");
}

#[test]
fn gaps_of_any_width_cost_no_memory_and_no_room() {
    let mut ledger = Ledger::resume(Progress::at(0), ProgressBudget::COMMIT_METADATA);
    ledger.admit(0);
    ledger.admit(i64::MAX / 2);
    ledger.settle(i64::MAX / 2);
    let progress = ledger.progress().unwrap();
    assert!(progress.encode().len() < 40, "{}", progress.encode());
    assert_eq!(Progress::decode(0, &progress.encode()), Ok(progress));
    ledger.settle(0);
    assert_eq!(ledger.prefix(), i64::MAX / 2 + 1);
}

#[test]
fn a_set_beyond_a_smaller_budget_is_kept_whole() {
    let mut wide = Ledger::resume(Progress::at(0), ProgressBudget::COMMIT_METADATA);
    for offset in 0..3_000 {
        wide.admit(offset);
        if offset % 2 == 1 {
            wide.settle(offset);
        }
    }
    let progress = wide.progress().unwrap();
    let small = ProgressBudget::new(64);
    assert!(progress.encode().len() > small.chars());
    let mut narrow = Ledger::resume(progress, small);
    let mut last = usize::MAX;
    for offset in 0..3_000 {
        assert!(narrow.may_admit());
        if offset % 2 == 1 {
            assert_eq!(narrow.admit(offset), Admitted::AlreadySettled);
            continue;
        }
        assert_eq!(narrow.admit(offset), Admitted::New);
        assert!(narrow.may_deliver(offset));
        narrow.settle(offset);
        let length = narrow.progress().unwrap().encode().len();
        assert!(length <= last.saturating_add(4), "only prefix and serial may grow: {length} after {last}");
        last = length;
    }
    assert_eq!(narrow.prefix(), 3_000);
}

/// A ledger with an open head and every ninth offset settled, up to where the budget holds the next one back; and its
/// last settled offset.
fn filled_up(budget: ProgressBudget) -> (Ledger, i64) {
    let mut ledger = Ledger::resume(first_progress(OLD), budget);
    let mut last = OLD;
    for offset in OLD.. {
        if !ledger.may_admit() {
            break;
        }
        ledger.admit(offset);
        if offset % 9 == 8 {
            if !ledger.may_deliver(offset) {
                break;
            }
            ledger.settle(offset);
            last = offset;
        }
    }
    (ledger, last)
}

#[test]
fn after_a_restart_the_whole_window_is_admitted_again() {
    for chars in 90..600 {
        let budget = ProgressBudget::new(chars);
        let (mut before, last) = filled_up(budget);
        let mut after = Ledger::resume(before.progress().unwrap(), budget);
        for offset in OLD..last {
            assert!(after.may_admit(), "at {offset} with {chars} characters");
            after.admit(offset);
        }
        assert_eq!(i64::try_from(after.open()).unwrap(), last - OLD - (last - OLD) / 9, "{chars} characters");
    }
}

#[test]
fn a_leap_over_compacted_events_after_a_restart_stays_within_the_budget() {
    for chars in 64..600 {
        let budget = ProgressBudget::new(chars);
        let (mut before, last) = filled_up(budget);
        let Some(progress) = before.progress() else { continue };
        let mut after = Ledger::resume(progress, budget);
        for offset in OLD..last {
            if after.may_admit() {
                after.admit(offset);
            }
        }
        if after.may_admit() {
            after.admit(OLD + (1 << 57));
        }
        after.settle(OLD);
        let text = after.progress().unwrap().encode();
        assert!(text.len() <= chars, "{} > {chars}", text.len());
    }
}
