//! Content that becomes forbidden: what an event says is concealed is asked for again, in every pipeline of the host.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_it::Stage;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

/// How many calls a second edit of the same revision costs when `between` came in between.
fn calls_for_the_second(name: &str, between: Option<Kind>) -> anyhow::Result<u64> {
    let stage = Stage::set(name, "page-content-change", 1, Duration::ZERO)?;
    let wiki = Wiki::numbered(0);
    let change = |kind| Change { wiki: &wiki, page_id: 5, edit: 2, kind, dt: DT };
    let mut host = stage.start()?;
    let mut settled = 0;
    let mut run = |kind| {
        settled += 1;
        stage.feed([change(kind)])?;
        stage.settle(&mut host, settled).map(drop)
    };
    run(Kind::Edit)?;
    if let Some(between) = between {
        run(between)?;
    }
    let before = stage.api.calls();
    run(Kind::Edit)?;
    let calls = stage.api.calls() - before;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.errors()?.len(), 0);
    Ok(calls)
}

#[test]
fn the_same_revision_is_answered_from_the_cache() -> anyhow::Result<()> {
    assert_eq!(calls_for_the_second("kept", None)?, 0);
    Ok(())
}

#[test]
fn a_deleted_page_is_asked_for_again() -> anyhow::Result<()> {
    assert_eq!(calls_for_the_second("deleted", Some(Kind::Delete))?, 1);
    Ok(())
}

#[test]
fn a_suppressed_page_is_asked_for_again() -> anyhow::Result<()> {
    assert_eq!(calls_for_the_second("suppressed", Some(Kind::Suppress))?, 1);
    Ok(())
}

#[test]
fn a_revision_whose_text_was_hidden_is_asked_for_again() -> anyhow::Result<()> {
    assert_eq!(calls_for_the_second("concealed", Some(Kind::HideText))?, 1);
    Ok(())
}
