//! Draining, and the switchover from one data centre's topic to another's that it is for.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, millrace_binary};
use millrace_it::{Stage, json, kafka};
use millrace_services::Topic;
use std::process::Command;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

/// `millrace pipeline ...` against a host: whether it succeeded, and all that it printed.
fn order(host: &Host, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
    let admin = host.admin().to_string();
    let output = Command::new(millrace_binary()?).arg("pipeline").args(arguments).args(["--admin", &admin]).output()?;
    let printed = String::from_utf8([output.stdout, output.stderr].concat())?;
    Ok((output.status.success(), printed))
}

fn edits(wiki: &Wiki, edits: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = Change<'_>> {
    edits.map(|edit| Change { wiki, page_id: 1, edit, kind: Kind::Edit, dt: DT })
}

/// The revisions of the outputs, in the order of the topic.
fn revisions(stage: &Stage) -> anyhow::Result<Vec<u64>> {
    stage.outputs()?.iter().map(|output| Ok(json(output)?["revision"]["rev_id"].as_u64().unwrap())).collect()
}

#[test]
fn a_drained_pipeline_stands_where_it_was_told_until_it_may_go_on() -> anyhow::Result<()> {
    let stage = Stage::set("held", "page-content-change", 1, Duration::from_millis(5))?;
    let wiki = Wiki::numbered(0);
    let mut host = stage.start()?;
    let (done, printed) = order(&host, &["drain", "enrichment", "--until", "40", "--wait", "0"])?;
    assert!(done && printed.contains("enrichment: draining"), "{printed}");
    stage.feed(edits(&wiki, 2..=101))?;
    let (done, printed) = order(&host, &["drain", "enrichment", "--until", "40"])?;
    assert!(done && printed.contains("drained; committed up to held.in/0=40"), "{printed}");
    assert_eq!(stage.committed()?.values().map(|progress| progress.prefix).collect::<Vec<_>>(), [40]);
    assert_eq!(stage.outputs()?.len(), 40);
    assert_eq!(host.metrics()?.sum("millrace_pipeline_drained", &[]), 1.0);
    let (done, printed) = order(&host, &["list", "--json"])?;
    assert!(done && printed.contains("\"held.in/0\": 40"), "{printed}");

    let (done, printed) = order(&host, &["resume", "enrichment"])?;
    assert!(done && printed.contains("enrichment: running"), "{printed}");
    stage.settle(&mut host, 100)?;
    stage.committed_to_the_end(100)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.outputs()?.len(), 100);
    Ok(())
}

#[test]
fn orders_that_cannot_be_carried_out_say_why() -> anyhow::Result<()> {
    let stage = Stage::set("disordered", "page-content-change", 1, Duration::from_millis(5))?;
    let mut host = stage.start()?;
    let (done, printed) = order(&host, &["drain", "enrich"])?;
    assert!(!done && printed.contains("no pipeline of that name; it has enrichment"), "{printed}");
    let (done, printed) = order(&host, &["drain", "enrichment", "--until", "soon"])?;
    assert!(!done && printed.contains("expected `now`, an offset, or TOPIC/PARTITION=OFFSET"), "{printed}");
    let (done, printed) = order(&host, &["drain", "enrichment", "--until", "5", "--wait", "1"])?;
    assert!(!done && printed.contains("is not drained after 1 s"), "{printed}");
    assert!(host.is_running());
    assert_eq!(host.terminate()?, Some(0));
    let nobody = Command::new(millrace_binary()?).args(["pipeline", "list", "--admin", "127.0.0.1:1"]).output()?;
    let said = String::from_utf8(nobody.stderr)?;
    assert!(nobody.status.code() == Some(1) && said.contains("name it with --admin"), "{said}");
    Ok(())
}

/// A page's events move from one data centre's topic to another's while the first still has a backlog. Topics are merged
/// by arrival: each topic's events stay in order, and nothing is lost or doubled.
#[test]
fn a_page_that_moves_to_another_topic_is_in_order_within_each() -> anyhow::Result<()> {
    let mut stage = Stage::set("moves", "page-content-change", 1, Duration::from_millis(20))?;
    let large = &[("max.message.bytes", "10485760")];
    kafka()?.create_topics(&[Topic::new("moves.codfw", 1, large)])?;
    stage.enrichment.more_inputs = vec!["moves.codfw".to_owned()];
    let wiki = Wiki::numbered(0);
    stage.feed(edits(&wiki, 2..=61))?;
    feed_second(&mut stage, "moves.codfw", edits(&wiki, 62..=91))?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 90)?;
    assert_eq!(host.terminate()?, Some(0));
    let revisions = revisions(&stage)?;
    let border = revisions.iter().copied().max().unwrap() - 29;
    let (second, first): (Vec<u64>, Vec<u64>) = revisions.iter().partition(|revision| **revision >= border);
    assert_eq!((first.len(), second.len()), (60, 30));
    assert!(first.is_sorted() && second.is_sorted(), "{revisions:?}");
    Ok(())
}

/// An operator who wants order across the switchover drains the first topic before the second one is read.
#[test]
fn a_switchover_after_a_drain_keeps_the_order_of_every_page() -> anyhow::Result<()> {
    let mut stage = Stage::set("switched", "page-content-change", 1, Duration::from_millis(20))?;
    let large = &[("max.message.bytes", "10485760")];
    kafka()?.create_topics(&[Topic::new("switched.codfw", 1, large)])?;
    let wiki = Wiki::numbered(0);
    stage.feed(edits(&wiki, 2..=61))?;
    feed_second(&mut stage, "switched.codfw", edits(&wiki, 62..=91))?;
    let host = stage.start()?;
    let (done, printed) = order(&host, &["drain", "enrichment", "--until", "switched.in/0=60"])?;
    assert!(done && printed.contains("switched.in/0=60"), "{printed}");
    assert_eq!(host.terminate()?, Some(0));

    stage.enrichment.more_inputs = vec!["switched.codfw".to_owned()];
    let mut host = stage.start()?;
    stage.settle(&mut host, 30)?;
    assert_eq!(host.terminate()?, Some(0));
    let revisions = revisions(&stage)?;
    assert_eq!(revisions.len(), 90);
    assert!(revisions.is_sorted(), "{revisions:?}");
    Ok(())
}

/// Writes changes to another topic than the stage's own.
fn feed_second<'a>(
    stage: &mut Stage,
    topic: &str,
    changes: impl IntoIterator<Item = Change<'a>>,
) -> anyhow::Result<()> {
    let first = std::mem::replace(&mut stage.enrichment.input, topic.to_owned());
    let fed = stage.feed(changes);
    stage.enrichment.input = first;
    fed
}
