//! Between the contract's types and the plain data of `flow`. Into a guest everything is borrowed; out of it everything
//! is checked: blobs must be the ticket's own, outputs and lookups must be described.

use crate::bindings::types as wit;
use crate::describe::Describe;
use crate::event::{Event, Payload};
use crate::limits::Limits;
use crate::transcript::Exchange;
use crate::view::{BrokenRule, View};
use bytes::Bytes;
use millrace_flow::blob::Piece;
use millrace_flow::lookup::{Answer, Ask};
use millrace_flow::outcome::{Change, Edit, Emission, EmittedDocument, Failure, Outcome};
use millrace_flow::record::Header;
use millrace_flow::state::{DueTimer, TimerClock};

/// The headers of an event, borrowed.
pub(crate) fn headers(event: &Event) -> Vec<wit::HeaderParam<'_>> {
    let borrow = |header| {
        let Header { name, value }: &Header = header;
        wit::HeaderParam { name, value: value.as_deref() }
    };
    event.headers.iter().map(borrow).collect()
}

/// An event for the guest. `large` is the number of its document where that is large.
pub(crate) fn event<'a>(
    ticket: u64,
    event: &'a Event,
    headers: &'a [wit::HeaderParam<'a>],
    large: Option<wit::Blob>,
) -> wit::Input<'a> {
    let value = match (&event.value, large) {
        (None, _) => None,
        (Some(Payload::Inline(bytes)), _) => Some(wit::Payload::Inline(bytes)),
        (Some(Payload::Large(_)), large) => large.map(wit::Payload::Large),
    };
    // A record's offset and partition are never negative; a made-up one is shown as 0.
    let source = wit::Source {
        topic: &event.source.topic,
        partition: u32::try_from(event.source.partition).unwrap_or(0),
        offset: u64::try_from(event.offset).unwrap_or(0),
    };
    wit::Input::Event(wit::Event {
        ticket,
        input: &event.input,
        source,
        timestamp_ms: event.timestamp_ms,
        key: event.key.as_deref(),
        value,
        headers,
        attempt: event.attempt,
    })
}

/// A timer for the guest.
pub(crate) fn timer(ticket: u64, timer: &DueTimer) -> wit::Input<'_> {
    let clock = match timer.clock {
        TimerClock::EventTime => wit::Clock::EventTime,
        TimerClock::Wall => wit::Clock::Wall,
    };
    wit::Input::Timer(wit::Timer { ticket, key: &timer.key, name: &timer.name, clock, due_ms: timer.due_ms })
}

/// An answer for the guest.
pub(crate) fn answer<'a>(ticket: u64, exchange: &'a Exchange, answer: &'a Answer) -> wit::Input<'a> {
    let result = match answer {
        Ok(reply) => {
            let document = exchange.document.map_or(wit::Payload::Inline(&reply.document), wit::Payload::Large);
            Ok(wit::Reply { document, blobs: &exchange.blobs })
        }
        Err(error) => Err(wit::LookupError { kind: error.kind.word(), message: &error.message }),
    };
    wit::Input::Answer(wit::Answer { ticket, id: exchange.ask.id, result })
}

/// Reads what a guest said, under the rules of one plugin.
pub(crate) struct Reader<'a> {
    pub(crate) view: &'a View,
    pub(crate) describe: &'a Describe,
    pub(crate) limits: &'a Limits,
}

impl Reader<'_> {
    /// A question.
    pub(crate) fn ask(&self, ask: wit::Ask) -> Result<Ask, BrokenRule> {
        let wit::Ask { ticket, id, kind, params, body } = ask;
        if !self.describe.lookups.contains(&kind) {
            let kind: String = kind.chars().take(64).collect();
            return Err(BrokenRule(format!(
                "ticket {ticket} asked for a lookup {kind:?} that `describe` does not list"
            )));
        }
        if params.len() > self.limits.ask_bytes_max {
            let bytes_max = self.limits.ask_bytes_max;
            return Err(BrokenRule(format!(
                "the params of ask {id} of ticket {ticket} have more than {bytes_max} bytes"
            )));
        }
        let body = self.pieces(ticket, body)?;
        let body_bytes = body.iter().map(Piece::held).fold(0_usize, usize::saturating_add);
        if body_bytes > self.limits.ask_body_bytes_max || body.len() > self.limits.parts_max {
            let bytes_max = self.limits.ask_body_bytes_max;
            return Err(BrokenRule(format!("the body of ask {id} of ticket {ticket} has more than {bytes_max} bytes")));
        }
        Ok(Ask { id, kind, params, body })
    }

    /// An outcome.
    pub(crate) fn outcome(&self, ticket: u64, outcome: wit::Outcome) -> Result<Outcome, BrokenRule> {
        Ok(match outcome {
            wit::Outcome::Emit(emissions) => Outcome::Emit(self.emissions(ticket, emissions)?),
            wit::Outcome::Skip(reason) => Outcome::Skip(reason),
            wit::Outcome::Retry(hint) => Outcome::Retry { after_ms: hint.after_ms, failure: failure(hint.failure) },
            wit::Outcome::Fail(said) => Outcome::Fail(failure(said)),
        })
    }

    fn emissions(&self, ticket: u64, emissions: Vec<wit::Emission>) -> Result<Vec<Emission>, BrokenRule> {
        if emissions.is_empty() {
            return Err(BrokenRule(format!(
                "ticket {ticket} emitted an empty list; `skip` says that there is nothing"
            )));
        }
        if emissions.len() > self.limits.emissions_max {
            let emissions_max = self.limits.emissions_max;
            return Err(BrokenRule(format!("ticket {ticket} emitted more than {emissions_max} events")));
        }
        let parts_max = self.limits.parts_max;
        if emissions.iter().map(parts).fold(0_usize, usize::saturating_add) > parts_max {
            return Err(BrokenRule(format!(
                "ticket {ticket} emitted more than {parts_max} edits, pieces and headers in all; join pieces, or emit a \
                 whole document instead of edits"
            )));
        }
        emissions.into_iter().map(|emission| self.emission(ticket, emission)).collect()
    }

    fn emission(&self, ticket: u64, emission: wit::Emission) -> Result<Emission, BrokenRule> {
        let wit::Emission { output, key, document, headers } = emission;
        if !self.describe.outputs.contains_key(&output) {
            let output: String = output.chars().take(64).collect();
            return Err(BrokenRule(format!("ticket {ticket} emitted to {output:?}, which `describe` does not list")));
        }
        let document = match document {
            wit::Document::Whole(pieces) => EmittedDocument::Whole(self.pieces(ticket, pieces)?),
            wit::Document::Patch(edits) => {
                EmittedDocument::Patch(edits.into_iter().map(|edit| self.edit(ticket, edit)).collect::<Result<_, _>>()?)
            }
            wit::Document::Tombstone => EmittedDocument::Tombstone,
        };
        let headers = headers.into_iter().map(header).collect();
        Ok(Emission { output, key: key.map(Bytes::from), document, headers })
    }

    fn edit(&self, ticket: u64, edit: wit::Edit) -> Result<Edit, BrokenRule> {
        let change = match edit.change {
            wit::Change::Set(pieces) => Change::Set(self.pieces(ticket, pieces)?),
            wit::Change::Remove => Change::Remove,
        };
        Ok(Edit { path: edit.path, change })
    }

    fn pieces(&self, ticket: u64, pieces: Vec<wit::Piece>) -> Result<Vec<Piece>, BrokenRule> {
        let piece = |piece| {
            Ok(match piece {
                wit::Piece::Bytes(bytes) => Piece::Bytes(Bytes::from(bytes)),
                wit::Piece::Blob(id) => Piece::Blob(self.view.blob_of(ticket, id)?),
                wit::Piece::JsonString(id) => Piece::JsonString(self.view.blob_of(ticket, id)?),
            })
        };
        pieces.into_iter().map(piece).collect()
    }
}

/// How many edits, pieces and headers an emission has.
fn parts(emission: &wit::Emission) -> usize {
    let of_edit = |edit: &wit::Edit| match &edit.change {
        wit::Change::Set(pieces) => 1 + pieces.len(),
        wit::Change::Remove => 1,
    };
    let of_document = match &emission.document {
        wit::Document::Whole(pieces) => pieces.len(),
        wit::Document::Patch(edits) => edits.iter().map(of_edit).sum(),
        wit::Document::Tombstone => 0,
    };
    of_document + emission.headers.len()
}

fn header(header: wit::HeaderResult) -> Header {
    Header { name: header.name.into(), value: header.value.map(Bytes::from) }
}

fn failure(failure: wit::Failure) -> Failure {
    Failure { kind: failure.kind, message: failure.message, stack: failure.stack }
}
