//! What patches do, rule by rule.

use crate::sample::{PAGE_CHANGE, bytes, document, escaped, projection, remove, set, string, written};
use bytes::Bytes;
use millrace_flow::blob::{Blob, Piece};
use millrace_flow::outcome::Edit;
use millrace_platform::Projection;

#[track_caller]
fn check(before: &str, edits: &[Edit], expected: Result<&str, &str>) {
    check_seen(before, edits, &Projection::everything(), expected);
}

#[track_caller]
fn check_seen(before: &str, edits: &[Edit], seen: &Projection, expected: Result<&str, &str>) {
    let patched = document(before).patch(edits, seen);
    let result = patched.map(|patched| written(&patched)).map_err(|error| error.to_string());
    assert_eq!(result.as_deref().map_err(|error| &**error), expected);
}

fn json(text: &str) -> Vec<Piece> {
    vec![bytes(text)]
}

#[test]
fn what_is_not_edited_stays_as_it_came() {
    check(
        "{ \"a\" : 1.0 , \"b\":{ \"c\" : 1E2 } }",
        &[set("/x", json(" true "))],
        Ok("{\"a\":1.0,\"b\":{ \"c\" : 1E2 },\"x\":true}"),
    );
    check("{ \"a\" : 1.0 }", &[], Ok("{ \"a\" : 1.0 }"));
}

#[test]
fn a_set_replaces_in_place_and_adds_at_the_end() {
    check(r#"{"a":1,"b":2}"#, &[set("/a", json("[]"))], Ok(r#"{"a":[],"b":2}"#));
    check(r#"{"a":1,"b":2}"#, &[set("/c", json("3")), set("/a", json("4"))], Ok(r#"{"a":4,"b":2,"c":3}"#));
    check(r#"{"\u0061":1}"#, &[set("/a", json("2"))], Ok(r#"{"\u0061":2}"#));
    check("{}", &[set("/a~1b~0\"", json("2"))], Ok(r#"{"a/b~\"":2}"#));
    check("{}", &[set("/", json("2"))], Ok(r#"{"":2}"#));
}

#[test]
fn missing_parents_are_made() {
    check(r#"{"a":{}}"#, &[set("/a/b/c", json("1")), set("/a/b/d", json("2"))], Ok(r#"{"a":{"b":{"c":1,"d":2}}}"#));
    check("{}", &[set("/0/-", json("1"))], Ok(r#"{"0":{"-":1}}"#));
}

#[test]
fn an_element_must_exist_or_is_appended() {
    check(r#"{"a":[1,2]}"#, &[set("/a/1", json("9"))], Ok(r#"{"a":[1,9]}"#));
    check(r#"{"a":[1]}"#, &[set("/a/-", json("2")), set("/a/-/x", json("3"))], Ok(r#"{"a":[1,2,{"x":3}]}"#));
    for path in ["/a/1", "/a/01", "/a/x", "/a/+0", "/a/", "/a/99999999999999999999"] {
        let expected =
            format!("the path {path:?} names no element of an array; an index must exist, or be `-` to append");
        check(r#"{"a":[1]}"#, &[set(path, json("2"))], Err(&expected));
    }
}

#[test]
fn removing_what_is_not_there_does_nothing() {
    check(r#"{"a":{"b":1,"c":[1,2]}}"#, &[remove("/a/b"), remove("/a/c/0")], Ok(r#"{"a":{"c":[2]}}"#));
    let edits = [remove("/x"), remove("/x/y"), remove("/a/0"), remove("/a/-"), remove("/a/x/y")];
    check(r#"{"a":[]}"#, &edits, Ok(r#"{"a":[]}"#));
}

#[test]
fn a_path_through_a_scalar_fails() {
    let expected = Err(r#"the path "/a/b" goes through a value that is neither object nor array"#);
    for scalar in [r#"{"a":1}"#, r#"{"a":"x"}"#, r#"{"a":null}"#] {
        check(scalar, &[set("/a/b", json("1"))], expected);
        check(scalar, &[remove("/a/b")], expected);
    }
    check("{}", &[set("/a", vec![string("x")]), set("/a/b", json("1"))], expected);
}

#[test]
fn a_path_is_a_pointer_to_a_field() {
    check(
        "{}",
        &[set("", json("{}"))],
        Err("the path of an edit: the empty JSON Pointer is the whole document; name a field of it"),
    );
    check("{}", &[remove("a")], Err(r#"the path of an edit: "a" is no JSON Pointer: it must begin with `/`"#));
    check(
        "{}",
        &[remove("/a~")],
        Err("the path of an edit: \"/a~\" is no JSON Pointer: `~` is written `~0`, and `/` inside of a key `~1`"),
    );
}

#[test]
fn a_set_takes_exactly_one_value() {
    let refused = |pieces: Vec<Piece>, why: &str| {
        check("{}", &[set("/a", pieces)], Err(&format!("what is set at \"/a\" is not exactly one JSON value: {why}")));
    };
    refused(vec![], "not JSON at byte 0: expected a value");
    refused(json(r#"1,"meta":{}"#), "not JSON at byte 1: expected nothing behind the value");
    refused(vec![string("x"), bytes(r#","b":2"#)], "not JSON at byte 3: expected nothing behind the value");
    refused(json("1}"), "not JSON at byte 1: expected nothing behind the value");
    refused(json("1 2"), "not JSON at byte 2: expected nothing behind the value");
    refused(json(r#"{"b":1,"b":2}"#), "the key `b` at byte 8 is already in its object");
    let injection = Blob::plain(Bytes::from_static(br#"1,"b":2"#));
    refused(vec![Piece::Blob(injection)], "not JSON at byte 1: expected nothing behind the value");
    refused(vec![Piece::Bytes(Bytes::from_static(b"\"\xff\""))], "not UTF-8 at byte 1");
}

#[test]
fn a_value_may_be_pieces() {
    let value = vec![bytes("{\"body\":"), escaped(r"a\u00e9\n", 4), bytes(",\"n\":1.0}")];
    let edits = [set("/a", value), set("/a/body2", vec![string("<\">")]), set("/a/n", json("2"))];
    check("{}", &edits, Ok(r#"{"a":{"body":"a\u00e9\n","n":2,"body2":"<\">"}}"#));
}

#[test]
fn later_edits_see_earlier_ones() {
    let edits = [set("/a", json(r#"{"b":[1]}"#)), set("/a/b/-", json("2")), remove("/a/b/0"), remove("/z")];
    check(r#"{"z":1}"#, &edits, Ok(r#"{"a":{"b":[2]}}"#));
}

#[test]
fn depth_is_bounded_across_edits() {
    let deep = |levels: usize| json(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    document("{}").patch(&[set("/a/b", deep(126))], &Projection::everything()).unwrap();
    let expected = "what is set at \"/a/b\" is not exactly one JSON value: more than 126 levels at byte 126";
    check("{}", &[set("/a/b", deep(127))], Err(expected));
    let path = "/a".repeat(128);
    document("{}").patch(&[set(&path, json("1"))], &Projection::everything()).unwrap();
}

#[test]
fn what_the_plugin_saw_in_part_is_not_replaced() {
    let before = r#"{"a":{"b":1,"c":2},"d":{"e":{"f":1},"g":[{"h":1}]},"x":{"y":1}}"#;
    let seen = projection(&["/a/b", "/d/e/f", "/d/g/0/h", "/w/v"]);
    let refused = |path: &str| {
        format!(
            "{path:?} is an object of which the plugin saw a part only; set its fields, or ask for all of it in `describe`"
        )
    };
    let check = |edits: &[Edit], expected: Result<&str, &str>| check_seen(before, edits, &seen, expected);
    check(&[set("/a", json("{}"))], Err(&refused("/a")));
    check(&[set("/a/z", json("1")), set("/a", json("{}"))], Err(&refused("/a")));
    // All of it was seen: the array is never cut.
    check(&[set("/d", json("0"))], Ok(r#"{"a":{"b":1,"c":2},"d":0,"x":{"y":1}}"#));
    check(&[set("/d/g/0", json("0"))], Ok(r#"{"a":{"b":1,"c":2},"d":{"e":{"f":1},"g":[0]},"x":{"y":1}}"#));
    // Nothing of it was seen, or what was not seen has gone, or it is the plugin's own.
    check(&[set("/x", json("0"))], Ok(r#"{"a":{"b":1,"c":2},"d":{"e":{"f":1},"g":[{"h":1}]},"x":0}"#));
    check(&[remove("/a/c"), set("/a", json("0")), remove("/d"), remove("/x")], Ok(r#"{"a":0}"#));
    check(
        &[set("/w/u", json("1")), set("/w", json("{}")), remove("/d"), remove("/x"), remove("/a")],
        Ok(r#"{"w":{}}"#),
    );
}

#[test]
fn several_emissions_of_one_input_do_not_meet() {
    let input = document(PAGE_CHANGE.trim_end());
    let body = |text| vec![set("/revision/content_slots/main/content_body", vec![string(text)])];
    let first = input.patch(&body("one"), &Projection::everything()).unwrap();
    let second = input.patch(&body("two"), &Projection::everything()).unwrap();
    let third = first.patch(&body("three"), &Projection::everything()).unwrap();
    let expected = |text| {
        let end = "\"origin_rev_id\":250913410}";
        PAGE_CHANGE.trim_end().replace(end, &format!("\"origin_rev_id\":250913410,\"content_body\":\"{text}\"}}"))
    };
    assert_eq!(written(&first), expected("one"));
    assert_eq!(written(&second), expected("two"));
    assert_eq!(written(&third), expected("three"));
    assert_eq!(written(&input), PAGE_CHANGE.trim_end());
}

/// Applying these would take hours.
#[test]
fn many_edits_of_a_large_object_are_refused_before_they_take_long() {
    let members: Vec<String> = (0..1_000_000).map(|number| format!("\"m{number}\":0")).collect();
    let large = format!("{{{}}}", members.join(","));
    let edits: Vec<Edit> = (0..1_000_000).map(|number| remove(&format!("/m{number}"))).collect();
    let refused = "its edits would look at more than 64000000 values of the document; emit a whole document instead, or edit \
                   less";
    check(&large, &edits, Err(refused));
    // An object that the plugin itself sets is no cheaper.
    let own: Vec<Edit> = [set("/own", json(&large))].into_iter().chain(edits).collect();
    check("{}", &own, Err(refused));
}
