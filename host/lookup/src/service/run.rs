//! The life of a call slot: look for work, make the call, settle its questions, look again.

use super::Inner;
use crate::api_error::{Failure, Patience};
use crate::breaker::BreakerState;
use crate::cache::Kept;
use crate::call::{self, Brought, Made};
use crate::config::Visibility;
use crate::open_asks::Answering;
use crate::question::Question;
use crate::queue::{Entry, Waiter};
use crate::settle::{self, Circumstances, Next, Why};
use crate::stats::Counter;
use crate::target::{Batch, State, Target, Work};
use millrace_flow::lookup::Answer;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What follows from a call.
#[derive(Default)]
struct Settled {
    answers: Vec<(Waiter, Answer)>,
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
            // Not joined: the task ends with its work, and with the runtime at the latest.
            drop(self.handle.spawn(Arc::clone(self).serve(Arc::clone(target))));
        }
    }

    /// One slot of `target`, from being claimed to being free.
    async fn serve(self: Arc<Self>, target: Arc<Target>) {
        loop {
            target.wait_for_rate().await;
            // The semaphore is never closed.
            let Ok(_permit) = self.calls.acquire().await else { return };
            let now_ms = self.clock.now_ms();
            let bytes_max = self.cfg.limits.call_expected_bytes_max;
            let is_wanted = &mut |token| self.open().is_open(token);
            let departs = &mut |token| self.open().depart(token, now_ms);
            let batch = match target.take(now_ms, bytes_max, is_wanted, departs) {
                Work::Call(batch) => batch,
                Work::Nothing { look_again_at_ms } => {
                    if let Some(at_ms) = look_again_at_ms {
                        self.pump_later(&target, at_ms.saturating_sub(now_ms));
                    }
                    return;
                }
            };
            // What did not fit into this call is another slot's.
            self.pump(&target);
            let departure = Departure { at_ms: now_ms, serial: self.forgotten().serial() };
            let patience = Patience { now_ms, retry_after_ms_max: self.cfg.retry_after_ms_max };
            let made = call::make(self.transport.as_ref(), &target, &batch, &self.cfg.limits, patience).await;
            let settled = self.settle(&target, &batch, made, departure);
            self.deliver(settled.answers, Answering::UnderWay);
            for (wait_ms, ids) in settled.again {
                self.ask_again(&target, wait_ms, ids);
            }
            target.look_again();
        }
    }

    fn pump_later(self: &Arc<Self>, target: &Arc<Target>, wait_ms: u64) {
        let (inner, target) = (Arc::clone(self), Arc::clone(target));
        drop(self.handle.spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            target.woken();
            inner.pump(&target);
        }));
    }

    /// Puts questions back into the queue after a wait, during which they hold no slot.
    fn ask_again(self: &Arc<Self>, target: &Arc<Target>, wait_ms: u64, ids: Vec<u64>) {
        if wait_ms == 0 {
            target.lock().queue.again(&ids);
            self.pump(target);
            return;
        }
        let (inner, target) = (Arc::clone(self), Arc::clone(target));
        drop(self.handle.spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            target.lock().queue.again(&ids);
            inner.pump(&target);
        }));
    }

    /// Books a call and decides about each of its questions.
    fn settle(&self, target: &Arc<Target>, batch: &Batch, made: Made, departure: Departure) -> Settled {
        let now_ms = self.clock.now_ms();
        self.count_call(target, batch, &made, now_ms.saturating_sub(departure.at_ms));
        let mut result = made.result;
        let mut state = target.lock();
        self.tell_breaker(target, &mut state, batch, &result, now_ms);
        let around = Circumstances {
            cfg: &self.cfg,
            now_ms,
            questions: batch.taken.len(),
            successes: state.successes,
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
                Next::Answer { page_id, .. } if !self.may_use(target, entry, page_id, departure) => {
                    self.counters.add(Counter::Forgotten, 1);
                    settled.again(0, taken.id);
                }
                Next::Answer { answer, page_id } => {
                    let Some(entry) = state.queue.finish(taken.id) else { continue };
                    self.keep(target, &entry, &answer, page_id, departure);
                    hand_out(entry, answer, &mut settled.answers);
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
        match result {
            Err(Failure::Passing(passing)) => {
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
                state.successes += 1;
                state.breaker.succeeded(now_ms, batch.probe);
                if was_out && state.breaker.state(now_ms) == BreakerState::Closed {
                    tracing::info!(api = %target.name, "The API answers again.");
                }
            }
        }
    }

    /// Whether what the call says may be used: nothing that it concerns was forgotten since it left.
    fn may_use(&self, target: &Target, entry: &Entry, page_id: Option<u64>, departure: Departure) -> bool {
        match &entry.question {
            Question::Revision(question) => {
                self.forgotten().may_use(&target.name, question.rev_id, page_id, departure.serial)
            }
            Question::Alone(question) => {
                let forgotten = self.forgotten();
                question
                    .reading
                    .revisions()
                    .into_iter()
                    .flatten()
                    .all(|rev_id| forgotten.may_use(&target.name, rev_id, None, departure.serial))
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

/// Gives everybody who waits the answer.
fn hand_out(entry: Entry, answer: Answer, answers: &mut Vec<(Waiter, Answer)>) {
    let mut waiters = entry.waiters.into_iter();
    let last = waiters.next_back();
    answers.extend(waiters.map(|waiter| (waiter, answer.clone())));
    answers.extend(last.map(|waiter| (waiter, answer)));
}
