//! The lookup `html`: a revision as the wiki's REST API renders it.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome};
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let html = wiki.html("en.wikipedia.org", 7).await?;
//! let patch = event.patch().set("/html_language", &html.headers.get("content-language"));
//! Ok(patch.set_string_blob("/html", html.body).emit("rendered"))
//! # }
//! ```
//!
//! A revision whose text is hidden from the public is the error `Denied`, and so is a wiki that the operator did not
//! grant: a plugin cannot tell one from the other, except by the message, which is for people. To pass hidden
//! revisions on and yet fail where a grant is missing, ask [`crate::MediaWiki::revision`], whose answer says that a
//! text is hidden. (Events of a page's changes often say so themselves: `is_content_visible`.)

use super::{Headers, Lookup, Reply, question};
use crate::ticket::Ticket;
use crate::{Blob, LookupError};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// A revision to ask for as HTML; await it.
#[must_use = "a lookup does nothing until it is awaited"]
pub struct HtmlLookup<'a> {
    ticket: Rc<Ticket>,
    params: Params<'a>,
}

#[derive(Serialize)]
struct Params<'a> {
    domain: &'a str,
    rev_id: u64,
}

impl<'a> HtmlLookup<'a> {
    pub(super) fn new(ticket: &Rc<Ticket>, domain: &'a str, rev_id: u64) -> Self {
        Self { ticket: Rc::clone(ticket), params: Params { domain, rev_id } }
    }
}

impl IntoFuture for HtmlLookup<'_> {
    type Output = Result<Html, LookupError>;
    type IntoFuture = Lookup<Html>;

    fn into_future(self) -> Lookup<Html> {
        Lookup::new(&self.ticket, question("html", &self.params), read)
    }
}

/// One revision as HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html {
    /// Its number, as asked.
    pub rev_id: u64,
    /// What the wiki says of it: its type, its language, its `etag`.
    pub headers: Headers,
    /// The page, as it came.
    pub body: Blob,
}

#[derive(Deserialize)]
struct Document {
    rev_id: u64,
    #[serde(default)]
    headers: Headers,
    body: usize,
}

fn read(reply: Reply) -> Result<Html, LookupError> {
    let Document { rev_id, headers, body } = reply.json()?;
    Ok(Html { rev_id, headers, body: reply.blob(body)? })
}
