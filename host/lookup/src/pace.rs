//! How hard this host may ask one target: as hard as its own limits say, and no harder than its share of those that all
//! hosts of the consumer group have together. A host's share is that of the partitions it owns, so it moves with them.

use crate::site::Site;
use crate::stopwatch::Stopwatch;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Calls per second, in the time that tests step.
type Rate = RateLimiter<NotKeyed, InMemoryState, Stopwatch, NoOpMiddleware<Duration>>;

/// A rate may be passed by what belongs to a fiftieth of a second, and no more: a target that comes back after a while
/// must not meet the calls of that while at once. Below 100 calls a second they go one by one.
const BURSTS_PER_SECOND: u32 = 50;

/// What a share may lack of what was meant, because it is a binary fraction: with fewer than a million hosts, together
/// they keep a limit all the same.
const ROUNDING: f64 = 1e-6;

/// This host's share of the group, from 0 to 1: the bits of a floating-point number.
#[derive(Debug)]
pub(crate) struct GroupShare(AtomicU64);

impl Default for GroupShare {
    /// The whole: nobody has said that there are others.
    fn default() -> Self {
        Self(AtomicU64::new(1_f64.to_bits()))
    }
}

impl GroupShare {
    /// From now on it is this one.
    pub(crate) fn set(&self, share: f64) {
        self.0.store(share.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// What a limit of the group leaves to this host, rounded down so that all hosts together keep it; but one call at
    /// least, or what it owns would stand still.
    fn part_of(&self, limit: NonZeroU32) -> NonZeroU32 {
        // A conversion to an integer rounds down.
        let part = (f64::from(limit.get()) * self.get() + ROUNDING) as u32;
        NonZeroU32::new(part).unwrap_or(NonZeroU32::MIN)
    }
}

/// The pace of one target.
pub(crate) struct Pace {
    site: Arc<Site>,
    share: Arc<GroupShare>,
    stopwatch: Stopwatch,
    /// The limiter, and the calls per second that it was made for.
    limiter: Mutex<Option<(NonZeroU32, Rate)>>,
}

impl Pace {
    pub(crate) fn new(site: Arc<Site>, share: Arc<GroupShare>, stopwatch: Stopwatch) -> Self {
        Self { site, share, stopwatch, limiter: Mutex::new(None) }
    }

    /// Calls that may be under way at once; one at least.
    pub(crate) fn slots(&self) -> usize {
        let part = self.site.group_slots.map(|slots| self.share.part_of(slots).get() as usize);
        part.map_or(self.site.slots, |part| part.min(self.site.slots))
    }

    /// Calls per second at most; none: no limit.
    fn calls_per_second(&self) -> Option<NonZeroU32> {
        let part = self.site.group_calls_per_second_max.map(|calls| self.share.part_of(calls));
        match (self.site.calls_per_second_max, part) {
            (Some(own), Some(part)) => Some(own.min(part)),
            (own, part) => own.or(part),
        }
    }

    /// Counts a call against the rate, or says how long it has to wait for that.
    pub(crate) fn too_soon(&self) -> Option<Duration> {
        let calls = self.calls_per_second()?;
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if limiter.as_ref().is_none_or(|(made_for, _)| *made_for != calls) {
            *limiter = Some((calls, RateLimiter::direct_with_clock(quota(calls), self.stopwatch)));
        }
        let (_, rate) = limiter.as_ref()?;
        let not_until = rate.check().err()?;
        // Timers tick in milliseconds.
        Some(not_until.wait_time_from(self.stopwatch.now()).max(Duration::from_millis(1)))
    }
}

/// So many calls a second, and hardly more at once.
fn quota(calls: NonZeroU32) -> Quota {
    let burst = NonZeroU32::new(calls.get() / BURSTS_PER_SECOND).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(calls).allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(owned: u32, of: u32) -> GroupShare {
        let share = GroupShare::default();
        share.set(f64::from(owned) / f64::from(of));
        share
    }

    #[track_caller]
    fn check(limit: u32, owned: u32, of: u32, part: u32) {
        let share = share(owned, of);
        assert_eq!(share.part_of(NonZeroU32::new(limit).unwrap()).get(), part, "{owned} of {of}, limit {limit}");
    }

    #[test]
    fn a_hosts_part_is_that_of_its_partitions_rounded_down() {
        check(8, 1, 1, 8);
        check(8, 3, 6, 4);
        check(8, 1, 6, 1);
        check(7, 3, 6, 3);
        check(1_000_000, 1, 3, 333_333);
        (1..1_000).for_each(|of| check(of, 1, of, 1));
        (2..1_000).for_each(|of| check(of * 7, of - 1, of, (of - 1) * 7));
        check(u32::MAX, u32::MAX, u32::MAX, u32::MAX);
    }

    #[test]
    fn a_host_may_always_make_one_call() {
        check(8, 0, 6, 1);
        check(1, 1, 6, 1);
    }

    #[test]
    fn hosts_together_keep_the_limit_while_there_are_as_many_calls_as_partitions() {
        for owned in [[1, 1, 4], [2, 2, 2], [3, 3, 0], [1, 2, 3]] {
            let parts = owned
                .map(|owned| if owned == 0 { 0 } else { share(owned, 6).part_of(NonZeroU32::new(7).unwrap()).get() });
            assert!(parts.iter().sum::<u32>() <= 7, "{parts:?}");
        }
    }
}
