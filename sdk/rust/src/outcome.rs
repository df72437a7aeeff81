//! What a plugin decides about one event, and the emissions and patches it is made of.

use crate::bindings::millrace::plugin::types as wit;
use crate::{Blob, Failure, Pieces};
use serde::Serialize;

/// What a plugin decided about one event.
#[derive(Debug)]
pub struct Outcome(pub(crate) wit::Outcome);

impl Outcome {
    /// These events, in this order, all or none. None at all is the skip `nothing`.
    pub fn emit(emissions: impl IntoIterator<Item = Emission>) -> Self {
        let mut list = Vec::new();
        for emission in emissions {
            match emission.broken {
                Some(failure) => return Self::fail(failure),
                None => list.push(emission.inner),
            }
        }
        if list.is_empty() { Self::skip("nothing") } else { Self(wit::Outcome::Emit(list)) }
    }

    /// Nothing to say about this event, and why: a stable word, which is counted.
    pub fn skip(reason: impl Into<String>) -> Self {
        Self(wit::Outcome::Skip(reason.into()))
    }

    /// Run this event again later, with new lookups, within the pipeline's retry budget. Later events of its key wait.
    /// When the budget is used up, `failure` becomes the error event.
    pub fn retry(failure: Failure) -> Self {
        Self(wit::Outcome::Retry(wit::RetryHint { after_ms: None, failure: failure.into_wit() }))
    }

    /// Like [`Outcome::retry`], but not before `after_ms` milliseconds.
    pub fn retry_after(after_ms: u32, failure: Failure) -> Self {
        Self(wit::Outcome::Retry(wit::RetryHint { after_ms: Some(after_ms), failure: failure.into_wit() }))
    }

    /// This event can never work. The same as returning the failure as an error.
    pub fn fail(failure: Failure) -> Self {
        Self(wit::Outcome::Fail(failure.into_wit()))
    }
}

impl From<Emission> for Outcome {
    fn from(emission: Emission) -> Self {
        Self::emit([emission])
    }
}

/// One event on one output.
#[derive(Debug)]
pub struct Emission {
    inner: wit::Emission,
    broken: Option<Failure>,
}

impl Emission {
    fn new(output: impl Into<String>, document: wit::Document, broken: Option<Failure>) -> Self {
        let inner = wit::Emission { output: output.into(), key: None, document, headers: Vec::new() };
        Self { inner, broken }
    }

    /// A new document, written by serde. Prefer a patch where the output is the input with more in it: fields that this
    /// plugin does not know survive there.
    pub fn document(output: impl Into<String>, value: &(impl Serialize + ?Sized)) -> Self {
        let (bytes, broken) = to_json(value);
        Self::new(output, wit::Document::Whole(vec![wit::Piece::Bytes(bytes)]), broken)
    }

    /// A new document, written from pieces.
    pub fn pieces(output: impl Into<String>, pieces: Pieces) -> Self {
        Self::new(output, wit::Document::Whole(pieces.0), None)
    }

    /// Kafka's null value, by the input's key unless [`Emission::key`] gives another.
    pub fn tombstone(output: impl Into<String>) -> Self {
        Self::new(output, wit::Document::Tombstone, None)
    }

    /// Another key than the one that the host builds from the output stream's key fields.
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.inner.key = Some(key.into());
        self
    }

    /// One more header. Names that begin with `millrace-` are the host's.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.inner.headers.push(wit::Header { name: name.into(), value: Some(value.into()) });
        self
    }
}

/// Edits on the input document, as the host received it: what the plugin never saw survives.
///
/// A path is a JSON Pointer; [`pointer`] writes one from names that may hold `/` or `~`. Edits apply in order, and
/// missing parents are made as objects.
#[derive(Debug, Default)]
#[must_use = "a patch is nothing until it is emitted"]
pub struct Patch {
    edits: Vec<wit::Edit>,
    broken: Option<Failure>,
}

impl Patch {
    /// Sets the value at `path`, written by serde. An error of serde fails the event with `invalid_json` when emitted.
    pub fn set(mut self, path: impl Into<String>, value: &(impl Serialize + ?Sized)) -> Self {
        let (bytes, broken) = to_json(value);
        self.broken = self.broken.or(broken);
        self.set_pieces(path, Pieces(vec![wit::Piece::Bytes(bytes)]))
    }

    /// Sets a blob (UTF-8) as a JSON string: how content gets into an event without passing through the plugin.
    pub fn set_string_blob(self, path: impl Into<String>, blob: Blob) -> Self {
        self.set_pieces(path, Pieces::new().string_blob(blob))
    }

    /// Sets a blob that is itself one JSON value.
    pub fn set_json_blob(self, path: impl Into<String>, blob: Blob) -> Self {
        self.set_pieces(path, Pieces::new().blob(blob))
    }

    /// Sets one JSON value written from pieces.
    pub fn set_pieces(mut self, path: impl Into<String>, pieces: Pieces) -> Self {
        self.edits.push(wit::Edit { path: path.into(), change: wit::Change::Set(pieces.0) });
        self
    }

    /// Removes what is at `path`, if anything is.
    pub fn remove(mut self, path: impl Into<String>) -> Self {
        self.edits.push(wit::Edit { path: path.into(), change: wit::Change::Remove });
        self
    }

    /// An emission on `output`: for a key, headers, or several emissions in one outcome.
    pub fn to(self, output: impl Into<String>) -> Emission {
        Emission::new(output, wit::Document::Patch(self.edits), self.broken)
    }

    /// The outcome that emits just this on `output`.
    pub fn emit(self, output: impl Into<String>) -> Outcome {
        self.to(output).into()
    }
}

fn to_json(value: &(impl Serialize + ?Sized)) -> (Vec<u8>, Option<Failure>) {
    match serde_json::to_vec(value) {
        Ok(bytes) => (bytes, None),
        Err(error) => (Vec::new(), Some(error.into())),
    }
}

/// The JSON Pointer (RFC 6901) to the value under these names, one below the other.
///
/// ```
/// assert_eq!(millrace_sdk::pointer(["revision", "content_slots", "a/b"]), "/revision/content_slots/a~1b");
/// ```
pub fn pointer<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut path = String::with_capacity(64);
    for name in names {
        path.push('/');
        if name.contains(['~', '/']) {
            path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        } else {
            path.push_str(name);
        }
    }
    path
}
