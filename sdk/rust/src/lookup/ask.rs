//! A lookup of any kind, by its name: for kinds that this crate has no type for.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome, json};
//! /// What is read of the answer's document.
//! #[derive(serde::Deserialize)]
//! struct Entity {
//!     revision: u64,
//!     /// Which of the blobs is the text.
//!     body: usize,
//! }
//!
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let reply = wiki.ask("entity", json!({"id": "Q42"}).to_string()).await?;
//! let entity: Entity = reply.json()?;
//! let patch = event.patch().set("/entity_revision", &entity.revision);
//! Ok(patch.set_json_blob("/entity", reply.blob(entity.body)?).emit("with_entities"))
//! # }
//! ```

use super::Lookup;
use crate::ticket::{Question, Ticket};
use crate::{Blob, LookupError, Pieces};
use serde::Deserialize;
use std::rc::Rc;

/// A question of any kind; await it.
#[must_use = "a lookup does nothing until it is awaited"]
pub struct AskLookup {
    ticket: Rc<Ticket>,
    question: Question,
}

impl AskLookup {
    pub(super) fn new(ticket: &Rc<Ticket>, kind: String, params: String) -> Self {
        Self { ticket: Rc::clone(ticket), question: Question { kind, params, body: Vec::new() } }
    }

    /// A body: bytes or text as they are, or [`Pieces`] with blobs in them, which never enter the plugin. Of the kinds
    /// that hosts know today, only `http` has one; with any other the lookup is `Invalid`.
    pub fn body(mut self, body: impl Into<Pieces>) -> Self {
        self.question.body = body.into().0;
        self
    }
}

impl IntoFuture for AskLookup {
    type Output = Result<Reply, LookupError>;
    type IntoFuture = Lookup<Reply>;

    fn into_future(self) -> Lookup<Reply> {
        Lookup::new(&self.ticket, Ok(self.question), Ok)
    }
}

/// An answer before it became a type: a small JSON document, and what is large beside it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The JSON document; the contract's README has its schema, by kind.
    pub document: Vec<u8>,
    /// The large parts, in the order of the indexes in `document`.
    pub blobs: Vec<Blob>,
}

impl Reply {
    /// The document as a type of yours; members that the type does not have are passed over.
    ///
    /// # Errors
    /// `Invalid` when it is not of that shape.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, LookupError> {
        serde_json::from_slice(&self.document).map_err(|error| LookupError::invalid(format!("answer: {error}")))
    }

    /// The blob that an index in the document names, from 0. [`Blob::json`] and [`Blob::text`] read it.
    ///
    /// # Errors
    /// `Invalid` when there is none of that index.
    pub fn blob(&self, index: usize) -> Result<Blob, LookupError> {
        self.blobs.get(index).copied().ok_or_else(|| LookupError::invalid(format!("answer: no blob {index}")))
    }
}
