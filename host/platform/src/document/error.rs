//! Why bytes are no document, and why an edit cannot be applied.

use crate::pointer::PointerError;
use millrace_flow::blob::NotUtf8;
use millrace_flow::cause::Cause;

/// Bytes are no document. Offsets are in bytes from the beginning of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the limit.
    #[error(
        "{bytes} bytes are more than the {bytes_max} that are taken; raise the pipeline's limit or make the event smaller"
    )]
    TooLarge {
        /// What came.
        bytes: usize,
        /// What may come.
        bytes_max: usize,
    },
    /// The text begins with a byte-order mark.
    #[error("the text begins with a byte-order mark, which JSON does not allow")]
    ByteOrderMark,
    /// Bytes that are no UTF-8.
    #[error("not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// The first byte that is not UTF-8.
        offset: usize,
    },
    /// The root is no object.
    #[error("the root of an event must be an object")]
    NotObject,
    /// Not JSON.
    #[error("not JSON at byte {offset}: expected {expected}")]
    Syntax {
        /// Where.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A control character inside a string.
    #[error("a control character stands unescaped in the string at byte {offset}")]
    Control {
        /// Where.
        offset: usize,
    },
    /// A backslash that begins no escape.
    #[error("invalid escape at byte {offset}")]
    Escape {
        /// Where the backslash stands.
        offset: usize,
    },
    /// A `\u` escape that is half of a surrogate pair.
    #[error("half of a surrogate pair at byte {offset}")]
    Surrogate {
        /// Where the backslash stands.
        offset: usize,
    },
    /// Two members of one object with the same key.
    #[error("the key `{key}` at byte {offset} is already in its object")]
    DuplicateKey {
        /// Where the second one stands.
        offset: usize,
        /// The key, cut to 64 characters.
        key: String,
    },
    /// Too many objects and arrays within each other.
    #[error("more than {depth_max} levels at byte {offset}")]
    TooDeep {
        /// Where the one too many begins.
        offset: usize,
        /// How many may be.
        depth_max: usize,
    },
    /// A blob that was to be a JSON string.
    #[error(transparent)]
    Blob(#[from] NotUtf8),
}

impl DecodeError {
    pub(super) fn syntax(offset: usize, expected: &'static str) -> Self {
        Self::Syntax { offset, expected }
    }

    /// The same error, counted from `from` bytes further on.
    pub(super) fn moved_back(mut self, from: usize) -> Self {
        match &mut self {
            Self::Syntax { offset, .. }
            | Self::Control { offset }
            | Self::Escape { offset }
            | Self::Surrogate { offset }
            | Self::DuplicateKey { offset, .. }
            | Self::TooDeep { offset, .. } => *offset = offset.saturating_sub(from),
            Self::TooLarge { .. } | Self::ByteOrderMark | Self::NotUtf8 { .. } | Self::NotObject | Self::Blob(_) => {}
        }
        self
    }

    /// What it counts as when an input event cannot be decoded.
    pub fn cause(&self) -> Cause {
        match self {
            Self::TooLarge { .. } => Cause::TooLarge,
            _ => Cause::Decode,
        }
    }
}

/// An edit cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The path is no JSON Pointer, or the empty one.
    #[error("the path of an edit: {0}")]
    Path(#[from] PointerError),
    /// The path goes through a string, number, boolean or null.
    #[error("the path {path:?} goes through a value that is neither object nor array")]
    ThroughScalar {
        /// The edit's path.
        path: String,
    },
    /// The path names no place in an array.
    #[error("the path {path:?} names no element of an array; an index must exist, or be `-` to append")]
    NoElement {
        /// The edit's path.
        path: String,
    },
    /// What is set is not exactly one JSON value.
    #[error("what is set at {path:?} is not exactly one JSON value: {error}")]
    NotOneValue {
        /// The edit's path.
        path: String,
        /// Why not.
        error: DecodeError,
    },
    /// The edits have more to do than an outcome may give to do.
    #[error(
        "its edits would look at more than {looks_max} values of the document; emit a whole document instead, or edit less"
    )]
    TooManyLooks {
        /// How many values all edits of an outcome may look at.
        looks_max: usize,
    },
    /// The edits set more bytes than an outcome may.
    #[error("with {path:?} its edits set more than {bytes_max} bytes in all")]
    TooLarge {
        /// The path of the edit that sets the byte too many.
        path: String,
        /// How many bytes all edits of an outcome may set.
        bytes_max: usize,
    },
    /// The plugin would replace an object of which it saw a part only.
    #[error(
        "{path:?} is an object of which the plugin saw a part only; set its fields, or ask for all of it in `describe`"
    )]
    PartlySeen {
        /// The edit's path.
        path: String,
    },
}
