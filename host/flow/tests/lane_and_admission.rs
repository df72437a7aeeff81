//! Lanes and admission against naive models: order per key, concurrency across keys, nothing lost, nothing stuck.

#![expect(clippy::indexing_slicing, reason = "a test that meets what it did not expect has failed")]

use millrace_flow::admission::{Admission, AdmissionLimits, AnswerEstimate, Head};
use millrace_flow::lane::{LaneId, Lanes};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Debug)]
enum LaneStep {
    Enter(u8),
    Leave(u8),
    Clear,
}

fn lane_step() -> impl Strategy<Value = LaneStep> {
    prop_oneof![
        20 => (0..6_u8).prop_map(LaneStep::Enter),
        20 => (0..6_u8).prop_map(LaneStep::Leave),
        1 => Just(LaneStep::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model: per key a queue whose first item runs.
    #[test]
    fn lanes_keep_order_per_key_and_run_keys_side_by_side(steps in proptest::collection::vec(lane_step(), 0..200)) {
        let mut lanes = Lanes::new();
        let mut model: BTreeMap<u8, VecDeque<usize>> = BTreeMap::new();
        for (item, step) in steps.into_iter().enumerate() {
            match step {
                LaneStep::Enter(key) => {
                    let queue = model.entry(key).or_default();
                    queue.push_back(item);
                    let expected = (queue.len() == 1).then_some(item);
                    prop_assert_eq!(lanes.enter(LaneId::of_key(&[key]), item), expected);
                }
                LaneStep::Leave(key) => {
                    let queue = model.entry(key).or_default();
                    queue.pop_front();
                    prop_assert_eq!(lanes.leave(LaneId::of_key(&[key])), queue.front().copied());
                }
                LaneStep::Clear => {
                    let expected: Vec<usize> = model.values().flat_map(|queue| queue.iter().skip(1).copied()).collect();
                    let mut cleared = lanes.clear();
                    for queue in model.values().filter(|queue| queue.len() > 1) {
                        let of_key: Vec<usize> = cleared.iter().copied().filter(|item| queue.contains(item)).collect();
                        prop_assert_eq!(of_key, queue.iter().skip(1).copied().collect::<Vec<_>>());
                    }
                    cleared.sort_unstable();
                    let mut sorted = expected;
                    sorted.sort_unstable();
                    prop_assert_eq!(cleared, sorted);
                    model.clear();
                }
            }
            prop_assert_eq!(lanes.waiting(), model.values().map(|queue| queue.len().saturating_sub(1)).sum::<usize>());
            prop_assert_eq!(lanes.running(), model.values().filter(|queue| !queue.is_empty()).count());
        }
    }
}

#[test]
fn keys_have_lanes_of_their_own() {
    let ids: std::collections::BTreeSet<LaneId> = (0..100_000_u32)
        .map(|n| LaneId::of_key(format!("{{\"wiki_id\":\"enwiki\",\"page_id\":{n}}}").as_bytes()))
        .chain([LaneId::PARTITION, LaneId::of_key(b""), LaneId::of_key(b"\0"), LaneId::of_key(b"\0\0")])
        .collect();
    assert_eq!(ids.len(), 100_004);
}

#[test]
fn a_partition_without_keys_is_one_lane() {
    let mut lanes = Lanes::new();
    assert_eq!(lanes.enter(LaneId::PARTITION, "a"), Some("a"));
    assert_eq!(lanes.enter(LaneId::PARTITION, "b"), None);
    assert_eq!(lanes.leave(LaneId::PARTITION), Some("b"));
    assert_eq!(lanes.leave(LaneId::PARTITION), None);
    assert_eq!(lanes.leave(LaneId::PARTITION), None);
}

const EVENT_BYTES_MAX: u64 = 400;

/// One event of the model: what it holds, and what it will grow to before it can end.
#[derive(Clone, Copy, Debug)]
struct Event {
    held: u64,
    needs: u64,
}

/// Several partitions that share one budget. Events end only once they hold all they need.
struct Pipeline {
    admission: Admission,
    waiting: Vec<VecDeque<Event>>,
    running: Vec<VecDeque<Event>>,
}

impl Pipeline {
    fn check(&self, limits: AdmissionLimits) {
        let held: u64 = self.running.iter().flatten().map(|event| event.held).sum();
        let open = self.running.iter().map(VecDeque::len).sum::<usize>();
        assert_eq!((self.admission.held(), self.admission.open()), (held, open));
        assert!(held <= limits.bytes_max + EVENT_BYTES_MAX, "{held}");
        assert!(open <= limits.open_max + 1, "{open}");
        assert!(!(self.admission.is_full() && self.admission.may_resume()) || limits.bytes_max == 0);
    }

    fn admit(&mut self, partition: usize) -> bool {
        let head = if self.running[partition].is_empty() { Head::Oldest } else { Head::Later };
        match self.waiting[partition].front().copied() {
            Some(event) if self.admission.may_admit(event.held, head) => {
                self.admission.reserve(event.held);
                self.waiting[partition].pop_front();
                self.running[partition].push_back(event);
                true
            }
            _ => false,
        }
    }

    /// Lets the event at `place` grow if it may, and end if it holds all it needs.
    fn advance(&mut self, partition: usize, place: usize) -> bool {
        let head = if place == 0 { Head::Oldest } else { Head::Later };
        let Some(event) = self.running[partition].get_mut(place) else { return false };
        if event.held == event.needs {
            self.admission.release(event.held);
            self.running[partition].remove(place);
            return true;
        }
        let may = self.admission.may_grow(event.held, event.needs, head);
        if may {
            self.admission.adjust(event.held, event.needs);
            event.held = event.needs;
        }
        may
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn admission_passes_its_budget_by_one_event_at_most_and_never_locks(
        limits in (1..1_000_u64, 1..12_usize),
        events in proptest::collection::vec((0..3_usize, 0..=EVENT_BYTES_MAX, 0..=EVENT_BYTES_MAX), 0..60),
        picks in proptest::collection::vec((any::<bool>(), 0..3_usize, 0..5_usize), 0..200),
    ) {
        let limits = AdmissionLimits { bytes_max: limits.0, open_max: limits.1 };
        let mut pipeline = Pipeline {
            admission: Admission::new(limits),
            waiting: vec![VecDeque::new(); 3],
            running: vec![VecDeque::new(); 3],
        };
        for (partition, held, needs) in events {
            pipeline.waiting[partition].push_back(Event { held, needs });
        }
        for (admits, partition, place) in picks {
            if admits { pipeline.admit(partition) } else { pipeline.advance(partition, place) };
            pipeline.check(limits);
        }
        while pipeline.waiting.iter().chain(&pipeline.running).any(|queue| !queue.is_empty()) {
            let mut moved = false;
            for partition in 0..3 {
                moved |= pipeline.admit(partition);
                pipeline.check(limits);
                moved |= pipeline.advance(partition, 0);
                pipeline.check(limits);
            }
            prop_assert!(moved, "deadlock");
        }
        prop_assert_eq!((pipeline.admission.held(), pipeline.admission.open()), (0, 0));
        prop_assert!(pipeline.admission.may_resume());
    }
}

#[test]
fn reading_stops_when_full_and_goes_on_at_half() {
    let mut admission = Admission::new(AdmissionLimits { bytes_max: 100, open_max: 10 });
    (0..4).for_each(|_| admission.reserve(20));
    assert!(!admission.is_full() && !admission.may_resume());
    assert!(admission.may_admit(20, Head::Later) && !admission.may_admit(21, Head::Later));
    admission.reserve(20);
    assert!(admission.is_full() && !admission.may_admit(1, Head::Later) && admission.may_admit(1_000, Head::Oldest));
    admission.release(20);
    admission.adjust(20, 0);
    assert!(!admission.is_full() && !admission.may_resume());
    admission.release(20);
    assert!(admission.may_resume());
}

#[test]
fn open_offsets_count_as_well_as_bytes() {
    let mut admission = Admission::new(AdmissionLimits { bytes_max: 100, open_max: 4 });
    (0..4).for_each(|_| admission.reserve(0));
    assert!(admission.is_full() && !admission.may_admit(0, Head::Later) && admission.may_admit(0, Head::Oldest));
    admission.reserve(0);
    assert!(!admission.may_admit(0, Head::Oldest));
    (0..3).for_each(|_| admission.release(0));
    assert!(admission.may_resume());
}

#[test]
fn the_estimate_follows_the_answers() {
    let mut estimate = AnswerEstimate::new();
    assert_eq!(estimate.bytes(), 16 * 1024);
    estimate.observe(1_000);
    assert_eq!(estimate.bytes(), 1_000);
    (0..300).for_each(|n| estimate.observe(if n % 10 == 0 { 50_000 } else { 2_000 }));
    assert_eq!(estimate.bytes(), 50_000);
    (0..300).for_each(|n| estimate.observe(if n % 30 == 0 { 50_000 } else { 3_000 }));
    assert_eq!(estimate.bytes(), 3_000);
}
