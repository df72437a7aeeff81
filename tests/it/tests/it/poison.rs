//! A little poison in a stream: what runs again because of it asks nobody again, counts once, and keeps its order.

use anyhow::Context as _;
use millrace_bed::enrichment::ANY_SCHEMA;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_it::{Stage, header, json, record};
use std::collections::BTreeMap;
use std::time::Duration;

const EVENTS: u64 = 3_000;

/// Every event is of a revision of its own, so that no two of them share an answer.
fn change(wiki: &Wiki, number: u64) -> Change<'_> {
    Change { wiki, page_id: 1 + number % 300, edit: 2 + number / 300, kind: Kind::Edit, dt: "2026-06-22T09:48:10Z" }
}

#[test]
fn one_poison_event_in_a_thousand_costs_no_further_call_and_nothing_counts_twice() -> anyhow::Result<()> {
    let mut stage = Stage::set("poison", "hostile", 1, Duration::from_millis(300))?;
    (stage.enrichment.names, stage.enrichment.schema) = (("in", "out"), ANY_SCHEMA);
    stage.enrichment.settings = "{ misdeed: trap }".to_owned();
    let wiki = Wiki::numbered(0);
    stage.feed_records((0..EVENTS).map(|number| {
        let change = change(&wiki, number);
        let event = change.event(&stage.world);
        let event = if number % 1_000 == 500 { event.replacen('{', "{\"hostile\":true,", 1) } else { event };
        record("poison.in", Some(change.key().into_bytes()), Some(event.into_bytes()))
    }))?;
    let mut host = stage.start()?;
    let metrics = stage.settle(&mut host, EVENTS)?;
    stage.committed_to_the_end(3_000)?;
    let log = host.log();
    assert_eq!(host.terminate()?, Some(0));

    let errors = stage.errors()?;
    assert_eq!(errors.len(), 3);
    for error in &errors {
        assert_eq!(json(error)?["error_type"], "plugin_trap");
    }
    let outputs = stage.outputs()?;
    assert_eq!(outputs.len(), 2_997);
    let mut latest: BTreeMap<_, i64> = BTreeMap::new();
    for output in &outputs {
        let source = header(output, "millrace-src").context("no source")?;
        let offset: i64 = source.rsplit_once('/').context("no offset")?.1.parse()?;
        let before = latest.insert(output.key.clone(), offset);
        assert!(before.is_none_or(|before| before < offset), "{offset} after {before:?}");
    }
    let asked = stage.api.revisions();
    assert!(asked <= EVENTS + EVENTS / 20, "{asked} revisions were asked for {EVENTS} events");

    let lost = metrics.sum("millrace_plugin_instances_lost_total", &[]);
    assert!(lost >= 6.0, "each poison event fails its company, and then alone: {lost}");
    assert_eq!(metrics.sum("millrace_plugin_passed_total", &[]), 2_997.0);
    let lines =
        log.lines().filter(|line| line.contains("The plugin says something.") && line.contains("passed")).count();
    let dropped = metrics.sum("millrace_plugin_log_lines_dropped_total", &[]);
    assert_eq!(lines as f64 + dropped, 2_997.0, "{lines} lines in the log, {dropped} beyond the rate");
    Ok(())
}
