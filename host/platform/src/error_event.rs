//! Error events: what becomes of an event that cannot be processed, in the shape of the platform's schema `error` 2.1.0.
//! Which failures become one is `flow`'s table of causes.

use crate::document::{Document, Value};
use crate::envelope::{HEADER_PLUGIN, HEADER_SOURCE, header};
use crate::identity::{Origin, meta_id, source_of};
use crate::reprocess::{RAW_CUT, kept_headers, raw_encoding};
use crate::time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use millrace_flow::display::drives_display;
use millrace_flow::json_text;
use millrace_flow::outcome::Failure;
use millrace_flow::record::{Header, OutputRecord};
use std::borrow::Cow;
use std::sync::Arc;

/// Where the error events of a pipeline go.
#[derive(Clone, Debug)]
pub struct ErrorStream {
    /// The stream's name, usually `<pipeline>.error`.
    pub stream: String,
    /// The topic to write to.
    pub topic: Arc<str>,
    /// Who failed: the pipeline's name.
    pub emitter_id: String,
    /// The most bytes of a record, headers included; less than [`ERROR_EVENT_BYTES_LEAST`] counts as that.
    pub bytes_max: usize,
}

/// What an error event may always have, so that everything but the original event fits: 64 KiB.
pub const ERROR_EVENT_BYTES_LEAST: usize = 64 << 10;

/// The schema that error events follow.
pub const ERROR_SCHEMA_URI: &str = "/error/2.1.0";
/// The most bytes of a message, escaped: more than a screen of text.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// The most bytes of a stack, escaped.
const STACK_BYTES_MAX: usize = 16 << 10;
/// The most bytes of a short text (a name, a type), escaped.
const NAME_BYTES_MAX: usize = 1 << 10;
/// The most bytes of a URI, escaped: what the platform's schemas allow.
const URI_BYTES_MAX: usize = 8 << 10;

/// How often an event was tried before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Runs since it was admitted, from 1.
    pub run: u32,
    /// How often it was given back by `millrace reprocess`.
    pub reprocessed: u32,
}

/// Makes the error event of `failure`. It always fits its stream: texts have bounds, and the original event takes what is
/// left; where that is not all of it, the message says so and the header `millrace-raw-cut` has its full size in bytes.
///
/// `cause_word` becomes `error_type`; `input` is the input document where it could be decoded. `raw_event` is the record's value as it came in; in base64, with the header `millrace-raw-encoding: base64`, where
/// that is not UTF-8; absent for a tombstone. Headers keep the rest of the record, see [`crate::restore`]. `dt`, `meta.dt` and the record's timestamp are `now_ms`. The record has no
/// key, because error streams have no `message_key_fields`.
pub fn build_error_event(
    cause_word: &str,
    failure: &Failure,
    input: Option<&Document>,
    errors: &ErrorStream,
    origin: &Origin<'_>,
    attempts: Attempts,
    now_ms: u64,
) -> OutputRecord {
    let raw = Raw::of(origin.record.value.as_deref());
    let mut headers = vec![
        header(&HEADER_SOURCE, source_of(origin)),
        header(&HEADER_PLUGIN, origin.plugin_digest.to_owned()),
        header(&"millrace-attempt".into(), attempts.run.to_string()),
    ];
    let bytes_max = errors.bytes_max.max(ERROR_EVENT_BYTES_LEAST);
    headers.extend(kept_headers(origin.record, attempts.reprocessed, bytes_max));
    if let Some(Raw::Binary(_)) = raw {
        headers.push(raw_encoding());
    }
    let mut event = ErrorEvent::begin(cause_word, failure, errors, &error_id(origin, errors, attempts), now_ms);
    if let Some(document) = input {
        event.add_input(document.root());
    }
    let header_bytes = headers.iter().map(|h| h.name.len() + h.value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
    let taken = header_bytes + event.bytes() + RAW_CUT_BYTES_MAX;
    let room = bytes_max.saturating_sub(taken);
    if let Some(cut) = event.add_raw(raw.as_ref(), room) {
        headers.push(cut);
    }
    OutputRecord {
        topic: errors.topic.clone(),
        timestamp_ms: i64::try_from(now_ms).unwrap_or(i64::MAX),
        key: None,
        value: Some(Bytes::from(event.finish())),
        headers,
    }
}

/// An event that was given back and failed again has another error event: what was the index of an output is how often it
/// was given back.
fn error_id(origin: &Origin<'_>, errors: &ErrorStream, attempts: Attempts) -> String {
    meta_id(origin, &errors.stream, attempts.reprocessed).to_string()
}

/// More than what `add_raw` and `finish` add beside the original event itself: the field's name, the note in the message
/// and the header.
const RAW_CUT_BYTES_MAX: usize = 256;

/// The original event.
enum Raw<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl<'a> Raw<'a> {
    fn of(value: Option<&'a [u8]>) -> Option<Self> {
        value.map(|bytes| std::str::from_utf8(bytes).map_or(Self::Binary(bytes), Self::Text))
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Appends as much of it as `room` bytes hold and returns how much that was.
    fn write(&self, room: usize, out: &mut Vec<u8>) -> usize {
        match self {
            Self::Text(text) => {
                let kept = fitting(text, room);
                out.reserve(room.min(text.len() + text.len() / 8));
                json_text::escape_into(kept.as_bytes(), out);
                kept.len()
            }
            Self::Binary(bytes) => {
                // Four characters for three bytes; a cut on that border can be decoded.
                let kept = bytes.get(..room / 4 * 3).unwrap_or(bytes);
                out.extend_from_slice(BASE64.encode(kept).as_bytes());
                kept.len()
            }
        }
    }
}

/// The event's text in the making.
struct ErrorEvent {
    /// `meta` without its closing brace.
    meta: Vec<u8>,
    /// The other members, each with a comma behind it.
    members: Vec<u8>,
    message: String,
}

impl ErrorEvent {
    fn begin(cause_word: &str, failure: &Failure, errors: &ErrorStream, id: &str, now_ms: u64) -> Self {
        let dt = time::format_ms(now_ms);
        let mut meta = Vec::with_capacity(256);
        push_member("stream", &errors.stream, NAME_BYTES_MAX, &mut meta);
        push_member("id", id, NAME_BYTES_MAX, &mut meta);
        push_member("dt", &dt, NAME_BYTES_MAX, &mut meta);
        let mut members = Vec::with_capacity(512);
        push_member("$schema", ERROR_SCHEMA_URI, NAME_BYTES_MAX, &mut members);
        push_member("dt", &dt, NAME_BYTES_MAX, &mut members);
        push_member("emitter_id", &errors.emitter_id, NAME_BYTES_MAX, &mut members);
        push_member("error_type", cause_word, NAME_BYTES_MAX, &mut members);
        if let Some(stack) = &failure.stack {
            push_member("stack", stack, STACK_BYTES_MAX, &mut members);
        }
        let visible = visible(&failure.message);
        Self { meta, members, message: fitting(&visible, MESSAGE_BYTES_MAX).to_owned() }
    }

    /// Says what of the input event can be said: whose it is, and which request caused it.
    fn add_input(&mut self, input: Value<'_>) {
        let meta = input.get("meta");
        let text = |value: Option<Value<'_>>, name: &str| {
            value.and_then(|value| value.get(name)?.as_str().map(Cow::into_owned))
        };
        // Half of a URI or an id is worse than none.
        let add = |name: &str, text: Option<String>, bytes_max: usize, out: &mut Vec<u8>| {
            if let Some(text) = text.filter(|text| !text.is_empty() && fitting(text, bytes_max).len() == text.len()) {
                push_member(name, &text, bytes_max, out);
            }
        };
        add("request_id", text(meta, "request_id"), NAME_BYTES_MAX, &mut self.meta);
        add("domain", text(meta, "domain"), NAME_BYTES_MAX, &mut self.meta);
        add("uri", text(meta, "uri"), URI_BYTES_MAX, &mut self.meta);
        add("errored_stream_name", text(meta, "stream"), NAME_BYTES_MAX, &mut self.members);
        add("errored_schema_uri", text(Some(input), "$schema"), URI_BYTES_MAX, &mut self.members);
    }

    /// The bytes so far, the message's at most included.
    fn bytes(&self) -> usize {
        self.meta.len() + self.members.len() + MESSAGE_BYTES_MAX
    }

    /// Adds the original event, cut to `room` bytes; the header that marks the cut, if one was made.
    fn add_raw(&mut self, raw: Option<&Raw<'_>>, room: usize) -> Option<Header> {
        let raw = raw?;
        self.members.extend_from_slice(b"\"raw_event\":\"");
        let kept = raw.write(room, &mut self.members);
        self.members.extend_from_slice(b"\",");
        let full = raw.len();
        if kept == full {
            return None;
        }
        self.message.push_str(&format!(" [raw_event cut to the first {kept} of {full} bytes]"));
        Some(header(&RAW_CUT.into(), full.to_string()))
    }

    fn finish(mut self) -> Vec<u8> {
        let mut event = Vec::with_capacity(self.bytes() + RAW_CUT_BYTES_MAX);
        event.extend_from_slice(b"{\"meta\":{");
        // Every member has a comma behind it; the last one of an object has none.
        self.meta.pop();
        event.append(&mut self.meta);
        event.extend_from_slice(b"},");
        event.append(&mut self.members);
        push_member("message", &self.message, usize::MAX, &mut event);
        event.pop();
        event.push(b'}');
        event
    }
}

/// Appends `"name":"text",`, with the text cut to `bytes_max` bytes in its escaped form.
fn push_member(name: &str, text: &str, bytes_max: usize, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    json_text::escape_into(fitting(text, bytes_max).as_bytes(), out);
    out.extend_from_slice(b"\",");
}

/// The longest beginning of `text` whose escaped form has at most `bytes_max` bytes.
fn fitting(text: &str, bytes_max: usize) -> &str {
    /// The longest escape is `\u001f`.
    const ESCAPED_BYTES_MAX: usize = 6;
    if text.len() <= bytes_max / ESCAPED_BYTES_MAX {
        return text;
    }
    let mut bytes = 0;
    for (at, character) in text.char_indices() {
        bytes += match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => ESCAPED_BYTES_MAX,
            other => other.len_utf8(),
        };
        if bytes > bytes_max {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// The message with control characters made visible: people read it on terminals, and a plugin wrote it.
fn visible(message: &str) -> Cow<'_, str> {
    if !message.contains(drives_display) {
        return Cow::Borrowed(message);
    }
    let show = |c: char| if drives_display(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(message.chars().take(MESSAGE_BYTES_MAX).map(show).collect())
}
