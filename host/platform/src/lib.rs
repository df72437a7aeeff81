//! The Event Platform's contract: documents, schemas, envelope, message keys, error events.
//!
//! Nothing here knows Kafka, HTTP or WebAssembly: records come in and go out as `flow`'s plain data, and the time is
//! handed in. In reading order: [`Document`], [`Projection`], [`Schema`], [`build_output`], [`build_error_event`], and
//! [`restore`], which undoes the latter.

#![forbid(unsafe_code)]

mod content_hint;
mod document;
mod envelope;
mod error_event;
mod facts;
mod fit;
mod identity;
mod key;
mod pointer;
mod projection;
mod provenance;
mod reprocess;
mod schema;
mod streams;
mod time;

pub use content_hint::content_bytes_hint;
pub use document::{
    DecodeError, DecodeLimits, Document, Dropped, EditBudget, EditError, Elements, Key, Kind, Members, Projected,
    Reason, Value,
};
pub use envelope::{BuiltOutput, CheckError, Given, OutputStream, build_output};
pub use error_event::{Attempts, ERROR_EVENT_BYTES_LEAST, ERROR_SCHEMA_URI, ErrorStream, build_error_event};
pub use facts::{Conceals, EventFacts};
pub use fit::Unfit;
pub use identity::{Origin, meta_id, timer_record, timer_word};
pub use key::{KeyField, build as build_key};
pub use pointer::{POINTER_STEPS_MAX, Pointer, PointerError};
pub use projection::Projection;
pub use provenance::{BadHeader, Cause, Part, Provenance, error_provenance, output_provenance};
pub use reprocess::{Coordinates, FailedEvent, NoErrorEvent, Original, Restored, Unreturnable, error_source, restore};
pub use schema::{Invalid, Presence, Schema, SchemaError, SchemaUri, SchemaUriError, SchemaVersion, Violation};
pub use streams::{
    ContestedTopic, DataCentre, ReadScope, StreamMistake, StreamSettings, StreamsConfig, StreamsError, TOPIC_PREFIXES,
    TopicsError,
};
