//! The lookup `compare`: the difference between two revisions of a wiki, as MediaWiki shows it.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome};
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let comparison = wiki.compare("en.wikipedia.org", 6, 7).await?;
//! let Some(rows) = comparison.body else { return Ok(Outcome::skip("hidden")) };
//! let patch = event.patch().set("/sizes", &[comparison.from_size, comparison.to_size]);
//! Ok(patch.set_string_blob("/diff", rows).emit("diffs"))
//! # }
//! ```

use super::{Lookup, Reply, question};
use crate::ticket::Ticket;
use crate::{Blob, Failure, LookupError};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Two revisions to compare; await it.
#[must_use = "a lookup does nothing until it is awaited"]
pub struct CompareLookup<'a> {
    ticket: Rc<Ticket>,
    params: Params<'a>,
}

#[derive(Serialize)]
struct Params<'a> {
    domain: &'a str,
    from_rev: u64,
    to_rev: u64,
}

impl<'a> CompareLookup<'a> {
    pub(super) fn new(ticket: &Rc<Ticket>, domain: &'a str, from_rev: u64, to_rev: u64) -> Self {
        Self { ticket: Rc::clone(ticket), params: Params { domain, from_rev, to_rev } }
    }
}

impl IntoFuture for CompareLookup<'_> {
    type Output = Result<Comparison, LookupError>;
    type IntoFuture = Lookup<Comparison>;

    fn into_future(self) -> Lookup<Comparison> {
        Lookup::new(&self.ticket, question("compare", &self.params), read)
    }
}

/// The difference between two revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The revision on the left, as asked.
    pub from_rev: u64,
    /// The revision on the right, as asked.
    pub to_rev: u64,
    /// Bytes of the revision on the left; none where the wiki does not say.
    pub from_size: Option<u64>,
    /// Bytes of the revision on the right; none where the wiki does not say.
    pub to_size: Option<u64>,
    /// MediaWiki's table rows, in UTF-8; a blob of 0 bytes where nothing differs. None where the text of one side is
    /// hidden from the public.
    pub body: Option<Blob>,
}

impl Comparison {
    /// The table rows.
    ///
    /// # Errors
    /// `hidden` when the text of one side is hidden.
    pub fn rows(&self) -> Result<Blob, Failure> {
        let Self { from_rev, to_rev, body, .. } = self;
        body.ok_or_else(|| Failure::new("hidden", format!("the text of revision {from_rev} or {to_rev} is hidden")))
    }
}

#[derive(Deserialize)]
struct Document {
    from_rev: u64,
    to_rev: u64,
    from_size: Option<u64>,
    to_size: Option<u64>,
    #[serde(default)]
    hidden: bool,
    body: Option<usize>,
}

fn read(reply: Reply) -> Result<Comparison, LookupError> {
    let Document { from_rev, to_rev, from_size, to_size, hidden, body } = reply.json()?;
    let body = match body {
        _ if hidden => None,
        Some(index) => Some(reply.blob(index)?),
        None => return Err(LookupError::invalid("answer: a comparison has neither a body nor is hidden")),
    };
    Ok(Comparison { from_rev, to_rev, from_size, to_size, body })
}
