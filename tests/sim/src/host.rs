//! A host: the path of every event from fetch to settlement, made of the rules of `flow` as `host/runtime/src/partition.rs`
//! is. Every method is one step between two points at which a real host waits for something.

mod at_least_once;
mod exactly_once;
mod leaving;

use crate::ctx::Ctx;
use crate::fact::Fact;
use crate::input::{Event, Part};
use crate::mutant::Mutant;
use crate::network::GroupCommit;
use crate::oracle::Check;
use crate::owned::{Job, JobEnding, Owned};
use crate::plan::Plan;
use crate::plugin::{Ask, Plugin, Said};
use millrace_flow::admission::{Admission, Head};
use millrace_flow::lane::LaneId;
use millrace_flow::ledger::Admitted;
use std::collections::BTreeMap;

/// Records that one fetch hands out at most.
const FETCH_MAX: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Up,
    /// Stopped, and unaware of it.
    Frozen,
    Down,
}

#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) life: Life,
    /// Its number in the group, and the generation that it knows of.
    pub(crate) member: Option<u64>,
    pub(crate) generation: u64,
    /// For so many steps it hears nothing of the group: it has just woken.
    pub(crate) deaf_steps: u64,
    admission: Admission,
    pub(crate) plugin: Plugin,
    pub(crate) jobs: BTreeMap<u64, Job>,
    next_job: u64,
    /// Jobs that may start.
    pub(crate) ready: Vec<u64>,
    pub(crate) owned: BTreeMap<Part, Owned>,
    /// What a mutant still commits of partitions that it gave up.
    pub(crate) former: BTreeMap<Part, GroupCommit>,
}

impl Host {
    pub(crate) fn new(number: usize, plan: &Plan) -> Self {
        Self {
            number,
            life: Life::Up,
            member: None,
            generation: 0,
            deaf_steps: 0,
            admission: Admission::new(plan.admission),
            plugin: Plugin::default(),
            jobs: BTreeMap::new(),
            next_job: 0,
            ready: Vec::new(),
            owned: BTreeMap::new(),
            former: BTreeMap::new(),
        }
    }

    pub(crate) fn may_fetch(&self, partition: Part, ctx: &Ctx<'_>) -> bool {
        let Some(owned) = self.owned.get(&partition) else { return false };
        let has_room = owned.backlog.is_empty() || (owned.backlog.len() < FETCH_MAX && !self.admission.is_full());
        owned.is_ready && !owned.is_leaving && has_room && !ctx.input.from(partition, owned.position).is_empty()
    }

    /// Fetch: the next records go into the backlog.
    pub(crate) fn fetch(&mut self, partition: Part, count: usize, ctx: &Ctx<'_>) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        for event in ctx.input.from(partition, owned.position).iter().take(count.clamp(1, FETCH_MAX)) {
            owned.backlog.push_back(event.offset);
            owned.position = event.offset + 1;
        }
    }

    fn next_event<'a>(&self, partition: Part, ctx: &Ctx<'a>) -> Option<&'a Event> {
        let offset = self.owned.get(&partition)?.backlog.front()?;
        ctx.input.event(partition, *offset)
    }

    pub(crate) fn may_admit(&self, partition: Part, ctx: &Ctx<'_>) -> bool {
        let (Some(owned), Some(event)) = (self.owned.get(&partition), self.next_event(partition, ctx)) else {
            return false;
        };
        let head = if owned.ledger.open() == 0 { oldest(ctx) } else { Head::Later };
        owned.ledger.may_admit() && self.admission.may_admit(event.bytes + ctx.plan.estimate, head)
    }

    /// Admit: one record enters ledger and lane.
    pub(crate) fn admit(&mut self, partition: Part, ctx: &mut Ctx<'_>) {
        let Some(event) = self.next_event(partition, ctx) else { return };
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        owned.backlog.pop_front();
        if owned.ledger.admit(event.offset) == Admitted::AlreadySettled {
            return ctx.notes.count(Fact::AlreadySettled);
        }
        let reserved = event.bytes + ctx.plan.estimate;
        if !self.admission.may_admit(reserved, Head::Later) {
            ctx.notes.count(Fact::HeadAdmission);
        }
        self.admission.reserve(reserved);
        self.next_job += 1;
        let lane = LaneId::of_key(&[event.key]);
        let job = Job {
            partition,
            offset: event.offset,
            lane,
            reserved,
            weight: event.bytes,
            runs: 0,
            ticket: None,
            ending: None,
            has_left: false,
        };
        let number = self.next_job;
        ctx.notes.say(|| format!("    job {number} is {partition}/{}", event.offset));
        self.jobs.insert(self.next_job, job);
        self.ready.extend(owned.lanes.enter(lane, self.next_job));
        self.check_bytes(ctx);
    }

    /// Start: one job enters the plugin.
    pub(crate) fn start(&mut self, id: u64, ctx: &mut Ctx<'_>) {
        self.ready.retain(|ready| *ready != id);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(event) = ctx.input.event(job.partition, job.offset) else { return };
        let (ticket, said) = self.plugin.begin(id, event, ctx.mutant);
        job.ticket = Some(ticket);
        if ctx.breaks(Mutant::LaneGoesOnAtStart) && !std::mem::replace(&mut job.has_left, true) {
            let (partition, lane) = (job.partition, job.lane);
            self.ready.extend(self.owned.get_mut(&partition).and_then(|owned| owned.lanes.leave(lane)));
        }
        self.said(said, ctx);
    }

    /// Whether an answer is taken now, or waits until there is room for it.
    pub(crate) fn may_take(&self, ask: &Ask, ctx: &Ctx<'_>) -> bool {
        let Some(job) = self.plugin.job_of(ask).and_then(|id| self.jobs.get(&id)) else { return true };
        let oldest_open = self.owned.get(&job.partition).and_then(|owned| owned.ledger.oldest_open());
        let head = if oldest_open == Some(job.offset) { oldest(ctx) } else { Head::Later };
        self.admission.may_grow(job.reserved, job.weight + ask.bytes, head)
    }

    /// Lookup: an answer arrives, and waits for no other.
    pub(crate) fn take_answer(&mut self, index: usize, ctx: &mut Ctx<'_>) {
        if index >= self.plugin.asks.len() {
            return;
        }
        let ask = self.plugin.asks.swap_remove(index);
        let Some(id) = self.plugin.job_of(&ask) else { return ctx.notes.count(Fact::LateAnswer) };
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(event) = ctx.input.event(job.partition, job.offset) else { return };
        job.weight += ask.bytes;
        if job.weight > job.reserved {
            if !self.admission.may_grow(job.reserved, job.weight, Head::Later) {
                ctx.notes.count(Fact::HeadGrowth);
            }
            self.admission.adjust(job.reserved, job.weight);
            job.reserved = job.weight;
        }
        let said = self.plugin.answer(&ask, event);
        self.check_bytes(ctx);
        self.said(said, ctx);
    }

    fn said(&mut self, said: Said, ctx: &mut Ctx<'_>) {
        if let Said::Done(id, content) = said {
            self.finish(id, content, ctx);
        }
    }

    /// Finish: what the plugin made of a job.
    fn finish(&mut self, id: u64, content: u64, ctx: &mut Ctx<'_>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(event) = ctx.input.event(job.partition, job.offset) else { return };
        job.ticket = None;
        if job.runs < event.retries {
            job.runs += 1;
            job.weight = event.bytes;
            if self.owned.get(&job.partition).is_none_or(|owned| owned.is_leaving) {
                self.abandon(id, ctx);
            } else {
                self.ready.push(id);
            }
            return;
        }
        job.ending = Some(JobEnding { outputs: event.outputs(content), error: event.error(content) });
        let weight = job.weight.min(job.reserved);
        self.admission.adjust(job.reserved, weight);
        job.reserved = weight;
        self.release(id, ctx);
        self.release_held(event.partition, ctx);
    }

    /// A finished job leaves its lane for the next transaction or unit, or is held while the progress has no room for it.
    fn release(&mut self, id: u64, ctx: &mut Ctx<'_>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(owned) = self.owned.get_mut(&job.partition) else { return };
        let (offset, lane) = (job.offset, job.lane);
        let holds = !owned.ledger.may_deliver(offset) && !ctx.breaks(Mutant::NeverHold);
        if holds {
            ctx.notes.count(Fact::Held);
            owned.held.insert(offset, id);
        } else {
            owned.ledger.deliver(offset);
        }
        let goes_on = !holds || ctx.breaks(Mutant::LaneGoesOnWhileHeld);
        if goes_on && !std::mem::replace(&mut job.has_left, true) {
            self.ready.extend(owned.lanes.leave(lane));
        }
        if holds {
            return;
        }
        let outputs = job.ending.as_ref().map_or(0, |ending| ending.outputs.len());
        if ctx.is_exactly_once() {
            owned.gathering.put(id, outputs);
            if ctx.breaks(Mutant::LateProgress) {
                owned.ledger.settle(offset);
            }
        } else if outputs == 0 {
            self.settle(id);
        } else {
            owned.outbox.push(id);
        }
    }

    /// Releases held results, oldest first, as far as the progress has room for them again.
    fn release_held(&mut self, partition: Part, ctx: &mut Ctx<'_>) {
        while let Some(owned) = self.owned.get_mut(&partition) {
            let Some((offset, id)) = owned.held.first_key_value().map(|(offset, id)| (*offset, *id)) else { return };
            if !owned.ledger.may_deliver(offset) {
                return;
            }
            owned.held.remove(&offset);
            self.release(id, ctx);
        }
    }

    /// An instance dies: its events start anew in a fresh one.
    pub(crate) fn trap(&mut self, ctx: &mut Ctx<'_>) {
        ctx.notes.count(Fact::Trap);
        for id in self.plugin.trap() {
            if let Some(job) = self.jobs.get_mut(&id) {
                let own = ctx.input.event(job.partition, job.offset).map_or(0, |event| event.bytes);
                job.weight = own;
                job.ticket = None;
                self.ready.push(id);
            }
        }
    }

    /// The budget is passed by one event at most.
    fn check_bytes(&self, ctx: &mut Ctx<'_>) {
        let (held, most) = (self.admission.held(), ctx.plan.admission.bytes_max + ctx.input.largest);
        if held > most {
            ctx.oracle.fail(Check::Budget, || format!("{held} bytes are in flight, {most} are allowed"));
        }
    }
}

/// The oldest event of a partition, as admission is told.
fn oldest(ctx: &Ctx<'_>) -> Head {
    if ctx.breaks(Mutant::ForgetHeadRule) { Head::Later } else { Head::Oldest }
}
