//! The one document type: the original bytes, an index over them, and blobs that stand for strings in it. It is parsed
//! once and written once; what no edit touched is written as the bytes that came in, so numbers keep their text.
//! The envelope (`envelope`) and the facts that the host reads (`facts`) are built on it and live elsewhere.

mod budget;
mod cut;
mod draft;
mod edit;
mod error;
mod index;
mod part;
mod project;
mod scan;
mod source;
mod value;

pub use budget::EditBudget;
pub use cut::{Dropped, Projected, Reason};
pub(crate) use edit::Editor;
pub use error::{DecodeError, EditError};
pub(crate) use part::{Member, Part};
pub use source::Kind;
pub use value::{Elements, Key, Members, Value};

use crate::pointer::Pointer;
use crate::projection::Projection;
use crate::schema::Shape;
use bytes::Bytes;
use draft::Draft;
use index::Indexer;
use millrace_flow::blob::Piece;
use millrace_flow::outcome::Edit;
use part::PartRef;
use source::Source;
use std::sync::Arc;

/// What may be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The most bytes of a document. At most 1 GiB: spans in the index are 32 bits wide.
    pub bytes_max: usize,
    /// The most objects and arrays within each other; the root counts as one.
    pub depth_max: usize,
}

impl Default for DecodeLimits {
    /// 20 MiB, because streams of rendered pages carry 15 to 20 MB; 128 levels, because every reader of JSON takes as many.
    fn default() -> Self {
        Self { bytes_max: 20 << 20, depth_max: 128 }
    }
}

/// The most bytes of any text that is indexed, so that a 32-bit span never overflows.
const TEXT_BYTES_LIMIT: usize = 1 << 30;

/// The most levels of any document, whatever the limits say: writing and projecting recurse along edited paths.
const DEPTH_LIMIT: usize = 512;

impl DecodeLimits {
    fn depth(&self) -> usize {
        self.depth_max.min(DEPTH_LIMIT)
    }

    fn check_size(&self, bytes: usize) -> Result<(), DecodeError> {
        let bytes_max = self.bytes_max.min(TEXT_BYTES_LIMIT);
        if bytes > bytes_max { Err(DecodeError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
    }
}

/// A JSON document whose root is an object. Cloning shares it.
///
/// Not taken: a root that is no object, an object with two equal keys (compared unescaped), a byte-order mark, bytes that
/// are no UTF-8, half of a surrogate pair (`\ud800` alone: readers disagree on it, and the platform's JSON must be
/// readable by all of them), a control character in a string, too many levels, too many bytes, anything behind the root.
#[derive(Clone, Debug)]
pub struct Document(Arc<Tree>);

/// The parts of a document, and the texts that they are parts of.
#[derive(Debug)]
struct Tree {
    sources: Vec<Arc<Source>>,
    root: Part,
    limits: DecodeLimits,
}

impl Document {
    /// Indexes `bytes`, which stay as they are.
    ///
    /// # Errors
    /// What the type does not take, or what is beyond `limits`.
    pub fn parse(bytes: Bytes, limits: &DecodeLimits) -> Result<Self, DecodeError> {
        limits.check_size(bytes.len())?;
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(DecodeError::ByteOrderMark);
        }
        std::str::from_utf8(&bytes).map_err(|error| DecodeError::NotUtf8 { offset: error.valid_up_to() })?;
        let mut nodes = Vec::new();
        Indexer::run(&bytes, 0, &mut nodes, &[], limits.depth())?;
        Self::new(Source { text: bytes, nodes, leaves: Vec::new() }, limits)
    }

    /// Indexes what `pieces` are when written one after the other. A large `json-string` blob is not copied.
    ///
    /// # Errors
    /// As [`Document::parse`], and a `json-string` blob that is not UTF-8.
    pub fn from_pieces(pieces: &[Piece], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        if let [Piece::Bytes(bytes)] = pieces {
            return Self::parse(bytes.clone(), limits);
        }
        let mut draft = Draft::default();
        draft.add_pieces(pieces, limits.depth(), limits.bytes_max)?;
        Self::new(draft.finish(), limits)
    }

    fn new(source: Source, limits: &DecodeLimits) -> Result<Self, DecodeError> {
        match source.nodes.first() {
            Some(node) if node.kind == Kind::Object => {
                let root = Part::Node { source: 0, node: 0 };
                Ok(Self(Arc::new(Tree { sources: vec![Arc::new(source)], root, limits: *limits })))
            }
            _ => Err(DecodeError::NotObject),
        }
    }

    /// The whole document as a value.
    pub fn root(&self) -> Value<'_> {
        Value::new(&self.0.sources, PartRef::of(&self.0.root))
    }

    /// The value at `pointer`, if there is one.
    pub fn get(&self, pointer: &Pointer) -> Option<Value<'_>> {
        pointer.tokens().try_fold(self.root(), |value, token| value.get(&token))
    }

    /// Appends the document cut down to the fields of `projection`: a JSON object whose members are in the document's
    /// order and as they came in. An object on the way to a field is there even when the field is not; a field that is
    /// not there is left out, and so is one whose pointer goes through a scalar. An array is taken whole when a pointer
    /// goes into it. With [`Projection::everything`] it is the original bytes.
    pub fn project(&self, projection: &Projection, out: &mut Vec<u8>) {
        project::project(self, projection, out);
    }

    /// This document without what `shape` does not know; see [`crate::Schema::project`].
    pub(crate) fn cut(&self, shape: &Shape) -> Projected {
        cut::cut(self, shape)
    }

    /// This document with `edits`, in their order; it shares whatever they do not touch.
    ///
    /// `seen` is the projection by which the plugin got this document: a `set` over an object fails if `seen` had cut it
    /// down. An object of which the plugin saw nothing at all may be replaced: whoever names it means it.
    /// An edit `/list/-/a` appends an object with `a`.
    ///
    /// # Errors
    /// The first edit that breaks a rule of the contract; nothing of this document changes then.
    pub fn patch(&self, edits: &[Edit], seen: &Projection) -> Result<Self, EditError> {
        let mut editor = Editor::new(self);
        editor.apply(edits, seen, &mut EditBudget::default())?;
        Ok(editor.finish())
    }

    /// Appends the document's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.size_least());
        match (&self.0.root, self.0.sources.first()) {
            // Untouched: with the white space around it.
            (Part::Node { source: 0, .. }, Some(source)) => source.view().write(0, whole(source), out),
            _ => self.root().write(out),
        }
    }

    /// The least number of bytes that [`Document::write`] appends, without building them; exact unless a blob in it is
    /// held unescaped.
    pub fn size_least(&self) -> usize {
        match (&self.0.root, self.0.sources.first()) {
            (Part::Node { source: 0, .. }, Some(source)) => source.view().size(0, whole(source)),
            _ => self.root().size_least(),
        }
    }

    /// The most values that this document can have, without counting them.
    pub(crate) fn values(&self) -> usize {
        self.0.sources.iter().map(|source| source.nodes.len()).sum()
    }

    /// The bytes that this document pins in memory: texts, blobs and the index over them.
    pub fn held(&self) -> usize {
        self.0.sources.iter().map(|source| source.held()).sum()
    }
}

fn whole(source: &Source) -> u32 {
    u32::try_from(source.text.len()).unwrap_or(u32::MAX)
}
