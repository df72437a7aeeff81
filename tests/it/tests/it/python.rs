//! The example in Python as its README tells it: its component fits its host's file, and enriches on a real broker.

use anyhow::Context as _;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, guest, millrace_binary, root};
use millrace_it::{Stage, json};
use std::time::Duration;

#[test]
fn the_python_example_runs_as_its_readme_says() -> anyhow::Result<()> {
    let mut stage = Stage::set("python_enrichment", "identity", 1, Duration::ZERO)?;
    let wiki = Wiki::numbered(0);
    let change = |page_id| Change { wiki: &wiki, page_id, edit: 2, kind: Kind::Edit, dt: "2026-06-22T09:48:10Z" };
    stage.feed((1..=50).map(change))?;

    let component = guest("python-enrichment")?;
    let file = std::fs::read_to_string(root().join("examples/python-enrichment/host.yaml"))?;
    let file = file
        .replace("127.0.0.1:9092", &stage.enrichment.brokers)
        .replace("http://127.0.0.1:8080", &stage.enrichment.api)
        .replace("127.0.0.1:9180", "{admin}")
        .replace("../schemas", &root().join("examples/schemas").display().to_string())
        .replace("demo.in", "python_enrichment.in")
        .replace("stream: python.page_content_change", "stream: python_enrichment.out")
        .replace("target/components/python-enrichment.wasm", &component.display().to_string())
        // Compiled once for all tests.
        .replace("target/compiled", &root().join("target/compiled-guests").display().to_string());
    stage.enrichment.output = "python_enrichment.out".to_owned();
    let mut host = Host::start(&millrace_binary()?, stage.folder(), &file)?;
    host.wait_ready()?;
    stage.settle(&mut host, 50)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.errors()?.len(), 0);
    let outputs = stage.outputs()?;
    assert_eq!(outputs.len(), 50);
    for output in &outputs {
        let event = json(output)?;
        let body = event.pointer("/revision/content_slots/main/content_body").context("no content")?;
        assert!(body.as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    Ok(())
}
