//! Compares what a plugin says of itself with what the operator wrote about it. Everything that does not fit is told at
//! once; nothing is loaded or started here.

use crate::config::PipelineConfig;
use millrace_plugin::Describe;

/// One thing that does not fit, with the keys below the pipeline that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The keys, like `outputs`, `enriched`, `schema`; the deepest that was written has the mistake.
    pub keys: Vec<String>,
    /// What does not fit.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Mismatch {
    pub(crate) fn new(keys: &[&str], problem: String, remedy: impl Into<String>) -> Self {
        Self { keys: keys.iter().map(|key| (*key).to_owned()).collect(), problem, remedy: remedy.into() }
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.keys.join("."), self.problem, self.remedy)
    }
}

/// Everything that does not fit. Empty: the plugin can be bound.
pub fn mismatches(pipeline: &PipelineConfig, describe: &Describe) -> Vec<Mismatch> {
    let mut found = Vec::new();
    names("inputs", "input", pipeline.inputs.keys(), describe.inputs.keys(), &mut found);
    names("outputs", "output", pipeline.outputs.keys(), describe.outputs.keys(), &mut found);
    for (name, output) in &pipeline.outputs {
        let title = describe.outputs.get(name).and_then(|described| described.schema.as_deref());
        let is_written = !output.schema.is_empty();
        if let Some(title) = title.filter(|title| is_written && !has_title(&output.schema, title)) {
            let problem =
                format!("the plugin makes events of the schema {title}, and the stream has {}", output.schema);
            found.push(Mismatch::new(&["outputs", name, "schema"], problem, "name a version of the plugin's schema"));
        }
    }
    for kind in describe.lookups.iter().filter(|kind| !pipeline.lookups.kinds.contains(kind)) {
        let problem = format!("the plugin asks for lookups of the kind `{kind}`, which is not granted");
        found.push(Mismatch::new(&["lookups", "kinds"], problem, format!("add `{kind}`, or use another plugin")));
    }
    stores(pipeline.state.as_ref().map_or(&[], |state| &state.stores), describe, &mut found);
    found
}

/// The plugin gets the stores that it describes, and no others.
fn stores(granted: &[String], describe: &Describe, found: &mut Vec<Mismatch>) {
    for store in describe.stores.keys().filter(|store| !granted.contains(store)) {
        let problem = format!("the plugin wants the store `{store}`, which is not granted");
        let remedy = format!("add `{store}: {{}}` here, or use another plugin");
        found.push(Mismatch::new(&["stores"], problem, remedy));
    }
    for store in granted.iter().filter(|store| !describe.stores.contains_key(*store)) {
        let described: Vec<&str> = describe.stores.keys().map(String::as_str).collect();
        let has = if described.is_empty() { "none".to_owned() } else { described.join(", ") };
        let problem = "the plugin has no store of this name".to_owned();
        found.push(Mismatch::new(&["stores", store], problem, format!("its stores are: {has}")));
    }
}

/// Whether `/mediawiki/page/change/1.2.0` is a version of `mediawiki/page/change`.
fn has_title(schema: &str, title: &str) -> bool {
    schema.trim_start_matches('/').rsplit_once('/').is_some_and(|(written, _)| written == title.trim_matches('/'))
}

/// Every name of the one side is one of the other.
fn names<'n>(
    key: &str,
    what: &str,
    written: impl Iterator<Item = &'n String>,
    described: impl Iterator<Item = &'n String>,
    found: &mut Vec<Mismatch>,
) {
    let written: Vec<&str> = written.map(String::as_str).collect();
    let described: Vec<&str> = described.map(String::as_str).collect();
    let has = if described.is_empty() { "none".to_owned() } else { described.join(", ") };
    for name in written.iter().filter(|name| !described.contains(name)) {
        let problem = format!("the plugin has no {what} of this name");
        found.push(Mismatch::new(&[key, name], problem, format!("its {what}s are: {has}")));
    }
    for name in described.iter().filter(|name| !written.contains(name)) {
        let problem = format!("the plugin's {what} `{name}` is bound to no stream");
        found.push(Mismatch::new(&[key], problem, format!("add `{name}` here, with its stream and topic")));
    }
}
