//! Schemas of the Event Platform: which they are, what they say of an event, and what of an event they know. Where their
//! texts come from is not known here.

mod dialect;
mod error;
mod instance;
mod invalid;
mod load;
mod shape;
mod uri;
mod yaml;

pub use error::SchemaError;
pub use invalid::{Invalid, Violation};
pub use shape::Presence;
pub(crate) use shape::{MemberShape, MembersShape, Shape};
pub use uri::{SchemaUri, SchemaUriError, SchemaVersion};

use crate::document::{Document, Projected};
use crate::pointer::Pointer;
use instance::{InPlace, Instance};
use jsonschema::Validator;
use serde_json::Value;
use std::fmt;

/// A version of a schema, compiled once and then only read: threads share it.
pub struct Schema {
    uri: SchemaUri,
    document: Value,
    validator: Validator<InPlace>,
    shape: Shape,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.uri)
    }
}

impl Schema {
    /// Compiles `text`, the materialised schema that a repository has for `uri`, in YAML or JSON.
    ///
    /// It is a schema of draft 7, whatever its `$schema` says. Nested `$id`s mean nothing. Formats are asserted: `date-time`
    /// and most others as their RFCs say, because consumers parse them and the gateway takes all of these too; `uri` and
    /// `uri-reference` only as strictly as the platform's gateway (AJV's defaults), which lets in page titles that are not
    /// percent-encoded: an event that carries such a `meta.uri` on must not fail for it. Integers are taken by value (`1.0`
    /// is one) and by their digits, however large. Other numbers are compared with bounds as doubles.
    ///
    /// # Errors
    /// See [`SchemaError`]: too large, not readable, a `$ref` left in it, another schema than `uri` names, not a schema.
    pub fn compile(uri: &SchemaUri, text: &[u8]) -> Result<Self, SchemaError> {
        let name = uri.to_string();
        let document = load::load(&name, text)?;
        if !document.is_object() {
            return Err(SchemaError::NotObject { uri: name });
        }
        let found = |key| document.get(key).map_or_else(|| "none".to_owned(), |found| shown(&found.to_string()));
        if document.get("title").and_then(Value::as_str) != Some(uri.title()) {
            return Err(SchemaError::Title { found: found("title"), uri: name });
        }
        if document.get("$id").and_then(Value::as_str) != Some(&*name) {
            return Err(SchemaError::Id { found: found("$id"), uri: name });
        }
        let validator = dialect::compile(&name, &document)?;
        let shape = Shape::of(&document);
        Ok(Self { uri: uri.clone(), document, validator, shape })
    }

    /// Which schema it is, and which version of it.
    pub fn uri(&self) -> &SchemaUri {
        &self.uri
    }

    /// Its title, `mediawiki/page/change`.
    pub fn title(&self) -> &str {
        self.uri.title()
    }

    /// The schema as it was read.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// What it says of itself, if it does.
    pub fn description(&self) -> Option<&str> {
        self.document.get("description").and_then(Value::as_str)
    }

    /// The events that it has for examples. They were not checked.
    pub fn examples(&self) -> &[Value] {
        self.document.get("examples").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Whether its events have the field at `pointer`.
    pub fn has_field(&self, pointer: &Pointer) -> Presence {
        shape::presence(&self.document, pointer.tokens())
    }

    /// Cuts an event down to this schema and checks what is left: what every emission goes through.
    ///
    /// The same as [`Schema::project`] and then [`Schema::validate`], but cheaper: a valid event has nothing to be cut, so
    /// only one that is not valid as it is gets a second look.
    ///
    /// # Errors
    /// The first few rules that the event breaks even when cut.
    pub fn conform(&self, document: &Document) -> Result<Projected, Invalid> {
        if self.is_valid(document) {
            return Ok(Projected { document: document.clone(), dropped: Vec::new() });
        }
        let projected = self.project(document);
        self.validate(&projected.document).map(|()| projected)
    }

    /// Checks an event, in place: nothing is copied, and a body of which the schema says only that it is text is not read.
    ///
    /// # Errors
    /// The first few rules that it breaks.
    pub fn validate(&self, document: &Document) -> Result<(), Invalid> {
        if self.is_valid(document) { Ok(()) } else { Err(Invalid::explain(&self.validator, document)) }
    }

    fn is_valid(&self, document: &Document) -> bool {
        self.validator.is_valid(Instance::Value(document.root()))
    }

    /// Cuts an event down to what this schema knows, so that one of a newer version becomes one of this.
    ///
    /// Dropped is a member that a closed object (`additionalProperties: false`) does not name, and one that is null where
    /// the schema has a type that null is not, as producers of the platform have always dropped what they have no value
    /// for. Maps and open objects keep their members, arrays their elements, and a valid event is returned as it is,
    /// byte for byte, without a copy. What stands beside `allOf` and its like is kept too, to be refused by
    /// [`Schema::validate`] and not lost in silence.
    pub fn project(&self, document: &Document) -> Projected {
        document.cut(&self.shape)
    }
}

/// Enough of a text to find it by.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 200;
    shown_chars(text, SHOWN_CHARS_MAX)
}

/// The first characters of a text, on one line.
fn shown_chars(text: &str, chars_max: usize) -> String {
    let mut shown: String =
        text.chars().take(chars_max).map(|char| if char.is_control() { ' ' } else { char }).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.push_str("...");
    }
    shown
}
