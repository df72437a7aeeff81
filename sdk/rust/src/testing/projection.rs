//! Which fields of its input a plugin sees, and cutting an event down to them.

use super::json::LEVELS_MAX;
use serde_json::{Map, Value};

/// The fields of an input in `describe`; none: the whole document.
#[derive(Clone, Debug, Default)]
pub(super) struct Projection(Option<Vec<Vec<String>>>);

impl Projection {
    /// The fields at these pointers.
    ///
    /// # Errors
    /// One of them is no pointer to a field.
    pub(super) fn of(fields: Option<&[String]>) -> Result<Self, String> {
        let steps = |fields: &[String]| fields.iter().map(|field| steps(field)).collect();
        Ok(Self(fields.map(steps).transpose()?))
    }

    /// How much of the root is seen.
    pub(super) fn root(&self) -> Seen<'_> {
        self.0.as_ref().map_or(Seen::Whole, |fields| Seen::Some(fields.iter().map(Vec::as_slice).collect()))
    }

    /// The document as the plugin gets it.
    pub(super) fn cut(&self, document: &Value) -> Value {
        match (self.root(), document) {
            (Seen::Whole, _) => document.clone(),
            (seen, Value::Object(members)) => cut_object(members, &seen),
            _ => Value::Object(Map::new()),
        }
    }
}

/// Objects on the way to a field are there even where the field is not. An array is never cut, and a scalar in the
/// middle of a pointer means that its field is not there.
fn cut_object(members: &Map<String, Value>, seen: &Seen<'_>) -> Value {
    let shown = members.iter().filter_map(|(name, value)| {
        let value = match (seen.below(name), value) {
            (Seen::Nothing, _) => None,
            (Seen::Whole, _) | (Seen::Some(_), Value::Array(_)) => Some(value.clone()),
            (seen @ Seen::Some(_), Value::Object(members)) => Some(cut_object(members, &seen)),
            (Seen::Some(_), _) => None,
        };
        Some((name.clone(), value?))
    });
    Value::Object(shown.collect())
}

/// How much of one value is seen.
#[derive(Clone, Debug)]
pub(super) enum Seen<'p> {
    Whole,
    /// What these steps lead to, from the value on.
    Some(Vec<&'p [String]>),
    Nothing,
}

impl<'p> Seen<'p> {
    /// How much is seen of the member called `name`.
    pub(super) fn below(&self, name: &str) -> Self {
        let Self::Some(fields) = self else { return self.clone() };
        let below: Vec<&'p [String]> = fields
            .iter()
            .filter_map(|steps| steps.split_first().filter(|(first, _)| *first == name).map(|(_, rest)| rest))
            .collect();
        if below.is_empty() {
            return Self::Nothing;
        }
        if below.iter().any(|rest| rest.is_empty()) { Self::Whole } else { Self::Some(below) }
    }

    /// What is seen of an element of an array, which is seen whole or not at all.
    pub(super) fn element(&self) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Whole | Self::Some(_) => Self::Whole,
        }
    }
}

/// The steps of a JSON Pointer (RFC 6901) to a field.
///
/// # Errors
/// It is empty, does not begin with `/`, has a `~` that is neither `~0` nor `~1`, or is deeper than any document.
pub(super) fn steps(pointer: &str) -> Result<Vec<String>, String> {
    let fault = |reason: &str| Err(format!("path {pointer:?} {reason}"));
    let Some(path) = pointer.strip_prefix('/') else { return fault("is no JSON Pointer to a field") };
    if path.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
        return fault("has a `~` that is neither `~0` nor `~1`");
    }
    let steps: Vec<String> = path.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
    if steps.len() > LEVELS_MAX { fault("has more steps than a document has levels") } else { Ok(steps) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check_cut(fields: &[&str], expected: Value) {
        let document = json!({"a": {"b": 1, "c": {"d": 2}}, "l": [{"x": 1, "y": 2}], "s": "t", "n~/": {"": 3}});
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        assert_eq!(Projection::of(Some(&fields)).unwrap().cut(&document), expected, "{fields:?}");
        assert_eq!(Projection::of(None).unwrap().cut(&document), document);
    }

    #[test]
    fn the_fields_that_are_declared_are_shown_and_no_others() {
        check_cut(&[], json!({}));
        check_cut(&["/a/c"], json!({"a": {"c": {"d": 2}}}));
        check_cut(&["/a/b", "/s"], json!({"a": {"b": 1}, "s": "t"}));
        check_cut(&["/n~0~1/"], json!({"n~/": {"": 3}}));
    }

    #[test]
    fn the_outer_one_of_two_fields_counts() {
        check_cut(&["/a/c/d", "/a"], json!({"a": {"b": 1, "c": {"d": 2}}}));
        check_cut(&["/a", "/a/c/d"], json!({"a": {"b": 1, "c": {"d": 2}}}));
    }

    #[test]
    fn a_pointer_into_an_array_shows_the_whole_array() {
        check_cut(&["/l/0/x"], json!({"l": [{"x": 1, "y": 2}]}));
        check_cut(&["/l/7"], json!({"l": [{"x": 1, "y": 2}]}));
    }

    #[test]
    fn objects_on_the_way_are_there_even_where_the_field_is_not() {
        check_cut(&["/a/x"], json!({"a": {}}));
        check_cut(&["/a/c/x/y"], json!({"a": {"c": {}}}));
        check_cut(&["/x/y"], json!({}));
    }

    #[test]
    fn a_pointer_through_a_scalar_shows_nothing() {
        check_cut(&["/s/x"], json!({}));
        check_cut(&["/a/b/x"], json!({"a": {}}));
    }

    #[test]
    fn what_is_no_pointer_to_a_field_is_refused() {
        for (pointer, expected) in [
            ("", "is no JSON Pointer"),
            ("a", "is no JSON Pointer"),
            ("/~", "neither"),
            ("/a~2/b", "neither"),
            ("/a/b~", "neither"),
            (&*"/a".repeat(129), "more steps"),
        ] {
            let error = steps(pointer).unwrap_err();
            assert!(error.contains(expected), "{pointer}: {error}");
        }
        assert_eq!(steps("/a~1b//~01").unwrap(), ["a/b", "", "~1"]);
    }
}
