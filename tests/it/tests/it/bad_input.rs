//! Bad records: each ends as an error event or a counted skip, and the next record still goes through.

use anyhow::Context as _;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_it::{Stage, header, json, record};
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

/// What a bad record is, and the `error_type` that it becomes; none is a counted skip.
type BadValue = (&'static str, Option<Vec<u8>>, Option<&'static str>);

fn bad_values() -> Vec<BadValue> {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let valid_start = b"{\"meta\":{\"domain\":\"w0.wikipedia.org\"},\"x\":\"".to_vec();
    vec![
        ("a tombstone", None, None),
        ("an empty value", Some(Vec::new()), Some("decode")),
        ("only white space", Some(b"  \n".to_vec()), Some("decode")),
        ("no JSON", Some(b"{not json".to_vec()), Some("decode")),
        ("invalid UTF-8", Some([valid_start, b"\xff\xfe\"}".to_vec()].concat()), Some("decode")),
        ("a byte-order mark", Some(b"\xef\xbb\xbf{}".to_vec()), Some("decode")),
        ("an array", Some(b"[1,2,3]".to_vec()), Some("decode")),
        ("a number", Some(b"42".to_vec()), Some("decode")),
        ("two documents", Some(b"{}{}".to_vec()), Some("decode")),
        ("a duplicate key", Some(b"{\"a\":1,\"a\":2}".to_vec()), Some("decode")),
        ("a duplicate key in other letters", Some(b"{\"a\":1,\"\\u0061\":2}".to_vec()), Some("decode")),
        ("200 levels", Some(deep.into_bytes()), Some("decode")),
        ("a lone surrogate", Some(b"{\"a\":\"\\ud800\"}".to_vec()), Some("decode")),
        (
            "above the size limit",
            Some(format!("{{\"a\":\"{}\"}}", "x".repeat(3_000_000)).into_bytes()),
            Some("too_large"),
        ),
    ]
}

#[test]
fn bad_records_become_error_events_and_the_next_goes_through() -> anyhow::Result<()> {
    let mut stage = Stage::set("bad", "page-content-change", 1, Duration::from_millis(5))?;
    stage.enrichment.limits.push("event_bytes: 2 MiB".to_owned());
    let wiki = Wiki::numbered(0);
    let good = |page_id| Change { wiki: &wiki, page_id, edit: 2, kind: Kind::Edit, dt: DT };
    let bad = bad_values();
    let mut records = Vec::new();
    for (number, (_, value, _)) in (1..).zip(&bad) {
        records.push(record("bad.in", Some(b"k".to_vec()), value.clone()));
        let change = good(number);
        let event = change.event(&stage.world).into_bytes();
        records.push(record("bad.in", Some(change.key().into_bytes()), Some(event)));
    }
    let count = records.len() as u64;
    stage.feed_records(records)?;
    let mut host = stage.start()?;
    let metrics = stage.settle(&mut host, count)?;
    stage.committed_to_the_end(i64::try_from(count)?)?;
    assert_eq!(host.terminate()?, Some(0));

    assert_eq!(stage.outputs()?.len(), bad.len(), "every good record came through");
    assert_eq!(metrics.sum("millrace_events_tombstone_total", &[]), 1.0);
    let errors = stage.errors()?;
    let expected: Vec<_> =
        bad.iter().filter_map(|(what, value, kind)| Some((what, value.as_ref()?, (*kind)?))).collect();
    assert_eq!(errors.len(), expected.len());
    for (error, (what, value, kind)) in errors.iter().zip(expected) {
        let event = json(error)?;
        assert_eq!(event["error_type"], kind, "{what}: {event}");
        assert_eq!(event["$schema"], "/error/2.1.0");
        assert_eq!(event["meta"]["stream"], "page_content_change.error");
        assert_eq!(event["emitter_id"], "enrichment");
        assert!(event["dt"].is_string() && event["message"].is_string());
        assert!(header(error, "millrace-src").is_some());
        match (std::str::from_utf8(value), header(error, "millrace-raw-encoding")) {
            (Ok(text), None) => assert_eq!(event["raw_event"].as_str(), Some(text), "{what}"),
            (Err(_), Some(encoding)) => assert_eq!(encoding, "base64", "{what}"),
            (_, encoding) => panic!("{what}: raw event is encoded as {encoding:?}"),
        }
    }
    Ok(())
}

#[test]
fn an_unknown_revision_is_an_error_event() -> anyhow::Result<()> {
    let stage = Stage::set("unknown", "page-content-change", 1, Duration::from_millis(5))?;
    let wiki = Wiki::numbered(0);
    let change = |page_id, edit| Change { wiki: &wiki, page_id, edit, kind: Kind::Edit, dt: DT };
    stage.feed([change(1, 850), change(2, 2), change(1, 3)])?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 3)?;
    assert_eq!(host.terminate()?, Some(0));
    let errors = stage.errors()?;
    assert_eq!(errors.len(), 1);
    let event = json(&errors[0])?;
    assert_eq!(event["error_type"], "not_found");
    assert_eq!(event["errored_stream_name"], "mediawiki.page_change.v1");
    assert_eq!(event["errored_schema_uri"], "/mediawiki/page/change/1.2.0");
    assert_eq!(stage.outputs()?.len(), 2);
    Ok(())
}

/// Brokers refuse timestamps from more than an hour ahead, so an output's timestamp is never later than now.
#[test]
fn an_event_from_the_future_goes_through() -> anyhow::Result<()> {
    let stage = Stage::set("future", "page-content-change", 1, Duration::from_millis(5))?;
    let wiki = Wiki::numbered(0);
    let change = |page_id, dt| Change { wiki: &wiki, page_id, edit: 2, kind: Kind::Edit, dt };
    stage.feed([change(1, DT), change(2, "2999-01-01T00:00:00Z"), change(3, DT)])?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 3)?;
    stage.committed_to_the_end(3)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.errors()?.len(), 0);
    let outputs = stage.outputs()?;
    assert_eq!(outputs.len(), 3);
    let future = outputs.iter().find(|output| json(output).is_ok_and(|event| event["page"]["page_id"] == 2));
    let future = future.context("no output of page 2")?;
    assert_eq!(json(future)?["dt"], "2999-01-01T00:00:00Z", "the event's own time stays");
    assert!(future.timestamp_ms < 2_500_000_000_000, "{}", future.timestamp_ms);
    Ok(())
}
