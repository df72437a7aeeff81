//! What follows from a call for each of its questions: an answer, or another try and when. Pure, given the entry.

use crate::api_error::{Failure, Passing};
use crate::call::Brought;
use crate::config::LookupConfig;
use crate::question::{Question, Reading};
use crate::queue::{Entry, SUSPECT_FROM};
use crate::revision::Verdict;
use millrace_flow::lookup::{Answer, LookupError, LookupErrorKind};

/// So often a question must fail by itself, while others of its target succeed, to be at fault.
const STRIKES_MAX: u32 = 3;

/// Of the calls that others made meanwhile, so many must have been answered for each that failed, and as many again, and
/// it must have been so before: a target that fails now and then is at fault itself.
const ANSWERED_PER_FAILURE: u64 = 8;

/// What a target's calls say of it. Suspects, which may fail for reasons of their own, vouch for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Calls that were answered, those of suspects included.
    pub(crate) answered: u64,
    /// Of these, the ones that vouch for the target.
    pub(crate) vouching: u64,
    /// Calls that failed, but for those of suspects.
    pub(crate) failed: u64,
    /// Of the last 64 of both kinds, the ones that failed, a bit each.
    recent: u64,
}

impl Tally {
    /// A call was answered that vouches for the target.
    pub(crate) fn vouch(&mut self) {
        self.vouching += 1;
        self.recent <<= 1;
    }

    /// A call failed that was not a suspect's.
    pub(crate) fn fail(&mut self) {
        self.failed += 1;
        self.recent = (self.recent << 1) | 1;
    }

    /// Whether the last calls were nearly all answered, but for `own` that failed.
    fn is_well(self, own: u64) -> bool {
        let recent = (self.vouching + self.failed).min(u64::from(u64::BITS));
        let failed = u64::from(self.recent.count_ones()).saturating_sub(own);
        failed * (ANSWERED_PER_FAILURE + 1) <= recent
    }
}

/// What becomes of a question.
#[derive(Debug)]
pub(crate) enum Next {
    /// It is answered. The page is known where the answer may be kept.
    Answer { answer: Answer, page_id: Option<u64> },
    /// It is asked again, after a wait in milliseconds.
    Again { wait_ms: u64, why: Why },
}

/// Why a question is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its call failed.
    Failed,
    /// It did not fit into the answer.
    Cut,
    /// It is unknown, but its event is young.
    Young,
}

/// What is known when a call is settled.
pub(crate) struct Circumstances<'a> {
    pub(crate) cfg: &'a LookupConfig,
    /// The time by the wall clock, in which events are born.
    pub(crate) wall_ms: u64,
    /// Questions in the call.
    pub(crate) questions: usize,
    /// The target's calls so far, this one included.
    pub(crate) tally: Tally,
    /// One draw for the whole call, so that its questions come back together.
    pub(crate) jitter: f64,
}

/// What becomes of the question of `entry`.
pub(crate) fn next(entry: &mut Entry, brought: &mut Result<Brought, Failure>, around: &Circumstances<'_>) -> Next {
    match (&entry.question, brought) {
        (_, Err(Failure::Passing(passing))) => failed(entry, passing, around),
        (_, Err(Failure::Final(error))) if is_unknown_revision(&entry.question, error) => unknown(entry, around),
        (_, Err(Failure::Final(error))) => refused(error.clone()),
        (_, Err(Failure::TooLarge(message))) => too_large(entry, message, around),
        (Question::Revision(question), Ok(Brought::Revisions(revisions))) => {
            let rev_id = question.rev_id;
            match revisions.verdicts.get(&rev_id) {
                Some(Verdict::Known { page_id, answer }) => {
                    Next::Answer { answer: answer.clone(), page_id: Some(*page_id) }
                }
                Some(Verdict::Bad) => unknown(entry, around),
                None => left_open(entry, rev_id, revisions.cut_before, around),
            }
        }
        (Question::Alone(_), Ok(Brought::Alone(reply))) => Next::Answer { answer: Ok(reply.clone()), page_id: None },
        (_, Ok(_)) => failed(entry, &odd("an answer of another kind"), around),
    }
}

/// A revision that the answer does not mention.
fn left_open(entry: &mut Entry, rev_id: u64, cut_before: Option<u64>, around: &Circumstances<'_>) -> Next {
    match cut_before {
        None => failed(entry, &odd("the revision is not in the answer"), around),
        Some(cut_before) if around.questions == 1 && cut_before != rev_id && cut_before != 0 => {
            failed(entry, &odd("the answer was cut before a revision that was not asked for"), around)
        }
        Some(_) if around.questions == 1 => refused(LookupError::new(
            LookupErrorKind::TooLarge,
            format!("revision {rev_id} is larger than its wiki puts into an answer"),
        )),
        Some(cut_before) => {
            // The one that did not fit may be larger than any answer: beside it no other would ever get through.
            entry.alone |= cut_before == rev_id || cut_before == 0;
            Next::Again { wait_ms: 0, why: Why::Cut }
        }
    }
}

/// A call that brought nothing for now.
fn failed(entry: &mut Entry, passing: &Passing, around: &Circumstances<'_>) -> Next {
    if around.questions == 1 && !passing.what.hits_everybody() && others_are_answered(entry, around.tally) {
        entry.strikes += 1;
    }
    entry.failures += 1;
    entry.answered_seen = around.tally.answered;
    if entry.strikes >= STRIKES_MAX {
        let message = format!("{} ({}), {STRIKES_MAX} times while others were answered", passing.what, passing.message);
        return refused(LookupError::new(LookupErrorKind::Unavailable, message));
    }
    let hint = passing.retry_after_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX));
    let wait_ms = around.cfg.retry.delay_ms(entry.failures, hint, around.jitter).unwrap_or(around.cfg.retry.cap_ms);
    Next::Again { wait_ms, why: Why::Failed }
}

/// Whether the target is well but for this question: it has answered others since this one last failed, and hardly
/// ever failed them since this one came.
fn others_are_answered(entry: &Entry, now: Tally) -> bool {
    let own = u64::from((entry.failures + 1).min(SUSPECT_FROM));
    let failed = now.failed.saturating_sub(entry.tally_then.failed).saturating_sub(own);
    let vouching = now.vouching.saturating_sub(entry.tally_then.vouching);
    now.answered > entry.answered_seen && vouching >= (failed + 1) * ANSWERED_PER_FAILURE && now.is_well(own)
}

fn odd(message: &str) -> Passing {
    Passing { what: crate::api_error::What::Malformed, retry_after_ms: None, message: message.to_owned() }
}

/// Whether an error means that a revision is unknown, as `badrevids` does.
fn is_unknown_revision(question: &Question, error: &LookupError) -> bool {
    let by_revision = match question {
        Question::Revision(_) => true,
        Question::Alone(alone) => matches!(alone.reading, Reading::Compare { .. } | Reading::Html { .. }),
    };
    by_revision && error.kind == LookupErrorKind::Missing
}

fn unknown(entry: &mut Entry, around: &Circumstances<'_>) -> Next {
    entry.asked_while_young += 1;
    match around.cfg.young.ask_again_ms(around.wall_ms, entry.born_ms, entry.asked_while_young) {
        Some(wait_ms) => Next::Again { wait_ms, why: Why::Young },
        None => refused(LookupError::new(
            LookupErrorKind::Missing,
            "the wiki does not know the revision, or its page is deleted",
        )),
    }
}

fn too_large(entry: &mut Entry, message: &str, around: &Circumstances<'_>) -> Next {
    if around.questions == 1 {
        return refused(LookupError::new(LookupErrorKind::TooLarge, message));
    }
    entry.alone = true;
    Next::Again { wait_ms: 0, why: Why::Cut }
}

fn refused(error: LookupError) -> Next {
    Next::Answer { answer: Err(error), page_id: None }
}

#[cfg(test)]
mod tests;
