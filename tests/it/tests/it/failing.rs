//! Nearly every event fails: the pipeline stops taking them, says why, and goes on by itself once the cause is gone.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::troubled::Troubled;
use millrace_it::{Stage, settled, wait_for_metrics};
use serde_json::{from_value, json};
use std::sync::Arc;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";
const EVENTS: u64 = 5_000;
/// What may be in flight when the breaker opens, and ends as it would have.
const OPEN_MAX: u64 = 200;
/// So many must end before the share of them says anything.
const EVENTS_MIN: u64 = 100;
/// The head of each partition may go beyond what may be open, and a few single events find out.
const BEYOND: u64 = 10;

#[test]
fn a_pipeline_whose_events_fail_stops_taking_them_and_goes_on_by_itself() -> anyhow::Result<()> {
    let mut stage = Stage::set("failing", "page-content-change", 2, Duration::ZERO)?;
    stage.enrichment.limits = vec![
        format!("open_offsets: {OPEN_MAX}"),
        format!("failures: {{ percent: 50, window: 60 s, events: {EVENTS_MIN} }}"),
    ];
    let forbids: serde_json::Value = serde_json::from_str(include_str!("../../troubles/forbids.json"))?;
    let troubles = from_value(json!({ "forbids": forbids }))?;
    let api = stage.block_on(Troubled::start(None, Arc::clone(&stage.world), troubles))?;
    stage.enrichment.api = format!("http://{}", api.address());
    let wiki = Wiki { id: "forbidswiki".to_owned(), domain: "forbids.wikipedia.org".to_owned() };
    let change = |page_id| Change { wiki: &wiki, page_id, edit: 2, kind: Kind::Edit, dt: DT };
    stage.feed((1..=EVENTS).map(change))?;
    let mut host = stage.start()?;

    let in_flight = |metrics: &millrace_bed::host::Metrics| metrics.sum("millrace_events_in_flight", &[]);
    wait_for_metrics(&host, "a pipeline that takes no more events", |metrics| {
        metrics.sum("millrace_pipeline_failing", &[]) == 1.0 && in_flight(metrics) == 0.0
    })?;
    let failed = settled(&host.metrics()?) as u64;
    assert!((EVENTS_MIN..=EVENTS_MIN + OPEN_MAX + BEYOND).contains(&failed), "{failed} of {EVENTS} failed");
    wait_for_metrics(&host, "single events that fail too", |metrics| settled(metrics) as u64 > failed + 1)?;
    let (status, body) = host.get("/readyz")?;
    assert_eq!(status, 200, "it goes on by itself, so the host is ready: {body}");
    assert!(body.contains("events failed within 60 s") && body.contains("as lookup_denied"), "{body}");
    stage.wait_for_log(&host, &["So many events fail", "lookup_denied", "\"level\":\"ERROR\""])?;
    let metrics = host.metrics()?;
    assert_eq!(metrics.sum("millrace_partitions_assigned", &[]), 2.0, "it stays in its group");
    assert!(settled(&metrics) as u64 <= failed + BEYOND, "and takes single ones only");

    api.heal();
    let metrics = stage.settle(&mut host, EVENTS)?;
    stage.wait_for_log(&host, &["Events no longer fail"])?;
    assert_eq!(metrics.sum("millrace_pipeline_failing", &[]), 0.0);
    stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    assert_eq!(host.terminate()?, Some(0));
    let (errors, outputs) = (stage.errors()?.len() as u64, stage.outputs()?.len() as u64);
    assert_eq!(errors + outputs, EVENTS, "each event has one ending");
    assert!(errors <= failed + BEYOND, "{errors} error events");
    assert_eq!(metrics.sum("millrace_events_failed_total", &["lookup_denied"]) as u64, errors);
    Ok(())
}
