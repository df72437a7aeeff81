//! Adds content to page_change events: `content_body` for every content slot that an event names.
//!
//! A page that was deleted, and content that is hidden, pass through without a body. A revision that does not exist is
//! an error event `not_found`. Bodies go from the wiki to the output as blobs and never enter this plugin, and the
//! output is a patch of the input, so fields that this plugin does not know survive.

use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Slot, Text, json, pointer};
use serde::Deserialize;
use std::collections::BTreeMap;

struct PageContentChange {
    sha1_mismatch: Sha1Mismatch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Settings {
    sha1_mismatch: Sha1Mismatch,
}

/// What to do with a body whose SHA-1 is not the one in the event.
#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Sha1Mismatch {
    /// It gets into the event all the same.
    #[default]
    Emit,
    /// The slot goes without a body.
    Omit,
    /// The event fails with `sha1_mismatch`.
    Fail,
}

/// What is read of an event; `FIELDS` names the same.
#[derive(Deserialize)]
struct PageChange<'a> {
    #[serde(borrow)]
    page_change_kind: Text<'a>,
    #[serde(borrow, default)]
    meta: Meta<'a>,
    revision: RevisionFacts<'a>,
}

#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    domain: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct RevisionFacts<'a> {
    rev_id: u64,
    is_content_visible: Option<bool>,
    #[serde(borrow, default)]
    content_slots: BTreeMap<Text<'a>, SlotFacts<'a>>,
}

#[derive(Deserialize)]
struct SlotFacts<'a> {
    #[serde(borrow)]
    content_sha1: Option<Text<'a>>,
}

const FIELDS: [&str; 5] = [
    "/page_change_kind",
    "/meta/domain",
    "/revision/rev_id",
    "/revision/is_content_visible",
    "/revision/content_slots",
];
const OUTPUT: &str = "page_content_change";

impl Plugin for PageContentChange {
    type Settings = Settings;

    fn describe() -> Describe {
        Describe::new("page-content-change", env!("CARGO_PKG_VERSION"))
            .input("page_change", Input::new().fields(FIELDS))
            .output(OUTPUT, Output::new().schema("mediawiki/page/change"))
            .lookup("revision")
            .settings(json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "sha1_mismatch": {
                        "description": "what to do with a body whose SHA-1 is not the one in the event",
                        "enum": ["emit", "omit", "fail"],
                        "default": "emit",
                    },
                },
            }))
    }

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self { sha1_mismatch: settings.sha1_mismatch })
    }

    async fn process(&self, event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
        let change: PageChange<'_> = event.json()?;
        let facts = &change.revision;
        let is_deleted = change.page_change_kind == "delete";
        if is_deleted || facts.is_content_visible == Some(false) || facts.content_slots.is_empty() {
            return Ok(event.patch().emit(OUTPUT));
        }
        let domain = change.meta.domain.as_ref();
        let domain =
            domain.ok_or_else(|| Failure::new("invalid_event", "meta.domain is missing: which wiki is it?"))?;
        let roles = facts.content_slots.keys().map(Text::as_str);
        let revision = wiki.revision(domain, facts.rev_id).slots(roles).await?;

        let mut patch = event.patch();
        for (role, slot_facts) in &facts.content_slots {
            if revision.slot(role) == Some(&Slot::Hidden) {
                continue;
            }
            let content = revision.content(role)?;
            if let Some(expected) = &slot_facts.content_sha1
                && *expected != *content.sha1
            {
                event.count("sha1_mismatch", &[("slot", role)], 1);
                match self.sha1_mismatch {
                    Sha1Mismatch::Emit => {}
                    Sha1Mismatch::Omit => continue,
                    Sha1Mismatch::Fail => return Err(mismatch(role, facts.rev_id, expected, &content.sha1)),
                }
            }
            patch = patch.set_string_blob(pointer(["revision", "content_slots", role, "content_body"]), content.body);
        }
        Ok(patch.emit(OUTPUT))
    }
}

fn mismatch(role: &str, rev_id: u64, expected: &str, found: &str) -> Failure {
    let message = format!("slot {role} of revision {rev_id}: SHA-1 is {found}, the event says {expected}");
    Failure::new("sha1_mismatch", message)
}

millrace_sdk::plugin!(PageContentChange);

#[cfg(test)]
mod tests;
