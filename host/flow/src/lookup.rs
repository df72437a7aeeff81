//! Lookups: what a plugin asks of the outside world, and what comes back.

use crate::blob::{Blob, Piece};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// One question of one ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Chosen by the plugin, once per ticket.
    pub id: u32,
    /// `revision`, `compare`, `html`, `query`, `http`; more to come.
    pub kind: String,
    /// A JSON object with the arguments of that kind.
    pub params: String,
    /// For `http` only. Empty: no body.
    pub body: Vec<Piece>,
}

/// What answers a question: a small JSON document, and what is large beside it, by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// A JSON document; `wit/README.md` has its schema per kind.
    pub document: Bytes,
    /// The large parts, in the order of the indexes in `document`.
    pub blobs: Vec<Blob>,
}

impl Reply {
    /// The bytes that this reply pins in memory.
    pub fn held(&self) -> usize {
        self.document.len() + self.blobs.iter().map(Blob::held).sum::<usize>()
    }
}

/// Why there is no answer. The words are the contract's; a plugin treats any other as `unavailable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookupErrorKind {
    /// What was asked for does not exist (any more, or yet: the event is no longer young).
    Missing,
    /// The pipeline has no grant for it, or the other side refuses it.
    Denied,
    /// The answer is larger than the host takes.
    TooLarge,
    /// The other side could not answer, and this question alone is at fault.
    Unavailable,
    /// The question or the answer makes no sense.
    Invalid,
}

impl LookupErrorKind {
    /// The word that the contract uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::TooLarge => "too-large",
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
        }
    }
}

/// What the host reports once its own retries are over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.word())]
pub struct LookupError {
    /// The class.
    pub kind: LookupErrorKind,
    /// For people; never a secret in it.
    pub message: String,
}

impl LookupError {
    /// An error of `kind` that says `message`.
    pub fn new(kind: LookupErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// An answer as a plugin gets it.
pub type Answer = Result<Reply, LookupError>;

/// Tells whether an answer may still be given: what it shows may have become forbidden since it was asked for. Whoever
/// keeps an answer keeps its seal, and looks at it each time before the answer is given.
pub trait Seal: Send + Sync + fmt::Debug {
    /// Whether nothing that the answer shows was forgotten since. Once broken, a seal stays so.
    fn holds(&self) -> bool;
}

/// An answer with its seal.
#[derive(Clone, Debug)]
pub struct SealedAnswer {
    /// The answer.
    pub answer: Answer,
    /// None: it shows nothing that can become forbidden, as far as the host can tell.
    pub seal: Option<Arc<dyn Seal>>,
}

impl SealedAnswer {
    /// Whether the answer may still be given.
    pub fn holds(&self) -> bool {
        self.seal.as_ref().is_none_or(|seal| seal.holds())
    }
}

impl From<Answer> for SealedAnswer {
    fn from(answer: Answer) -> Self {
        Self { answer, seal: None }
    }
}
