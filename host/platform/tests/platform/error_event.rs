//! What is left of an event that failed.

use crate::envelope::shown;
use crate::sample::{PAGE_CHANGE, document, open_schema, origin, record};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use millrace_flow::outcome::Failure;
use millrace_flow::record::OutputRecord;
use millrace_platform::{ERROR_EVENT_BYTES_LEAST, ERROR_SCHEMA_URI, ErrorStream, build_error_event};
use proptest::prelude::*;
use serde_json::Value;

fn errors(bytes_max: usize) -> ErrorStream {
    let (stream, topic) = ("page_content_change.error".to_owned(), "eqiad.page_content_change.error".into());
    let schema = open_schema(ERROR_SCHEMA_URI);
    ErrorStream { stream, topic, emitter_id: "page_content_change".to_owned(), bytes_max, schema }
}

fn build(value: Option<&[u8]>, decoded: Option<&str>, failure: &Failure, bytes_max: usize) -> OutputRecord {
    let record = record(value);
    let input = decoded.map(document);
    build_error_event("not_found", failure, input.as_ref(), &errors(bytes_max), &origin(&record), 2, 1_782_121_700_042)
}

fn event_of(record: &OutputRecord) -> Value {
    serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()
}

fn header_of<'r>(record: &'r OutputRecord, name: &str) -> Option<&'r str> {
    let header = record.headers.iter().find(|header| *header.name == *name)?;
    std::str::from_utf8(header.value.as_ref()?).ok()
}

#[test]
fn a_failed_event_is_kept_with_what_is_known_of_it() {
    let failure = Failure {
        kind: "not_found".to_owned(),
        message: "no revision 250913410\u{1b}[31m\non example.wikipedia.org".to_owned(),
        stack: Some("enrich\n  at revision".to_owned()),
    };
    let event = r#"{"$schema":"/mediawiki/page/change/1.11.0","title":"Mühle \"am\" Bach\n","meta":{"stream":"mediawiki.page_change.v1","request_id":"r-1","domain":"example.wikipedia.org","uri":"https://example.wikipedia.org/wiki/M"}}"#;
    insta::assert_snapshot!(shown(&build(Some(event.as_bytes()), Some(event), &failure, 1 << 20)));
}

#[test]
fn what_is_no_text_is_kept_in_base64() {
    let failure = Failure::new("decode", "not UTF-8 at byte 6");
    insta::assert_snapshot!(shown(&build(Some(b"{\"a\":\"\xff\"}"), None, &failure, 1 << 20)));
}

#[test]
fn a_failed_tombstone_has_no_raw_event() {
    let record = build(None, None, &Failure::new("x", "y"), 1 << 20);
    assert_eq!(event_of(&record).get("raw_event"), None);
    assert_eq!(header_of(&record, "millrace-src"), Some("cluster-1/eqiad.mediawiki.page_change.v1/0/4711"));
}

#[test]
fn a_large_event_is_cut_and_marked() {
    let text = format!("{{\"a\":\"{}\"}}", "ü\\\"".repeat(100_000));
    let record = build(Some(text.as_bytes()), None, &Failure::new("x", "too large"), 100_000);
    let event = event_of(&record);
    let kept = event["raw_event"].as_str().unwrap();
    assert!(text.starts_with(kept) && kept.len() > 60_000);
    assert_eq!(
        event["message"],
        format!("too large [raw_event cut to the first {} of {} bytes]", kept.len(), text.len())
    );
    assert_eq!(header_of(&record, "millrace-raw-cut"), Some(&*text.len().to_string()));
    assert!((95_000..=100_000).contains(&record.bytes()), "{}", record.bytes());
}

#[test]
fn a_large_binary_is_cut_so_that_it_can_be_decoded() {
    let bytes = [0xff_u8; 200_000];
    let record = build(Some(&bytes), None, &Failure::new("x", "y"), 100_000);
    let kept = BASE64.decode(event_of(&record)["raw_event"].as_str().unwrap()).unwrap();
    assert!(bytes.starts_with(&kept) && kept.len() > 60_000);
    assert!(record.bytes() <= 100_000);
}

#[test]
fn the_input_is_named_only_where_its_names_are_texts() {
    let event = r#"{"$schema":5,"meta":{"stream":["s"],"uri":"","domain":"d"}}"#;
    let event = event_of(&build(Some(event.as_bytes()), Some(event), &Failure::new("x", "y"), 1 << 20));
    for name in ["errored_schema_uri", "errored_stream_name"] {
        assert_eq!(event.get(name), None);
    }
    assert_eq!((event["meta"].get("uri"), &event["meta"]["domain"]), (None, &Value::from("d")));
    assert_eq!(
        event_of(&build(None, Some(PAGE_CHANGE), &Failure::new("x", "y"), 0))["errored_schema_uri"],
        "/mediawiki/page/change/1.11.0"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn an_error_event_is_always_valid_and_always_fits(
        raw in prop::collection::vec(any::<u8>(), 0..64),
        repeat in 1_usize..4000,
        is_text: bool,
        message in ".{0,40}",
        long in 1_usize..400,
        bytes_max in 0_usize..200_000,
    ) {
        let raw = if is_text { String::from_utf8_lossy(&raw).into_owned().into_bytes() } else { raw }.repeat(repeat);
        let failure = Failure { kind: "x".to_owned(), message: message.repeat(long), stack: Some(message.repeat(long)) };
        let meta = serde_json::json!({"meta": {"stream": message.repeat(long), "uri": message.repeat(long), "domain": message}});
        let record = build(Some(&raw), Some(&meta.to_string()), &failure, bytes_max);
        prop_assert!(record.bytes() <= bytes_max.max(ERROR_EVENT_BYTES_LEAST));
        let event = event_of(&record);
        for required in ["$schema", "dt", "emitter_id", "message", "error_type"] {
            prop_assert!(event[required].is_string());
        }
        prop_assert_eq!(&event["meta"]["stream"], "page_content_change.error");
        prop_assert!(!event["message"].as_str().unwrap().contains(char::is_control));
        if header_of(&record, "millrace-raw-cut").is_none() {
            let kept = event["raw_event"].as_str().unwrap();
            let is_base64 = header_of(&record, "millrace-raw-encoding") == Some("base64");
            prop_assert_eq!(is_base64, std::str::from_utf8(&raw).is_err());
            let restored = if is_base64 { BASE64.decode(kept).unwrap() } else { kept.as_bytes().to_vec() };
            prop_assert_eq!(restored, raw);
        }
    }
}
