//! Exactly-once: results become transactions, and what comes of those.

use super::Host;
use crate::ctx::Ctx;
use crate::fact::Fact;
use crate::input::Part;
use crate::mutant::Mutant;
use crate::network::{Answer, GroupCommit, Request};
use crate::owned::Owned;
use crate::writer::{Batch, News};
use millrace_flow::progress::{Progress, ProgressBudget};
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::transactions::Resolution;

impl Host {
    /// Whether results wait for a transaction, and whether it may begin now.
    pub(crate) fn may_seal(&self, partition: Part, ctx: &Ctx<'_>) -> (bool, bool) {
        let Some(owned) = self.owned.get(&partition) else { return (false, false) };
        let waits = owned.writer.is_idle() && owned.is_ready && !owned.gathering.is_idle();
        (waits, waits && owned.gathering.is_due(&ctx.plan.transactions, ctx.now, owned.is_leaving))
    }

    /// Seal: what gathered becomes a transaction, with the progress that counts it.
    pub(crate) fn seal(&mut self, partition: Part, ctx: &mut Ctx<'_>) -> Option<Request> {
        let copy = {
            let owned = self.owned.get_mut(&partition)?;
            let ids = owned.gathering.begin(ctx.now);
            let mut outputs = Vec::new();
            for id in &ids {
                let Some(job) = self.jobs.get(id) else { continue };
                owned.ledger.settle(job.offset);
                let own = job.ending.as_ref().map_or(&[][..], |ending| &ending.outputs);
                outputs.extend(own.iter().map(|output| (*id, output.clone())));
            }
            let record = owned.next_record(ctx.mutant)?;
            ctx.oracle.fits(&record, ctx.plan);
            owned.writer.write(ids, outputs, record.clone());
            record
        };
        if ctx.breaks(Mutant::PublishBeforeCommit) { self.copy(copy) } else { None }
    }

    /// The next request of a partition's writer, if it has one and none is under way.
    pub(crate) fn next_request(&mut self, partition: Part, ctx: &mut Ctx<'_>) -> Option<Request> {
        let owned = self.owned.get_mut(&partition)?;
        if ctx.breaks(Mutant::LateProgress)
            && owned.writer.is_at_progress()
            && let Some(record) = owned.next_record(ctx.mutant)
            && let Some(batch) = &mut owned.writer.batch
        {
            batch.record = record;
        }
        owned.writer.request()
    }

    pub(crate) fn has_request(&self, partition: Part) -> bool {
        self.owned.get(&partition).is_some_and(|owned| owned.pending.is_none() && owned.writer.request().is_some())
    }

    /// An answer for a partition's writer; what it makes necessary may be another request, for which nobody waits.
    pub(crate) fn written(&mut self, partition: Part, answer: Answer, ctx: &mut Ctx<'_>) -> Option<Request> {
        let owned = self.owned.get_mut(&partition)?;
        owned.pending = None;
        match owned.writer.answered(answer) {
            News::Nothing => None,
            News::TakenOver(found) => {
                take_over(owned, partition, found, ctx);
                None
            }
            News::Refused(job) => {
                self.replace(partition, job, ctx);
                None
            }
            News::Fenced => {
                ctx.notes.count(Fact::Fenced);
                self.rest(partition);
                None
            }
            News::Committed(batch) => self.committed(partition, batch, ctx),
            News::Resolved(resolution, batch) => {
                ctx.notes.say(|| format!("h{} p{partition}: resolved as {resolution:?}", self.number));
                self.resolved(partition, resolution, batch, ctx)
            }
        }
    }

    fn resolved(
        &mut self,
        partition: Part,
        resolution: Resolution,
        batch: Option<Batch>,
        ctx: &mut Ctx<'_>,
    ) -> Option<Request> {
        match resolution {
            Resolution::Committed => {
                ctx.notes.count(Fact::ResolvedCommitted);
                self.committed(partition, batch?, ctx)
            }
            Resolution::Aborted => {
                ctx.notes.count(Fact::ResolvedAborted);
                None
            }
            Resolution::NotOurs => {
                ctx.notes.count(Fact::ResolvedNotOurs);
                self.rest(partition);
                None
            }
        }
    }

    /// A batch is committed: its events are through, and the group gets a copy of the progress.
    fn committed(&mut self, partition: Part, batch: Batch, ctx: &mut Ctx<'_>) -> Option<Request> {
        for id in &batch.jobs {
            if let Some(job) = self.jobs.remove(id) {
                self.admission.release(job.reserved);
            }
        }
        let owned = self.owned.get_mut(&partition)?;
        owned.gathering.ended();
        if let Some(first) = owned.first.take() {
            ctx.notes.count(Fact::FirstProgress);
            owned.resume(first);
        }
        self.release_held(partition, ctx);
        self.copy(batch.record)
    }

    fn copy(&self, record: ProgressRecord) -> Option<Request> {
        let fits = record.text.len() <= ProgressBudget::COMMIT_METADATA.chars();
        let text = if fits { record.text } else { String::new() };
        let record = ProgressRecord { text, ..record };
        Some(Request::CommitGroup(GroupCommit {
            member: self.member?,
            generation: self.generation,
            record,
            truth: Vec::new(),
        }))
    }

    /// An error event takes the place of what a topic refused; the batch is written again.
    fn replace(&mut self, partition: Part, id: u64, ctx: &mut Ctx<'_>) {
        ctx.notes.count(Fact::Refused);
        let error = self.jobs.get(&id).and_then(|job| job.ending.as_ref()).map(|ending| ending.error.clone());
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let (Some(error), Some(batch)) = (error, &mut owned.writer.batch) else { return };
        if ctx.breaks(Mutant::DropRefused) {
            batch.outputs.retain(|(_, output)| !output.refused || output.id.offset != error.id.offset);
            return;
        }
        let at = batch.outputs.iter().position(|(job, _)| *job == id).unwrap_or_default();
        batch.outputs.retain(|(job, _)| *job != id);
        batch.outputs.insert(at.min(batch.outputs.len()), (id, error));
    }

    /// Fenced: the partition is dropped with everything in it, and rests.
    fn rest(&mut self, partition: Part) {
        self.clear(partition);
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.is_ready = false;
            owned.backlog.clear();
        }
    }

    /// Whether a partition that was fenced may be taken over anew: the group still takes this host's commits.
    pub(crate) fn may_retake(&self, partition: Part, ctx: &Ctx<'_>) -> bool {
        let rests = self.owned.get(&partition).is_some_and(|owned| owned.writer.rests() && !owned.is_leaving);
        rests && self.member.is_some_and(|member| ctx.group.takes_commits(member, self.generation))
    }

    pub(crate) fn retake(&mut self, partition: Part, owner: u64, ctx: &mut Ctx<'_>) {
        ctx.notes.count(Fact::Retaken);
        self.owned.insert(partition, Owned::new(partition, self.number, owner, ctx.plan, ctx.mutant));
    }
}

/// Goes on where the progress record ends. Without one, the group's progress or the start of the log is written as the first;
/// and so is the group's where it counted on without the record.
fn take_over(owned: &mut Owned, partition: Part, found: Option<ProgressRecord>, ctx: &mut Ctx<'_>) {
    let progress = |record: &ProgressRecord| record.progress().unwrap_or_default();
    let copy = ctx.group.committed(partition).filter(|_| !ctx.breaks(Mutant::IgnoreGroup)).map(progress);
    owned.first = None;
    let trusts_copy = ctx.breaks(Mutant::TrustGroupCopy) || ctx.breaks(Mutant::PublishBeforeCommit);
    match (found, copy) {
        (Some(found), Some(copy)) if trusts_copy => {
            owned.writer.resume(found);
            owned.resume(copy);
        }
        (Some(found), copy) if copy.as_ref().is_none_or(|copy| copy.serial <= progress(&found).serial) => {
            let progress = progress(&found);
            owned.writer.resume(found);
            owned.resume(progress);
        }
        (found, copy) => {
            if copy.is_some() {
                ctx.notes.count(if found.is_some() { Fact::GroupAhead } else { Fact::BeganAtGroup });
            }
            let mut first: Progress = copy.unwrap_or_default();
            if ctx.breaks(Mutant::IgnoreGroupText) {
                first = Progress { serial: first.serial, ..Progress::at(first.prefix) };
            }
            owned.writer.write(Vec::new(), Vec::new(), ProgressRecord::of(&first, None));
            owned.first = Some(first);
        }
    }
}
