//! page_change events of the world: the shapes of `mediawiki/page/change`, of every kind.

use crate::world::{REVISIONS_PER_PAGE, RevisionState, Slot, World};
use serde_json::{Value, json};

/// The kinds of `page_change_kind`, and two special ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A page was created.
    Create,
    /// A page was edited.
    Edit,
    /// A page was moved.
    Move,
    /// A page was deleted.
    Delete,
    /// A page was deleted and everything about it hidden.
    Suppress,
    /// A deleted page came back.
    Undelete,
    /// Something of the current revision was hidden or shown; its text stays visible.
    VisibilityChange,
    /// The text of the current revision was hidden.
    HideText,
    /// A canary event: proof of life.
    Canary,
}

/// The usual mix: mostly edits, everything else now and then. Twenty events, `at % 20`.
const MIX: [Kind; 20] = [
    Kind::Edit,
    Kind::Create,
    Kind::Edit,
    Kind::Edit,
    Kind::Move,
    Kind::Edit,
    Kind::Edit,
    Kind::Delete,
    Kind::Edit,
    Kind::Undelete,
    Kind::Edit,
    Kind::Edit,
    Kind::VisibilityChange,
    Kind::Edit,
    Kind::HideText,
    Kind::Edit,
    Kind::Create,
    Kind::Suppress,
    Kind::Edit,
    Kind::Canary,
];

/// Which kind event number `at` of a mixed stream is.
pub fn mixed_kind(at: u64) -> Kind {
    MIX.get(usize::try_from(at % 20).unwrap_or(0)).copied().unwrap_or(Kind::Edit)
}

/// A wiki.
#[derive(Clone, Debug)]
pub struct Wiki {
    /// Its database name, `enwiki`.
    pub id: String,
    /// Its domain, `en.wikipedia.org`.
    pub domain: String,
}

impl Wiki {
    /// Wiki number `number` of a made-up farm.
    pub fn numbered(number: usize) -> Self {
        Self { id: format!("w{number}wiki"), domain: format!("w{number}.wikipedia.org") }
    }
}

/// A page's address as MediaWiki writes it: every byte of the title encoded that is not plain in a path.
pub fn page_uri(domain: &str, title: &str) -> String {
    let mut uri = format!("https://{domain}/wiki/");
    for byte in title.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' | b'(' | b')' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// What an event tells of.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// The wiki.
    pub wiki: &'a Wiki,
    /// The page's number.
    pub page_id: u64,
    /// Which of the page's revisions, from 1.
    pub edit: u64,
    /// What happened.
    pub kind: Kind,
    /// When, as ISO 8601 in UTC.
    pub dt: &'a str,
}

impl Change<'_> {
    /// The number of the revision that the event is about.
    pub fn rev_id(&self) -> u64 {
        self.page_id * REVISIONS_PER_PAGE + self.edit
    }

    /// The key of the record, as EventGate writes it.
    pub fn key(&self) -> String {
        format!("{{\"wiki_id\":\"{}\",\"page_id\":{}}}", self.wiki.id, self.page_id)
    }

    /// The event's text.
    pub fn event(&self, world: &World) -> String {
        if self.kind == Kind::Canary {
            return self.canary();
        }
        let (kind, changelog) = match self.kind {
            Kind::Create => ("create", "insert"),
            Kind::Undelete => ("undelete", "insert"),
            Kind::Move => ("move", "update"),
            Kind::Delete | Kind::Suppress => ("delete", "delete"),
            Kind::VisibilityChange | Kind::HideText => ("visibility_change", "update"),
            Kind::Edit | Kind::Canary => ("edit", "update"),
        };
        let title = self.title();
        let mut event = json!({
            "$schema": "/mediawiki/page/change/1.2.0",
            "meta": self.meta("mediawiki.page_change.v1"),
            "dt": self.dt,
            "wiki_id": self.wiki.id,
            "changelog_kind": changelog,
            "page_change_kind": kind,
            "page": {"page_id": self.page_id, "page_title": title, "namespace_id": 0, "is_redirect": false},
            "performer": self.user(),
            "revision": self.revision(world),
        });
        self.add_what_the_kind_has(&mut event, world);
        event.to_string()
    }

    fn add_what_the_kind_has(&self, event: &mut Value, world: &World) {
        let previous = Change { edit: self.edit.saturating_sub(1), ..self.clone() };
        match self.kind {
            Kind::Edit => event["prior_state"] = json!({"revision": previous.revision(world)}),
            Kind::Move => {
                let old = json!({"page_title": format!("Old_{}", self.title()), "namespace_id": 0});
                event["prior_state"] = json!({"page": old, "revision": previous.revision(world)});
                event["comment"] = json!("a better name");
            }
            Kind::Delete => {
                event["page"]["revision_count"] = json!(self.edit);
                event["comment"] = json!("no longer needed");
            }
            Kind::Suppress => {
                event["page"]["revision_count"] = json!(self.edit);
                event["prior_state"] = json!({"revision": {
                    "is_content_visible": true, "is_editor_visible": true, "is_comment_visible": true}});
                if let Some(fields) = event.as_object_mut() {
                    fields.remove("performer");
                }
            }
            Kind::VisibilityChange => event["prior_state"] = json!({"revision": {"is_comment_visible": true}}),
            Kind::HideText => event["prior_state"] = json!({"revision": {"is_content_visible": true}}),
            Kind::Create | Kind::Undelete | Kind::Canary => {}
        }
    }

    fn title(&self) -> String {
        if World::slots_of(self.page_id).len() > 1 {
            format!("File:Wasserrad_{}.jpg", self.page_id)
        } else {
            format!("Mühlgraben_{}", self.page_id)
        }
    }

    fn meta(&self, stream: &str) -> Value {
        json!({
            "stream": stream,
            "id": format!("00000000-0000-4000-8000-{:012x}", self.rev_id() & 0xffff_ffff_ffff),
            "request_id": format!("11111111-0000-4000-8000-{:012x}", self.rev_id() & 0xffff_ffff_ffff),
            "domain": self.wiki.domain,
            "uri": page_uri(&self.wiki.domain, &self.title()),
            "dt": self.dt,
        })
    }

    fn user(&self) -> Value {
        json!({
            "user_id": self.page_id % 1000 + 1, "user_text": format!("Müller {}", self.page_id % 1000),
            "groups": ["*", "user", "autoconfirmed"], "is_bot": false, "is_system": false, "is_temp": false,
            "edit_count": self.edit, "registration_dt": "2016-01-29T21:13:24Z",
        })
    }

    fn revision(&self, world: &World) -> Value {
        let mut revision = json!({
            "rev_id": self.rev_id(), "rev_dt": self.dt, "is_minor_edit": false,
            "rev_parent_id": if self.edit > 1 { self.rev_id() - 1 } else { 0 },
            "is_content_visible": true, "is_editor_visible": true, "is_comment_visible": true,
        });
        let hidden = World::state_of(self.rev_id()) == RevisionState::Hidden || self.kind == Kind::HideText;
        if self.kind == Kind::Suppress {
            for flag in ["is_content_visible", "is_editor_visible", "is_comment_visible"] {
                revision[flag] = json!(false);
            }
            return revision;
        }
        revision["editor"] = self.user();
        if self.kind == Kind::VisibilityChange {
            revision["is_comment_visible"] = json!(false);
        } else {
            revision["comment"] = json!(format!("edit {} of the mill \"race\"", self.edit));
        }
        if hidden {
            revision["is_content_visible"] = json!(false);
            return revision;
        }
        let main = world.text(self.rev_id(), 0);
        revision["rev_sha1"] = json!(main.sha1);
        revision["rev_size"] = json!(main.plain.len());
        let slots = World::slots_of(self.page_id).iter().map(|slot| (slot.role.to_owned(), self.slot(slot, world)));
        revision["content_slots"] = Value::Object(slots.collect());
        revision
    }

    fn slot(&self, slot: &Slot, world: &World) -> Value {
        let text = world.text(self.rev_id(), slot.number);
        json!({
            "slot_role": slot.role, "content_model": slot.model, "content_format": slot.format,
            "content_sha1": text.sha1, "content_size": text.plain.len(), "origin_rev_id": self.rev_id(),
        })
    }

    fn canary(&self) -> String {
        json!({
            "$schema": "/mediawiki/page/change/1.2.0",
            "meta": {"stream": "mediawiki.page_change.v1", "domain": "canary", "dt": self.dt,
                     "id": "22222222-0000-4000-8000-000000000000", "request_id": "canary"},
            "dt": "2021-01-01T00:00:00.0Z", "wiki_id": "example", "changelog_kind": "update",
            "page_change_kind": "edit",
            "page": {"page_id": 1, "page_title": "example", "namespace_id": 1, "is_redirect": true},
            "revision": {"rev_id": 2, "rev_dt": "2021-01-01T00:00:00.0Z"},
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_about_as_large_as_real_ones() {
        let wiki = Wiki::numbered(1);
        let change = Change { wiki: &wiki, page_id: 12, edit: 5, kind: Kind::Edit, dt: "2026-06-22T09:48:10Z" };
        let event = change.event(&World::new(4, 1000));
        assert!((1800..3000).contains(&event.len()), "{} bytes", event.len());
        assert_eq!(change.key(), "{\"wiki_id\":\"w1wiki\",\"page_id\":12}");
    }
}
