//! What is wrong with an event, in words that fit into a log line and into an error event.

use super::instance::{InPlace, Instance};
use super::shown_chars;
use crate::document::{Document, Value};
use crate::pointer::Pointer;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use std::fmt;

/// The most violations that are told of one event: whoever repairs it sees the rest then.
const VIOLATIONS_MAX: usize = 5;

/// The most characters of a value, or of a list of names, in a message.
const VALUE_CHARS_MAX: usize = 100;

/// The most characters of the path to a value. Names in maps are the event's own, and may be as long as they like.
const PATH_CHARS_MAX: usize = 200;

/// The most values of a document of which all violations are collected. A larger one is told the first only: a list of
/// a million wrong elements would otherwise become a list of a million messages.
const VALUES_MAX: usize = 10_000;

/// An event is not valid. Bounded, however large and however wrong the event is; never has a whole value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    violations: Vec<Violation>,
    has_more: bool,
}

/// A place of an event that breaks a rule of its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The JSON Pointer to it, cut to 200 characters; empty for the event as a whole.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

impl Invalid {
    /// What `validator`, which found `document` not valid, has against it.
    pub(super) fn explain(validator: &Validator<InPlace>, document: &Document) -> Self {
        let root = Instance::Value(document.root());
        let tell = |error: ValidationError<'_>| violation(document, &error);
        if document.values() > VALUES_MAX {
            let first = validator.validate(root).err().map(tell);
            return Self { violations: first.into_iter().collect(), has_more: true };
        }
        let mut errors = validator.iter_errors(root);
        let violations = errors.by_ref().take(VIOLATIONS_MAX).map(tell).collect();
        Self { violations, has_more: errors.next().is_some() }
    }

    /// The first few things that are wrong.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Violation { path, problem }) in self.violations.iter().enumerate() {
            let between = if at > 0 { "; " } else { "" };
            let path = if path.is_empty() { "the event" } else { path.as_str() };
            write!(f, "{between}{path}: {problem}")?;
        }
        if self.has_more { f.write_str("; and possibly more") } else { Ok(()) }
    }
}

impl std::error::Error for Invalid {}

fn violation(document: &Document, error: &ValidationError<'_>) -> Violation {
    let path = error.instance_path().as_str();
    let value = Pointer::parse(path).ok().and_then(|pointer| document.get(&pointer));
    let problem = match value {
        Some(value) => problem(error, value),
        None => other(error),
    };
    Violation { path: shown_chars(path, PATH_CHARS_MAX), problem }
}

fn problem(error: &ValidationError<'_>, value: Value<'_>) -> String {
    let value = || cut(&String::from_utf8_lossy(&value.beginning(VALUE_CHARS_MAX * 4)));
    match error.kind() {
        ValidationErrorKind::Required { property } => format!("{} is missing", cut(&property.to_string())),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            // The first alone may already be longer than what is shown.
            let names: Vec<String> =
                unexpected.iter().take(VIOLATIONS_MAX).map(|name| cut(&format!("{name:?}"))).collect();
            format!("the schema does not know {}", cut(&names.join(", ")))
        }
        ValidationErrorKind::Type { kind: TypeKind::Single(expected) } => {
            format!("{} is not of type {expected}", value())
        }
        ValidationErrorKind::Type { kind: TypeKind::Multiple(expected) } => {
            let expected: Vec<String> = expected.iter().map(|expected| expected.to_string()).collect();
            format!("{} is not of type {}", value(), expected.join(" or "))
        }
        ValidationErrorKind::Enum { options } => format!("{} is none of {}", value(), cut(&options.to_string())),
        ValidationErrorKind::Constant { expected_value } => {
            format!("{} is not {}", value(), cut(&expected_value.to_string()))
        }
        ValidationErrorKind::Format { format } => format!("{} is not a {}", value(), cut(format)),
        ValidationErrorKind::Pattern { pattern } => format!("{} does not match {}", value(), cut(pattern)),
        ValidationErrorKind::Minimum { limit } => format!("{} is less than {limit}", value()),
        ValidationErrorKind::Maximum { limit } => format!("{} is more than {limit}", value()),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("{} is not more than {limit}", value()),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("{} is not less than {limit}", value()),
        ValidationErrorKind::MinLength { limit } => format!("{} has less than {limit} characters", value()),
        ValidationErrorKind::MaxLength { limit } => format!("{} has more than {limit} characters", value()),
        _ => other(error),
    }
}

/// The library's words, for what is seldom in a schema of the platform, without the value.
fn other(error: &ValidationError<'_>) -> String {
    shown_chars(&error.masked_with("the value").to_string(), VALUE_CHARS_MAX * 2)
}

fn cut(text: &str) -> String {
    shown_chars(text, VALUE_CHARS_MAX)
}
