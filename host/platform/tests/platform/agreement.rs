//! Documents agree with `serde_json`, whatever the input.

use crate::model::{self, Strict};
use crate::sample::{bytes, document, projection, set, written};
use bytes::Bytes;
use millrace_flow::blob::{Blob, Piece};
use millrace_flow::outcome::{Change, Edit};
use millrace_platform::{DecodeLimits, Document, EditError, Projection, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Model;

/// Pieces of text that make JSON in some orders, and nearly JSON in most.
fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\u0061\"",
        "\"b\"",
        "\"",
        "\\",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\udc00",
        "\\x",
        "1",
        "-",
        "0",
        ".5",
        "e+3",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "\u{b}",
        "\u{0}",
        "\u{feff}",
        "é",
        "{\"a\":",
        "{\"b\":1}",
        "[1,2]",
        "\"\\u00e9\\n\\/\"",
        "\u{7f}",
    ])
}

fn is_taken(text: &[u8]) -> bool {
    Document::parse(Bytes::copy_from_slice(text), &DecodeLimits::default()).is_ok()
}

/// What must be taken: objects without duplicate keys.
fn should_be_taken(text: &[u8]) -> bool {
    serde_json::from_slice::<Strict>(text).is_ok() && serde_json::from_slice::<Model>(text).is_ok_and(|m| m.is_object())
}

/// The value read through the index, and through nothing else.
fn read(value: Value<'_>) -> Model {
    use millrace_platform::Kind;
    match value.kind() {
        Kind::Object => {
            Model::Object(value.members().map(|(key, value)| (key.text().into_owned(), read(value))).collect())
        }
        Kind::Array => Model::Array(value.elements().map(read).collect()),
        Kind::String => Model::from(value.as_str().unwrap()),
        Kind::Bool => Model::from(value.as_bool().unwrap()),
        Kind::Null => Model::Null,
        Kind::Number => serde_json::from_slice(&value.raw()).unwrap(),
    }
}

fn parse_written(document: &Document) -> Model {
    let text = written(document);
    // What is written is a document again.
    assert!(is_taken(text.as_bytes()), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// A change of the model: a path and a new value, or none to remove it.
fn change() -> impl Strategy<Value = (Vec<String>, Option<Model>)> {
    (model::steps(1..5), prop::option::weighted(0.7, model::value()))
}

fn to_edit(steps: &[String], new: Option<&Model>) -> Edit {
    let change = new.map_or(Change::Remove, |new| Change::Set(vec![bytes(&new.to_string())]));
    Edit { path: model::pointer(steps).to_string(), change }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_judged_alike(text: Vec<u8>) {
        prop_assert_eq!(is_taken(&text), should_be_taken(&text));
    }

    #[test]
    fn nearly_json_is_judged_alike(tokens in vec(token(), 0..12), inner: bool) {
        let text = tokens.concat();
        let text = if inner { format!("{{\"a\":{text}}}") } else { text };
        prop_assert_eq!(is_taken(text.as_bytes()), should_be_taken(text.as_bytes()), "{}", text);
    }

    #[test]
    fn damaged_json_is_judged_alike(value in model::object(), at: prop::sample::Index, byte: u8, cut: bool) {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        prop_assert_eq!(is_taken(&text), should_be_taken(&text), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn json_is_read_alike_and_written_as_it_came(value in model::object(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let document = document(&text);
        prop_assert_eq!(read(document.root()), value);
        prop_assert_eq!(document.size_least(), text.len());
        prop_assert_eq!(written(&document), text);
    }

    #[test]
    fn every_pointer_finds_the_same(value in model::object(), steps in model::steps(0..4)) {
        let document = document(&value.to_string());
        let pointer = model::pointer(&steps);
        // Their pointers know no `-`, and neither do ours when reading.
        let found = document.get(&pointer).map(read);
        prop_assert_eq!(found.as_ref(), value.pointer(pointer.as_str()));
    }

    #[test]
    fn projections_cut_alike(value in model::object(), fields in vec(model::steps(0..4), 0..5)) {
        let document = document(&value.to_string());
        let pointers: Vec<_> = fields.iter().map(|steps| model::pointer(steps)).collect();
        let mut out = Vec::new();
        document.project(&Projection::compile(&pointers), &mut out);
        prop_assert!(is_taken(&out));
        let expected = model::project(&value, &fields).unwrap_or_else(|| serde_json::json!({}));
        prop_assert_eq!(serde_json::from_slice::<Model>(&out).unwrap(), expected);
    }

    #[test]
    fn edits_change_alike(value in model::object(), changes in vec(change(), 1..8), at_once: bool) {
        let mut expected = value.clone();
        let refused = changes.iter().try_for_each(|(steps, new)| model::edit(&mut expected, steps, new.as_ref()));
        let edits: Vec<_> = changes.iter().map(|(steps, new)| to_edit(steps, new.as_ref())).collect();
        let original = document(&value.to_string());
        let everything = Projection::everything();
        // Patches of patched documents must do the same as one patch with all edits.
        let batches: Vec<&[Edit]> = if at_once { vec![&edits[..]] } else { edits.chunks(1).collect() };
        let patched = batches.into_iter().try_fold(original.clone(), |document, edits| document.patch(edits, &everything));
        match patched {
            Ok(patched) => {
                prop_assert_eq!(refused, Ok(()));
                prop_assert_eq!(&read(patched.root()), &expected);
                prop_assert_eq!(parse_written(&patched), expected);
                prop_assert_eq!(patched.size_least(), written(&patched).len());
            }
            Err(error) => prop_assert_eq!(refused, Err(model::Refused), "{}", error),
        }
        prop_assert_eq!(written(&original), value.to_string());
    }

    #[test]
    fn an_object_that_was_cut_is_not_replaced(
        value in model::object(),
        fields in vec(model::steps(1..4), 1..5),
        steps in model::steps(1..3),
    ) {
        let original = document(&value.to_string());
        let pointers: Vec<_> = fields.iter().map(|steps| model::pointer(steps)).collect();
        let path = model::pointer(&steps);
        let seen = model::project(&value, &fields).unwrap_or_default();
        let is_there = value.pointer(path.as_str());
        let is_cut = fields.iter().any(|field| field.starts_with(&steps))
            && is_there.is_some_and(Model::is_object)
            && is_there != seen.pointer(path.as_str());
        let edit = set(path.as_str(), vec![bytes("{}")]);
        let patched = original.patch(&[edit], &Projection::compile(&pointers));
        let is_refused = matches!(patched, Err(EditError::PartlySeen { .. }));
        prop_assert_eq!(is_refused, is_cut);
    }

    #[test]
    fn pieces_are_what_they_are_when_joined(value in model::object(), cuts in vec(any::<prop::sample::Index>(), 0..4), texts in vec(any::<String>(), 0..3)) {
        // {"s":[<strings>],"v":<value in pieces>}
        let mut pieces = vec![bytes("{\"s\":[")];
        for (at, text) in texts.iter().enumerate() {
            if at > 0 { pieces.push(bytes(", ")) }
            let plain = Bytes::copy_from_slice(text.as_bytes());
            let quoted = serde_json::to_string(text).unwrap();
            let inside = Bytes::copy_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
            let blob = if at % 2 == 0 { Blob::plain(plain) } else { Blob::escaped(inside, text.len() as u64) };
            pieces.push(Piece::JsonString(blob));
        }
        pieces.push(bytes("],\"v\":"));
        let text = value.to_string();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        for ends in cuts.windows(2) {
            let part = Bytes::copy_from_slice(&text.as_bytes()[ends[0]..ends[1]]);
            pieces.push(if ends[0] % 2 == 0 { Piece::Bytes(part) } else { Piece::Blob(Blob::plain(part)) });
        }
        pieces.push(bytes("}"));
        let expected = serde_json::json!({"s": texts, "v": value});
        let document = Document::from_pieces(&pieces, &DecodeLimits::default()).unwrap();
        prop_assert_eq!(&read(document.root()), &expected);
        prop_assert_eq!(parse_written(&document), expected.clone());
        let mut out = Vec::new();
        document.project(&projection(&["/s"]), &mut out);
        prop_assert_eq!(&serde_json::from_slice::<Model>(&out).unwrap()["s"], &expected["s"]);
    }
}
