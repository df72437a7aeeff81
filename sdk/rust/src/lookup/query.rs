//! The lookup `query`: anything that `action=query` of a wiki's API can answer.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome};
//! /// What is read of the API's answer (`formatversion=2`); the rest is passed over.
//! #[derive(serde::Deserialize)]
//! struct Answer {
//!     query: Query,
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Query {
//!     pages: Vec<Page>,
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Page {
//!     #[serde(default)]
//!     categories: Vec<Category>,
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Category {
//!     title: String,
//! }
//!
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let params = [("prop", "categories"), ("titles", "Water"), ("cllimit", "max")];
//! let answer: Answer = wiki.query("en.wikipedia.org", params).await?.json()?;
//! let pages = answer.query.pages.into_iter();
//! let titles: Vec<String> = pages.flat_map(|page| page.categories).map(|category| category.title).collect();
//! Ok(event.patch().set("/categories", &titles).emit("categorised"))
//! # }
//! ```
//!
//! The whole answer can go into an event without being read: [`crate::Patch::set_json_blob`] of its `body`.
//!
//! Where the answer has a `continue`, there is more: ask again with its members as further parameters.
//!
//! ```
//! # use millrace_sdk::{Failure, MediaWiki, Value};
//! # use std::collections::BTreeMap;
//! #[derive(serde::Deserialize)]
//! struct Answer {
//!     /// Of this module all values are strings; some others have numbers among them.
//!     #[serde(default, rename = "continue")]
//!     more: BTreeMap<String, String>,
//!     query: Value,
//! }
//!
//! # async fn all(wiki: &MediaWiki) -> Result<Vec<Value>, Failure> {
//! let mut found = Vec::new();
//! let mut more = BTreeMap::new();
//! loop {
//!     let query = wiki.query("en.wikipedia.org", [("prop", "categories"), ("titles", "Water")]);
//!     let answer: Answer = query.params(more).await?.json()?;
//!     found.push(answer.query);
//!     if answer.more.is_empty() {
//!         return Ok(found);
//!     }
//!     more = answer.more;
//! }
//! # }
//! ```

use super::{Lookup, Response, question, response};
use crate::LookupError;
use crate::ticket::Ticket;
use serde::Serialize;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A query to a wiki's API; await it.
#[must_use = "a lookup does nothing until it is awaited"]
pub struct QueryLookup<'a> {
    ticket: Rc<Ticket>,
    params: Params<'a>,
}

#[derive(Serialize)]
struct Params<'a> {
    domain: &'a str,
    params: BTreeMap<String, String>,
}

impl<'a> QueryLookup<'a> {
    pub(super) fn new(ticket: &Rc<Ticket>, domain: &'a str) -> Self {
        Self { ticket: Rc::clone(ticket), params: Params { domain, params: BTreeMap::new() } }
    }

    /// One more parameter of the API, or another value of one that is there. Several values of one parameter are joined
    /// by `|`.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.params.insert(name.into(), value.into());
        self
    }

    /// More parameters, as [`QueryLookup::param`] takes them.
    pub fn params<N: Into<String>, V: Into<String>>(mut self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        self.params.params.extend(pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }
}

impl IntoFuture for QueryLookup<'_> {
    type Output = Result<Response, LookupError>;
    type IntoFuture = Lookup<Response>;

    fn into_future(self) -> Lookup<Response> {
        Lookup::new(&self.ticket, question("query", &self.params), response::read)
    }
}
