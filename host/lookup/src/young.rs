//! The young rule: an unknown revision may only be one that a replica has not got yet.
//!
//! Measured at Wikimedia: of 390 unknown revisions in eight days, 249 existed later, nearly all within 7 s of the
//! event; of the others nearly all were older than 10 s. The API cannot tell the two apart. No clock in here.

/// When an unknown revision is asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YoungRule {
    /// An event is young below this age, in milliseconds.
    pub window_ms: u64,
    /// The waits before the second, third, ... ask, in milliseconds. The last one repeats.
    pub delays_ms: Vec<u64>,
}

impl Default for YoungRule {
    fn default() -> Self {
        Self { window_ms: 10_000, delays_ms: vec![500, 1_000, 2_000, 3_000] }
    }
}

impl YoungRule {
    /// How long to wait before asking again, in milliseconds; none: the revision is missing.
    ///
    /// `asked` counts the asks so far. An event without a time of birth is old. One born in the future (clocks differ)
    /// is young, but its waits are bounded all the same: they end once they add up to the window.
    pub(crate) fn ask_again_ms(&self, now_ms: u64, born_ms: Option<i64>, asked: u32) -> Option<u64> {
        let born_ms = u64::try_from(born_ms?.max(0)).ok()?;
        if now_ms.saturating_sub(born_ms) >= self.window_ms {
            return None;
        }
        let last = *self.delays_ms.last()?;
        let before: u64 =
            (0..asked.saturating_sub(1)).map(|n| self.delays_ms.get(n as usize).copied().unwrap_or(last)).sum();
        if before >= self.window_ms {
            return None;
        }
        // A wait of 0 would let a configuration ask without a pause and without an end.
        Some(self.delays_ms.get(asked.saturating_sub(1) as usize).copied().unwrap_or(last).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(age_ms: i64, asked: u32, expected: Option<u64>) {
        assert_eq!(YoungRule::default().ask_again_ms(1_000_000, Some(1_000_000 - age_ms), asked), expected);
    }

    #[test]
    fn a_young_event_asks_again_with_growing_waits() {
        check(0, 1, Some(500));
        check(500, 2, Some(1_000));
        check(1_500, 3, Some(2_000));
        check(3_500, 4, Some(3_000));
        check(6_500, 5, Some(3_000));
    }

    #[test]
    fn an_old_event_does_not() {
        check(9_999, 1, Some(500));
        check(10_000, 1, None);
        assert_eq!(YoungRule::default().ask_again_ms(1_000_000, None, 1), None);
    }

    #[test]
    fn an_event_from_the_future_ends_waiting_too() {
        check(-1_000_000, 1, Some(500));
        check(-1_000_000, 6, Some(3_000));
        check(-1_000_000, 7, None);
    }
}
