//! A schema as a table: one row for each field, however deep.

use serde::Serialize;
use serde_json::Value;

/// The most rows: beyond these nobody reads a table.
const FIELDS_MAX: usize = 2_000;
/// How deep fields are followed.
const DEPTH_MAX: usize = 16;

/// A field of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its path: names with dots between them, `<name>` for a name that is the event's own, `[]` for items of a list.
    pub path: String,
    /// Its types and format, in words.
    pub kind: String,
    /// Whether it must be there.
    pub need: Need,
    /// What the schema says of it.
    pub description: Option<String>,
}

/// Whether a field must be there, in the object that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// It must.
    Required,
    /// It may be absent.
    Optional,
}

/// The fields of a materialised schema, outer ones before inner ones, in its order.
pub(super) fn of(schema: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    add(schema, "", 0, &mut fields);
    fields
}

fn add(schema: &Value, prefix: &str, depth: usize, fields: &mut Vec<Field>) {
    if depth >= DEPTH_MAX {
        return;
    }
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, below) in properties {
        let need = if required.contains(&name.as_str()) { Need::Required } else { Need::Optional };
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        row(below, path, need, depth, fields);
    }
    if let Some(below) = schema.get("additionalProperties").filter(|below| below.is_object()) {
        let path = if prefix.is_empty() { "<name>".to_owned() } else { format!("{prefix}.<name>") };
        row(below, path, Need::Optional, depth, fields);
    }
    // Items of plain values are told in the list's own row.
    if let Some(items) = schema.get("items").filter(|items| items.get("properties").is_some()) {
        add(items, &format!("{prefix}[]"), depth + 1, fields);
    }
}

fn row(schema: &Value, path: String, need: Need, depth: usize, fields: &mut Vec<Field>) {
    if fields.len() >= FIELDS_MAX {
        return;
    }
    let description = schema.get("description").and_then(Value::as_str).map(|text| text.trim().to_owned());
    fields.push(Field { kind: kind(schema), need, description, path: path.clone() });
    add(schema, &path, depth + 1, fields);
}

/// What a value may be.
fn kind(schema: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut kind = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        Some(one) => text(one),
        None => "any".to_owned(),
    };
    if let Some(of) = schema.get("items").and_then(|items| items.get("type")) {
        kind.push_str(&format!(" of {}", text(of)));
    }
    if let Some(format) = schema.get("format").and_then(Value::as_str) {
        kind.push_str(&format!(", {format}"));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        kind.push_str(&format!(": {}", words.iter().map(text).collect::<Vec<_>>().join(", ")));
    }
    if let Some(word) = schema.get("const") {
        kind.push_str(&format!(": {}", text(word)));
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(schema: &Value, expected: &[(&str, &str, Need)]) {
        let fields = of(schema);
        let rows: Vec<_> = fields.iter().map(|field| (field.path.as_str(), field.kind.as_str(), field.need)).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn every_field_has_a_row() {
        let schema = json!({
            "type": "object",
            "required": ["dt"],
            "properties": {
                "dt": {"type": "string", "format": "date-time"},
                "kind": {"enum": ["a", "b"], "type": ["string", "null"]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "users": {"type": "array", "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}},
                "slots": {"type": "object", "additionalProperties": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                "open": {"additionalProperties": true},
            },
        });
        check(
            &schema,
            &[
                ("dt", "string, date-time", Need::Required),
                ("kind", "string or null: a, b", Need::Optional),
                ("open", "any", Need::Optional),
                ("slots", "object", Need::Optional),
                ("slots.<name>", "object", Need::Optional),
                ("slots.<name>.size", "integer", Need::Optional),
                ("tags", "array of string", Need::Optional),
                ("users", "array of object", Need::Optional),
                ("users[].id", "integer", Need::Required),
            ],
        );
        check(&json!({"type": "object"}), &[]);
        check(&json!(true), &[]);
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_cut() {
        let mut deep = json!({"type": "string"});
        for _ in 0..100 {
            deep = json!({"properties": {"a": deep}});
        }
        assert_eq!(of(&deep).len(), DEPTH_MAX);
        let wide: serde_json::Map<String, Value> = (0..5_000).map(|at| (at.to_string(), json!({}))).collect();
        assert_eq!(of(&json!({"properties": wide})).len(), FIELDS_MAX);
    }
}
