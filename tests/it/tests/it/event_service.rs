//! Outputs that are posted to an event service: what it takes, what it refuses, and what becomes of its outages.

use millrace_bed::event_gate::EventGate;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_it::{Stage, json, wait_for_metrics};
use std::collections::BTreeMap;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";
const TITLES: &[(&str, &str)] = &[("mediawiki.page_content_change.v1", "mediawiki/page/change")];

fn set(name: &str) -> anyhow::Result<(Stage, EventGate)> {
    let mut stage = Stage::set(name, "page-content-change", 1, Duration::from_millis(5))?;
    let gate = stage.block_on(EventGate::start(TITLES))?;
    stage.enrichment.event_service = format!("{{ url: \"{}\" }}", gate.url());
    Ok((stage, gate))
}

/// The revisions of every page, in the order in which they were taken.
fn revisions(gate: &EventGate) -> BTreeMap<u64, Vec<u64>> {
    let mut pages: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for event in gate.taken() {
        let number = |path: &str| event.pointer(path).and_then(serde_json::Value::as_u64).unwrap();
        pages.entry(number("/page/page_id")).or_default().push(number("/revision/rev_id"));
    }
    pages
}

#[test]
fn outputs_are_posted_in_order_and_what_is_invalid_becomes_an_error_event() -> anyhow::Result<()> {
    let (stage, gate) = set("posted")?;
    gate.refuse_page(3);
    let wiki = Wiki::numbered(0);
    let changes = (1..=20).flat_map(|edit| {
        let wiki = &wiki;
        (1..=5).map(move |page_id| Change { wiki, page_id, edit, kind: Kind::Edit, dt: DT })
    });
    stage.feed(changes)?;
    let mut host = stage.start()?;
    let metrics = stage.settle(&mut host, 100)?;
    stage.committed_to_the_end(100)?;
    assert_eq!(host.terminate()?, Some(0));
    let pages = revisions(&gate);
    assert_eq!(pages.keys().copied().collect::<Vec<_>>(), [1, 2, 4, 5]);
    for (page, revisions) in pages {
        assert_eq!(revisions.len(), 20, "page {page}");
        assert!(revisions.is_sorted(), "page {page}: {revisions:?}");
    }
    assert_eq!(metrics.sum("millrace_events_emitted_total", &[]), 80.0);
    let errors = stage.errors()?;
    assert_eq!((errors.len(), stage.outputs()?.len()), (20, 0));
    let event = json(&errors[0])?;
    assert_eq!(event["error_type"], "output_invalid");
    assert!(event["message"].as_str().unwrap().contains("is not wanted here"), "{event}");
    Ok(())
}

#[test]
fn an_outage_of_the_event_service_loses_and_fails_nothing() -> anyhow::Result<()> {
    let (stage, gate) = set("gate-outage")?;
    gate.go_out();
    let wiki = Wiki::numbered(0);
    stage.feed((1..=30).map(|page_id| Change { wiki: &wiki, page_id, edit: 2, kind: Kind::Edit, dt: DT }))?;
    let mut host = stage.start()?;
    wait_for_metrics(&host, "posts that fail", |metrics| {
        metrics.sum("millrace_event_service_posts_total", &["outcome=\"failed\""]) >= 2.0
    })?;
    assert_eq!(host.metrics()?.sum("millrace_events_emitted_total", &[]), 0.0);
    gate.fail(7);
    gate.come_back();
    stage.settle(&mut host, 30)?;
    stage.committed_to_the_end(30)?;
    assert_eq!(host.terminate()?, Some(0));
    let pages = revisions(&gate);
    assert_eq!((pages.len(), pages.values().map(Vec::len).sum::<usize>()), (30, 30));
    assert_eq!(stage.errors()?.len(), 0);
    Ok(())
}

#[test]
fn an_event_service_that_does_not_know_us_is_named() -> anyhow::Result<()> {
    let (mut stage, gate) = set("gate-unknown")?;
    stage.enrichment.event_service = format!("{{ url: \"{}/elsewhere\" }}", gate.url());
    let wiki = Wiki::numbered(0);
    stage.feed([Change { wiki: &wiki, page_id: 1, edit: 2, kind: Kind::Edit, dt: DT }])?;
    let mut host = stage.start_unready()?;
    stage.wait_for_log(&host, &["The pipeline stopped", "the event service answered 404", "event_service"])?;
    assert!(host.is_running());
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!((stage.errors()?.len(), stage.committed()?.values().map(|p| p.prefix).sum::<i64>()), (0, 0));
    Ok(())
}
