//! The cases of `tests/cases/emit`: what becomes of an emission on its way to its stream, as folders.

use crate::sample::document;
use bytes::Bytes;
use millrace_flow::blob::Piece;
use millrace_flow::outcome::{Change, Edit, Emission, EmittedDocument};
use millrace_flow::record::{Header, Record, TopicPartition};
use millrace_platform::{
    BuiltOutput, CheckError, EditBudget, Given, KeyField, Origin, OutputStream, Pointer, Projection, Schema, SchemaUri,
    build_output,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases");
/// The clock of every case: 2026-11-28T10:00:10.042Z.
const NOW_MS: u64 = 1_795_860_010_042;
/// What stands for the id, which follows from the coordinates (`identity.rs` tests it).
const ID: &str = "<id>";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    description: String,
    stream: Stream,
    #[serde(default)]
    record: SourceRecord,
    input: Option<Value>,
    seen: Option<Vec<String>>,
    emission: Emitted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    stream: String,
    topic: String,
    schema: String,
    /// The key's names and JSON Pointers, in order.
    #[serde(default)]
    key: Vec<(String, String)>,
    max_bytes: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceRecord {
    key: Option<String>,
    #[serde(default)]
    timestamp_ms: i64,
}

/// Exactly one of the first four.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Emitted {
    document: Option<Value>,
    text: Option<String>,
    edits: Option<Vec<EditCase>>,
    tombstone: Option<bool>,
    key: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditCase {
    set: Option<String>,
    remove: Option<String>,
    value: Option<Value>,
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Refused(Refused),
    Record(Box<ExpectedRecord>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    /// The cause.
    error: String,
    /// What the message has.
    says: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedRecord {
    topic: String,
    key: Option<String>,
    timestamp_ms: i64,
    /// The event; null for a tombstone.
    #[serde(default)]
    value: Value,
    /// In place of `value`: what the event's text has, byte for byte.
    contains: Option<Vec<String>>,
    #[serde(default)]
    dropped: Vec<String>,
    headers: Option<BTreeMap<String, String>>,
}

#[track_caller]
fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn schema(uri: &str) -> Schema {
    let path = format!("{CASES}/schemas{uri}.yaml");
    Schema::compile(&SchemaUri::parse(uri).unwrap(), &std::fs::read(path).unwrap()).unwrap()
}

impl Stream {
    fn bind(&self) -> OutputStream {
        let field = |(name, pointer): &(String, String)| KeyField {
            name: name.clone(),
            pointer: Pointer::parse(pointer).unwrap(),
        };
        OutputStream {
            stream: self.stream.clone(),
            topic: self.topic.as_str().into(),
            schema: Arc::new(schema(&self.schema)),
            key_fields: self.key.iter().map(field).collect(),
            bytes_max: self.max_bytes.unwrap_or(1 << 20),
        }
    }
}

fn piece(text: String) -> Vec<Piece> {
    vec![Piece::Bytes(Bytes::from(text))]
}

impl EditCase {
    fn edit(self) -> Edit {
        match (self.set, self.remove, self.value, self.text) {
            (Some(path), None, Some(value), None) => Edit { path, change: Change::Set(piece(value.to_string())) },
            (Some(path), None, None, Some(text)) => Edit { path, change: Change::Set(piece(text)) },
            (None, Some(path), None, None) => Edit { path, change: Change::Remove },
            _ => panic!("an edit is `set` with `value` or `text`, or `remove`"),
        }
    }
}

impl Emitted {
    fn emission(self) -> Emission {
        let document = match (self.document, self.text, self.edits, self.tombstone) {
            (Some(document), None, None, None) => EmittedDocument::Whole(piece(document.to_string())),
            (None, Some(text), None, None) => EmittedDocument::Whole(piece(text)),
            (None, None, Some(edits), None) => EmittedDocument::Patch(edits.into_iter().map(EditCase::edit).collect()),
            (None, None, None, Some(true)) => EmittedDocument::Tombstone,
            _ => panic!("an emission is a `document`, a `text`, `edits` or a `tombstone`"),
        };
        let header = |(name, value): (String, String)| Header { name: name.into(), value: Some(value.into()) };
        let headers = self.headers.into_iter().map(header).collect();
        Emission { output: "out".to_owned(), key: self.key.map(Bytes::from), document, headers }
    }
}

fn run(case: Case) -> Result<BuiltOutput, CheckError> {
    let stream = case.stream.bind();
    let record = Record {
        source: TopicPartition::new("eqiad.test.input", 0),
        offset: 12,
        timestamp_ms: case.record.timestamp_ms,
        key: case.record.key.map(Bytes::from),
        value: case.input.as_ref().map(|input| Bytes::from(input.to_string())),
        headers: Vec::new(),
    };
    let input = case.input.map(|input| document(&input.to_string()));
    let seen = case.seen.map_or_else(Projection::everything, |fields| {
        let fields: Vec<Pointer> = fields.iter().map(|field| Pointer::parse(field).unwrap()).collect();
        Projection::compile(&fields)
    });
    let origin =
        Origin { pipeline: "enrich", cluster_id: "cluster-1", record: &record, timer: None, plugin_digest: "5e1f" };
    let given = Given { document: input.as_ref(), seen: &seen, origin: &origin };
    build_output(&given, case.emission.emission(), 0, &stream, NOW_MS, &mut EditBudget::default())
}

fn text(bytes: &Option<Bytes>) -> Option<String> {
    bytes.as_ref().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn judge(name: &str, built: Result<BuiltOutput, CheckError>, expected: Expected) {
    match (built, expected) {
        (Err(error), Expected::Refused(refused)) => {
            assert_eq!(error.cause().word(), refused.error, "{name}: {error}");
            for word in refused.says {
                assert!(error.to_string().contains(&word), "{name}: {error}: {word} is not said");
            }
        }
        (Ok(built), Expected::Record(expected)) => {
            let record = built.record;
            let dropped: Vec<String> = built.dropped.into_iter().map(|dropped| dropped.path).collect();
            let found = (record.topic.to_string(), text(&record.key), record.timestamp_ms, dropped);
            assert_eq!(found, (expected.topic, expected.key, expected.timestamp_ms, expected.dropped), "{name}");
            let written = text(&record.value).unwrap_or_else(|| "null".to_owned());
            match expected.contains {
                Some(parts) => parts.iter().for_each(|part| assert!(written.contains(part), "{name}: {written}")),
                None => assert_eq!(without_id(&written), expected.value, "{name}"),
            }
            if let Some(headers) = expected.headers {
                let found = record.headers.iter().map(|h| (h.name.to_string(), text(&h.value).unwrap())).collect();
                assert_eq!(headers, found, "{name}");
            }
        }
        (Ok(built), Expected::Refused(refused)) => {
            panic!("{name}: no {}: {:?}", refused.error, text(&built.record.value))
        }
        (Err(error), Expected::Record(_)) => panic!("{name}: {error}"),
    }
}

/// The event, with [`ID`] in place of an id that is one.
fn without_id(event: &str) -> Value {
    let mut event: Value = serde_json::from_str(event).unwrap();
    if let Some(id) = event.pointer_mut("/meta/id") {
        assert_eq!(id.as_str().map(|id| (id.len(), id.get(14..15))), Some((36, Some("5"))), "{id}");
        *id = ID.into();
    }
    event
}

#[test]
fn every_emission_becomes_what_its_case_says() {
    let folders = std::fs::read_dir(format!("{CASES}/emit")).unwrap();
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 40, "{} cases", folders.len());
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let case: Case = read(&folder.join("case.json"));
        assert!(!case.description.is_empty(), "{name}: a case says what it shows");
        judge(&name, run(case), read(&folder.join("expected.json")));
    }
}
