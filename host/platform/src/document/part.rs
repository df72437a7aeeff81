//! The tree that edits make: untouched subtrees are nodes of a source, and only what lies on the path to an edit is
//! taken apart. How edits change it is `edit`'s business.

use super::source::{KeySpan, Kind, LEAF_MARK, Source, View};
use std::sync::Arc;

/// A value of a document. `source` counts the document's sources.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// An untouched subtree.
    Node { source: u32, node: u32 },
    /// An object that was taken apart.
    Object(Vec<Member>),
    /// An array that was taken apart.
    Array(Vec<Part>),
}

/// A member of an object that was taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The source that the key's text is in.
    pub(super) source: u32,
    pub(super) key: KeySpan,
    pub(crate) part: Part,
}

/// A [`Part`] to be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum PartRef<'a> {
    Node { source: u32, node: u32 },
    Object(&'a [Member]),
    Array(&'a [Part]),
}

impl<'a> PartRef<'a> {
    pub(super) fn of(part: &'a Part) -> Self {
        match part {
            Part::Node { source, node } => Self::Node { source: *source, node: *node },
            Part::Object(members) => Self::Object(members),
            Part::Array(parts) => Self::Array(parts),
        }
    }
}

impl PartRef<'_> {
    pub(super) fn to_part(self) -> Part {
        match self {
            PartRef::Node { source, node } => Part::Node { source, node },
            PartRef::Object(members) => Part::Object(members.to_vec()),
            PartRef::Array(parts) => Part::Array(parts.to_vec()),
        }
    }
}

/// Where the texts of parts are found.
pub(super) trait Sources {
    /// The source of that number; an empty one if there is none, which no document has.
    fn view(&self, source: u32) -> View<'_>;
}

impl Sources for [Arc<Source>] {
    fn view(&self, source: u32) -> View<'_> {
        const EMPTY: View<'static> = View { text: &[], nodes: &[], leaves: &[] };
        self.get(source as usize).map_or(EMPTY, |source| source.view())
    }
}

/// Appends `part` as JSON. Recursion ends with the tree that edits made, which is no deeper than a document may be.
pub(super) fn write(sources: &[Arc<Source>], part: PartRef<'_>, out: &mut Vec<u8>) {
    match part {
        PartRef::Node { source, node } => {
            let view = sources.view(source);
            if let Some(node) = view.node(node) {
                view.write(node.start, node.end, out);
            }
        }
        PartRef::Object(members) => {
            out.push(b'{');
            for (at, member) in members.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_key(sources.view(member.source), member.key, out);
                write(sources, PartRef::of(&member.part), out);
            }
            out.push(b'}');
        }
        PartRef::Array(parts) => {
            out.push(b'[');
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(sources, PartRef::of(part), out);
            }
            out.push(b']');
        }
    }
}

/// Appends the beginning of what [`write`] appends, until `out` has `bytes`; blobs are `"..."`.
pub(super) fn write_beginning(sources: &[Arc<Source>], part: PartRef<'_>, bytes: usize, out: &mut Vec<u8>) {
    match part {
        PartRef::Node { source, node } => {
            let view = sources.view(source);
            let Some(node) = view.node(node) else { return };
            let end = node.end.min(node.start.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX)));
            for byte in view.bytes(node.start, end) {
                if *byte == LEAF_MARK { out.extend_from_slice(b"\"...\"") } else { out.push(*byte) }
            }
        }
        PartRef::Object(members) => {
            out.push(b'{');
            for (at, member) in members.iter().enumerate() {
                if out.len() >= bytes {
                    return;
                }
                if at > 0 {
                    out.push(b',');
                }
                write_key(sources.view(member.source), member.key, out);
                write_beginning(sources, PartRef::of(&member.part), bytes, out);
            }
            out.push(b'}');
        }
        PartRef::Array(parts) => {
            out.push(b'[');
            for (at, part) in parts.iter().enumerate() {
                if out.len() >= bytes {
                    return;
                }
                if at > 0 {
                    out.push(b',');
                }
                write_beginning(sources, PartRef::of(part), bytes, out);
            }
            out.push(b']');
        }
    }
}

/// Appends a key with its quotes and its colon.
pub(super) fn write_key(view: View<'_>, key: KeySpan, out: &mut Vec<u8>) {
    out.extend_from_slice(view.bytes(key.start - 1, key.end + 1));
    out.push(b':');
}

/// The least number of bytes that [`write`] appends.
pub(super) fn size(sources: &[Arc<Source>], part: PartRef<'_>) -> usize {
    match part {
        PartRef::Node { source, node } => {
            let view = sources.view(source);
            view.node(node).map_or(0, |node| view.size(node.start, node.end))
        }
        PartRef::Object(members) => {
            let inside = members.iter().map(|member| {
                let key = (member.key.end - member.key.start) as usize + "\"\":".len();
                key + size(sources, PartRef::of(&member.part))
            });
            inside.sum::<usize>() + members.len().saturating_sub(1) + "{}".len()
        }
        PartRef::Array(parts) => {
            let inside = parts.iter().map(|part| size(sources, PartRef::of(part))).sum::<usize>();
            inside + parts.len().saturating_sub(1) + "[]".len()
        }
    }
}

/// What kind of value `part` is.
pub(super) fn kind(sources: &[Arc<Source>], part: PartRef<'_>) -> Kind {
    match part {
        PartRef::Node { source, node } => sources.view(source).node(node).map_or(Kind::Null, |node| node.kind),
        PartRef::Object(_) => Kind::Object,
        PartRef::Array(_) => Kind::Array,
    }
}

/// Whether the text of a string node is a mark for a blob.
pub(super) fn is_leaf(text: &[u8]) -> bool {
    text.first() == Some(&LEAF_MARK)
}
