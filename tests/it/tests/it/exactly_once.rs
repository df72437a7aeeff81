//! Exactly-once on a real broker: what readers of committed records see when hosts are killed, frozen and joined by others.

use millrace_bed::events::Wiki;
use millrace_bed::host::Host;
use millrace_it::{Repeats, Stage, edits, settled};
use millrace_services::wait_until;
use std::time::Duration;

const PAGES: u64 = 300;
const EVENTS: u64 = 6_000;
const PATIENCE: Duration = Duration::from_secs(90);

fn stage(name: &str, partitions: i32) -> anyhow::Result<Stage> {
    let mut stage = Stage::set_exactly_once(name, "page-content-change", partitions, Duration::from_millis(100))?;
    stage.enrichment.call_slots = 1;
    let wiki = Wiki::numbered(0);
    stage.feed(edits(&wiki, PAGES, 0..EVENTS))?;
    Ok(stage)
}

fn wait_for(host: &Host, what: &str, done: impl Fn(&Host) -> Option<bool>) -> anyhow::Result<()> {
    wait_until(what, PATIENCE, || done(host) == Some(true)).map_err(|late| late.context(host.log_tail()))
}

fn has_settled(host: &Host, events: f64) -> Option<bool> {
    Some(settled(&host.metrics().ok()?) >= events)
}

/// Everything came out once, and the group's copy of progress says so.
fn check(stage: &Stage, last: Host) -> anyhow::Result<()> {
    let counted = stage.committed_to_the_end(i64::try_from(EVENTS)?);
    counted.map_err(|late| late.context(last.log_tail()))?;
    assert_eq!(last.terminate()?, Some(0));
    let came = Repeats::count(&stage.committed_outputs()?)?;
    assert_eq!((came.events, came.repeats), (usize::try_from(EVENTS)?, 0), "each event once");
    assert_eq!(stage.errors()?.len(), 0);
    Ok(())
}

#[test]
fn every_event_comes_out_once() -> anyhow::Result<()> {
    let stage = stage("once", 2)?;
    let host = stage.start()?;
    wait_for(&host, "half of the events", |host| has_settled(host, 3_000.0))?;
    let metrics = host.metrics()?;
    assert!(metrics.sum("millrace_commits_total", &[]) > 5.0, "many transactions");
    assert_eq!(metrics.sum("millrace_aborted_outputs_total", &[]), 0.0);
    check(&stage, host)
}

#[test]
fn killed_hosts_leave_nothing_twice() -> anyhow::Result<()> {
    let stage = stage("once-killed", 2)?;
    for round in 1..=3 {
        let host = stage.start()?;
        wait_for(&host, "progress", |host| has_settled(host, 500.0))?;
        host.kill()?;
        let came = Repeats::count(&stage.committed_outputs()?)?;
        assert!(came.events < usize::try_from(EVENTS)?, "the kill came in the middle");
        assert_eq!(came.repeats, 0, "after kill {round}");
    }
    let host = stage.start()?;
    check(&stage, host)
}

#[test]
fn hosts_that_come_and_go_leave_nothing_twice() -> anyhow::Result<()> {
    let stage = stage("once-joined", 4)?;
    let first = stage.start()?;
    wait_for(&first, "first events", |host| has_settled(host, 300.0))?;
    let second = stage.start_beside("second")?;
    wait_for(&second, "events of the second", |host| has_settled(host, 300.0))?;
    first.kill()?;
    let third = stage.start_beside("third")?;
    wait_for(&third, "events of the third", |host| has_settled(host, 200.0))?;
    assert_eq!(second.terminate()?, Some(0));
    check(&stage, third)
}

#[test]
fn a_frozen_host_that_wakes_up_writes_nothing() -> anyhow::Result<()> {
    let stage = stage("once-frozen", 1)?;
    let frozen = stage.start()?;
    wait_for(&frozen, "first events", |host| has_settled(host, 300.0))?;
    frozen.signal("STOP")?;
    let second = stage.start_beside("second")?;
    wait_for(&second, "events of the second", |host| has_settled(host, 300.0))?;
    frozen.signal("CONT")?;
    wait_for(&second, "all events", |host| has_settled(host, 2_000.0))?;
    frozen.kill()?;
    check(&stage, second)
}
