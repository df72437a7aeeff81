//! Writes every page_change event again with its title in capitals, and skips the edits of bots.

use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Value};

struct Shout;

impl Plugin for Shout {
    type Settings = ();

    fn describe() -> Describe {
        Describe::new("shout", env!("CARGO_PKG_VERSION"))
            .input("page_change", Input::new().fields(["/page/page_title", "/performer/is_bot"]))
            .output("shouted", Output::new())
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        let change: Value = event.json()?;
        if change["performer"]["is_bot"] == true {
            return Ok(Outcome::skip("bot"));
        }
        let title = change["page"]["page_title"].as_str().unwrap_or_default().to_uppercase();
        Ok(event.patch().set("/page/page_title", &title).emit("shouted"))
    }
}

millrace_sdk::plugin!(Shout);

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_sdk::json;
    use millrace_sdk::testing::{Decision, Host};

    #[test]
    fn titles_are_in_capitals_and_the_rest_stays() {
        let mut host = Host::<Shout>::new(json!({})).unwrap();
        let decided = host.run("page_change", &json!({"page": {"page_title": "Mühle", "page_id": 7}}));
        assert_eq!(decided.documents(), [json!({"page": {"page_title": "MÜHLE", "page_id": 7}})]);
    }

    #[test]
    fn bots_are_skipped() {
        let mut host = Host::<Shout>::new(json!({})).unwrap();
        let decided = host.run("page_change", &json!({"performer": {"is_bot": true}}));
        assert_eq!(decided.decision, Decision::Skip("bot".to_owned()));
    }
}
