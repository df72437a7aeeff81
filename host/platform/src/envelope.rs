//! The envelope: makes an emission a record for Kafka. What the host says of an event (`$schema`, `meta`, key, headers,
//! timestamp) is put in here, the event is cut down to the pinned version of its schema, validated, and measured. There is
//! no way around validation.

use crate::document::{
    DecodeError, DecodeLimits, Document, Dropped, EditBudget, EditError, Editor, Member, Part, Projected, Value,
};
use crate::identity::{Origin, meta_id, source_of};
use crate::key::{self, KeyField};
use crate::projection::Projection;
use crate::schema::{Invalid, Schema};
use crate::time;
use bytes::Bytes;
use millrace_flow::cause::Cause;
use millrace_flow::outcome::{Emission, EmittedDocument};
use millrace_flow::record::{Header, OutputRecord};
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

/// A stream that outputs are written to.
#[derive(Clone, Debug)]
pub struct OutputStream {
    /// The stream's name: `meta.stream`.
    pub stream: String,
    /// The topic to write to.
    pub topic: Arc<str>,
    /// The pinned version of its schema. Every output is cut down to it, and valid against it.
    pub schema: Arc<Schema>,
    /// `message_key_fields` in their order. None: records without key.
    pub key_fields: Vec<KeyField>,
    /// The most bytes of a record, key and headers included.
    pub bytes_max: usize,
}

/// An emission cannot become a record of its stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// A new document is none.
    #[error("the emitted document: {0}")]
    Document(#[from] DecodeError),
    /// An edit cannot be applied.
    #[error("{0}")]
    Edit(#[from] EditError),
    /// A patch where there is nothing to patch.
    #[error("a patch of a tombstone: there is no input document; emit a whole one")]
    PatchOfTombstone,
    /// `meta` is there and no object.
    #[error("`meta` must be an object, because the host writes into it")]
    Meta,
    /// A field of the message key is missing or cannot be part of a key.
    #[error("the message key's field `{field}` must be a string, a number or a boolean of the event")]
    Key {
        /// The field's name in the key.
        field: String,
    },
    /// It breaks the stream's schema.
    #[error("not valid against {schema}: {invalid}")]
    Invalid {
        /// The schema's URI.
        schema: String,
        /// What is wrong.
        invalid: Invalid,
    },
    /// A header that only the host may write.
    #[error("the header {name:?}: names that begin with `millrace-` are the host's")]
    Header {
        /// The header's name.
        name: String,
    },
    /// Larger than the stream takes.
    #[error("the record has at least {bytes} bytes, and its stream takes {bytes_max}")]
    TooLarge {
        /// Bytes of key, value and headers, or fewer where the value was not even built.
        bytes: usize,
        /// What the stream takes.
        bytes_max: usize,
    },
}

impl CheckError {
    /// What it counts as.
    pub fn cause(&self) -> Cause {
        match self {
            Self::TooLarge { .. }
            | Self::Document(DecodeError::TooLarge { .. })
            | Self::Edit(EditError::TooLarge { .. }) => Cause::OutputTooLarge,
            _ => Cause::OutputInvalid,
        }
    }
}

/// What the service that streams events to the public adds to `meta`. It is about another record than the one written
/// here, so it goes; every other field of `meta` stays.
const META_OF_OTHERS: [&str; 4] = ["topic", "partition", "offset", "key"];

/// What a derived event has in common with its cause.
const META_CARRIED: [&str; 3] = ["request_id", "domain", "uri"];

/// What an output is made from beside its emission: the event that the plugin was given.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The input document; none for a tombstone.
    pub document: Option<&'a Document>,
    /// The projection by which the plugin got it.
    pub seen: &'a Projection,
    /// Where its record came from.
    pub origin: &'a Origin<'a>,
}

/// A record that is ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltOutput {
    /// The record.
    pub record: OutputRecord,
    /// The fields that were left out of it, because the pinned version of the schema does not know them or does not let
    /// them be null.
    pub dropped: Vec<Dropped>,
}

/// How many changes the envelope makes to a document.
const STAMP_CHANGES: usize = 12;

/// Makes `emission`, the one at `index` (from 0) of its outcome, a record of `stream`. All emissions of an outcome share
/// `budget`.
///
/// Set whatever the plugin says: `$schema`, `meta.stream`, `meta.id`, `meta.dt` (`now_ms`). Dropped: `meta.topic`,
/// `meta.partition`, `meta.offset`, `meta.key`. All else in `meta` stays; a new document that lacks them gets the
/// input's `dt`, `meta.request_id`, `meta.domain` and `meta.uri`. The record's timestamp is the event's `dt`, or the
/// input record's where it has none.
///
/// Then the event is cut down to the stream's schema, validated, and measured, in this order. A tombstone has no event.
///
/// # Errors
/// The first rule that the emission breaks; see [`CheckError`].
pub fn build_output(
    given: &Given<'_>,
    emission: Emission,
    index: u32,
    stream: &OutputStream,
    now_ms: u64,
    budget: &mut EditBudget,
) -> Result<BuiltOutput, CheckError> {
    let Given { document: input, seen, origin } = *given;
    let headers = headers(emission.headers, index, origin)?;
    let stamp = Stamp { stream, id: meta_id(origin, &stream.stream, index), now_ms };
    let document = match &emission.document {
        EmittedDocument::Tombstone => {
            let key = emission.key.or_else(|| origin.record.key.clone());
            let timestamp_ms = timestamp_ms(None, origin, now_ms);
            let record = OutputRecord { topic: stream.topic.clone(), timestamp_ms, key, value: None, headers };
            return check_size(record.bytes(), stream).map(|()| BuiltOutput { record, dropped: Vec::new() });
        }
        EmittedDocument::Whole(pieces) => {
            let limits = DecodeLimits { bytes_max: stream.bytes_max, ..DecodeLimits::default() };
            let whole = Document::from_pieces(pieces, &limits)?;
            let mut editor = Editor::new(&whole);
            stamp.put(&mut editor, input.map(Document::root))?;
            editor.finish()
        }
        EmittedDocument::Patch(edits) => {
            let input = input.ok_or(CheckError::PatchOfTombstone)?;
            let mut editor = Editor::new(input);
            editor.look(STAMP_CHANGES, budget)?;
            editor.apply(edits, seen, budget)?;
            stamp.put(&mut editor, None)?;
            editor.finish()
        }
    };
    let conform = stream.schema.conform(&document);
    let schema = || stream.schema.uri().to_string();
    let Projected { document, dropped } =
        conform.map_err(|invalid| CheckError::Invalid { schema: schema(), invalid })?;
    check_size(document.size_least(), stream)?;
    let key = match emission.key {
        Some(key) => Some(key),
        None if stream.key_fields.is_empty() => None,
        None => Some(key_of(&document, stream)?),
    };
    let mut value = Vec::new();
    document.write(&mut value);
    let timestamp_ms = timestamp_ms(Some(&document), origin, now_ms);
    let record = OutputRecord { topic: stream.topic.clone(), timestamp_ms, key, value: Some(value.into()), headers };
    check_size(record.bytes(), stream)?;
    Ok(BuiltOutput { record, dropped })
}

fn key_of(document: &Document, stream: &OutputStream) -> Result<Bytes, CheckError> {
    let key = key::build(document, &stream.key_fields);
    key.map(Bytes::from).map_err(|field| CheckError::Key { field: field.to_owned() })
}

fn check_size(bytes: usize, stream: &OutputStream) -> Result<(), CheckError> {
    let bytes_max = stream.bytes_max;
    if bytes > bytes_max { Err(CheckError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
}

/// The event's `dt`, else the record's timestamp, else now. Never later than now: brokers refuse a record from more than an
/// hour ahead (`message.timestamp.after.max.ms`), and whoever wrote that `dt` was wrong about it.
fn timestamp_ms(document: Option<&Document>, origin: &Origin<'_>, now_ms: u64) -> i64 {
    let dt = document.and_then(|document| time::parse_ms(&document.root().get("dt")?.as_str()?));
    // -1 is Kafka's word for none, and it takes no other negative one.
    let of_record = Some(origin.record.timestamp_ms).filter(|ms| *ms >= 0);
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    dt.filter(|ms| *ms >= 0).or(of_record).unwrap_or(now_ms).min(now_ms)
}

/// What the host says of an event in its document.
struct Stamp<'s> {
    stream: &'s OutputStream,
    id: Uuid,
    now_ms: u64,
}

impl Stamp<'_> {
    /// Puts it into the document. `cause` is what a new document takes over where it says nothing itself.
    fn put(&self, editor: &mut Editor<'_>, cause: Option<Value<'_>>) -> Result<(), CheckError> {
        let mut root = editor.take_root();
        set(editor, &mut root, "$schema", &self.stream.schema.uri().to_string());
        if let Some(cause) = cause {
            carry(editor, &mut root, cause, &["dt"]);
        }
        let mut meta = std::mem::replace(editor.member(&mut root, "meta"), Part::Array(Vec::new()));
        editor.take_apart(&mut meta);
        let Part::Object(mut members) = meta else { return Err(CheckError::Meta) };
        members.retain(|member| !META_OF_OTHERS.iter().any(|name| editor.is_called(member, name)));
        set(editor, &mut members, "stream", &self.stream.stream);
        set(editor, &mut members, "id", self.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        set(editor, &mut members, "dt", &time::format_ms(self.now_ms));
        if let Some(meta) = cause.and_then(|cause| cause.get("meta")) {
            carry(editor, &mut members, meta, &META_CARRIED);
        }
        *editor.member(&mut root, "meta") = Part::Object(members);
        editor.put_root(root);
        Ok(())
    }
}

fn set(editor: &mut Editor<'_>, members: &mut Vec<Member>, name: &str, text: &str) {
    let value = editor.string(text);
    *editor.member(members, name) = value;
}

/// Copies those strings called `names` that are not there yet.
fn carry(editor: &mut Editor<'_>, members: &mut Vec<Member>, from: Value<'_>, names: &[&str]) {
    for name in names {
        let value = from.get(name).filter(|value| value.as_str().is_some());
        if let Some(value) = value.filter(|_| editor.position(members, name).is_none()) {
            let copy = editor.copy(value);
            *editor.member(members, name) = copy;
        }
    }
}

pub(crate) static HEADER_SOURCE: LazyLock<Arc<str>> = LazyLock::new(|| "millrace-src".into());
pub(crate) static HEADER_INDEX: LazyLock<Arc<str>> = LazyLock::new(|| "millrace-idx".into());
pub(crate) static HEADER_PLUGIN: LazyLock<Arc<str>> = LazyLock::new(|| "millrace-plugin".into());

/// The plugin's headers and the host's.
fn headers(mut headers: Vec<Header>, index: u32, origin: &Origin<'_>) -> Result<Vec<Header>, CheckError> {
    if let Some(header) = headers.iter().find(|header| header.name.starts_with("millrace-")) {
        return Err(CheckError::Header { name: header.name.to_string() });
    }
    headers.reserve_exact(3);
    headers.push(header(&HEADER_SOURCE, source_of(origin)));
    headers.push(header(&HEADER_INDEX, index.to_string()));
    headers.push(header(&HEADER_PLUGIN, origin.plugin_digest.to_owned()));
    Ok(headers)
}

pub(crate) fn header(name: &Arc<str>, value: String) -> Header {
    Header { name: Arc::clone(name), value: Some(Bytes::from(value)) }
}
