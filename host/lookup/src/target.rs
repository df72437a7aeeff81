//! One target: its queue, its call slots and its breaker behind one lock that is only ever held for bookkeeping.

use crate::breaker::{Breaker, BreakerState, Gate, Probe};
use crate::config::LookupConfig;
use crate::next_pass::NextPass;
use crate::pace::{GroupShare, Pace};
use crate::places::{BRISK, Health, Pass, Places};
use crate::queue::{CallBounds, Entered, Entry, Queue, SUSPECT_FROM, Taken};
use crate::ready::Turn;
use crate::settle::Tally;
use crate::site::Site;
use crate::stopwatch::Stopwatch;
use crate::turns::Turns;
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
    pace: Pace,
    stopwatch: Stopwatch,
    state: Mutex<State>,
    pub(crate) calls: AtomicU64,
    pub(crate) failures: AtomicU64,
}

pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) breaker: Breaker,
    /// What its calls say of it.
    pub(crate) tally: Tally,
    turns: Turns,
    next_pass: NextPass,
    /// Slots that are taken.
    busy: usize,
    /// Of these, the ones that may yet take live questions: they have no turn so far, or a live one and no call.
    looking: usize,
    /// Of these, the ones that make a call.
    calling: usize,
    /// Of these, the ones whose calls take long.
    long: usize,
    /// When somebody will look again by itself, in milliseconds.
    wake_at_ms: Option<u64>,
    sweep_at: usize,
}

/// Below this many waiting questions a sweep is not worth it.
const SWEEP_AT_LEAST: usize = 1_024;

/// What a slot that looks for work may do.
pub(crate) struct Look {
    /// How the target is.
    pub(crate) health: Health,
    /// Whose questions its call is to take. The turn is taken until it is given back, or its call is over.
    pub(crate) turn: Turn,
    /// The pass of a backfill's call.
    pub(crate) pass: Option<Pass>,
}

/// What a slot finds to do.
pub(crate) enum Work {
    /// A call to make.
    Call(Batch),
    /// Those whose turn it was ask nothing any more: the slot looks again.
    NothingOfTheirs,
    /// Too many calls in this second: the slot looks again after this long.
    TooSoon(Duration),
    /// Nothing.
    Nothing(Nothing),
}

/// A slot has found nothing to do and is free again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nothing {
    /// Somebody must look again after this long, if at all.
    pub(crate) look_again: Option<Duration>,
}

/// What a slot is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotStage {
    /// It has yet to look into the queue.
    Looking,
    /// It makes a call.
    Calling,
    /// It was given back.
    Free,
}

/// The questions of one call.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) taken: Vec<Taken>,
    pub(crate) turn: Turn,
    pub(crate) probe: Probe,
}

impl Batch {
    /// Whether it is one question that has failed before, which says nothing about the target.
    pub(crate) fn is_of_a_suspect(&self) -> bool {
        matches!(self.taken.as_slice(), [taken] if taken.failures >= SUSPECT_FROM)
    }
}

impl Target {
    pub(crate) fn new(
        name: &str,
        site: Arc<Site>,
        share: Arc<GroupShare>,
        cfg: &LookupConfig,
        stopwatch: Stopwatch,
    ) -> Self {
        let base = site.base.clone().unwrap_or_else(|| format!("https://{name}"));
        let own_host = site.base.is_some() && !name.contains(':');
        let host = if own_host { HeaderValue::from_str(name).ok() } else { site.host.clone() };
        let pace = Pace::new(Arc::clone(&site), share, stopwatch);
        let state = State {
            queue: Queue::default(),
            breaker: Breaker::new(cfg.breaker),
            tally: Tally::default(),
            turns: Turns::default(),
            next_pass: NextPass::default(),
            busy: 0,
            looking: 0,
            calling: 0,
            long: 0,
            wake_at_ms: None,
            sweep_at: SWEEP_AT_LEAST,
        };
        let (calls, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { name: name.into(), site, base, host, pace, stopwatch, state: Mutex::new(state), calls, failures }
    }

    /// The books. Held for bookkeeping only, never over an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a question in. `departs` is called where the same question's call has left already.
    pub(crate) fn enter(
        &self,
        entry: Entry,
        is_wanted: &mut dyn FnMut(u64) -> bool,
        departs: &mut dyn FnMut(),
    ) -> Entered {
        let mut state = self.lock();
        if state.queue.ready().len() >= state.sweep_at {
            state.queue.sweep(is_wanted);
            state.sweep_at = (state.queue.ready().len() * 2).max(SWEEP_AT_LEAST);
        }
        let mut entry = entry;
        (entry.tally_then, entry.answered_seen) = (state.tally, state.tally.answered);
        let entered = state.queue.enter(entry);
        state.breaker.asked(self.stopwatch.ms());
        if entered == Entered::JoinedUnderWay {
            departs();
        }
        entered
    }

    /// How many slots should begin to look for work: enough for what is ready, not more than are free. They count as
    /// taken from now on.
    pub(crate) fn claim_slots(&self) -> usize {
        let mut state = self.lock();
        let slots = self.pace.slots();
        let wanted = state.turns.calls_wanted(state.queue.ready(), slots);
        let claimed = wanted.saturating_sub(state.looking).min(slots.saturating_sub(state.busy));
        state.busy += claimed;
        state.looking += claimed;
        claimed
    }

    /// Whether a slot that is looking for work could find a call to make. If not, the slot is free again. Whether somebody
    /// is to wait for a pass, [`Target::begin_to_wait_for_pass`] says afterwards.
    pub(crate) fn look(&self, places: &Places) -> Result<Look, Nothing> {
        let now_ms = self.stopwatch.ms();
        let mut state = self.lock();
        let slots = self.pace.slots();
        // The slots may have become fewer.
        let turn = (state.busy <= slots).then(|| state.turns.next(state.queue.ready(), slots)).flatten();
        let Some(turn) = turn else {
            if state.queue.len() == 0 {
                state.breaker.unasked(now_ms);
            }
            return Err(state.leave(now_ms, None));
        };
        match state.breaker.gate(now_ms) {
            Gate::Go | Gate::Probe => {}
            Gate::NotBefore(at_ms) => return Err(state.leave(now_ms, Some(at_ms))),
            Gate::AwaitProbe => return Err(state.leave(now_ms, None)),
        }
        let health = state.health(now_ms);
        let pass = match &turn {
            Turn::Live => None,
            Turn::Backfill(_) => state.next_pass.take(places, health),
        };
        let turn = match (turn, &pass) {
            (Turn::Backfill(_), None) if state.queue.ready().live() == 0 => return Err(state.leave(now_ms, None)),
            // The backfill waits for its pass without a slot.
            (Turn::Backfill(_), None) => Turn::Live,
            (turn, _) => turn,
        };
        state.begin(&turn);
        Ok(Look { health, turn, pass })
    }

    /// The pass that the caller must wait for and bring with [`Target::bring_pass`], if one is needed for which nobody
    /// waits yet.
    pub(crate) fn begin_to_wait_for_pass(&self) -> Option<Health> {
        self.lock().next_pass.begin_to_wait()
    }

    /// Here is the pass for the next call of a backfill. It is kept for as long as a brisk call may need to free its slot.
    pub(crate) fn bring_pass(&self, pass: Pass) {
        let mut state = self.lock();
        let is_needed = state.queue.ready().backfills().next().is_some();
        let until_ms = self.stopwatch.ms() + u64::try_from(BRISK.as_millis()).unwrap_or(u64::MAX);
        state.next_pass.come(is_needed.then_some(pass), until_ms);
    }

    /// Gives a pass back for which no slot became free in time.
    pub(crate) fn expire_pass(&self) {
        self.lock().next_pass.expire(self.stopwatch.ms());
    }

    /// What a slot that is looking for work finds, of those whose `turn` it is. `departs` is told the tokens whose asks go
    /// into the call.
    pub(crate) fn take(
        &self,
        turn: &Turn,
        expected_bytes_max: u64,
        is_wanted: &mut dyn FnMut(u64) -> bool,
        departs: &mut dyn FnMut(u64),
    ) -> Work {
        let now_ms = self.stopwatch.ms();
        let mut state = self.lock();
        if state.queue.ready().of(turn) == 0 {
            return Work::NothingOfTheirs;
        }
        let (probe, revisions_max) = match state.breaker.gate(now_ms) {
            Gate::Go => (Probe::No, crate::config::REVISIONS_PER_CALL_MAX),
            Gate::Probe => (Probe::Yes, 1),
            Gate::NotBefore(at_ms) => return Work::Nothing(state.leave_with(turn, now_ms, Some(at_ms))),
            Gate::AwaitProbe => return Work::Nothing(state.leave_with(turn, now_ms, None)),
        };
        if let Some(wait) = self.pace.too_soon() {
            return Work::TooSoon(wait);
        }
        let bounds = CallBounds { revisions_max, expected_bytes_max };
        let mut taken = state.queue.take(turn, bounds, is_wanted);
        // Nothing taken, but more to look at: what was looked at is not wanted any more.
        while taken.is_empty() && state.queue.ready().of(turn) > 0 {
            taken = state.queue.take(turn, bounds, is_wanted);
        }
        if taken.is_empty() {
            return Work::NothingOfTheirs;
        }
        state.depart(turn);
        state.breaker.begin(now_ms, probe);
        taken.iter().flat_map(|taken| state.queue.tokens(taken.id)).for_each(departs);
        self.calls.fetch_add(1, Ordering::Relaxed);
        Work::Call(Batch { taken, turn: turn.clone(), probe })
    }

    /// A call of this target takes long from now on.
    pub(crate) fn begin_long(&self) {
        self.lock().long += 1;
    }

    /// A call that took long is over.
    pub(crate) fn end_long(&self) {
        let mut state = self.lock();
        state.long = state.long.saturating_sub(1);
    }

    /// The slot's call is over; it looks for work again.
    pub(crate) fn look_again(&self, turn: &Turn) {
        let mut state = self.lock();
        state.turns.end(turn);
        state.calling = state.calling.saturating_sub(1);
        state.looking += 1;
    }

    /// No call came of a turn; the slot looks for work again.
    pub(crate) fn give_back(&self, turn: &Turn) {
        self.lock().give_back(turn);
    }

    /// Calls that may be under way at once.
    pub(crate) fn slots(&self) -> usize {
        self.pace.slots()
    }

    /// The wake-up that was asked for is here.
    pub(crate) fn woken(&self) {
        self.lock().wake_at_ms = None;
    }

    /// Whether hardly anything is lost by forgetting this target: at most, for how long it is to be left alone next.
    pub(crate) fn is_idle(&self, now_ms: u64) -> bool {
        let state = self.lock();
        state.busy == 0 && state.queue.len() == 0 && state.breaker.state_unasked(now_ms) == BreakerState::Closed
    }
}

impl State {
    /// A slot that looks takes its turn. With that of a backfill it is not there for what live pipelines ask from now on.
    fn begin(&mut self, turn: &Turn) {
        self.turns.begin(turn);
        if *turn != Turn::Live {
            self.looking = self.looking.saturating_sub(1);
        }
    }

    /// A slot that has taken its turn gives it back.
    fn give_back(&mut self, turn: &Turn) {
        self.turns.give_back(turn);
        if *turn != Turn::Live {
            self.looking += 1;
        }
    }

    /// A call whose turn it is leaves.
    fn depart(&mut self, turn: &Turn) {
        let Self { turns, queue, .. } = self;
        turns.depart(turn, queue.ready());
        if *turn == Turn::Live {
            self.looking = self.looking.saturating_sub(1);
        }
        self.calling += 1;
    }

    /// Frees a slot that has taken its turn, see [`State::leave`].
    fn leave_with(&mut self, turn: &Turn, now_ms: u64, wake_at_ms: Option<u64>) -> Nothing {
        self.give_back(turn);
        self.leave(now_ms, wake_at_ms)
    }

    /// Frees a slot that was looking for work. Whoever frees it wakes another one at `wake_at_ms`, unless somebody does
    /// already, early enough.
    fn leave(&mut self, now_ms: u64, wake_at_ms: Option<u64>) -> Nothing {
        self.busy = self.busy.saturating_sub(1);
        self.looking = self.looking.saturating_sub(1);
        let planned_ms = self.wake_at_ms.unwrap_or(u64::MAX);
        let wake_at_ms = wake_at_ms.filter(|at_ms| *at_ms < planned_ms);
        self.wake_at_ms = wake_at_ms.or(self.wake_at_ms);
        Nothing { look_again: wake_at_ms.map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms))) }
    }

    /// Frees a slot whose task has failed.
    pub(crate) fn give_up(&mut self, stage: SlotStage, turn: Option<&Turn>) {
        match (stage, turn) {
            (SlotStage::Free, _) => return,
            (SlotStage::Looking, turn) => {
                turn.into_iter().for_each(|turn| self.give_back(turn));
                self.looking = self.looking.saturating_sub(1);
            }
            (SlotStage::Calling, turn) => {
                turn.into_iter().for_each(|turn| self.turns.end(turn));
                self.calling = self.calling.saturating_sub(1);
            }
        }
        self.busy = self.busy.saturating_sub(1);
    }

    /// How the target is.
    fn health(&self, now_ms: u64) -> Health {
        let well = self.long == 0 && self.breaker.state(now_ms) == BreakerState::Closed;
        if well { Health::Well } else { Health::Strained }
    }

    /// Calls that are under way.
    pub(crate) fn calling(&self) -> usize {
        self.calling
    }
}
