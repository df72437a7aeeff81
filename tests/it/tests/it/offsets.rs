//! `millrace offsets`: what is shown is what is kept, a change is shown before it is made, and never made while the
//! pipeline runs.

mod exactly_once;

use crate::command::{Ended, millrace};
use anyhow::{Context as _, ensure};
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_flow::progress::Progress;
use millrace_flow::record::TopicPartition;
use millrace_it::{Stage, header};
use millrace_services::wait_until;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";
const EVENTS: u64 = 40;

fn offsets(stage: &Stage, command: &str, arguments: &[&str]) -> anyhow::Result<Ended> {
    millrace(stage, &format!("offsets {command}"), &[&["--json"], arguments].concat())
}

fn done(stage: &Stage, command: &str, arguments: &[&str]) -> anyhow::Result<Value> {
    let ended = offsets(stage, command, arguments)?;
    ensure!(ended.code == Some(0), "{ended:?}");
    Ok(ended.result)
}

fn feed(stage: &Stage) -> anyhow::Result<()> {
    let wiki = Wiki::numbered(0);
    stage.feed((0..EVENTS).map(|number| Change { wiki: &wiki, page_id: 1 + number, edit: 2, kind: Kind::Edit, dt: DT }))
}

/// Runs the pipeline until so many events have an outcome, and everything is committed; then it ends.
fn run(stage: &Stage, events: u64) -> anyhow::Result<()> {
    let mut host = stage.start()?;
    stage.settle(&mut host, events)?;
    stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    ensure!(host.terminate()? == Some(0), "it ended badly");
    Ok(())
}

/// How often each event came out, by where it lay.
fn outputs(stage: &Stage) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for output in stage.outputs()? {
        let source = header(&output, "millrace-src").context("no source")?;
        let (_cluster, source) = source.split_once('/').context("no cluster")?;
        *counts.entry(source.to_owned()).or_default() += 1;
    }
    Ok(counts)
}

fn partition(stage: &Stage) -> TopicPartition {
    TopicPartition::new(stage.enrichment.input.as_str(), 0)
}

fn progress(stage: &Stage) -> anyhow::Result<Progress> {
    stage.committed()?.remove(&partition(stage)).context("nothing is committed")
}

#[test]
fn offsets_are_shown_and_set_but_not_while_the_pipeline_runs() -> anyhow::Result<()> {
    let stage = Stage::set("offsets-set", "page-content-change", 1, Duration::ZERO)?;
    feed(&stage)?;
    let fresh = &done(&stage, "show", &[])?["partitions"][0];
    assert_eq!(
        (&fresh["progress"], &fresh["from"], &fresh["log_end"]),
        (&Value::Null, &json!("nowhere"), &json!(EVENTS))
    );

    let mut host = stage.start()?;
    stage.settle(&mut host, EVENTS)?;
    stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    let shown = &done(&stage, "show", &[])?["partitions"][0];
    assert_eq!((&shown["progress"]["settled_to"], &shown["lag"]), (&json!(EVENTS), &json!(0)));
    assert_eq!(shown["progress"]["versions"].as_array().map(Vec::len), Some(1), "{shown}");

    let running = offsets(&stage, "set", &["--to-offset", "10", "--apply"])?;
    assert_eq!((running.code, &running.result["applied"]), (Some(1), &json!(0)), "{running:?}");
    assert!(running.said.contains("is running") && running.said.contains("stop it on every host"), "{running:?}");
    assert_eq!(progress(&stage)?.prefix, i64::try_from(EVENTS)?);
    assert_eq!(host.terminate()?, Some(0));

    let before = progress(&stage)?;
    let planned = done(&stage, "set", &["--to-offset", "10"])?;
    assert_eq!((&planned["dry_run"], &planned["changes"][0]["repeated"]), (&json!(true), &json!(EVENTS - 10)));
    assert_eq!(progress(&stage)?, before, "nothing was changed");
    let ended = offsets(&stage, "set", &["--to-offset", "10", "--apply"])?;
    assert_eq!((ended.code, &ended.result["applied"]), (Some(0), &json!(1)), "{ended:?}");
    assert!(ended.said.contains("Offsets were changed by hand."), "{ended:?}");
    let line = ended.result["audit"][0].as_str().context("no line")?;
    assert!(line.contains("offsets set of enrichment: offsets-set.in/0: 40 (serial"), "{line}");
    let after = progress(&stage)?;
    assert_eq!((after.prefix, after.serial), (10, before.serial + 1));

    run(&stage, EVENTS - 10)?;
    let outputs = outputs(&stage)?;
    for offset in 0..EVENTS {
        let expected = if offset < 10 { 1 } else { 2 };
        assert_eq!(outputs.get(&format!("offsets-set.in/0/{offset}")), Some(&expected), "{offset}");
    }
    let unchanged = millrace(&stage, "offsets set", &["--to-latest"])?;
    assert_eq!((unchanged.code, unchanged.printed.as_str()), (Some(0), "Nothing would change.\n"), "{unchanged:?}");
    Ok(())
}

#[test]
fn skipped_events_never_run() -> anyhow::Result<()> {
    let stage = Stage::set("offsets-skip", "page-content-change", 1, Duration::ZERO)?;
    feed(&stage)?;
    let point = |offset: u64| format!("offsets-skip.in:0:{offset}");
    let early = offsets(&stage, "skip", &["--skip", &point(3), "--apply"])?;
    assert!(early.code == Some(1) && early.said.contains("has not begun"), "{early:?}");
    done(&stage, "set", &["--to-earliest", "--apply"])?;
    let skip = ["--skip", &point(0), "--skip", &point(7), "--skip", &point(8), "--apply"];
    let skipped = done(&stage, "skip", &skip)?;
    assert_eq!((&skipped["applied"], &skipped["changes"][0]["passed_over"]), (&json!(1), &json!(3)));
    let kept = progress(&stage)?;
    assert_eq!((kept.prefix, kept.settled_above(), kept.covers(7), kept.covers(9)), (1, 2, true, false));
    let again = offsets(&stage, "skip", &["--skip", &point(7), "--apply"])?;
    assert!(again.code == Some(1) && again.said.contains("is settled already"), "{again:?}");
    let beyond = offsets(&stage, "skip", &["--skip", &point(EVENTS), "--apply"])?;
    assert!(beyond.code == Some(1) && beyond.said.contains("not among them"), "{beyond:?}");

    run(&stage, EVENTS - 3)?;
    let outputs = outputs(&stage)?;
    let expected: BTreeMap<String, usize> = (0..EVENTS)
        .filter(|offset| ![0, 7, 8].contains(offset))
        .map(|offset| (format!("offsets-skip.in/0/{offset}"), 1))
        .collect();
    assert_eq!(outputs, expected);
    Ok(())
}

#[test]
fn a_host_that_was_killed_holds_its_pipeline_until_its_session_ends() -> anyhow::Result<()> {
    let stage = Stage::set("offsets-killed", "page-content-change", 1, Duration::ZERO)?;
    feed(&stage)?;
    let mut host = stage.start()?;
    stage.settle(&mut host, EVENTS)?;
    stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    host.kill()?;
    let set = || offsets(&stage, "set", &["--to-time", "2001-01-01T00:00:00Z", "--apply"]);
    let refused = set()?;
    assert!(refused.code == Some(1) && refused.said.contains("is running"), "{refused:?}");
    wait_until("the group lets go of the host", Duration::from_secs(60), || {
        set().is_ok_and(|set| set.code == Some(0))
    })?;
    assert_eq!(progress(&stage)?.prefix, 0, "all records are younger than that");
    Ok(())
}
