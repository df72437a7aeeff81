//! Changing a document: the path to a change is taken apart, everything else stays a span of its source.
//! The envelope goes through the same tree (`crate::envelope`).

use super::budget::EditBudget;
use super::draft::Draft;
use super::part::{Member, Part, Sources};
use super::source::{Kind, Source, View};
use super::{DecodeError, DecodeLimits, Document, EditError, Tree, Value};
use crate::pointer::{self, Tokens};
use crate::projection::{Projection, Seen};
use millrace_flow::blob::Piece;
use millrace_flow::outcome::{Change, Edit};
use std::sync::Arc;

/// A document while it is changed. What is set becomes one more source.
pub(crate) struct Editor<'a> {
    sources: &'a [Arc<Source>],
    /// The number of the source that this editor makes.
    own: u32,
    draft: Draft,
    root: Part,
    limits: DecodeLimits,
}

impl<'a> Editor<'a> {
    pub(crate) fn new(document: &'a Document) -> Self {
        let tree = &document.0;
        let own = u32::try_from(tree.sources.len()).unwrap_or(u32::MAX);
        Self { sources: &tree.sources, own, draft: Draft::default(), root: tree.root.clone(), limits: tree.limits }
    }

    pub(crate) fn finish(self) -> Document {
        let mut sources = Vec::with_capacity(self.sources.len() + 1);
        sources.extend_from_slice(self.sources);
        if !self.draft.is_empty() {
            sources.push(Arc::new(self.draft.finish()));
        }
        Document(Arc::new(Tree { sources, root: self.root, limits: self.limits }))
    }

    /// Applies `edits` in their order, as far as `budget` lasts. See [`Document::patch`].
    pub(crate) fn apply(
        &mut self,
        edits: &[Edit],
        seen: &Projection,
        budget: &mut EditBudget,
    ) -> Result<(), EditError> {
        edits.iter().try_for_each(|edit| {
            self.look(1, budget)?;
            match &edit.change {
                Change::Set(pieces) => {
                    budget.set(&edit.path, pieces.iter().map(Piece::held).fold(0, usize::saturating_add))?;
                    self.set(&edit.path, pieces, seen)
                }
                Change::Remove => self.remove(&edit.path),
            }
        })
    }

    /// Takes as much from `budget` as `times` changes may cost.
    pub(crate) fn look(&self, times: usize, budget: &mut EditBudget) -> Result<(), EditError> {
        let values: usize = self.sources.iter().map(|source| source.nodes.len()).sum();
        budget.look(times.saturating_mul(values + self.draft.view().nodes.len()))
    }

    /// Sets the one value that `pieces` are at `path`.
    pub(crate) fn set(&mut self, path: &str, pieces: &[Piece], seen: &Projection) -> Result<(), EditError> {
        let levels = pointer::check(path)?;
        let not_one_value = |error| EditError::NotOneValue { path: path.to_owned(), error };
        let depth_max = self.limits.depth();
        let below_max = depth_max
            .checked_sub(levels)
            .ok_or_else(|| not_one_value(DecodeError::TooDeep { offset: 0, depth_max }))?;
        let node = self.draft.add_pieces(pieces, below_max, super::TEXT_BYTES_LIMIT).map_err(not_one_value)?;
        let value = Part::Node { source: self.own, node };
        let mut root = std::mem::replace(&mut self.root, Part::Array(Vec::new()));
        let placed = self.place(&mut root, path, value, seen);
        self.root = root;
        placed
    }

    fn place(&mut self, root: &mut Part, path: &str, value: Part, seen: &Projection) -> Result<(), EditError> {
        let mut slot = root;
        let mut seen = seen.root();
        for token in Tokens::of(path) {
            self.take_apart(slot);
            seen = match slot {
                // Projection never cuts an array, so all of it was seen if any of it was.
                Part::Array(_) => seen.whole_if_any(),
                _ => seen.below(&token),
            };
            slot = match slot {
                Part::Object(members) => self.member(members, &token),
                Part::Array(parts) => {
                    element(parts, &token).ok_or_else(|| EditError::NoElement { path: path.to_owned() })?
                }
                Part::Node { .. } => return Err(EditError::ThroughScalar { path: path.to_owned() }),
            };
        }
        if self.holds_unseen(slot, seen) {
            return Err(EditError::PartlySeen { path: path.to_owned() });
        }
        *slot = value;
        Ok(())
    }

    /// Removes what is at `path`, if anything is.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), EditError> {
        pointer::check(path)?;
        let mut root = std::mem::replace(&mut self.root, Part::Array(Vec::new()));
        let removed = self.take_out(&mut root, path);
        self.root = root;
        removed
    }

    fn take_out(&self, root: &mut Part, path: &str) -> Result<(), EditError> {
        let mut slot = root;
        let mut tokens = Tokens::of(path).peekable();
        while let Some(token) = tokens.next() {
            self.take_apart(slot);
            let is_last = tokens.peek().is_none();
            slot = match slot {
                Part::Object(members) => {
                    let Some(at) = self.position(members, &token) else { return Ok(()) };
                    if is_last {
                        members.remove(at);
                        return Ok(());
                    }
                    let Some(member) = members.get_mut(at) else { return Ok(()) };
                    &mut member.part
                }
                Part::Array(parts) => {
                    let Some(at) = index(&token).filter(|at| *at < parts.len()) else { return Ok(()) };
                    if is_last {
                        parts.remove(at);
                        return Ok(());
                    }
                    let Some(part) = parts.get_mut(at) else { return Ok(()) };
                    part
                }
                Part::Node { .. } => return Err(EditError::ThroughScalar { path: path.to_owned() }),
            };
        }
        Ok(())
    }

    /// The members of the root, which is always an object.
    pub(crate) fn take_root(&mut self) -> Vec<Member> {
        let mut root = std::mem::replace(&mut self.root, Part::Array(Vec::new()));
        self.take_apart(&mut root);
        match root {
            Part::Object(members) => members,
            Part::Array(_) | Part::Node { .. } => Vec::new(),
        }
    }

    /// Puts back what [`Editor::take_root`] took.
    pub(crate) fn put_root(&mut self, members: Vec<Member>) {
        self.root = Part::Object(members);
    }

    /// A value that is the string `text`.
    pub(crate) fn string(&mut self, text: &str) -> Part {
        Part::Node { source: self.own, node: self.draft.add_string(text) }
    }

    /// A copy of a string of another document.
    pub(crate) fn copy(&mut self, value: Value<'_>) -> Part {
        Part::Node { source: self.own, node: self.draft.add_scalar(&value.raw(), value.kind()) }
    }

    /// The member called `name`; an empty object if it was not there.
    pub(crate) fn member<'m>(&mut self, members: &'m mut Vec<Member>, name: &str) -> &'m mut Part {
        let at = self.position(members, name).unwrap_or(members.len());
        if at == members.len() {
            let key = self.draft.add_key(name);
            members.push(Member { source: self.own, key, part: Part::Object(Vec::new()) });
        }
        match members.get_mut(at) {
            Some(member) => &mut member.part,
            None => unreachable!("the member was found or has just been pushed"),
        }
    }

    /// Where the member called `name` is.
    pub(crate) fn position(&self, members: &[Member], name: &str) -> Option<usize> {
        members.iter().position(|member| self.is_called(member, name))
    }

    pub(crate) fn is_called(&self, member: &Member, name: &str) -> bool {
        self.view(member.source).key_is(member.key, name)
    }

    /// Makes an object or array that is still a node of a source one of parts. Scalars stay as they are.
    pub(crate) fn take_apart(&self, part: &mut Part) {
        let &mut Part::Node { source, node } = part else { return };
        let view = self.view(source);
        let of = |node| Part::Node { source, node };
        // Room for what edits and the envelope add.
        const SPARE: usize = 4;
        match view.node(node).map(|node| node.kind) {
            Some(Kind::Object) => {
                let mut members = Vec::with_capacity(view.children(node).count() + SPARE);
                members.extend(view.children(node).map(|(at, child)| Member { source, key: child.key, part: of(at) }));
                *part = Part::Object(members);
            }
            Some(Kind::Array) => *part = Part::Array(view.children(node).map(|(at, _)| of(at)).collect()),
            _ => {}
        }
    }

    /// Whether replacing `part` would destroy something that the plugin got no sight of, although it saw some of it.
    fn holds_unseen(&self, part: &Part, seen: Seen<'_>) -> bool {
        match (seen, part) {
            (Seen::Whole | Seen::Nothing, _) => false,
            (Seen::Some(_), Part::Node { source, node }) => {
                let view = self.view(*source);
                let is_object = view.node(*node).is_some_and(|node| node.kind == Kind::Object);
                let mut members = view.children(*node);
                let is_hidden = |(at, child): (u32, &super::source::Node)| {
                    let member = Part::Node { source: *source, node: at };
                    self.is_unseen_member(&member, seen.below(&view.key_text(child.key)))
                };
                *source != self.own && is_object && members.any(is_hidden)
            }
            (Seen::Some(_), Part::Object(members)) => members.iter().any(|member| {
                let name = self.view(member.source).key_text(member.key);
                self.is_unseen_member(&member.part, seen.below(&name))
            }),
            (Seen::Some(_), Part::Array(_)) => false,
        }
    }

    fn is_unseen_member(&self, part: &Part, seen: Seen<'_>) -> bool {
        match (seen, part) {
            (Seen::Whole, _) => false,
            (Seen::Nothing, _) => self.holds_foreign(part),
            // A pointer goes on where this value ends, so projection left it out.
            (Seen::Some(_), Part::Node { source, .. }) if self.is_scalar(part) => *source != self.own,
            (Seen::Some(_), _) => self.holds_unseen(part, seen),
        }
    }

    /// Whether anything in `part` is not the plugin's own.
    fn holds_foreign(&self, part: &Part) -> bool {
        match part {
            Part::Node { source, .. } => *source != self.own,
            Part::Object(members) => members.iter().any(|member| self.holds_foreign(&member.part)),
            Part::Array(parts) => parts.iter().any(|part| self.holds_foreign(part)),
        }
    }

    fn is_scalar(&self, part: &Part) -> bool {
        match part {
            Part::Node { source, node } => {
                let node = self.view(*source).node(*node);
                !node.is_some_and(|node| matches!(node.kind, Kind::Object | Kind::Array))
            }
            Part::Object(_) | Part::Array(_) => false,
        }
    }

    fn view(&self, source: u32) -> View<'_> {
        if source == self.own { self.draft.view() } else { self.sources.view(source) }
    }
}

/// The element that `token` names; `-` is a new one behind the last.
fn element<'p>(parts: &'p mut Vec<Part>, token: &str) -> Option<&'p mut Part> {
    if token == "-" {
        parts.push(Part::Object(Vec::new()));
        return parts.last_mut();
    }
    parts.get_mut(index(token)?)
}

/// An array index as RFC 6901 §4 writes it: decimal digits without leading zeros.
pub(super) fn index(token: &str) -> Option<usize> {
    let is_canonical = token == "0" || !token.starts_with('0');
    let is_digits = token.bytes().all(|byte| byte.is_ascii_digit());
    if is_canonical && is_digits { token.parse().ok() } else { None }
}
