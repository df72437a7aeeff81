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
//! | `compare` | the difference between two revisions | [`MediaWiki::compare`], see [`compare`] |
//! | `html` | a revision as HTML | [`MediaWiki::html`], see [`html`] |
//! | `query` | anything that `action=query` of a wiki's API can answer | [`MediaWiki::query`], see [`query`] |
//! | `http` | a path of an HTTP service that the operator has configured | [`MediaWiki::http`], see [`http`] |
//! | any other | what a newer host can answer | [`MediaWiki::ask`], see [`ask`] |
//!
//! A kind must be in [`crate::Describe::lookup`], and the operator grants kinds, wikis, and the paths of services.
//! Several lookups at once are awaited by [`crate::join`] and [`crate::join_all`]. Of one event 64 are open at once;
//! those beyond wait by themselves until others are answered. In all it may make 1,000, and one more breaks a rule
//! (`plugin_rule`).
//!
//! Small facts of an answer are fields of its type. What is large is a [`crate::Blob`]: it stays in the host unless it
//! is read. JSON in it is read by [`Response::json`] or [`crate::Blob::json`], so that a plugin needs no JSON library
//! of its own.
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

pub mod ask;
pub mod compare;
pub mod html;
pub mod http;
pub mod query;
mod response;
pub mod revision;

use crate::LookupError;
use crate::ticket::{Question, Ticket};
use serde::Serialize;
use std::rc::Rc;

pub use crate::ticket::Lookup;
pub use ask::Reply;
pub use response::{Headers, Response};

/// The wikis and services that this pipeline may ask, on behalf of one event.
///
/// A lookup is made by awaiting it; the host does the rest (batches, shares, caches, retries, limits). Kinds that are
/// used must be named in [`crate::Describe::lookup`]. See [the module](self) for an example of each.
///
/// `domain` is always that of a wiki, as in `meta.domain`: `en.wikipedia.org`. A wiki that is not configured and
/// granted is the error `Denied`. All params of a lookup together may have 64 KiB, written as JSON; more break a rule
/// (`plugin_rule`).
pub struct MediaWiki {
    ticket: Rc<Ticket>,
}

impl MediaWiki {
    pub(crate) fn new(ticket: Rc<Ticket>) -> Self {
        Self { ticket }
    }

    /// One revision: its facts and the content of its slots. `rev_id` is 1 or more.
    ///
    /// # Errors
    /// When awaited: `Missing` for a revision that does not exist or was deleted, and those of [the module](self). A
    /// hidden text is no error: [`crate::Slot::Hidden`].
    pub fn revision<'a>(&self, domain: &'a str, rev_id: u64) -> revision::RevisionLookup<'a> {
        revision::RevisionLookup::new(&self.ticket, domain, rev_id)
    }

    /// The difference between two revisions, from the left to the right.
    ///
    /// # Errors
    /// When awaited: `Missing` when one of them does not exist or was deleted, and those of [the module](self). A
    /// hidden text is no error: [`compare::Comparison::body`] is none.
    pub fn compare<'a>(&self, domain: &'a str, from_rev: u64, to_rev: u64) -> compare::CompareLookup<'a> {
        compare::CompareLookup::new(&self.ticket, domain, from_rev, to_rev)
    }

    /// One revision as the wiki's REST API renders it.
    ///
    /// # Errors
    /// When awaited: `Missing` for a revision that does not exist or was deleted, `Denied` also for one whose text is
    /// hidden (see [`html`]), and those of [the module](self).
    pub fn html<'a>(&self, domain: &'a str, rev_id: u64) -> html::HtmlLookup<'a> {
        html::HtmlLookup::new(&self.ticket, domain, rev_id)
    }

    /// A query to a wiki's API, with these parameters of `action=query`: names and values, at most 64, all strings.
    /// `action`, `format`, `formatversion` (it is 2), `maxlag` and the like are the host's (`Denied`).
    ///
    /// # Errors
    /// When awaited: `Missing`, `Denied` or `Invalid` as the API's own error says, and those of [the module](self). A
    /// page that does not exist is mostly no error of the API, but an answer that says so.
    pub fn query<'a, N: Into<String>, V: Into<String>>(
        &self,
        domain: &'a str,
        params: impl IntoIterator<Item = (N, V)>,
    ) -> query::QueryLookup<'a> {
        query::QueryLookup::new(&self.ticket, domain).params(params)
    }

    /// A request to a service: `target` is its name in the host's configuration, and `path` one that is granted, in
    /// normal form and percent-encoded.
    ///
    /// # Errors
    /// When awaited: by the status of the answer, `Missing` (404, 410), `Denied` (401, 403, and what is not granted),
    /// `TooLarge` (413), `Invalid` (others from 300 to 499); and those of [the module](self).
    pub fn http<'a>(&self, target: &'a str, path: &'a str) -> http::HttpLookup<'a> {
        http::HttpLookup::new(&self.ticket, target, path)
    }

    /// A lookup of any kind, for those that this crate has no type for. `params` is the text of a JSON object. A kind
    /// that is not in `describe` breaks a rule (`plugin_rule`).
    ///
    /// # Errors
    /// When awaited: `Invalid` for params that are not those of the kind, and those of [the module](self).
    pub fn ask(&self, kind: impl Into<String>, params: impl Into<String>) -> ask::AskLookup {
        ask::AskLookup::new(&self.ticket, kind.into(), params.into())
    }
}

/// A question of `kind` with `params` written by serde.
fn question(kind: &str, params: &impl Serialize) -> Result<Question, LookupError> {
    let params = serde_json::to_string(params).map_err(|error| LookupError::invalid(format!("params: {error}")))?;
    Ok(Question { kind: kind.to_owned(), params, body: Vec::new() })
}

#[cfg(test)]
mod tests;
