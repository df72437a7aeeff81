//! The quickstart as its README tells it, in a folder outside of this repository and on a real broker: the plugin is built
//! there, fits its host's file, and does what it says.

use anyhow::{Context as _, ensure};
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, millrace_binary, root};
use millrace_it::{Stage, json, record};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Copies the plugin's folder, and lets it find the SDK from where it is now.
fn copy_plugin(to: &Path) -> anyhow::Result<()> {
    let from = root().join("examples/quickstart/plugin");
    std::fs::create_dir_all(to.join("src"))?;
    std::fs::copy(from.join("src/lib.rs"), to.join("src/lib.rs"))?;
    std::fs::copy(from.join("Cargo.lock"), to.join("Cargo.lock"))?;
    let manifest = std::fs::read_to_string(from.join("Cargo.toml"))?;
    let sdk = root().join("sdk/rust");
    std::fs::write(to.join("Cargo.toml"), manifest.replace("../../../sdk/rust", &sdk.display().to_string()))?;
    Ok(())
}

/// `./x guests FOLDER`, but for what it installs. The dependencies that other plugins have are not compiled again.
fn build(folder: &Path) -> anyhow::Result<()> {
    let tool = millrace_binary()?.with_file_name("xtask");
    let shared = root().join("guests/target");
    let built = Command::new(tool).arg("guests").arg(folder).env("CARGO_TARGET_DIR", shared).output()?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Ok(())
}

#[test]
fn a_plugin_of_another_folder_runs_as_the_quickstart_says() -> anyhow::Result<()> {
    let mut stage = Stage::set("quickstart", "identity", 1, Duration::ZERO)?;
    let folder = stage.folder().join("elsewhere");
    copy_plugin(&folder)?;
    build(&folder)?;

    let wiki = Wiki::numbered(0);
    let change = |page_id| Change { wiki: &wiki, page_id, edit: 2, kind: Kind::Edit, dt: "2026-06-22T09:48:10Z" };
    stage.feed((1..=20).map(change))?;
    let bot = change(21).event(&stage.world).replace("\"is_bot\":false", "\"is_bot\":true");
    stage.feed_records([record("quickstart.in", None, Some(bot.into_bytes()))])?;

    let file = std::fs::read_to_string(root().join("examples/quickstart/host.yaml"))?;
    let file = file
        .replace("127.0.0.1:9092", &stage.enrichment.brokers)
        .replace("127.0.0.1:9180", "{admin}")
        .replace("../schemas", &root().join("examples/schemas").display().to_string())
        .replace("demo.in", "quickstart.in")
        .replace("stream: quickstart.shouted", "stream: quickstart.out")
        .replace("plugin/target", &root().join("guests/target").display().to_string());
    stage.enrichment.output = "quickstart.out".to_owned();
    let mut host = Host::start(&millrace_binary()?, stage.folder(), &file)?;
    host.wait_ready()?;
    let metrics = stage.settle(&mut host, 21)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(metrics.sum("millrace_events_skipped_total", &["reason=\"bot\""]), 1.0);
    assert_eq!(stage.errors()?.len(), 0);
    let outputs = stage.outputs()?;
    assert_eq!(outputs.len(), 20);
    for output in &outputs {
        let event = json(output)?;
        let title = event["page"]["page_title"].as_str().context("no title")?;
        assert!(title.starts_with("MÜHLGRABEN_") || title.starts_with("FILE:WASSERRAD_"), "{title}");
        assert_eq!(event["meta"]["stream"], "quickstart.out");
    }
    Ok(())
}

/// What the README at the front shows is the plugin that is built here.
#[test]
fn the_first_plugin_of_the_readme_is_the_quickstarts() -> anyhow::Result<()> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let plugin = std::fs::read_to_string(root().join("examples/quickstart/plugin/src/lib.rs"))?;
    let (shown, _) =
        readme.split_once("```rust\n").and_then(|(_, rest)| rest.split_once("```")).context("no Rust in README.md")?;
    let (code, _) = plugin.split_once("\n#[cfg(test)]").context("no tests in the plugin")?;
    let (_, code) = code.split_once("\n\n").context("no documentation in the plugin")?;
    assert_eq!(shown.trim(), code.trim());
    Ok(())
}
