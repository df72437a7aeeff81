//! A plugin that spins with every turn beside one that does not: it is moved aside with all that it has open, and there
//! its events come to their end like any other.

use millrace_bed::enrichment::{ANY_SCHEMA, Enrichment};
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, guest, millrace_binary};
use millrace_it::{Repeats, Stage, kafka, settled_of};
use millrace_kafka::reader::{Isolation, TopicReader, committed};
use millrace_services::{Topic, wait_until};
use std::time::Duration;

/// Events of the input, which both pipelines read.
const EVENTS: u64 = 18;
/// Three times the slice, so that a few of them are too much, and short, so that low priority on a busy machine does.
const TURN: &str = "plugin: { turn: 60 ms, turn_per_input: 0 ms }";
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn a_plugin_that_spins_is_moved_aside_and_its_events_come_to_their_end() -> anyhow::Result<()> {
    let mut stage = Stage::set("sidelined", "page-content-change", 1, Duration::from_millis(20))?;
    kafka()?.create_topics(&[Topic::new("sidelined.spinning.out", 1, &[("max.message.bytes", "10485760")])])?;
    stage.enrichment.name = "healthy".to_owned();
    let spinning = Enrichment {
        name: "spinning".to_owned(),
        group: "sidelined.spinning".to_owned(),
        output: "sidelined.spinning.out".to_owned(),
        plugin: guest("hostile")?,
        names: ("in", "out"),
        schema: ANY_SCHEMA,
        settings: "{ misdeed: spin_always }".to_owned(),
        limits: vec![TURN.to_owned()],
        ..stage.enrichment.clone()
    };
    let wiki = Wiki::numbered(0);
    let change = |number| Change {
        wiki: &wiki,
        page_id: 1 + number % 6,
        edit: 2 + number / 6,
        kind: Kind::Edit,
        dt: "2026-06-22T09:48:10Z",
    };
    stage.feed((0..EVENTS).map(change))?;
    let yaml = stage.enrichment.yaml_with(std::slice::from_ref(&spinning));
    let host = Host::start(&millrace_binary()?, stage.folder(), &yaml)?;
    let both_ended = || {
        let Ok(metrics) = host.metrics() else { return false };
        ["healthy", "spinning"].iter().all(|pipeline| settled_of(&metrics, pipeline) == EVENTS as f64)
    };
    wait_until("both pipelines came to their end", PATIENCE, both_ended)
        .map_err(|late| late.context(host.log_tail()))?;

    let metrics = host.metrics()?;
    assert!(metrics.sum("millrace_pipeline_sidelined", &["spinning"]) >= 1.0, "{}", host.log());
    assert_eq!(metrics.sum("millrace_pipeline_sidelined", &["healthy"]), 0.0);
    assert_eq!(metrics.sum("millrace_events_failed_total", &["spinning", "plugin_timeout"]), EVENTS as f64);
    for group in [&stage.enrichment.group, &spinning.group] {
        let all_committed = || {
            let progress = committed(&stage.cluster, group, &stage.enrichment.input).unwrap_or_default();
            progress.values().filter_map(|progress| progress.offset).sum::<i64>() == i64::try_from(EVENTS).unwrap()
        };
        wait_until("all is committed", PATIENCE, all_committed)?;
    }
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(Repeats::count(&stage.outputs()?)?, Repeats { events: usize::try_from(EVENTS)?, repeats: 0 });
    let outputs = TopicReader::open(&stage.cluster, &spinning.output, Isolation::ReadUncommitted)?.take_all(30_000)?;
    assert_eq!(outputs.len(), 0);
    assert_eq!(stage.errors()?.len(), usize::try_from(EVENTS)?);
    Ok(())
}
