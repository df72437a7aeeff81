//! Edits of a document, by the rules of a host: which paths lead somewhere, and what must not be destroyed. Done with
//! `serde_json::Value`; simple rather than fast, and apart from the host's own code, so that each can find the other's
//! mistakes.

use super::json::{LEVELS_MAX, levels};
use super::projection::{Projection, Seen, steps};
use serde_json::Value;
use std::collections::BTreeMap;

/// A document while it is edited.
#[derive(Clone, Debug)]
pub(super) struct Draft(Part);

#[derive(Clone, Debug)]
enum Part {
    Object(BTreeMap<String, Part>),
    Array(Vec<Part>),
    /// A scalar, or an object or array without anything in it. `Whose` is known of these only: an object is the
    /// input's if anything in it is.
    Leaf(Value, Whose),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Whose {
    Inputs,
    Plugins,
}

impl Draft {
    /// The input document.
    pub(super) fn of(document: &Value) -> Self {
        Self(Part::of(document.clone(), Whose::Inputs))
    }

    /// Sets the value at `path`, for a plugin that sees `projection` of the input.
    ///
    /// # Errors
    /// A path that is no pointer to a field, leads through a scalar or to no element, more levels than a document may
    /// have, or an object that holds something of the input that the plugin did not see, although it saw some of it.
    pub(super) fn set(&mut self, path: &str, value: Value, projection: &Projection) -> Result<(), String> {
        let steps = steps(path)?;
        if steps.len() + levels(&value) > LEVELS_MAX {
            return Err(format!("set {path}: more than {LEVELS_MAX} levels"));
        }
        let value = Part::of(value, Whose::Plugins);
        self.0.set(&steps, value, projection.root()).map_err(|reason| format!("set {path}: {reason}"))
    }

    /// Removes what is at `path`, if anything is.
    ///
    /// # Errors
    /// A path that is no pointer to a field or leads through a scalar.
    pub(super) fn remove(&mut self, path: &str) -> Result<(), String> {
        self.0.remove(&steps(path)?).map_err(|reason| format!("remove {path}: {reason}"))
    }

    /// The document as it is now.
    pub(super) fn finish(self) -> Value {
        self.0.into_value()
    }
}

const THROUGH_SCALAR: &str = "the path goes through a value that is neither object nor array";

impl Part {
    fn of(value: Value, whose: Whose) -> Self {
        match value {
            Value::Object(members) if !members.is_empty() => {
                Self::Object(members.into_iter().map(|(name, value)| (name, Self::of(value, whose))).collect())
            }
            Value::Array(elements) if !elements.is_empty() => {
                Self::Array(elements.into_iter().map(|value| Self::of(value, whose)).collect())
            }
            leaf => Self::Leaf(leaf, whose),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Object(members) => {
                Value::Object(members.into_iter().map(|(name, part)| (name, part.into_value())).collect())
            }
            Self::Array(parts) => Value::Array(parts.into_iter().map(Self::into_value).collect()),
            Self::Leaf(value, _) => value,
        }
    }

    fn empty_object() -> Self {
        Self::Object(BTreeMap::new())
    }

    /// Makes an empty object or array one that something can be put into.
    fn open(&mut self) {
        match self {
            Self::Leaf(Value::Object(_), _) => *self = Self::empty_object(),
            Self::Leaf(Value::Array(_), _) => *self = Self::Array(Vec::new()),
            Self::Object(_) | Self::Array(_) | Self::Leaf(..) => {}
        }
    }

    fn set(&mut self, steps: &[String], value: Self, seen: Seen<'_>) -> Result<(), String> {
        let Some((name, rest)) = steps.split_first() else {
            if self.holds_unseen(&seen) {
                return Err(
                    "an object of which the plugin saw a part only: set its fields, or declare all of it".into()
                );
            }
            *self = value;
            return Ok(());
        };
        self.open();
        match self {
            Self::Object(members) => {
                members.entry(name.clone()).or_insert_with(Self::empty_object).set(rest, value, seen.below(name))
            }
            Self::Array(parts) => {
                if name == "-" {
                    parts.push(Self::empty_object());
                }
                let at = if name == "-" { Some(parts.len() - 1) } else { index(name) };
                let part = at.and_then(|at| parts.get_mut(at)).ok_or("there is no such element of the array")?;
                part.set(rest, value, seen.element())
            }
            Self::Leaf(..) => Err(THROUGH_SCALAR.into()),
        }
    }

    fn remove(&mut self, steps: &[String]) -> Result<(), String> {
        let Some((name, rest)) = steps.split_first() else { return Ok(()) };
        self.open();
        match self {
            Self::Object(members) if rest.is_empty() => {
                members.remove(name);
                Ok(())
            }
            Self::Object(members) => members.get_mut(name).map_or(Ok(()), |part| part.remove(rest)),
            Self::Array(parts) => {
                let Some(at) = index(name).filter(|at| *at < parts.len()) else { return Ok(()) };
                if rest.is_empty() {
                    parts.remove(at);
                    return Ok(());
                }
                parts.get_mut(at).map_or(Ok(()), |part| part.remove(rest))
            }
            Self::Leaf(..) => Err(THROUGH_SCALAR.into()),
        }
    }

    /// Whether this is an object of which the plugin saw some, and that holds something which it did not see.
    fn holds_unseen(&self, seen: &Seen<'_>) -> bool {
        let (Seen::Some(_), Self::Object(members)) = (seen, self) else { return false };
        members.iter().any(|(name, part)| match (seen.below(name), part) {
            (Seen::Whole, _) => false,
            (Seen::Nothing, _) => part.holds_inputs(),
            // A pointer goes on where this scalar ends, so the plugin did not get it.
            (Seen::Some(_), Self::Leaf(value, whose)) => {
                *whose == Whose::Inputs && !value.is_object() && !value.is_array()
            }
            (below @ Seen::Some(_), _) => part.holds_unseen(&below),
        })
    }

    /// Whether anything in it is the input's.
    fn holds_inputs(&self) -> bool {
        match self {
            Self::Object(members) => members.values().any(Self::holds_inputs),
            Self::Array(parts) => parts.iter().any(Self::holds_inputs),
            Self::Leaf(_, whose) => *whose == Whose::Inputs,
        }
    }
}

/// An array index as RFC 6901 §4 writes it: digits without leading zeros.
fn index(name: &str) -> Option<usize> {
    let is_canonical = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if is_canonical { name.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
