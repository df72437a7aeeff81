//! The small plugins that ship with the platform, on the real host.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{guest, millrace_binary};
use millrace_it::{Stage, json, record};
use std::process::Command;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

fn changes(wiki: &Wiki) -> Vec<Change<'_>> {
    let kinds = [Kind::Create, Kind::Edit, Kind::Delete, Kind::Edit];
    let change = |(page_id, kind)| Change { wiki, page_id, edit: 2, kind, dt: DT };
    (1..=40).zip(kinds.into_iter().cycle()).map(change).collect()
}

/// Feeds 40 changes and a tombstone, and returns how many outputs there are and the first of them.
fn run(name: &str, plugin: &str, settings: &str) -> anyhow::Result<(Vec<serde_json::Value>, f64)> {
    let mut stage = Stage::set(name, plugin, 1, Duration::ZERO)?;
    stage.enrichment.names = ("in", "out");
    stage.enrichment.settings = settings.to_owned();
    let wiki = Wiki::numbered(3);
    stage.feed(changes(&wiki))?;
    stage.feed_records([record(&stage.enrichment.input, Some(b"k".to_vec()), None)])?;
    let mut host = stage.start()?;
    let metrics = stage.settle(&mut host, 41)?;
    stage.committed_to_the_end(41)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.errors()?.len(), 0);
    let outputs = stage.outputs()?;
    let events: anyhow::Result<Vec<_>> = outputs.iter().filter(|output| output.value.is_some()).map(json).collect();
    assert!(outputs.iter().all(|output| output.key.is_some()));
    Ok((events?, metrics.sum("millrace_events_skipped_total", &[])))
}

#[test]
fn identity_lets_everything_through() -> anyhow::Result<()> {
    let (events, skipped) = run("same", "identity", "{}")?;
    assert_eq!((events.len(), skipped), (40, 0.0));
    Ok(())
}

#[test]
fn filter_skips_what_is_not_wanted_and_counts_why() -> anyhow::Result<()> {
    let (events, skipped) = run("filtered", "filter", "{ kinds: [edit] }")?;
    assert_eq!((events.len(), skipped), (20, 20.0));
    assert!(events.iter().all(|event| event["page_change_kind"] == "edit"));
    Ok(())
}

#[test]
fn json_touch_writes_new_documents() -> anyhow::Result<()> {
    let (events, _) = run("touched", "json-touch", "{}")?;
    assert_eq!(events.len(), 40);
    assert!(events.iter().all(|event| event["touched"] == true && event["wiki_id"] == "w3wiki"));
    Ok(())
}

#[test]
fn inspect_says_what_a_plugin_wants() -> anyhow::Result<()> {
    let shown = Command::new(millrace_binary()?).arg("inspect").arg(guest("fan-out")?).arg("--json").output()?;
    assert!(shown.status.success());
    let facts: serde_json::Value = serde_json::from_slice(&shown.stdout)?;
    assert_eq!(facts["name"], "fan-out");
    assert!(facts["outputs"].get("changes").is_some() && facts["outputs"].get("pages").is_some());
    Ok(())
}
