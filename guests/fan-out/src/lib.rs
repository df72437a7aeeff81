//! Makes several events of one: the change as it came on `changes` (as often as the setting `copies` says), and the
//! page on `pages`, by its own key, where a deleted page is a tombstone.

use millrace_sdk::{Describe, Emission, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Value, json};
use serde::Deserialize;

struct FanOut {
    copies: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "one")]
    copies: u32,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
struct PageChange {
    page_change_kind: String,
    wiki_id: String,
    page: Page,
}

#[derive(Deserialize)]
struct Page {
    page_id: u64,
    page_title: String,
}

impl Plugin for FanOut {
    type Settings = Settings;

    fn describe() -> Describe {
        Describe::new("fan-out", env!("CARGO_PKG_VERSION"))
            .input("in", Input::new().fields(["/page_change_kind", "/wiki_id", "/page"]))
            .output("changes", Output::new())
            .output("pages", Output::new())
            .settings(json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {"copies": {"type": "integer", "minimum": 0, "default": 1}},
            }))
    }

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self { copies: settings.copies })
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        let change: PageChange = event.json()?;
        let mut emissions: Vec<Emission> = (0..self.copies)
            .map(|copy| event.patch().set("/copy", &copy).to("changes").header("copy", copy.to_string()))
            .collect();
        let page = if change.page_change_kind == "delete" { Emission::tombstone("pages") } else { page(&change) };
        emissions.push(page.key(key(&change).to_string()));
        Ok(Outcome::emit(emissions))
    }
}

fn key(change: &PageChange) -> Value {
    json!({"wiki_id": change.wiki_id, "page_id": change.page.page_id})
}

fn page(change: &PageChange) -> Emission {
    let PageChange { wiki_id, page, .. } = change;
    let page = json!({"wiki_id": wiki_id, "page_id": page.page_id, "page_title": page.page_title});
    Emission::document("pages", &page)
}

millrace_sdk::plugin!(FanOut);

#[cfg(test)]
mod tests;
