//! The door of lookups: asks come in, answers go out, and every call runs in a task of its own that holds a slot.

mod run;
mod slot;
#[cfg(test)]
mod tests;

use crate::answer_buffer::PinnedBytes;
use crate::cache::Cache;
use crate::config::{LookupConfig, Visibility};
use crate::error::LookupConfigError;
use crate::forgotten::{Register, Shown};
use crate::grants::Scope;
use crate::open_asks::{Answering, OpenAsks};
use crate::pace::GroupShare;
use crate::places::Places;
use crate::question::{Addressed, Question, ShareKey, Shared, Sharing, address};
use crate::queue::{Entered, Entry, Stage, Waiter};
use crate::settle::Tally;
use crate::site::{Site, Sites};
use crate::stats::{Counter, Counters, Stats, TARGETS_NAMED_MAX, TargetStats};
use crate::stopwatch::Stopwatch;
use crate::target::Target;
use crate::transport::{Http, Transport};
use millrace_flow::clock::Clock;
use millrace_flow::lookup::{Answer, Ask, LookupError, LookupErrorKind, Seal, SealedAnswer};
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;

/// Takes answers.
pub trait AnswerSink: Send + Sync {
    /// Takes answers, in no order. Called from the service's tasks and from within [`LookupService::submit`]; must not
    /// block.
    fn deliver(&self, answers: Vec<Answered>);
}

/// The answer to one ask.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The token of its request.
    pub token: u64,
    /// The ask's own id.
    pub ask_id: u32,
    /// The answer.
    pub answer: Answer,
    /// Says later whether it may still be given: whoever keeps the answer keeps this too.
    pub seal: Option<Arc<dyn Seal>>,
    /// For how long the token was held since it was last told, in milliseconds: its asks waited for a slot or for a target
    /// that was out, or calls failed for reasons that pass. This does not count against the event's wall time.
    pub held_ms: u64,
}

/// One ask of one ticket.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names the ticket; chosen by the runtime, and never used again once it is cancelled.
    pub token: u64,
    /// What the plugin asks.
    pub ask: Ask,
    /// Who asks, and what they may ask.
    pub scope: Arc<Scope>,
    /// When the event happened, in milliseconds since 1970: an unknown revision of a young event is asked for again.
    /// None counts as old.
    pub born_ms: Option<i64>,
    /// What the answer will probably weigh, in bytes: the event's `content_size`.
    pub expected_bytes: Option<u64>,
}

/// What must not be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forget {
    /// A revision, by its id.
    Revision(u64),
    /// All revisions of a page, by its id.
    Page(u64),
}

/// Answers lookups. Cloning shares it.
#[derive(Clone)]
pub struct LookupService {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    cfg: LookupConfig,
    sites: Sites,
    transport: Arc<dyn Transport>,
    /// The wall clock: how old events are, and what dates in answers mean. All else is counted by the stopwatch.
    clock: Arc<dyn Clock>,
    stopwatch: Stopwatch,
    handle: Handle,
    places: Places,
    share: Arc<GroupShare>,
    targets: Mutex<FxHashMap<Arc<str>, Arc<Target>>>,
    open: Mutex<OpenAsks>,
    cache: Cache,
    forgotten: Register,
    pinned: PinnedBytes,
    counters: Counters,
    unshared: AtomicU64,
}

impl LookupService {
    /// A service whose calls run on `handle`.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration, the files it names included.
    pub fn new(cfg: LookupConfig, clock: Arc<dyn Clock>, handle: Handle) -> Result<Self, LookupConfigError> {
        let pinned = PinnedBytes::default();
        let transport = Arc::new(Http::new(&cfg, pinned.clone())?);
        Self::with_transport(cfg, clock, handle, transport, pinned)
    }

    /// A service that sends through `transport`, whose answers are counted in `pinned`.
    pub(crate) fn with_transport(
        cfg: LookupConfig,
        clock: Arc<dyn Clock>,
        handle: Handle,
        transport: Arc<dyn Transport>,
        pinned: PinnedBytes,
    ) -> Result<Self, LookupConfigError> {
        cfg.check_bounds()?;
        let sites = Sites::new(&cfg)?;
        let keep_forgotten_ms = cfg.cache_ttl_ms.max(cfg.timeouts.total_ms) * 2;
        let inner = Inner {
            sites,
            transport,
            clock,
            stopwatch: Stopwatch::start(),
            handle,
            places: Places::new(cfg.calls_max),
            share: Arc::default(),
            targets: Mutex::default(),
            open: Mutex::default(),
            cache: Cache::new(cfg.cache_bytes_max, cfg.cache_ttl_ms),
            forgotten: Register::new(keep_forgotten_ms),
            pinned,
            counters: Counters::new(),
            unshared: AtomicU64::new(0),
            cfg,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes asks. Never waits: what can be answered at once (from the cache, or with a refusal) is delivered before
    /// this returns, the rest later. Hand over many at once: those of one wiki then share calls.
    pub fn submit(&self, requests: Vec<Request>, sink: &Arc<dyn AnswerSink>) {
        let inner = &self.inner;
        let now_ms = inner.stopwatch.ms();
        inner.counters.add(Counter::Asks, requests.len() as u64);
        {
            let mut open = inner.open();
            requests.iter().for_each(|request| open.open(request.token, now_ms));
        }
        let mut answered = Vec::new();
        let mut touched: Vec<Arc<Target>> = Vec::new();
        for request in requests {
            let waiter = Waiter { token: request.token, ask_id: request.ask.id, sink: Arc::clone(sink) };
            match inner.place(request, waiter, now_ms, &mut answered) {
                Some(target) if !touched.iter().any(|known| Arc::ptr_eq(known, &target)) => touched.push(target),
                Some(_) | None => {}
            }
        }
        inner.deliver(answered, Answering::Waiting);
        touched.iter().for_each(|target| inner.pump(target));
    }

    /// Withdraws everything that these tokens wait for. What was not sent yet costs no call.
    pub fn cancel(&self, tokens: &[u64]) {
        let mut open = self.inner.open();
        let cancelled = tokens.iter().filter(|token| open.cancel(**token)).count();
        self.inner.counters.add(Counter::Cancelled, cancelled as u64);
    }

    /// Content may have become forbidden (a visibility change, a deletion, a suppression): nothing that was asked so
    /// far about `what` is used any more, neither from the cache nor from a call that is under way, and the seals of all
    /// answers that show it are broken.
    pub fn forget_revisions(&self, domain: &str, what: &[Forget]) {
        let Some(domain) = crate::domain::normal(domain) else { return };
        let now_ms = self.inner.stopwatch.ms();
        self.inner.forgotten.forget(&domain, what, now_ms);
    }

    /// Of the limits of the group this host takes this share, from 0 to 1. Before anybody says so, it takes them whole. Where
    /// that gives it more slots than before, they are used from the next ask or answer on.
    pub fn set_group_share(&self, share: f64) {
        self.inner.share.set(share);
    }

    /// The share of the limits of the group that this host takes.
    pub fn group_share(&self) -> f64 {
        self.inner.share.get()
    }

    /// For how long a token was held since the last answer told, in milliseconds: see [`Answered::held_ms`]. An event's
    /// wall time stands still meanwhile.
    pub fn held_ms(&self, token: u64) -> u64 {
        let now_ms = self.inner.stopwatch.ms();
        self.inner.open().held_ms(token, now_ms)
    }

    /// Bytes of answers that are still referred to: a slice of an answer counts for the whole.
    pub fn pinned_bytes(&self) -> u64 {
        self.inner.pinned.get()
    }

    /// What has been counted so far, and what waits.
    pub fn stats(&self) -> Stats {
        let inner = &self.inner;
        let now_ms = inner.stopwatch.ms();
        let (call_ms_buckets, call_ms_sum) = inner.counters.call_ms();
        let all: Vec<Arc<Target>> = inner.targets().values().cloned().collect();
        let mut targets: Vec<TargetStats> = all.iter().map(|target| target_stats(target, now_ms)).collect();
        targets.sort_by_key(|t| std::cmp::Reverse((t.breaker as u8 != 0, t.waiting + t.under_way, t.calls)));
        let targets_unnamed = targets.len().saturating_sub(TARGETS_NAMED_MAX);
        targets.truncate(TARGETS_NAMED_MAX);
        Stats {
            counters: inner.counters.counts(),
            call_ms_buckets,
            call_ms_sum,
            open_tokens: inner.open().len(),
            cache_bytes: inner.cache.bytes(),
            pinned_bytes: inner.pinned.get(),
            targets,
            targets_unnamed,
        }
    }
}

fn target_stats(target: &Target, now_ms: u64) -> TargetStats {
    let state = target.lock();
    let breaker =
        if state.queue.len() == 0 { state.breaker.state_unasked(now_ms) } else { state.breaker.state(now_ms) };
    TargetStats {
        name: Arc::clone(&target.name),
        calls: target.calls.load(Ordering::Relaxed),
        failures: target.failures.load(Ordering::Relaxed),
        waiting: state.queue.waiting(),
        under_way: state.queue.under_way(),
        slots_taken: state.calling(),
        slots: target.slots(),
        breaker,
        held_ms: state.breaker.held_ms(now_ms),
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, OpenAsks> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn targets(&self) -> MutexGuard<'_, FxHashMap<Arc<str>, Arc<Target>>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request at once, or puts it into its target's queue, which is returned.
    fn place(
        &self,
        request: Request,
        waiter: Waiter,
        now_ms: u64,
        answered: &mut Vec<(Waiter, SealedAnswer)>,
    ) -> Option<Arc<Target>> {
        let addressed = match address(&request.ask, &request.scope, &self.sites, &self.cfg) {
            Ok(addressed) => addressed,
            Err(error) => {
                self.counters.add(Counter::Refused, 1);
                answered.push((waiter, Err(error).into()));
                return None;
            }
        };
        let Some(target) = self.target(&addressed.target, &addressed.site, now_ms) else {
            let message = format!("more than {} targets are busy at once", self.cfg.targets_max);
            answered.push((waiter, Err(LookupError::new(LookupErrorKind::Unavailable, message)).into()));
            return None;
        };
        let key = self.share_key(&addressed, &request.scope);
        if let Some(answer) = self.cached(&target, &key, now_ms) {
            self.counters.add(Counter::CacheHits, 1);
            answered.push((waiter, answer));
            return None;
        }
        self.enqueue(&target, addressed.question, key, request, waiter, now_ms);
        Some(target)
    }

    fn enqueue(
        &self,
        target: &Arc<Target>,
        question: Question,
        key: ShareKey,
        request: Request,
        waiter: Waiter,
        now_ms: u64,
    ) {
        let token = request.token;
        let entry = Entry {
            question,
            key,
            scope: request.scope,
            expected_bytes: request.expected_bytes.unwrap_or(self.cfg.limits.revision_expected_bytes),
            born_ms: request.born_ms,
            failures: 0,
            strikes: 0,
            tally_then: Tally::default(),
            answered_seen: 0,
            asked_while_young: 0,
            alone: false,
            stage: Stage::Ready,
            askers: Vec::new(),
            waiters: vec![waiter],
        };
        // The target's lock is taken before that of the open asks, here as everywhere.
        let is_wanted = &mut |token| self.open().is_open(token);
        let entered = target.enter(entry, is_wanted, &mut || self.open().depart(token, now_ms));
        if entered != Entered::Queued {
            self.counters.add(Counter::Coalesced, 1);
        }
    }

    fn share_key(&self, addressed: &Addressed, scope: &Scope) -> ShareKey {
        let what = match (&addressed.question, addressed.sharing) {
            (_, Sharing::Unshared) => Shared::Unshared(self.unshared.fetch_add(1, Ordering::Relaxed)),
            (Question::Revision(question), Sharing::Shared) => Shared::Revision(question.clone()),
            (Question::Alone(question), Sharing::Shared) => {
                let headers = &question.headers;
                Shared::Alone(format!("{} {} {headers:?}", question.method, question.path_and_query).into())
            }
        };
        ShareKey { what, class: Arc::clone(&scope.class) }
    }

    /// The kept answer to a question, if it may still be used.
    fn cached(&self, target: &Arc<Target>, key: &ShareKey, now_ms: u64) -> Option<SealedAnswer> {
        let Shared::Revision(question) = &key.what else { return None };
        if target.site.visibility == Visibility::Private {
            return None;
        }
        let kept = self.cache.get(&target.name, key, now_ms)?;
        let shown = Shown {
            target: Arc::clone(&target.name),
            revisions: [Some(question.rev_id), None],
            page_id: Some(kept.page_id),
            serial: kept.serial,
        };
        if !self.forgotten.may_use(&shown) {
            self.counters.add(Counter::Forgotten, 1);
            return None;
        }
        Some(SealedAnswer { answer: Ok(kept.reply.as_ref().clone()), seal: self.forgotten.seal(shown) })
    }

    /// The target of that name; none when too many others are busy.
    fn target(&self, name: &str, site: &Arc<Site>, now_ms: u64) -> Option<Arc<Target>> {
        let mut targets = self.targets();
        if let Some(target) = targets.get(name) {
            return Some(Arc::clone(target));
        }
        if targets.len() >= self.cfg.targets_max {
            // One that somebody else holds is about to be used.
            targets.retain(|_, target| Arc::strong_count(target) > 1 || !target.is_idle(now_ms));
        }
        if targets.len() >= self.cfg.targets_max {
            return None;
        }
        let target = Arc::new(Target::new(name, Arc::clone(site), Arc::clone(&self.share), &self.cfg, self.stopwatch));
        targets.insert(Arc::clone(&target.name), Arc::clone(&target));
        Some(target)
    }

    /// Delivers answers to those who still wait, one batch per sink.
    fn deliver(&self, answers: Vec<(Waiter, SealedAnswer)>, answering: Answering) {
        if answers.is_empty() {
            return;
        }
        let now_ms = self.stopwatch.ms();
        let wanted: Vec<(Waiter, SealedAnswer, u64)> = {
            let mut open = self.open();
            let closed = |(waiter, answer): (Waiter, SealedAnswer)| {
                open.close(waiter.token, answering, now_ms).map(|held_ms| (waiter, answer, held_ms))
            };
            answers.into_iter().filter_map(closed).collect()
        };
        self.counters.add(Counter::Answers, wanted.len() as u64);
        self.counters
            .add(Counter::Errors, wanted.iter().filter(|(_, sealed, _)| sealed.answer.is_err()).count() as u64);
        let mut sinks: Vec<(Arc<dyn AnswerSink>, Vec<Answered>)> = Vec::new();
        for (waiter, SealedAnswer { answer, seal }, held_ms) in wanted {
            let answered = Answered { token: waiter.token, ask_id: waiter.ask_id, answer, seal, held_ms };
            match sinks.iter_mut().find(|(sink, _)| std::ptr::addr_eq(Arc::as_ptr(sink), Arc::as_ptr(&waiter.sink))) {
                Some((_, batch)) => batch.push(answered),
                None => sinks.push((waiter.sink, vec![answered])),
            }
        }
        for (sink, batch) in sinks {
            sink.deliver(batch);
        }
    }
}
