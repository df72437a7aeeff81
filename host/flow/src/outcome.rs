//! Outcomes: what a plugin decided about one event.

use crate::blob::Piece;
use crate::record::Header;
use bytes::Bytes;

/// One edit of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// A JSON Pointer (RFC 6901), not the empty one.
    pub path: String,
    /// What to do there.
    pub change: Change,
}

/// What an edit does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets exactly one JSON value, written as pieces.
    Set(Vec<Piece>),
    /// Removes what is there, if anything is.
    Remove,
}

/// The document of an emission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmittedDocument {
    /// A new document.
    Whole(Vec<Piece>),
    /// The input document with these edits, in this order.
    Patch(Vec<Edit>),
    /// Kafka's null value.
    Tombstone,
}

/// One event that a plugin wants on one of its outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission {
    /// An output from `describe`.
    pub output: String,
    /// None: the host builds the key from the stream's `message_key_fields`; for a tombstone it is the input's key.
    pub key: Option<Bytes>,
    /// The event itself.
    pub document: EmittedDocument,
    /// Extra headers; names that begin with `millrace-` are the host's.
    pub headers: Vec<Header>,
}

/// Why an event failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word for counting and for `error_type`.
    pub kind: String,
    /// For people.
    pub message: String,
    /// Where it happened, where that is known.
    pub stack: Option<String>,
}

impl Failure {
    /// A failure without a stack.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), stack: None }
    }
}

/// What a plugin decided about one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These events, in this order. Never empty.
    Emit(Vec<Emission>),
    /// Nothing to say, and why, in a stable word for counting.
    Skip(String),
    /// Run the original event again as a new ticket, within the pipeline's budget.
    Retry {
        /// The least time to wait, in milliseconds.
        after_ms: Option<u32>,
        /// What the error event says once the budget is used up.
        failure: Failure,
    },
    /// This event can never work: an error event.
    Fail(Failure),
}
