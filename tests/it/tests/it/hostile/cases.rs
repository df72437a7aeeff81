//! What there is below `guests/hostile`, and what is to become of it: a `.json` beside every misdeed and every text.

use anyhow::Context as _;
use millrace_bed::host::{guest, root};
use serde_json::Value;
use std::path::Path;

/// One way to misbehave.
pub(super) struct Case {
    /// The name of its pipeline.
    pub(super) name: String,
    /// The built component; of no meaning where there are `bytes`.
    pub(super) guest: String,
    /// The file's content, where it is none that can be built.
    pub(super) bytes: Option<Vec<u8>>,
    /// The settings of its pipeline.
    pub(super) settings: String,
    /// The limits of its pipeline.
    pub(super) limits: Vec<String>,
    /// What is to become of it.
    pub(super) end: End,
}

/// What becomes of a misdeed.
pub(super) enum End {
    /// No event is lost by it.
    Passes,
    /// Those events that suffer it become error events.
    Error { error_type: String, message: String },
    /// All events do.
    AllErrors { error_type: String, message: String },
    /// Its pipeline never runs.
    Stopped { message: String },
}

/// All cases.
pub(super) fn all() -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for name in names("guests/hostile/src/misdeeds")? {
        let (end, limits) = expectation(&format!("guests/hostile/src/misdeeds/{name}.json"))?;
        let settings = format!("{{ misdeed: {name} }}");
        cases.push(Case { guest: "hostile".to_owned(), bytes: None, settings, limits, end, name });
    }
    for name in names("guests/hostile/wat")? {
        let (end, limits) = expectation(&format!("guests/hostile/wat/{name}.json"))?;
        cases.push(Case { guest: name.clone(), bytes: None, settings: "{}".to_owned(), limits, end, name });
    }
    let whole = std::fs::read(guest("hostile")?)?;
    let half = whole.get(..whole.len() / 2).unwrap_or_default().to_vec();
    cases.push(no_component("truncated", half, "check that it was copied whole"));
    let text = b"This is where the plugin will be put.\n".to_vec();
    cases.push(no_component("not-a-component", text, "the plugin is not a WebAssembly component but text"));
    Ok(cases)
}

fn no_component(name: &str, bytes: Vec<u8>, message: &str) -> Case {
    Case {
        name: name.to_owned(),
        guest: String::new(),
        bytes: Some(bytes),
        settings: "{}".to_owned(),
        limits: Vec::new(),
        end: End::Stopped { message: message.to_owned() },
    }
}

/// The names of the expectations in a folder, in their order.
fn names(folder: &str) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).with_context(|| format!("cannot read {folder}"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

fn expectation(file: &str) -> anyhow::Result<(End, Vec<String>)> {
    let text = std::fs::read_to_string(root().join(Path::new(file))).with_context(|| format!("cannot read {file}"))?;
    let expected: Value = serde_json::from_str(&text).with_context(|| format!("{file} is no JSON"))?;
    let word = |key: &str| {
        let word = expected[key].as_str().map(str::to_owned);
        word.with_context(|| format!("{file} has no `{key}`"))
    };
    let end = match expected["ends"].as_str() {
        Some("passes") => End::Passes,
        Some("error") => End::Error { error_type: word("error_type")?, message: word("message")? },
        Some("all_errors") => End::AllErrors { error_type: word("error_type")?, message: word("message")? },
        Some("stopped") => End::Stopped { message: word("message")? },
        other => anyhow::bail!("{file}: `ends` is {other:?}"),
    };
    let limits = expected["limits"].as_array().cloned().unwrap_or_default();
    Ok((end, limits.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
}
