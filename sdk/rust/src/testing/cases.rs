//! Tests as folders: input events, recorded answers, what comes out. Adding a test is adding a folder.
//!
//! | file | what is in it |
//! |---|---|
//! | `case.json` | `plugin` (its name in `describe`), `description`; where needed `settings`, `input`, `now_ms` |
//! | `input.jsonl` | an event a line; `null` is a tombstone |
//! | `answers.json` | a list of recorded answers ([`Recording`]); may be absent when nothing is asked |
//! | `expected.jsonl` | what becomes of each event, a line each, with all counters that it raised |
//!
//! ```no_run
//! # use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin};
//! # struct BigPages;
//! # impl Plugin for BigPages {
//! #     type Settings = ();
//! #     fn describe() -> Describe {
//! #         Describe::new("big-pages", "0.1.0").input("in", Input::new()).output("out", Output::new())
//! #     }
//! #     fn new((): ()) -> Result<Self, String> {
//! #         Ok(Self)
//! #     }
//! #     async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
//! #         Ok(event.patch().emit("out"))
//! #     }
//! # }
//! // In a test, which cargo starts in the folder of the plugin's Cargo.toml.
//! let count = millrace_sdk::testing::cases::run::<BigPages>("tests/cases");
//! assert_eq!(count, 3);
//! ```
//!
//! Lines of `expected.jsonl`:
//!
//! ```json
//! {"emit": [{"output": "enriched", "document": {"a": 1}}], "counts": {"seen{kind=edit}": 1}}
//! {"skip": "bot"}
//! {"fail": {"kind": "not_found"}}
//! {"retry": {"kind": "not_yet", "after_ms": 500}}
//! ```
//!
//! Events run one after the other in one instance. Documents are compared as JSON; a `message` only when it is given.
//! What is emitted and cannot be written is `{"fail": {"kind": "output_invalid"}}`.

use super::{Decided, Decision, Emitted, Host, Recording};
use crate::{Failure, Plugin};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    plugin: String,
    description: String,
    #[serde(default)]
    settings: Value,
    /// The input by which the events come; the plugin's only one unless given.
    input: Option<String>,
    /// The clock; see `Host::new` for what it shows unless given.
    now_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    emit: Option<Vec<ExpectedEvent>>,
    skip: Option<String>,
    retry: Option<ExpectedFailure>,
    fail: Option<ExpectedFailure>,
    #[serde(default)]
    counts: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedEvent {
    output: String,
    /// `null` is a tombstone.
    document: Value,
    key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedFailure {
    kind: String,
    /// Compared only when given.
    message: Option<String>,
    /// Of a retry.
    after_ms: Option<u32>,
}

/// Runs every folder in `folder` whose `case.json` names the plugin `P`, and returns how many there are. Folders that hold
/// nothing but folders are passed over.
///
/// # Panics
/// When a case does not end as expected or cannot be read: with all of them, by name. When `folder` cannot be read, and
/// when none of its folders names the plugin.
#[track_caller]
#[expect(clippy::panic, reason = "how a test fails")]
pub fn run<P: Plugin>(folder: impl AsRef<Path>) -> usize {
    let plugin = P::describe().name;
    let mut count = 0;
    let mut wrong = String::new();
    for path in folders(folder.as_ref()).unwrap_or_else(|error| panic!("{error}")) {
        match run_case::<P>(&path, &plugin) {
            Ok(is_ours) => count += usize::from(is_ours),
            Err(error) => wrong.push_str(&format!("\n{}: {error}", path.display())),
        }
    }
    assert!(wrong.is_empty(), "cases of {plugin}:{wrong}");
    assert!(count > 0, "no folder in {} has a case.json with the plugin {plugin}", folder.as_ref().display());
    count
}

fn folders(folder: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_case(path)).collect();
    paths.sort();
    Ok(paths)
}

/// Whether a folder is a case: one that holds nothing but folders has cases of another kind.
fn is_case(path: &Path) -> bool {
    let holds_files = |entries: fs::ReadDir| entries.flatten().any(|entry| entry.path().is_file());
    path.is_dir() && fs::read_dir(path).is_ok_and(holds_files)
}

/// Runs a case; false when it is another plugin's.
fn run_case<P: Plugin>(path: &Path, plugin: &str) -> Result<bool, String> {
    let case: Case = read_json(&path.join("case.json"))?;
    if case.plugin != plugin {
        return Ok(false);
    }
    if case.description.trim().is_empty() {
        return Err("case.json: describe what the case shows".to_owned());
    }
    let mut host = Host::<P>::new(case.settings)?;
    if let Some(now_ms) = case.now_ms {
        host.set_now_ms(now_ms);
    }
    if path.join("answers.json").exists() {
        read_json::<Vec<Recording>>(&path.join("answers.json"))?.into_iter().for_each(|one| host.record(one));
    }
    let inputs = P::describe().inputs;
    let input = case.input.or_else(|| inputs.keys().next().cloned()).ok_or("the plugin has no input")?;
    let events: Vec<Value> = read_lines(&path.join("input.jsonl"))?;
    let expected: Vec<Expected> = read_lines(&path.join("expected.jsonl"))?;
    if events.len() != expected.len() || events.is_empty() {
        return Err(format!("{} events and {} lines of expected.jsonl", events.len(), expected.len()));
    }
    for (index, (event, expected)) in events.iter().zip(&expected).enumerate() {
        let decided = host.run(&input, event);
        compare(&decided, expected).map_err(|difference| format!("event {}: {difference}", index + 1))?;
    }
    Ok(true)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let read =
        |(line, text)| serde_json::from_str(text).map_err(|error| format!("{}:{}: {error}", path.display(), line + 1));
    text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()).map(read).collect()
}

fn compare(decided: &Decided, expected: &Expected) -> Result<(), String> {
    let found = &decided.decision;
    match (found, expected) {
        (Decision::Emit(emitted), Expected { emit: Some(events), skip: None, retry: None, fail: None, .. }) => {
            compare_events(emitted, events)?;
        }
        (Decision::Skip(reason), Expected { skip: Some(word), emit: None, retry: None, fail: None, .. })
            if reason == word => {}
        (Decision::Fail(failure), Expected { fail: Some(wanted), emit: None, skip: None, retry: None, .. })
            if suits(failure, wanted) => {}
        (Decision::OutputInvalid(reason), Expected { fail: Some(wanted), emit: None, skip: None, retry: None, .. })
            if suits(&Failure::new("output_invalid", reason), wanted) => {}
        (
            Decision::Retry(after_ms, failure),
            Expected { retry: Some(wanted), emit: None, skip: None, fail: None, .. },
        ) if suits(failure, wanted) && *after_ms == wanted.after_ms => {}
        _ => return Err(format!("{found:?} instead of {expected:?}")),
    }
    if decided.report.counts != expected.counts {
        return Err(format!("counts {:?} instead of {:?}", decided.report.counts, expected.counts));
    }
    Ok(())
}

fn suits(failure: &Failure, wanted: &ExpectedFailure) -> bool {
    failure.kind == wanted.kind && wanted.message.as_ref().is_none_or(|message| *message == failure.message)
}

fn compare_events(emitted: &[Emitted], expected: &[ExpectedEvent]) -> Result<(), String> {
    if emitted.len() != expected.len() {
        return Err(format!("{} events emitted instead of {}", emitted.len(), expected.len()));
    }
    for (found, wanted) in emitted.iter().zip(expected) {
        if found.output != wanted.output {
            return Err(format!("output {} instead of {}", found.output, wanted.output));
        }
        if found.key.as_deref() != wanted.key.as_deref().map(str::as_bytes) {
            return Err(format!("key {:?} instead of {:?}", found.key, wanted.key));
        }
        let document = found.document.clone().unwrap_or(Value::Null);
        if let Some(difference) = difference(&document, &wanted.document, String::new()) {
            return Err(difference);
        }
    }
    Ok(())
}

/// The first place where two values differ.
fn difference(found: &Value, wanted: &Value, path: String) -> Option<String> {
    match (found, wanted) {
        (Value::Object(a), Value::Object(b)) => {
            let missing = b.keys().find(|name| !a.contains_key(*name)).map(|name| format!("{path}/{name} is missing"));
            missing.or_else(|| {
                a.iter().find_map(|(name, value)| match b.get(name) {
                    None => Some(format!("{path}/{name} is there: {value}")),
                    Some(other) => difference(value, other, format!("{path}/{name}")),
                })
            })
        }
        _ if found == wanted => None,
        _ => Some(format!("{path} is {} instead of {}", json!(found), json!(wanted))),
    }
}

#[cfg(test)]
mod tests;
