//! From the text of a schema, JSON or YAML, to a JSON value. What the value means is not known here.

use super::SchemaError;
use super::yaml;
use serde_json::Value;

/// The most bytes of a schema's text: the largest real one has 60 KiB.
const TEXT_BYTES_MAX: usize = 2 << 20;

/// The most levels of a schema's text. Real ones have 16; everything that walks a schema recurses.
pub(super) const LEVELS_MAX: usize = 64;

/// Why a text cannot be read, and where.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) problem: String,
}

/// Reads the schema called `uri`.
pub(super) fn load(uri: &str, text: &[u8]) -> Result<Value, SchemaError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(SchemaError::TooLarge { uri: uri.to_owned(), bytes: text.len(), bytes_max: TEXT_BYTES_MAX });
    }
    read(text).map_err(|Mistake { line, column, problem }| SchemaError::Text {
        uri: uri.to_owned(),
        line,
        column,
        problem,
    })
}

fn read(text: &[u8]) -> Result<Value, Mistake> {
    let text = std::str::from_utf8(text).map_err(|error| Mistake {
        line: 1,
        column: 1,
        problem: format!("not UTF-8 at byte {}", error.valid_up_to()),
    })?;
    // Nearly all JSON is YAML too, but tabs and some escapes are not; and a mapping of YAML may begin with a brace.
    let json = if text.trim_start().starts_with('{') { serde_json::from_str(text).ok() } else { None };
    let Some(value) = json else { return yaml::parse(text) };
    if levels(&value) > LEVELS_MAX {
        return Err(Mistake { line: 1, column: 1, problem: format!("nested deeper than {LEVELS_MAX} levels") });
    }
    Ok(value)
}

/// How many objects and arrays within each other a value has. Recursion ends with the readers' own bounds.
pub(super) fn levels(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(levels).max().unwrap_or(0),
        Value::Array(values) => 1 + values.iter().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}
