//! Schemas keep their promises, whatever the event.

use crate::sample::{document, written};
use crate::schema::{NEW, OLD, schema};
use crate::{model, schema_model};
use bytes::Bytes;
use jsonschema::Validator;
use millrace_flow::blob::{Blob, Piece};
use millrace_platform::{DecodeLimits, Document, Projected, Reason, Schema};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| schema("1.0.0", OLD));
static NEWER: LazyLock<Schema> = LazyLock::new(|| schema("1.1.0", NEW));
static PLAIN: LazyLock<Validator> = LazyLock::new(|| schema_model::validator(SCHEMA.document()));

fn valid() -> impl Strategy<Value = Value> {
    schema_model::valid(SCHEMA.document())
}

/// A change of an event: the member or element that the numbers lead to is set, or removed.
type Mutation = (Vec<prop::sample::Index>, Option<Value>);

fn mutation() -> impl Strategy<Value = Mutation> {
    (vec(any::<prop::sample::Index>(), 1..6), prop::option::weighted(0.8, model::value()))
}

fn mutate(value: &mut Value, (way, new): &Mutation) {
    let Some((step, rest)) = way.split_first() else { return };
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(step.index(members.len())).unwrap().clone();
            let is_inside = !rest.is_empty() && (members[&name].is_object() || members[&name].is_array());
            match (is_inside, new) {
                (true, _) => mutate(members.get_mut(&name).unwrap(), &(rest.to_vec(), new.clone())),
                (false, Some(new)) => drop(members.insert(name, new.clone())),
                (false, None) => drop(members.remove(&name)),
            }
        }
        Value::Array(values) if !values.is_empty() => {
            let at = step.index(values.len());
            let is_inside = !rest.is_empty() && (values[at].is_object() || values[at].is_array());
            match (is_inside, new) {
                (true, _) => mutate(&mut values[at], &(rest.to_vec(), new.clone())),
                (false, Some(new)) => values[at] = new.clone(),
                (false, None) => drop(values.remove(at)),
            }
        }
        _ => {}
    }
}

/// An event that is nearly valid.
fn mutated() -> impl Strategy<Value = Value> {
    (valid(), vec(mutation(), 0..4)).prop_map(|(mut event, mutations)| {
        mutations.iter().for_each(|mutation| mutate(&mut event, mutation));
        event
    })
}

/// The event with each string in it held apart, as bodies are.
fn with_bodies(value: &Value) -> Document {
    let mut pieces = Vec::new();
    push(value, &mut pieces);
    Document::from_pieces(&pieces, &DecodeLimits::default()).unwrap()
}

fn push(value: &Value, pieces: &mut Vec<Piece>) {
    let text = |text: &str| Piece::Bytes(Bytes::copy_from_slice(text.as_bytes()));
    match value {
        Value::String(plain) if plain.len().is_multiple_of(2) => {
            pieces.push(Piece::JsonString(Blob::plain(Bytes::copy_from_slice(plain.as_bytes()))));
        }
        Value::String(plain) => {
            let quoted = value.to_string();
            let inside = Bytes::copy_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
            pieces.push(Piece::JsonString(Blob::escaped(inside, plain.len() as u64)));
        }
        Value::Array(values) => {
            pieces.push(text("["));
            for (at, value) in values.iter().enumerate() {
                pieces.push(text(if at > 0 { "," } else { "" }));
                push(value, pieces);
            }
            pieces.push(text("]"));
        }
        Value::Object(members) => {
            pieces.push(text("{"));
            for (at, (name, value)) in members.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                pieces.push(text(&format!("{comma}{}:", Value::from(name.as_str()))));
                push(value, pieces);
            }
            pieces.push(text("}"));
        }
        scalar => pieces.push(text(&scalar.to_string())),
    }
}

/// Adds members that no version knows to objects that are closed, and says how many; `picks` says to which.
fn add_unknown(schema: &Value, value: &mut Value, picks: &mut impl Iterator<Item = Option<Value>>) -> u64 {
    let mut added = 0;
    match value {
        Value::Array(values) => {
            values.iter_mut().for_each(|value| added += add_unknown(&schema["items"], value, picks));
        }
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let named = &schema["properties"][name];
                let each = if named.is_null() { &schema["additionalProperties"] } else { named };
                added += add_unknown(each, value, picks);
            }
            let new = if schema["additionalProperties"] == Value::Bool(false) { picks.next().flatten() } else { None };
            if let Some(new) = new {
                // Sorted between the others.
                let name = ["", "a_new", "m\n\"new", "z_new"][added as usize % 4];
                added += u64::from(members.insert(name.to_owned(), new).is_none());
            }
        }
        _ => {}
    }
    added
}

/// Sets fields that are not there to null where the schema has a type for them, and says how many.
fn add_nulls(schema: &Value, value: &mut Value, picks: &mut impl Iterator<Item = bool>) -> u64 {
    let Value::Object(members) = value else { return 0 };
    let mut added = 0;
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        match members.get_mut(name) {
            Some(value) => added += add_nulls(schema, value, picks),
            None if schema["type"].is_string() && picks.next() == Some(true) => {
                members.insert(name.clone(), Value::Null);
                added += 1;
            }
            None => {}
        }
    }
    added
}

proptest! {
    #[test]
    fn a_valid_event_is_valid_and_stays_as_it_is(event in valid(), pretty: bool) {
        prop_assert!(PLAIN.is_valid(&event));
        let text = if pretty { serde_json::to_string_pretty(&event).unwrap() } else { event.to_string() };
        let document = document(&text);
        prop_assert_eq!(SCHEMA.validate(&document), Ok(()));
        let projected = SCHEMA.project(&document);
        prop_assert_eq!(projected.dropped, vec![]);
        prop_assert_eq!(written(&projected.document), text);
        // The next minor version takes whatever this one does.
        prop_assert_eq!(NEWER.validate(&document), Ok(()));
        prop_assert_eq!(NEWER.project(&document).dropped, vec![]);
    }

    #[test]
    fn an_event_of_the_next_version_becomes_valid(event in schema_model::valid(NEWER.document())) {
        let document = document(&event.to_string());
        prop_assert_eq!(NEWER.validate(&document), Ok(()));
        let projected = SCHEMA.project(&document).document;
        prop_assert_eq!(SCHEMA.validate(&projected), Ok(()));
    }

    #[test]
    fn members_that_no_version_knows_are_dropped_and_nothing_else(
        event in valid(),
        picks in vec(prop::option::of(model::value()), 12),
    ) {
        let mut longer = event.clone();
        let added = add_unknown(SCHEMA.document(), &mut longer, &mut picks.into_iter());
        let projected = SCHEMA.project(&document(&longer.to_string()));
        prop_assert_eq!(written(&projected.document), event.to_string());
        prop_assert!(projected.dropped.iter().all(|dropped| dropped.reason == Reason::Unknown));
        prop_assert_eq!(projected.dropped.iter().map(|dropped| dropped.count).sum::<u64>(), added);
    }

    #[test]
    fn fields_without_a_value_are_dropped_and_nothing_else(event in valid(), picks in vec(any::<bool>(), 24)) {
        let mut longer = event.clone();
        let added = add_nulls(SCHEMA.document(), &mut longer, &mut picks.into_iter());
        let projected = SCHEMA.project(&document(&longer.to_string()));
        prop_assert_eq!(written(&projected.document), event.to_string());
        prop_assert!(projected.dropped.iter().all(|dropped| dropped.reason == Reason::Null));
        prop_assert_eq!(projected.dropped.iter().map(|dropped| dropped.count).sum::<u64>(), added);
    }

    #[test]
    fn any_event_is_judged_as_the_plain_validator_judges(event in mutated()) {
        let expected = PLAIN.is_valid(&event);
        for document in [document(&event.to_string()), with_bodies(&event)] {
            let found = SCHEMA.validate(&document);
            prop_assert_eq!(found.is_ok(), expected, "{:?}", found);
            if let Err(invalid) = found {
                prop_assert!(!invalid.violations().is_empty());
                let paths: Vec<String> = PLAIN.iter_errors(&event).map(|error| error.instance_path().to_string()).collect();
                // Control characters are not shown.
                let is_known = |start: &str| paths.iter().any(|path| path.replace(char::is_control, " ").starts_with(start));
                let mut found = invalid.violations().iter().map(|violation| violation.path.trim_end_matches("..."));
                prop_assert!(found.all(is_known));
            }
        }
    }

    #[test]
    fn any_event_is_cut_as_the_model_cuts(event in mutated()) {
        let mut dropped = 0;
        let expected = schema_model::project(SCHEMA.document(), &event, &mut dropped);
        for document in [document(&event.to_string()), with_bodies(&event)] {
            let projected = SCHEMA.project(&document);
            let text = written(&projected.document);
            prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &expected);
            prop_assert_eq!(projected.document.size_least() <= text.len(), true);
            prop_assert_eq!(projected.dropped.iter().map(|dropped| dropped.count).sum::<u64>(), dropped);
            // Again, and from bytes, nothing changes any more.
            let again = SCHEMA.project(&projected.document);
            prop_assert_eq!((written(&again.document), again.dropped), (text.clone(), vec![]));
            prop_assert_eq!(written(&SCHEMA.project(&crate::sample::document(&text)).document), text);
            // What was valid stays valid, and was not touched.
            if PLAIN.is_valid(&event) {
                prop_assert_eq!(dropped, 0);
            }
            let validated = SCHEMA.validate(&projected.document);
            prop_assert_eq!(validated.is_ok(), PLAIN.is_valid(&expected));
            // Both in one are the same as one after the other.
            let told = |projected: Projected| (written(&projected.document), projected.dropped);
            let conformed = SCHEMA.conform(&document).map(told);
            prop_assert_eq!(conformed, validated.map(|()| told(projected)));
        }
    }

    #[test]
    fn an_arbitrary_event_of_a_map_is_judged_and_cut_alike(event in model::object()) {
        static MAP: LazyLock<Schema> = LazyLock::new(|| crate::schema::small(
            "additionalProperties: {type: [object, string, 'null'], additionalProperties: {type: [integer, array], items: {properties: {a: {type: string}}, additionalProperties: false}}}\nmaxProperties: 5\npropertyNames: {maxLength: 3}\n",
        ));
        let plain = schema_model::validator(MAP.document());
        let document = document(&event.to_string());
        prop_assert_eq!(MAP.validate(&document).is_ok(), plain.is_valid(&event));
        let mut dropped = 0;
        let expected = schema_model::project(MAP.document(), &event, &mut dropped);
        let projected = MAP.project(&document);
        prop_assert_eq!(serde_json::from_str::<Value>(&written(&projected.document)).unwrap(), expected);
        prop_assert_eq!(projected.dropped.iter().map(|dropped| dropped.count).sum::<u64>(), dropped);
    }
}

/// Objects of the model keep their names in order, which the tests that add members rely on.
#[test]
fn the_model_sorts_its_members() {
    let map: Map<String, Value> =
        [("b", 1), ("a", 2)].map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
    assert_eq!(map.keys().collect::<Vec<_>>(), ["a", "b"]);
}
