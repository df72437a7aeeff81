//! Content that is not there: deleted, hidden, unknown, or not there yet.

use super::{Case, Expected, alone, feed, finish, import, page, prepared, revisions, stage, wait_for};
use anyhow::Context as _;
use millrace_bed::real::RealRevision;
use millrace_services::{Hidden, MediaWiki, Wiki};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// No revision gets this id.
const UNKNOWN: u64 = 999_999_999;

fn two_texts(title: &str) -> millrace_services::ImportedPage {
    page(title, [format!("{title}: first \"text\""), format!("{title}: second \\ text 🌊")])
}

/// The wiki's time, which is everybody's here.
fn now(mediawiki: &MediaWiki) -> anyhow::Result<String> {
    let answer = mediawiki.client(Wiki::English)?.query(&[("meta", "siteinfo")])?;
    answer.pointer("/query/general/time").and_then(Value::as_str).map(str::to_owned).context("no time")
}

/// The revisions of three pages; then one page is deleted, and the text of another one's first revision is hidden.
fn deleted_hidden_and_kept(mediawiki: &MediaWiki) -> anyhow::Result<Vec<RealRevision>> {
    let pages = ["Missing deleted", "Missing hidden", "Missing kept"].map(two_texts);
    let revisions = import(mediawiki, Wiki::English, &pages)?;
    let mut client = mediawiki.client(Wiki::English)?;
    client.delete(&pages[0].title)?;
    client.hide(revisions[2].rev_id, &[Hidden::Content])?;
    Ok(revisions)
}

#[test]
fn deleted_hidden_and_unknown_revisions_get_no_body() -> anyhow::Result<()> {
    let (mediawiki, revisions) = prepared(deleted_hidden_and_kept)?;
    let [deleted, deleted_last, hidden, shown, kept, kept_last] = revisions.as_slice() else {
        panic!("{revisions:?}");
    };
    let unknown = RealRevision { rev_id: UNKNOWN, parent_id: kept.rev_id, ..kept.clone() };
    let cases = [
        Case::new(deleted, "edit", Expected::Error("not_found")),
        Case::new(deleted_last, "delete", Expected::NoBody),
        Case::new(hidden, "edit", Expected::NoBody),
        Case::good(shown),
        Case::good(kept),
        Case::new(&unknown, "edit", Expected::Error("not_found")),
        Case::good(kept_last),
    ];
    let stage = stage("real-missing", 1, &mediawiki)?;
    feed(&stage, &cases)?;
    let mut host = stage.start()?;
    let metrics = stage.settle(&mut host, cases.len() as u64)?;
    assert_eq!(metrics.sum("millrace_lookup_young_waits_total", &[]), 0.0, "old events do not wait");
    finish(&stage, host, &cases)
}

#[test]
fn unknown_revision_of_a_young_event_is_asked_for_until_the_event_is_old() -> anyhow::Result<()> {
    let (mediawiki, revisions) = prepared(|mediawiki| {
        import(mediawiki, Wiki::French, &[two_texts("Young unknown"), two_texts("Young beside")])
    })?;
    let stage = stage("real-young-unknown", 1, &mediawiki)?;
    let mut host = stage.start()?;
    let before = Instant::now();
    let dt = now(&mediawiki)?;
    let unknown = RealRevision { rev_id: UNKNOWN, dt, ..revisions[0].clone() };
    let cases = [
        Case::new(&unknown, "edit", Expected::Error("not_found")),
        Case::good(&revisions[1]),
        Case::good(&revisions[2]),
        Case::good(&revisions[3]),
    ];
    feed(&stage, &cases)?;
    // Other pages do not wait for it; its own page's next event does.
    stage.settle(&mut host, 2)?;
    let metrics = stage.settle(&mut host, cases.len() as u64)?;
    let took = before.elapsed();
    // The wiki's time is in whole seconds, so the event was up to one second old from the start.
    assert!(took >= Duration::from_secs(9), "given up after {took:?}");
    let waits = metrics.sum("millrace_lookup_young_waits_total", &[]);
    assert!((1.0..=7.0).contains(&waits), "{waits} waits");
    finish(&stage, host, &cases)
}

#[test]
fn revision_that_comes_later_than_its_event_is_enriched() -> anyhow::Result<()> {
    const TITLE: &str = "Young late";
    let mediawiki = alone()?;
    let stage = stage("real-young-late", 1, &mediawiki)?;
    let host = stage.start()?;
    let mut client = mediawiki.client(Wiki::French)?;
    let first = client.edit(TITLE, "one")?;
    let made = revisions(&mediawiki, Wiki::French, &BTreeSet::from([TITLE]))?;
    let text = "zwei: \"später\" 🌊";
    let late = RealRevision {
        rev_id: first + 1,
        parent_id: first,
        dt: now(&mediawiki)?,
        text: text.as_bytes().to_vec(),
        ..made[0].clone()
    };
    let cases = [Case::good(&late)];
    feed(&stage, &cases)?;
    wait_for(&host, "millrace_lookup_young_waits_total", 1.0)?;
    assert_eq!(client.edit(TITLE, text)?, late.rev_id, "nobody else edits this wiki now");
    assert_eq!(client.raw_text(late.rev_id)?, late.text);
    finish(&stage, host, &cases)
}
