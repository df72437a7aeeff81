//! Judges events by the schemas that they name.

use crate::registry::Schemas;
use millrace_platform::{Document, SchemaUri, StreamSettings};
use tokio::runtime::Runtime;

/// Judges one event after the other.
pub(super) struct Validator {
    schemas: Schemas,
    settings: Option<StreamSettings>,
    runtime: Runtime,
}

impl Validator {
    /// Judges by `schemas`, and by how the stream is declared where that is known.
    ///
    /// # Errors
    /// The runtime for reading schemas cannot be had.
    pub(super) fn new(schemas: Schemas, settings: Option<StreamSettings>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { schemas, settings, runtime })
    }

    /// Judges an event.
    ///
    /// # Errors
    /// What is wrong with it, or why that cannot be known.
    pub(super) fn judge(&self, event: &Document) -> Result<(), String> {
        let root = event.root();
        let named = root.get("$schema").and_then(|value| value.as_str()).ok_or("it has no text in `$schema`")?;
        let uri = SchemaUri::parse(&named).map_err(|error| format!("`$schema` {named}: {error}"))?;
        if let Some(title) = self.settings.as_ref().and_then(StreamSettings::schema_title)
            && title != uri.title()
        {
            return Err(format!("its schema is {uri}, and that of the stream has the title {title}"));
        }
        let schema = self.runtime.block_on(self.schemas.get(&uri)).map_err(|error| error.to_string())?;
        schema.validate(event).map_err(|invalid| invalid.to_string())
    }
}
