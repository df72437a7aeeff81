//! Content that becomes forbidden: what an event says is concealed is asked for again, in every pipeline of the host.

use millrace_bed::enrichment::ANY_SCHEMA;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::troubled::Troubled;
use millrace_it::{Stage, json, record};
use millrace_services::wait_until;
use serde_json::{Value, from_value, json};
use std::sync::Arc;
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

const PATIENCE: Duration = Duration::from_secs(60);

/// An event asks two wikis, one after the other. The first has answered; while the second does not, the instance ends in
/// another event's trap, so that the first event runs again from its transcript. Before that, `concealing` comes in.
/// Returns what the first event says of its first answer, and how often that was asked for.
fn told_after_a_trap(name: &str, concealing: Option<Kind>) -> anyhow::Result<(Value, usize)> {
    let mut stage = Stage::set(name, "trap", 1, Duration::ZERO)?;
    (stage.enrichment.names, stage.enrichment.schema) = (("in", "out"), ANY_SCHEMA);
    stage.enrichment.wikis.push("*.example.org".to_owned());
    stage.enrichment.mediawiki.push("timeout: 1 s".to_owned());
    stage.enrichment.workers = Some(1);
    let hidden = json!({"revid": 1, "parentid": 0, "slots": {"main": {"texthidden": true}}});
    let hidden = json!({"query": {"pages": [{"pageid": 0, "revisions": [hidden]}]}});
    let troubles = from_value(json!({
        "first": {"trouble": "the text becomes hidden", "result": "", "expected": {"events": "enriched"},
                  "replies": [{}, {"body": {"json": hidden}}]},
        "second": {"trouble": "no answer", "result": "", "expected": {"events": "waits"},
                   "replies": [{"wait_ms": 3_600_000}], "then": "same"},
    }))?;
    let api = stage.block_on(Troubled::start(None, Arc::clone(&stage.world), troubles))?;
    stage.enrichment.api = format!("http://{}", api.address());
    let mut host = stage.start()?;
    let wiki = Wiki { id: "firstwiki".to_owned(), domain: "first.example.org".to_owned() };
    let feed = |page_id, edit, kind, trap: &str| {
        let change = Change { wiki: &wiki, page_id, edit, kind, dt: DT };
        let event = change.event(&stage.world).replacen('{', &format!("{{{trap}"), 1);
        stage.feed_records([record(&stage.enrichment.input, Some(change.key().into()), Some(event.into()))])
    };

    feed(5, 2, Kind::Edit, r#""trap":"ask_twice","#)?;
    wait_until("the second question", PATIENCE, || !api.calls("second").is_empty())?;
    let mut settled = 0;
    if let Some(kind) = concealing {
        // Revision 1 is the first one of page 0.
        feed(0, 1, kind, "")?;
        settled += 1;
        stage.settle(&mut host, settled)?;
    }
    feed(6, 2, Kind::Edit, r#""trap":"panic","#)?;
    settled += 1;
    stage.settle(&mut host, settled)?;
    if concealing.is_some() {
        wait_until("the first question again", PATIENCE, || api.calls("first").len() > 1)?;
    }
    api.heal();
    stage.settle(&mut host, settled + 1)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.errors()?.len(), 1, "the event that trapped");
    let outputs: Vec<Value> = stage.outputs()?.iter().map(json).collect::<anyhow::Result<_>>()?;
    let told = outputs.into_iter().find_map(|mut output| output.get_mut("content").map(Value::take));
    Ok((told.unwrap_or_default(), api.calls("first").len()))
}

#[test]
fn a_re_run_is_answered_from_its_transcript() -> anyhow::Result<()> {
    let (told, calls) = told_after_a_trap("transcript-kept", None)?;
    assert!(told.as_str().is_some_and(|text| text.starts_with("== Section")), "{told}");
    assert_eq!(calls, 1);
    Ok(())
}

#[test]
fn a_re_run_asks_anew_for_what_was_concealed_meanwhile() -> anyhow::Result<()> {
    for (name, kind) in [("transcript-hidden", Kind::HideText), ("transcript-deleted", Kind::Suppress)] {
        let (told, calls) = told_after_a_trap(name, Some(kind))?;
        assert_eq!((told, calls), (json!("hidden"), 2), "{kind:?}");
    }
    Ok(())
}
