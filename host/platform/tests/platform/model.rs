//! The naive twin of documents: `serde_json` values, changed and cut down by the plainest code that follows the rules.

use millrace_platform::Pointer;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// JSON that repeats no key: fails to deserialize otherwise.
pub(crate) struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, _)) = map.next_entry::<String, Self>()? {
            if !keys.insert(key) {
                return Err(de::Error::custom("duplicate key"));
            }
        }
        Ok(self)
    }
}

/// What is seen of a value below `pointers`, each as its steps.
pub(crate) fn project(value: &Value, pointers: &[Vec<String>]) -> Option<Value> {
    if pointers.iter().any(Vec::is_empty) {
        return Some(value.clone());
    }
    match value {
        _ if pointers.is_empty() => None,
        Value::Array(_) => Some(value.clone()),
        Value::Object(members) => {
            let seen = members.iter().filter_map(|(key, value)| {
                let below: Vec<_> =
                    pointers.iter().filter(|steps| steps[0] == *key).map(|steps| steps[1..].to_vec()).collect();
                Some((key.clone(), project(value, &below)?))
            });
            Some(Value::Object(seen.collect()))
        }
        _ => None,
    }
}

/// An edit cannot be applied.
#[derive(Debug, PartialEq)]
pub(crate) struct Refused;

/// Sets (or removes) what is at `steps`.
pub(crate) fn edit(value: &mut Value, steps: &[String], new: Option<&Value>) -> Result<(), Refused> {
    let [step, rest @ ..] = steps else {
        *value = new.unwrap().clone();
        return Ok(());
    };
    match (value, new) {
        (Value::Object(members), None) if rest.is_empty() => {
            members.remove(step);
            Ok(())
        }
        (Value::Object(members), None) => members.get_mut(step).map_or(Ok(()), |value| edit(value, rest, None)),
        (Value::Object(members), new) => {
            edit(members.entry(step.clone()).or_insert_with(|| Value::Object(Map::new())), rest, new)
        }
        (Value::Array(values), new) => {
            let is_index = step == "0" || (!step.starts_with('0') && step.bytes().all(|b| b.is_ascii_digit()));
            let at = if is_index { step.parse().ok().filter(|at: &usize| *at < values.len()) } else { None };
            match (at, new) {
                (Some(at), None) if rest.is_empty() => {
                    values.remove(at);
                    Ok(())
                }
                (Some(at), new) => edit(&mut values[at], rest, new),
                (None, Some(_)) if step == "-" => {
                    values.push(Value::Object(Map::new()));
                    edit(values.last_mut().unwrap(), rest, new)
                }
                (None, None) => Ok(()),
                (None, Some(_)) => Err(Refused),
            }
        }
        _ => Err(Refused),
    }
}

pub(crate) fn pointer(steps: &[String]) -> Pointer {
    Pointer::of_keys(steps.iter().map(String::as_str)).unwrap()
}

/// Few keys, so that paths meet documents; some need escapes in JSON or in pointers.
pub(crate) fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "0", "1", "-", "", "a/b", "m~n", "\"", "é\n"]).prop_map(str::to_owned)
}

pub(crate) fn steps(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    vec(key(), length)
}

/// Any JSON value; numbers in forms that must keep their text.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let number = prop::sample::select(vec!["0", "-0", "1.0", "1e5", "-1.50E-3", "123456789012345678901234567890"]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        number.prop_map(|text| serde_json::from_str(text).unwrap()),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..5).prop_map(Value::Array), members(inner).prop_map(Value::Object)]
    })
}

fn members(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    vec((key(), inner), 0..6).prop_map(|members| members.into_iter().collect())
}

/// Any event.
pub(crate) fn object() -> impl Strategy<Value = Value> {
    members(value()).prop_map(Value::Object)
}
