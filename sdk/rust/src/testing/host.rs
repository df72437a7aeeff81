//! The host of a test: one plugin, one event at a time, answers from recordings, the contract's rules checked.

use super::desk::{self, Report};
use super::document;
use super::recording::Recording;
use crate::bindings::millrace::plugin::types as wit;
use crate::executor::Executor;
use crate::{Describe, Failure, Plugin};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The inline limit of the contract: larger documents come as a blob.
const INLINE_BYTES_MAX: usize = 256 * 1024;

/// A host that runs one plugin in a test: one instance, one event at a time.
pub struct Host<P> {
    executor: Executor<P>,
    describe: Describe,
    recordings: Vec<Recording>,
    now_ms: u64,
    tickets: u64,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The outcome.
    pub decision: Decision,
    /// Kind and params of every ask, in order.
    pub asks: Vec<(String, Value)>,
    /// What was logged and counted.
    pub report: Report,
}

/// The outcome of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// These events, in this order.
    Emit(Vec<Emitted>),
    /// Nothing, for this reason.
    Skip(String),
    /// Another attempt, after at least so many milliseconds if it says so. It is not made here.
    Retry(Option<u32>, Failure),
    /// An error event.
    Fail(Failure),
    /// The plugin broke a rule of the contract, and which one: the real host would make an error event of it.
    Fault(String),
}

/// One emitted event.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    /// The output's name.
    pub output: String,
    /// The whole document, patches applied, before the host's envelope; none is a tombstone.
    pub document: Option<Value>,
    /// The key, if the plugin gave one.
    pub key: Option<Vec<u8>>,
    /// Names and values of headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Decided {
    /// The emitted documents, tombstones left out; none for any other outcome.
    pub fn documents(&self) -> Vec<Value> {
        match &self.decision {
            Decision::Emit(emitted) => emitted.iter().filter_map(|e| e.document.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// The kind of the failure, if the event failed.
    pub fn failure_kind(&self) -> Option<&str> {
        match &self.decision {
            Decision::Fail(failure) => Some(&failure.kind),
            _ => None,
        }
    }
}

impl<P: Plugin> Host<P> {
    /// Sets the plugin up. `settings` are what a pipeline would have there; `{}` for none. The clock shows
    /// 1,700,000,000,000 ms (14 November 2023) until [`Host::set_now_ms`].
    ///
    /// # Errors
    /// What serde or [`Plugin::new`] says against the settings.
    pub fn new(settings: Value) -> Result<Self, String> {
        let executor = Executor::configure(&settings.to_string())?;
        Ok(Self { executor, describe: P::describe(), recordings: Vec::new(), now_ms: 1_700_000_000_000, tickets: 0 })
    }

    /// Adds a recorded answer. The first that suits an ask is given. An ask that none suits fails the event with the
    /// kind `unrecorded`, whatever the plugin makes of the error.
    pub fn record(&mut self, recording: Recording) {
        self.recordings.push(recording);
    }

    /// Sets the clock, in milliseconds since 1970, for the events that are run from now on. It stands still while one
    /// runs.
    pub fn set_now_ms(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// Runs one event to its end. `Value::Null` is a tombstone. The record lies in topic `test.<input>`, partition 0,
    /// at offsets that count from 1; it has the clock's time, no key and no headers, and it is the first attempt.
    ///
    /// # Panics
    /// When the plugin does, and when it reads a blob of an event that is done.
    pub fn run(&mut self, input: &str, event: &Value) -> Decided {
        self.tickets += 1;
        let mut asks = Vec::new();
        let decision = self.drive(input, event, &mut asks).unwrap_or_else(Decision::Fault);
        Decided { decision, asks, report: desk::clear() }
    }

    fn drive(&mut self, input: &str, event: &Value, asks: &mut Vec<(String, Value)>) -> Result<Decision, String> {
        let mut inputs = vec![self.event(input, event)?];
        let mut ids = BTreeSet::new();
        let mut was_empty = false;
        loop {
            let outputs = self.executor.turn(self.now_ms, std::mem::take(&mut inputs));
            let mut done = None;
            for output in outputs {
                match output {
                    wit::Output::Done(one) if done.is_some() => return Err(format!("two `done` for {}", one.ticket)),
                    wit::Output::Done(one) => done = Some(one.outcome),
                    wit::Output::Ask(ask) if !ids.insert(ask.id) => return Err(format!("ask {} twice", ask.id)),
                    wit::Output::Ask(ask) => match self.answer(ask, asks)? {
                        Some(answer) => inputs.push(wit::Input::Answer(answer)),
                        None => {
                            let (kind, params) = asks.last().cloned().unwrap_or_default();
                            let failure = Failure::new("unrecorded", format!("no recording suits {kind} {params}"));
                            return Ok(Decision::Fail(failure));
                        }
                    },
                }
            }
            match done {
                Some(outcome) => return self.decision(input, event, outcome),
                None if inputs.is_empty() && was_empty => return Err("stalled: neither done nor asking".to_owned()),
                None => was_empty = inputs.is_empty(),
            }
        }
    }

    fn fields(&self, input: &str) -> Result<Option<&[String]>, String> {
        let described = self.describe.inputs.get(input).ok_or_else(|| format!("input {input} is not in `describe`"))?;
        Ok(described.fields.as_deref())
    }

    fn event(&self, input: &str, event: &Value) -> Result<wit::Input, String> {
        let fields = self.fields(input)?;
        let value = (!event.is_null()).then(|| payload(document::project(event, fields).to_string().into_bytes()));
        Ok(wit::Input::Event(wit::Event {
            ticket: self.tickets,
            input: input.to_owned(),
            source: wit::Source { topic: format!("test.{input}"), partition: 0, offset: self.tickets },
            timestamp_ms: self.now_ms as i64,
            key: None,
            value,
            headers: Vec::new(),
            attempt: 1,
        }))
    }

    fn answer(&self, ask: wit::Ask, asks: &mut Vec<(String, Value)>) -> Result<Option<wit::Answer>, String> {
        if ask.ticket != self.tickets {
            return Err(format!("ask of ticket {}, which is not open", ask.ticket));
        }
        if !self.describe.lookups.contains(&ask.kind) {
            return Err(format!("lookup {} is not in `describe`", ask.kind));
        }
        let params: Value = serde_json::from_str(&ask.params).map_err(|e| format!("params of {}: {e}", ask.kind))?;
        asks.push((ask.kind.clone(), params.clone()));
        let recording = self.recordings.iter().find(|recording| recording.suits(&ask.kind, &params));
        let result = recording.map(|recording| match recording.result() {
            Ok(reply) => Ok(wit::Reply {
                document: payload(reply.document.to_string().into_bytes()),
                blobs: reply.blobs.into_iter().map(|text| blob(text.into_bytes())).collect(),
            }),
            Err(error) => Err(wit::LookupError { kind: error.kind, message: error.message }),
        });
        Ok(result.map(|result| wit::Answer { ticket: ask.ticket, id: ask.id, result }))
    }

    fn decision(&self, input: &str, event: &Value, outcome: wit::Outcome) -> Result<Decision, String> {
        Ok(match outcome {
            wit::Outcome::Skip(reason) => Decision::Skip(reason),
            wit::Outcome::Retry(hint) => Decision::Retry(hint.after_ms, failure(hint.failure)),
            wit::Outcome::Fail(said) => Decision::Fail(failure(said)),
            wit::Outcome::Emit(emissions) if emissions.is_empty() => return Err("an empty `emit`".to_owned()),
            wit::Outcome::Emit(emissions) => {
                let emitted = emissions.into_iter().map(|emission| self.emitted(input, event, emission));
                Decision::Emit(emitted.collect::<Result<_, _>>()?)
            }
        })
    }

    fn emitted(&self, input: &str, event: &Value, emission: wit::Emission) -> Result<Emitted, String> {
        if !self.describe.outputs.contains_key(&emission.output) {
            return Err(format!("output {} is not in `describe`", emission.output));
        }
        let document = match emission.document {
            wit::Document::Tombstone => None,
            wit::Document::Whole(pieces) => Some(json_value(&pieces, "a whole document")?),
            wit::Document::Patch(_) if event.is_null() => return Err("a patch of a tombstone".to_owned()),
            wit::Document::Patch(edits) => Some(patched(event, edits, self.fields(input)?)?),
        };
        let headers = emission.headers.into_iter().map(|h| (h.name, h.value.unwrap_or_default())).collect();
        Ok(Emitted { output: emission.output, document, key: emission.key, headers })
    }
}

fn patched(event: &Value, edits: Vec<wit::Edit>, fields: Option<&[String]>) -> Result<Value, String> {
    let mut document = event.clone();
    for edit in edits {
        match edit.change {
            wit::Change::Remove => document::remove(&mut document, &edit.path)?,
            wit::Change::Set(pieces) => {
                let value = json_value(&pieces, &format!("set {}", edit.path))?;
                document::set(&mut document, &edit.path, value, fields)?;
            }
        }
    }
    Ok(document)
}

/// Pieces as the one JSON value that they must be.
fn json_value(pieces: &[wit::Piece], place: &str) -> Result<Value, String> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            wit::Piece::Bytes(part) => bytes.extend_from_slice(part),
            wit::Piece::Blob(id) => bytes.extend(known_blob(*id)?),
            wit::Piece::JsonString(id) => {
                let text = String::from_utf8(known_blob(*id)?).map_err(|e| format!("{place}: blob {id}: {e}"))?;
                bytes.extend(json!(text).to_string().into_bytes());
            }
        }
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("{place}: not exactly one JSON value: {error}"))
}

fn known_blob(id: u64) -> Result<Vec<u8>, String> {
    desk::blob(id).ok_or_else(|| format!("blob {id} is unknown, or its event is done"))
}

fn blob(bytes: Vec<u8>) -> wit::Blob {
    let size = bytes.len() as u64;
    wit::Blob { id: desk::keep_blob(bytes), size }
}

fn payload(bytes: Vec<u8>) -> wit::Payload {
    if bytes.len() > INLINE_BYTES_MAX { wit::Payload::Large(blob(bytes)) } else { wit::Payload::Inline(bytes) }
}

fn failure(said: wit::Failure) -> Failure {
    Failure { kind: said.kind, message: said.message, stack: said.stack }
}
