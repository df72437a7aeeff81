//! Runs that are killed, interrupted and taken over in the middle: at the end each error event was given back once.

use super::command::{begin, run};
use super::{read, stage};
use anyhow::{Context as _, ensure};
use millrace_flow::outcome::Failure;
use millrace_flow::record::{OutputRecord, Record, TopicPartition};
use millrace_it::{Stage, header};
use millrace_kafka::cluster::Cluster;
use millrace_platform::{Attempts, ErrorStream, Origin, build_error_event};
use millrace_services::wait_until;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const EVENTS: i64 = 60_000;
/// When the first one failed, 2026-02-02T02:40:00Z; each later one a second later.
const FIRST_MS: u64 = 1_770_000_000_000;
/// A run that has written so many has far to go yet.
const A_FEW: i64 = 1_000;

/// Error events as a pipeline writes them, each of a record of its own.
fn error_events(stage: &Stage, cluster_id: &str) -> Vec<OutputRecord> {
    let enrichment = &stage.enrichment;
    let event = |offset: i64, value: &str, bytes_max: usize, emitter_id: &str| {
        let record = Record {
            source: TopicPartition::new(enrichment.input.as_str(), 0),
            offset,
            timestamp_ms: 1_760_000_000_000 + offset,
            key: Some(offset.to_string().into_bytes().into()),
            value: Some(value.to_owned().into_bytes().into()),
            headers: Vec::new(),
        };
        let errors = ErrorStream {
            stream: "s.error".to_owned(),
            topic: enrichment.errors.as_str().into(),
            emitter_id: emitter_id.to_owned(),
            bytes_max,
        };
        let origin = Origin { pipeline: emitter_id, cluster_id, record: &record, timer: None, plugin_digest: "00" };
        let attempts = Attempts { run: 1, reprocessed: 0 };
        let now_ms = FIRST_MS + 1_000 * offset.unsigned_abs();
        build_error_event("x", &Failure::new("x", "y"), None, &errors, &origin, attempts, now_ms)
    };
    let mut all: Vec<_> = (0..EVENTS).map(|offset| event(offset, "{}", 1 << 20, &enrichment.name)).collect();
    all.push(event(EVENTS, &"x".repeat(100_000), 0, &enrichment.name));
    all.push(event(0, "{}", 1 << 20, "another"));
    all
}

/// Waits until a run has written so many more.
fn written(cluster: &Cluster, topic: &str, more: i64) -> anyhow::Result<()> {
    let end = || (0..2).filter_map(|partition| Some(cluster.offsets(topic, partition, 10_000).ok()?.1)).sum::<i64>();
    let begin = end();
    wait_until("a run that has written something", PATIENCE, || end() - begin >= more)
}

#[test]
fn runs_that_are_killed_interrupted_and_taken_over_give_each_event_back_once() -> anyhow::Result<()> {
    let (mut stage, again) = stage("reprocess-interrupted")?;
    stage.enrichment.reprocess = again.clone();
    let cluster = Cluster::connect(&stage.cluster)?;
    let cluster_id = cluster.id(10_000)?;
    stage.feed_records(error_events(&stage, &cluster_id))?;

    let times = ["--since", "2026-02-02T19:19:50Z", "--until", "2026-02-02T19:19:55Z"];
    let five = run(&stage, &[&["--dry-run"], &times[..]].concat())?;
    assert_eq!((&five["given_back"], &five["not_selected"]), (&5.into(), &6.into()), "the others are not even read");

    let killed = begin(&stage, &[])?;
    written(&cluster, &again, A_FEW)?;
    killed.kill()?;
    let interrupted = begin(&stage, &[])?;
    written(&cluster, &again, A_FEW)?;
    let ended = interrupted.interrupt()?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!((&ended.result["interrupted"], &ended.result["done"]), (&true.into(), &false.into()));
    let given_back = ended.result["given_back"].as_i64().context("no count")?;
    ensure!((1..EVENTS).contains(&given_back), "it was interrupted in the middle: {given_back}");

    let overtaken = begin(&stage, &[])?;
    written(&cluster, &again, A_FEW)?;
    let last = run(&stage, &[])?;
    let ended = overtaken.wait()?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let error = ended.result["error"].as_str().unwrap_or_default();
    assert!(error.contains("another run for this pipeline has begun"), "{ended:?}");

    let count = |fate: &str| last["error_types"]["x"][fate].as_i64().unwrap_or_default();
    assert_eq!(count("given_back") + count("before"), EVENTS, "{last}");
    assert_eq!((count("cut"), &last["of_other_pipelines"]), (1, &1.into()));
    let records = read(&stage, &again)?;
    let sources: BTreeSet<_> = records.iter().map(|record| header(record, "millrace-error-src")).collect();
    let events: BTreeSet<_> = records.iter().map(|record| header(record, "millrace-src")).collect();
    let once = usize::try_from(EVENTS)?;
    assert_eq!((records.len(), sources.len(), events.len()), (once, once, once), "each once");
    assert_eq!(run(&stage, &[])?["given_back"], 0);
    Ok(())
}
