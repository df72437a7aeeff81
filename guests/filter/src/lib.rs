//! Lets events of the wanted kinds and wikis through as they came, and skips the others with a word that says why.

use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Text, json};
use serde::Deserialize;

struct Filter {
    settings: Settings,
}

/// An empty list lets everything through.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    kinds: Vec<String>,
    wikis: Vec<String>,
}

#[derive(Deserialize)]
struct PageChange<'a> {
    #[serde(borrow)]
    page_change_kind: Text<'a>,
    #[serde(borrow)]
    wiki_id: Text<'a>,
}

impl Plugin for Filter {
    type Settings = Settings;

    fn describe() -> Describe {
        Describe::new("filter", env!("CARGO_PKG_VERSION"))
            .input("in", Input::new().fields(["/page_change_kind", "/wiki_id"]))
            .output("out", Output::new())
            .settings(json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "kinds": {"type": "array", "items": {"type": "string"}},
                    "wikis": {"type": "array", "items": {"type": "string"}},
                },
            }))
    }

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self { settings })
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        let change: PageChange<'_> = event.json()?;
        if !is_wanted(&self.settings.kinds, &change.page_change_kind) {
            return Ok(Outcome::skip("other_kind"));
        }
        if !is_wanted(&self.settings.wikis, &change.wiki_id) {
            return Ok(Outcome::skip("other_wiki"));
        }
        Ok(event.patch().emit("out"))
    }
}

fn is_wanted(wanted: &[String], found: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one == found)
}

millrace_sdk::plugin!(Filter);

#[cfg(test)]
mod tests;
