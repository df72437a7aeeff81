//! Reads a JSON object as the list of its members. PHP writes an object without members as `[]`, which is read as one.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A key that is borrowed where it holds no escape.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an object, in their order.
#[derive(Debug)]
pub(crate) struct Pairs<'a, T>(pub(crate) Vec<(Cow<'a, str>, T)>);

impl<T> Default for Pairs<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Pairs<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members(PhantomData))
    }
}

struct Members<'a, T>(PhantomData<(&'a (), T)>);

impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for Members<'a, T> {
    type Value = Pairs<'a, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or an empty array in place of one")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            pairs.push((key, map.next_value()?));
        }
        Ok(Pairs(pairs))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(Pairs::default()),
            Some(_) => Err(serde::de::Error::custom("an array with elements in place of an object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<&[(&str, u32)]>) {
        let read = serde_json::from_str::<Pairs<'_, u32>>(json).ok();
        let read = read.as_ref().map(|pairs| pairs.0.iter().map(|(k, v)| (k.as_ref(), *v)).collect::<Vec<_>>());
        assert_eq!(read.as_deref(), expected, "{json}");
    }

    #[test]
    fn an_object_is_the_list_of_its_members() {
        check(r#"{"b":1,"a\u0041":2}"#, Some(&[("b", 1), ("aA", 2)]));
        check("{}", Some(&[]));
    }

    #[test]
    fn an_empty_array_is_an_empty_object() {
        check("[]", Some(&[]));
        check("[1]", None);
        check("3", None);
    }
}
