//! Why an event failed, in a word for machines and a sentence for people, and how lookups and serde say it.

use crate::bindings::millrace::plugin::types as wit;
use std::fmt;

/// Why an event failed; it becomes an error event with `kind` as its `error_type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word: lower case, underscores. Dashboards count by it.
    pub kind: String,
    /// A sentence for people: what, where, what was expected.
    pub message: String,
    /// Where it happened, where that is known.
    pub stack: Option<String>,
}

impl Failure {
    /// A failure of `kind` that says `message`.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), stack: None }
    }

    pub(crate) fn into_wit(self) -> wit::Failure {
        wit::Failure { kind: self.kind, message: self.message, stack: self.stack }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Failure {}

/// JSON that is not as expected: kind `invalid_json`.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new("invalid_json", error.to_string())
    }
}

/// The class of a [`LookupError`]. A word of a newer host that this list does not know is `Unavailable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookupErrorKind {
    /// What was asked for does not exist. The host has already waited for a young event's revision to appear.
    Missing,
    /// The pipeline has no grant for it, or the other side refuses it.
    Denied,
    /// The answer is larger than the host takes.
    TooLarge,
    /// The other side could not answer this question, while it did answer others.
    Unavailable,
    /// The question or the answer makes no sense.
    Invalid,
}

impl LookupErrorKind {
    /// The class that the contract's `word` stands for.
    pub fn of_word(word: &str) -> Self {
        match word {
            "missing" => Self::Missing,
            "denied" => Self::Denied,
            "too-large" => Self::TooLarge,
            "invalid" => Self::Invalid,
            _ => Self::Unavailable,
        }
    }

    /// The kind of [`Failure`] that `?` makes of this class.
    pub fn failure_kind(self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Denied => "lookup_denied",
            Self::TooLarge => "lookup_too_large",
            Self::Unavailable => "lookup_unavailable",
            Self::Invalid => "lookup_invalid",
        }
    }
}

/// Why a lookup has no answer. The host's own retries are over by then, so trying again at once seldom helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupError {
    /// The class: what a plugin decides by.
    pub kind: LookupErrorKind,
    /// For people.
    pub message: String,
}

impl LookupError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { kind: LookupErrorKind::Invalid, message: message.into() }
    }

    pub(crate) fn from_wit(error: wit::LookupError) -> Self {
        Self { kind: LookupErrorKind::of_word(&error.kind), message: error.message }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.failure_kind(), self.message)
    }
}

impl std::error::Error for LookupError {}

/// `missing` becomes `not_found`, `too-large` becomes `lookup_too_large`, and so on: [`LookupErrorKind::failure_kind`].
impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        Self::new(error.kind.failure_kind(), error.message)
    }
}
