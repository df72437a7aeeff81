//! What a document is made of: a text, the index over it (an arena of nodes in document order), and the blobs that stand
//! for strings in it. Making the index is `index`'s business; what is built on top of it is `part`'s.

use bytes::Bytes;
use millrace_flow::blob::Blob;
use millrace_flow::json_text;
use std::borrow::Cow;

/// Stands in a text where a blob is the value: the one character that no JSON text can hold anywhere, so it is never
/// taken for something else.
pub(super) const LEAF_MARK: u8 = 0;

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
    /// `"..."`
    String,
    /// A number; its text is kept.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// One value in a text. Its children, if any, follow it in the arena; `after` is the node behind the last of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) key: KeySpan,
    /// The value's first byte.
    pub(super) start: u32,
    /// The byte behind the value's last.
    pub(super) end: u32,
    pub(super) after: u32,
    pub(super) kind: Kind,
    /// A string with an escape in it.
    pub(super) escaped: bool,
}

/// The inside of a key, without its quotes; empty at 0 for what has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeySpan {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) escaped: bool,
}

impl KeySpan {
    pub(super) const NONE: Self = Self { start: 0, end: 0, escaped: false };
}

/// A blob that is a string value of a text: there, [`LEAF_MARK`] stands at `at`.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) at: u32,
    pub(super) blob: Blob,
}

/// A text with its index, finished and shared.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) text: Bytes,
    pub(super) nodes: Vec<Node>,
    pub(super) leaves: Vec<Leaf>,
}

impl Source {
    pub(super) fn view(&self) -> View<'_> {
        View { text: &self.text, nodes: &self.nodes, leaves: &self.leaves }
    }

    /// The bytes that this source pins in memory, its index included.
    pub(super) fn held(&self) -> usize {
        let leaves = self.leaves.iter().map(|leaf| leaf.blob.held()).sum::<usize>();
        self.text.len() + self.nodes.capacity() * size_of::<Node>() + leaves
    }
}

/// A text with its index, to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) text: &'a [u8],
    pub(super) nodes: &'a [Node],
    pub(super) leaves: &'a [Leaf],
}

impl<'a> View<'a> {
    /// The bytes from `start` up to `end`; spans come from the index, so there is nothing that they could miss.
    pub(super) fn bytes(self, start: u32, end: u32) -> &'a [u8] {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    pub(super) fn node(self, node: u32) -> Option<&'a Node> {
        self.nodes.get(node as usize)
    }

    /// The children of `node`, by number.
    pub(super) fn children(self, node: u32) -> Children<'a> {
        let end = self.node(node).map_or(0, |n| n.after);
        Children { nodes: self.nodes, next: node + 1, end }
    }

    /// The key's text, unescaped.
    pub(super) fn key_text(self, key: KeySpan) -> Cow<'a, str> {
        string_text(self.bytes(key.start, key.end), key.escaped)
    }

    pub(super) fn key_is(self, key: KeySpan, name: &str) -> bool {
        let raw = self.bytes(key.start, key.end);
        if key.escaped { string_text(raw, true) == name } else { raw == name.as_bytes() }
    }

    /// The blob that stands at `at`, if one does.
    pub(super) fn leaf(self, at: u32) -> Option<&'a Blob> {
        let found = self.leaves.binary_search_by_key(&at, |leaf| leaf.at).ok()?;
        self.leaves.get(found).map(|leaf| &leaf.blob)
    }

    fn leaves_within(self, start: u32, end: u32) -> &'a [Leaf] {
        let from = self.leaves.partition_point(|leaf| leaf.at < start);
        let to = self.leaves.partition_point(|leaf| leaf.at < end);
        self.leaves.get(from..to).unwrap_or_default()
    }

    /// Appends the text from `start` up to `end`, with the blobs in it.
    pub(super) fn write(self, start: u32, end: u32, out: &mut Vec<u8>) {
        let mut from = start;
        for leaf in self.leaves_within(start, end) {
            out.extend_from_slice(self.bytes(from, leaf.at));
            // A blob's text was checked when it became part of the document; an empty string cannot come out of this.
            drop(leaf.blob.write_json_string(out));
            from = leaf.at + 1;
        }
        out.extend_from_slice(self.bytes(from, end));
    }

    /// The least number of bytes that [`View::write`] appends; exact when every blob is held escaped.
    pub(super) fn size(self, start: u32, end: u32) -> usize {
        let leaves = self.leaves_within(start, end).iter().map(|leaf| leaf.blob.held() + 1).sum::<usize>();
        (end - start) as usize + leaves
    }
}

/// The unescaped text of the inside of a string. It was checked when the text was indexed.
pub(super) fn string_text(inside: &[u8], escaped: bool) -> Cow<'_, str> {
    if !escaped {
        return Cow::Borrowed(std::str::from_utf8(inside).unwrap_or_default());
    }
    let mut text = Vec::with_capacity(inside.len());
    match json_text::unescape_into(inside, &mut text) {
        Ok(()) => Cow::Owned(String::from_utf8(text).unwrap_or_default()),
        Err(_) => Cow::Borrowed(""),
    }
}

/// Goes over the children of one node.
#[derive(Clone, Debug)]
pub(super) struct Children<'a> {
    nodes: &'a [Node],
    next: u32,
    end: u32,
}

impl<'a> Iterator for Children<'a> {
    type Item = (u32, &'a Node);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let at = self.next;
        let node = self.nodes.get(at as usize)?;
        self.next = node.after;
        Some((at, node))
    }
}
