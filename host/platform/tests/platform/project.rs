//! What a plugin gets to see.

use crate::sample::{document, projection, remove, set, string};
use millrace_platform::Projection;

#[track_caller]
fn check(before: &str, pointers: &[&str], expected: &str) {
    let mut out = Vec::new();
    document(before).project(&projection(pointers), &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn the_fields_come_as_they_are_in_the_documents_order() {
    let before = "{ \"a\" : [ 1.0, {} ], \"b\":{ \"c\" : {\"x\": 1E2} , \"d\":2 }, \"e\":3 }";
    check(before, &["/b/c", "/a"], "{\"a\":[ 1.0, {} ],\"b\":{\"c\":{\"x\": 1E2}}}");
    check(before, &["/b"], "{\"b\":{ \"c\" : {\"x\": 1E2} , \"d\":2 }}");
    check(before, &["/e", "/e"], "{\"e\":3}");
    check(before, &[], "{}");
}

#[test]
fn of_overlapping_pointers_the_outer_one_counts() {
    check(r#"{"a":{"b":1,"c":2}}"#, &["/a/b", "/a"], r#"{"a":{"b":1,"c":2}}"#);
    check(r#"{"a":{"b":1,"c":2}}"#, &["/a", "/a/b"], r#"{"a":{"b":1,"c":2}}"#);
    check(r#"{"a":{"b":1,"c":2},"d":1}"#, &["/a/b", ""], r#"{"a":{"b":1,"c":2},"d":1}"#);
}

#[test]
fn what_is_not_there_is_left_out() {
    check(r#"{"a":{"b":1},"s":"x","n":null}"#, &["/a/z", "/z/y", "/s/x", "/n"], r#"{"a":{},"n":null}"#);
}

#[test]
fn keys_are_compared_unescaped() {
    check(r#"{"\u0061/b":1,"m~n":2,"a":3}"#, &["/a~1b", "/m~0n"], r#"{"\u0061/b":1,"m~n":2}"#);
}

#[test]
fn an_array_is_taken_whole() {
    check(r#"{"a":[{"b":1,"c":2}],"d":1}"#, &["/a/0/b"], r#"{"a":[{"b":1,"c":2}]}"#);
}

#[test]
fn everything_is_the_original() {
    let text = " {\"a\" : 1} \n";
    let mut out = Vec::new();
    document(text).project(&Projection::everything(), &mut out);
    assert_eq!(out, text.as_bytes());
}

#[test]
fn a_patched_document_is_cut_down_alike() {
    let before = document(r#"{"a":{"b":1,"c":2},"d":[1]}"#);
    let edits = [set("/a/e", vec![string("x")]), remove("/a/c")];
    let patched = before.patch(&edits, &Projection::everything()).unwrap();
    let mut out = Vec::new();
    patched.project(&projection(&["/a/e", "/a/c"]), &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":{"e":"x"}}"#);
}
