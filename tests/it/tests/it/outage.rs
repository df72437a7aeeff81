//! One wiki is out: the others go on until the window is full of its events, and then the partition waits and the metrics
//! name the wiki.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::Metrics;
use millrace_bed::troubled::Troubled;
use millrace_it::{Stage, settled};
use millrace_services::wait_until;
use serde_json::{from_value, json};
use std::sync::Arc;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";
const PATIENCE: Duration = Duration::from_secs(60);
/// One in so many events is of the wiki that is out.
const ONE_IN: u64 = 10;
const WINDOW: u64 = 300;
const EVENTS: u64 = 4_000;

/// The wiki that is out hangs, which is worse than refusing: it holds calls.
#[test]
fn one_wiki_that_is_out_holds_the_others_up_only_once_the_window_is_full_of_it() -> anyhow::Result<()> {
    let mut stage = Stage::set("outage-of-one", "page-content-change", 1, Duration::ZERO)?;
    stage.enrichment.call_slots_total = 4;
    stage.enrichment.mediawiki.push("timeout: 2 s".to_owned());
    stage.enrichment.limits = vec![format!("open_offsets: {WINDOW}")];
    let hangs = json!({"trouble": "hangs", "result": "waits", "expected": {"events": "waits"},
                       "replies": [{"wait_ms": 3_600_000}], "then": "same"});
    let troubles = from_value(json!({"out": hangs}))?;
    let api = stage.block_on(Troubled::start(None, Arc::clone(&stage.world), troubles))?;
    stage.enrichment.api = format!("http://{}", api.address());
    let wikis = ["out", "well"].map(|name| Wiki { id: format!("{name}wiki"), domain: format!("{name}.wikipedia.org") });
    let change = |number: u64| {
        let wiki = if number.is_multiple_of(ONE_IN) { &wikis[0] } else { &wikis[1] };
        Change { wiki, page_id: 1 + number, edit: 2, kind: Kind::Edit, dt: DT }
    };
    stage.feed((0..EVENTS).map(change))?;
    let mut host = stage.start()?;

    let out = "target=\"out.wikipedia.org\"";
    let well = "target=\"well.wikipedia.org\"";
    let full = |metrics: &Metrics| {
        metrics.sum("millrace_lookup_target_waiting", &[out]) as u64 == WINDOW
            && metrics.sum("millrace_partitions_paused", &[]) == 1.0
            && metrics.sum("millrace_lookup_target_out", &[out]) == 1.0
    };
    wait_until("a window full of the wiki that is out", PATIENCE, || {
        host.metrics().is_ok_and(|metrics| full(&metrics))
    })?;
    let metrics = host.metrics()?;
    // The last one that fits is event number 2,990; all of the others before it have come through.
    let others = (WINDOW - 1) * (ONE_IN - 1);
    assert_eq!(settled(&metrics) as u64, others);
    assert_eq!(metrics.sum("millrace_lookup_target_out", &[well]), 0.0);
    assert_eq!(metrics.sum("millrace_events_in_flight", &[]) as u64, WINDOW);

    api.heal();
    stage.settle(&mut host, EVENTS)?;
    stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!((stage.errors()?.len(), stage.outputs()?.len()), (0, usize::try_from(EVENTS)?));
    Ok(())
}
