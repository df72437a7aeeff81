//! At-least-once: outputs leave as they come, and progress follows to the group once they are acknowledged.

use super::Host;
use crate::ctx::Ctx;
use crate::fact::Fact;
use crate::input::{Output, Part};
use crate::mutant::Mutant;
use crate::network::{Answer, GroupCommit, Request};
use crate::owned::Unit;

impl Host {
    pub(crate) fn has_unit(&self, partition: Part) -> bool {
        self.owned
            .get(&partition)
            .is_some_and(|owned| owned.pending.is_none() && (owned.unit.is_some() || !owned.outbox.is_empty()))
    }

    /// Deliver: the next outputs of the unit under way, or of a new one.
    pub(crate) fn deliver(&mut self, partition: Part, ctx: &Ctx<'_>) -> Option<Request> {
        let owned = self.owned.get_mut(&partition)?;
        if owned.unit.is_none() {
            let jobs = std::mem::take(&mut owned.outbox);
            let mut outputs = Vec::new();
            for id in &jobs {
                let ending = self.jobs.get(id).and_then(|job| job.ending.as_ref());
                outputs
                    .extend(ending.into_iter().flat_map(|ending| &ending.outputs).map(|output| (*id, output.clone())));
            }
            owned.unit = Some(Unit { jobs, outputs, next: 0 });
        }
        let unit = owned.unit.as_ref()?;
        let outputs: Vec<Output> =
            unit.outputs.iter().skip(unit.next).take(ctx.plan.chunk).map(|(_, output)| output.clone()).collect();
        if ctx.breaks(Mutant::SettleWhenSent) {
            let jobs = unit.jobs.clone();
            jobs.into_iter().for_each(|id| self.settle_early(id));
        }
        Some(Request::Append(outputs))
    }

    /// An answer for the unit under way. Without a good one the same outputs are sent again.
    pub(crate) fn delivered(&mut self, partition: Part, answer: &Answer, ctx: &mut Ctx<'_>) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        owned.pending = None;
        let Some(unit) = &mut owned.unit else { return };
        match answer {
            Answer::Done => unit.next += ctx.plan.chunk,
            Answer::Refused(index) => {
                let at = unit.next + index;
                let Some((id, _)) = unit.outputs.get(at).cloned() else { return };
                ctx.notes.count(Fact::Refused);
                let error = self.jobs.get(&id).and_then(|job| job.ending.as_ref()).map(|ending| ending.error.clone());
                // Those before it in the request were not written either, so they are sent again.
                let rest = unit.outputs.split_off(at);
                let written = unit.outputs.iter().take(unit.next).filter(|(job, _)| *job == id).count();
                unit.next -= written;
                unit.outputs.retain(|(job, _)| *job != id);
                if !ctx.breaks(Mutant::DropRefused) {
                    unit.outputs.extend(error.map(|error| (id, error)));
                }
                unit.outputs.extend(rest.into_iter().filter(|(job, _)| *job != id));
            }
            _ => {}
        }
        if unit.next < unit.outputs.len() {
            return;
        }
        let jobs = owned.unit.take().map(|unit| unit.jobs).unwrap_or_default();
        jobs.into_iter().for_each(|id| self.settle(id));
        self.release_held(partition, ctx);
    }

    pub(super) fn settle(&mut self, id: u64) {
        self.settle_early(id);
        if let Some(job) = self.jobs.remove(&id) {
            self.admission.release(job.reserved);
        }
    }

    fn settle_early(&mut self, id: u64) {
        let Some(job) = self.jobs.get(&id) else { return };
        if let Some(owned) = self.owned.get_mut(&job.partition) {
            owned.ledger.settle(job.offset);
            owned.truth.insert(job.offset);
            owned.has_moved = true;
        }
    }

    /// Commit: what moved since the last one, or what was not taken.
    pub(crate) fn commit(&mut self, partition: Part, ctx: &mut Ctx<'_>) -> Option<Request> {
        let (member, generation) = (self.member?, self.generation);
        let commit = self.owned.get_mut(&partition)?.next_commit(member, generation, ctx.mutant)?;
        ctx.oracle.fits(&commit.record, ctx.plan);
        if ctx.breaks(Mutant::CommitAfterGivenUp) {
            self.former.insert(partition, commit.clone());
        }
        Some(Request::CommitGroup(commit))
    }

    /// An answer for the commit under way.
    pub(crate) fn committed_to_group(&mut self, partition: Part, answer: &Answer, ctx: &mut Ctx<'_>) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        owned.pending_commit = None;
        if matches!(answer, Answer::Stale) {
            ctx.notes.count(Fact::StaleCommit);
        }
        if !matches!(answer, Answer::Done) && !ctx.breaks(Mutant::ForgetUncommitted) {
            owned.uncommitted = true;
        }
    }

    /// A mutant's: the last commit of a partition that is another's by now, with the newest generation.
    pub(crate) fn commit_former(&mut self, partition: Part) -> Option<Request> {
        let commit = self.former.remove(&partition)?;
        Some(Request::CommitGroup(GroupCommit { member: self.member?, generation: self.generation, ..commit }))
    }
}
