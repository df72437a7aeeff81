//! Lookups: what a plugin may ask of a wiki or of another service, and how an answer becomes a type. One file per kind
//! below.
//!
//! A plugin has no network. It asks by awaiting a lookup, and the host does the rest: it puts 50 revisions of one wiki
//! into one call, asks once what several events ask, caches, retries, obeys the limits of the wiki, and waits while it
//! is down. The event's deadline (`limits.event_deadline`, 1 min unless set) stands still while it waits for that.
//!
//! | kind | asks for | by |
//! |---|---|---|
//! | `revision` | the facts and the content of a revision | [`MediaWiki::revision`], see [`revision`] |
//! | `compare` | the difference between two revisions | [`MediaWiki::ask`] |
//! | `html` | a revision as HTML | [`MediaWiki::ask`] |
//! | `query` | anything that `action=query` of a wiki's API can answer | [`MediaWiki::ask`] |
//! | `http` | a path of an HTTP service that the operator has configured | [`MediaWiki::ask`] |
//!
//! A kind must be in [`crate::Describe::lookup`], and the operator grants kinds, wikis, and the paths of services. An
//! event may have 64 lookups open at once and make 1,000 in all. Several at once are awaited by [`crate::join`] and
//! [`crate::join_all`].
//!
//! [`MediaWiki::ask`] takes the params of a kind as a JSON object and gives a [`Reply`]: small facts as a JSON
//! document, large bodies as [`Blob`]s that the document names by index. The README of the contract has their schemas.
//!
//! # Compare
//!
//! The body is the table rows of MediaWiki's diff. It is absent where one of the texts is hidden.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome, json};
//! #[derive(serde::Deserialize)]
//! struct Comparison {
//!     from_size: Option<u64>,
//!     to_size: Option<u64>,
//!     body: Option<usize>,
//! }
//!
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let params = json!({"domain": "en.wikipedia.org", "from_rev": 6, "to_rev": 7});
//! let reply = wiki.ask("compare", params.to_string()).await?;
//! let comparison: Comparison = reply.json()?;
//! let Some(rows) = comparison.body else { return Ok(Outcome::skip("hidden")) };
//! let patch = event.patch().set("/sizes", &[comparison.from_size, comparison.to_size]);
//! Ok(patch.set_string_blob("/diff", reply.blob(rows)?).emit("diffs"))
//! # }
//! ```
//!
//! # HTML
//!
//! The page is the only blob; the document has `rev_id`, `headers` and `size`. A hidden text is the error `Denied`.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome, json};
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let params = json!({"domain": "en.wikipedia.org", "rev_id": 7});
//! let reply = wiki.ask("html", params.to_string()).await?;
//! Ok(event.patch().set_string_blob("/html", reply.blob(0)?).emit("rendered"))
//! # }
//! ```
//!
//! # Query
//!
//! `params` are those of the API, all of them strings; `action`, `format`, `formatversion` (2) and the like are the
//! host's. The API's answer is the only blob: JSON, which can go into the event as it is.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome, json};
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let params = json!({
//!     "domain": "en.wikipedia.org",
//!     "params": {"prop": "categories", "titles": "Water", "cllimit": "max"},
//! });
//! let reply = wiki.ask("query", params.to_string()).await?;
//! Ok(event.patch().set_json_blob("/categories", reply.blob(0)?).emit("categorised"))
//! # }
//! ```
//!
//! # HTTP
//!
//! `target` is the name of a service in the host's configuration, `path` must be granted. `method` (GET unless given),
//! `query` and `headers` may be added; all values are strings, and a body cannot be sent yet. Any status below 300 is
//! an answer, whose body is the only blob; 404 is the error `Missing`. To read JSON, the plugin depends on
//! `serde_json`.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome, json};
//! #[derive(serde::Deserialize)]
//! struct Score {
//!     probability: f64,
//! }
//!
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let params = json!({"target": "scores", "path": "/v1/damaging", "query": {"rev_id": "7"}});
//! let reply = wiki.ask("http", params.to_string()).await?;
//! let score: Score = serde_json::from_slice(&reply.blob(0)?.read_all())?;
//! Ok(event.patch().set("/damaging", &score.probability).emit("scored"))
//! # }
//! ```
//!
//! # Errors
//!
//! A [`LookupError`] says by its [`crate::LookupErrorKind`] what a plugin can decide by. `?` makes a
//! [`crate::Failure`] of it:
//!
//! | kind | means | failure |
//! |---|---|---|
//! | `Missing` | there is no such revision, page or path | `not_found` |
//! | `Denied` | not granted, or refused by the other side | `lookup_denied` |
//! | `TooLarge` | more bytes than the host takes | `lookup_too_large` |
//! | `Unavailable` | it failed 3 times while others were answered, or the wiki lost the text | `lookup_unavailable` |
//! | `Invalid` | wrong params, or an answer of another shape | `lookup_invalid` |

use crate::ticket::{Question, Ticket};
use crate::{Blob, LookupError};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

pub mod revision;

pub use crate::ticket::Lookup;

/// The wikis and services that this pipeline may ask, on behalf of one event.
///
/// A lookup is made by awaiting it; the host does the rest (batches, shares, caches, retries, limits). Kinds that are
/// used must be named in [`crate::Describe::lookup`]. See [the module](self) for an example of each.
pub struct MediaWiki {
    ticket: Rc<Ticket>,
}

impl MediaWiki {
    pub(crate) fn new(ticket: Rc<Ticket>) -> Self {
        Self { ticket }
    }

    /// One revision: its facts and the content of its slots. `domain` is the wiki's, like `en.wikipedia.org`; `rev_id`
    /// is 1 or more.
    ///
    /// # Errors
    /// When awaited: `Missing` for a revision that does not exist or was deleted, `Denied` for a wiki that is not
    /// configured and granted, and those of [the module](self). A hidden text is no error: [`crate::Slot::Hidden`].
    pub fn revision<'a>(&self, domain: &'a str, rev_id: u64) -> revision::RevisionLookup<'a> {
        revision::RevisionLookup::new(&self.ticket, domain, rev_id)
    }

    /// A lookup of any kind, for those that this crate has no type for. `params` is the text of a JSON object, of at
    /// most 64 KiB; a longer one, and a kind that is not in `describe`, break a rule (`plugin_rule`).
    ///
    /// # Errors
    /// When awaited: `Invalid` for params that are not those of the kind, and those of [the module](self).
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
    /// The document as a type of yours; members that the type does not have are passed over.
    ///
    /// # Errors
    /// `Invalid` when it is not of that shape.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, LookupError> {
        serde_json::from_slice(&self.document).map_err(|error| LookupError::invalid(format!("answer: {error}")))
    }

    /// The blob that an index in the document names, from 0.
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
