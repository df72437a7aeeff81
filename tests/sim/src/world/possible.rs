//! What can happen next: what must, sooner or later, and what goes wrong.

use super::{NOBODY, Rarely, World};
use crate::action::{Action, Doing};
use crate::ctx::Ctx;
use crate::host::{Host, Life};
use crate::input::Part;
use crate::network::Request;
use crate::owned::Owned;

impl World {
    /// Everything that happens sooner or later by itself, with what may happen of what is rare.
    pub(crate) fn possible(&mut self, into: &mut Vec<Action>, rarely: Rarely) {
        let Self { plan, input, mutant, group, notes, oracle, now, hosts, flights, .. } = self;
        let ctx = Ctx { plan, input, mutant: *mutant, group, notes, oracle, now: *now };
        let mut waits = false;
        hosts.iter_mut().for_each(|host| host.deaf_steps = host.deaf_steps.saturating_sub(1));
        for host in hosts.iter().filter(|host| host.life == Life::Up) {
            let mut add = |doing| into.push(Action::Host(host.number, doing));
            let hears = rarely.hears < ctx.plan.hear_percent(host.number) && (host.deaf_steps == 0 || rarely.wakes);
            if hears && host.member.is_none_or(|member| ctx.group.has_news(member)) {
                add(Doing::Hear);
            }
            host.ready.iter().for_each(|job| add(Doing::Start(*job)));
            for (index, ask) in host.plugin.asks.iter().enumerate() {
                if (rarely.answers || !ask.is_slow) && host.may_take(ask, &ctx) {
                    add(Doing::TakeAnswer(index));
                }
            }
            for (partition, owned) in &host.owned {
                let is_gone = |number: Option<u64>| number.is_some_and(|number| !flights.contains_key(&number));
                if is_gone(owned.pending) {
                    add(Doing::TimeOut(*partition));
                }
                if is_gone(owned.pending_commit) {
                    add(Doing::TimeOutCommit(*partition));
                }
                waits |= of_partition(host, *partition, owned, &ctx, &mut add);
            }
            let former = host.former.keys().filter(|partition| !host.owned.contains_key(partition));
            former.for_each(|partition| add(Doing::CommitFormer(*partition)));
        }
        self.on_its_way(into);
        let frozen = self.hosts.iter().filter(|host| host.life == Life::Frozen);
        let wakes = frozen.filter(|host| rarely.wakes || self.is_overtaken(host));
        into.extend(wakes.map(|host| Action::Host(host.number, Doing::Wake)));
        if self.heals {
            self.recoveries(into);
        }
        if waits {
            into.push(Action::Wait);
        }
    }

    /// Whether another wrote progress while this host stood still with something under way: the moment at which it does
    /// most harm when it wakes.
    fn is_overtaken(&self, host: &Host) -> bool {
        host.owned.iter().any(|(partition, owned)| {
            owned.writer.before().is_some_and(|before| {
                !owned.writer.is_idle() && self.oracle.progress_of(*partition).is_some_and(|now| now > before)
            })
        })
    }

    /// What arrives, and what the broker still has to write.
    fn on_its_way(&self, into: &mut Vec<Action>) {
        for (number, flight) in &self.flights {
            let awaited = flight.from.owner == NOBODY || self.awaits(flight).is_some();
            match &flight.answer {
                Some(_) if self.is_heard(flight) => into.push(Action::Answer(*number)),
                None if awaited && self.broker.is_ready_for(&flight.request) => into.push(Action::Arrive(*number)),
                _ => {}
            }
        }
        into.extend(self.broker.unmarked().map(|(id, log)| Action::Mark(id, log)));
    }

    /// Everything that can go wrong now.
    pub(crate) fn faults(&self, into: &mut Vec<Action>) {
        let up = self.hosts.iter().filter(|host| host.life == Life::Up).count();
        for host in &self.hosts {
            let mut add = |doing| into.push(Action::Host(host.number, doing));
            match host.life {
                Life::Up => {
                    add(Doing::Crash);
                    // Somebody must be there to take over: a whole group that stands still learns nothing.
                    if up > 1 {
                        add(Doing::Freeze);
                        add(Doing::Stall);
                        // What is interrupted is what becomes interesting.
                        let weight = host.owned.values().map(|owned| owned.writer.weight()).sum();
                        (0..weight).for_each(|_| add(Doing::Stall));
                    }
                    if host.plugin.holds_tickets() {
                        add(Doing::Trap);
                    }
                    for (partition, owned) in &host.owned {
                        if owned.pending.is_some() {
                            (0..owned.writer.weight().max(1)).for_each(|_| add(Doing::TimeOut(*partition)));
                        }
                        owned.pending_commit.into_iter().for_each(|_| add(Doing::TimeOutCommit(*partition)));
                        if owned.is_leaving {
                            add(Doing::WalkAway(*partition));
                        }
                    }
                }
                Life::Frozen => add(Doing::Crash),
                Life::Down => add(Doing::Restart),
            }
        }
        for (number, flight) in &self.flights {
            into.push(Action::Lose(*number));
            if flight.answer.is_some() {
                continue;
            }
            let is_ready = self.broker.is_ready_for(&flight.request);
            if self.awaits(flight).is_none() {
                // The end of a transaction does more harm than what is in it.
                let weight = if matches!(flight.request, Request::End(..)) { 6 } else { 1 };
                into.extend((0..weight).filter(|_| is_ready).map(|_| Action::ArriveLate(*number)));
            } else if is_ready && !matches!(flight.request, Request::CommitGroup(_)) {
                into.push(Action::FailAbortable(*number));
                into.push(Action::FailFatal { number: *number, has_effect: true });
                into.push(Action::FailFatal { number: *number, has_effect: false });
            }
        }
        into.extend(self.broker.ongoing().map(|(id, _)| Action::TimeOutTransaction(id)));
        into.extend(self.group.members().map(|(member, _)| Action::Expel(member)));
        into.push(Action::Rebalance);
    }

    /// What puts right, in the end, what went wrong.
    fn recoveries(&self, into: &mut Vec<Action>) {
        let down = self.hosts.iter().filter(|host| host.life == Life::Down);
        into.extend(down.map(|host| Action::Host(host.number, Doing::Restart)));
        for (number, flight) in &self.flights {
            if flight.from.owner == NOBODY || self.awaits(flight).is_some() {
                continue;
            }
            match flight.answer {
                Some(_) => into.push(Action::Lose(*number)),
                None if self.broker.is_ready_for(&flight.request) => into.push(Action::ArriveLate(*number)),
                None => {}
            }
        }
        let lives = |owner: u64| self.hosts.iter().any(|host| host.owned.values().any(|owned| owned.owner == owner));
        let dead = self.broker.ongoing().filter(|(_, owner)| !lives(*owner));
        into.extend(dead.map(|(id, _)| Action::TimeOutTransaction(id)));
        let is_dead =
            |(member, host): &(u64, usize)| self.hosts.get(*host).is_none_or(|host| host.member != Some(*member));
        into.extend(self.group.members().filter(is_dead).map(|(member, _)| Action::Expel(member)));
    }
}

/// What a host can do for one of its partitions. Returns whether it waits for time to pass.
fn of_partition(host: &Host, partition: Part, owned: &Owned, ctx: &Ctx<'_>, add: &mut impl FnMut(Doing)) -> bool {
    if host.may_fetch(partition, ctx) {
        add(Doing::Fetch(partition));
    }
    if host.may_admit(partition, ctx) {
        add(Doing::Admit(partition));
    }
    if host.has_unfinished(partition) {
        add(Doing::Abandon(partition));
    }
    if host.may_give_up(partition) {
        add(Doing::GiveUp(partition));
    }
    if !ctx.is_exactly_once() {
        if host.has_unit(partition) {
            add(Doing::Deliver(partition));
        }
        if owned.has_to_commit() {
            add(Doing::Commit(partition));
        }
        return false;
    }
    if host.has_request(partition) {
        add(Doing::Write(partition));
    }
    if host.may_retake(partition, ctx) {
        add(Doing::Retake(partition));
    }
    let (waits, may_seal) = host.may_seal(partition, ctx);
    if may_seal {
        add(Doing::Seal(partition));
    }
    waits && !may_seal
}
