//! A plugin's fault is its own event's: the others go through, in order.

use millrace_bed::enrichment::ANY_SCHEMA;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_it::{Stage, json, record};
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

/// Feeds 400 events to a plugin that fails on those of page 13, which have `doom` added, and checks that the others come
/// out.
fn check(name: &str, plugin: &str, doom: &str, error_type: &str) -> anyhow::Result<()> {
    let mut stage = Stage::set(name, plugin, 1, Duration::from_millis(5))?;
    (stage.enrichment.names, stage.enrichment.schema) = (("in", "out"), ANY_SCHEMA);
    stage.enrichment.wikis.push("test.example.org".to_owned());
    let wiki = Wiki::numbered(0);
    let records = (0..400).map(|number| {
        let page_id = 1 + number % 40;
        let change = Change { wiki: &wiki, page_id, edit: 2 + number / 40, kind: Kind::Edit, dt: DT };
        let mut event = change.event(&stage.world);
        if page_id == 13 {
            event = event.replacen('{', &format!("{{{doom},"), 1);
        }
        record(&stage.enrichment.input, Some(change.key().into_bytes()), Some(event.into_bytes()))
    });
    stage.feed_records(records)?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 400)?;
    stage.committed_to_the_end(400)?;
    assert_eq!(host.terminate()?, Some(0));
    let errors = stage.errors()?;
    assert_eq!(errors.len(), 10, "the ten events of page 13");
    for error in &errors {
        let event = json(error)?;
        assert_eq!(event["error_type"], error_type, "{event}");
    }
    assert_eq!(stage.outputs()?.len(), 390);
    Ok(())
}

#[test]
fn a_trap_costs_its_own_event_only() -> anyhow::Result<()> {
    check("trapped", "trap", "\"trap\":\"panic_after_lookup\"", "plugin_trap")
}

#[test]
fn an_endless_loop_costs_its_own_event_only() -> anyhow::Result<()> {
    check("looping", "endless-loop", "\"loop\":true", "plugin_timeout")
}
