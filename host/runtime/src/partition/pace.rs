//! How many events may begin per second: what an operator lets a backfill have.

use super::{Partition, RecordPath};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use millrace_flow::record::TopicPartition;
use rustc_hash::FxHashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Events per second, in the time that the path is told.
type Rate = RateLimiter<NotKeyed, InMemoryState, TellClock, NoOpMiddleware<Duration>>;

/// What belongs to a fiftieth of a second may begin at once: finer than that the path is not woken.
const BURSTS_PER_SECOND: u32 = 50;

/// The pace of a path.
pub(super) struct Pace {
    rate: Option<(NonZeroU32, Rate)>,
    clock: TellClock,
    began: Option<Instant>,
    /// When the next event may begin, where one was held back at the last look.
    next: Option<Duration>,
    /// How often one was held back: whose turn is first moves on with it.
    held_back: usize,
}

impl Pace {
    pub(super) fn new(events_per_second: Option<NonZeroU32>) -> Self {
        let mut pace = Self { rate: None, clock: TellClock::default(), began: None, next: None, held_back: 0 };
        pace.set_rate(events_per_second);
        pace
    }

    /// Holds to another rate from now on. The same one goes on as it was.
    pub(super) fn set_rate(&mut self, events_per_second: Option<NonZeroU32>) {
        if self.rate.as_ref().map(|(rate, _)| *rate) == events_per_second {
            return;
        }
        self.next = None;
        self.rate = events_per_second.map(|events| {
            let burst = NonZeroU32::new(events.get() / BURSTS_PER_SECOND).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::per_second(events).allow_burst(burst);
            (events, RateLimiter::direct_with_clock(quota, self.clock.clone()))
        });
    }

    /// It is `now`; nothing was held back yet.
    pub(super) fn look(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        self.clock.tell(now.saturating_duration_since(began));
        self.held_back = self.held_back.wrapping_add(usize::from(self.next.is_some()));
        self.next = None;
    }

    /// The partitions in the order in which they may begin events now: at a rate, each is first in its turn.
    pub(super) fn in_turn<'a>(
        &self,
        partitions: &'a mut FxHashMap<TopicPartition, Partition>,
    ) -> Vec<(&'a TopicPartition, &'a mut Partition)> {
        let mut in_turn: Vec<_> = partitions.iter_mut().collect();
        let first = self.held_back.checked_rem(in_turn.len()).unwrap_or_default();
        in_turn.rotate_left(first);
        in_turn
    }

    /// Whether another event may begin now, which is then counted.
    pub(super) fn may_begin(&mut self) -> bool {
        let Some((_, rate)) = &self.rate else { return true };
        match rate.check() {
            Ok(()) => true,
            Err(not_until) => {
                self.next = Some(self.clock.now() + not_until.wait_time_from(self.clock.now()));
                false
            }
        }
    }

    /// Nothing begins any more, so nothing is held back.
    pub(super) fn end(&mut self) {
        self.next = None;
    }

    /// When the event may begin that was held back, if any was.
    pub(super) fn next(&self) -> Option<Instant> {
        Some(self.began? + self.next?)
    }
}

impl RecordPath {
    /// When the event may begin that the pace holds back, if it holds any back.
    pub fn paced_until(&self) -> Option<Instant> {
        self.pace.next()
    }
}

/// The time since the path began, as it was told last.
#[derive(Clone, Default)]
struct TellClock(Arc<AtomicU64>);

impl TellClock {
    fn tell(&self, since: Duration) {
        self.0.store(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for TellClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Finish;
    use crate::partition::PathLimits;
    use crate::partition::sample::{finished, path_within, record};
    use millrace_flow::admission::AdmissionLimits;
    use millrace_flow::failures::FailureLimits;
    use millrace_flow::progress::Progress;
    use millrace_kafka::transactional::Stay;

    /// How many events begin within ten seconds, looked at whenever the pace says so.
    fn begun(pace: &mut Pace, began: Instant) -> (usize, usize) {
        let (mut now, mut events, mut looks) = (began, 0, 0);
        while now < began + Duration::from_secs(10) {
            pace.look(now);
            looks += 1;
            while pace.may_begin() {
                events += 1;
            }
            now = pace.next().unwrap();
        }
        (events, looks)
    }

    #[test]
    fn so_many_events_begin_per_second_in_small_bursts() {
        for rate in [1, 7, 50, 333, 20_000] {
            let (events, looks) = begun(&mut Pace::new(NonZeroU32::new(rate)), Instant::now());
            let expected = rate as usize * 10;
            assert!((expected..=expected + 1 + rate as usize / 50).contains(&events), "{events} of {expected}");
            assert!(looks <= events, "{looks} looks for {events} events");
        }
    }

    #[test]
    fn time_in_which_nothing_waits_is_not_saved_up() {
        let (mut pace, began) = (Pace::new(NonZeroU32::new(100)), Instant::now());
        begun(&mut pace, began);
        pace.look(began + Duration::from_secs(3_600));
        assert_eq!((0..10).filter(|_| pace.may_begin()).count(), 2);
    }

    /// A path that lets one event begin per second, and has this progress.
    fn slow_path(progress: Progress) -> RecordPath {
        let mut path = path_within(PathLimits {
            admission: AdmissionLimits { bytes_max: 1 << 20, open_max: 1_000 },
            failures: FailureLimits::default(),
            events_per_second: NonZeroU32::new(1),
            transactions: None,
        });
        path.revoke(&path.owned());
        path.assign(record(0).source, progress, Stay::default(), None);
        path
    }

    #[test]
    fn a_path_that_stops_waits_for_no_event_that_was_held_back() {
        let (mut path, now) = (slow_path(Progress::at(0)), Instant::now());
        path.poll((0..3).map(record).collect(), now);
        path.admit(now);
        assert_eq!((path.open(None), path.paced_until()), (1, Some(now + Duration::from_secs(1))));
        path.stop_starting(None);
        assert_eq!(path.paced_until(), None);
    }

    #[test]
    fn what_is_settled_already_is_passed_over_at_any_rate() {
        let mut before = slow_path(Progress::at(0));
        let mut now = Instant::now();
        before.poll((0..100).map(record).collect(), now);
        // All but the first one settle.
        for id in 0..100 {
            before.admit(now);
            before.dispatch();
            if id > 0 {
                before.finish(finished(id, Finish::Skipped("x".to_owned()), 0), now);
            }
            now += Duration::from_secs(1);
        }
        let progress = before.progress(None).unwrap().progress.remove(0);
        let progress = Progress::decode(progress.offset, &progress.metadata).unwrap();
        let mut path = slow_path(progress);
        path.poll((0..100).map(record).collect(), now);
        path.admit(now);
        assert_eq!(
            (path.open(None), path.paced_until()),
            (1, None),
            "one event begins, and the others are passed over"
        );
    }

    #[test]
    fn without_a_rate_everything_begins() {
        let mut pace = Pace::new(None);
        pace.look(Instant::now());
        assert!((0..100_000).all(|_| pace.may_begin()));
        assert_eq!(pace.next(), None);
    }

    #[test]
    fn another_rate_holds_at_once() {
        let (mut pace, began) = (Pace::new(NonZeroU32::new(1)), Instant::now());
        begun(&mut pace, began);
        pace.set_rate(NonZeroU32::new(1_000));
        pace.look(began + Duration::from_secs(11));
        assert_eq!((0..100).filter(|_| pace.may_begin()).count(), 20);
    }
}
