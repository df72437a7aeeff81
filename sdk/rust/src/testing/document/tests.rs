//! One table per rule of patches.

use super::*;
use serde_json::json;

fn document() -> Value {
    json!({"a": {"b": 1, "c": {"d": 2, "e": {}}}, "l": [1, {"x": 1, "y": 2}], "s": "t", "n": null, "o": {}})
}

/// The document with `change` merged into its root; null removes a member.
fn with(change: Value) -> Value {
    let (mut document, Value::Object(change)) = (document(), change) else { panic!("an object") };
    let members = document.as_object_mut().unwrap();
    for (name, value) in change {
        match value {
            Value::Null => drop(members.remove(&name)),
            value => drop(members.insert(name, value)),
        }
    }
    document
}

#[track_caller]
fn compare(what: &str, found: Result<Value, String>, expected: Result<Value, &str>) {
    match (found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{what}"),
        (Err(found), Err(expected)) => assert!(found.contains(expected), "{what}: {found}"),
        (found, expected) => panic!("{what}: {found:?} instead of {expected:?}"),
    }
}

fn projection(fields: Option<&[&str]>) -> Projection {
    let fields: Option<Vec<String>> = fields.map(|f| f.iter().map(|f| (*f).to_owned()).collect());
    Projection::of(fields.as_deref()).unwrap()
}

#[track_caller]
fn check_set(path: &str, fields: Option<&[&str]>, expected: Result<Value, &str>) {
    let mut draft = Draft::of(&document());
    let found = draft.set(path, json!(9), &projection(fields)).map(|()| draft.finish());
    compare(&format!("set {path} seeing {fields:?}"), found, expected);
}

#[track_caller]
fn check_remove(path: &str, expected: Result<Value, &str>) {
    let mut draft = Draft::of(&document());
    let found = draft.remove(path).map(|()| draft.finish());
    compare(&format!("remove {path}"), found, expected);
}

#[test]
fn a_set_makes_its_parents_and_keeps_the_rest() {
    for (path, expected) in [
        ("/a/b", json!({"a": {"b": 9, "c": {"d": 2, "e": {}}}})),
        ("/n", json!({"n": 9})),
        ("/o/p", json!({"o": {"p": 9}})),
        ("/new/m", json!({"new": {"m": 9}})),
        ("/new/0/-", json!({"new": {"0": {"-": 9}}})),
        ("/~0~1", json!({"~/": 9})),
        ("/l/-", json!({"l": [1, {"x": 1, "y": 2}, 9]})),
        ("/l/-/z", json!({"l": [1, {"x": 1, "y": 2}, {"z": 9}]})),
        ("/l/0", json!({"l": [9, {"x": 1, "y": 2}]})),
        ("/l/1/x", json!({"l": [1, {"x": 9, "y": 2}]})),
    ] {
        check_set(path, None, Ok(with(expected)));
    }
}

#[test]
fn a_path_that_leads_nowhere_is_refused() {
    for (path, expected) in [
        ("", "no JSON Pointer"),
        ("a", "no JSON Pointer"),
        ("/~2", "neither `~0` nor `~1`"),
        ("/a/~", "neither `~0` nor `~1`"),
        ("/s/x", "neither object nor array"),
        ("/n/x", "neither object nor array"),
        ("/a/b/x", "neither object nor array"),
        ("/l/0/x", "neither object nor array"),
        (&*"/a".repeat(129), "more steps"),
    ] {
        check_set(path, None, Err(expected));
        check_remove(path, Err(expected));
    }
}

#[test]
fn an_index_has_one_spelling() {
    for index in ["2", "00", "01", "+1", "-1", "1 ", " 1", "1.0", "x", "", "99999999999999999999"] {
        check_set(&format!("/l/{index}"), None, Err("no such element"));
        check_set(&format!("/l/{index}/x"), None, Err("no such element"));
        check_remove(&format!("/l/{index}"), Ok(document()));
    }
    check_remove("/l/-", Ok(document()));
}

#[test]
fn what_was_not_seen_is_not_destroyed_unless_none_of_it_was_seen() {
    const PARTLY: Result<Value, &str> = Err("saw a part only");
    let (whole_a, whole_c) = (json!({"a": 9}), json!({"a": {"b": 1, "c": 9}}));
    for (path, fields, expected) in [
        // Some of it was left out.
        ("/a", &["/a/b"] as &[&str], PARTLY),
        ("/a", &["/a/c/d"], PARTLY),
        ("/a/c", &["/a/c/d"], PARTLY),
        ("/a/c", &["/a/c/d", "/s"], PARTLY),
        // A pointer goes on below a scalar, so the scalar was not seen.
        ("/a", &["/a/b/x", "/a/c"], PARTLY),
        // The whole was declared, or something around it.
        ("/a", &["/a"], Ok(with(whole_a.clone()))),
        ("/a/c", &["/a"], Ok(with(whole_c.clone()))),
        // Nothing in it was left out, though its fields were declared one by one.
        ("/a", &["/a/b", "/a/c/d", "/a/c/e"], Ok(with(whole_a.clone()))),
        ("/o", &["/o/x"], Ok(with(json!({"o": 9})))),
        // None of it was seen.
        ("/a", &["/s"], Ok(with(whole_a))),
        ("/a/c", &["/a/b"], Ok(with(whole_c))),
        ("/a", &[], Ok(with(json!({"a": 9})))),
        // An array is never cut.
        ("/l", &["/l/0"], Ok(with(json!({"l": 9})))),
        ("/l/1", &["/l/1/x"], Ok(with(json!({"l": [1, 9]})))),
        ("/l/1", &[], Ok(with(json!({"l": [1, 9]})))),
        // A scalar has nothing in it.
        ("/s", &["/s/x"], Ok(with(json!({"s": 9})))),
        ("/a/b", &["/s"], Ok(with(json!({"a": {"b": 9, "c": {"d": 2, "e": {}}}})))),
    ] {
        check_set(path, Some(fields), expected);
    }
}

#[test]
fn what_the_plugin_set_itself_is_its_own() {
    let seen = projection(Some(&["/a/b", "/new/x"]));
    let mut draft = Draft::of(&document());
    draft.set("/new/y", json!({"z": 1}), &seen).unwrap();
    draft.set("/new", json!(9), &seen).unwrap();
    assert!(draft.set("/a", json!(9), &seen).unwrap_err().contains("saw a part only"));
    draft.set("/a/c", json!({"own": true}), &seen).unwrap();
    draft.set("/a", json!(9), &seen).unwrap();
    assert_eq!(draft.finish(), with(json!({"a": 9, "new": 9})));
}

#[test]
fn what_was_removed_can_no_longer_be_destroyed() {
    let seen = projection(Some(&["/a/b"]));
    let mut draft = Draft::of(&document());
    draft.remove("/a/c").unwrap();
    draft.set("/a", json!(9), &seen).unwrap();
    assert_eq!(draft.finish(), with(json!({"a": 9})));
}

#[test]
fn removing_what_is_not_there_does_nothing() {
    for (path, expected) in [
        ("/a/b", json!({"a": {"c": {"d": 2, "e": {}}}})),
        ("/a", json!({"a": null})),
        ("/l/0", json!({"l": [{"x": 1, "y": 2}]})),
        ("/l/1/x", json!({"l": [1, {"y": 2}]})),
        ("/a/x", json!({})),
        ("/x/y", json!({})),
        ("/l/2", json!({})),
        ("/l/2/x", json!({})),
        ("/o/x/y", json!({})),
    ] {
        check_remove(path, Ok(with(expected)));
    }
}

#[test]
fn no_document_gets_deeper_than_it_may() {
    let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
    let seen = Projection::default();
    let set = |steps: usize| Draft::of(&document()).set(&"/z".repeat(steps), deep.clone(), &seen);
    assert_eq!(set(8), Ok(()));
    assert!(set(9).unwrap_err().contains("128 levels"));
}
