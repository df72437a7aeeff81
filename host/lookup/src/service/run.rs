//! The life of a call slot: look for work, make the call, settle its questions, look again.

use super::Inner;
use super::slot::Slot;
use crate::api_error::{self, Failure, Patience};
use crate::breaker::BreakerState;
use crate::cache::Kept;
use crate::call::{self, Brought, Made};
use crate::config::Visibility;
use crate::forgotten::Shown;
use crate::open_asks::Answering;
use crate::places::{BRISK, Place};
use crate::question::Question;
use crate::queue::{Entry, Waiter};
use crate::ready::Turn;
use crate::settle::{self, Circumstances, Next, Why};
use crate::stats::Counter;
use crate::target::{Batch, Look, State, Target, Work};
use futures_util::FutureExt as _;
use millrace_flow::lookup::{Answer, SealedAnswer};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What follows from a call.
#[derive(Default)]
struct Settled {
    answers: Vec<(Waiter, SealedAnswer)>,
    /// Questions to ask again, by wait in milliseconds.
    again: Vec<(u64, Vec<u64>)>,
}

impl Settled {
    fn again(&mut self, wait_ms: u64, id: u64) {
        match self.again.iter_mut().find(|(known_ms, _)| *known_ms == wait_ms) {
            Some((_, ids)) => ids.push(id),
            None => self.again.push((wait_ms, vec![id])),
        }
    }
}

/// When and after which forgetting a call left.
#[derive(Clone, Copy)]
struct Departure {
    at_ms: u64,
    serial: u64,
}

impl Inner {
    /// Lets as many free slots look for work as there is work for.
    pub(super) fn pump(self: &Arc<Self>, target: &Arc<Target>) {
        for _ in 0..target.claim_slots() {
            let slot = Slot::new(Arc::clone(self), Arc::clone(target));
            // Not joined: the task ends with its work, and with the runtime at the latest.
            drop(self.handle.spawn(Arc::clone(self).serve(Arc::clone(target), slot)));
        }
    }

    /// One slot of `target`, from being claimed to being free.
    async fn serve(self: Arc<Self>, target: Arc<Target>, mut slot: Slot) {
        loop {
            let look = target.look(&self.places);
            self.wait_for_pass(&target);
            let Look { health, turn, pass } = match look {
                Ok(look) => look,
                Err(nothing) => return slot.leave(nothing),
            };
            slot.take_turn(&turn);
            let Some(mut place) = self.places.take(health, pass).await else { return };
            let departure = Departure { at_ms: self.stopwatch.ms(), serial: self.forgotten.serial() };
            match self.take(&target, &turn, departure) {
                Work::Nothing(nothing) => return slot.leave(nothing),
                Work::NothingOfTheirs => slot.give_turn_back(),
                Work::TooSoon(wait) => {
                    slot.give_turn_back();
                    drop(place);
                    tokio::time::sleep(wait).await;
                }
                Work::Call(batch) => {
                    slot.call(&batch, departure.at_ms);
                    // What did not fit into this call is another slot's.
                    self.pump(&target);
                    self.call(&target, &batch, departure, &mut place).await;
                    slot.look_again();
                }
            }
        }
    }

    /// Where a backfill lacks a pass for its next call: waits for it, holding no slot, and lets a slot look for work then.
    fn wait_for_pass(self: &Arc<Self>, target: &Arc<Target>) {
        let Some(health) = target.begin_to_wait_for_pass() else { return };
        let (inner, target) = (Arc::clone(self), Arc::clone(target));
        drop(self.handle.spawn(async move {
            let Some(pass) = inner.places.wait_for_pass(health).await else { return };
            target.bring_pass(pass);
            inner.pump(&target);
            tokio::time::sleep(BRISK).await;
            target.expire_pass();
            inner.pump(&target);
        }));
    }

    fn take(&self, target: &Target, turn: &Turn, departure: Departure) -> Work {
        let is_wanted = &mut |token| self.open().is_open(token);
        let departs = &mut |token| self.open().depart(token, departure.at_ms);
        target.take(turn, self.cfg.limits.call_expected_bytes_max, is_wanted, departs)
    }

    /// Makes a call, and hands on what it brought.
    async fn call(self: &Arc<Self>, target: &Arc<Target>, batch: &Batch, departure: Departure, place: &mut Place<'_>) {
        let made = self.make(target, batch, place).await;
        let settled = self.settle(target, batch, made, departure);
        self.deliver(settled.answers, Answering::UnderWay);
        for (wait_ms, ids) in settled.again {
            self.ask_again(target, Duration::from_millis(wait_ms), ids);
        }
    }

    /// Makes a call. One that takes long goes on without its place.
    async fn make(&self, target: &Target, batch: &Batch, place: &mut Place<'_>) -> Made {
        let patience = Patience { now_ms: self.clock.now_ms(), retry_after_ms_max: self.cfg.retry_after_ms_max };
        let calling = call::make(self.transport.as_ref(), target, batch, &self.cfg.limits, patience);
        // What comes from outside may bring out a mistake in the host; then it is this call's alone.
        let mut calling = pin!(AssertUnwindSafe(calling).catch_unwind());
        let made = match tokio::time::timeout(BRISK, &mut calling).await {
            Ok(made) => made,
            Err(_elapsed) => {
                place.hand_on();
                target.begin_long();
                let made = calling.await;
                target.end_long();
                made
            }
        };
        made.unwrap_or_else(|_| {
            tracing::error!(api = %target.name, "A call ended in a fault of the host; its questions are asked again.");
            Made { result: Err(api_error::malformed("the host failed over the answer")), bytes: 0 }
        })
    }

    pub(super) fn pump_later(self: &Arc<Self>, target: &Arc<Target>, wait: Duration) {
        let (inner, target) = (Arc::clone(self), Arc::clone(target));
        drop(self.handle.spawn(async move {
            tokio::time::sleep(wait).await;
            target.woken();
            inner.pump(&target);
        }));
    }

    /// Puts questions back into the queue after a wait, during which they hold no slot.
    pub(super) fn ask_again(self: &Arc<Self>, target: &Arc<Target>, wait: Duration, ids: Vec<u64>) {
        if wait.is_zero() {
            target.lock().queue.again(&ids);
            self.pump(target);
            return;
        }
        let (inner, target) = (Arc::clone(self), Arc::clone(target));
        drop(self.handle.spawn(async move {
            tokio::time::sleep(wait).await;
            target.lock().queue.again(&ids);
            inner.pump(&target);
        }));
    }

    /// Books a call and decides about each of its questions.
    fn settle(&self, target: &Arc<Target>, batch: &Batch, made: Made, departure: Departure) -> Settled {
        let now_ms = self.stopwatch.ms();
        self.count_call(target, batch, &made, now_ms.saturating_sub(departure.at_ms));
        let mut result = made.result;
        let mut state = target.lock();
        self.tell_breaker(target, &mut state, batch, &result, now_ms);
        let around = Circumstances {
            cfg: &self.cfg,
            wall_ms: self.clock.now_ms(),
            questions: batch.taken.len(),
            tally: state.tally,
            jitter: crate::chance::jitter(),
        };
        let mut settled = Settled::default();
        for taken in &batch.taken {
            let Some(entry) = state.queue.get_mut(taken.id) else { continue };
            match settle::next(entry, &mut result, &around) {
                Next::Again { wait_ms, why } => {
                    self.counters.add(counter_of(why), 1);
                    settled.again(wait_ms, taken.id);
                }
                Next::Answer { answer, page_id } => {
                    let shown = shown(target, entry, page_id, departure);
                    if !self.forgotten.may_use(&shown) {
                        self.counters.add(Counter::Forgotten, 1);
                        settled.again(0, taken.id);
                        continue;
                    }
                    let Some(entry) = state.queue.finish(taken.id) else { continue };
                    self.keep(target, &entry, &answer, page_id, departure);
                    let seal = if answer.is_ok() { self.forgotten.seal(shown) } else { None };
                    hand_out(entry, SealedAnswer { answer, seal }, &mut settled.answers);
                }
            }
        }
        for id in settled.again.iter().flat_map(|(_, ids)| ids) {
            state.queue.come_back(*id).for_each(|token| self.open().come_back(token, departure.at_ms));
        }
        settled
    }

    fn tell_breaker(
        &self,
        target: &Target,
        state: &mut State,
        batch: &Batch,
        result: &Result<Brought, Failure>,
        now_ms: u64,
    ) {
        let before = state.breaker.state(now_ms);
        let was_out = matches!(before, BreakerState::Open | BreakerState::Probing);
        let tells_of_the_target = !batch.is_of_a_suspect();
        match result {
            Err(Failure::Passing(passing)) => {
                if tells_of_the_target {
                    state.tally.fail();
                }
                state.breaker.failed(now_ms, batch.probe, passing.retry_after_ms);
                if state.breaker.state(now_ms) == BreakerState::Open && before != BreakerState::Open {
                    self.counters.add(Counter::BreakerOpened, 1);
                }
                if state.breaker.state(now_ms) == BreakerState::Open && !was_out {
                    let (what, reason) = (passing.what, &passing.message);
                    tracing::warn!(api = %target.name, %what, reason, "An API counts as out; what asks it waits.");
                }
            }
            // Whatever it says, the target has answered.
            Ok(_) | Err(Failure::Final(_) | Failure::TooLarge(_)) => {
                state.tally.answered += 1;
                if tells_of_the_target {
                    state.tally.vouch();
                }
                state.breaker.succeeded(now_ms, batch.probe);
                if was_out && state.breaker.state(now_ms) == BreakerState::Closed {
                    tracing::info!(api = %target.name, "The API answers again.");
                }
            }
        }
    }

    fn keep(&self, target: &Target, entry: &Entry, answer: &Answer, page_id: Option<u64>, departure: Departure) {
        let (Ok(reply), Some(page_id)) = (answer, page_id) else { return };
        if self.cache.is_on() && target.site.visibility == Visibility::Public {
            let kept =
                Kept { reply: Arc::new(reply.clone()), page_id, serial: departure.serial, asked_ms: departure.at_ms };
            self.cache.keep(&target.name, &entry.key, kept);
        }
    }

    fn count_call(&self, target: &Target, batch: &Batch, made: &Made, took_ms: u64) {
        let counters = &self.counters;
        counters.add(Counter::Calls, 1);
        counters.add(Counter::BackfillCalls, u64::from(batch.turn != Turn::Live));
        counters.add(Counter::AnswerBytes, made.bytes as u64);
        counters.call_took(took_ms);
        let revisions = batch.taken.iter().filter(|taken| matches!(taken.question, Question::Revision(_))).count();
        counters.add(Counter::Revisions, revisions as u64);
        match &made.result {
            Ok(Brought::Revisions(answer)) => {
                counters.add(Counter::CutAnswers, u64::from(answer.cut_before.is_some()));
                let known = |rev_id: u64| {
                    batch
                        .taken
                        .iter()
                        .any(|taken| matches!(&taken.question, Question::Revision(q) if q.rev_id == rev_id))
                };
                counters
                    .add(Counter::Strangers, answer.verdicts.keys().filter(|rev_id| !known(**rev_id)).count() as u64);
            }
            Err(Failure::Passing(passing)) => {
                counters.add(Counter::CallFailures, 1);
                target.failures.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(api = %target.name, what = %passing.what, message = %passing.message, "A call failed.");
            }
            Ok(Brought::Alone(_)) | Err(Failure::Final(_) | Failure::TooLarge(_)) => {}
        }
    }
}

fn counter_of(why: Why) -> Counter {
    match why {
        Why::Failed | Why::Cut => Counter::Retries,
        Why::Young => Counter::YoungWaits,
    }
}

/// What the answer to a question shows.
fn shown(target: &Target, entry: &Entry, page_id: Option<u64>, departure: Departure) -> Shown {
    let revisions = match &entry.question {
        Question::Revision(question) => [Some(question.rev_id), None],
        Question::Alone(question) => question.reading.revisions(),
    };
    Shown { target: Arc::clone(&target.name), revisions, page_id, serial: departure.serial }
}

/// Gives everybody who waits the answer.
fn hand_out(entry: Entry, answer: SealedAnswer, answers: &mut Vec<(Waiter, SealedAnswer)>) {
    let mut waiters = entry.waiters.into_iter();
    let last = waiters.next_back();
    answers.extend(waiters.map(|waiter| (waiter, answer.clone())));
    answers.extend(last.map(|waiter| (waiter, answer)));
}
