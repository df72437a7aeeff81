//! How many events a partition lets pass while those of one wiki do not settle, at the default limits: the figures of
//! `docs/outages.md`, by the rules themselves.

use millrace_flow::admission::{Admission, AdmissionLimits, Head};
use millrace_flow::ledger::Ledger;
use millrace_flow::progress::{Progress, ProgressBudget};

/// The defaults of the configuration.
const LIMITS: AdmissionLimits = AdmissionLimits { bytes_max: 256 << 20, open_max: 10_000 };

/// Numbers that are the same in every run, evenly spread over 0..1 (splitmix64).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What stops the others first.
#[derive(Debug, PartialEq, Eq)]
enum Full {
    Window,
    Bytes,
    Progress,
}

/// Lets events of `bytes` come, of which a `share` never settles and the others settle at once, until one must wait.
/// Returns how many came before it.
fn pass(share: f64, bytes: u64) -> (u64, Full) {
    let mut ledger = Ledger::resume(Progress::at(0), ProgressBudget::COMMIT_METADATA);
    let (mut admission, mut draws) = (Admission::new(LIMITS), Draws(7));
    for offset in 0.. {
        let head = if ledger.open() == 0 { Head::Oldest } else { Head::Later };
        if !ledger.may_admit() {
            return (offset, Full::Progress);
        }
        if !admission.may_admit(bytes, head) {
            let window = admission.open() == LIMITS.open_max;
            return (offset, if window { Full::Window } else { Full::Bytes });
        }
        let at = offset as i64;
        admission.reserve(bytes);
        ledger.admit(at);
        if draws.next() >= share {
            if !ledger.may_deliver(at) {
                return (offset, Full::Progress);
            }
            ledger.deliver(at);
            ledger.settle(at);
            admission.release(bytes);
        }
    }
    unreachable!("something is full sooner or later")
}

#[track_caller]
fn check(share: f64, kilobytes: u64, (events, full): (u64, Full)) {
    let (passed, by) = pass(share, kilobytes << 10);
    // The text of the documents rounds to two digits.
    let near = passed.abs_diff(events) * 20 <= events;
    assert!(near && by == full, "at {share} with {kilobytes} KiB: {passed} events, {by:?}");
}

#[test]
fn the_others_go_on_for_as_long_as_the_documents_say() {
    check(0.01, 20, (155_000, Full::Progress));
    check(0.1, 20, (21_500, Full::Progress));
    check(0.5, 20, (16_900, Full::Progress));
    check(0.5, 100, (5_200, Full::Bytes));
    check(1.0, 20, (10_000, Full::Window));
}
