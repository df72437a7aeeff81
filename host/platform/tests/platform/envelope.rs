//! The records that emissions become.

use crate::sample::{PAGE_CHANGE, bytes, document, escaped, open_schema, origin, record, remove, set};
use bytes::Bytes;
use millrace_flow::cause::Cause;
use millrace_flow::outcome::{Emission, EmittedDocument};
use millrace_flow::record::{Header, OutputRecord, Record};
use millrace_platform::{CheckError, EditBudget, Given, KeyField, OutputStream, Pointer, Projection, build_output};
use serde_json::{Value, json};

const NOW_MS: u64 = 1_782_121_700_042;

fn stream() -> OutputStream {
    let field = |name: &str, pointer| KeyField { name: name.to_owned(), pointer: Pointer::parse(pointer).unwrap() };
    OutputStream {
        stream: "mediawiki.page_content_change.v1".to_owned(),
        topic: "eqiad.mediawiki.page_content_change.v1".into(),
        schema_uri: "/mediawiki/page/change/1.7.0".to_owned(),
        schema: open_schema("/mediawiki/page/change/1.7.0"),
        key_fields: vec![field("wiki_id", "/wiki_id"), field("page_id", "/page/page_id")],
        bytes_max: 10 << 20,
    }
}

fn emission(document: EmittedDocument) -> Emission {
    Emission { output: "enriched".to_owned(), key: None, document, headers: Vec::new() }
}

fn whole(text: &str) -> Emission {
    emission(EmittedDocument::Whole(vec![bytes(text)]))
}

fn build(input: &str, emission: Emission) -> Result<OutputRecord, CheckError> {
    build_from(&record(Some(input.as_bytes())), emission, &stream())
}

fn build_from(record: &Record, emission: Emission, stream: &OutputStream) -> Result<OutputRecord, CheckError> {
    let input = record.value.as_ref().map(|value| document(std::str::from_utf8(value).unwrap()));
    let (seen, origin) = (Projection::everything(), origin(record));
    let given = Given { document: input.as_ref(), seen: &seen, origin: &origin };
    build_output(&given, emission, 1, stream, NOW_MS, &mut EditBudget::default())
}

fn value_of(record: &OutputRecord) -> Value {
    serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()
}

/// A record as text that can be read: everything but the value line by line, the value as it is.
pub(crate) fn shown(record: &OutputRecord) -> String {
    let text =
        |bytes: &Option<Bytes>| bytes.as_ref().map_or("null".into(), |b| String::from_utf8_lossy(b).into_owned());
    let headers = record.headers.iter().map(|h| format!("{}: {}\n", h.name, text(&h.value))).collect::<String>();
    let (topic, timestamp_ms, key) = (&record.topic, record.timestamp_ms, text(&record.key));
    format!("topic: {topic}\ntimestamp_ms: {timestamp_ms}\nkey: {key}\n{headers}\n{}", text(&record.value))
}

#[test]
fn a_patched_event_has_the_hosts_envelope() {
    let body = vec![escaped(r"== M\u00fchle ==\n", 14)];
    let edits = vec![set("/revision/content_slots/main/content_body", body), remove("/prior_state")];
    insta::assert_snapshot!(shown(&build(PAGE_CHANGE, emission(EmittedDocument::Patch(edits))).unwrap()));
}

#[test]
fn a_new_event_has_the_hosts_envelope() {
    let emission = whole(
        r#"{"score": 0.50, "wiki_id": "w", "page": {"page_id": 7}, "meta": {"id": "mine", "domain": "own.example.org"}}"#,
    );
    insta::assert_snapshot!(shown(&build(PAGE_CHANGE, emission).unwrap()));
}

#[test]
fn meta_keeps_what_is_not_about_another_record() {
    let input = r#"{"wiki_id":"w","page":{"page_id":1},"meta":{"topic":"t","partition":0,"offset":5,"key":{"a":1},"x":{"y":1},"uri":"u"}}"#;
    let meta = value_of(&build(input, emission(EmittedDocument::Patch(Vec::new()))).unwrap())["meta"].clone();
    let id = meta["id"].clone();
    assert_eq!(
        meta,
        json!({"x": {"y": 1}, "uri": "u", "stream": stream().stream, "id": id, "dt": "2026-06-22T09:48:20.042Z"})
    );
}

#[test]
fn only_texts_are_carried_over() {
    let input = r#"{"dt":5,"meta":{"domain":["a"],"request_id":"r\n1"}}"#;
    let event = value_of(&build(input, whole(r#"{"wiki_id":"w","page":{"page_id":1}}"#)).unwrap());
    assert_eq!(event.get("dt"), None);
    assert_eq!(event["meta"].get("domain"), None);
    assert_eq!(event["meta"]["request_id"], "r\n1");
}

#[test]
fn the_record_has_the_time_of_the_event() {
    let timestamp = |dt: &str, of_record: i64| {
        let record = Record { timestamp_ms: of_record, ..record(Some(b"{}")) };
        let event = format!(r#"{{"wiki_id":"w","page":{{"page_id":1}},"dt":{dt}}}"#);
        build_from(&record, whole(&event), &stream()).unwrap().timestamp_ms
    };
    assert_eq!(timestamp(r#""1970-01-01T00:00:01.5Z""#, 7), 1500);
    assert_eq!(timestamp(r#""yesterday""#, 7), 7);
    assert_eq!(timestamp("1", -1), NOW_MS.cast_signed());
}

#[test]
fn the_key_is_the_plugins_or_the_streams() {
    let event = r#"{"wiki_id":"w","page":{"page_id":1}}"#;
    let key =
        |emission, stream: &OutputStream| build_from(&record(Some(b"{}")), emission, stream).map(|record| record.key);
    assert_eq!(key(whole(event), &stream()), Ok(Some(Bytes::from_static(br#"{"wiki_id":"w","page_id":1}"#))));
    let own = Bytes::from_static(b"own");
    assert_eq!(key(Emission { key: Some(own.clone()), ..whole("{}") }, &stream()), Ok(Some(own)));
    assert_eq!(key(whole(event), &OutputStream { key_fields: Vec::new(), ..stream() }), Ok(None));
    let missing = CheckError::Key { field: "page_id".to_owned() };
    assert_eq!(key(whole(r#"{"wiki_id":"w"}"#), &stream()), Err(missing));
}

#[test]
fn a_tombstone_has_the_inputs_key() {
    let tombstone = build(PAGE_CHANGE, emission(EmittedDocument::Tombstone)).unwrap();
    assert_eq!((tombstone.value, tombstone.key), (None, record(None).key));
    assert_eq!(tombstone.headers.len(), 3);
    let own = Emission { key: Some(Bytes::from_static(b"own")), ..emission(EmittedDocument::Tombstone) };
    assert_eq!(build(PAGE_CHANGE, own).unwrap().key.as_deref(), Some(&b"own"[..]));
}

#[test]
fn a_tombstone_as_input_can_be_answered_but_not_patched() {
    let record = record(None);
    let event = r#"{"wiki_id":"w","page":{"page_id":1}}"#;
    build_from(&record, whole(event), &stream()).unwrap();
    let patch = emission(EmittedDocument::Patch(Vec::new()));
    assert_eq!(build_from(&record, patch, &stream()), Err(CheckError::PatchOfTombstone));
}

#[test]
fn the_hosts_headers_are_the_hosts() {
    let with = |name: &str| {
        let header = Header { name: name.into(), value: None };
        Emission { headers: vec![header], ..emission(EmittedDocument::Tombstone) }
    };
    let names = |record: OutputRecord| record.headers.iter().map(|h| h.name.to_string()).collect::<Vec<_>>();
    let expected = ["mine", "millrace-src", "millrace-idx", "millrace-plugin"];
    assert_eq!(names(build("{}", with("mine")).unwrap()), expected);
    let refused = CheckError::Header { name: "millrace-src".to_owned() };
    assert_eq!(build("{}", with("millrace-src")), Err(refused));
}

#[test]
fn a_record_fits_its_stream_or_is_refused() {
    let event = r#"{"wiki_id":"w","page":{"page_id":1},"x":1}"#;
    let bytes = build("{}", whole(event)).unwrap().bytes();
    let with = |bytes_max| build_from(&record(Some(b"{}")), whole(event), &OutputStream { bytes_max, ..stream() });
    assert_eq!(with(bytes).unwrap().bytes(), bytes);
    assert_eq!(with(bytes - 1), Err(CheckError::TooLarge { bytes, bytes_max: bytes - 1 }));
    // Far too large: refused by what it is made of, before it is built.
    let body = vec![set("/body", vec![escaped(&"x".repeat(1000), 1000)])];
    let small = OutputStream { bytes_max: 500, ..stream() };
    let error =
        build_from(&record(Some(event.as_bytes())), emission(EmittedDocument::Patch(body)), &small).unwrap_err();
    assert!(matches!(error, CheckError::TooLarge { bytes: 1000..1400, .. }), "{error}");
    assert_eq!(error.cause(), Cause::OutputTooLarge);
    assert_eq!(with(20).unwrap_err().cause(), Cause::OutputTooLarge);
}

#[test]
fn what_is_no_event_is_invalid_output() {
    for text in ["[]", "{", r#"{"meta":1}"#, r#"{"meta":[]}"#, r#"{"a":1,"a":2}"#] {
        assert_eq!(build("{}", whole(text)).unwrap_err().cause(), Cause::OutputInvalid, "{text}");
    }
    let through_scalar = emission(EmittedDocument::Patch(vec![set("/a/b", vec![bytes("1")])]));
    assert_eq!(build(r#"{"a":1}"#, through_scalar).unwrap_err().cause(), Cause::OutputInvalid);
}

#[test]
fn all_emissions_of_an_outcome_share_one_budget() {
    let members: Vec<String> = (0..100_000).map(|number| format!("\"m{number}\":0")).collect();
    let text = format!("{{{}}}", members.join(","));
    let (record, seen, mut budget) = (record(Some(text.as_bytes())), Projection::everything(), EditBudget::default());
    let input = document(&text);
    let given = Given { document: Some(&input), seen: &seen, origin: &origin(&record) };
    let stream = OutputStream { key_fields: Vec::new(), bytes_max: 10 << 20, ..stream() };
    let mut built = 0;
    let error = loop {
        let patch = emission(EmittedDocument::Patch(vec![remove("/m0")]));
        match build_output(&given, patch, built, &stream, NOW_MS, &mut budget) {
            Ok(_) => built += 1,
            Err(error) => break error,
        }
    };
    // Thirteen changes each, the envelope's among them, of a document of 100,001 values.
    assert_eq!(built, 49);
    assert!(error.to_string().contains("would look at more than 64000000 values"), "{error}");
    assert_eq!(error.cause(), Cause::OutputInvalid);
}

#[test]
fn what_edits_set_has_a_bound_in_bytes() {
    let body = escaped(&"x".repeat(8 << 20), 8 << 20);
    let edits: Vec<_> = (0..9).map(|number| set(&format!("/body{number}"), vec![body.clone()])).collect();
    let large = OutputStream { bytes_max: usize::MAX, key_fields: Vec::new(), ..stream() };
    let patch =
        |edits: &[_]| build_from(&record(Some(b"{}")), emission(EmittedDocument::Patch(edits.to_vec())), &large);
    assert!(patch(&edits[..8]).is_ok());
    let error = patch(&edits).unwrap_err();
    assert_eq!(error.to_string(), "with \"/body8\" its edits set more than 67108864 bytes in all");
    assert_eq!(error.cause(), Cause::OutputTooLarge);
}
