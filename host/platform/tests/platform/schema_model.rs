//! The naive twin of schemas: what they cut, by the plainest code that follows the rules; the plain validator over
//! `serde_json`; and events that are valid by construction.

use jsonschema::Validator;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What is left of `value`, and how many members were dropped.
pub(crate) fn project(schema: &Value, value: &Value, dropped: &mut u64) -> Value {
    match value {
        Value::Array(values) => {
            Value::Array(values.iter().map(|value| project(&schema["items"], value, dropped)).collect())
        }
        Value::Object(members) => {
            let mut left = Map::new();
            for (name, value) in members {
                let (named, others) = (&schema["properties"][name], &schema["additionalProperties"]);
                let each = if named.is_null() { others } else { named };
                let is_null_refused =
                    value.is_null() && !each["type"].is_null() && !each["type"].to_string().contains("null");
                if *each == json!(false) || is_null_refused {
                    *dropped += 1;
                } else {
                    left.insert(name.clone(), project(each, value, dropped));
                }
            }
            Value::Object(left)
        }
        scalar => scalar.clone(),
    }
}

/// The validator of the library over its own values, with a schema that resolves to nothing.
pub(crate) fn validator(schema: &Value) -> Validator {
    let mut schema = schema.clone();
    forget_ids(&mut schema);
    let is_reference = |text: &str| !text.contains(char::is_whitespace);
    let options =
        jsonschema::draft7::options().should_validate_formats(true).with_format("uri-reference", is_reference);
    options.build(&schema).unwrap()
}

fn forget_ids(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, value| !(matches!(name.as_str(), "$id" | "$schema") && value.is_string()));
            fields.values_mut().for_each(forget_ids);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_ids),
        _ => {}
    }
}

/// Values that are valid by `schema`, of the keywords that the schemas of these tests have.
pub(crate) fn valid(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(options) = schema["enum"].as_array() {
        return prop::sample::select(options.clone()).boxed();
    }
    match schema["type"].as_str() {
        Some("object") => object(schema),
        Some("array") => {
            let most = schema["maxItems"].as_u64().unwrap_or(5) as usize;
            let is_unique = schema["uniqueItems"] == json!(true);
            let elements = vec(valid(&schema["items"]), 0..=most);
            elements.prop_map(move |elements| if is_unique { unique(elements) } else { elements.into() }).boxed()
        }
        Some("string") => string(schema),
        Some("integer") => {
            let bound = |name, none| schema[name].as_i64().unwrap_or(none);
            integer(bound("minimum", i64::MIN), bound("maximum", i64::MAX))
        }
        Some("number") => (0.0..1000.0_f64).prop_map(|number| json!(number)).boxed(),
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        Some(other) => panic!("no values of type {other}"),
        None => prop_oneof![Just(Value::Null), any::<String>().prop_map(Value::from)].boxed(),
    }
}

fn object(schema: &Value) -> BoxedStrategy<Value> {
    let is_required = |name: &str| schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let named: Vec<BoxedStrategy<Option<(String, Value)>>> = properties
        .map(|(name, schema)| {
            let (is_required, name) = (is_required(name), name.clone());
            let member = valid(schema).prop_map(move |value| (name.clone(), value));
            if is_required { member.prop_map(Some).boxed() } else { prop::option::of(member).boxed() }
        })
        .collect();
    // Names that no schema here has.
    let name = "[a-z]{0,3}[0-9/~\"é]";
    let others = match &schema["additionalProperties"] {
        Value::Bool(false) => Just(Default::default()).boxed(),
        each @ Value::Object(_) => btree_map(name, valid(each), 0..4).boxed(),
        _ => btree_map(name, crate::model::value(), 0..3).boxed(),
    };
    (named, others)
        .prop_map(|(named, others)| Value::Object(named.into_iter().flatten().chain(others).collect()))
        .boxed()
}

fn unique(elements: Vec<Value>) -> Value {
    let mut left: Vec<Value> = Vec::new();
    for element in elements {
        // `1` and `1.0` are one number.
        let is_known = |known: &Value| known.as_f64().is_some() && known.as_f64() == element.as_f64();
        if !left.contains(&element) && !left.iter().any(is_known) {
            left.push(element);
        }
    }
    left.into()
}

fn string(schema: &Value) -> BoxedStrategy<Value> {
    if schema["format"] == json!("date-time") {
        let times = ["2026-03-14T15:09:26Z", "2026-03-14T15:09:26.318Z", "1970-01-01T00:00:00+01:00"];
        return prop::sample::select(times.to_vec()).prop_map(Value::from).boxed();
    }
    if schema["format"] == json!("uri-reference") {
        return "[a-z/.%é]{0,20}".prop_map(Value::from).boxed();
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        assert_eq!(pattern, "^[A-Z]");
        return "[A-Z].{0,5}".prop_map(Value::from).boxed();
    }
    let bound = |name, none| schema[name].as_u64().unwrap_or(none) as usize;
    let characters = vec(any::<char>(), bound("minLength", 0)..=bound("maxLength", 60).min(60));
    characters.prop_map(|characters| characters.into_iter().collect::<String>().into()).boxed()
}

/// Integers between bounds, their edges often, some of them written with a point or an exponent.
fn integer(min: i64, max: i64) -> BoxedStrategy<Value> {
    let number = prop_oneof![min..=max, Just(min), Just(max)];
    let forms = (number, 0..3).prop_map(|(number, form)| match form {
        0 if number % 10 == 0 => format!("{}e1", number / 10),
        1 => format!("{number}.0"),
        _ => number.to_string(),
    });
    forms.prop_map(|text| serde_json::from_str(&text).unwrap()).boxed()
}
