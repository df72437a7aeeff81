//! A plugin's fault is its own event's: the others go through, in order.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_it::{Stage, json};
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

/// Feeds `count` events to a plugin that fails on those whose page is 13, and checks that the others come out.
fn check(name: &str, plugin: &str, error_type: &str) -> anyhow::Result<()> {
    let stage = Stage::set(name, plugin, 1, Duration::from_millis(5))?;
    let wiki = Wiki::numbered(0);
    let changes: Vec<Change<'_>> = (0..400)
        .map(|number| Change { wiki: &wiki, page_id: 1 + number % 40, edit: 2 + number / 40, kind: Kind::Edit, dt: DT })
        .collect();
    stage.feed(changes)?;
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
    check("trapped", "trap", "plugin_trap")
}

#[test]
fn an_endless_loop_costs_its_own_event_only() -> anyhow::Result<()> {
    check("looping", "endless-loop", "plugin_timeout")
}
