//! The host of a test: one plugin, one event at a time, answers from recordings, state in memory. The contract's rules are checked by
//! `rules`, documents are edited by `document`.

use super::decided::{Decided, Decision, Emitted};
use super::desk;
use super::document::Draft;
use super::json;
use super::projection::Projection;
use super::record::Record;
use super::recording::Recording;
use super::rules::Rules;
use super::state::{self, KeyState};
use crate::bindings::millrace::plugin::types as wit;
use crate::executor::Executor;
use crate::{Clock, Describe, Failure, Plugin};
use serde_json::Value;
use std::collections::BTreeMap;

/// The inline limit of the contract: larger documents come as a blob.
const INLINE_BYTES_MAX: usize = 256 * 1024;

/// The kinds of lookup that have no body; a newer host may know others that have one.
const KINDS_WITHOUT_BODY: [&str; 4] = ["revision", "compare", "html", "query"];

/// A host that runs one plugin in a test: one instance, one event at a time.
pub struct Host<P> {
    executor: Executor<P>,
    describe: Describe,
    /// What the plugin sees, by input.
    projections: BTreeMap<String, Projection>,
    recordings: Vec<Recording>,
    now_ms: u64,
    /// The greatest time of a record so far.
    event_time_ms: Option<u64>,
    /// What is kept, by key.
    states: BTreeMap<Vec<u8>, KeyState>,
    tickets: u64,
}

/// What one event asked, as a test gets to see it.
#[derive(Default)]
struct Asked {
    asks: Vec<(String, Value)>,
    bodies: Vec<Option<Vec<u8>>>,
}

impl<P: Plugin> Host<P> {
    /// Sets the plugin up. `settings` are what a pipeline would have there; `{}` for none. The clock shows
    /// 1,700,000,000,000 ms (14 November 2023) until [`Host::set_now_ms`].
    ///
    /// # Errors
    /// What serde or [`Plugin::new`] says against the settings; a field in `describe` that is no JSON Pointer.
    pub fn new(settings: Value) -> Result<Self, String> {
        let executor = Executor::configure(&settings.to_string())?;
        let describe = P::describe();
        let mut projections = BTreeMap::new();
        for (name, input) in &describe.inputs {
            let projection = Projection::of(input.fields.as_deref());
            projections.insert(name.clone(), projection.map_err(|error| format!("describe: input {name}: {error}"))?);
        }
        Ok(Self {
            executor,
            describe,
            projections,
            recordings: Vec::new(),
            now_ms: 1_700_000_000_000,
            event_time_ms: None,
            states: BTreeMap::new(),
            tickets: 0,
        })
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
    /// [`Host::run_record`] takes another one.
    ///
    /// # Panics
    /// When the plugin does, and when it reads a blob of an event that is done.
    pub fn run(&mut self, input: &str, event: &Value) -> Decided {
        self.run_record(input, &Record::new(event))
    }

    /// Runs the event of one record to its end. Its key is whose state it has; without one it has none.
    ///
    /// # Panics
    /// As [`Host::run`], and where a rule about state is broken: see [`crate::State`].
    pub fn run_record(&mut self, input: &str, record: &Record) -> Decided {
        self.tickets += 1;
        let timestamp_ms = record.timestamp_ms.map_or(Some(self.now_ms), |given| u64::try_from(given).ok());
        self.event_time_ms = self.event_time_ms.max(timestamp_ms.map(|given| given.min(self.now_ms)));
        let first = self.event(input, record);
        let state = record.key.as_ref().map(|key| self.states.get(key).cloned().unwrap_or_default());
        self.run_ticket(first, input, &record.document, record.key.as_deref(), state)
    }

    /// Runs the timers that are due by the clock or by the event time, which is the greatest time of a record so far, and
    /// says what each one came to: in the order of their times, then of keys and names. One that is set anew meanwhile is not
    /// run again.
    ///
    /// # Panics
    /// As [`Host::run_record`].
    pub fn fire_due(&mut self) -> Vec<Decided> {
        let now = |clock| if clock == Clock::Wall { Some(self.now_ms) } else { self.event_time_ms };
        let mut due: Vec<(u64, Vec<u8>, String, Clock)> = Vec::new();
        for (key, state) in &self.states {
            let timers = state.timers.iter().filter(|((_, clock), due_ms)| Some(**due_ms) <= now(*clock));
            due.extend(timers.map(|((name, clock), due_ms)| (*due_ms, key.clone(), name.clone(), *clock)));
        }
        due.sort_unstable();
        due.into_iter().filter_map(|(due_ms, key, name, clock)| self.fire(due_ms, &key, name, clock)).collect()
    }

    /// Runs one timer, unless another one has moved or cleared it.
    fn fire(&mut self, due_ms: u64, key: &[u8], name: String, clock: Clock) -> Option<Decided> {
        let mut state = self.states.get(key)?.clone();
        if state.timers.remove(&(name.clone(), clock)) != Some(due_ms) {
            return None;
        }
        // It is over, whatever comes of it.
        self.states.insert(key.to_vec(), state.clone());
        self.tickets += 1;
        let timer = wit::Timer { ticket: self.tickets, key: key.to_vec(), name, clock: clock.into_wit(), due_ms };
        Some(self.run_ticket(Ok(wit::Input::Timer(timer)), "", &Value::Null, Some(key), Some(state)))
    }

    /// What is kept of this key, if anything is.
    pub fn state(&self, key: impl AsRef<[u8]>, store: &str, name: &str) -> Option<&[u8]> {
        let kept = self.states.get(key.as_ref())?.values.get(&(store.to_owned(), name.to_owned()));
        kept.map(Vec::as_slice)
    }

    /// Keeps a value, as if an earlier event of this key had written it.
    pub fn put_state(&mut self, key: impl Into<Vec<u8>>, store: &str, name: &str, value: impl Into<Vec<u8>>) {
        let kept = self.states.entry(key.into()).or_default();
        kept.values.insert((store.to_owned(), name.to_owned()), value.into());
    }

    /// When a timer of this key is due, if it is set.
    pub fn timer(&self, key: impl AsRef<[u8]>, name: &str, clock: Clock) -> Option<u64> {
        self.states.get(key.as_ref())?.timers.get(&(name.to_owned(), clock)).copied()
    }

    /// Runs a ticket to its end, and keeps what it wrote if it ended well.
    fn run_ticket(
        &mut self,
        first: Result<wit::Input, String>,
        input: &str,
        document: &Value,
        key: Option<&[u8]>,
        kept: Option<KeyState>,
    ) -> Decided {
        let mut asked = Asked::default();
        state::open(self.describe.stores.keys().cloned().collect(), kept);
        let decision = first.and_then(|first| self.drive(first, input, document, &mut asked));
        let decision = decision.unwrap_or_else(Decision::Fault);
        let written = state::close();
        if let (Decision::Emit(_) | Decision::Skip(_), Some(key), Some(written)) = (&decision, key, written) {
            self.states.insert(key.to_vec(), written);
        }
        Decided { decision, asks: asked.asks, bodies: asked.bodies, report: desk::clear() }
    }

    fn drive(
        &mut self,
        first: wit::Input,
        input: &str,
        document: &Value,
        asked: &mut Asked,
    ) -> Result<Decision, String> {
        let mut inputs = vec![first];
        let mut rules = Rules::new(&self.describe, self.tickets);
        let mut was_empty = false;
        loop {
            let outputs = self.executor.turn(self.now_ms, std::mem::take(&mut inputs));
            rules.check(&outputs)?;
            let (mut done, mut asks) = (None, Vec::new());
            for output in outputs {
                match output {
                    wit::Output::Done(one) => done = Some(one.outcome),
                    wit::Output::Ask(ask) => asks.push(ask),
                }
            }
            if let Some(outcome) = done {
                // What the ticket still asks is withdrawn.
                return Ok(self.decision(input, document, outcome));
            }
            for ask in asks {
                let (ticket, id) = (ask.ticket, ask.id);
                let Some(result) = answer(&self.recordings, ask, asked) else {
                    let (kind, params) = asked.asks.last().cloned().unwrap_or_default();
                    let message = format!("no recording suits {kind} {params}");
                    return Ok(Decision::Fail(Failure::new("unrecorded", message)));
                };
                inputs.push(wit::Input::Answer(wit::Answer { ticket, id, result }));
                rules.answered();
            }
            if inputs.is_empty() && was_empty {
                return Err("stalled: neither done nor asking".to_owned());
            }
            was_empty = inputs.is_empty();
        }
    }

    fn event(&self, input: &str, record: &Record) -> Result<wit::Input, String> {
        let described = self.describe.inputs.get(input).ok_or_else(|| format!("input {input} is not in `describe`"))?;
        let value = match &record.document {
            Value::Null => None,
            event @ Value::Object(_) => {
                let shown = self.projections.get(input).map_or_else(|| event.clone(), |fields| fields.cut(event));
                Some(payload(shown.to_string().into_bytes()))
            }
            other => return Err(format!("an event is a JSON object, and no plugin gets to see {other}")),
        };
        let headers = record.headers.iter().filter(|(name, _)| described.headers.contains(name));
        let headers = headers.map(|(name, value)| wit::Header { name: name.clone(), value: value.clone() });
        let source = record.source.clone();
        let (topic, partition, offset) = source.unwrap_or_else(|| (format!("test.{input}"), 0, self.tickets));
        Ok(wit::Input::Event(wit::Event {
            ticket: self.tickets,
            input: input.to_owned(),
            source: wit::Source { topic, partition, offset },
            timestamp_ms: record.timestamp_ms.unwrap_or(self.now_ms as i64),
            key: record.key.clone(),
            value,
            headers: headers.collect(),
            attempt: record.attempt,
        }))
    }

    fn decision(&self, input: &str, event: &Value, outcome: wit::Outcome) -> Decision {
        match outcome {
            wit::Outcome::Skip(reason) => Decision::Skip(reason),
            wit::Outcome::Retry(hint) => Decision::Retry(hint.after_ms, failure(hint.failure)),
            wit::Outcome::Fail(said) => Decision::Fail(failure(said)),
            wit::Outcome::Emit(emissions) => {
                let emitted = emissions.into_iter().map(|emission| self.emitted(input, event, emission));
                emitted.collect::<Result<_, _>>().map_or_else(Decision::OutputInvalid, Decision::Emit)
            }
        }
    }

    /// The emission as it would be written; an error is why it cannot be.
    fn emitted(&self, input: &str, event: &Value, emission: wit::Emission) -> Result<Emitted, String> {
        if let Some(header) = emission.headers.iter().find(|header| header.name.starts_with("millrace-")) {
            return Err(format!("header {}: names that begin with `millrace-` are the host's", header.name));
        }
        let document = match emission.document {
            wit::Document::Tombstone => None,
            wit::Document::Whole(pieces) => Some(whole(&pieces)?),
            wit::Document::Patch(_) if event.is_null() => {
                return Err("a patch of a tombstone or of a timer: there is no document to edit".to_owned());
            }
            wit::Document::Patch(edits) => {
                Some(patched(event, edits, &self.projections.get(input).cloned().unwrap_or_default())?)
            }
        };
        let is_meta_good = |document: &Value| document.get("meta").is_none_or(Value::is_object);
        if !document.as_ref().is_none_or(is_meta_good) {
            return Err("`meta` must be an object or absent: the host writes into it".to_owned());
        }
        let headers = emission.headers.into_iter().map(|h| (h.name, h.value.unwrap_or_default())).collect();
        Ok(Emitted { output: emission.output, document, key: emission.key, headers })
    }
}

/// The answer to one ask; none if none was recorded.
fn answer(recordings: &[Recording], ask: wit::Ask, asked: &mut Asked) -> Option<Result<wit::Reply, wit::LookupError>> {
    let params = serde_json::from_str(&ask.params).unwrap_or_else(|_| Value::String(ask.params.clone()));
    let body = if ask.body.is_empty() { Ok(None) } else { joined(&ask.body).map(Some) };
    asked.asks.push((ask.kind.clone(), params.clone()));
    asked.bodies.push(body.clone().unwrap_or_default());
    let body = match body {
        Err(message) => return Some(Err(invalid(message))),
        Ok(Some(_)) if KINDS_WITHOUT_BODY.contains(&ask.kind.as_str()) => {
            return Some(Err(invalid(format!("a lookup of the kind {} has no body", ask.kind))));
        }
        Ok(_) if !params.is_object() => {
            return Some(Err(invalid(format!("params of {}: no JSON object", ask.kind))));
        }
        Ok(body) => body,
    };
    let recording = recordings.iter().find(|recording| recording.suits(&ask.kind, &params, body.as_deref()))?;
    Some(match recording.result() {
        Ok(reply) => Ok(wit::Reply {
            document: payload(reply.document.to_string().into_bytes()),
            blobs: reply.blobs.into_iter().map(|text| blob(text.into_bytes())).collect(),
        }),
        Err(error) => Err(wit::LookupError { kind: error.kind, message: error.message }),
    })
}

fn invalid(message: String) -> wit::LookupError {
    wit::LookupError { kind: "invalid".to_owned(), message }
}

/// The new document that pieces are.
fn whole(pieces: &[wit::Piece]) -> Result<Value, String> {
    let document = json::parse(&joined(pieces)?).map_err(|error| format!("a new document: {error}"))?;
    if document.is_object() { Ok(document) } else { Err("a new document must be a JSON object".to_owned()) }
}

fn patched(event: &Value, edits: Vec<wit::Edit>, projection: &Projection) -> Result<Value, String> {
    let mut draft = Draft::of(event);
    for edit in edits {
        match edit.change {
            wit::Change::Remove => draft.remove(&edit.path)?,
            wit::Change::Set(pieces) => {
                let value = json::parse(&joined(&pieces)?).map_err(|error| format!("set {}: {error}", edit.path))?;
                draft.set(&edit.path, value, projection)?;
            }
        }
    }
    Ok(draft.finish())
}

/// The bytes that pieces are; `rules` has made sure that their blobs are there.
fn joined(pieces: &[wit::Piece]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            wit::Piece::Bytes(part) => bytes.extend_from_slice(part),
            wit::Piece::Blob(id) => bytes.extend(desk::blob(*id).unwrap_or_default()),
            wit::Piece::JsonString(id) => {
                let text = String::from_utf8(desk::blob(*id).unwrap_or_default());
                let text = text.map_err(|error| format!("blob {id} as a string: {error}"))?;
                bytes.extend(Value::String(text).to_string().into_bytes());
            }
        }
    }
    Ok(bytes)
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

#[cfg(test)]
mod tests;
