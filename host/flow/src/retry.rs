//! When an event is tried again: exponential backoff with full jitter, within a budget of attempts. No clock and no
//! random numbers of its own; which errors are worth it is `cause`'s business.

/// The longest wait that anybody can ask for, in milliseconds: while an event waits, its lane and the window behind it
/// do too.
pub const HINT_MS_MAX: u64 = 600_000;

/// How often an event runs, and how long it waits in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Runs in all, the first one included.
    pub attempts_max: u32,
    /// The upper end of the first wait, in milliseconds; it doubles with each attempt.
    pub base_ms: u64,
    /// The upper end of every wait, in milliseconds.
    pub cap_ms: u64,
}

impl Default for RetryPolicy {
    /// Three runs, waits of up to 1 s and 2 s: what Wikimedia's enrichment jobs do.
    fn default() -> Self {
        Self { attempts_max: 3, base_ms: 1_000, cap_ms: 30_000 }
    }
}

impl RetryPolicy {
    /// What a plugin asks for, as far as the pipeline's budget goes: it can end an event's retries by failing it, but have
    /// neither more of them nor a longer wait than the pipeline allows.
    pub fn within_cap(&self, after_ms_hint: Option<u32>) -> Option<u32> {
        after_ms_hint.map(|ms| ms.min(u32::try_from(self.cap_ms).unwrap_or(u32::MAX)))
    }

    /// How long to wait after run number `attempt` (from 1) has failed, in milliseconds. None: the budget is used up.
    ///
    /// The wait lies evenly between 0 and the upper end, as `jitter` (0 to 1) says, so that events that failed together do
    /// not come back together. A hint can make it longer, up to [`HINT_MS_MAX`], but never adds an attempt.
    pub fn delay_ms(&self, attempt: u32, after_ms_hint: Option<u32>, jitter: f64) -> Option<u64> {
        if attempt >= self.attempts_max {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(63);
        let upper_ms = self.base_ms.saturating_mul(1 << doublings).min(self.cap_ms);
        // A jitter that is no number counts as 0.
        let wait_ms = (upper_ms as f64 * jitter.clamp(0.0, 1.0)) as u64;
        Some(wait_ms.max(u64::from(after_ms_hint.unwrap_or(0)).min(HINT_MS_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { attempts_max: 5, base_ms: 100, cap_ms: 500 };

    #[track_caller]
    fn check(attempt: u32, hint: Option<u32>, jitter: f64, expected: Option<u64>) {
        assert_eq!(POLICY.delay_ms(attempt, hint, jitter), expected);
    }

    #[test]
    fn the_upper_end_doubles_up_to_the_cap() {
        check(1, None, 1.0, Some(100));
        check(2, None, 1.0, Some(200));
        check(3, None, 1.0, Some(400));
        check(4, None, 1.0, Some(500));
    }

    #[test]
    fn the_wait_lies_anywhere_below_the_upper_end() {
        check(2, None, 0.0, Some(0));
        check(2, None, 0.25, Some(50));
        check(2, None, f64::NAN, Some(0));
        check(2, None, 7.0, Some(200));
    }

    #[test]
    fn a_hint_lengthens_the_wait_but_adds_no_attempt() {
        check(2, Some(150), 0.5, Some(150));
        check(2, Some(50), 0.5, Some(100));
        check(2, Some(u32::MAX), 0.5, Some(HINT_MS_MAX));
        check(5, Some(150), 0.5, None);
        check(u32::MAX, None, 0.5, None);
    }

    #[test]
    fn a_plugin_has_no_longer_wait_than_the_pipeline_allows() {
        assert_eq!(POLICY.within_cap(None), None);
        assert_eq!(POLICY.within_cap(Some(150)), Some(150));
        assert_eq!(POLICY.within_cap(Some(u32::MAX)), Some(500));
        check(2, POLICY.within_cap(Some(u32::MAX)), 0.5, Some(500));
    }

    #[test]
    fn a_large_attempt_number_does_not_overflow() {
        let patient = RetryPolicy { attempts_max: u32::MAX, base_ms: u64::MAX, cap_ms: 1_000 };
        assert_eq!(patient.delay_ms(4_000_000, None, 1.0), Some(1_000));
        let never = RetryPolicy { attempts_max: 0, ..POLICY };
        assert_eq!(never.delay_ms(1, None, 1.0), None);
    }
}
