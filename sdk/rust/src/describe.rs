//! What a plugin says of itself: the JSON that `describe` returns, made from names and lists.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a plugin says of itself. The host compares it with the pipeline before anything runs: what a plugin wants *and*
/// the operator grants is what it gets. `millrace inspect` shows it.
///
/// The names of plugin, inputs, outputs, lookups and stores have 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, a letter or digit
/// first, and there must be an input. A host refuses to load anything else; nothing is checked here.
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
    /// A plugin of that name and version, which reads and emits nothing yet and takes no settings. The version, at most
    /// 64 characters, is for people: `env!("CARGO_PKG_VERSION")` keeps it right. A host tells plugins apart by their
    /// bytes.
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

    /// One more input, or another one of that name. The operator binds its name to a stream; unless told, to the stream
    /// of the same name.
    pub fn input(mut self, name: impl Into<String>, input: Input) -> Self {
        self.inputs.insert(name.into(), input);
        self
    }

    /// One more output, or another one of that name. The operator binds its name to a stream; unless told, to the
    /// stream of the same name. What is emitted to an output that is not here breaks a rule (`plugin_rule`).
    pub fn output(mut self, name: impl Into<String>, output: Output) -> Self {
        self.outputs.insert(name.into(), output);
        self
    }

    /// One more kind of lookup that this plugin makes: `revision`, `compare`, `html`, `query` or `http`. A kind that is
    /// asked and not here breaks a rule (`plugin_rule`), and a pipeline must grant exactly those that are here.
    pub fn lookup(mut self, kind: impl Into<String>) -> Self {
        self.lookups.push(kind.into());
        self
    }

    /// One more store of state, for [`crate::Event::state`]; with any, timers may be set, too. The operator must grant each,
    /// and every input needs keys. Its name is for good: what was kept is found by it.
    pub fn store(mut self, name: impl Into<String>) -> Self {
        self.stores.insert(name.into(), serde_json::json!({}));
        self
    }

    /// The JSON Schema of the settings; [`crate::json!`] writes one. Operators read it, and no host checks settings by
    /// it: that is the business of [`crate::Plugin::Settings`].
    pub fn settings(mut self, schema: Value) -> Self {
        self.settings = schema;
        self
    }

    /// The contract's form: a JSON object.
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

    /// Only these fields, as JSON Pointers (`/revision/rev_id`); a pointer to an object or an array takes all of it,
    /// and one to what an event lacks takes nothing. None at all is the empty object. The host cuts the rest off before
    /// the plugin gets to see the document, and reading it is most of what an event costs. What is cut off is not lost:
    /// a [`crate::Patch`] keeps it.
    ///
    /// At most 256 pointers of at most 512 bytes, none of them empty.
    pub fn fields(mut self, pointers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fields = Some(pointers.into_iter().map(Into::into).collect());
        self
    }

    /// These Kafka headers too, by their exact names, for [`crate::Event::header`]. At most 256.
    pub fn headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Tombstones too (see [`crate::Event::is_tombstone`]); the host skips them otherwise.
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

    /// The title of the schema that its events have, like `mediawiki/page/change`: an operator can bind it to a stream
    /// of any version of that schema only.
    pub fn schema(mut self, title: impl Into<String>) -> Self {
        self.schema = Some(title.into());
        self
    }
}
