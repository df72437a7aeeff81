//! The rules and limits of the contract whose breach is a guest fault, for one ticket. What a host says of single
//! documents (`output_invalid`) is not here.

use super::desk;
use crate::Describe;
use crate::bindings::millrace::plugin::types as wit;
use crate::limits::ASKS_OPEN_MAX;
use std::collections::BTreeSet;

/// Asks of a ticket in all: ends a plugin that asks in a circle.
const ASKS_MAX: usize = 1_000;

/// Bytes of an ask's params: arguments, not content.
const PARAMS_BYTES_MAX: usize = 64 * 1024;

/// Emissions of an outcome.
const EMISSIONS_MAX: usize = 1_000;

/// Bytes that a turn returns, unless a pipeline sets `limits.plugin.result`. A host counts a few bytes more: for each
/// list and each variant.
const RESULT_BYTES_MAX: usize = 64 << 20;

/// One ticket, held against the rules.
pub(super) struct Rules<'a> {
    describe: &'a Describe,
    ticket: u64,
    ids: BTreeSet<u32>,
    open: usize,
    is_done: bool,
}

impl<'a> Rules<'a> {
    pub(super) fn new(describe: &'a Describe, ticket: u64) -> Self {
        Self { describe, ticket, ids: BTreeSet::new(), open: 0, is_done: false }
    }

    /// Checks what one turn returned.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub(super) fn check(&mut self, outputs: &[wit::Output]) -> Result<(), String> {
        let bytes: usize = outputs.iter().map(output_bytes).sum();
        if bytes > RESULT_BYTES_MAX {
            return Err(format!("a turn returned {bytes} bytes, and may return {RESULT_BYTES_MAX}"));
        }
        outputs.iter().try_for_each(|output| match output {
            wit::Output::Ask(ask) => self.ask(ask),
            wit::Output::Done(done) => self.done(done),
        })
    }

    /// One of the asks has its answer.
    pub(super) fn answered(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    fn ask(&mut self, ask: &wit::Ask) -> Result<(), String> {
        self.check_ticket(ask.ticket)?;
        if !self.ids.insert(ask.id) {
            return Err(format!("two asks have the id {}", ask.id));
        }
        self.open += 1;
        if self.open > ASKS_OPEN_MAX {
            return Err(format!("more than {ASKS_OPEN_MAX} asks are open: await some first"));
        }
        if self.ids.len() > ASKS_MAX {
            return Err(format!("more than {ASKS_MAX} asks: does it loop?"));
        }
        if !self.describe.lookups.contains(&ask.kind) {
            return Err(format!("lookup {} is not in `describe`", ask.kind));
        }
        if ask.params.len() > PARAMS_BYTES_MAX {
            return Err(format!("the params of ask {} have more than {PARAMS_BYTES_MAX} bytes", ask.id));
        }
        check_blobs(&ask.body)
    }

    fn done(&mut self, done: &wit::Done) -> Result<(), String> {
        self.check_ticket(done.ticket)?;
        if std::mem::replace(&mut self.is_done, true) {
            return Err(format!("two `done` for ticket {}", done.ticket));
        }
        let wit::Outcome::Emit(emissions) = &done.outcome else { return Ok(()) };
        if emissions.is_empty() {
            return Err("an empty `emit`: say `skip`".to_owned());
        }
        if emissions.len() > EMISSIONS_MAX {
            return Err(format!("{} emissions, and an outcome may have {EMISSIONS_MAX}", emissions.len()));
        }
        emissions.iter().try_for_each(|emission| self.emission(emission))
    }

    fn emission(&self, emission: &wit::Emission) -> Result<(), String> {
        if !self.describe.outputs.contains_key(&emission.output) {
            return Err(format!("output {} is not in `describe`", emission.output));
        }
        values(&emission.document).try_for_each(check_blobs)
    }

    fn check_ticket(&self, ticket: u64) -> Result<(), String> {
        if ticket == self.ticket { Ok(()) } else { Err(format!("ticket {ticket} is not open")) }
    }
}

fn check_blobs(pieces: &[wit::Piece]) -> Result<(), String> {
    pieces.iter().try_for_each(|piece| match piece {
        wit::Piece::Bytes(_) => Ok(()),
        wit::Piece::Blob(id) | wit::Piece::JsonString(id) if desk::has_blob(*id) => Ok(()),
        wit::Piece::Blob(id) | wit::Piece::JsonString(id) => Err(format!("blob {id} is unknown, or its event is done")),
    })
}

/// The values that a document is written from.
fn values(document: &wit::Document) -> Box<dyn Iterator<Item = &[wit::Piece]> + '_> {
    match document {
        wit::Document::Whole(pieces) => Box::new(std::iter::once(pieces.as_slice())),
        wit::Document::Patch(edits) => Box::new(edits.iter().filter_map(|edit| match &edit.change {
            wit::Change::Set(pieces) => Some(pieces.as_slice()),
            wit::Change::Remove => None,
        })),
        wit::Document::Tombstone => Box::new(std::iter::empty()),
    }
}

fn output_bytes(output: &wit::Output) -> usize {
    let of_failure = |failure: &wit::Failure| {
        failure.kind.len() + failure.message.len() + failure.stack.as_ref().map_or(0, String::len)
    };
    match output {
        wit::Output::Ask(ask) => ask.kind.len() + ask.params.len() + pieces_bytes(&ask.body),
        wit::Output::Done(done) => match &done.outcome {
            wit::Outcome::Emit(emissions) => emissions.iter().map(emission_bytes).sum(),
            wit::Outcome::Skip(reason) => reason.len(),
            wit::Outcome::Retry(hint) => of_failure(&hint.failure),
            wit::Outcome::Fail(failure) => of_failure(failure),
        },
    }
}

fn emission_bytes(emission: &wit::Emission) -> usize {
    let headers = emission.headers.iter().map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len));
    let paths = match &emission.document {
        wit::Document::Patch(edits) => edits.iter().map(|edit| edit.path.len()).sum(),
        wit::Document::Whole(_) | wit::Document::Tombstone => 0,
    };
    let values: usize = values(&emission.document).map(pieces_bytes).sum();
    emission.output.len() + emission.key.as_ref().map_or(0, Vec::len) + headers.sum::<usize>() + paths + values
}

fn pieces_bytes(pieces: &[wit::Piece]) -> usize {
    let bytes = pieces.iter().map(|piece| match piece {
        wit::Piece::Bytes(bytes) => bytes.len(),
        wit::Piece::Blob(_) | wit::Piece::JsonString(_) => size_of::<u64>(),
    });
    bytes.sum()
}

#[cfg(test)]
mod tests;
