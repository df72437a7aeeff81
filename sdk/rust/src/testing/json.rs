//! JSON as a host takes it: stricter than serde_json in duplicate keys, which a host refuses.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// The most objects and arrays within each other in a document.
pub(super) const LEVELS_MAX: usize = 128;

/// Reads exactly one value.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let value = serde_json::from_slice(bytes).map(|Strict(value)| value);
    value.map_err(|error| format!("not exactly one JSON value: {error}"))
}

/// How many objects and arrays are within each other.
pub(super) fn levels(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(levels).max().unwrap_or(0),
        Value::Array(elements) => 1 + elements.iter().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(Strict(element)) = access.next_element()? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Strict(value))) = access.next_entry::<String, _>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("the key `{name}` is already in its object")));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, expected: Result<Value, &str>) {
        match (parse(text.as_bytes()), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
            (found, expected) => panic!("{text}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn one_value_is_read_as_it_is() {
        check(r#" {"a":[1,-2,1.5,"x\n",true,null]} "#, Ok(json!({"a": [1, -2, 1.5, "x\n", true, null]})));
        check("3", Ok(json!(3)));
    }

    #[test]
    fn anything_else_is_refused() {
        check("", Err("EOF"));
        check("1 2", Err("trailing"));
        check(r#"1,"b":2"#, Err("trailing"));
        check(r#"{"a":1,"a":1}"#, Err("the key `a` is already in its object"));
        check(r#"[{"b":{"a":1,"\u0061":1}}]"#, Err("the key `a` is already in its object"));
    }

    #[test]
    fn levels_are_counted() {
        for (value, expected) in [(json!(1), 0), (json!({}), 1), (json!({"a": 1, "b": [[1]]}), 3)] {
            assert_eq!(levels(&value), expected, "{value}");
        }
    }
}
