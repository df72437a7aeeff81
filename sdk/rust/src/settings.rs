//! Settings: the one place where the host's text becomes the plugin's type.

use serde::de::DeserializeOwned;

/// Reads settings. None at all is written `{}`, `null` or nothing, and all three suit a type that needs nothing
/// (`()` too, which serde reads from `null` only).
pub(crate) fn read<S: DeserializeOwned>(text: &str) -> Result<S, String> {
    let text = text.trim();
    if matches!(text, "" | "null" | "{}") {
        return serde_json::from_str("{}")
            .or_else(|error| serde_json::from_str("null").map_err(|_| error))
            .map_err(|error| format!("settings: {error}"));
    }
    serde_json::from_str(text).map_err(|error| format!("settings: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq, Default)]
    #[serde(deny_unknown_fields, default)]
    struct Named {
        name: String,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Needed {
        name: String,
    }

    #[track_caller]
    fn check<S: DeserializeOwned + std::fmt::Debug + PartialEq>(text: &str, expected: Result<S, &str>) {
        assert_eq!(read::<S>(text), expected.map_err(str::to_owned), "{text:?}");
    }

    #[test]
    fn no_settings_suit_every_type_that_needs_none() {
        for text in ["", " ", "null", "{}"] {
            check::<()>(text, Ok(()));
            check(text, Ok(Named::default()));
            check::<Needed>(text, Err("settings: missing field `name` at line 1 column 2"));
        }
    }

    #[test]
    fn mistakes_are_named() {
        check::<Named>(r#"{"nam":"x"}"#, Err("settings: unknown field `nam`, expected `name` at line 1 column 6"));
        check(r#"{"name":"x"}"#, Ok(Named { name: "x".to_owned() }));
    }
}
