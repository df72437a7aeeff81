//! Who reads what, when hosts are restarted that have names of their own in their group (static membership), and when a
//! topic gets more partitions.

use millrace_bed::events::Wiki;
use millrace_bed::host::Host;
use millrace_it::{Repeats, Stage, edits, kafka, settled};
use millrace_services::wait_until;
use std::time::Duration;

const PAGES: u64 = 300;
/// Events come in three parts, each once hosts are there that are to be busy with it, however long that takes.
const FIRST: u64 = 3_000;
const SECOND: u64 = 6_000;
const EVENTS: u64 = 7_500;
const PATIENCE: Duration = Duration::from_secs(90);

fn feed(stage: &Stage, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let wiki = Wiki::numbered(0);
    stage.feed(edits(&wiki, PAGES, numbers))
}

fn wait_for(host: &Host, what: &str, done: impl Fn(&Host) -> Option<bool>) -> anyhow::Result<()> {
    wait_until(what, PATIENCE, || done(host) == Some(true)).map_err(|late| late.context(host.log_tail()))
}

fn owns(host: &Host, partitions: f64) -> Option<bool> {
    Some(host.metrics().ok()?.sum("millrace_partitions_assigned", &[]) == partitions)
}

fn has_settled(host: &Host, events: f64) -> Option<bool> {
    Some(settled(&host.metrics().ok()?) >= events)
}

/// How many partitions a host was given, and how often it had to let some go.
fn moves(host: &Host) -> (usize, usize) {
    let log = host.log();
    let count = |words| log.lines().filter(|line| line.contains(words)).count();
    (count("Partition assigned."), count("partitions revoked") + count("partitions lost"))
}

/// Exactly-once, and two hosts with names of their own that have two partitions each and work on them. A session lasts
/// longer than any restart.
fn two_named_hosts(name: &str) -> anyhow::Result<(Stage, Host, Host)> {
    let mut stage = Stage::set_exactly_once(name, "page-content-change", 4, Duration::from_millis(100))?;
    stage.enrichment.call_slots = 1;
    stage.enrichment.kafka_settings = "session.timeout.ms: \"60000\"".to_owned();
    feed(&stage, 0..FIRST)?;
    stage.enrichment.instance_id = "host-1".to_owned();
    let first = stage.start()?;
    stage.enrichment.instance_id = "host-2".to_owned();
    let second = stage.start_beside("second")?;
    wait_for(&second, "half of the partitions for the second", |host| owns(host, 2.0))?;
    wait_for(&first, "half of the partitions for the first", |host| owns(host, 2.0))?;
    feed(&stage, FIRST..SECOND)?;
    wait_for(&second, "events of the second", |host| has_settled(host, 200.0))?;
    Ok((stage, first, second))
}

/// Everything came out once.
fn check(stage: &Stage, events: u64, hosts: Vec<Host>) -> anyhow::Result<()> {
    stage.committed_to_the_end(i64::try_from(events)?)?;
    for host in hosts {
        assert_eq!(host.terminate()?, Some(0));
    }
    let came = Repeats::count(&stage.committed_outputs()?)?;
    assert_eq!((came.events, came.repeats), (usize::try_from(events)?, 0), "each event once");
    assert_eq!(stage.errors()?.len(), 0);
    Ok(())
}

#[test]
fn a_host_with_a_name_that_restarts_moves_no_partition() -> anyhow::Result<()> {
    let (stage, first, second) = two_named_hosts("named")?;
    let before = moves(&first);
    assert_eq!(second.terminate()?, Some(0));
    let second = stage.start_beside("second-again")?;
    wait_for(&second, "the same half for the second", |host| owns(host, 2.0))?;
    feed(&stage, SECOND..EVENTS)?;
    wait_for(&second, "events of the second", |host| has_settled(host, 200.0))?;
    assert_eq!(moves(&first), before, "nothing moved on the other host:\n{}", first.log());
    assert_eq!(moves(&second), (2, 0), "it was given its own at once:\n{}", second.log());
    check(&stage, EVENTS, vec![first, second])
}

#[test]
fn a_host_with_the_name_of_another_puts_it_out_once() -> anyhow::Result<()> {
    let (stage, first, second) = two_named_hosts("same-name")?;
    let third = stage.start_beside("third")?;
    wait_for(&third, "the half of the second for the third", |host| owns(host, 2.0))?;
    let told = "another host has the same `instance_id`";
    wait_for(&second, "the second to stop", |host| Some(host.log().contains(told)))?;
    feed(&stage, SECOND..EVENTS)?;
    wait_for(&third, "events of the third", |host| has_settled(host, 200.0))?;
    let (status, ready) = second.get("/readyz")?;
    assert!(status == 503 && ready.contains(told), "{status}: {ready}");
    stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    assert_eq!(second.metrics()?.sum("millrace_pipeline_restarts_total", &[]), 0.0, "it does not fight back");
    assert!(!third.log().contains(told), "{}", third.log());
    check(&stage, EVENTS, vec![first, third, second])
}

/// A topic gets more partitions while a host reads it.
fn grow(mut stage: Stage) -> anyhow::Result<()> {
    // In production the client looks every five minutes.
    stage.enrichment.kafka_settings =
        "session.timeout.ms: \"6000\", topic.metadata.refresh.interval.ms: \"1000\"".to_owned();
    feed(&stage, 0..600)?;
    let host = stage.start()?;
    wait_for(&host, "first events", |host| has_settled(host, 100.0))?;
    kafka()?.create_partitions(&stage.enrichment.input, 3)?;
    feed(&stage, 600..1_200)?;
    wait_for(&host, "the new partitions", |host| owns(host, 3.0))?;
    check(&stage, 1_200, vec![host])?;
    let progress = stage.committed()?;
    assert!(progress.len() == 3 && progress.values().all(|progress| progress.prefix > 0), "{progress:?}");
    Ok(())
}

#[test]
fn new_partitions_are_read_from_their_beginning() -> anyhow::Result<()> {
    grow(Stage::set("grown", "page-content-change", 1, Duration::from_millis(20))?)
}

#[test]
fn new_partitions_are_read_from_their_beginning_in_exactly_once() -> anyhow::Result<()> {
    grow(Stage::set_exactly_once("grown-once", "page-content-change", 1, Duration::from_millis(20))?)
}
