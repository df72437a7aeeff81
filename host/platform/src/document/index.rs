//! Makes the index over a text in one pass, without recursion, and refuses what the platform does not take for JSON.
//! What stands inside strings and numbers is `scan`'s business.

use super::source::{KeySpan, Kind, LEAF_MARK, Leaf, Node, View};
use super::{DecodeError, scan};
use std::borrow::Cow;

/// Up to this many members, a new key is compared with the fingerprints of all before it; objects with more are checked
/// by sorting when they close, so that no document makes the check quadratic.
const COMPARED_MEMBERS_MAX: u32 = 32;

/// Bytes of text per node of a usual event: what the arena is made for, so that it seldom grows.
const BYTES_PER_NODE: usize = 20;

/// An open object or array.
struct Frame {
    node: u32,
    is_object: bool,
    members: u32,
    /// Where this object's fingerprints begin.
    prints_from: usize,
}

/// Goes over a text once.
pub(super) struct Indexer<'a> {
    text: &'a [u8],
    at: usize,
    nodes: &'a mut Vec<Node>,
    /// The blobs that marks in the text stand for and that were not met yet.
    leaves: &'a [Leaf],
    frames: Vec<Frame>,
    prints: Vec<u64>,
    key: KeySpan,
    depth_max: usize,
}

impl<'a> Indexer<'a> {
    /// Indexes the one value that `text` holds from `from` on, and appends its nodes. `text` is UTF-8 and `leaves` are
    /// those from `from` on. Returns the number of the value's node.
    pub(super) fn run(
        text: &'a [u8],
        from: usize,
        nodes: &'a mut Vec<Node>,
        leaves: &'a [Leaf],
        depth_max: usize,
    ) -> Result<u32, DecodeError> {
        nodes.reserve((text.len() - from) / BYTES_PER_NODE + 1);
        let root = offset32(nodes.len());
        let (frames, prints) = (Vec::with_capacity(8), Vec::with_capacity(COMPARED_MEMBERS_MAX as usize * 2));
        let mut indexer = Self { text, at: from, nodes, leaves, frames, prints, key: KeySpan::NONE, depth_max };
        loop {
            let opened = indexer.value()?;
            if !opened && indexer.behind_value()? {
                break;
            }
        }
        if indexer.at < text.len() {
            return Err(DecodeError::syntax(indexer.at, "nothing behind the value"));
        }
        match indexer.leaves.first() {
            None => Ok(root),
            Some(leaf) => Err(DecodeError::syntax(leaf.at as usize, "a string only where a value may stand")),
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The next byte that is no white space, without taking it.
    #[inline]
    fn next_token(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    /// Takes a value; true when it is an object or array that is now open, and stands at its first value.
    fn value(&mut self) -> Result<bool, DecodeError> {
        match self.next_token() {
            Some(b'"') => {
                let start = self.at;
                let string = scan::string(self.text, start + 1)?;
                self.at = string.end + 1;
                self.push(Kind::String, start, string.escaped);
            }
            Some(b'{') => return self.open(Kind::Object),
            Some(b'[') => return self.open(Kind::Array),
            Some(b'-' | b'0'..=b'9') => self.scalar(Kind::Number, scan::number(self.text, self.at)?),
            Some(b't') => self.scalar(Kind::Bool, scan::word(self.text, self.at, "true")?),
            Some(b'f') => self.scalar(Kind::Bool, scan::word(self.text, self.at, "false")?),
            Some(b'n') => self.scalar(Kind::Null, scan::word(self.text, self.at, "null")?),
            Some(LEAF_MARK) => match self.leaves.split_first() {
                Some((leaf, rest)) if leaf.at as usize == self.at => {
                    self.leaves = rest;
                    self.scalar(Kind::String, self.at + 1);
                }
                _ => return Err(DecodeError::syntax(self.at, "a value")),
            },
            _ => return Err(DecodeError::syntax(self.at, "a value")),
        }
        Ok(false)
    }

    fn scalar(&mut self, kind: Kind, end: usize) {
        let start = self.at;
        self.at = end;
        self.push(kind, start, false);
    }

    #[inline]
    fn push(&mut self, kind: Kind, start: usize, escaped: bool) {
        let after = offset32(self.nodes.len() + 1);
        let (start, end) = (offset32(start), offset32(self.at));
        self.nodes.push(Node { key: self.key, start, end, after, kind, escaped });
        self.key = KeySpan::NONE;
    }

    fn open(&mut self, kind: Kind) -> Result<bool, DecodeError> {
        if self.frames.len() >= self.depth_max {
            return Err(DecodeError::TooDeep { offset: self.at, depth_max: self.depth_max });
        }
        let node = offset32(self.nodes.len());
        let start = self.at;
        self.at += 1;
        self.push(kind, start, false);
        let is_object = kind == Kind::Object;
        self.frames.push(Frame { node, is_object, members: 0, prints_from: self.prints.len() });
        match (self.next_token(), is_object) {
            (Some(b'}'), true) | (Some(b']'), false) => {
                self.close()?;
                Ok(false)
            }
            (_, true) => self.key().map(|()| true),
            (_, false) => Ok(true),
        }
    }

    /// Closes the innermost object or array at its closing bracket.
    fn close(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let after = offset32(self.nodes.len());
        let end = offset32(self.at);
        if let Some(node) = self.nodes.get_mut(frame.node as usize) {
            node.after = after;
            node.end = end;
        }
        self.prints.truncate(frame.prints_from);
        if frame.members > COMPARED_MEMBERS_MAX { self.check_by_sorting(frame.node) } else { Ok(()) }
    }

    /// Goes on behind a finished value, to the next one or out of what closes. True when everything is closed.
    fn behind_value(&mut self) -> Result<bool, DecodeError> {
        loop {
            let Some(frame) = self.frames.last() else {
                self.next_token();
                return Ok(true);
            };
            let is_object = frame.is_object;
            match (self.next_token(), is_object) {
                (Some(b','), _) => {
                    self.at += 1;
                    if is_object {
                        self.next_token();
                        self.key()?;
                    }
                    return Ok(false);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close()?,
                (_, true) => return Err(DecodeError::syntax(self.at, "`,` or `}`")),
                (_, false) => return Err(DecodeError::syntax(self.at, "`,` or `]`")),
            }
        }
    }

    /// Takes a key with its colon.
    fn key(&mut self) -> Result<(), DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(DecodeError::syntax(self.at, "a key"));
        }
        let start = self.at + 1;
        let string = scan::string(self.text, start)?;
        let key = KeySpan { start: offset32(start), end: offset32(string.end), escaped: string.escaped };
        self.at = string.end + 1;
        if self.next_token() != Some(b':') {
            return Err(DecodeError::syntax(self.at, "`:`"));
        }
        self.at += 1;
        self.refuse_duplicate(key)?;
        self.key = key;
        Ok(())
    }

    fn view(&self) -> View<'_> {
        View { text: self.text, nodes: self.nodes, leaves: &[] }
    }

    #[inline]
    fn refuse_duplicate(&mut self, key: KeySpan) -> Result<(), DecodeError> {
        let print = if key.escaped {
            let text = self.view().key_text(key);
            fingerprint(text.as_bytes(), 0, text.len())
        } else {
            fingerprint(self.text, key.start as usize, (key.end - key.start) as usize)
        };
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        frame.members += 1;
        let (node, members, from) = (frame.node, frame.members, frame.prints_from);
        if members > COMPARED_MEMBERS_MAX {
            return Ok(());
        }
        let is_known = self.prints.get(from..).unwrap_or_default().contains(&print);
        if is_known && self.is_member(node, key) {
            return Err(self.duplicate(key));
        }
        self.prints.push(print);
        Ok(())
    }

    /// Whether the object that is still open at `node` already has `key`: asked only when the fingerprints agree.
    fn is_member(&self, node: u32, key: KeySpan) -> bool {
        let view = self.view();
        let name = view.key_text(key);
        let mut next = node + 1;
        while let Some(child) = view.node(next) {
            if view.key_is(child.key, &name) {
                return true;
            }
            next = child.after;
        }
        false
    }

    fn check_by_sorting(&self, node: u32) -> Result<(), DecodeError> {
        let view = self.view();
        let mut keys: Vec<(Cow<'_, str>, KeySpan)> =
            view.children(node).map(|(_, child)| (view.key_text(child.key), child.key)).collect();
        keys.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.start.cmp(&b.1.start)));
        match keys.array_windows().find(|[a, b]| a.0 == b.0) {
            Some([_, second]) => Err(self.duplicate(second.1)),
            None => Ok(()),
        }
    }

    fn duplicate(&self, key: KeySpan) -> DecodeError {
        /// Enough of a key to find it by.
        const SHOWN_CHARS_MAX: usize = 64;
        let key_shown = self.view().key_text(key).chars().take(SHOWN_CHARS_MAX).collect();
        DecodeError::DuplicateKey { offset: key.start as usize, key: key_shown }
    }
}

/// Texts are shorter than 4 GiB: `super::TEXT_BYTES_LIMIT` is checked before a text is indexed.
#[inline]
fn offset32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// A number that is equal for equal keys and seldom equal for others: length, first and last eight bytes.
#[inline]
fn fingerprint(text: &[u8], start: usize, len: usize) -> u64 {
    let word =
        |at: usize| text.get(at..).and_then(|rest| rest.first_chunk::<8>()).map(|chunk| u64::from_le_bytes(*chunk));
    let (first, last) = match (len >= 8, word(start)) {
        (true, Some(first)) => (first, word(start + len - 8).unwrap_or(0)),
        (false, Some(first)) => (first & ((1 << (8 * len)) - 1), 0),
        // Within eight bytes of the text's end.
        (_, None) => {
            let bytes = text.get(start..start + len).unwrap_or_default();
            (bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)), 0)
        }
    };
    (first ^ last.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ len as u64
}
