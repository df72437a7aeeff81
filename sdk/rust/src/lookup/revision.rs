//! The lookup `revision`: one revision of a wiki and the content of its slots.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome, Slot};
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let revision = wiki.revision("en.wikipedia.org", 7).slots(["main"]).await?;
//! if revision.slot("main") == Some(&Slot::Hidden) {
//!     return Ok(Outcome::skip("hidden"));
//! }
//! let content = revision.content("main")?;
//! let patch = event.patch().set("/content_model", &content.model);
//! Ok(patch.set_string_blob("/content_body", content.body).emit("enriched"))
//! # }
//! ```

use super::{Lookup, Reply, question};
use crate::ticket::Ticket;
use crate::{Blob, Failure, LookupError, Text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A revision to ask for; await it.
#[must_use = "a lookup does nothing until it is awaited"]
pub struct RevisionLookup<'a> {
    ticket: Rc<Ticket>,
    params: Params<'a>,
}

#[derive(Serialize)]
struct Params<'a> {
    domain: &'a str,
    rev_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<Vec<&'a str>>,
}

impl<'a> RevisionLookup<'a> {
    pub(super) fn new(ticket: &Rc<Ticket>, domain: &'a str, rev_id: u64) -> Self {
        Self { ticket: Rc::clone(ticket), params: Params { domain, rev_id, slots: None } }
    }

    /// Only these slots, by their roles (`main`, `mediainfo`), 1 to 20 of them; all that the revision has, unless this
    /// is called. A role that the revision does not have is no error: it is not in the answer.
    pub fn slots(mut self, roles: impl IntoIterator<Item = &'a str>) -> Self {
        self.params.slots = Some(roles.into_iter().collect());
        self
    }
}

impl IntoFuture for RevisionLookup<'_> {
    type Output = Result<Revision, LookupError>;
    type IntoFuture = Lookup<Revision>;

    fn into_future(self) -> Lookup<Revision> {
        Lookup::new(&self.ticket, question("revision", &self.params), read)
    }
}

/// One revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub rev_id: u64,
    /// The page that it belongs to; 0 where the wiki does not say.
    pub page_id: u64,
    /// The revision before it; 0 for a page's first.
    pub parent_id: u64,
    slots: Vec<(String, Slot)>,
}

/// What is in one slot: a part of a revision with a role of its own. Text is in `main`; files on Commons also have
/// `mediainfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The public may read it.
    Visible(Content),
    /// It exists, and has been hidden from the public.
    Hidden,
}

/// The content of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The content model: `wikitext`, `wikibase-item`, ... None where the wiki does not say.
    pub model: Option<String>,
    /// The format as a MIME type: `text/x-wiki`, `application/json`, ... None where the wiki does not say.
    pub format: Option<String>,
    /// The size of the body in bytes, counted by the host.
    pub size: u64,
    /// SHA-1 in base 36, 31 characters, as in events; computed by the host from the bytes.
    pub sha1: String,
    /// The content itself: UTF-8 text.
    pub body: Blob,
}

impl Revision {
    /// A slot by its role (`main`); none when the revision has no such slot or it was not asked for.
    pub fn slot(&self, role: &str) -> Option<&Slot> {
        self.slots.iter().find(|(name, _)| name == role).map(|(_, slot)| slot)
    }

    /// The slots and their roles, in the order of the roles.
    pub fn slots(&self) -> impl Iterator<Item = (&str, &Slot)> {
        self.slots.iter().map(|(role, slot)| (role.as_str(), slot))
    }

    /// The content of a slot by its role (`main`).
    ///
    /// # Errors
    /// `not_found` when the revision has no such slot, `hidden` when it is hidden.
    pub fn content(&self, role: &str) -> Result<&Content, Failure> {
        match self.slot(role) {
            Some(Slot::Visible(content)) => Ok(content),
            Some(Slot::Hidden) => {
                Err(Failure::new("hidden", format!("slot {role} of revision {} is hidden", self.rev_id)))
            }
            None => Err(Failure::new("not_found", format!("revision {} has no slot {role}", self.rev_id))),
        }
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    rev_id: u64,
    #[serde(default)]
    page_id: u64,
    #[serde(default)]
    parent_id: u64,
    #[serde(borrow)]
    slots: BTreeMap<Text<'a>, SlotDocument<'a>>,
}

#[derive(Deserialize)]
struct SlotDocument<'a> {
    #[serde(default)]
    hidden: bool,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    format: Option<Text<'a>>,
    #[serde(default)]
    size: u64,
    #[serde(borrow, default)]
    sha1: Text<'a>,
    body: Option<usize>,
}

fn read(reply: Reply) -> Result<Revision, LookupError> {
    let document: Document<'_> = reply.json()?;
    let mut slots = Vec::with_capacity(document.slots.len());
    for (role, slot) in &document.slots {
        let body = match slot.body {
            _ if slot.hidden => None,
            Some(index) => Some(reply.blob(index)?),
            None => return Err(LookupError::invalid(format!("answer: slot {role} has neither a body nor is hidden"))),
        };
        let slot = body.map_or(Slot::Hidden, |body| {
            Slot::Visible(Content {
                model: slot.model.as_ref().map(Text::to_string),
                format: slot.format.as_ref().map(Text::to_string),
                size: slot.size,
                sha1: slot.sha1.to_string(),
                body,
            })
        });
        slots.push((role.to_string(), slot));
    }
    Ok(Revision { rev_id: document.rev_id, page_id: document.page_id, parent_id: document.parent_id, slots })
}
