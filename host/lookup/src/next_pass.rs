//! The pass that a target's next backfill call needs, where there is none at once. It is waited for without a slot and
//! without a turn, so that live questions have both meanwhile.

use crate::places::{Health, Pass, Places};

/// What is known of that pass.
#[derive(Default)]
pub(crate) enum NextPass {
    /// Nobody waits for one.
    #[default]
    NotNeeded,
    /// There was none for a target of this health, and somebody must begin to wait for one.
    Wanted(Health),
    /// Somebody waits for one.
    Awaited,
    /// It has come, and is kept until this time, in milliseconds.
    Here(Pass, u64),
}

impl NextPass {
    /// A pass for a call that leaves now. Where there is none, one is wanted from now on.
    pub(crate) fn take(&mut self, places: &Places, health: Health) -> Option<Pass> {
        match std::mem::take(self) {
            Self::Here(pass, _) if pass.health() == health => return Some(pass),
            // The target is another than it was when this one was asked for: it is others' again.
            Self::Here(..) => {}
            before => *self = before,
        }
        let pass = places.pass(health);
        if pass.is_none() && !matches!(self, Self::Awaited) {
            *self = Self::Wanted(health);
        }
        pass
    }

    /// The pass that the caller must wait for, if one is wanted; it says so with [`NextPass::come`].
    pub(crate) fn begin_to_wait(&mut self) -> Option<Health> {
        let Self::Wanted(health) = *self else { return None };
        *self = Self::Awaited;
        Some(health)
    }

    /// A pass that was waited for is here. None: it is not needed any more.
    pub(crate) fn come(&mut self, pass: Option<Pass>, until_ms: u64) {
        *self = pass.map_or(Self::NotNeeded, |pass| Self::Here(pass, until_ms));
    }

    /// Gives back a pass for which no slot became free in time.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        if matches!(self, Self::Here(_, until_ms) if now_ms >= *until_ms) {
            *self = Self::NotNeeded;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two places, and so one pass, which somebody else has.
    fn without_passes() -> (Places, Pass) {
        let places = Places::new(2);
        let taken = places.pass(Health::Well).unwrap();
        (places, taken)
    }

    #[test]
    fn one_waits_for_a_pass_at_a_time() {
        let ((places, _taken), mut next) = (without_passes(), NextPass::default());
        assert!(next.take(&places, Health::Well).is_none());
        assert_eq!(next.begin_to_wait(), Some(Health::Well));
        assert!(next.take(&places, Health::Well).is_none());
        assert_eq!(next.begin_to_wait(), None);
    }

    #[test]
    fn a_pass_that_came_is_kept_for_a_while() {
        for (now_ms, kept) in [(999, true), (1_000, false)] {
            let ((places, taken), mut next) = (without_passes(), NextPass::default());
            next.come(Some(taken), 1_000);
            next.expire(now_ms);
            assert_eq!(places.pass(Health::Well).is_none(), kept, "at {now_ms} ms");
            assert!(next.take(&places, Health::Well).is_some());
        }
    }

    #[test]
    fn a_pass_for_another_health_is_given_back() {
        let ((places, taken), mut next) = (without_passes(), NextPass::default());
        next.come(Some(taken), 1_000);
        assert!(next.take(&places, Health::Strained).is_some());
        assert!(places.pass(Health::Well).is_some());
    }
}
