//! What a plugin says of itself: the JSON that `describe` returns, made from names and lists.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a plugin says of itself. The host compares it with the pipeline before anything runs: what a plugin wants *and*
/// the operator grants is what it gets.
///
/// ```
/// use millrace_sdk::{Describe, Input, Output};
///
/// Describe::new("page-size", "1.0.0")
///     .input("page_change", Input::new().fields(["/meta/domain", "/revision"]))
///     .output("page_size", Output::new().schema("example/page/size"))
///     .lookup("revision");
/// ```
#[derive(Clone, Debug, Serialize)]
#[must_use]
pub struct Describe {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) inputs: BTreeMap<String, Input>,
    pub(crate) outputs: BTreeMap<String, Output>,
    pub(crate) lookups: Vec<String>,
    pub(crate) stores: BTreeMap<String, Value>,
    pub(crate) settings: Value,
}

impl Describe {
    /// A plugin of that name and version, which reads and emits nothing yet and takes no settings.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            lookups: Vec::new(),
            stores: BTreeMap::new(),
            settings: serde_json::json!({"type": "object", "additionalProperties": false}),
        }
    }

    /// One more input. The operator binds its name to a stream; unless told, to the stream of the same name.
    pub fn input(mut self, name: impl Into<String>, input: Input) -> Self {
        self.inputs.insert(name.into(), input);
        self
    }

    /// One more output. The operator binds its name to a stream; unless told, to the stream of the same name.
    pub fn output(mut self, name: impl Into<String>, output: Output) -> Self {
        self.outputs.insert(name.into(), output);
        self
    }

    /// One more kind of lookup that this plugin makes: `revision`, `compare`, `html`, `query` or `http`.
    pub fn lookup(mut self, kind: impl Into<String>) -> Self {
        self.lookups.push(kind.into());
        self
    }

    /// The JSON Schema of the settings; `serde_json::json!` writes one.
    pub fn settings(mut self, schema: Value) -> Self {
        self.settings = schema;
        self
    }

    /// The contract's form.
    pub fn to_json(&self) -> String {
        // Names, lists and a JSON value: nothing in it that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What a plugin reads of an input.
#[derive(Clone, Debug, Default, Serialize)]
#[must_use]
pub struct Input {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) headers: Vec<String>,
    pub(crate) tombstones: bool,
}

impl Input {
    /// The whole document, no headers, no tombstones.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these fields, as JSON Pointers; a pointer to an object takes all of it. The host cuts the rest off before
    /// the plugin gets to see the document, which is most of what an event costs.
    pub fn fields(mut self, pointers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fields = Some(pointers.into_iter().map(Into::into).collect());
        self
    }

    /// These Kafka headers too.
    pub fn headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Tombstones too; the host skips them otherwise.
    pub fn tombstones(mut self) -> Self {
        self.tombstones = true;
        self
    }
}

/// What a plugin says of an output.
#[derive(Clone, Debug, Default, Serialize)]
#[must_use]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<String>,
}

impl Output {
    /// Of whatever schema the operator's stream has.
    pub fn new() -> Self {
        Self::default()
    }

    /// The title of the schema that its events have, like `mediawiki/page/change`.
    pub fn schema(mut self, title: impl Into<String>) -> Self {
        self.schema = Some(title.into());
        self
    }
}
