//! What a schema knows of the places of an event: which members an object may have, and where null may stand. Cutting a
//! document down to it is `document`'s business.
//!
//! Only what is certain counts. Beside `allOf`, `anyOf`, `oneOf`, `not`, `if`, `dependencies` or `patternProperties` a
//! closed object keeps what it does not know: another keyword speaks of its members too, so an event with such a member
//! is refused aloud rather than cut in silence. What these keywords say themselves is not followed. Materialised schemas
//! hardly have any of them.

use crate::pointer::Tokens;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

/// A place of an event.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// It has a type, and null is none of it.
    pub(crate) refuses_null: bool,
    /// What is known of the members of an object here; none where there is nothing to be cut.
    pub(crate) members: Option<Box<MembersShape>>,
    /// The elements of an array here, likewise.
    pub(crate) elements: Option<Box<Shape>>,
}

/// The members of an object.
#[derive(Debug)]
pub(crate) struct MembersShape {
    known: FxHashMap<Box<str>, Shape>,
    others: Others,
}

/// The members that a schema does not name.
#[derive(Debug)]
enum Others {
    /// The object is closed.
    Dropped,
    /// The object is open.
    Kept,
    /// The object is a map of these.
    Map(Shape),
}

/// What is known of one member.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MemberShape<'s> {
    /// The schema names it.
    Named(&'s Shape),
    /// It is one of a map.
    OfMap(&'s Shape),
    /// The object is open.
    Free,
    /// The object is closed, and does not know it.
    Unknown,
}

impl MembersShape {
    /// What is known of the member called `name`.
    pub(crate) fn member(&self, name: &str) -> MemberShape<'_> {
        match (self.known.get(name), &self.others) {
            (Some(shape), _) => MemberShape::Named(shape),
            (None, Others::Map(shape)) => MemberShape::OfMap(shape),
            (None, Others::Kept) => MemberShape::Free,
            (None, Others::Dropped) => MemberShape::Unknown,
        }
    }
}

impl Shape {
    /// The shape of what `schema` is about. Recursion ends with the levels that a schema may have.
    pub(super) fn of(schema: &Value) -> Self {
        let Value::Object(schema) = schema else { return Self::default() };
        let known = properties(schema).map(|(name, schema)| (name.as_str().into(), Self::of(schema))).collect();
        let others = match schema.get("additionalProperties") {
            _ if has_combinator(schema) => Others::Kept,
            Some(Value::Bool(false)) => Others::Dropped,
            Some(each @ Value::Object(_)) => Others::Map(Self::of(each)),
            _ => Others::Kept,
        };
        let members = MembersShape { known, others };
        let elements = schema.get("items").map(Self::of).filter(Self::cuts);
        Self {
            refuses_null: types(schema).is_some_and(|mut types| types.all(|name| name != "null")),
            members: if members.cuts() { Some(Box::new(members)) } else { None },
            elements: elements.map(Box::new),
        }
    }

    /// Whether anything within a value of this shape is ever cut.
    fn cuts(&self) -> bool {
        self.members.is_some() || self.elements.is_some()
    }
}

impl MembersShape {
    fn cuts(&self) -> bool {
        let cuts = |shape: &Shape| shape.refuses_null || shape.cuts();
        let others = match &self.others {
            Others::Dropped => true,
            Others::Kept => false,
            Others::Map(shape) => cuts(shape),
        };
        others || self.known.values().any(cuts)
    }
}

/// Whether events of a schema have a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The schema names it, or it lies in a map whose members the schema describes.
    Declared,
    /// Nothing forbids it: it lies in an open object, or beside keywords that are not followed.
    Possible,
    /// No valid event has it.
    Absent,
}

/// Whether events of `schema` have the field at the end of `tokens`.
pub(super) fn presence(schema: &Value, mut tokens: Tokens<'_>) -> Presence {
    let mut schema = schema;
    loop {
        let (token, schema_here) = match (tokens.next(), schema) {
            (_, Value::Bool(false)) => return Presence::Absent,
            (None, _) => return Presence::Declared,
            (Some(token), Value::Object(schema)) => (token, schema),
            (Some(_), _) => return Presence::Possible,
        };
        let may_be = |kind| types(schema_here).is_none_or(|mut types| types.any(|name| name == kind));
        let named = schema_here.get("properties").and_then(|properties| properties.get(&*token));
        schema = match (named, schema_here.get("additionalProperties"), schema_here.get("items")) {
            (Some(named), ..) if may_be("object") => named,
            _ if has_combinator(schema_here) => return Presence::Possible,
            (_, _, Some(items @ Value::Object(_))) if may_be("array") && is_index(&token) => items,
            (_, Some(each @ Value::Object(_)), _) if may_be("object") => each,
            (_, Some(Value::Bool(false)), _) => return Presence::Absent,
            _ if may_be("object") => return Presence::Possible,
            _ if may_be("array") && is_index(&token) => return Presence::Possible,
            _ => return Presence::Absent,
        };
    }
}

fn is_index(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit())
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// The names of the types that a schema has; none if it has no `type`.
fn types(schema: &Map<String, Value>) -> Option<impl Iterator<Item = &str>> {
    let types = schema.get("type")?;
    let (one, list) = (types.as_str(), types.as_array().into_iter().flatten());
    Some(one.into_iter().chain(list.filter_map(Value::as_str)))
}

/// Whether a keyword stands here that speaks of members as `properties` does.
fn has_combinator(schema: &Map<String, Value>) -> bool {
    ["allOf", "anyOf", "oneOf", "not", "if", "dependencies", "patternProperties"]
        .into_iter()
        .any(|keyword| schema.contains_key(keyword))
}
