//! A schema as a validator takes it: JSON Schema draft 7, whatever `$schema` says, without names that would resolve to
//! something. Three habits of the platform's materialised schemas make that necessary. They name their dialect by
//! `https://json-schema.org/draft-07/schema#`, which is not the draft's URI. They keep the `$id`s of the fragments that
//! they were made of, so one `$id` stands for different bodies within one schema. And nothing in them is to be fetched.

use super::instance::InPlace;
use super::{SchemaError, shown};
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value};

/// Says nothing of what is valid, or names something.
const LEFT_OUT: [&str; 8] =
    ["$id", "$schema", "$comment", "title", "description", "default", "examples", "definitions"];

/// What a keyword's value is made of.
enum Holds {
    /// A schema, or a list of schemas.
    Schemas,
    /// Schemas by name.
    ByName,
}

fn holds(keyword: &str) -> Option<Holds> {
    match keyword {
        "items"
        | "additionalItems"
        | "additionalProperties"
        | "contains"
        | "propertyNames"
        | "not"
        | "if"
        | "then"
        | "else"
        | "allOf"
        | "anyOf"
        | "oneOf" => Some(Holds::Schemas),
        "properties" | "patternProperties" | "dependencies" => Some(Holds::ByName),
        _ => None,
    }
}

/// Compiles the schema called `uri`.
pub(super) fn compile(uri: &str, document: &Value) -> Result<Validator<InPlace>, SchemaError> {
    let prepared = prepare(document, String::new())
        .map_err(|Reference { path, reference }| SchemaError::Reference { uri: uri.to_owned(), path, reference })?;
    let options = jsonschema::options_for::<InPlace>()
        .with_draft(Draft::Draft7)
        .should_validate_formats(true)
        .with_format("uri", is_uri)
        .with_format("uri-reference", is_uri_reference);
    options.build(&prepared).map_err(|error| SchemaError::Invalid {
        uri: uri.to_owned(),
        path: shown(error.instance_path().as_str()),
        problem: shown(&error.to_string()),
    })
}

/// A `$ref` that is left in a schema.
struct Reference {
    path: String,
    reference: String,
}

/// A copy of `schema` without what has to go. Recursion ends with the levels that a schema may have.
fn prepare(schema: &Value, path: String) -> Result<Value, Reference> {
    match schema {
        Value::Array(schemas) => {
            let schemas = schemas.iter().enumerate();
            schemas.map(|(at, schema)| prepare(schema, format!("{path}/{at}"))).collect::<Result<Vec<_>, _>>()
        }
        .map(Value::Array),
        Value::Object(keywords) => {
            if let Some(reference) = keywords.get("$ref") {
                let reference = reference.as_str().map_or_else(|| shown(&reference.to_string()), shown);
                return Err(Reference { path: shown(&path), reference });
            }
            let kept = keywords.iter().filter(|(keyword, _)| !LEFT_OUT.contains(&keyword.as_str()));
            let prepared = kept.map(|(keyword, value)| {
                let path = format!("{path}/{keyword}");
                let value = match (holds(keyword), value) {
                    (Some(Holds::Schemas), value) => prepare(value, path)?,
                    (Some(Holds::ByName), Value::Object(schemas)) => {
                        let by_name = schemas
                            .iter()
                            .map(|(name, schema)| Ok((name.clone(), prepare(schema, format!("{path}/{name}"))?)));
                        Value::Object(by_name.collect::<Result<Map<_, _>, _>>()?)
                    }
                    _ => value.clone(),
                };
                Ok((keyword.clone(), value))
            });
            prepared.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

/// As the platform's gateway sees it (AJV's default formats): a scheme and something behind it, without white space.
/// RFC 3986 would refuse page titles that are not percent-encoded, which the gateway lets in.
fn is_uri(text: &str) -> bool {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (scheme, rest) = text.split_at(end);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme && !rest.is_empty() && !text.contains(char::is_whitespace)
}

/// As [`is_uri`], without a scheme too.
fn is_uri_reference(text: &str) -> bool {
    let (path, fragment) = text.split_once('#').unwrap_or((text, ""));
    !path.starts_with('\\') && !fragment.contains('\\') && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_what_the_gateway_takes_for_one() {
        let taken = ["https://ru.wikipedia.org/wiki/Мельница", "mailto:a@b", "urn:x", "a/b"];
        assert!(taken.into_iter().all(|text| is_uri(text) && is_uri_reference(text)));
        let refused = ["", "//a", "/wiki/A", "1a:b", "https://a b", "https", "a\u{a0}:b"];
        assert_eq!(refused.into_iter().filter(|text| is_uri(text)).count(), 0);
    }

    #[test]
    fn a_uri_reference_is_what_the_gateway_takes_for_one() {
        let taken = ["", "/mediawiki/page/change/1.2.0", "//a", "#a#b", "/wiki/\\", "wiki/Мельница?a=b#c"];
        assert!(taken.into_iter().all(is_uri_reference));
        let refused = ["\\a", "/a b", "/a#\\", "a\n", "\u{2003}"];
        assert_eq!(refused.into_iter().filter(|text| is_uri_reference(text)).count(), 0);
    }
}
