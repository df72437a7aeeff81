//! Projections: which fields of its input a plugin reads. Cutting a document down to them is `document`'s business.

use crate::document::Key;
use crate::pointer::Pointer;

/// The fields of `describe`, joined to a tree. A pointer to a map takes the whole map; of two pointers of which one lies
/// within the other, the outer one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    everything: bool,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    key: Box<str>,
    /// Everything below belongs to it.
    whole: bool,
    fields: Vec<Field>,
}

impl Projection {
    /// Everything: the original bytes.
    pub fn everything() -> Self {
        Self { everything: true, fields: Vec::new() }
    }

    /// The fields at `pointers`. The empty pointer among them is everything; no pointer at all is an empty object.
    pub fn compile(pointers: &[Pointer]) -> Self {
        let mut projection = Self { everything: false, fields: Vec::new() };
        for pointer in pointers {
            projection.add(pointer);
        }
        projection
    }

    fn add(&mut self, pointer: &Pointer) {
        let mut tokens = pointer.tokens().peekable();
        if tokens.peek().is_none() {
            *self = Self::everything();
        }
        let mut fields = &mut self.fields;
        while let Some(token) = tokens.next() {
            if self.everything {
                return;
            }
            let at = fields.iter().position(|field| *field.key == *token).unwrap_or(fields.len());
            if at == fields.len() {
                fields.push(Field { key: token.into(), whole: false, fields: Vec::new() });
            }
            let Some(field) = fields.get_mut(at) else { return };
            if tokens.peek().is_none() {
                field.whole = true;
                field.fields.clear();
            }
            if field.whole {
                return;
            }
            fields = &mut field.fields;
        }
    }

    /// How much of the root is seen.
    pub(crate) fn root(&self) -> Seen<'_> {
        if self.everything { Seen::Whole } else { Seen::Some(&self.fields) }
    }
}

/// How much of one value is seen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'p> {
    Whole,
    /// These fields.
    Some(&'p [Field]),
    Nothing,
}

impl<'p> Seen<'p> {
    /// How much is seen of the member called `name`.
    pub(crate) fn below(self, name: &str) -> Self {
        self.pick(|field| *field.key == *name)
    }

    /// As [`Seen::below`], without unescaping the key.
    pub(crate) fn below_key(self, key: Key<'_>) -> Self {
        self.pick(|field| key.is(&field.key))
    }

    fn pick(self, is_it: impl Fn(&Field) -> bool) -> Self {
        match self {
            Self::Some(fields) => match fields.iter().find(|field| is_it(field)) {
                Some(field) if field.whole => Self::Whole,
                Some(field) => Self::Some(&field.fields),
                None => Self::Nothing,
            },
            whole_or_nothing => whole_or_nothing,
        }
    }

    /// What is seen of a value that is never cut.
    pub(crate) fn whole_if_any(self) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Whole | Self::Some(_) => Self::Whole,
        }
    }
}
