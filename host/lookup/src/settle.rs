//! What follows from a call for each of its questions: an answer, or another try and when. Pure, given the entry.

use crate::api_error::{Failure, Passing};
use crate::call::Brought;
use crate::config::LookupConfig;
use crate::question::{Question, Reading};
use crate::queue::Entry;
use crate::revision::Verdict;
use millrace_flow::lookup::{Answer, LookupError, LookupErrorKind};

/// So often a question must fail by itself, while others of its target succeed, to be at fault.
const STRIKES_MAX: u32 = 3;

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
    pub(crate) now_ms: u64,
    /// Questions in the call.
    pub(crate) questions: usize,
    /// Calls that the target has answered, this one included.
    pub(crate) successes: u64,
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
    entry.failures += 1;
    let others_succeed = around.successes > entry.successes_seen;
    if around.questions == 1 && others_succeed && !passing.what.hits_everybody() {
        entry.strikes += 1;
    }
    entry.successes_seen = around.successes;
    if entry.strikes >= STRIKES_MAX {
        let message = format!("{} ({}), {STRIKES_MAX} times while others were answered", passing.what, passing.message);
        return refused(LookupError::new(LookupErrorKind::Unavailable, message));
    }
    let hint = passing.retry_after_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX));
    let wait_ms = around.cfg.retry.delay_ms(entry.failures, hint, around.jitter).unwrap_or(around.cfg.retry.cap_ms);
    Next::Again { wait_ms, why: Why::Failed }
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
    match around.cfg.young.ask_again_ms(around.now_ms, entry.born_ms, entry.asked_while_young) {
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
