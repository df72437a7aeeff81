//! Events that failed are given back, and end as if they had never failed: with the same ids, each once, whoever is killed
//! when.

mod command;
mod interrupted;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use command::{begin, run};
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::troubled::Troubled;
use millrace_flow::record::{Header, OutputRecord, Record};
use millrace_it::{Stage, header, json, kafka, record};
use millrace_kafka::cluster::Cluster;
use millrace_kafka::reader::{Isolation, TopicReader};
use millrace_platform::{Origin, meta_id};
use millrace_services::Topic;
use serde_json::{Value, from_value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";
const FORBIDDEN: u64 = 40;
const ALLOWED: u64 = 10;
const OUTPUT_STREAM: &str = "mediawiki.page_content_change.v1";

/// A stage whose pipeline may have the reprocess topic `NAME.again`.
fn stage(name: &str) -> anyhow::Result<(Stage, String)> {
    let stage = Stage::set(name, "page-content-change", 2, Duration::ZERO)?;
    let again = format!("{name}.again");
    kafka()?.create_topics(&[Topic::new(&again, 2, &[("max.message.bytes", "10485760")])])?;
    Ok((stage, again))
}

fn read(stage: &Stage, topic: &str) -> anyhow::Result<Vec<Record>> {
    Ok(TopicReader::open(&stage.cluster, topic, Isolation::ReadCommitted)?.take_all(30_000)?)
}

/// An event that is no UTF-8, with a header and a key of its own.
fn garbled(stage: &Stage) -> OutputRecord {
    let headers = vec![Header { name: "trace".into(), value: Some(vec![0, 255].into()) }];
    OutputRecord {
        headers,
        ..record(&stage.enrichment.input, Some(b"\xff key".to_vec()), Some(b"{\"a\":\"\xfe\"}".to_vec()))
    }
}

/// What every output of these inputs must be called, by its source.
fn expected_ids(stage: &Stage) -> anyhow::Result<BTreeMap<String, String>> {
    let cluster_id = Cluster::connect(&stage.cluster)?.id(10_000)?;
    let name = |record: &Record| {
        let origin = Origin {
            pipeline: &stage.enrichment.name,
            cluster_id: &cluster_id,
            record,
            timer: None,
            plugin_digest: "not part of it",
        };
        let source = format!("{cluster_id}/{}/{}", record.source, record.offset);
        (source, meta_id(&origin, OUTPUT_STREAM, 0).to_string())
    };
    Ok(read(stage, &stage.enrichment.input)?.iter().map(name).collect())
}

#[test]
fn failed_events_come_back_with_the_ids_that_they_would_have_had() -> anyhow::Result<()> {
    let (mut stage, again) = stage("reprocess")?;
    let forbids: Value = serde_json::from_str(include_str!("../../troubles/forbids.json"))?;
    let troubles = from_value(json!({ "forbids": forbids }))?;
    let api = stage.block_on(Troubled::start(None, Arc::clone(&stage.world), troubles))?;
    stage.enrichment.api = format!("http://{}", api.address());
    let [forbidden, allowed] =
        ["forbids", "well"].map(|name| Wiki { id: format!("{name}wiki"), domain: format!("{name}.wikipedia.org") });
    let change = |wiki, page_id| Change { wiki, page_id, edit: 2, kind: Kind::Edit, dt: DT };
    let wikis = (0..FORBIDDEN).map(|_| &forbidden).chain((0..ALLOWED).map(|_| &allowed));
    stage.feed((1..).zip(wikis).map(|(page_id, wiki)| change(wiki, page_id)))?;
    stage.feed_records([garbled(&stage)])?;
    let mut host = stage.start()?;
    let events = FORBIDDEN + ALLOWED + 1;
    stage.settle(&mut host, events)?;
    stage.committed_to_the_end(i64::try_from(events)?)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.errors()?.len() as u64, FORBIDDEN + 1);

    let without = begin(&stage, &[])?.wait()?;
    assert_eq!(without.code, Some(2), "the pipeline has no way back yet: {without:?}");
    assert!(without.said.contains("reprocess: { topic: NAME }"), "{without:?}");
    stage.enrichment.reprocess = again.clone();
    // What was given back before the pipeline first read the topic is not passed over.
    stage.enrichment.start = "latest".to_owned();

    let all = run(&stage, &["--dry-run"])?;
    assert_eq!((&all["given_back"], &all["error_types"]["decode"]["given_back"]), (&json!(FORBIDDEN + 1), &json!(1)));
    assert!(read(&stage, &again)?.is_empty(), "a dry run writes nothing");
    assert_eq!(run(&stage, &["--until", "2020-01-01T00:00:00Z"])?["not_selected"], FORBIDDEN + 1);
    let key = change(&forbidden, 7).key();
    let one = run(&stage, &["--key", &key, "--stream", "mediawiki.page_change.v1", "--since", "2020-01-01T00:00:00Z"])?;
    assert_eq!((&one["given_back"], &one["not_selected"]), (&json!(1), &json!(FORBIDDEN)));
    let rest = run(&stage, &["--error-type", "lookup_denied"])?;
    assert_eq!((&rest["given_back"], &rest["not_selected"]), (&json!(FORBIDDEN - 1), &json!(1)));
    let nothing = run(&stage, &["--error-type", "lookup_denied"])?;
    assert_eq!(nothing["given_back"], 0);
    assert_eq!(nothing["error_types"]["lookup_denied"]["before"], FORBIDDEN);

    api.heal();
    let mut host = stage.start()?;
    let metrics = stage.settle(&mut host, FORBIDDEN)?;
    assert_eq!(metrics.sum("millrace_events_reprocessed_total", &[]) as u64, FORBIDDEN);
    assert_eq!(host.terminate()?, Some(0));
    let outputs = stage.outputs()?;
    assert_eq!(outputs.len() as u64, FORBIDDEN + ALLOWED);
    let expected = expected_ids(&stage)?;
    let mut sources = BTreeSet::new();
    for output in &outputs {
        let event = json(output)?;
        let source = header(output, "millrace-src").context("no source")?;
        assert_eq!(event["meta"]["id"].as_str(), expected.get(&source).map(String::as_str), "{source}");
        assert_eq!(event["dt"], DT);
        let key: Value = serde_json::from_slice(output.key.as_deref().context("no key")?)?;
        assert_eq!(key["page_id"], event["page"]["page_id"]);
        assert!(sources.insert(source), "each event came out once");
    }
    assert_eq!(stage.errors()?.len() as u64, FORBIDDEN + 1, "none failed again");
    Ok(())
}

#[test]
fn an_event_that_fails_again_comes_back_as_it_was_until_its_attempts_are_used_up() -> anyhow::Result<()> {
    let (mut stage, again) = stage("reprocess-cap")?;
    stage.enrichment.reprocess = again;
    let garbled = garbled(&stage);
    stage.feed_records([garbled.clone()])?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 1)?;
    for times in 1..=2_u64 {
        assert_eq!(run(&stage, &["--attempts", "2"])?["given_back"], 1, "time {times}");
        stage.settle(&mut host, 1 + times)?;
    }
    let capped = run(&stage, &["--attempts", "2"])?;
    assert_eq!((&capped["given_back"], &capped["error_types"]["decode"]["at_the_cap"]), (&json!(0), &json!(1)));
    assert_eq!(capped["not_given_back"][0]["fate"], "at_the_cap");
    assert_eq!(run(&stage, &["--attempts", "3", "--dry-run"])?["given_back"], 1, "it may be more often");
    assert_eq!(host.terminate()?, Some(0));

    let mut errors = stage.errors()?;
    errors.sort_by_key(|error| header(error, "millrace-reprocessed"));
    let times: Vec<_> = errors.iter().map(|error| header(error, "millrace-reprocessed")).collect();
    assert_eq!(times, [None, Some("1".to_owned()), Some("2".to_owned())]);
    let mut ids = BTreeSet::new();
    for error in &errors {
        let event = json(error)?;
        assert_eq!(header(error, "millrace-raw-encoding").as_deref(), Some("base64"));
        let raw = STANDARD.decode(event["raw_event"].as_str().context("no raw event")?)?;
        assert_eq!(Some(raw.as_slice()), garbled.value.as_deref());
        let kept =
            |name: &str| error.headers.iter().find(|header| &*header.name == name).and_then(|kept| kept.value.clone());
        assert_eq!(kept("millrace-key"), garbled.key);
        assert_eq!(kept("millrace-header-trace"), garbled.headers[0].value);
        assert_eq!(header(error, "millrace-timestamp"), Some(garbled.timestamp_ms.to_string()));
        assert_eq!(header(error, "millrace-src"), header(&errors[0], "millrace-src"));
        assert!(ids.insert(event["meta"]["id"].to_string()), "each failure has its own id");
    }
    Ok(())
}

#[test]
fn a_record_that_nobody_gave_back_fails_and_stops_nothing() -> anyhow::Result<()> {
    let (mut stage, again) = stage("reprocess-foreign")?;
    stage.enrichment.reprocess = again.clone();
    stage.feed_records([record(&again, None, Some(b"{}".to_vec()))])?;
    let wiki = Wiki::numbered(0);
    stage.feed([Change { wiki: &wiki, page_id: 1, edit: 2, kind: Kind::Edit, dt: DT }])?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 2)?;
    let foreign = run(&stage, &[])?;
    assert_eq!((&foreign["given_back"], &foreign["not_given_back"][0]["fate"]), (&json!(0), &json!("foreign")));
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.outputs()?.len(), 1);
    let message = json(&stage.errors()?[0])?["message"].to_string();
    assert!(message.contains("only `millrace reprocess` writes"), "{message}");
    Ok(())
}
