//! One version of a pipeline on one worker: its instances, its open events, what it has finished. The middle of a record's
//! path, decode -> turn -> check, is here in this order; what comes before and after it is in `partition.rs`, and who
//! takes the next turn in `worker.rs`.

use crate::breadcrumb::Crumb;
use crate::config::UnfitConfig;
use crate::job::{Finish, Finished, Job, JobId, Suspicion, VersionId};
use crate::spec::{InputBinding, PipelineSpec};
use crate::worker::account::{Account, SLICE};
use crate::worker::{Role, Shared};
use bytes::Bytes;
use cpu_time::ThreadTime;
use millrace_flow::blob::Blob;
use millrace_flow::cause::{Cause, Word};
use millrace_flow::lookup::{Ask, SealedAnswer};
use millrace_flow::outcome::{Emission, Failure, Outcome};
use millrace_flow::record::{OutputRecord, Record};
use millrace_flow::state::{DueTimer, StateChanges};
use millrace_kafka::failpoint::{self, Failpoint};
use millrace_lookup::{Answered, Forget, LookupService, Request};
use millrace_platform::{
    BuiltOutput, Conceals, Document, EditBudget, EventFacts, Given, Projection, build_error_event, build_output,
};
use millrace_plugin::{Crew, Effect, Event, Payload, Report, Ticket};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// The most bytes of all outputs of one event: a plugin that names one large blob a thousand times must not fill the host.
const OUTPUTS_BYTES_MAX: usize = 64 << 20;

/// Answers of one event that add up to so many bytes are told at once: what was reserved for them is a guess by what is
/// usual, and half a thousand such guesses would fill a pipeline's budget twice before the first one ends.
const GROWTH_BYTES: u64 = 256 << 10;

/// The low bits of a lookup's token, which number the ticket; the version's number stands above them. At 20,000 events a
/// second 44 bits last for 27 years.
const TICKET_BITS: u32 = 64 - VersionId::BITS;

/// What a lookup's answer finds its way back by.
fn token(version: VersionId, ticket: Ticket) -> u64 {
    (u64::from(version.0) << TICKET_BITS) | (ticket.0 & (u64::MAX >> VersionId::BITS))
}

/// Whose answer it is.
pub(crate) fn token_parts(token: u64) -> (VersionId, Ticket) {
    (VersionId(u32::try_from(token >> TICKET_BITS).unwrap_or(0)), Ticket(token & (u64::MAX >> VersionId::BITS)))
}

/// One event in flight on this worker.
struct OpenEvent {
    job: Job,
    /// None for a tombstone and a timer.
    document: Option<Document>,
    facts: EventFacts,
    /// The bytes of the answers that came in for it.
    answer_bytes: u64,
    /// As much of them as the pipeline's loop was told of.
    told_bytes: u64,
    /// Asks without an answer yet.
    asks_open: usize,
    /// When its time is over, waiting for targets that were out not counted.
    deadline: Instant,
}

/// What of an event is written down while it is in hand.
struct InHand {
    record: Arc<Record>,
    timer: Option<Arc<DueTimer>>,
}

impl InHand {
    fn of(job: &Job) -> Self {
        Self { record: Arc::clone(&job.record), timer: job.timer.clone() }
    }

    fn event(&self) -> (&Record, Option<&DueTimer>) {
        (&self.record, self.timer.as_deref())
    }
}

/// One version of a pipeline on one worker.
pub struct Station {
    spec: Arc<PipelineSpec>,
    crew: Crew,
    open: FxHashMap<Ticket, OpenEvent>,
    /// The tickets in the order of their deadlines, which is that of their start but for those that waited for an outage.
    deadlines: VecDeque<(Instant, Ticket)>,
    results: Sender<Vec<Finished>>,
    finished: Vec<Finished>,
    asks: Vec<Request>,
    effects: Vec<Effect>,
    /// The events and timers that the next turns are about.
    in_hand: FxHashMap<Ticket, InHand>,
    /// How many of those that are open run alone.
    alone: usize,
    account: Account,
    /// What the worker is that it is on.
    on: Role,
}

impl Station {
    /// A station whose first instance has been started and configured.
    pub fn new(spec: Arc<PipelineSpec>, crew: Crew, results: Sender<Vec<Finished>>) -> Self {
        Self {
            spec,
            crew,
            open: FxHashMap::default(),
            deadlines: VecDeque::new(),
            results,
            finished: Vec::new(),
            asks: Vec::new(),
            effects: Vec::new(),
            in_hand: FxHashMap::default(),
            alone: 0,
            account: Account::open(Instant::now()),
            on: Role::Ordinary,
        }
    }

    /// The version of the pipeline that it runs.
    pub fn spec(&self) -> &PipelineSpec {
        &self.spec
    }

    /// Whether [`Station::round`] has anything to do.
    pub(crate) fn has_work(&self) -> bool {
        self.crew.has_work() || !self.finished.is_empty()
    }

    /// When the next event's time is over.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// Decodes the job's record and hands it to an instance, or finishes it here and now.
    pub(crate) fn start(&mut self, mut job: Job, shared: &Shared, now_ms: u64) {
        let spec = Arc::clone(&self.spec);
        if job.suspicion == Suspicion::Condemned {
            let message = "the host died each time that it had this event in its hands, at last with no other beside it; \
                           it was not run again";
            return self.fail(&job, None, Failure::new(Cause::HostDied.word(), message), now_ms);
        }
        if job.timer.is_none() {
            failpoint::pass_event(job.record.offset);
        }
        let state = job.state.take();
        let state = match (&job.timer, state) {
            (Some(timer), Some(state)) => {
                let ticket = self.crew.start_timer(DueTimer::clone(timer), *state);
                return self.seat(ticket, job, None, EventFacts::default());
            }
            (_, state) => state,
        };
        let Some(input) = spec.inputs.get(&job.record.source.topic) else {
            let failure = no_input(&job.record);
            return self.fail(&job, None, failure, now_ms);
        };
        let document = match job.record.value.clone() {
            None if !input.tombstones => return self.finish(&job, Finish::Tombstone, 0),
            None => None,
            Some(value) => match Document::parse(value, &spec.decode) {
                Ok(document) => Some(document),
                Err(error) => {
                    let failure = Failure::new(error.cause().word(), error.to_string());
                    return self.fail(&job, None, failure, now_ms);
                }
            },
        };
        let facts = document.as_ref().map(Document::facts).unwrap_or_default();
        if facts.canary {
            return self.finish(&job, Finish::Canary, 0);
        }
        if spec.has_state && state.is_none() {
            let message = "the record has no key, and this pipeline keeps state by key";
            return self.fail(&job, document.as_ref(), Failure::new(Cause::NoKey.word(), message), now_ms);
        }
        if let (Some((title, unfit)), Some(document)) = (&input.schema, &document)
            && let Err(error) = document.is_of(title)
        {
            spec.metrics.schema_unfit();
            if *unfit == UnfitConfig::Error {
                let failure = Failure::new(Cause::SchemaUnfit.word(), error.to_string());
                return self.fail(&job, Some(document), failure, now_ms);
            }
        }
        if let (Some(conceals), Some(document)) = (facts.conceals, &document) {
            forget(conceals, document, &shared.lookup);
        }
        let event = event(&job, input, document.as_ref(), spec.inline_bytes_max);
        let ticket = match state {
            None => self.crew.start(event),
            Some(state) => self.crew.start_with_state(event, *state),
        };
        self.seat(ticket, job, document, facts);
    }

    /// Takes a ticket into the books.
    fn seat(&mut self, ticket: Ticket, job: Job, document: Option<Document>, facts: EventFacts) {
        let deadline = Instant::now() + self.spec.event_deadline;
        self.deadlines.push_back((deadline, ticket));
        self.in_hand.insert(ticket, InHand::of(&job));
        self.alone += usize::from(job.suspicion == Suspicion::RunsAlone);
        self.open
            .insert(ticket, OpenEvent { job, document, facts, answer_bytes: 0, told_bytes: 0, asks_open: 0, deadline });
    }

    /// Takes note of events that will be started now: from here on they may kill the host.
    pub(crate) fn take_in_hand(&mut self, jobs: &[Job], crumb: &mut Crumb) {
        let starting = jobs.iter().map(|job| (&*job.record, job.timer.as_deref()));
        crumb.lay(&self.spec.name, starting.chain(self.in_hand.values().map(InHand::event)));
    }

    /// Whether an event is open that runs alone.
    pub(crate) fn runs_alone(&self) -> bool {
        self.alone > 0
    }

    /// Takes the answer to one of an event's questions. One for an event that is over is nobody's.
    pub(crate) fn answer(&mut self, ticket: Ticket, answered: Answered) {
        failpoint::pass(Failpoint::Answered);
        if let Some(open) = self.open.get_mut(&ticket) {
            self.in_hand.insert(ticket, InHand::of(&open.job));
            open.asks_open = open.asks_open.saturating_sub(1);
            open.deadline += Duration::from_millis(answered.held_ms);
            open.answer_bytes += answered.answer.as_ref().map_or(0, |reply| reply.held() as u64);
            if open.answer_bytes - open.told_bytes >= GROWTH_BYTES {
                open.told_bytes = open.answer_bytes;
                let (id, answer_bytes) = (open.job.id, open.answer_bytes);
                let changes = StateChanges::default();
                self.finished.push(Finished { id, finish: Finish::Grown, answer_bytes, changes });
            }
            let sealed = SealedAnswer { answer: answered.answer, seal: answered.seal };
            self.crew.answer(ticket, answered.ask_id, sealed);
        }
    }

    /// Whether it used too much of its worker's time.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.account.is_overdrawn()
    }

    /// Whether it may come back from the sideline.
    pub(crate) fn is_redeemed(&self, now: Instant) -> bool {
        self.account.is_redeemed(now)
    }

    /// It goes on at a worker of this role, and begins anew there.
    pub(crate) fn move_to(&mut self, role: Role) {
        self.on = role;
        self.account.clear(Instant::now());
        self.spec.metrics.sidelined(if role == Role::Sideline { 1 } else { -1 });
    }

    /// One round: turns, what the turns said, deadlines, and off with it.
    pub(crate) fn round(&mut self, shared: &Shared, crumb: &mut Crumb) {
        let now_ms = shared.clock.now_ms();
        if self.crew.has_work() {
            crumb.lay(&self.spec.name, self.in_hand.values().map(InHand::event));
            let mut effects = std::mem::take(&mut self.effects);
            let (began, spent) = (Instant::now(), ThreadTime::now());
            failpoint::pass(Failpoint::InTurn);
            self.crew.run(now_ms, SLICE, &mut effects);
            self.spec.metrics.turned(began.elapsed());
            for effect in effects.drain(..) {
                self.apply(effect, shared, now_ms);
            }
            self.effects = effects;
            let open = &self.open;
            self.in_hand.retain(|ticket, _| open.get(ticket).is_some_and(|open| open.asks_open == 0));
            let loose = self.crew.take_report();
            self.report(&loose);
            self.spec.metrics.instances_lost(self.crew.take_lost());
            self.account.book(spent.elapsed(), Instant::now());
        }
        crumb.lift();
        // Behind the turns: an answer that has come in time is not lost to a round that took long.
        self.expire(shared, now_ms);
        if !self.asks.is_empty() {
            shared.lookup.submit(std::mem::take(&mut self.asks), &shared.answers);
        }
        if !self.finished.is_empty() {
            // The pipeline's task is gone when the pipeline was stopped; its work is then nobody's any more.
            drop(self.results.blocking_send(std::mem::take(&mut self.finished)));
        }
    }

    fn apply(&mut self, effect: Effect, shared: &Shared, now_ms: u64) {
        match effect {
            Effect::Ask { ticket, ask } => self.ask(ticket, ask),
            Effect::Done { ticket, outcome, report, changes } => {
                let Some(open) = self.close(ticket, shared) else { return };
                self.report(&report);
                self.conclude(open, outcome, changes, now_ms);
            }
            Effect::Fault { ticket, fault, report } => {
                let Some(open) = self.close(ticket, shared) else { return };
                self.report(&report);
                self.spec.metrics.fault(fault.kind.word());
                let failure =
                    Failure { kind: fault.kind.cause().word().to_owned(), message: fault.message, stack: fault.stack };
                self.fail(&open.job, open.document.as_ref(), failure, now_ms);
            }
        }
    }

    fn ask(&mut self, ticket: Ticket, ask: Ask) {
        let Some(open) = self.open.get_mut(&ticket) else { return };
        open.asks_open += 1;
        self.asks.push(Request {
            token: token(self.spec.version, ticket),
            ask,
            scope: Arc::clone(&self.spec.scope),
            born_ms: open.facts.born_ms,
            expected_bytes: open.facts.content_bytes,
        });
    }

    /// Takes the event of a finished ticket out of the books.
    fn close(&mut self, ticket: Ticket, shared: &Shared) -> Option<OpenEvent> {
        let open = self.open.remove(&ticket)?;
        self.alone -= usize::from(open.job.suspicion == Suspicion::RunsAlone);
        if open.asks_open > 0 {
            shared.lookup.cancel(&[token(self.spec.version, ticket)]);
        }
        // Most events finish in the order in which they started, so their deadlines go from the front.
        while self.deadlines.front().is_some_and(|(_, ticket)| !self.open.contains_key(ticket)) {
            self.deadlines.pop_front();
        }
        Some(open)
    }

    /// Turns a plugin's outcome into what the pipeline delivers. What it changed in its state stands or falls with that.
    fn conclude(&mut self, open: OpenEvent, outcome: Outcome, changes: StateChanges, now_ms: u64) {
        match outcome {
            Outcome::Emit(emissions) => match self.check(&open, emissions, now_ms) {
                Ok(outputs) => self.finish_with(&open.job, Finish::Emitted(outputs), open.answer_bytes, changes),
                Err(failure) => self.fail(&open.job, open.document.as_ref(), failure, now_ms),
            },
            Outcome::Skip(reason) => {
                let finish = Finish::Skipped(Word::of(&reason).to_string());
                self.finish_with(&open.job, finish, open.answer_bytes, changes);
            }
            Outcome::Fail(failure) => self.fail(&open.job, open.document.as_ref(), failure, now_ms),
            Outcome::Retry { after_ms, failure } => {
                let failure = Failure { kind: Word::of(&failure.kind).to_string(), ..failure };
                let jitter = jitter(open.job.id.0, open.job.attempts.run);
                let after_ms = self.spec.retry.within_cap(after_ms);
                match self.spec.retry.delay_ms(open.job.attempts.run, after_ms, jitter) {
                    Some(delay_ms) => {
                        let delay = Duration::from_millis(delay_ms);
                        self.finish(&open.job, Finish::Retry { delay, failure }, open.answer_bytes);
                    }
                    None => self.fail(&open.job, open.document.as_ref(), failure, now_ms),
                }
            }
        }
    }

    /// Makes every emission an output record: patched, in its envelope, cut down to its schema, valid, keyed, small enough.
    /// All or nothing.
    fn check(&self, open: &OpenEvent, emissions: Vec<Emission>, now_ms: u64) -> Result<Vec<OutputRecord>, Failure> {
        let spec = &self.spec;
        let origin = spec.origin(&open.job.record, open.job.timer.as_deref());
        // A timer has no document, so it is all the same what of it was seen.
        let all = Projection::everything();
        let seen = spec.inputs.get(&open.job.record.source.topic).map_or(&all, |input| &input.projection);
        let mut outputs = Vec::with_capacity(emissions.len());
        let mut bytes = 0;
        let mut budget = EditBudget::default();
        for (index, emission) in (0..).zip(emissions) {
            let Some(stream) = spec.outputs.get(&emission.output) else {
                return Err(Failure::new(
                    Cause::OutputInvalid.word(),
                    format!("output `{}` is bound to no stream", emission.output),
                ));
            };
            let given = Given { document: open.document.as_ref(), seen, origin: &origin };
            let BuiltOutput { record, dropped } = build_output(&given, emission, index, stream, now_ms, &mut budget)
                .map_err(|error| Failure::new(error.cause().word(), error.to_string()))?;
            dropped.iter().for_each(|dropped| spec.metrics.dropped_fields(&dropped.path, dropped.count));
            bytes += record.bytes();
            if bytes > OUTPUTS_BYTES_MAX {
                let message = format!("the outputs of this event have more than {OUTPUTS_BYTES_MAX} bytes in all");
                return Err(Failure::new(Cause::OutputTooLarge.word(), message));
            }
            outputs.push(record);
        }
        Ok(outputs)
    }

    fn fail(&mut self, job: &Job, document: Option<&Document>, failure: Failure, now_ms: u64) {
        let spec = Arc::clone(&self.spec);
        let error_type = Word::of(&failure.kind).to_string();
        let origin = spec.origin(&job.record, job.timer.as_deref());
        let error_event =
            build_error_event(&error_type, &failure, document, &spec.errors, &origin, job.attempts, now_ms);
        self.finish(job, Finish::Failed { error_type, error_event: Box::new(error_event) }, 0);
    }

    fn finish(&mut self, job: &Job, finish: Finish, answer_bytes: u64) {
        self.finish_with(job, finish, answer_bytes, StateChanges::default());
    }

    fn finish_with(&mut self, job: &Job, finish: Finish, answer_bytes: u64, changes: StateChanges) {
        self.finished.push(Finished { id: job.id, finish, answer_bytes, changes });
    }

    /// Ends the events whose time is over. Time for which its lookups were held does not count.
    fn expire(&mut self, shared: &Shared, now_ms: u64) {
        let now = Instant::now();
        while let Some((deadline, ticket)) = self.deadlines.front().copied() {
            if deadline > now {
                return;
            }
            self.deadlines.pop_front();
            let Some(open) = self.open.get(&ticket) else { continue };
            let held = Duration::from_millis(shared.lookup.held_ms(token(self.spec.version, ticket)));
            let extended = open.deadline + held;
            if extended > now {
                let at = self.deadlines.partition_point(|(deadline, _)| *deadline <= extended);
                self.deadlines.insert(at, (extended, ticket));
                continue;
            }
            self.crew.cancel(ticket);
            let Some(open) = self.close(ticket, shared) else { continue };
            let message = format!("the event took longer than {} s", self.spec.event_deadline.as_secs());
            let failure = Failure::new(Cause::Deadline.word(), message);
            self.fail(&open.job, open.document.as_ref(), failure, now_ms);
        }
    }

    /// Gives events up: their partition is no longer ours.
    pub(crate) fn cancel(&mut self, jobs: &[JobId], shared: &Shared) {
        let jobs: FxHashSet<JobId> = jobs.iter().copied().collect();
        let gone: Vec<Ticket> =
            self.open.iter().filter(|(_, open)| jobs.contains(&open.job.id)).map(|(ticket, _)| *ticket).collect();
        for ticket in gone {
            self.crew.cancel(ticket);
            self.close(ticket, shared);
        }
    }

    /// Gives everything up.
    pub(crate) fn abandon(&mut self, shared: &Shared) {
        let tokens: Vec<u64> = self.open.keys().map(|ticket| token(self.spec.version, *ticket)).collect();
        shared.lookup.cancel(&tokens);
    }

    fn report(&self, report: &Report) {
        self.spec.metrics.plugin_report(&self.spec.name, report);
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        if self.on == Role::Sideline {
            self.spec.metrics.sidelined(-1);
        }
    }
}

/// Makes lookups forget what this event says may not be read any more, in whatever pipeline it was asked.
fn forget(conceals: Conceals, document: &Document, lookup: &LookupService) {
    let domain = document.root().get("meta").and_then(|meta| meta.get("domain")?.as_str());
    let Some(domain) = domain else { return };
    let revision = conceals.rev_id.map(Forget::Revision);
    let page = conceals.page_id.map(Forget::Page);
    let what: Vec<Forget> = revision.into_iter().chain(page).collect();
    lookup.forget_revisions(&domain, &what);
}

/// The event as the plugin gets it: cut down to what it asked for.
fn event(job: &Job, input: &InputBinding, document: Option<&Document>, inline_bytes_max: usize) -> Event {
    let record = &job.record;
    let value = document.map(|document| {
        let mut projected = Vec::new();
        document.project(&input.projection, &mut projected);
        if projected.len() > inline_bytes_max {
            Payload::Large(Blob::plain(Bytes::from(projected)))
        } else {
            Payload::Inline(Bytes::from(projected))
        }
    });
    let headers = record.headers.iter().filter(|header| input.headers.iter().any(|name| **name == *header.name));
    Event {
        input: Arc::clone(&input.name),
        source: record.source.clone(),
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        key: record.key.clone(),
        value,
        headers: headers.cloned().collect(),
        attempt: job.attempts.run,
    }
}

/// A record of the reprocess topic that somebody else wrote, or one that was given back from a topic that is no input now.
fn no_input(record: &Record) -> Failure {
    let topic = &record.source.topic;
    let message =
        format!("no input is bound to the topic {topic}; only `millrace reprocess` writes to a reprocess topic");
    Failure::new(Cause::Decode.word(), message)
}

/// A number in 0..1 that spreads retries: it only has to differ from event to event, so a hash of what is at hand does.
fn jitter(job: u64, attempt: u32) -> f64 {
    let mixed = (job ^ u64::from(attempt).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    f64::from(u32::try_from(mixed >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}
