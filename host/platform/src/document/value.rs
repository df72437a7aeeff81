//! Reading a document: a value with its kind, its members or elements, and its text. Walking a document with types goes
//! through here.

use super::part::{self, Member, Part, PartRef, Sources};
use super::source::{Children, KeySpan, Kind, Source, View, string_text};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A value of a document.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    sources: &'a [Arc<Source>],
    part: PartRef<'a>,
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.raw()))
    }
}

impl<'a> Value<'a> {
    pub(super) fn new(sources: &'a [Arc<Source>], part: PartRef<'a>) -> Self {
        Self { sources, part }
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        part::kind(self.sources, self.part)
    }

    /// Its JSON text, as it came in where nothing in it was edited. Copies only if something in it was, or is a blob.
    pub fn raw(self) -> Cow<'a, [u8]> {
        if let Some((view, text)) = self.span()
            && view.leaves.is_empty()
        {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(self.size_least());
        self.write(&mut out);
        Cow::Owned(out)
    }

    /// The text of a string, unescaped; none for anything else.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let PartRef::Node { source, node } = self.part else { return None };
        let view = self.sources.view(source);
        let node = view.node(node).filter(|node| node.kind == Kind::String)?;
        match view.leaf(node.start) {
            Some(blob) => match blob.read() {
                Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
                Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
            },
            None => Some(string_text(view.bytes(node.start + 1, node.end - 1), node.escaped)),
        }
    }

    /// A number that is written as an integer and fits; none for anything else (`1.0` and `1e2` included).
    pub fn as_i64(self) -> Option<i64> {
        let (_, text) = self.span().filter(|_| self.kind() == Kind::Number)?;
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    /// The digits of a number as they came in; none for anything else.
    pub(crate) fn number_text(self) -> Option<&'a str> {
        let (_, text) = self.span().filter(|_| self.kind() == Kind::Number)?;
        std::str::from_utf8(text).ok()
    }

    /// The fewest and the most characters that a string can have, without reading it; none for anything else.
    pub(crate) fn characters(self) -> Option<(u64, u64)> {
        /// A character has up to four bytes, and up to twelve where it is written as two escapes.
        const BYTES_MAX: u64 = 4;
        const ESCAPED_BYTES_MAX: u64 = 12;
        let PartRef::Node { source, node } = self.part else { return None };
        let view = self.sources.view(source);
        let node = view.node(node).filter(|node| node.kind == Kind::String)?;
        let (bytes, each_max) = match view.leaf(node.start) {
            Some(blob) => (blob.size(), BYTES_MAX),
            None if node.escaped => (u64::from(node.end - node.start - 2), ESCAPED_BYTES_MAX),
            None => (u64::from(node.end - node.start - 2), BYTES_MAX),
        };
        Some((bytes.div_ceil(each_max), bytes))
    }

    /// The beginning of its JSON text, for messages: at least `bytes` of it, or all. A blob in it is `"..."`.
    pub(crate) fn beginning(self, bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        part::write_beginning(self.sources, self.part, bytes, &mut out);
        out
    }

    /// `true` or `false`; none for anything else.
    pub fn as_bool(self) -> Option<bool> {
        let (_, text) = self.span().filter(|_| self.kind() == Kind::Bool)?;
        Some(text == b"true")
    }

    /// The member of an object called `token`, or the element of an array at that index.
    pub fn get(self, token: &str) -> Option<Value<'a>> {
        match self.kind() {
            Kind::Object => self.members().find(|(key, _)| key.is(token)).map(|(_, value)| value),
            Kind::Array => self.elements().nth(super::edit::index(token)?),
            _ => None,
        }
    }

    /// The value at the end of a path of keys. For what the host itself reads.
    pub(crate) fn path<const N: usize>(self, keys: [&str; N]) -> Option<Value<'a>> {
        keys.into_iter().try_fold(self, |value, key| value.get(key))
    }

    /// The members of an object in their order; nothing for anything else.
    pub fn members(self) -> Members<'a> {
        let walk = match self.part {
            PartRef::Node { source, node } => self.children(source, node, Kind::Object),
            PartRef::Object(members) => Walk::Members(members.iter()),
            PartRef::Array(_) => Walk::Members([].iter()),
        };
        Members { sources: self.sources, walk }
    }

    /// The elements of an array in their order; nothing for anything else.
    pub fn elements(self) -> Elements<'a> {
        let walk = match self.part {
            PartRef::Node { source, node } => self.children(source, node, Kind::Array),
            PartRef::Array(parts) => Walk::Parts(parts.iter()),
            PartRef::Object(_) => Walk::Parts([].iter()),
        };
        Elements { sources: self.sources, walk }
    }

    fn children(self, source: u32, node: u32, kind: Kind) -> Walk<'a> {
        let view = self.sources.view(source);
        let is_it = view.node(node).is_some_and(|node| node.kind == kind);
        if is_it { Walk::Children(source, view, view.children(node)) } else { Walk::Parts([].iter()) }
    }

    /// Appends its JSON text.
    pub fn write(self, out: &mut Vec<u8>) {
        part::write(self.sources, self.part, out);
    }

    /// The least number of bytes that [`Value::write`] appends, without building them; exact unless a blob in it is held
    /// unescaped.
    pub fn size_least(self) -> usize {
        part::size(self.sources, self.part)
    }

    /// Where it begins in the text that the document was parsed from; none where an edit put it there.
    pub(crate) fn offset(self) -> Option<usize> {
        let PartRef::Node { source: 0, node } = self.part else { return None };
        usize::try_from(self.sources.view(0).node(node)?.start).ok()
    }

    /// The part of the document that it is.
    pub(super) fn to_part(self) -> Part {
        self.part.to_part()
    }

    /// The text of an untouched value, and where it is.
    fn span(self) -> Option<(View<'a>, &'a [u8])> {
        let PartRef::Node { source, node } = self.part else { return None };
        let view = self.sources.view(source);
        let node = view.node(node)?;
        let text = view.bytes(node.start, node.end);
        if part::is_leaf(text) { None } else { Some((view, text)) }
    }
}

/// A member's key.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    view: View<'a>,
    source: u32,
    span: KeySpan,
}

impl<'a> Key<'a> {
    /// Its text, unescaped.
    pub fn text(self) -> Cow<'a, str> {
        self.view.key_text(self.span)
    }

    /// Whether it is `name`; cheaper than comparing [`Key::text`].
    pub fn is(self, name: &str) -> bool {
        self.view.key_is(self.span, name)
    }

    /// The member of this name with `part` as its value.
    pub(super) fn member(self, part: Part) -> Member {
        Member { source: self.source, key: self.span, part }
    }

    /// Appends it as it came in, with its quotes and the colon behind it.
    pub fn write(self, out: &mut Vec<u8>) {
        part::write_key(self.view, self.span, out);
    }
}

#[derive(Clone, Debug)]
enum Walk<'a> {
    Children(u32, View<'a>, Children<'a>),
    Members(std::slice::Iter<'a, Member>),
    Parts(std::slice::Iter<'a, Part>),
}

/// The members of an object.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    sources: &'a [Arc<Source>],
    walk: Walk<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Key<'a>, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.walk {
            Walk::Children(source, view, children) => {
                let (node, child) = children.next()?;
                let part = PartRef::Node { source: *source, node };
                Some((Key { view: *view, source: *source, span: child.key }, Value::new(self.sources, part)))
            }
            Walk::Members(members) => {
                let member = members.next()?;
                let view = self.sources.view(member.source);
                let key = Key { view, source: member.source, span: member.key };
                Some((key, Value::new(self.sources, PartRef::of(&member.part))))
            }
            Walk::Parts(_) => None,
        }
    }
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    sources: &'a [Arc<Source>],
    walk: Walk<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.walk {
            Walk::Children(source, _, children) => {
                let (node, _) = children.next()?;
                Some(Value::new(self.sources, PartRef::Node { source: *source, node }))
            }
            Walk::Parts(parts) => Some(Value::new(self.sources, PartRef::of(parts.next()?))),
            Walk::Members(_) => None,
        }
    }
}
