//! A backfill beside a live pipeline of the same host, and the limits that hosts of a group share.

use millrace_bed::enrichment::Enrichment;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, millrace_binary};
use millrace_it::{Stage, edits, kafka, record, settled_of, wait_for_metrics};
use millrace_services::Topic;
use std::fs;
use std::time::Duration;

/// More than comes out at one event a second while this test runs.
const OLD_EVENTS: u64 = 500;
const LIVE_EVENTS: u64 = 300;

/// A second pipeline for the stage's host, which is a backfill, with topics of its own.
fn beside(stage: &Stage, backfill: &str) -> anyhow::Result<Enrichment> {
    let old = Enrichment {
        name: "old".to_owned(),
        group: format!("{}.old", stage.enrichment.group),
        input: format!("{}.old", stage.enrichment.input),
        output: format!("{}.old", stage.enrichment.output),
        errors: format!("{}.old", stage.enrichment.errors),
        backfill: backfill.to_owned(),
        ..stage.enrichment.clone()
    };
    kafka()?.create_topics(
        &[&old.input, &old.output, &old.errors].map(|topic| Topic::new(topic, 2, &[("max.message.bytes", "10485760")])),
    )?;
    Ok(old)
}

#[test]
fn a_backfill_keeps_its_rate_until_it_is_given_another() -> anyhow::Result<()> {
    let stage = Stage::set("backfill", "page-content-change", 2, Duration::from_millis(20))?;
    let mut old = beside(&stage, "{ rate_per_second: 1 }")?;
    let wiki = Wiki::numbered(0);
    let of_old = |number| Change { page_id: 10_000 + number, ..edit(&wiki) };
    let records = (0..OLD_EVENTS).map(of_old).map(|change| {
        record(&old.input, Some(change.key().into_bytes()), Some(change.event(&stage.world).into_bytes()))
    });
    stage.feed_records(records)?;
    stage.feed(edits(&wiki, LIVE_EVENTS, 0..LIVE_EVENTS))?;
    let yaml = stage.enrichment.yaml_with(std::slice::from_ref(&old));
    let mut host = Host::start(&millrace_binary()?, stage.folder(), &yaml)?;
    wait_for_metrics(&host, "the live events", |metrics| settled_of(metrics, "enrichment") == LIVE_EVENTS as f64)?;
    wait_for_metrics(&host, "old events", |metrics| settled_of(metrics, "old") >= 2.0)?;
    let metrics = host.metrics()?;
    let (done, calls) = (settled_of(&metrics, "old"), metrics.sum("millrace_lookup_backfill_calls_total", &[]));
    assert!(done < OLD_EVENTS as f64 / 2.0, "{done} came at one a second");
    assert!(calls >= 2.0 && calls <= metrics.sum("millrace_lookup_calls_total", &[]) - 1.0, "{calls} calls");

    old.backfill = "{ rate_per_second: 1000 }".to_owned();
    let yaml = stage.enrichment.yaml_with(&[old]).replace("{admin}", &host.admin().to_string());
    fs::write(stage.folder().join("millrace.yaml"), yaml)?;
    host.signal("HUP")?;
    wait_for_metrics(&host, "all old events", |metrics| settled_of(metrics, "old") == OLD_EVENTS as f64)?;
    assert_eq!(host.metrics()?.sum("millrace_events_failed_total", &[]), 0.0);
    host.wait_ready()?;
    assert_eq!(host.terminate()?, Some(0));
    Ok(())
}

fn edit(wiki: &Wiki) -> Change<'_> {
    Change { wiki, page_id: 1, edit: 2, kind: Kind::Edit, dt: "2026-01-01T00:00:00Z" }
}

/// Waits until a host owns so many partitions and may make so many calls at once.
fn wait_for_part(host: &Host, partitions: f64, slots: f64) -> anyhow::Result<()> {
    wait_for_metrics(host, "its part of the group", |metrics| {
        let owned = metrics.sum("millrace_partitions_assigned", &[]);
        (owned, metrics.sum("millrace_lookup_target_slots", &[])) == (partitions, slots)
    })
}

#[test]
fn hosts_of_a_group_share_its_limits_by_their_partitions() -> anyhow::Result<()> {
    let mut stage = Stage::set("shared-limits", "page-content-change", 4, Duration::from_millis(1))?;
    stage.enrichment.call_slots = 8;
    stage.enrichment.mediawiki.push("group: { call_slots: 6 }".to_owned());
    let wiki = Wiki::numbered(0);
    let first = stage.start()?;
    stage.feed(edits(&wiki, 100, 0..100))?;
    wait_for_part(&first, 4.0, 6.0)?;
    let second = stage.start_beside("second")?;
    wait_for_part(&first, 2.0, 3.0)?;
    // A wiki is known from the first question on.
    wait_for_metrics(&second, "two partitions", |metrics| metrics.sum("millrace_partitions_assigned", &[]) == 2.0)?;
    stage.feed(edits(&wiki, 100, 100..200))?;
    wait_for_part(&second, 2.0, 3.0)?;
    assert_eq!(first.terminate()?, Some(0));
    wait_for_part(&second, 4.0, 6.0)?;
    stage.committed_to_the_end(200)?;
    assert_eq!(second.terminate()?, Some(0));
    assert_eq!(stage.errors()?.len(), 0);
    Ok(())
}
