//! The Event Platform's contract: documents, envelope, message keys, error events.
//!
//! Nothing here knows Kafka, HTTP or WebAssembly: records come in and go out as `flow`'s plain data, and the time is
//! handed in. In reading order: [`Document`], [`Projection`], [`build_output`], [`build_error_event`],
//! and [`restore`], which undoes the latter.

#![forbid(unsafe_code)]

mod content_hint;
mod document;
mod envelope;
mod error_event;
mod facts;
mod identity;
mod key;
mod pointer;
mod projection;
mod reprocess;
mod time;

pub use content_hint::content_bytes_hint;
pub use document::{DecodeError, DecodeLimits, Document, EditBudget, EditError, Elements, Key, Kind, Members, Value};
pub use envelope::{CheckError, Given, OutputStream, build_output};
pub use error_event::{Attempts, ERROR_EVENT_BYTES_LEAST, ErrorStream, build_error_event};
pub use facts::{Conceals, EventFacts};
pub use identity::{Origin, meta_id};
pub use key::KeyField;
pub use pointer::{POINTER_STEPS_MAX, Pointer, PointerError};
pub use projection::Projection;
pub use reprocess::{Coordinates, FailedEvent, NoErrorEvent, Original, Restored, Unfit, error_source, restore};
