//! Message keys: the bytes that the fields of an event become, exactly as the platform's other producers write them.

use crate::document::{Document, Kind, Value};
use crate::pointer::Pointer;
use millrace_flow::json_text;

/// One of a stream's `message_key_fields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyField {
    /// The member's name in the key.
    pub name: String,
    /// Where its value is in the event.
    pub pointer: Pointer,
}

/// The bytes of a JSON object of `fields` in their order, without white space.
///
/// Producers that share a topic must agree on every byte, or partitions and lanes disagree. The others stringify parsed
/// JSON as JavaScript does; so strings have the shortest escapes whatever the event had, and numbers that are written
/// with a point or an exponent become the integer that they are. Integers beyond 2^53 keep their digits.
///
/// # Errors
/// The name of a field that is missing, null, an object or an array.
pub fn build<'f>(document: &Document, fields: &'f [KeyField]) -> Result<Vec<u8>, &'f str> {
    let mut out = Vec::with_capacity(96);
    out.push(b'{');
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_string(&field.name, &mut out);
        out.push(b':');
        let value = document.get(&field.pointer).ok_or(&*field.name)?;
        push_scalar(value, &mut out).ok_or(&*field.name)?;
    }
    out.push(b'}');
    Ok(out)
}

fn push_scalar(value: Value<'_>, out: &mut Vec<u8>) -> Option<()> {
    match value.kind() {
        Kind::String => push_string(&value.as_str()?, out),
        Kind::Number => push_number(&value.raw(), out),
        Kind::Bool => out.extend_from_slice(&value.raw()),
        Kind::Null | Kind::Object | Kind::Array => return None,
    }
    Some(())
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    json_text::escape_into(text.as_bytes(), out);
    out.push(b'"');
}

fn push_number(raw: &[u8], out: &mut Vec<u8>) {
    /// Up to here every integer is a number of JavaScript's.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let is_plain = raw != b"-0" && raw.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
    let number = std::str::from_utf8(raw).ok().and_then(|text| text.parse::<f64>().ok());
    match number.filter(|number| !is_plain && number.fract() == 0.0 && number.abs() <= EXACT_MAX) {
        // Adding zero makes -0 a 0.
        Some(number) => out.extend_from_slice(format!("{:.0}", number + 0.0).as_bytes()),
        None => out.extend_from_slice(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeLimits;
    use bytes::Bytes;

    #[track_caller]
    fn check(event: &'static str, expected: Result<&str, &str>) {
        let document = Document::parse(Bytes::from_static(event.as_bytes()), &DecodeLimits::default()).unwrap();
        let field = |name: &str, pointer| KeyField { name: name.to_owned(), pointer: Pointer::parse(pointer).unwrap() };
        let fields = [field("wiki_id", "/wiki_id"), field("page_id", "/page/page_id")];
        let key = build(&document, &fields).map(|key| String::from_utf8(key).unwrap());
        assert_eq!(key.as_deref().map_err(|name| *name), expected);
    }

    #[test]
    fn the_key_has_the_order_of_the_stream() {
        check(r#"{"page":{"page_id": 123 },"wiki_id" : "enwiki"}"#, Ok(r#"{"wiki_id":"enwiki","page_id":123}"#));
    }

    #[test]
    fn the_key_is_what_other_producers_make_of_the_same_values() {
        check(
            r#"{"page":{"page_id":"a\/\u00e9\u0001"},"wiki_id":true}"#,
            Ok("{\"wiki_id\":true,\"page_id\":\"a/é\\u0001\"}"),
        );
        check(r#"{"page":{"page_id":1.0},"wiki_id":1e2}"#, Ok(r#"{"wiki_id":100,"page_id":1}"#));
        check(r#"{"page":{"page_id":-0},"wiki_id":-5}"#, Ok(r#"{"wiki_id":-5,"page_id":0}"#));
        check(
            r#"{"page":{"page_id":0.5},"wiki_id":18446744073709551615}"#,
            Ok(r#"{"wiki_id":18446744073709551615,"page_id":0.5}"#),
        );
    }

    #[test]
    fn a_key_field_must_be_there_and_simple() {
        check(r#"{"page":{},"wiki_id":"enwiki"}"#, Err("page_id"));
        check(r#"{"page":{"page_id":null},"wiki_id":"enwiki"}"#, Err("page_id"));
        check(r#"{"page":{"page_id":{}},"wiki_id":"enwiki"}"#, Err("page_id"));
        check(r#"{"page":{"page_id":1},"wiki_id":[]}"#, Err("wiki_id"));
    }
}
