//! Counts the events of each key, and says with every event which one of its key it is. The count is kept in state, so it
//! lasts, and every event counts once.

use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, json};
use serde::Deserialize;

struct Counter {
    every: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Only each event whose number can be divided by this is emitted; the others are counted and nothing else.
    every: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { every: 1 }
    }
}

impl Plugin for Counter {
    type Settings = Settings;

    fn describe() -> Describe {
        // It reads no field: the key is all that matters.
        let nothing: [&str; 0] = [];
        Describe::new("counter", env!("CARGO_PKG_VERSION"))
            .input("in", Input::new().fields(nothing))
            .output("out", Output::new())
            .store("counts")
            .settings(json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {"every": {"type": "integer", "minimum": 1, "default": 1}},
            }))
    }

    fn new(settings: Settings) -> Result<Self, String> {
        if settings.every == 0 {
            return Err("every must be 1 or more".to_owned());
        }
        Ok(Self { every: settings.every })
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        let counts = event.state("counts");
        let count = counts.get_json::<u64>("events")?.unwrap_or(0) + 1;
        counts.put_json("events", &count)?;
        if count % self.every != 0 {
            return Ok(Outcome::skip("counted"));
        }
        Ok(event.patch().set("/count", &count).emit("out"))
    }
}

millrace_sdk::plugin!(Counter);

#[cfg(test)]
mod tests;
