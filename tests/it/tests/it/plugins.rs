//! The small plugins that ship with the platform, on the real host.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{guest, millrace_binary};
use millrace_it::{Stage, record};
use std::process::Command;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

fn changes(wiki: &Wiki) -> Vec<Change<'_>> {
    let kinds = [Kind::Create, Kind::Edit, Kind::Delete, Kind::Edit];
    let change = |(page_id, kind)| Change { wiki, page_id, edit: 2, kind, dt: DT };
    (1..=40).zip(kinds.into_iter().cycle()).map(change).collect()
}

/// Feeds 40 changes and a tombstone, and returns how many events were emitted and skipped.
fn run(name: &str, plugin: &str, settings: &str) -> anyhow::Result<(f64, f64)> {
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
    Ok((metrics.sum("millrace_events_emitted_total", &[]), metrics.sum("millrace_events_skipped_total", &[])))
}

#[test]
fn identity_lets_everything_through() -> anyhow::Result<()> {
    let (emitted, skipped) = run("same", "identity", "{}")?;
    assert_eq!(emitted, 41.0, "the tombstone among them");
    assert!(skipped < 1.0);
    Ok(())
}

#[test]
fn filter_skips_what_is_not_wanted_and_counts_why() -> anyhow::Result<()> {
    let (emitted, skipped) = run("filtered", "filter", "{ kinds: [edit] }")?;
    assert_eq!((emitted, skipped), (20.0, 20.0));
    Ok(())
}

#[test]
fn json_touch_emits_every_event() -> anyhow::Result<()> {
    let (emitted, _) = run("touched", "json-touch", "{}")?;
    assert_eq!(emitted, 40.0);
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
