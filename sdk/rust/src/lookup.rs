//! Lookups: what a plugin may ask of a wiki, and how an answer becomes a type. One file per kind below.

use crate::ticket::{Question, Ticket};
use crate::{Blob, LookupError};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

pub mod revision;

pub use crate::ticket::Lookup;

/// The wikis that this pipeline may ask.
///
/// A lookup is made by awaiting it; the host does the rest (batches, shares, caches, retries, limits). Kinds that are
/// used must be named in [`crate::Describe::lookup`].
pub struct MediaWiki {
    ticket: Rc<Ticket>,
}

impl MediaWiki {
    pub(crate) fn new(ticket: Rc<Ticket>) -> Self {
        Self { ticket }
    }

    /// One revision: its facts and the content of its slots. `domain` is the wiki's, like `en.wikipedia.org`.
    pub fn revision<'a>(&self, domain: &'a str, rev_id: u64) -> revision::RevisionLookup<'a> {
        revision::RevisionLookup::new(&self.ticket, domain, rev_id)
    }

    /// A lookup of any kind, for those that this crate has no type for: `params` is a JSON object.
    pub fn ask(&self, kind: impl Into<String>, params: impl Into<String>) -> Lookup<Reply> {
        let question = Question { kind: kind.into(), params: params.into(), body: Vec::new() };
        Lookup::new(&self.ticket, Ok(question), Ok)
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
    /// The document as a type.
    ///
    /// # Errors
    /// `Invalid` when it is not of that shape.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, LookupError> {
        serde_json::from_slice(&self.document).map_err(|error| LookupError::invalid(format!("answer: {error}")))
    }

    /// The blob that an index in the document names.
    ///
    /// # Errors
    /// `Invalid` when there is none of that index.
    pub fn blob(&self, index: usize) -> Result<Blob, LookupError> {
        self.blobs.get(index).copied().ok_or_else(|| LookupError::invalid(format!("answer: no blob {index}")))
    }
}

/// A question of `kind` with `params` written by serde.
fn question(kind: &str, params: &impl Serialize) -> Result<Question, LookupError> {
    let params = serde_json::to_string(params).map_err(|error| LookupError::invalid(format!("params: {error}")))?;
    Ok(Question { kind: kind.to_owned(), params, body: Vec::new() })
}
