//! `millrace audit`: a real run is clean, and each thing that somebody makes wrong in it by hand is found, with its
//! coordinates and nothing else.

use crate::command::{Ended, millrace};
use anyhow::{Context as _, ensure};
use millrace_bed::events::Wiki;
use millrace_flow::record::{OutputRecord, Record};
use millrace_it::{Stage, edits, header, json, kafka, record};
use millrace_kafka::config::ProducerConfig;
use millrace_kafka::writer::Writer;
use millrace_services::Topic;
use serde_json::{Value, json};
use std::time::Duration;

const PAGES: u64 = 10;
const EVENTS: u64 = 60;
const PARTITIONS: i32 = 2;

/// What is made wrong in an output: its name, how, and what is said of it.
type Case = (&'static str, fn(&mut Value), &'static str);

fn audit(stage: &Stage, arguments: &[&str]) -> anyhow::Result<Ended> {
    millrace(stage, "audit", &[&["--json"], arguments].concat())
}

/// Runs events of ten pages, one that is no JSON, a tombstone and a canary event to their ends.
fn run(name: &str) -> anyhow::Result<Stage> {
    let stage = Stage::set(name, "page-content-change", PARTITIONS, Duration::ZERO)?;
    let wiki = Wiki::numbered(0);
    stage.feed(edits(&wiki, PAGES, 0..EVENTS))?;
    let input = &stage.enrichment.input;
    let canary = br#"{"$schema":"/mediawiki/page/change/1.2.0","meta":{"domain":"canary"}}"#;
    stage.feed_records([
        record(input, Some(b"garbled".to_vec()), Some(b"{".to_vec())),
        record(input, Some(b"tombstone".to_vec()), None),
        record(input, None, Some(canary.to_vec())),
    ])?;
    let mut host = stage.start()?;
    stage.settle(&mut host, EVENTS + 3)?;
    stage.committed_to_the_end(i64::try_from(EVENTS)? + 3)?;
    ensure!(host.terminate()? == Some(0), "it ended badly");
    Ok(stage)
}

/// A copy of the outputs in which something is different, read by the pipeline from now on.
fn copy(stage: &mut Stage, end: &str, outputs: &[Record]) -> anyhow::Result<()> {
    let topic = format!("{}.{end}", stage.enrichment.output);
    kafka()?.create_topics(&[Topic::new(&topic, PARTITIONS, &[("max.message.bytes", "10485760")])])?;
    let writer = Writer::new(&ProducerConfig::new(stage.cluster.clone()))?;
    for output in outputs {
        let Record { timestamp_ms, key, value, headers, .. } = output.clone();
        let copied = OutputRecord { topic: topic.as_str().into(), timestamp_ms, key, value, headers };
        writer.write_to(output.source.partition, &copied)?;
    }
    writer.flush(60_000)?;
    stage.enrichment.output = topic;
    Ok(())
}

/// Audits a copy, and expects one finding: of this kind, about this output.
fn check(stage: &Stage, arguments: &[&str], kind: &str, about: &Record) -> anyhow::Result<Value> {
    let ended = audit(stage, arguments)?;
    ensure!(ended.code == Some(1), "{ended:?}");
    let findings = ended.result["findings"].as_array().context("no findings")?;
    ensure!(findings.len() == 1 && findings[0]["kind"] == kind, "{ended:?}");
    let source = header(about, "millrace-src").context("no source")?;
    let event = findings[0]["event"].as_str().context("no event")?;
    ensure!(source.ends_with(event), "{source} is not what {event} is");
    let key = about.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned());
    ensure!(findings[0]["key"].as_str().map(str::to_owned) == key, "{key:?}: {ended:?}");
    Ok(findings[0].clone())
}

/// The places of two outputs of one key that follow each other in their partition.
fn neighbours(outputs: &[Record]) -> Option<(usize, usize)> {
    (0..outputs.len()).find_map(|one| {
        let same = |other: &usize| {
            (&outputs[*other].key, outputs[*other].source.partition)
                == (&outputs[one].key, outputs[one].source.partition)
        };
        Some((one, (one + 1..outputs.len()).find(same)?))
    })
}

#[test]
fn a_real_run_is_clean_and_what_is_made_wrong_is_found() -> anyhow::Result<()> {
    let mut stage = run("audit")?;
    let clean = audit(&stage, &["--every-event"])?;
    assert_eq!((clean.code, &clean.result["clean"]), (Some(0), &json!(true)), "{clean:?}");
    let sum = |result: &Value, what: &str| -> u64 {
        result["read"].as_array().unwrap().iter().map(|partition| partition[what].as_u64().unwrap()).sum()
    };
    for (what, expected) in [
        ("events", EVENTS + 3),
        ("with_outputs", EVENTS),
        ("failed", 1),
        ("canary", 1),
        ("tombstones_without_result", 1),
        ("without_result", 0),
        ("open", 0),
    ] {
        assert_eq!(sum(&clean.result, what), expected, "{what}: {clean:?}");
    }

    let outputs = stage.outputs()?;
    let (one, other) = neighbours(&outputs).context("no key has two outputs")?;

    let mut doubled = outputs.clone();
    doubled.push(outputs[one].clone());
    copy(&mut stage, "doubled", &doubled)?;
    check(&stage, &[], "doubled", &outputs[one])?;
    let allowed = audit(&stage, &["--allow-repeats"])?;
    assert_eq!((allowed.code, sum(&allowed.result, "repeated")), (Some(0), 1), "{allowed:?}");

    let mut missing = outputs.clone();
    missing.remove(one);
    copy(&mut stage, "missing", &missing)?;
    check(&stage, &["--every-event"], "missing", &outputs[one])?;
    let counted = audit(&stage, &[])?;
    assert_eq!((counted.code, sum(&counted.result, "without_result")), (Some(0), 1), "{counted:?}");

    let mut disordered = outputs.clone();
    disordered.swap(one, other);
    copy(&mut stage, "disordered", &disordered)?;
    check(&stage, &[], "out_of_order", &outputs[one])?;
    Ok(())
}

#[test]
fn outputs_that_are_not_what_their_source_and_schema_make_of_them_are_invalid() -> anyhow::Result<()> {
    let mut stage = run("audit-invalid")?;
    let outputs = stage.outputs()?;
    let changed = |change: fn(&mut Value)| -> anyhow::Result<Vec<Record>> {
        let mut event = json(&outputs[3])?;
        change(&mut event);
        let mut changed = outputs.clone();
        changed[3].value = Some(event.to_string().into());
        Ok(changed)
    };
    let cases: [Case; 4] = [
        ("id", |event| event["meta"]["id"] = json!("0ff9bbe1-d0c5-5b1c-b2cc-1d2bd2c9a6a4"), "meta.id"),
        ("stream", |event| event["meta"]["stream"] = json!("another"), "meta.stream"),
        ("schema", |event| event["page"]["page_id"] = json!("no number"), "not valid"),
        ("title", |event| event["$schema"] = json!("/error/2.1.0"), "title"),
    ];
    for (name, change, said) in cases {
        stage.enrichment.output = "audit-invalid.out".to_owned();
        copy(&mut stage, name, &changed(change)?)?;
        let finding = check(&stage, &[], "invalid", &outputs[3])?;
        assert!(finding["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{said}: {finding}");
    }
    Ok(())
}

#[test]
fn an_audit_looks_at_the_range_that_it_is_told() -> anyhow::Result<()> {
    let stage = run("audit-range")?;
    let input = stage.enrichment.input.clone();
    let (from, to) = (format!("{input}:0:2"), format!("{input}:0:5"));
    let ended = audit(&stage, &["--from", &from, "--to", &to, "--to", &format!("{input}:1:0")])?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!((&ended.result["read"][0]["events"], &ended.result["read"][1]["events"]), (&json!(3), &json!(0)));
    // These records are older than that.
    let ended = audit(&stage, &["--since", "2026-01-01T00:00:00Z"])?;
    assert_eq!((ended.code, &ended.result["read"][0]["events"]), (Some(0), &json!(0)), "{ended:?}");
    for (arguments, said) in [
        (&["--from", "another:0:1"][..], "reads no partition another/0"),
        (&["--from", "nonsense"], "TOPIC:PARTITION:OFFSET"),
    ] {
        let ended = audit(&stage, arguments)?;
        assert!(ended.code != Some(0) && ended.said.contains(said), "{said}: {ended:?}");
    }
    Ok(())
}
