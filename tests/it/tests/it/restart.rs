//! Ends and new beginnings: a host that is killed loses nothing, one that is asked to end leaves nothing open.

use millrace_bed::events::Wiki;
use millrace_it::{Repeats, Stage, edits, settled, settled_offsets};
use std::time::{Duration, Instant};

const PAGES: u64 = 150;
const EVENTS: u64 = 3_000;

#[test]
fn a_killed_host_loses_nothing_and_repeats_with_equal_ids() -> anyhow::Result<()> {
    let mut stage = Stage::set("killed", "page-content-change", 2, Duration::from_millis(50))?;
    stage.enrichment.limits.push("commit_interval: 200 ms".to_owned());
    stage.enrichment.call_slots = 2;
    let wiki = Wiki::numbered(0);
    stage.feed(edits(&wiki, PAGES, 0..EVENTS))?;
    let host = stage.start()?;
    let until = Instant::now() + Duration::from_secs(60);
    while settled(&host.metrics()?) < 500.0 {
        anyhow::ensure!(Instant::now() < until, "no progress:\n{}", host.log_tail());
    }
    host.kill()?;
    let before = stage.outputs()?.len();
    assert!(before < usize::try_from(EVENTS)?, "the kill came in the middle");

    let host = stage.start()?;
    stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    assert_eq!(host.terminate()?, Some(0));

    let came = Repeats::count(&stage.outputs()?)?;
    assert_eq!(came.events, usize::try_from(EVENTS)?, "no event is missing");
    Ok(())
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_commits_it() -> anyhow::Result<()> {
    let stage = Stage::set("drained", "page-content-change", 1, Duration::from_millis(300))?;
    let wiki = Wiki::numbered(0);
    stage.feed(edits(&wiki, PAGES, 0..EVENTS))?;
    let host = stage.start()?;
    let until = Instant::now() + Duration::from_secs(60);
    while settled(&host.metrics()?) < 100.0 {
        anyhow::ensure!(Instant::now() < until, "no progress:\n{}", host.log_tail());
    }
    assert_eq!(host.terminate()?, Some(0));
    let log = std::fs::read_to_string(stage.folder().join("millrace.log"))?;
    assert!(!log.contains("not committed in time"), "the host waited in vain for its last commit:\n{log}");
    let progress = stage.committed()?;
    let end = i64::try_from(EVENTS)?;
    let settled: usize = progress.values().map(|progress| settled_offsets(progress, end)).sum();
    assert_eq!(stage.outputs()?.len(), settled, "what came out is committed, and nothing else: {progress:?}");
    assert!((100..usize::try_from(EVENTS)?).contains(&settled), "it was asked to end in the middle, at {settled}");
    Ok(())
}
