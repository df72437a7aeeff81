//! The smallest budgets that a configuration may have: slow, but nothing locks up, whatever the size of an event is beside
//! them.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_it::{Repeats, Stage, record};
use std::time::Duration;

const EVENTS: u64 = 60;
/// Every third event alone is nearly as large as everything that may be in flight; its answer comes on top of that.
const LARGE_BYTES: usize = 1_040_000;

#[test]
fn every_event_passes_the_smallest_budgets() -> anyhow::Result<()> {
    let mut stage = Stage::set("smallest-budgets", "page-content-change", 2, Duration::from_millis(5))?;
    (stage.enrichment.call_slots, stage.enrichment.call_slots_total) = (1, 1);
    stage.enrichment.limits = [
        "event_bytes: 1 MiB",
        "bytes_in_flight: 1 MiB",
        "open_offsets: 1",
        "plugin: { tickets: 1, inline: 0 B, result: 64 KiB }",
    ]
    .map(str::to_owned)
    .to_vec();
    let wiki = Wiki::numbered(0);
    let records = (0..EVENTS).map(|number| {
        let (page_id, edit) = (1 + number % 7, 2 + number / 7);
        let change = Change { wiki: &wiki, page_id, edit, kind: Kind::Edit, dt: "2026-06-22T09:48:10Z" };
        let event = change.event(&stage.world);
        let padding = if number % 3 == 0 { LARGE_BYTES.saturating_sub(event.len()) } else { 0 };
        let event = event.replacen('{', &format!("{{\"comment\":\"{}\",", "x".repeat(padding)), 1);
        record(&stage.enrichment.input, Some(change.key().into_bytes()), Some(event.into_bytes()))
    });
    stage.feed_records(records)?;
    let mut host = stage.start()?;
    stage.settle(&mut host, EVENTS)?;
    stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.errors()?.len(), 0);
    let came = Repeats::count(&stage.outputs()?)?;
    assert_eq!(came, Repeats { events: usize::try_from(EVENTS)?, repeats: 0 });
    Ok(())
}
