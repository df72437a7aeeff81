//! Documents as the validator reads them: in place, over their index. Nothing is copied but strings with escapes in them
//! that a keyword must read; a body that no keyword is about is never looked at.

use crate::document::{Elements, Kind, Members, Value};
use jsonschema::JsonType;
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object, cmp, unique};
use serde_json::{Number, Value as Model};
use std::borrow::Cow;

/// The representation of JSON that [`crate::Document`] is.
pub(super) struct InPlace;

/// A value of a document, or the name of a member where a keyword is about names.
#[derive(Clone, Copy)]
pub(super) enum Instance<'a> {
    Value(Value<'a>),
    Name(&'a str),
}

impl Json for InPlace {
    type Node<'a> = Instance<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    /// A document is a tree.
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Instance<'_>) -> T) -> T {
        f(Instance::Name(string))
    }
}

impl<'a> Instance<'a> {
    fn kind(self) -> Kind {
        match self {
            Self::Value(value) => value.kind(),
            Self::Name(_) => Kind::String,
        }
    }

    fn of_kind(self, kind: Kind) -> Option<Value<'a>> {
        match self {
            Self::Value(value) if value.kind() == kind => Some(value),
            _ => None,
        }
    }
}

impl<'a> Node<'a, InPlace> for Instance<'a> {
    type Object = ObjectOf<'a>;
    type Array = ArrayOf<'a>;
    type Number = NumberOf<'a>;

    fn as_object(&self) -> Option<ObjectOf<'a>> {
        self.of_kind(Kind::Object).map(ObjectOf)
    }

    fn as_array(&self) -> Option<ArrayOf<'a>> {
        self.of_kind(Kind::Array).map(ArrayOf)
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match *self {
            Self::Value(value) => value.as_str(),
            Self::Name(name) => Some(Cow::Borrowed(name)),
        }
    }

    fn as_number(&self) -> Option<NumberOf<'a>> {
        match self {
            Self::Value(value) => value.number_text().map(NumberOf),
            Self::Name(_) => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        self.of_kind(Kind::Bool).and_then(Value::as_bool)
    }

    fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    fn is_number(&self) -> bool {
        self.kind() == Kind::Number
    }

    fn json_type(&self) -> JsonType {
        match self.kind() {
            Kind::Object => JsonType::Object,
            Kind::Array => JsonType::Array,
            Kind::String => JsonType::String,
            Kind::Number => JsonType::Number,
            Kind::Bool => JsonType::Boolean,
            Kind::Null => JsonType::Null,
        }
    }

    /// Characters are counted only where the bytes do not decide.
    fn string_length_within(&self, min: u64, max: u64) -> Option<bool> {
        let (fewest, most) = match *self {
            Self::Value(value) => value.characters()?,
            Self::Name(name) => (name.len().div_ceil(4) as u64, name.len() as u64),
        };
        if most < min || fewest > max {
            return Some(false);
        }
        if fewest >= min && most <= max {
            return Some(true);
        }
        self.string_length().map(|length| (min..=max).contains(&length))
    }

    fn equals_value(&self, expected: &Model) -> bool {
        match (self.kind(), expected) {
            (Kind::String, Model::String(expected)) => self.as_string().is_some_and(|text| text == expected.as_str()),
            (Kind::Null, Model::Null) => true,
            (Kind::Bool, Model::Bool(expected)) => self.as_boolean() == Some(*expected),
            (Kind::Number, Model::Number(_)) | (Kind::Object, Model::Object(_)) | (Kind::Array, Model::Array(_)) => {
                cmp::equal(&model(*self), expected)
            }
            _ => false,
        }
    }

    /// Nothing: only errors ask for it, and their messages are made from the document (`super::invalid`), so that no
    /// error holds a copy of a body. What compares values does so by [`model`].
    fn to_value(&self) -> Cow<'a, Model> {
        Cow::Owned(Model::Null)
    }

    /// None: only `$ref`s could meet a value twice, and no schema here has any.
    fn identity(&self) -> Option<NodeIdentity> {
        None
    }
}

/// A copy, for what is seldom in a schema: `uniqueItems`, and `const` or `enum` of something else than text. Recursion
/// ends with the levels that a document may have.
fn model(instance: Instance<'_>) -> Model {
    let value = match instance {
        Instance::Value(value) => value,
        Instance::Name(name) => return Model::from(name),
    };
    match value.kind() {
        Kind::Object => {
            let members = value.members().map(|(key, value)| (key.text().into_owned(), model(Instance::Value(value))));
            Model::Object(members.collect())
        }
        Kind::Array => value.elements().map(|value| model(Instance::Value(value))).collect(),
        Kind::String => value.as_str().map_or(Model::Null, Model::from),
        Kind::Number => value.number_text().map_or(Model::Null, |text| Model::Number(NumberOf(text).number())),
        Kind::Bool => value.as_bool().map_or(Model::Null, Model::from),
        Kind::Null => Model::Null,
    }
}

/// An object of a document.
pub(super) struct ObjectOf<'a>(Value<'a>);

impl<'a> Object<'a, InPlace> for ObjectOf<'a> {
    type Node = Instance<'a>;
    type MemberName = Cow<'a, str>;
    type MembersIter = MembersOf<'a>;

    fn len(&self) -> usize {
        self.0.members().count()
    }

    fn is_empty(&self) -> bool {
        self.0.members().next().is_none()
    }

    fn get(&self, key: &String) -> Option<Instance<'a>> {
        self.0.members().find(|(name, _)| name.is(key)).map(|(_, value)| Instance::Value(value))
    }

    fn members(&self) -> MembersOf<'a> {
        MembersOf(self.0.members())
    }
}

/// The members of an object, by their unescaped names.
pub(super) struct MembersOf<'a>(Members<'a>);

impl<'a> Iterator for MembersOf<'a> {
    type Item = (Cow<'a, str>, Instance<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.text(), Instance::Value(value)))
    }
}

/// An array of a document.
pub(super) struct ArrayOf<'a>(Value<'a>);

impl<'a> Array<'a, InPlace> for ArrayOf<'a> {
    type Node = Instance<'a>;
    type ElementsIter = std::iter::Map<Elements<'a>, fn(Value<'a>) -> Instance<'a>>;

    fn len(&self) -> usize {
        self.0.elements().count()
    }

    fn elements(&self) -> Self::ElementsIter {
        self.0.elements().map(Instance::Value)
    }

    fn is_unique(&self) -> bool {
        let models: Vec<Model> = self.elements().map(model).collect();
        unique::is_unique(&models)
    }
}

/// A number by its digits.
#[derive(Clone, Copy)]
pub(super) struct NumberOf<'a>(&'a str);

impl NumberOf<'_> {
    /// The text is a number of JSON, so it always is one here too.
    fn number(self) -> Number {
        serde_json::from_str(self.0).unwrap_or_else(|_| Number::from(0))
    }

    fn is_plain(self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    }
}

impl JsonNumber for NumberOf<'_> {
    fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }

    fn to_number(&self) -> Cow<'_, Number> {
        Cow::Owned(self.number())
    }

    fn is_integer(&self) -> bool {
        self.is_plain() || is_whole(self.0)
    }

    fn is_written_as_integer(&self) -> bool {
        self.is_plain()
    }
}

/// Whether a number that is written with a point or an exponent is an integer, by its digits: draft 7 takes `1.0` and
/// `15e-1` apart by value, and a double would round `9007199254740991.1` to one.
fn is_whole(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros_behind = |digits: &str| digits.len() - digits.trim_end_matches('0').len();
    let is_zero = |digits: &str| digits.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    let zeros = match zeros_behind(fraction) {
        zeros if zeros == fraction.len() => zeros + zeros_behind(whole),
        zeros => zeros,
    };
    // How far the last digit that counts is from the point; more than an i64 holds is further than any text is long.
    let exponent = match exponent.parse::<i64>() {
        Ok(exponent) => exponent,
        Err(_) if exponent.starts_with('-') => i64::MIN,
        Err(_) => i64::MAX,
    };
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX) - i64::try_from(zeros).unwrap_or(i64::MAX);
    (is_zero(whole) && is_zero(fraction)) || exponent >= places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(numbers: &[&str], expected: bool) {
        for number in numbers {
            assert_eq!(NumberOf(number).is_integer(), expected, "{number}");
        }
    }

    #[test]
    fn whole_numbers_are_integers_however_written() {
        check(&["0", "-1", "1.0", "-0.0", "1e2", "1.50E1", "100e-2", "0e-5", "0.0e-9", "10.0e-1", "1e400"], true);
        check(&["1e99999999999999999999", "123456789012345678901234567890", "0e-99999999999999999999"], true);
        check(&["1.5", "15e-1", "1e-1", "9007199254740991.1", "10.1e0", "100e-3", "1.05e1"], false);
        check(&["1e-99999999999999999999", "0.1"], false);
    }
}
