//! An event in the shape of `mediawiki/page/change`, and short ways to what the tests build again and again.

use bytes::Bytes;
use millrace_flow::blob::{Blob, Piece};
use millrace_flow::outcome::{Change, Edit};
use millrace_flow::record::{Record, TopicPartition};
use millrace_platform::{DecodeLimits, Document, Origin, Pointer, Projection, Schema, SchemaUri};
use std::sync::Arc;

pub(crate) const PAGE_CHANGE: &str = include_str!("page_change.json");

pub(crate) fn document(text: &str) -> Document {
    Document::parse(Bytes::copy_from_slice(text.as_bytes()), &DecodeLimits::default()).unwrap()
}

pub(crate) fn written(document: &Document) -> String {
    let mut out = Vec::new();
    document.write(&mut out);
    String::from_utf8(out).unwrap()
}

pub(crate) fn projection(pointers: &[&str]) -> Projection {
    Projection::compile(&pointers.iter().map(|pointer| Pointer::parse(pointer).unwrap()).collect::<Vec<_>>())
}

pub(crate) fn bytes(text: &str) -> Piece {
    Piece::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

pub(crate) fn string(text: &str) -> Piece {
    Piece::JsonString(Blob::plain(Bytes::copy_from_slice(text.as_bytes())))
}

/// A blob as lookups make it: the inside of a JSON string.
pub(crate) fn escaped(inside: &str, size: u64) -> Piece {
    Piece::JsonString(Blob::escaped(Bytes::copy_from_slice(inside.as_bytes()), size))
}

pub(crate) fn set(path: &str, pieces: Vec<Piece>) -> Edit {
    Edit { path: path.to_owned(), change: Change::Set(pieces) }
}

pub(crate) fn remove(path: &str) -> Edit {
    Edit { path: path.to_owned(), change: Change::Remove }
}

pub(crate) fn record(value: Option<&[u8]>) -> Record {
    Record {
        source: TopicPartition::new("eqiad.mediawiki.page_change.v1", 0),
        offset: 4711,
        timestamp_ms: 1_782_121_691_500,
        key: Some(Bytes::from_static(br#"{"wiki_id":"examplewiki","page_id":77}"#)),
        value: value.map(Bytes::copy_from_slice),
        headers: Vec::new(),
    }
}

pub(crate) fn origin(record: &Record) -> Origin<'_> {
    Origin { pipeline: "page_content_change", cluster_id: "cluster-1", record, timer: None, plugin_digest: "5ea1" }
}

/// A schema that takes any object, where a test is about something else.
pub(crate) fn open_schema(uri: &str) -> Arc<Schema> {
    let uri = SchemaUri::parse(uri).unwrap();
    let schema = serde_json::json!({ "title": uri.title(), "$id": uri.to_string(), "type": "object" });
    Arc::new(Schema::compile(&uri, schema.to_string().as_bytes()).unwrap())
}
