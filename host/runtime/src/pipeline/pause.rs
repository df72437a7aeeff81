//! How long partitions stand still that the group takes away together and gives back for the most part.

use super::{Pipeline, State};
use std::time::{Duration, Instant};

/// For so long the first event after a rebalance is waited for. Where there is none, nothing stood still but the clock.
const QUIET_AFTER: Duration = Duration::from_secs(1);

/// A pause that is being measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    began: Instant,
    /// When partitions were back.
    back: Option<Instant>,
}

impl Pause {
    /// How long it was, if that is known by now. `came`: there is an event.
    fn length(&self, now: Instant, came: bool) -> Option<Duration> {
        let back = self.back?;
        let end = match came {
            true => now,
            false if now.saturating_duration_since(back) >= QUIET_AFTER => back,
            false => return None,
        };
        Some(end.saturating_duration_since(self.began))
    }
}

impl Pipeline {
    /// All partitions are taken away.
    pub(super) fn begin_pause(&self, state: &mut State) {
        if self.path.is_together() {
            state.pause = Some(Pause { began: Instant::now(), back: None });
        }
    }

    /// So many partitions are back; where there are none, nobody waits for them here.
    pub(super) fn partitions_are_back(state: &mut State, partitions: usize) {
        state.pause = state.pause.filter(|_| partitions > 0).map(|pause| Pause { back: Some(Instant::now()), ..pause });
    }

    /// Ends the pause if it is over.
    pub(super) fn look_at_pause(&self, state: &mut State, came: bool) {
        let length = state.pause.and_then(|pause| pause.length(Instant::now(), came));
        if let Some(length) = length {
            state.pause = None;
            self.spec.metrics.rebalance_paused(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_with_the_first_event_or_where_none_comes_with_the_partitions() {
        let began = Instant::now();
        let (back, later) = (began + Duration::from_secs(2), began + Duration::from_secs(4));
        let away = Pause { began, back: None };
        assert_eq!((away.length(later, false), away.length(later, true)), (None, None), "they are not back");
        let pause = Pause { back: Some(back), ..away };
        assert_eq!(pause.length(back, false), None);
        assert_eq!(pause.length(later, true), Some(Duration::from_secs(4)));
        assert_eq!(pause.length(later, false), Some(Duration::from_secs(2)));
    }
}
