//! One target: its queue, its call slots and its breaker behind one lock that is only ever held for bookkeeping.

use crate::breaker::{Breaker, BreakerState, Gate, Probe};
use crate::config::LookupConfig;
use crate::queue::{CallBounds, Entered, Entry, Queue, Taken};
use crate::site::Site;
use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::HeaderValue;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One wiki, or one HTTP target.
pub(crate) struct Target {
    pub(crate) name: Arc<str>,
    pub(crate) site: Arc<Site>,
    /// Scheme, host, port and prefix.
    pub(crate) base: String,
    /// The `Host` header, where it is not the URL's.
    pub(crate) host: Option<HeaderValue>,
    limiter: Option<DefaultDirectRateLimiter>,
    state: Mutex<State>,
    pub(crate) calls: AtomicU64,
    pub(crate) failures: AtomicU64,
}

pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) breaker: Breaker,
    /// Calls that the target answered.
    pub(crate) successes: u64,
    /// Slots that are taken.
    busy: usize,
    /// Of these, the ones that have yet to look into the queue.
    looking: usize,
    /// When somebody will look again by itself, in milliseconds.
    wake_at_ms: Option<u64>,
    sweep_at: usize,
}

/// Below this many waiting questions a sweep is not worth it.
const SWEEP_AT_LEAST: usize = 1_024;

/// What a slot finds to do.
pub(crate) enum Work {
    /// A call to make.
    Call(Batch),
    /// Nothing: the slot is free again. Somebody must look again at this time, in milliseconds, if there is one.
    Nothing { look_again_at_ms: Option<u64> },
}

/// The questions of one call.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) taken: Vec<Taken>,
    pub(crate) probe: Probe,
}

impl Target {
    pub(crate) fn new(name: &str, site: Arc<Site>, cfg: &LookupConfig) -> Self {
        let base = site.base.clone().unwrap_or_else(|| format!("https://{name}"));
        let own_host = site.base.is_some() && !name.contains(':');
        let host = if own_host { HeaderValue::from_str(name).ok() } else { site.host.clone() };
        let limiter = site.calls_per_second_max.map(|calls| RateLimiter::direct(Quota::per_second(calls)));
        let state = State {
            queue: Queue::default(),
            breaker: Breaker::new(cfg.breaker),
            successes: 0,
            busy: 0,
            looking: 0,
            wake_at_ms: None,
            sweep_at: SWEEP_AT_LEAST,
        };
        let (calls, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { name: name.into(), site, base, host, limiter, state: Mutex::new(state), calls, failures }
    }

    /// The books. Held for bookkeeping only, never over an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the rate limit lets one more call go.
    pub(crate) async fn wait_for_rate(&self) {
        let Some(limiter) = &self.limiter else { return };
        while let Err(not_until) = limiter.check() {
            let wait = not_until.wait_time_from(governor::clock::DefaultClock::default().now());
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }

    /// Lets a question in. `departs` is called where the same question's call has left already.
    pub(crate) fn enter(
        &self,
        entry: Entry,
        is_wanted: &mut dyn FnMut(u64) -> bool,
        departs: &mut dyn FnMut(),
    ) -> Entered {
        let mut state = self.lock();
        if state.queue.ready() >= state.sweep_at {
            state.queue.sweep(is_wanted);
            state.sweep_at = (state.queue.ready() * 2).max(SWEEP_AT_LEAST);
        }
        let mut entry = entry;
        entry.successes_seen = state.successes;
        let entered = state.queue.enter(entry);
        if entered == Entered::JoinedUnderWay {
            departs();
        }
        entered
    }

    /// How many slots should begin to look for work: enough for what is ready, not more than are free. They count as
    /// taken from now on.
    pub(crate) fn claim_slots(&self) -> usize {
        let mut state = self.lock();
        let wanted = state.queue.ready().div_ceil(crate::config::REVISIONS_PER_CALL_MAX);
        let claimed = wanted.saturating_sub(state.looking).min(self.site.slots.saturating_sub(state.busy));
        state.busy += claimed;
        state.looking += claimed;
        claimed
    }

    /// What a slot that is looking for work finds. `departs` is told the tokens whose asks go into the call.
    pub(crate) fn take(
        &self,
        now_ms: u64,
        expected_bytes_max: u64,
        is_wanted: &mut dyn FnMut(u64) -> bool,
        departs: &mut dyn FnMut(u64),
    ) -> Work {
        let mut state = self.lock();
        state.looking = state.looking.saturating_sub(1);
        let gate = if state.queue.ready() == 0 { Gate::AwaitProbe } else { state.breaker.gate(now_ms) };
        let (probe, revisions_max) = match gate {
            Gate::Go => (Probe::No, crate::config::REVISIONS_PER_CALL_MAX),
            Gate::Probe => (Probe::Yes, 1),
            Gate::NotBefore(at_ms) => {
                state.busy = state.busy.saturating_sub(1);
                return Work::Nothing { look_again_at_ms: state.wake_wanted(at_ms) };
            }
            Gate::AwaitProbe => {
                state.busy = state.busy.saturating_sub(1);
                return Work::Nothing { look_again_at_ms: None };
            }
        };
        let bounds = CallBounds { revisions_max, expected_bytes_max };
        let mut taken = state.queue.take(bounds, is_wanted);
        // Nothing taken, but more to look at: what was looked at is not wanted any more.
        while taken.is_empty() && state.queue.ready() > 0 {
            taken = state.queue.take(bounds, is_wanted);
        }
        if taken.is_empty() {
            if probe == Probe::Yes {
                state.breaker.probe_unused(now_ms);
            }
            state.busy = state.busy.saturating_sub(1);
            return Work::Nothing { look_again_at_ms: None };
        }
        taken.iter().flat_map(|taken| state.queue.tokens(taken.id)).for_each(departs);
        self.calls.fetch_add(1, Ordering::Relaxed);
        Work::Call(Batch { taken, probe })
    }

    /// The slot's call is over; it looks for work again.
    pub(crate) fn look_again(&self) {
        self.lock().looking += 1;
    }

    /// The wake-up that was asked for is here.
    pub(crate) fn woken(&self) {
        self.lock().wake_at_ms = None;
    }

    /// Whether nothing is lost by forgetting this target.
    pub(crate) fn is_idle(&self, now_ms: u64) -> bool {
        let state = self.lock();
        state.busy == 0 && state.queue.len() == 0 && state.breaker.state(now_ms) == BreakerState::Closed
    }
}

impl State {
    /// Remembers that somebody looks again at `at_ms`; none when somebody already does, early enough.
    fn wake_wanted(&mut self, at_ms: u64) -> Option<u64> {
        if self.wake_at_ms.is_some_and(|planned_ms| planned_ms <= at_ms) {
            return None;
        }
        self.wake_at_ms = Some(at_ms);
        Some(at_ms)
    }

    /// Slots that are taken.
    pub(crate) fn busy(&self) -> usize {
        self.busy
    }
}
