//! Cutting an event down to what a schema knows, in one pass that copies nothing and takes apart only what lies on the
//! way to something that goes. What a schema knows is `crate::schema`'s business.

use super::part::{Member, Part};
use super::{Document, Kind, Tree, Value};
use crate::schema::{MemberShape, MembersShape, Shape};
use std::sync::Arc;

/// The most places of one event that are told one by one. More are told as `*` of the object that they are in, so that a
/// plugin that makes up names fills neither logs nor memory.
const PLACES_MAX: usize = 32;

/// The most characters of a name that no schema knows.
const NAME_CHARS_MAX: usize = 64;

/// An event as a schema knows it.
#[derive(Clone, Debug)]
pub struct Projected {
    /// The event; the very document that was given where nothing was dropped.
    pub document: Document,
    /// What was dropped, each place once, in the order of the event. Their counts add up to all that was dropped.
    pub dropped: Vec<Dropped>,
}

/// Members that were dropped from one place of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The place, as a path of the schema: `/revision/content_slots/*/origin`, where `*` is any name of a map or any
    /// index of an array. The last name is the event's own (cut to 64 characters) where a schema does not know it; as a
    /// label of a metric it needs a bound over all events.
    pub path: String,
    /// Why.
    pub reason: Reason,
    /// How many members of the event.
    pub count: u64,
}

/// Why a member of an event was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A closed object does not know it.
    Unknown,
    /// It is null where the schema has a type that null is not.
    Null,
}

pub(super) fn cut(document: &Document, shape: &Shape) -> Projected {
    let mut cutter = Cutter { dropped: Vec::new(), path: String::new() };
    let document = match cutter.value(document.root(), shape, &Path::Root) {
        None => document.clone(),
        Some(root) => {
            let tree = &document.0;
            Document(Arc::new(Tree { sources: tree.sources.clone(), root, limits: tree.limits }))
        }
    };
    Projected { document, dropped: cutter.dropped }
}

/// The way to a place, held on the stack: nothing is written until something is dropped.
enum Path<'p> {
    Root,
    Name(&'p Path<'p>, &'p str),
    Any(&'p Path<'p>),
}

impl Path<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Self::Root => {}
            Self::Name(before, name) => {
                before.write(out);
                out.push('/');
                for char in name.chars().take(NAME_CHARS_MAX) {
                    match char {
                        '~' => out.push_str("~0"),
                        '/' => out.push_str("~1"),
                        char => out.push(char),
                    }
                }
            }
            Self::Any(before) => {
                before.write(out);
                out.push_str("/*");
            }
        }
    }
}

struct Cutter {
    dropped: Vec<Dropped>,
    /// The path that is written; kept, so that its memory is.
    path: String,
}

impl Cutter {
    /// What `value` becomes; none where nothing of it is dropped. Recursion ends with the levels of the schema.
    fn value(&mut self, value: Value<'_>, shape: &Shape, path: &Path<'_>) -> Option<Part> {
        match (value.kind(), &shape.members, &shape.elements) {
            (Kind::Object, Some(shape), _) => self.object(value, shape, path),
            (Kind::Array, _, Some(shape)) => self.array(value, shape, path),
            _ => None,
        }
    }

    fn object(&mut self, object: Value<'_>, shape: &MembersShape, path: &Path<'_>) -> Option<Part> {
        // What is left, from the first change on.
        let mut left: Option<Vec<Member>> = None;
        for (at, (key, value)) in object.members().enumerate() {
            let name = key.text();
            let (shape, here) = match shape.member(&name) {
                MemberShape::Named(shape) => (Some(shape), Path::Name(path, &name)),
                MemberShape::OfMap(shape) => (Some(shape), Path::Any(path)),
                MemberShape::Free => (None, Path::Any(path)),
                MemberShape::Unknown => {
                    left.get_or_insert_with(|| members_before(object, at));
                    self.drop_one(&Path::Name(path, &name), path, Reason::Unknown);
                    continue;
                }
            };
            if value.kind() == Kind::Null && shape.is_some_and(|shape| shape.refuses_null) {
                left.get_or_insert_with(|| members_before(object, at));
                self.drop_one(&here, path, Reason::Null);
                continue;
            }
            let changed = shape.and_then(|shape| self.value(value, shape, &here));
            match (&mut left, changed) {
                (Some(left), changed) => left.push(key.member(changed.unwrap_or_else(|| value.to_part()))),
                (None, Some(changed)) => {
                    left.insert(members_before(object, at)).push(key.member(changed));
                }
                (None, None) => {}
            }
        }
        left.map(Part::Object)
    }

    fn array(&mut self, array: Value<'_>, shape: &Shape, path: &Path<'_>) -> Option<Part> {
        let mut left: Option<Vec<Part>> = None;
        for (at, value) in array.elements().enumerate() {
            let changed = self.value(value, shape, &Path::Any(path));
            match (&mut left, changed) {
                (Some(left), changed) => left.push(changed.unwrap_or_else(|| value.to_part())),
                (None, Some(changed)) => {
                    let before = array.elements().take(at).map(Value::to_part);
                    left = Some(before.chain([changed]).collect());
                }
                (None, None) => {}
            }
        }
        left.map(Part::Array)
    }

    /// Counts a member that goes, at `place` within `object`.
    fn drop_one(&mut self, place: &Path<'_>, object: &Path<'_>, reason: Reason) {
        self.path.clear();
        place.write(&mut self.path);
        let mut known = self.position(reason);
        if known.is_none() && self.dropped.len() >= PLACES_MAX {
            self.path.clear();
            Path::Any(object).write(&mut self.path);
            known = self.position(reason);
        }
        match known.and_then(|at| self.dropped.get_mut(at)) {
            Some(dropped) => dropped.count += 1,
            None => self.dropped.push(Dropped { path: self.path.clone(), reason, count: 1 }),
        }
    }

    /// Where the path that is written was dropped before.
    fn position(&self, reason: Reason) -> Option<usize> {
        self.dropped.iter().position(|dropped| dropped.reason == reason && dropped.path == self.path)
    }
}

/// The members of `object` before the one at `at`.
fn members_before(object: Value<'_>, at: usize) -> Vec<Member> {
    let mut members = Vec::with_capacity(object.members().count());
    members.extend(object.members().take(at).map(|(key, value)| key.member(value.to_part())));
    members
}
