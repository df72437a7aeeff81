//! The small plugins that ship with the platform, on the real host.

use anyhow::Context as _;
use millrace_bed::enrichment::ANY_SCHEMA;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{guest, millrace_binary};
use millrace_flow::record::Record;
use millrace_it::{Stage, header, record};
use std::process::Command;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

fn changes(wiki: &Wiki) -> Vec<Change<'_>> {
    let kinds = [Kind::Create, Kind::Edit, Kind::Delete, Kind::Edit];
    let change = |(page_id, kind)| Change { wiki, page_id, edit: 2, kind, dt: DT };
    (1..=40).zip(kinds.into_iter().cycle()).map(change).collect()
}

/// Feeds 40 changes and a tombstone to a pipeline that is ordered by partition, and returns the offsets whose events came
/// out, in order.
fn run(name: &str, plugin: &str, settings: &str) -> anyhow::Result<Vec<i64>> {
    let mut stage = Stage::set(name, plugin, 1, Duration::ZERO)?;
    (stage.enrichment.names, stage.enrichment.schema) = (("in", "out"), ANY_SCHEMA);
    stage.enrichment.order = "partition";
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
    assert_eq!(metrics.sum("millrace_events_emitted_total", &[]) as usize, outputs.len());
    let offset = |output: &Record| header(output, "millrace-src")?.rsplit_once('/')?.1.parse().ok();
    outputs.iter().map(|output| offset(output).context("no source offset")).collect()
}

#[test]
fn identity_lets_everything_through() -> anyhow::Result<()> {
    assert_eq!(run("same", "identity", "{}")?, (0..41).collect::<Vec<_>>(), "the tombstone among them");
    Ok(())
}

#[test]
fn filter_skips_what_is_not_wanted() -> anyhow::Result<()> {
    let edits: Vec<i64> = (0..40).filter(|offset| offset % 2 == 1).collect();
    assert_eq!(run("filtered", "filter", "{ kinds: [edit] }")?, edits);
    Ok(())
}

#[test]
fn json_touch_emits_every_event() -> anyhow::Result<()> {
    assert_eq!(run("touched", "json-touch", "{}")?, (0..40).collect::<Vec<_>>());
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
