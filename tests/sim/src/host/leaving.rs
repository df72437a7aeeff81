//! Partitions that come and go: assigned, drained and given up, lost.

use super::Host;
use crate::ctx::Ctx;
use crate::fact::Fact;
use crate::input::Part;
use crate::mutant::Mutant;
use crate::owned::Owned;

impl Host {
    /// Takes a partition over.
    pub(crate) fn assign(&mut self, partition: Part, owner: u64, ctx: &mut Ctx<'_>) {
        let mut owned = Owned::new(partition, self.number, owner, ctx.plan, ctx.mutant);
        if !ctx.is_exactly_once() {
            ctx.oracle.took_over(partition, owner);
            let progress = ctx.group.committed(partition).and_then(|record| record.progress().ok());
            owned.resume(progress.unwrap_or_default());
        }
        self.owned.insert(partition, owned);
    }

    /// Revoked: nothing of it is started any more. What runs may still finish.
    pub(crate) fn begin_leaving(&mut self, partition: Part, ctx: &mut Ctx<'_>) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        owned.is_leaving = true;
        owned.backlog.clear();
        let waiting = owned.lanes.clear();
        let is_ours = |id: &u64| self.jobs.get(id).is_some_and(|job| job.partition == partition);
        let ready: Vec<u64> = self.ready.iter().copied().filter(is_ours).collect();
        for id in waiting.into_iter().chain(ready) {
            self.abandon(id, ctx);
        }
    }

    /// Whether a partition that leaves has events that are neither given up nor on their way out.
    pub(crate) fn has_unfinished(&self, partition: Part) -> bool {
        let Some(owned) = self.owned.get(&partition) else { return false };
        let is_unfinished = |offset: i64, ended: bool| !ended || owned.held.contains_key(&offset);
        let mut jobs = self.jobs.values().filter(|job| job.partition == partition);
        owned.is_leaving && jobs.any(|job| is_unfinished(job.offset, job.ending.is_some()))
    }

    /// The time to drain is over: what has not finished is given up.
    pub(crate) fn abandon_unfinished(&mut self, partition: Part, ctx: &mut Ctx<'_>) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let held = std::mem::take(&mut owned.held);
        let jobs = self.jobs.iter().filter(|(_, job)| job.partition == partition);
        let unfinished: Vec<u64> = jobs
            .filter(|(id, job)| job.ending.is_none() || held.values().any(|held| held == *id))
            .map(|(id, _)| *id)
            .collect();
        for id in unfinished {
            self.abandon(id, ctx);
        }
    }

    /// Gives one event up: the next owner runs it.
    pub(super) fn abandon(&mut self, id: u64, ctx: &mut Ctx<'_>) {
        self.ready.retain(|ready| *ready != id);
        let Some(job) = self.jobs.remove(&id) else { return };
        ctx.notes.count(Fact::Abandoned);
        self.admission.release(job.reserved);
        job.ticket.into_iter().for_each(|ticket| self.plugin.end(ticket));
        if ctx.breaks(Mutant::SettleAbandoned)
            && let Some(owned) = self.owned.get_mut(&job.partition)
        {
            owned.ledger.settle(job.offset);
            owned.has_moved = !ctx.is_exactly_once();
        }
    }

    /// Whether a partition that leaves has nothing more to do here.
    pub(crate) fn may_give_up(&self, partition: Part) -> bool {
        let Some(owned) = self.owned.get(&partition) else { return false };
        let is_written = !owned.is_ready
            || owned.writer.rests()
            || (owned.gathering.is_idle() && owned.pending_commit.is_none() && !owned.has_to_commit());
        owned.is_leaving && is_written && !self.jobs.values().any(|job| job.partition == partition)
    }

    /// Gives a partition up.
    pub(crate) fn give_up(&mut self, partition: Part, ctx: &mut Ctx<'_>) {
        self.drop_partition(partition);
        if let Some(member) = self.member {
            ctx.group.give_up(partition, member);
        }
    }

    /// The group gave this host up: everything that it holds is another's by now.
    pub(crate) fn lose_all(&mut self, ctx: &mut Ctx<'_>) {
        let lost: Vec<Part> = self.owned.keys().copied().collect();
        for partition in lost {
            ctx.notes.count(Fact::Lost);
            self.drop_partition(partition);
        }
        self.member = None;
    }

    fn drop_partition(&mut self, partition: Part) {
        self.clear(partition);
        self.owned.remove(&partition);
    }

    /// Forgets everything that is open in a partition.
    pub(super) fn clear(&mut self, partition: Part) {
        let ours: Vec<u64> =
            self.jobs.iter().filter(|(_, job)| job.partition == partition).map(|(id, _)| *id).collect();
        for id in ours {
            self.ready.retain(|ready| *ready != id);
            let Some(job) = self.jobs.remove(&id) else { continue };
            self.admission.release(job.reserved);
            job.ticket.into_iter().for_each(|ticket| self.plugin.end(ticket));
        }
    }
}
