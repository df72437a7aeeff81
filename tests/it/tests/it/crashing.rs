//! An event that kills the host does not kill it for ever.

use anyhow::ensure;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, millrace_binary};
use millrace_it::{Repeats, Stage, header};
use millrace_services::wait_until;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";
const EVENTS: u64 = 40;
/// The event that kills whoever runs it.
const KILLER: i64 = 17;
const PATIENCE: Duration = Duration::from_secs(60);

fn start(stage: &Stage) -> anyhow::Result<Host> {
    let die_at = format!("event:{KILLER}");
    Host::start_with(&millrace_binary()?, stage.folder(), &stage.enrichment.yaml(), &["--die-at", &die_at])
}

#[test]
fn the_culprit_becomes_an_error_event_and_nobody_else_does() -> anyhow::Result<()> {
    let stage = Stage::set_exactly_once("crashing", "page-content-change", 1, Duration::from_millis(5))?;
    let wiki = Wiki::numbered(0);
    stage.feed((0..EVENTS).map(|number| Change {
        wiki: &wiki,
        page_id: 1 + number,
        edit: 2,
        kind: Kind::Edit,
        dt: DT,
    }))?;
    for death in 1..=3 {
        let mut host = start(&stage)?;
        wait_until("the host's death", PATIENCE, || !host.is_running())
            .map_err(|late| late.context(format!("death {death}:\n{}", host.log_tail())))?;
    }
    let host = start(&stage)?;
    let counted = stage.committed_to_the_end(i64::try_from(EVENTS)?);
    counted.map_err(|late| late.context(host.log_tail()))?;
    ensure!(host.log().contains("it is run alone"), "nothing is said of suspects:\n{}", host.log());
    assert_eq!(host.terminate()?, Some(0));
    let came = Repeats::count(&stage.committed_outputs()?)?;
    assert_eq!((came.events, came.repeats), (usize::try_from(EVENTS - 1)?, 0), "all others came out once");
    let errors = stage.errors()?;
    assert_eq!(errors.len(), 1, "one error event");
    let event = millrace_it::json(&errors[0])?;
    assert_eq!(event["error_type"], "host_died");
    let source = header(&errors[0], "millrace-src").unwrap_or_default();
    assert!(source.ends_with(&format!("/0/{KILLER}")), "{source}");
    Ok(())
}
