//! One host, a pipeline for every misdeed, and a bystander among them. A misdeed costs its own event, or its own pipeline
//! where it can never run; the host lives, and everybody else's events come out in order. What is to become of each stands
//! beside it, below `guests/hostile`.

mod cases;

use anyhow::{Context as _, ensure};
use cases::{Case, End};
use millrace_bed::enrichment::{ANY_SCHEMA, Enrichment};
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, Metrics, guest, millrace_binary};
use millrace_flow::record::Record;
use millrace_it::{Stage, header, json, kafka, record, settled_of};
use millrace_kafka::reader::{Isolation, TopicReader, committed};
use millrace_services::{Topic, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

/// Events of the input, which all pipelines read.
const EVENTS: u64 = 200;

/// Pages that share the events, in turn.
const PAGES: u64 = 20;

/// The offsets of the events that suffer the misdeed. The page of each has events before it and behind it.
const HOSTILE: [i64; 2] = [73, 126];

/// How long all of them may take, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(150);

#[test]
fn a_hostile_plugin_harms_its_own_events_and_nobody_else() -> anyhow::Result<()> {
    let cases = cases::all()?;
    let mut stage = Stage::set("hostile", "page-content-change", 1, Duration::from_millis(5))?;
    stage.enrichment.name = "bystander".to_owned();
    let pipelines = set_pipelines(&stage, &cases)?;
    feed(&stage)?;
    // Forty consumers on a busy machine are not always heard of within the short session of the other tests.
    let yaml =
        stage.enrichment.yaml_with(&pipelines).replace("session.timeout.ms: \"6000\"", "session.timeout.ms: \"45000\"");
    let mut host = Host::start(&millrace_binary()?, stage.folder(), &yaml)?;
    let came_to_an_end = || {
        let metrics = host.metrics().unwrap_or_default();
        let bystander = settled_of(&metrics, "bystander") == EVENTS as f64;
        bystander && cases.iter().all(|case| has_ended(case, &host, &metrics))
    };
    if let Err(error) = wait_until("every pipeline came to its end", PATIENCE, came_to_an_end) {
        let metrics = host.metrics()?;
        let open: Vec<&str> =
            cases.iter().filter(|case| !has_ended(case, &host, &metrics)).map(|case| case.name.as_str()).collect();
        anyhow::bail!("{error}: {open:?}\n{}", host.log_tail());
    }
    let metrics = host.metrics()?;
    let mut wrong = Vec::new();
    check_running(&stage, &stage.enrichment, &metrics).context("bystander")?;
    let outputs = outputs_in_order(&stage, &stage.enrichment)?;
    assert_eq!(outputs.len(), EVENTS as usize, "the bystander's");
    let errors = errors_by_pipeline(&stage)?;
    assert!(!errors.contains_key("bystander"));
    for (case, pipeline) in cases.iter().zip(&pipelines) {
        let errors = errors.get(&case.name).map(Vec::as_slice).unwrap_or_default();
        if let Err(error) = check(case, pipeline, &stage, &host, &metrics, errors) {
            wrong.push(format!("{}: {error:#}", case.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(host.get("/healthz")?.0, 200);
    assert!(host.is_running());
    assert_eq!(host.terminate()?, Some(0));
    Ok(())
}

/// One pipeline for each case, with an output topic of its own. Error events have a topic in common.
fn set_pipelines(stage: &Stage, cases: &[Case]) -> anyhow::Result<Vec<Enrichment>> {
    let topics: Vec<Topic> = cases
        .iter()
        .map(|case| Topic::new(&format!("hostile.{}.out", case.name), 1, &[("max.message.bytes", "10485760")]))
        .collect();
    kafka()?.create_topics(&topics)?;
    let pipeline = |case: &Case| {
        let plugin = match &case.bytes {
            Some(bytes) => {
                let file = stage.folder().join(format!("{}.wasm", case.name));
                std::fs::write(&file, bytes)?;
                file
            }
            None => guest(&case.guest)?,
        };
        Ok(Enrichment {
            name: case.name.clone(),
            group: format!("hostile.{}", case.name),
            output: format!("hostile.{}.out", case.name),
            names: ("in", "out"),
            schema: ANY_SCHEMA,
            plugin,
            settings: case.settings.clone(),
            limits: case.limits.clone(),
            ..stage.enrichment.clone()
        })
    };
    cases.iter().map(pipeline).collect()
}

fn feed(stage: &Stage) -> anyhow::Result<()> {
    let wiki = Wiki::numbered(0);
    let records = (0..EVENTS).zip(0_i64..).map(|(number, offset)| {
        let change =
            Change { wiki: &wiki, page_id: 1 + number % PAGES, edit: 2 + number / PAGES, kind: Kind::Edit, dt: DT };
        let event = change.event(&stage.world);
        let event = if HOSTILE.contains(&offset) { event.replacen('{', "{\"hostile\":true,", 1) } else { event };
        record(&stage.enrichment.input, Some(change.key().into_bytes()), Some(event.into_bytes()))
    });
    stage.feed_records(records)
}

/// Whether there is nothing left to wait for: its events are settled, or it says why it never runs.
fn has_ended(case: &Case, host: &Host, metrics: &Metrics) -> bool {
    match case.end {
        End::Stopped { .. } => reason(host, &case.name).is_some(),
        _ => settled_of(metrics, &case.name) >= EVENTS as f64,
    }
}

/// Why `/readyz` says that a pipeline is stopped, if it says so.
fn reason(host: &Host, pipeline: &str) -> Option<String> {
    let (_, body) = host.get("/readyz").ok()?;
    let told: Value = serde_json::from_str(&body).ok()?;
    Some(told.pointer(&format!("/pipelines/{pipeline}/reason"))?.as_str()?.to_owned())
}

fn check(
    case: &Case,
    pipeline: &Enrichment,
    stage: &Stage,
    host: &Host,
    metrics: &Metrics,
    errors: &[Value],
) -> anyhow::Result<()> {
    let (error_type, message, failed) = match &case.end {
        End::Stopped { message } => return check_stopped(case, pipeline, stage, host, metrics, message),
        End::Passes => ("", "", Vec::new()),
        End::Error { error_type, message } => (error_type.as_str(), message.as_str(), HOSTILE.to_vec()),
        End::AllErrors { error_type, message } => (error_type.as_str(), message.as_str(), (0..200).collect()),
    };
    check_running(stage, pipeline, metrics)?;
    let expected: Vec<i64> = (0..200).filter(|offset| !failed.contains(offset)).collect();
    let mut outputs = outputs_in_order(stage, pipeline)?;
    outputs.sort_unstable();
    ensure!(outputs == expected, "{} outputs, and not those expected", outputs.len());
    ensure!(errors.len() == failed.len(), "{} error events for {} failed events", errors.len(), failed.len());
    for error in errors {
        let said = error["message"].as_str().unwrap_or_default();
        ensure!(error["error_type"] == error_type && said.contains(message), "{}: {said}", error["error_type"]);
        ensure!(error["raw_event"].as_str().is_some_and(|raw| raw.contains("\"page_change_kind\"")), "no raw event");
    }
    // Whoever passed was counted once, however often it ran; unless the counters were flooded.
    let label = format!("pipeline=\"{}\"", case.name);
    if case.bytes.is_none() && metrics.sum("millrace_plugin_metrics_dropped_total", &[&label]) == 0.0 {
        let passed = metrics.sum("millrace_plugin_passed_total", &[&label]);
        ensure!(passed == expected.len() as f64, "{passed} were counted, and {} passed", expected.len());
    }
    Ok(())
}

/// A pipeline that cannot run says why in log, metric and readiness, and touches nothing.
fn check_stopped(
    case: &Case,
    pipeline: &Enrichment,
    stage: &Stage,
    host: &Host,
    metrics: &Metrics,
    message: &str,
) -> anyhow::Result<()> {
    let reason = reason(host, &case.name).context("it is not stopped")?;
    ensure!(reason.contains(message), "{reason}");
    let label = format!("pipeline=\"{}\"", case.name);
    ensure!(metrics.sum("millrace_pipeline_up", &[&label]) == 0.0, "it is up");
    ensure!(metrics.sum("millrace_pipeline_restarts_total", &[&label]) >= 1.0, "its stop was not counted");
    // The log escapes quotation marks.
    let told = host.log().lines().any(|line| line.contains(&case.name) && line.contains("The pipeline stopped."));
    ensure!(told, "the log does not tell of it");
    ensure!(outputs_in_order(stage, pipeline)?.is_empty(), "it emitted something");
    let progress = committed(&stage.cluster, &pipeline.group, &pipeline.input)?;
    ensure!(progress.values().all(|progress| progress.offset.is_none()), "it committed {progress:?}");
    Ok(())
}

/// What holds of every pipeline that runs: it is up, its books add up, and everything is committed.
fn check_running(stage: &Stage, pipeline: &Enrichment, metrics: &Metrics) -> anyhow::Result<()> {
    let label = format!("pipeline=\"{}\"", pipeline.name);
    ensure!(metrics.sum("millrace_pipeline_up", &[&label]) == 1.0, "it is not up");
    let came = metrics.sum("millrace_events_in_total", &[&label]);
    let settled = settled_of(metrics, &pipeline.name) + metrics.sum("millrace_events_in_flight", &[&label]);
    ensure!(came == EVENTS as f64 && settled == came, "{came} came, and {settled} are settled or in flight");
    let offset = || {
        let progress = committed(&stage.cluster, &pipeline.group, &pipeline.input).unwrap_or_default();
        progress.values().filter_map(|progress| progress.offset).sum::<i64>()
    };
    wait_until("everything committed", Duration::from_secs(30), || offset() == EVENTS as i64)
        .with_context(|| format!("{} of {EVENTS} is committed", offset()))
}

/// The input offsets of everything that a pipeline emitted, once it is sure that those of each key are in order.
fn outputs_in_order(stage: &Stage, pipeline: &Enrichment) -> anyhow::Result<Vec<i64>> {
    let mut latest: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
    let mut offsets = Vec::new();
    for output in read(stage, &pipeline.output)? {
        let source = header(&output, "millrace-src").context("no source")?;
        let offset: i64 = source.rsplit_once('/').context("no offset")?.1.parse()?;
        let before = latest.insert(output.key.as_ref().context("no key")?.to_vec(), offset);
        ensure!(before.is_none_or(|before| before < offset), "offset {offset} came after {before:?}");
        offsets.push(offset);
    }
    Ok(offsets)
}

fn errors_by_pipeline(stage: &Stage) -> anyhow::Result<BTreeMap<String, Vec<Value>>> {
    let mut errors: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for error in read(stage, &stage.enrichment.errors)? {
        let event = json(&error)?;
        errors.entry(event["emitter_id"].as_str().context("no emitter")?.to_owned()).or_default().push(event);
    }
    Ok(errors)
}

fn read(stage: &Stage, topic: &str) -> anyhow::Result<Vec<Record>> {
    Ok(TopicReader::open(&stage.cluster, topic, Isolation::ReadUncommitted)?.take_all(30_000)?)
}
