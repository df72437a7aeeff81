//! A source in the making: the texts of what is set, one behind the other, with one index over all of them.

use super::DecodeError;
use super::TEXT_BYTES_LIMIT;
use super::index::Indexer;
use super::source::{KeySpan, Kind, LEAF_MARK, Leaf, Node, Source, View};
use bytes::Bytes;
use millrace_flow::blob::Piece;
use millrace_flow::json_text;

/// What is set so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    text: Vec<u8>,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
}

/// What becomes of blobs that are JSON strings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strings {
    /// They stay apart, as leaves.
    Apart,
    /// They are written into the text.
    Inline,
}

impl Draft {
    pub(super) fn view(&self) -> View<'_> {
        View { text: &self.text, nodes: &self.nodes, leaves: &self.leaves }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn finish(self) -> Source {
        Source { text: Bytes::from(self.text), nodes: self.nodes, leaves: self.leaves }
    }

    /// Adds the one value that `pieces` are when written one after the other, and returns its node.
    pub(super) fn add_pieces(
        &mut self,
        pieces: &[Piece],
        depth_max: usize,
        bytes_max: usize,
    ) -> Result<u32, DecodeError> {
        let bytes = pieces.iter().map(Piece::held).sum::<usize>();
        let bytes_max = bytes_max.min(TEXT_BYTES_LIMIT.saturating_sub(self.text.len()));
        if bytes > bytes_max {
            return Err(DecodeError::TooLarge { bytes, bytes_max });
        }
        let (text, nodes, leaves) = (self.text.len(), self.nodes.len(), self.leaves.len());
        let added = self.try_add(pieces, Strings::Apart, depth_max);
        if added.is_ok() || !pieces.iter().any(|piece| matches!(piece, Piece::JsonString(_))) {
            return added;
        }
        // As a leaf a string can only be a value. The contract knows no such rule: a key may be one, too.
        self.text.truncate(text);
        self.nodes.truncate(nodes);
        self.leaves.truncate(leaves);
        self.try_add(pieces, Strings::Inline, depth_max)
    }

    fn try_add(&mut self, pieces: &[Piece], strings: Strings, depth_max: usize) -> Result<u32, DecodeError> {
        let (from, leaves_from) = (self.text.len(), self.leaves.len());
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => self.text.extend_from_slice(bytes),
                Piece::Blob(blob) => self.text.extend_from_slice(&blob.read()),
                Piece::JsonString(blob) if strings == Strings::Inline => blob.write_json_string(&mut self.text)?,
                Piece::JsonString(blob) => {
                    blob.check_utf8()?;
                    let at = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
                    self.leaves.push(Leaf { at, blob: blob.clone() });
                    self.text.push(LEAF_MARK);
                }
            }
        }
        if self.text.len() > TEXT_BYTES_LIMIT {
            return Err(DecodeError::TooLarge { bytes: self.text.len(), bytes_max: TEXT_BYTES_LIMIT });
        }
        let added = self.text.get(from..).unwrap_or_default();
        if added.starts_with(b"\xef\xbb\xbf") {
            return Err(DecodeError::ByteOrderMark);
        }
        std::str::from_utf8(added).map_err(|error| DecodeError::NotUtf8 { offset: error.valid_up_to() })?;
        let leaves = self.leaves.get(leaves_from..).unwrap_or_default();
        Indexer::run(&self.text, from, &mut self.nodes, leaves, depth_max).map_err(|error| error.moved_back(from))
    }

    /// Adds `text` as a JSON string and returns its node.
    pub(super) fn add_string(&mut self, text: &str) -> u32 {
        let node = self.next_node();
        let (start, end, escaped) = self.quote(text);
        let (kind, key) = (Kind::String, KeySpan::NONE);
        self.nodes.push(Node { key, start, end, after: node + 1, kind, escaped });
        node
    }

    /// Adds `text` as a key. It is in the text only: its member is made by the caller.
    pub(super) fn add_key(&mut self, text: &str) -> KeySpan {
        let (start, end, escaped) = self.quote(text);
        KeySpan { start: start + 1, end: end - 1, escaped }
    }

    /// Adds the bytes of a value that is known to be JSON and no object or array, and returns its node.
    pub(super) fn add_scalar(&mut self, text: &[u8], kind: Kind) -> u32 {
        let node = self.next_node();
        let start = self.position();
        self.text.extend_from_slice(text);
        let (end, escaped) = (self.position(), text.contains(&b'\\'));
        self.nodes.push(Node { key: KeySpan::NONE, start, end, after: node + 1, kind, escaped });
        node
    }

    fn quote(&mut self, text: &str) -> (u32, u32, bool) {
        let start = self.position();
        self.text.push(b'"');
        json_text::escape_into(text.as_bytes(), &mut self.text);
        self.text.push(b'"');
        let end = self.position();
        (start, end, (end - start) as usize != text.len() + 2)
    }

    fn next_node(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    fn position(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }
}
