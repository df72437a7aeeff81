//! Text that borrows from the document it was read from, unless an escape in it forces a copy.

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

/// A string of a JSON document: borrowed where it can be, owned where it holds an escape.
///
/// `&str` in a struct is as fast but fails on `"caf\u00e9"`; `String` always works but always copies. This is both,
/// also where `#[serde(borrow)]` does not reach, as in the keys of a map. It derefs to `str`, so it compares, prints
/// and searches as one.
///
/// ```
/// use millrace_sdk::Text;
/// use std::collections::BTreeMap;
///
/// #[derive(serde::Deserialize)]
/// struct Page<'a> {
///     #[serde(borrow)]
///     page_title: Text<'a>,
///     #[serde(borrow, default)]
///     labels: BTreeMap<Text<'a>, Text<'a>>,
/// }
///
/// let page: Page<'_> = serde_json::from_str(r#"{"page_title": "Caf\u00e9", "labels": {"de": "Kaffeehaus"}}"#).unwrap();
/// assert!(page.page_title == "Café" && page.page_title.starts_with('C'));
/// assert_eq!(page.labels.get("de").map(Text::as_str), Some("Kaffeehaus"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The text, without escapes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl PartialOrd<str> for Text<'_> {
    fn partial_cmp(&self, other: &str) -> Option<Ordering> {
        (*self.0).partial_cmp(other)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn keys_and_values_borrow_unless_an_escape_is_in_them() {
        let map: BTreeMap<Text<'_>, Text<'_>> = serde_json::from_str(r#"{"main":"a","caf\u00e9":"b\n"}"#).unwrap();
        let kinds: Vec<_> = map.iter().map(|(k, v)| (&**k, matches!(k.0, Cow::Borrowed(_)), &**v)).collect();
        assert_eq!(kinds, [("café", false, "b\n"), ("main", true, "a")]);
        assert_eq!(map.get("main").map(|v| v == "a"), Some(true));
    }
}
