//! page_change events about revisions of a real wiki. Debian's MediaWiki brings no EventBus, so whoever tests with it
//! produces the events that EventBus would.

use crate::world::sha1_base36;
use serde_json::{Value, json};

/// A revision of a real wiki, as its API tells of it.
#[derive(Clone, Debug)]
pub struct RealRevision {
    /// The wiki's domain.
    pub domain: String,
    /// The wiki's database name.
    pub wiki_id: String,
    /// The page's title with spaces, as the API says it.
    pub title: String,
    /// The page's id.
    pub page_id: u64,
    /// The revision's id.
    pub rev_id: u64,
    /// The id of the revision before it; 0: none.
    pub parent_id: u64,
    /// When it was made.
    pub dt: String,
    /// Its text, which the wiki hands out by another way than the API.
    pub text: Vec<u8>,
}

impl RealRevision {
    /// The key of its records.
    pub fn key(&self) -> String {
        format!("{{\"wiki_id\":\"{}\",\"page_id\":{}}}", self.wiki_id, self.page_id)
    }

    /// Its event of kind `page_change_kind`, with `dt` for both times.
    pub fn event(&self, page_change_kind: &str) -> Value {
        let changelog_kind = match page_change_kind {
            "create" | "undelete" => "insert",
            "delete" => "delete",
            _ => "update",
        };
        let sha1 = sha1_base36(&self.text);
        let title = self.title.replace(' ', "_");
        json!({
            "$schema": "/mediawiki/page/change/1.2.0",
            "meta": {"stream": "mediawiki.page_change.v1", "domain": self.domain, "dt": self.dt,
                     "id": format!("33333333-0000-4000-8000-{:012x}", self.rev_id),
                     "request_id": format!("44444444-0000-4000-8000-{:012x}", self.rev_id),
                     "uri": crate::events::page_uri(&self.domain, &title)},
            "dt": self.dt,
            "wiki_id": self.wiki_id,
            "changelog_kind": changelog_kind,
            "page_change_kind": page_change_kind,
            "page": {"page_id": self.page_id, "page_title": title, "namespace_id": 0, "is_redirect": false},
            "revision": {
                "rev_id": self.rev_id, "rev_dt": self.dt, "rev_parent_id": self.parent_id, "rev_sha1": sha1,
                "rev_size": self.text.len(), "is_minor_edit": false, "is_content_visible": true,
                "is_editor_visible": true, "is_comment_visible": true, "comment": "",
                "content_slots": {"main": {
                    "slot_role": "main", "content_model": "wikitext", "content_format": "text/x-wiki",
                    "content_sha1": sha1, "content_size": self.text.len(), "origin_rev_id": self.rev_id}},
            },
        })
    }
}
