//! `millrace inspect`: what a plugin is and what it says of itself, for people or for machines.

use crate::config::{printable, show_size};
use anyhow::Context as _;
use millrace_plugin::{Describe, Engine, EngineConfig, InputDescription};
use serde_json::{Value, json};
use std::path::Path;

/// Everything that is known of a plugin.
///
/// # Errors
/// A file that cannot be read or is no plugin.
pub fn inspect(file: &Path) -> anyhow::Result<Value> {
    let bytes = std::fs::read(file).with_context(|| format!("the file {} cannot be read", file.display()))?;
    let engine = Engine::new(EngineConfig::default())?;
    let plugin = engine.load(&bytes).with_context(|| format!("{} is no plugin that loads", file.display()))?;
    Ok(facts(&plugin.digest().to_string(), bytes.len(), plugin.describe()))
}

/// The facts, under the keys of `--json`.
fn facts(digest: &str, size_bytes: usize, describe: &Describe) -> Value {
    let input = |input: &InputDescription| json!({ "fields": input.fields, "headers": input.headers, "tombstones": input.tombstones });
    let inputs: serde_json::Map<String, Value> =
        describe.inputs.iter().map(|(name, described)| (name.clone(), input(described))).collect();
    let outputs: serde_json::Map<String, Value> = describe
        .outputs
        .iter()
        .map(|(name, described)| (name.clone(), json!({ "schema": described.schema })))
        .collect();
    json!({
        "digest": digest,
        "size_bytes": size_bytes,
        "name": describe.name,
        "version": describe.version,
        "inputs": inputs,
        "outputs": outputs,
        "lookups": describe.lookups,
        "stores": describe.stores,
        "settings": describe.settings,
    })
}

/// The facts as text for a person.
pub fn as_text(facts: &Value) -> String {
    let text = |key: &str| printable(facts[key].as_str().unwrap_or_default());
    let mut out = String::new();
    let size = show_size(facts["size_bytes"].as_u64().unwrap_or_default());
    out.push_str(&format!("{} {}\nsha256 {}\nsize   {size}\n\n", text("name"), text("version"), text("digest")));
    for (name, input) in facts["inputs"].as_object().into_iter().flatten() {
        let fields = match input["fields"].as_array() {
            Some(fields) => words(fields, "nothing of the document"),
            None => "the whole document".to_owned(),
        };
        let tombstones = if input["tombstones"] == json!(true) { ", and records without value" } else { "" };
        let headers = input["headers"].as_array().filter(|headers| !headers.is_empty());
        let headers = headers.map(|headers| format!(", headers {}", words(headers, ""))).unwrap_or_default();
        out.push_str(&format!("input  {}: reads {fields}{headers}{tombstones}\n", printable(name)));
    }
    for (name, output) in facts["outputs"].as_object().into_iter().flatten() {
        let schema = output["schema"].as_str().unwrap_or("of no declared schema");
        out.push_str(&format!("output {}: {}\n", printable(name), printable(schema)));
    }
    let list = |key: &str| facts[key].as_array().map(|list| words(list, "nothing")).unwrap_or_default();
    out.push_str(&format!("asks   {}\n", list("lookups")));
    let stores: Vec<Value> = facts["stores"].as_object().into_iter().flatten().map(|(name, _)| json!(name)).collect();
    out.push_str(&format!("keeps  {}\n", words(&stores, "no state")));
    if facts["settings"].is_null() {
        out.push_str("\nIt describes no settings.\n");
    } else {
        out.push_str(&format!("\nsettings schema:\n{:#}\n", facts["settings"]));
    }
    out
}

fn words(list: &[Value], none: &str) -> String {
    let words: Vec<String> = list.iter().filter_map(Value::as_str).map(printable).collect();
    if words.is_empty() { none.to_owned() } else { words.join(", ") }
}
