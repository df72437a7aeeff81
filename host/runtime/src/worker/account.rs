//! What a station has used of its worker's time beyond its slice. All pipelines of a host share the workers, and a turn
//! cannot be interrupted before its CPU deadline, so one whose turns are long again and again is moved to where it harms
//! nobody.

use std::time::{Duration, Instant};

/// CPU time that a station may use in one round, before the next one gets its turn. What an ordinary plugin does in it:
/// some thousand inputs.
pub(crate) const SLICE: Duration = Duration::from_millis(10);

/// A round this long is overtime from here on: measuring is not exact, and a turn that has begun goes on.
const FREE: Duration = Duration::from_millis(20);

/// Overtime that is too much: two turns that run into the default CPU deadline, or a hundred that are a few milliseconds too long.
const DEBT_MAX: Duration = Duration::from_millis(150);

/// How much of the time that passes is taken off the overtime: a twentieth, so that a station may be late a little all the
/// time.
const PAID_BACK: u32 = 20;

/// A station that has had no overtime for this long may come back.
const PROBATION: Duration = Duration::from_secs(60);

/// The overtime of one station on one worker.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    debt: Duration,
    /// When time was last taken off.
    settled: Instant,
    /// When there was overtime last.
    late: Instant,
}

impl Account {
    /// No overtime.
    pub(crate) fn open(now: Instant) -> Self {
        Self { debt: Duration::ZERO, settled: now, late: now }
    }

    /// Books a round that took `spent` of CPU time.
    pub(crate) fn book(&mut self, spent: Duration, now: Instant) {
        let passed = now.saturating_duration_since(self.settled);
        self.settled = now;
        self.debt = self.debt.saturating_sub(passed / PAID_BACK);
        let overtime = spent.saturating_sub(FREE);
        if !overtime.is_zero() {
            self.debt += overtime;
            self.late = now;
        }
    }

    /// Whether the station must leave the others alone.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.debt > DEBT_MAX
    }

    /// Whether the station has behaved for long enough.
    pub(crate) fn is_redeemed(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.late) >= PROBATION
    }

    /// Forgets all overtime: the station begins anew somewhere else.
    pub(crate) fn clear(&mut self, now: Instant) {
        *self = Self::open(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Books rounds of `spent_ms` of CPU time, one after the other every `every_ms`, and says after how many the account is
    /// overdrawn, if it ever is.
    #[track_caller]
    fn check(spent_ms: u64, every_ms: u64, overdrawn_after: Option<usize>) {
        let start = Instant::now();
        let mut account = Account::open(start);
        let rounds = (1..=10_000).find(|number| {
            let now = start + Duration::from_millis(every_ms) * u32::try_from(*number).unwrap();
            account.book(Duration::from_millis(spent_ms), now);
            account.is_overdrawn()
        });
        assert_eq!(rounds, overdrawn_after, "{spent_ms} ms every {every_ms} ms");
    }

    #[test]
    fn rounds_within_the_slice_cost_nothing() {
        check(10, 10, None);
        check(20, 20, None);
    }

    #[test]
    fn a_station_whose_turns_run_into_their_deadline_is_overdrawn_at_once() {
        check(356, 356, Some(1));
        check(101, 101, Some(2));
    }

    #[test]
    fn a_long_turn_now_and_then_is_forgiven() {
        check(101, 5_000, None);
    }

    #[test]
    fn who_is_on_probation_comes_back_a_minute_after_the_last_overtime() {
        let start = Instant::now();
        let mut account = Account::open(start);
        let late = start + Duration::from_secs(30);
        account.book(Duration::from_millis(50), late);
        assert!(!account.is_redeemed(late + PROBATION - Duration::from_millis(1)));
        assert!(account.is_redeemed(late + PROBATION));
    }
}
