//! What a plugin says of itself. Read strictly where a key is known, and without a look at keys that are not: a newer
//! plugin may say more. Whether the operator grants what it wants is the runtime's business.

use crate::error::PluginError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of the whole description: a settings schema fits many times.
pub(crate) const DESCRIBE_BYTES_MAX: usize = 1 << 20;

/// Characters of the name of a plugin, input, output, kind of lookup or store. A name becomes a metric's label and a
/// part of a topic's name.
const NAME_CHARS_MAX: usize = 64;

/// Fields or headers of one input. More would be a plugin that wants everything: leave `fields` out.
const FIELDS_MAX: usize = 256;

/// Bytes of a JSON Pointer or of a header's name.
const FIELD_BYTES_MAX: usize = 512;

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Describe {
    /// Its name: small letters, digits, `.`, `_` and `-`, at most 64.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// The inputs that the operator binds to streams; at least one.
    pub inputs: BTreeMap<String, InputDescription>,
    /// The outputs that the operator binds to streams.
    #[serde(default)]
    pub outputs: BTreeMap<String, OutputDescription>,
    /// The kinds of lookup that it asks.
    #[serde(default)]
    pub lookups: Vec<String>,
    /// Its stores of state. One that has any may set timers, too.
    #[serde(default)]
    pub stores: BTreeMap<String, StoreDescription>,
    /// The JSON Schema of its settings; null where it says nothing.
    #[serde(default)]
    pub settings: serde_json::Value,
}

/// What a plugin reads of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InputDescription {
    /// JSON Pointers (RFC 6901) to the fields that it reads; none: the whole document.
    pub fields: Option<Vec<String>>,
    /// The headers that it reads.
    pub headers: Vec<String>,
    /// Whether it wants records without a value; else they are skipped.
    pub tombstones: bool,
}

/// What a plugin says of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OutputDescription {
    /// The title of the schema that its events have.
    pub schema: Option<String>,
}

/// What a plugin says of a store: nothing yet, in an object that has room for more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct StoreDescription {}

impl Describe {
    /// Reads what `describe` returned.
    pub(crate) fn parse(text: &str) -> Result<Self, PluginError> {
        if text.len() > DESCRIBE_BYTES_MAX {
            return Err(refuse(format!("it has {} bytes, more than {DESCRIBE_BYTES_MAX}", text.len())));
        }
        let described: Self = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        described.check()?;
        Ok(described)
    }

    /// Reads what `describe` returned each time it was called, which must mean the same: the operator's grants are held
    /// against it once.
    pub(crate) fn agreed(texts: &[String]) -> Result<Self, PluginError> {
        let mut described: Option<(&str, Self)> = None;
        for text in texts {
            match &described {
                None => described = Some((text, Self::parse(text)?)),
                Some((first, meant)) if text != first && Self::parse(text)? != *meant => {
                    return Err(refuse("it says something else each time; it must always say the same".to_owned()));
                }
                Some(_) => {}
            }
        }
        described.map(|(_, meant)| meant).ok_or_else(|| refuse("it says nothing".to_owned()))
    }

    fn check(&self) -> Result<(), PluginError> {
        check_name("name", &self.name)?;
        if self.version.is_empty() || self.version.len() > NAME_CHARS_MAX || self.version.contains(char::is_control) {
            return Err(refuse(format!("`version` must have 1 to {NAME_CHARS_MAX} printable characters")));
        }
        if self.inputs.is_empty() {
            return Err(refuse("`inputs` is empty: a plugin without input never runs".to_owned()));
        }
        for (name, input) in &self.inputs {
            check_name("inputs", name)?;
            check_input(name, input)?;
        }
        self.outputs.keys().try_for_each(|name| check_name("outputs", name))?;
        self.lookups.iter().try_for_each(|name| check_name("lookups", name))?;
        self.stores.keys().try_for_each(|name| check_name("stores", name))
    }
}

fn check_input(name: &str, input: &InputDescription) -> Result<(), PluginError> {
    let fields = input.fields.as_deref().unwrap_or_default();
    if fields.len() > FIELDS_MAX || input.headers.len() > FIELDS_MAX {
        return Err(refuse(format!("input `{name}` lists more than {FIELDS_MAX} fields or headers")));
    }
    for field in fields {
        if !is_pointer(field) {
            return Err(refuse(format!(
                "input `{name}`: `{field}` is no JSON Pointer to a field, such as `/page/page_id`"
            )));
        }
    }
    for header in &input.headers {
        if header.is_empty() || header.len() > FIELD_BYTES_MAX {
            return Err(refuse(format!("input `{name}`: a header's name has 1 to {FIELD_BYTES_MAX} bytes")));
        }
    }
    Ok(())
}

/// RFC 6901, the empty pointer left out: whoever wants the whole document leaves `fields` out. No deeper than any
/// document may be.
fn is_pointer(text: &str) -> bool {
    const STEPS_MAX: usize = 128;
    let mut escapes = text.split('~').skip(1);
    text.starts_with('/')
        && text.matches('/').count() <= STEPS_MAX
        && text.len() <= FIELD_BYTES_MAX
        && escapes.all(|rest| rest.starts_with(['0', '1']))
}

fn check_name(place: &str, name: &str) -> Result<(), PluginError> {
    let is_first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_next = |c: char| is_first(c) || matches!(c, '.' | '_' | '-');
    if name.starts_with(is_first) && name.chars().all(is_next) && name.len() <= NAME_CHARS_MAX {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
    Err(refuse(format!(
        "`{place}`: {shown:?} is no name; use 1 to {NAME_CHARS_MAX} of a-z, 0-9, `.`, `_` and `-`, a letter or digit first"
    )))
}

fn refuse(message: String) -> PluginError {
    PluginError::Describe(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"name":"p","version":"1","inputs":{"in":{}}}"#;

    /// Expects `describe` to be refused with a message that has `expected` in it.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let message = Describe::parse(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn what_may_be_left_out_may_be_left_out() {
        let described = Describe::parse(MINIMAL).unwrap();
        assert_eq!(described.inputs["in"], InputDescription { fields: None, headers: vec![], tombstones: false });
        assert!(described.outputs.is_empty() && described.lookups.is_empty() && described.settings.is_null());
    }

    #[test]
    fn what_is_said_again_must_mean_the_same() {
        let other = MINIMAL.replace("\"1\"", "\"2\"");
        let spaced = MINIMAL.replace(',', " , ");
        assert!(Describe::agreed(&[MINIMAL.to_owned(), MINIMAL.to_owned(), spaced]).is_ok());
        let message = Describe::agreed(&[MINIMAL.to_owned(), MINIMAL.to_owned(), other]).unwrap_err().to_string();
        assert!(message.contains("something else each time"), "{message}");
    }

    #[test]
    fn unknown_keys_are_not_looked_at() {
        let text = r#"{"name":"p","version":"1","inputs":{"in":{"later":1}},"outputs":{"out":{"later":[]}},
                "stores":{"kept":{"later":1}},"later":{}}"#;
        let described = Describe::parse(text).unwrap();
        assert!(described.outputs.contains_key("out") && described.stores.contains_key("kept"));
    }

    #[test]
    fn a_known_key_of_another_type_is_refused() {
        check(r#"{"name":1,"version":"1","inputs":{"in":{}}}"#, "invalid type");
        check(r#"{"name":"p","version":"1","inputs":{"in":{}},"stores":["counts"]}"#, "invalid type");
        check(r#"{"name":"p","version":"1","inputs":{"in":{}},"stores":{"counts":1}}"#, "invalid type");
        check(r#"{"version":"1","inputs":{"in":{}}}"#, "missing field `name`");
        check(r#"{"name":"p","version":"1","inputs":[]}"#, "invalid type");
        check("", "EOF");
        check("[1]", "invalid type");
    }

    #[test]
    fn names_are_checked() {
        for name in ["", "../x", ".hidden", "A", "a b", "a\\u0000", "ä", &"x".repeat(65)] {
            check(&MINIMAL.replace("\"p\"", &format!("\"{name}\"")), "is no name");
            check(&MINIMAL.replace("\"in\"", &format!("\"{name}\"")), "is no name");
        }
    }

    #[test]
    fn fields_are_json_pointers() {
        for field in ["", "a", "/a~2", "/a~"] {
            check(&MINIMAL.replace("{}", &format!("{{\"fields\":[\"{field}\"]}}")), "no JSON Pointer");
        }
        let described = Describe::parse(&MINIMAL.replace("{}", r#"{"fields":["/a~1b/~0","/"]}"#)).unwrap();
        assert_eq!(described.inputs["in"].fields.as_ref().unwrap().len(), 2);
    }

    #[test]
    fn a_plugin_without_input_is_refused() {
        check(r#"{"name":"p","version":"1","inputs":{}}"#, "never runs");
    }
}
