//! What goes in and what comes out is valid against the platform's own schemas.

use millrace_bed::events::{Change, Kind, Wiki, mixed_kind};
use millrace_it::real_schemas::RealSchema;
use millrace_it::{Stage, json, record};
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

#[test]
fn outputs_and_error_events_are_valid_against_the_platforms_schemas() -> anyhow::Result<()> {
    let (Some(change_schema), Some(error_schema)) =
        (RealSchema::read("mediawiki/page/change/1.2.0")?, RealSchema::read("error/2.1.0")?)
    else {
        return Ok(());
    };
    let stage = Stage::set("schemas", "page-content-change", 1, Duration::ZERO)?;
    let wiki = Wiki::numbered(0);
    let change = |number: u64| Change { wiki: &wiki, page_id: 1 + number, edit: 2, kind: mixed_kind(number), dt: DT };
    let changes: Vec<Change<'_>> = (0..100).map(change).collect();
    for change in changes.iter().filter(|change| change.kind != Kind::Canary) {
        change_schema.check(&serde_json::from_str(&change.event(&stage.world))?)?;
    }
    stage.feed(changes)?;
    stage.feed([Change { edit: 850, kind: Kind::Edit, ..change(1) }])?;
    let bad: [&[u8]; 3] = [b"{", b"[]", b"\xff\x00"];
    stage.feed_records(bad.map(|value| record("schemas.in", Some(b"k".to_vec()), Some(value.to_vec()))))?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 104)?;
    assert_eq!(host.terminate()?, Some(0));

    let outputs = stage.outputs()?;
    assert_eq!(outputs.len(), 95);
    for output in &outputs {
        change_schema.check(&json(output)?)?;
    }
    let errors = stage.errors()?;
    assert_eq!(errors.len(), 4);
    for error in &errors {
        error_schema.check(&json(error)?)?;
    }
    Ok(())
}
