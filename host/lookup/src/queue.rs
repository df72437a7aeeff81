//! What waits for one target: every distinct question once, with all who wait for its answer. Pure: which questions go
//! into the next call is decided here, when it may go is not.
//!
//! Its length is bounded by the tickets that the host holds and the asks that a ticket may have open.

use crate::config::REVISIONS_PER_CALL_MAX;
use crate::grants::{Asker, Scope};
use crate::question::{Question, ShareKey};
use crate::ready::{Ready, Turn};
use crate::service::AnswerSink;
use crate::settle::Tally;
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::sync::Arc;

/// How many waiting questions are looked at to fill a call: those that ask for other slots are passed over.
const LOOK_AHEAD: usize = 400;

/// Questions that have failed go out in smaller calls, so that one that makes the API stumble is soon alone.
const REVISIONS_AFTER_FIRST_FAILURE: usize = 7;

/// From so many failures on a question goes alone, and what becomes of it says nothing about its target.
pub(crate) const SUSPECT_FROM: u32 = 2;

/// Who waits for an answer.
#[derive(Clone)]
pub(crate) struct Waiter {
    pub(crate) token: u64,
    pub(crate) ask_id: u32,
    pub(crate) sink: Arc<dyn AnswerSink>,
}

/// One question and everything that is known of it.
pub(crate) struct Entry {
    pub(crate) question: Question,
    pub(crate) key: ShareKey,
    pub(crate) scope: Arc<Scope>,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) expected_bytes: u64,
    pub(crate) born_ms: Option<i64>,
    /// Calls that brought nothing.
    pub(crate) failures: u32,
    /// Of these, the ones that are its own fault.
    pub(crate) strikes: u32,
    /// The target's calls when it came.
    pub(crate) tally_then: Tally,
    /// The target's answered calls when it last failed (or came).
    pub(crate) answered_seen: u64,
    /// How often it was unknown.
    pub(crate) asked_while_young: u32,
    /// It does not fit beside others.
    pub(crate) alone: bool,
    /// Where it is.
    pub(crate) stage: Stage,
    /// The pipelines that ask it; the queue's own note.
    pub(crate) askers: Vec<Asker>,
}

/// Where a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It could go now.
    Ready,
    /// A call for it has left.
    UnderWay,
    /// Its call brought nothing, and it is not to be asked yet.
    Resting,
}

/// What a call takes along of an entry.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) id: u64,
    pub(crate) question: Question,
    pub(crate) scope: Arc<Scope>,
    pub(crate) expected_bytes: u64,
    /// Its calls that brought nothing.
    pub(crate) failures: u32,
}

impl Taken {
    /// The revision that is asked for, where it is one.
    pub(crate) fn rev_id(&self) -> Option<u64> {
        match &self.question {
            Question::Revision(question) => Some(question.rev_id),
            Question::Alone(_) => None,
        }
    }
}

/// The bounds of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallBounds {
    pub(crate) revisions_max: usize,
    pub(crate) expected_bytes_max: u64,
}

/// What became of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It waits.
    Queued,
    /// The same is asked already, and waits.
    Joined,
    /// The same is asked already, and its call has left.
    JoinedUnderWay,
}

/// What waits for one target.
#[derive(Default)]
pub(crate) struct Queue {
    entries: FxHashMap<u64, Entry>,
    shares: FxHashMap<ShareKey, u64>,
    ready: Ready,
    /// Entries whose calls have left.
    under_way: usize,
    next_id: u64,
}

impl Queue {
    /// Lets a question in, or its waiters join the same one.
    pub(crate) fn enter(&mut self, mut entry: Entry) -> Entered {
        let asker = entry.scope.asker.clone();
        if let MapEntry::Occupied(share) = self.shares.entry(entry.key.clone())
            && let Some(same) = self.entries.get_mut(share.get())
        {
            same.waiters.extend(entry.waiters);
            same.born_ms = same.born_ms.max(entry.born_ms);
            if !same.askers.contains(&asker) {
                // Whoever joins does not wait behind all that the first one asks: a live pipeline lifts what a backfill
                // asks.
                if same.stage == Stage::Ready {
                    self.ready.push(&asker, *share.get());
                }
                same.askers.push(asker);
            }
            return if same.stage == Stage::UnderWay { Entered::JoinedUnderWay } else { Entered::Joined };
        }
        let id = self.next_id;
        self.next_id += 1;
        self.shares.insert(entry.key.clone(), id);
        self.ready.push(&asker, id);
        entry.askers.push(asker);
        self.entries.insert(id, entry);
        Entered::Queued
    }

    /// The questions that could go now.
    pub(crate) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Questions in all: ready, under way, or waiting to be asked again.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Questions for which no call is under way.
    pub(crate) fn waiting(&self) -> usize {
        self.entries.len().saturating_sub(self.under_way)
    }

    /// Questions whose call is under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }

    /// An entry that is under way or waits.
    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// A question's call brought nothing: it waits again. Returns the tokens that wait for it.
    pub(crate) fn come_back(&mut self, id: u64) -> impl Iterator<Item = u64> {
        let mut entry = self.entries.get_mut(&id).filter(|entry| entry.stage == Stage::UnderWay);
        if let Some(entry) = &mut entry {
            entry.stage = Stage::Resting;
            self.under_way = self.under_way.saturating_sub(1);
        }
        entry.into_iter().flat_map(|entry| entry.waiters.iter().map(|waiter| waiter.token))
    }

    /// The tokens that wait for a question.
    pub(crate) fn tokens(&self, id: u64) -> impl Iterator<Item = u64> {
        self.entries.get(&id).into_iter().flat_map(|entry| entry.waiters.iter().map(|waiter| waiter.token))
    }

    /// Takes a question out for good.
    pub(crate) fn finish(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.shares.remove(&entry.key);
        if entry.stage == Stage::UnderWay {
            self.under_way = self.under_way.saturating_sub(1);
        }
        Some(entry)
    }

    /// Lets questions that came back be asked again, behind those that wait.
    pub(crate) fn again(&mut self, ids: &[u64]) {
        for id in ids {
            let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.stage == Stage::Resting) else { continue };
            entry.stage = Stage::Ready;
            entry.askers.iter().for_each(|asker| self.ready.push(asker, *id));
        }
    }

    /// Takes the next call's questions, of those whose `turn` it is: the oldest one, and what fits beside it. They stay in
    /// the books until they are finished, so that others can join. Those for whom nobody waits any more (`is_wanted`) are
    /// dropped.
    pub(crate) fn take(
        &mut self,
        turn: &Turn,
        bounds: CallBounds,
        is_wanted: &mut dyn FnMut(u64) -> bool,
    ) -> Vec<Taken> {
        let mut call = CallSoFar::new(bounds);
        let mut passed_over = Vec::new();
        for _ in 0..LOOK_AHEAD {
            if call.is_full() {
                break;
            }
            let Some((asker, id)) = self.ready.pop(turn) else { break };
            // Another pipeline's turn may have taken it already.
            let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.stage == Stage::Ready) else { continue };
            entry.waiters.retain(|waiter| is_wanted(waiter.token));
            if entry.waiters.is_empty() {
                self.finish(id);
            } else if call.add(id, entry) {
                entry.stage = Stage::UnderWay;
                self.under_way += 1;
            } else {
                passed_over.push((asker, id));
            }
        }
        self.ready.put_back(passed_over);
        call.taken
    }

    /// Drops the questions for whom nobody waits any more.
    pub(crate) fn sweep(&mut self, is_wanted: &mut dyn FnMut(u64) -> bool) {
        let Self { entries, shares, ready, .. } = self;
        ready.retain(&mut |id| {
            let Some(entry) = entries.get_mut(&id).filter(|entry| entry.stage == Stage::Ready) else { return false };
            entry.waiters.retain(|waiter| is_wanted(waiter.token));
            if entry.waiters.is_empty() {
                shares.remove(&entry.key);
                entries.remove(&id);
                return false;
            }
            true
        });
    }
}

/// A call that is being filled.
struct CallSoFar {
    taken: Vec<Taken>,
    bounds: CallBounds,
    bytes: u64,
    is_closed: bool,
}

impl CallSoFar {
    fn new(bounds: CallBounds) -> Self {
        Self { taken: Vec::new(), bounds, bytes: 0, is_closed: false }
    }

    fn is_full(&self) -> bool {
        self.is_closed || self.taken.len() >= self.bounds.revisions_max
    }

    /// Adds an entry, if it fits beside what is there. The first one always does.
    fn add(&mut self, id: u64, entry: &Entry) -> bool {
        let together = together_max(entry);
        let fits = match self.taken.first() {
            None => true,
            Some(first) => {
                self.taken.len() < together
                    && self.bytes + entry.expected_bytes <= self.bounds.expected_bytes_max
                    && goes_with(&first.question, &entry.question)
            }
        };
        if fits {
            self.bytes += entry.expected_bytes;
            self.bounds.revisions_max = self.bounds.revisions_max.min(together);
            self.is_closed = together == 1;
            let (question, scope) = (entry.question.clone(), Arc::clone(&entry.scope));
            let (expected_bytes, failures) = (entry.expected_bytes, entry.failures);
            self.taken.push(Taken { id, question, scope, expected_bytes, failures });
        }
        fits
    }
}

/// With how many others a question may share a call, itself included.
fn together_max(entry: &Entry) -> usize {
    match (&entry.question, entry.failures) {
        (Question::Alone(_), _) => 1,
        (Question::Revision(_), _) if entry.alone => 1,
        (Question::Revision(_), 0) => REVISIONS_PER_CALL_MAX,
        (Question::Revision(_), SUSPECT_FROM..) => 1,
        (Question::Revision(_), _) => REVISIONS_AFTER_FIRST_FAILURE,
    }
}

/// Whether two questions can be put in one call: revisions of which the same slots are asked.
fn goes_with(first: &Question, other: &Question) -> bool {
    match (first, other) {
        (Question::Revision(first), Question::Revision(other)) => first.slots == other.slots,
        (Question::Alone(_), _) | (_, Question::Alone(_)) => false,
    }
}

#[cfg(test)]
mod tests;
