//! Two hosts of one group: partitions move from one to the other, and nothing is lost on the way.

use millrace_bed::events::Wiki;
use millrace_bed::host::Host;
use millrace_it::{Repeats, Stage, edits, settled};
use millrace_services::wait_until;
use std::time::Duration;

/// So many lanes that what a host has in flight takes it longer than the second that a revoke gives it.
const PAGES: u64 = 1_000;
const EVENTS: u64 = 9_000;
/// Those that are there when the second host joins: however long that takes, both are busy once the others come.
const EVENTS_BEFORE: u64 = 6_000;
/// What one API call answers.
const CALL: usize = 50;
/// What one host enriches in a second: one call slot, an answer every 100 ms.
const RATE: usize = 10 * CALL;
const PATIENCE: Duration = Duration::from_secs(60);

fn stage(name: &str) -> anyhow::Result<Stage> {
    let mut stage = Stage::set(name, "page-content-change", 4, Duration::from_millis(100))?;
    stage.enrichment.call_slots = 1;
    stage.feed(edits(&Wiki::numbered(0), PAGES, 0..EVENTS_BEFORE))?;
    Ok(stage)
}

fn metric(host: &Host, name: &str) -> Option<f64> {
    Some(host.metrics().ok()?.sum(name, &[]))
}

fn wait_for(host: &Host, what: &str, done: impl Fn(&Host) -> Option<bool>) -> anyhow::Result<()> {
    wait_until(what, PATIENCE, || done(host) == Some(true)).map_err(|late| late.context(host.log_tail()))
}

fn owns(host: &Host, partitions: f64) -> Option<bool> {
    Some(metric(host, "millrace_partitions_assigned")? == partitions)
}

/// Starts a host, and while it is busy a second one; returns both once each has half of the partitions and works on them.
fn two_busy_hosts(stage: &Stage) -> anyhow::Result<(Host, Host)> {
    let first = stage.start()?;
    wait_for(&first, "first events", |host| Some(settled(&host.metrics().ok()?) >= 500.0))?;
    let second = stage.start_beside("second")?;
    wait_for(&second, "half of the partitions for the second", |host| owns(host, 2.0))?;
    wait_for(&first, "half of the partitions for the first", |host| owns(host, 2.0))?;
    assert_eq!(assignments(&first), 4, "the partitions that stay are not assigned again:\n{}", first.log());
    let log = first.log();
    assert!(!log.contains("not acknowledged in time"), "the progress of what went was too late:\n{log}");
    stage.feed(edits(&Wiki::numbered(0), PAGES, EVENTS_BEFORE..EVENTS))?;
    wait_for(&second, "events of the second", |host| Some(settled(&host.metrics().ok()?) >= 200.0))?;
    let before = metric(&first, "millrace_events_emitted_total");
    wait_for(&first, "more events of the first", |host| Some(metric(host, "millrace_events_emitted_total") > before))?;
    assert!(metric(&second, "millrace_events_in_flight") > Some(0.0), "the second is busy");
    Ok((first, second))
}

fn assignments(host: &Host) -> usize {
    host.log().lines().filter(|line| line.contains("Partition assigned.")).count()
}

/// The second has everything now, and brings it to its end. Returns how many events came out more than once.
fn finish(stage: &Stage, second: Host) -> anyhow::Result<usize> {
    wait_for(&second, "all partitions for the second", |host| owns(host, 4.0))?;
    stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    assert_eq!(second.terminate()?, Some(0));
    let came = Repeats::count(&stage.outputs()?)?;
    assert_eq!(came.events, usize::try_from(EVENTS)?, "no event is missing");
    assert_eq!(stage.errors()?.len(), 0);
    Ok(came.repeats)
}

#[test]
fn a_second_host_takes_half_and_then_all_when_the_first_ends() -> anyhow::Result<()> {
    let stage = stage("taken-over")?;
    let (first, second) = two_busy_hosts(&stage)?;
    assert_eq!(first.terminate()?, Some(0));
    let repeats = finish(&stage, second)?;
    // What does not finish within a second of the revoke is abandoned without having come out. Repeats are only what the
    // producer had and Kafka had not acknowledged when the second was over: a call's worth, or two.
    assert!(repeats <= 2 * CALL, "{repeats} events came out again");
    Ok(())
}

#[test]
fn a_second_host_takes_over_from_one_that_was_killed() -> anyhow::Result<()> {
    let stage = stage("killed-beside")?;
    let (first, second) = two_busy_hosts(&stage)?;
    first.kill()?;
    let repeats = finish(&stage, second)?;
    // What came out since the last commit, which is a second back at most and may take another one on a busy machine;
    // and a call's worth or two from the revoke, as above.
    assert!(repeats <= 2 * RATE + 2 * CALL, "{repeats} events came out again");
    Ok(())
}
