//! Why an event failed, in a word for machines and a sentence for people, and how lookups and serde say it. What the
//! host makes of a failure is its own business.

use crate::bindings::millrace::plugin::types as wit;
use std::fmt;

/// Why an event failed; it becomes an error event with `kind` as its `error_type`, and the input in it.
///
/// `?` makes one of a [`LookupError`] (`not_found`, `lookup_denied` and so on: [`LookupErrorKind::failure_kind`]) and
/// of an error of `serde_json` (`invalid_json`). Everything else becomes one by [`Failure::new`]:
///
/// ```
/// use millrace_sdk::Failure;
///
/// fn year(dt: &str) -> Result<u16, Failure> {
///     let digits = dt.get(..4).unwrap_or_default();
///     digits.parse().map_err(|error| Failure::new("invalid_dt", format!("dt {dt:?} has no year: {error}")))
/// }
///
/// assert_eq!(year("2026-07-01T08:15:30Z"), Ok(2026));
/// assert_eq!(year("yesterday").unwrap_err().kind, "invalid_dt");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word of at most 64 `a-z`, `0-9` and `_`: dashboards count by it. The host turns anything else into such
    /// a word. Never put into it what differs from event to event.
    pub kind: String,
    /// A sentence for people: what, where, what was expected.
    pub message: String,
    /// Where in the code it happened, one frame a line, where that is known.
    pub stack: Option<String>,
}

impl Failure {
    /// A failure of `kind` that says `message`, without a stack.
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
///
/// An outage is none of these: while a wiki is down, the host waits, and the lookup with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookupErrorKind {
    /// What was asked for does not exist: an unknown or deleted revision or page, a 404. A revision of a young event
    /// that the wiki does not know yet has already been asked for again.
    Missing,
    /// The pipeline has no grant for it, or the other side refuses it: 401, 403, the HTML of a text that is hidden.
    /// They look alike, but for the message.
    Denied,
    /// The answer, or the body of the question, is larger than the host takes.
    TooLarge,
    /// The other side could not answer this question, while it did answer others; or it has lost the text.
    Unavailable,
    /// The question or the answer makes no sense: params that are wrong, an error of the API about the question, an
    /// answer of another shape than this crate's type.
    Invalid,
}

impl LookupErrorKind {
    /// The class that the contract's `word` (`missing`, `denied`, `too-large`, `unavailable`, `invalid`) stands for.
    pub fn of_word(word: &str) -> Self {
        match word {
            "missing" => Self::Missing,
            "denied" => Self::Denied,
            "too-large" => Self::TooLarge,
            "invalid" => Self::Invalid,
            _ => Self::Unavailable,
        }
    }

    /// The contract's word for this class.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::TooLarge => "too-large",
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
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
