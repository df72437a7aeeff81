//! Reads the whole event with serde, adds the field `touched`, and writes a new document: what a plugin costs that knows
//! neither fields nor patches. For the bench of turns.

use millrace_sdk::{Describe, Emission, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Value};

struct JsonTouch;

impl Plugin for JsonTouch {
    type Settings = ();

    fn describe() -> Describe {
        Describe::new("json-touch", env!("CARGO_PKG_VERSION")).input("in", Input::new()).output("out", Output::new())
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        let mut document: Value = event.json()?;
        let Some(fields) = document.as_object_mut() else {
            return Err(Failure::new("invalid_event", "an event is an object"));
        };
        fields.insert("touched".to_owned(), Value::Bool(true));
        Ok(Emission::document("out", &document).into())
    }
}

millrace_sdk::plugin!(JsonTouch);

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_sdk::json;
    use millrace_sdk::testing::Host;

    #[test]
    fn one_field_is_added_and_nothing_else_changes() {
        let decided = Host::<JsonTouch>::new(json!({})).unwrap().run("in", &json!({"a": [1, {"b": "é"}]}));
        assert_eq!(decided.documents(), [json!({"a": [1, {"b": "é"}], "touched": true})]);
    }
}
