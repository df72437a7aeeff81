//! Simple Enrichment on the stand-in API: every kind of event, two thousand of them, compared one by one.

use anyhow::{Context as _, ensure};
use millrace_bed::events::{Change, Kind, Wiki, mixed_kind};
use millrace_bed::world::{RevisionState, World};
use millrace_it::{Stage, header, json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

fn changes(wikis: &[Wiki], count: u64) -> Vec<Change<'_>> {
    let change = |number: u64| Change {
        wiki: &wikis[usize::try_from(number).unwrap() % wikis.len()],
        page_id: 1 + number % 97,
        edit: 2 + number / 97,
        kind: mixed_kind(number / 7),
        dt: DT,
    };
    (0..count).map(change).collect()
}

#[test]
fn every_kind_comes_out_enriched_keyed_and_in_order() -> anyhow::Result<()> {
    let stage = Stage::set("kinds", "page-content-change", 3, Duration::from_millis(20))?;
    let wikis: Vec<Wiki> = (0..5).map(Wiki::numbered).collect();
    let changes = changes(&wikis, 2_000);
    stage.feed(changes.clone())?;
    let mut host = stage.start()?;
    let metrics = stage.settle(&mut host, 2_000)?;
    stage.committed_to_the_end(2_000)?;
    assert_eq!(host.terminate()?, Some(0));

    let canaries = changes.iter().filter(|change| change.kind == Kind::Canary).count();
    assert_eq!(metrics.sum("millrace_events_canary_total", &[]) as usize, canaries);
    assert_eq!(stage.errors()?.len(), 0);
    let outputs = stage.outputs()?;
    assert_eq!(outputs.len(), 2_000 - canaries);

    let mut expected: BTreeMap<String, Vec<&Change<'_>>> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.kind != Kind::Canary) {
        expected.entry(change.key()).or_default().push(change);
    }
    for output in &outputs {
        let key = String::from_utf8(output.key.clone().context("no key")?.to_vec())?;
        let queue = expected.get_mut(&key).with_context(|| format!("unexpected key {key}"))?;
        ensure!(!queue.is_empty(), "one output too many for {key}");
        let change = queue.remove(0);
        check(change, &stage.world, &json(output)?).with_context(|| format!("{change:?}"))?;
        assert_eq!(output.timestamp_ms, 1_782_121_690_000, "the timestamp is the event's dt");
        assert!(header(output, "millrace-src").is_some_and(|source| source.contains("kinds.in/")));
        assert_eq!(header(output, "millrace-idx").as_deref(), Some("0"));
    }
    Ok(())
}

/// The output of a change is its input, with bodies where they belong, in a new envelope.
fn check(change: &Change<'_>, world: &World, output: &Value) -> anyhow::Result<()> {
    let mut input: Value = serde_json::from_str(&change.event(world))?;
    let meta = output["meta"].as_object().context("no meta")?;
    ensure!(meta["stream"] == "mediawiki.page_content_change.v1", "stream {}", meta["stream"]);
    ensure!(meta["id"] != input["meta"]["id"], "the id is the input's");
    for carried in ["request_id", "domain", "uri"] {
        ensure!(meta[carried] == input["meta"][carried], "{carried} is not carried over");
    }
    let enriched = change.kind != Kind::Delete && change.kind != Kind::Suppress;
    let visible = World::state_of(change.rev_id()) == RevisionState::Visible && change.kind != Kind::HideText;
    if let Some(slots) = input["revision"].get_mut("content_slots").and_then(Value::as_object_mut)
        && enriched
        && visible
    {
        for slot in World::slots_of(change.page_id) {
            slots[slot.role]["content_body"] = world.text(change.rev_id(), slot.number).plain.clone().into();
        }
    }
    input["meta"] = output["meta"].clone();
    ensure!(*output == input, "differs:\n{output}\n{input}");
    Ok(())
}

#[test]
fn few_calls_answer_many_events() -> anyhow::Result<()> {
    let stage = Stage::set("calls", "page-content-change", 1, Duration::from_millis(100))?;
    let wiki = Wiki::numbered(0);
    let change = |page_id| Change { wiki: &wiki, page_id, edit: 2, kind: Kind::Edit, dt: DT };
    stage.feed((1..=2_000).map(change))?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 2_000)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.outputs()?.len(), 2_000);
    let calls = stage.api.calls();
    assert!(calls <= 100, "{calls} calls for 2,000 revisions of one wiki");
    Ok(())
}
