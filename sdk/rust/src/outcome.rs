//! What a plugin decides about one event, and the emissions and patches it is made of.

use crate::bindings::millrace::plugin::types as wit;
use crate::{Blob, Failure, Pieces};
use serde::Serialize;

/// What a plugin decided about one event.
///
/// | outcome | when | what becomes of the event |
/// |---|---|---|
/// | [`Patch::emit`], [`Outcome::emit`] | there is something to say | outputs, all or none |
/// | [`Outcome::skip`] | there is nothing to say, and that is right | counted by its word |
/// | [`Outcome::retry`] | something that it needs is not there yet, and may be later | runs again, 3 times in all |
/// | [`Outcome::fail`], `Err(failure)` | it can never work | an error event, which holds the input |
///
/// Never retry because a wiki is down: the host waits for it by itself, and no event fails by that. And never skip what
/// should have worked: nobody looks at skips.
///
/// ```
/// # use millrace_sdk::{Event, Failure, LookupErrorKind, MediaWiki, Outcome};
/// # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
/// let revision = match wiki.revision("en.wikipedia.org", 7).await {
///     Ok(revision) => revision,
///     // Ours to decide: here, what was deleted meanwhile is of no interest.
///     Err(error) if error.kind == LookupErrorKind::Missing => return Ok(Outcome::skip("deleted")),
///     Err(error) => return Err(error.into()),
/// };
/// if revision.page_id == 0 {
///     let failure = Failure::new("no_page_yet", format!("revision {} has no page", revision.rev_id));
///     return Ok(Outcome::retry_after(2_000, failure));
/// }
/// Ok(event.patch().set("/page_id", &revision.page_id).emit("pages"))
/// # }
/// ```
#[derive(Debug)]
pub struct Outcome(pub(crate) wit::Outcome);

impl Outcome {
    /// These events, in this order, all or none; at most 1,000, else `plugin_rule`. None at all is the skip `nothing`.
    /// If serde could not write one of them, the event fails with `invalid_json` instead.
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

    /// Nothing to say about this event, and why: a stable word of at most 64 `a-z`, `0-9` and `_`, by which it is
    /// counted (`millrace_events_skipped_total`). The host turns anything else into such a word.
    pub fn skip(reason: impl Into<String>) -> Self {
        Self(wit::Outcome::Skip(reason.into()))
    }

    /// Run this event again later, with new lookups, within the pipeline's retry budget (`limits.retries`: 3 runs in
    /// all, after up to 1 s and up to 2 s, unless set). Later events of its key wait. When the budget is used up,
    /// `failure` becomes the error event.
    pub fn retry(failure: Failure) -> Self {
        Self(wit::Outcome::Retry(wit::RetryHint { after_ms: None, failure: failure.into_wit() }))
    }

    /// Like [`Outcome::retry`], but not before `after_ms` milliseconds, of which more than the pipeline's longest wait
    /// (`limits.retries.cap`) count as that. It adds no run.
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

/// One event on one output. The host writes `$schema`, `meta.id`, `meta.stream` and `meta.dt` into it, and a new
/// document that lacks them also gets the input's `dt`, `meta.domain`, `meta.request_id` and `meta.uri`.
///
/// ```
/// # use millrace_sdk::{Emission, Event, Failure, MediaWiki, Outcome, json};
/// # async fn process(event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
/// let page = Emission::document("pages", &json!({"page_id": 7, "page_title": "Water"}));
/// let change = event.patch().remove("/performer").to("changes").header("reason", "anonymised");
/// Ok(Outcome::emit([page.key("7"), change]))
/// # }
/// ```
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

    /// A new document, written by serde; it must be a JSON object. Prefer a patch where the output is the input with
    /// more in it: fields that this plugin does not know survive there. An error of serde fails the event with
    /// `invalid_json` when emitted.
    pub fn document(output: impl Into<String>, value: &(impl Serialize + ?Sized)) -> Self {
        let (bytes, broken) = to_json(value);
        Self::new(output, wit::Document::Whole(vec![wit::Piece::Bytes(bytes)]), broken)
    }

    /// A new document, written from pieces; together they must be one JSON object.
    pub fn pieces(output: impl Into<String>, pieces: Pieces) -> Self {
        Self::new(output, wit::Document::Whole(pieces.0), None)
    }

    /// Kafka's null value, by the input's key unless [`Emission::key`] gives another.
    pub fn tombstone(output: impl Into<String>) -> Self {
        Self::new(output, wit::Document::Tombstone, None)
    }

    /// Another key than the one that the host builds from the output stream's key fields, or for a tombstone than the
    /// input's.
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.inner.key = Some(key.into());
        self
    }

    /// One more header. Names that begin with `millrace-` are the host's; one of those makes the event an error event
    /// `output_invalid`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.inner.headers.push(wit::Header { name: name.into(), value: Some(value.into()) });
        self
    }
}

/// Edits on the input document, as the host received it: what the plugin never saw survives.
///
/// A path is a JSON Pointer, not the empty one; [`pointer()`] writes one from names that may hold `/` or `~`. Edits
/// apply in order, and missing parents are made as objects. In an array, an index must exist, or be `-` to append. What
/// cannot be done (a path through a string or number, an index that is not there, a value that is not exactly one JSON
/// value, a `set` in place of an object of which the plugin saw a part only) makes the event an error event
/// `output_invalid`.
///
/// ```
/// # use millrace_sdk::{Event, Failure, MediaWiki, Outcome, pointer};
/// # async fn process(event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
/// let patch = event
///     .patch()
///     .set("/revision/is_checked", &true)
///     .set("/tags/-", &"checked")
///     .set(pointer(["revision", "content_slots", "main", "content_size"]), &42)
///     .remove("/performer/user_text");
/// Ok(patch.emit("checked"))
/// # }
/// ```
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

    /// Sets a blob (UTF-8, else `output_invalid`) as a JSON string: how content gets into an event without passing
    /// through the plugin.
    pub fn set_string_blob(self, path: impl Into<String>, blob: Blob) -> Self {
        self.set_pieces(path, Pieces::new().string_blob(blob))
    }

    /// Sets a blob that is itself exactly one JSON value, like the answer of an API, without passing it through the
    /// plugin.
    pub fn set_json_blob(self, path: impl Into<String>, blob: Blob) -> Self {
        self.set_pieces(path, Pieces::new().blob(blob))
    }

    /// Sets one JSON value that is written from pieces.
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

    /// The outcome that emits just this on `output`, a name from [`crate::Describe::output`].
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
