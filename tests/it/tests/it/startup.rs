//! How a host begins: where it starts, and what it says when something is wrong before the first record.

use millrace_bed::enrichment::ANY_SCHEMA;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{free_address, millrace_binary};
use millrace_flow::record::OutputRecord;
use millrace_it::{Stage, header, kafka, record};
use millrace_services::Topic;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_missing_topic_is_named_with_the_command_that_creates_it() -> anyhow::Result<()> {
    let mut stage = Stage::set("absent", "page-content-change", 1, Duration::ZERO)?;
    stage.enrichment.output = "absent.nowhere".to_owned();
    let host = stage.start_unready()?;
    stage.wait_for_log(&host, &["absent.nowhere", "kafka-topics.sh", "--create"])?;
    let (status, body) = host.get("/readyz")?;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("absent.nowhere"), "{body}");
    assert_eq!(host.get("/healthz")?.0, 200);
    assert_eq!(host.terminate()?, Some(0));
    Ok(())
}

#[test]
fn a_new_group_starts_at_the_time_that_is_asked_for() -> anyhow::Result<()> {
    /// 2026-02-03T04:05:06Z, in milliseconds.
    const START_MS: i64 = 1_770_091_506_000;
    let mut stage = Stage::set("started", "identity", 1, Duration::ZERO)?;
    (stage.enrichment.names, stage.enrichment.schema) = (("in", "out"), ANY_SCHEMA);
    stage.enrichment.key.clear();
    stage.enrichment.start = "2026-02-03T04:05:06Z".to_owned();
    stage.feed_records((-5..5).map(|second| OutputRecord {
        timestamp_ms: START_MS + second * 1_000,
        ..record("started.in", None, Some(b"{}".to_vec()))
    }))?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 5)?;
    stage.committed_to_the_end(10)?;
    assert_eq!(host.terminate()?, Some(0));
    let first = stage.outputs()?.first().and_then(|output| header(output, "millrace-src"));
    assert!(first.as_deref().is_some_and(|source| source.ends_with("started.in/0/5")), "{first:?}");
    Ok(())
}

#[test]
fn checking_online_finds_topics_that_are_missing_or_too_small() -> anyhow::Result<()> {
    let mut stage = Stage::set("checked", "page-content-change", 1, Duration::ZERO)?;
    kafka()?.create_topics(&[Topic::new("checked.small", 1, &[("max.message.bytes", "100000")])])?;
    stage.enrichment.output = "checked.small".to_owned();
    stage.enrichment.errors = "checked.nowhere".to_owned();
    let file = stage.folder().join("host.yaml");
    std::fs::write(&file, stage.enrichment.yaml().replace("{admin}", &free_address()?.to_string()))?;
    let said = Command::new(millrace_binary()?).args(["check", "--online", "--json"]).arg(&file).output()?;
    assert_eq!(said.status.code(), Some(2), "{}", String::from_utf8_lossy(&said.stderr));
    let found: serde_json::Value = serde_json::from_slice(&said.stdout)?;
    let mistakes = found["mistakes"].as_array().cloned().unwrap_or_default();
    let keys: Vec<&str> = mistakes.iter().filter_map(|mistake| mistake["key"].as_str()).collect();
    let output = "pipelines[0].outputs.page_content_change.max_message_bytes";
    assert_eq!(keys, [output, "pipelines[0].errors.topic"], "{found:#}");
    assert!(mistakes[1]["remedy"].as_str().is_some_and(|remedy| remedy.contains("kafka-topics.sh")), "{found:#}");
    Ok(())
}

#[test]
fn a_second_signal_ends_the_host_at_once() -> anyhow::Result<()> {
    let stage = Stage::set("impatient", "page-content-change", 1, Duration::from_secs(10))?;
    let wiki = Wiki::numbered(0);
    let dt = "2026-06-22T09:48:10Z";
    stage.feed([Change { wiki: &wiki, page_id: 1, edit: 2, kind: Kind::Edit, dt }])?;
    let host = stage.start()?;
    millrace_services::wait_until("a call under way", Duration::from_secs(30), || stage.api.calls() == 1)?;
    host.signal("TERM")?;
    stage.wait_for_log(&host, &["finishing what is in flight"])?;
    assert_eq!(host.terminate()?, Some(143), "the second signal");
    Ok(())
}
