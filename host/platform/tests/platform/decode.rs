//! What is taken for a document, and how the rest is refused.

use crate::sample::{bytes, document, escaped, string, written};
use bytes::Bytes;
use millrace_flow::blob::{Blob, Piece};
use millrace_flow::cause::Cause;
use millrace_platform::{DecodeError, DecodeLimits, Document, Pointer};
use std::path::Path;

fn parse(text: &[u8]) -> Result<Document, DecodeError> {
    Document::parse(Bytes::copy_from_slice(text), &DecodeLimits::default())
}

#[track_caller]
fn check(text: impl AsRef<[u8]>, expected: &str) {
    let error = parse(text.as_ref()).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.cause(), Cause::Decode);
}

#[test]
fn what_is_no_json_object_is_refused() {
    check("", "not JSON at byte 0: expected a value");
    check("{", "not JSON at byte 1: expected a key");
    check("[]", "the root of an event must be an object");
    check("null", "the root of an event must be an object");
    check(r#"{"a":1} x"#, "not JSON at byte 8: expected nothing behind the value");
    check(r#"{"a":1}{}"#, "not JSON at byte 7: expected nothing behind the value");
    check(r#"{"a":01}"#, "not JSON at byte 6: expected `,` or `}`");
    check(r#"{"a":+1}"#, "not JSON at byte 5: expected a value");
    check(r#"{"a":[1,]}"#, "not JSON at byte 8: expected a value");
    check(r#"{"a":1,}"#, "not JSON at byte 7: expected a key");
    check(r#"{'a':1}"#, "not JSON at byte 1: expected a key");
    check("{\"a\":\0}", "not JSON at byte 5: expected a value");
}

#[test]
fn what_readers_would_disagree_on_is_refused() {
    check("\u{feff}{}", "the text begins with a byte-order mark, which JSON does not allow");
    check(b"{\"a\":\"\xff\"}", "not UTF-8 at byte 6");
    check(b"{\"a\":\"\xed\xa0\x80\"}", "not UTF-8 at byte 6");
    check(r#"{"a":"\ud800"}"#, "half of a surrogate pair at byte 6");
    check(r#"{"a":"\udc00\ud800"}"#, "half of a surrogate pair at byte 6");
    check(r#"{"\ud800\u0061":1}"#, "half of a surrogate pair at byte 2");
    check("{\"a\":\"x\ty\"}", "a control character stands unescaped in the string at byte 7");
    check(r#"{"a":"\q"}"#, "invalid escape at byte 6");
}

#[test]
fn a_duplicate_key_is_refused_in_any_object() {
    check(r#"{"a":1,"b":2,"a":3}"#, "the key `a` at byte 14 is already in its object");
    check(r#"{"x":[{"a":1,"\u0061":3}]}"#, "the key `a` at byte 14 is already in its object");
    check(r#"{"":1,"":2}"#, "the key `` at byte 7 is already in its object");
    parse(br#"{"a":{"a":1},"b":{"a":1},"c":[{"a":1},{"a":2}]}"#).unwrap();
}

#[test]
fn a_duplicate_key_is_refused_in_a_large_object() {
    for members in [31, 32, 33, 34, 500] {
        for repeated in [0, members / 2, members - 1] {
            let keys = (0..members).map(|at| format!("\"a long common beginning {at:09} and end\":{at}"));
            let text = format!("{{{}}}", keys.collect::<Vec<_>>().join(","));
            parse(text.as_bytes()).unwrap();
            let duplicate = text.replace('}', &format!(",\"a long common beginning {repeated:09} and end\":0}}"));
            let error = parse(duplicate.as_bytes()).unwrap_err();
            assert!(matches!(error, DecodeError::DuplicateKey { offset, .. } if offset == text.len() + 1), "{error}");
        }
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    parse(nested(128).as_bytes()).unwrap();
    check(nested(129), "more than 128 levels at byte 132");
    check(nested(200), "more than 128 levels at byte 132");
    check("{\"a\":".to_owned() + &"[".repeat(1_000_000), "more than 128 levels at byte 132");
    check("{\"a\":".repeat(1_000_000), "more than 128 levels at byte 640");
}

#[test]
fn size_is_bounded() {
    let limits = DecodeLimits { bytes_max: 10, ..DecodeLimits::default() };
    Document::parse(Bytes::from_static(br#"{"a":1234}"#), &limits).unwrap();
    let error = Document::parse(Bytes::from_static(br#"{"a":12345}"#), &limits).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge { bytes: 11, bytes_max: 10 });
    assert_eq!(error.cause(), Cause::TooLarge);
    let pieces = [bytes("{\"a\":"), string("123456"), bytes("}")];
    let error = Document::from_pieces(&pieces, &limits).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge { bytes: 12, bytes_max: 10 });
}

#[test]
fn a_document_is_written_as_it_came() {
    let text = "\n { \"b\" : 1.50 ,\"a\":[ 1E400, -0 ],\"\\u00e9\":\"\\/\" } \n";
    let document = document(text);
    assert_eq!(written(&document), text);
    let found = document.get(&Pointer::parse("/é").unwrap()).unwrap();
    assert_eq!((&*found.raw(), &*found.as_str().unwrap()), (&b"\"\\/\""[..], "/"));
    assert!(document.held() > text.len());
}

#[track_caller]
fn check_pieces(pieces: &[Piece], expected: Result<&str, &str>) {
    let document = Document::from_pieces(pieces, &DecodeLimits::default());
    let result = document.map(|document| written(&document)).map_err(|error| error.to_string());
    assert_eq!(result.as_deref().map_err(|error| &**error), expected);
}

#[test]
fn pieces_are_joined() {
    check_pieces(&[bytes("{\"a\":"), string("x\"y\n"), bytes("}")], Ok(r#"{"a":"x\"y\n"}"#));
    check_pieces(&[bytes("{\"a\":"), escaped(r"\u00e9\/", 3), bytes("}")], Ok(r#"{"a":"\u00e9\/"}"#));
    check_pieces(
        &[bytes("{\"a\": "), string("x"), bytes(" , \"b\":["), string("y"), bytes("]}")],
        Ok(r#"{"a": "x" , "b":["y"]}"#),
    );
    check_pieces(&[Piece::Blob(Blob::plain(Bytes::from_static(b"{\"a\":1}")))], Ok(r#"{"a":1}"#));
    // A string may be a key, too.
    check_pieces(&[bytes("{"), string("a"), bytes(":1}")], Ok(r#"{"a":1}"#));
    check_pieces(
        &[bytes("{"), string("a"), bytes(":1,\"a\":"), string("b"), bytes("}")],
        Err("the key `a` at byte 8 is already in its object"),
    );
}

#[test]
fn pieces_that_join_to_something_else_are_refused() {
    check_pieces(&[], Err("not JSON at byte 0: expected a value"));
    check_pieces(&[string("x")], Err("the root of an event must be an object"));
    check_pieces(
        &[bytes("{\"a\":"), string("x"), string("y"), bytes("}")],
        Err("not JSON at byte 8: expected `,` or `}`"),
    );
    check_pieces(&[bytes("{\"a\":1"), string("x"), bytes("}")], Err("not JSON at byte 6: expected `,` or `}`"));
    check_pieces(&[bytes("{\"a\":\"x"), string("y"), bytes("\"}")], Err("not JSON at byte 8: expected `,` or `}`"));
    check_pieces(&[bytes("{\"a\":\0,\"b\":"), string("y"), bytes("}")], Err("not JSON at byte 5: expected a value"));
    let not_text = Piece::JsonString(Blob::plain(Bytes::from_static(b"ab\xff")));
    check_pieces(
        &[bytes("{\"a\":"), not_text, bytes("}")],
        Err("the blob is not UTF-8 from byte 2 on, so it cannot be a JSON string"),
    );
}

#[test]
fn a_large_document_of_the_platform_survives() {
    // The platform's real stream configuration lies beside this repository in some checkouts, and is no part of it.
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/stream-config/streamconfigs_default_all_settings.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("passed over: the platform's stream configuration is not in this checkout");
        return;
    };
    assert_eq!(written(&document(&text)), text);
}
