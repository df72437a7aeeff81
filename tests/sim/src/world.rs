//! Everything that a run consists of, and its steps: hosts, output cluster, group, and what is on its way between them.

mod faults;
mod possible;
mod requests;

use crate::action::{Action, Doing};
use crate::broker::Broker;
use crate::ctx::Ctx;
use crate::fact::{Fact, Notes};
use crate::group::Group;
use crate::history::History;
use crate::host::{Host, Life};
use crate::input::{Input, Part};
use crate::mutant::Mutant;
use crate::network::{Flight, Message, Request, Sender, Verdict};
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::random::Random;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What may happen at a step among what happens rarely.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rarely {
    /// Slow lookups are answered.
    pub(crate) answers: bool,
    /// Hosts wake that stand still.
    pub(crate) wakes: bool,
    /// Hosts hear what is new in the group whose chance in a hundred is higher.
    pub(crate) hears: u64,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) input: Input,
    mutant: Option<Mutant>,
    pub(crate) random: Random,
    broker: Broker,
    group: Group,
    hosts: Vec<Host>,
    flights: BTreeMap<u64, Flight>,
    next_flight: u64,
    next_owner: u64,
    /// Only differences of it count.
    now: Instant,
    pub(crate) notes: Notes,
    pub(crate) oracle: Oracle,
    /// Whether nothing goes wrong any more, and what went wrong is put right.
    pub(crate) heals: bool,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, mut notes: Notes) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::of(&mut random);
        let input = Input::of(&plan, &mut random);
        notes.say(|| format!("seed {seed}: {plan:#?}"));
        input.events().for_each(|event| notes.say(|| format!("{event:?}")));
        let (mut broker, mut group, mut oracle) = (Broker::new(), Group::new(plan.partitions), Oracle::default());
        for partition in 0..plan.partitions {
            let history = History::of(partition, &input, &plan, &mut random);
            notes.say(|| format!("p{partition} begins with {history:?}"));
            oracle.begin_with(&input, partition, &history);
            broker.append(history.outputs.into_iter().map(Message::Output).collect());
            broker.append(history.written.into_iter().map(|record| Message::Progress(partition, record)).collect());
            history.committed.into_iter().for_each(|record| group.begin_with(partition, record));
        }
        Self {
            broker,
            group,
            hosts: (0..plan.hosts).map(|number| Host::new(number, &plan)).collect(),
            flights: BTreeMap::new(),
            next_flight: 0,
            next_owner: 0,
            now: Instant::now(),
            notes,
            oracle,
            heals: false,
            plan,
            input,
            mutant,
            random,
        }
    }

    /// Whether everything has settled and nothing is on its way.
    pub(crate) fn is_complete(&self) -> bool {
        self.flights.is_empty() && self.broker.is_at_rest() && self.oracle.open(&self.input).next().is_none()
    }

    /// The checks that look at everything that came out.
    pub(crate) fn check_end(&mut self) {
        self.oracle.at_end(&self.input, self.broker.visible(), self.plan.mode);
    }

    /// Who waits for an answer, if anybody does.
    fn awaits(&self, flight: &Flight) -> Option<&Host> {
        let host = self.hosts.get(flight.from.host).filter(|host| host.life != Life::Down)?;
        let owned = host.owned.get(&flight.from.partition).filter(|owned| owned.owner == flight.from.owner)?;
        let number = Some(flight.number);
        (owned.pending == number || owned.pending_commit == number).then_some(host)
    }

    /// Lets a host take a step.
    fn host<T>(&mut self, number: usize, step: impl FnOnce(&mut Host, &mut Ctx<'_>) -> T) -> Option<T> {
        let Self { plan, input, mutant, group, notes, oracle, now, hosts, .. } = self;
        let mut ctx = Ctx { plan, input, mutant: *mutant, group, notes, oracle, now: *now };
        hosts.get_mut(number).map(|host| step(host, &mut ctx))
    }

    fn new_owner(&mut self) -> u64 {
        self.next_owner += 1;
        self.next_owner
    }

    /// Puts a request on its way; with `awaited`, its partition waits for the answer.
    fn send(&mut self, host: usize, partition: Part, request: Option<Request>, awaited: Awaited) {
        let Some(request) = request else { return };
        self.next_flight += 1;
        let number = self.next_flight;
        let Some(owned) = self.hosts.get_mut(host).map(|host| host.owned.get_mut(&partition)) else { return };
        let owner = match (owned, awaited) {
            (Some(owned), Awaited::Answer) => {
                owned.pending = Some(number);
                owned.owner
            }
            (Some(owned), Awaited::Commit) => {
                owned.pending_commit = Some(number);
                owned.owner
            }
            (_, _) => NOBODY,
        };
        self.notes.say(|| format!("    h{host} p{partition} sends {number}: {request}"));
        let from = Sender { host, partition, owner };
        self.flights.insert(number, Flight { number, from, request, answer: None });
    }

    /// Takes one step.
    pub(crate) fn step(&mut self, action: Action) {
        self.notes.say(|| action.to_string());
        match action {
            Action::Host(host, doing) => self.act(host, doing),
            Action::Arrive(number) => self.arrive(number),
            Action::ArriveLate(number) => self.arrive_late(number),
            Action::FailAbortable(number) => self.fail_abortable(number),
            Action::FailFatal { number, has_effect } => self.fail_fatal(number, has_effect),
            Action::Answer(number) => self.answer(number),
            Action::Lose(number) => self.lose(number),
            Action::Mark(id, log) => self.broker.mark(id, log),
            Action::TimeOutTransaction(id) => {
                self.notes.count(Fact::TransactionTimeout);
                self.broker.time_out(id);
            }
            Action::Expel(member) => self.expel(member),
            Action::Rebalance => {
                self.notes.count(Fact::Rebalance);
                self.group.rebalance();
            }
            Action::Wait => self.now += Duration::from_millis(100),
        }
        self.now += Duration::from_millis(self.random.within(0..=10));
    }

    fn act(&mut self, number: usize, doing: Doing) {
        match doing {
            Doing::Hear => self.hear(number),
            Doing::Fetch(partition) => {
                let count = 1 + self.random.below(3);
                self.host(number, |host, ctx| host.fetch(partition, count, ctx));
            }
            Doing::Admit(partition) => drop(self.host(number, |host, ctx| host.admit(partition, ctx))),
            Doing::Start(job) => drop(self.host(number, |host, ctx| host.start(job, ctx))),
            Doing::TakeAnswer(index) => drop(self.host(number, |host, ctx| host.take_answer(index, ctx))),
            Doing::Seal(partition) => {
                let copy = self.host(number, |host, ctx| host.seal(partition, ctx)).flatten();
                self.send(number, partition, copy, Awaited::Nothing);
            }
            Doing::Write(partition) => {
                let request = self.host(number, |host, ctx| host.next_request(partition, ctx)).flatten();
                if let Some(Request::End(_, verdict)) = request {
                    let again = self.hosts.get(number).and_then(|host| host.owned.get(&partition));
                    if again.is_some_and(|owned| owned.writer.repeats > 0) {
                        self.notes.count(Fact::Repeated);
                    } else if verdict == Verdict::Abort {
                        self.notes.count(Fact::Aborted);
                    }
                }
                self.send(number, partition, request, Awaited::Answer);
            }
            Doing::Deliver(partition) => {
                let request = self.host(number, |host, ctx| host.deliver(partition, ctx)).flatten();
                self.send(number, partition, request, Awaited::Answer);
            }
            Doing::Commit(partition) => {
                let request = self.host(number, |host, ctx| host.commit(partition, ctx)).flatten();
                self.send(number, partition, request, Awaited::Commit);
            }
            Doing::CommitFormer(partition) => {
                let request = self.host(number, |host, _| host.commit_former(partition)).flatten();
                self.send(number, partition, request, Awaited::Nothing);
            }
            Doing::TimeOut(partition) => self.time_out(number, partition, Awaited::Answer),
            Doing::TimeOutCommit(partition) => self.time_out(number, partition, Awaited::Commit),
            Doing::Abandon(partition) => {
                self.host(number, |host, ctx| host.abandon_unfinished(partition, ctx));
            }
            Doing::GiveUp(partition) => {
                self.notes.count(Fact::GivenUp);
                self.host(number, |host, ctx| host.give_up(partition, ctx));
            }
            Doing::WalkAway(partition) => {
                self.notes.count(Fact::WalkedAway);
                self.host(number, |host, ctx| host.give_up(partition, ctx));
            }
            Doing::Retake(partition) => {
                let owner = self.new_owner();
                self.host(number, |host, ctx| host.retake(partition, owner, ctx));
            }
            Doing::Trap => drop(self.host(number, |host, ctx| host.trap(ctx))),
            Doing::Stall => self.stall(number),
            Doing::Wake => self.wake(number),
            Doing::Crash | Doing::Restart | Doing::Freeze => self.change_life(number, doing),
        }
    }

    /// A host hears of the newest generation: what it must give up, what it gets, or that it is no member any more.
    fn hear(&mut self, number: usize) {
        let mut owners = Vec::new();
        for _ in 0..self.plan.partitions {
            owners.push(self.new_owner());
        }
        self.host(number, |host, ctx| {
            let Some(member) = host.member.filter(|member| ctx.group.has(*member)) else {
                host.lose_all(ctx);
                let member = ctx.group.join(host.number);
                host.member = Some(member);
                host.generation = ctx.group.sync(member);
                return;
            };
            host.generation = ctx.group.sync(member);
            let owned: Vec<Part> =
                host.owned.iter().filter(|(_, owned)| !owned.is_leaving).map(|(partition, _)| *partition).collect();
            for partition in owned {
                if !ctx.group.is_meant_for(partition, member) {
                    host.begin_leaving(partition, ctx);
                }
            }
            let new: Vec<Part> = ctx.group.assignable(member).collect();
            for (partition, owner) in new.into_iter().zip(owners) {
                ctx.group.assign(partition, member);
                host.assign(partition, owner, ctx);
            }
        });
    }
}

/// Who waits for the answer of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// The writer or the unit of its partition.
    Answer,
    /// At-least-once: the commits of its partition.
    Commit,
    Nothing,
}

/// The owner of requests for whose answers nobody waits. Numbers of owners begin at 1.
const NOBODY: u64 = 0;
