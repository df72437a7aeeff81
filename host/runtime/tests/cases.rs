//! Every case of `tests/cases` with the plugin's real component, in each language that it is written in: decode,
//! projection, turns, patch, as in the host, and recorded answers in place of lookups. The plugins' own tests run the
//! same folders natively.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, which may fail in the shortest way"
)]

use bytes::Bytes;
use millrace_flow::blob::{Blob, Piece};
use millrace_flow::lookup::{Answer, Ask, LookupError, LookupErrorKind, Reply};
use millrace_flow::outcome::{Emission, EmittedDocument, Failure, Outcome};
use millrace_flow::record::TopicPartition;
use millrace_platform::{DecodeLimits, Document, Pointer, Projection};
use millrace_plugin::{Crew, Effect, Engine, EngineConfig, Event, Limits, Payload, Plugin, Report, Ticket};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One folder.
struct Case {
    folder: PathBuf,
    facts: Value,
    answers: Vec<Value>,
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let answers = folder.join("answers.json");
        let answers = if answers.exists() { json_of(&answers).as_array().unwrap().clone() } else { Vec::new() };
        Self { facts: json_of(&folder.join("case.json")), answers, folder }
    }

    fn plugin(&self) -> &str {
        self.facts["plugin"].as_str().unwrap()
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join(file)).unwrap();
        text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }

    /// The recorded answer to a question: the first whose params are all among those that are asked.
    fn answer(&self, ask: &Ask) -> Answer {
        let params: Map<String, Value> = serde_json::from_str(&ask.params).unwrap();
        let suits = |recorded: &&Value| {
            let wanted = recorded["params"].as_object().unwrap();
            recorded["kind"] == ask.kind && wanted.iter().all(|(name, value)| params.get(name) == Some(value))
        };
        let recorded = self.answers.iter().find(suits);
        let recorded = recorded.unwrap_or_else(|| panic!("no answer is recorded to {} {}", ask.kind, ask.params));
        if let Some(error) = recorded.get("error") {
            return Err(LookupError::new(error_kind(&error["kind"]), error["message"].as_str().unwrap()));
        }
        let reply = &recorded["reply"];
        let texts = reply["blobs"].as_array().cloned().unwrap_or_default();
        let blob = |text: &Value| Blob::plain(Bytes::from(text.as_str().unwrap().to_owned()));
        Ok(Reply { document: reply["document"].to_string().into(), blobs: texts.iter().map(blob).collect() })
    }
}

/// The host's own kinds. A word of a newer host is for the plugin's native tests only: this host never says it.
fn error_kind(word: &Value) -> LookupErrorKind {
    use LookupErrorKind::{Denied, Invalid, Missing, TooLarge, Unavailable};
    let known = [Missing, Denied, TooLarge, Unavailable, Invalid];
    known.into_iter().find(|kind| *word == kind.word()).unwrap_or(Unavailable)
}

fn json_of(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One for all tests. Some plugins take ten seconds to compile, so compiled code is kept for the next run.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let cache_dir = Some(repository().join("target/compiled-guests"));
    Engine::new(EngineConfig { cache_dir, ..EngineConfig::default() }).unwrap()
});

/// Loads a built guest: one by its name, one without an SDK by its language and name (`c/identity`).
fn guest(name: &str) -> Plugin {
    let (folder, file) =
        name.split_once('/').map_or((String::new(), name), |(folder, file)| (format!("{folder}/"), file));
    let path = repository().join(format!("guests/{folder}target/components/{file}.wasm"));
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run ./x guests guests/{folder} first", path.display()));
    ENGINE.load(&bytes).unwrap()
}

/// Runs a case's events one after the other in one crew.
fn run(case: &Case, plugin: &Plugin) {
    let describe = plugin.describe();
    let settings = case.facts.get("settings").map_or_else(|| "{}".to_owned(), Value::to_string);
    let mut crew = Crew::new(plugin, &settings, Limits::default()).unwrap();
    let input = case.facts.get("input").and_then(Value::as_str);
    let input = input.unwrap_or_else(|| describe.inputs.keys().next().unwrap());
    let projection = match &describe.inputs[input].fields {
        None => Projection::everything(),
        Some(fields) => {
            let pointers: Vec<Pointer> = fields.iter().map(|field| Pointer::parse(field).unwrap()).collect();
            Projection::compile(&pointers)
        }
    };
    let now_ms = case.facts.get("now_ms").and_then(Value::as_u64).unwrap_or(1_700_000_000_000);
    let (inputs, expected) = (case.lines("input.jsonl"), case.lines("expected.jsonl"));
    assert_eq!(inputs.len(), expected.len(), "{}", case.folder.display());
    for (number, (line, expected)) in inputs.into_iter().zip(expected).enumerate() {
        let document = (line.trim() != "null").then(|| Document::parse(line.into(), &DecodeLimits::default()).unwrap());
        let ticket = crew.start(event(input, document.as_ref(), &projection));
        let (outcome, report) = settle(case, &mut crew, ticket, now_ms);
        let mut found = shown(outcome, document.as_ref(), &projection);
        let counts = counts(&report);
        if !counts.is_empty() {
            found["counts"] = json!(counts);
        }
        let mut expected: Value = serde_json::from_str(&expected).unwrap();
        forget_what_is_not_compared(&mut found, &mut expected);
        assert_eq!(found, expected, "{}, event {}", case.folder.display(), number + 1);
    }
}

fn event(input: &str, document: Option<&Document>, projection: &Projection) -> Event {
    let value = document.map(|document| {
        let mut projected = Vec::new();
        document.project(projection, &mut projected);
        Payload::Inline(Bytes::from(projected))
    });
    Event {
        input: Arc::from(input),
        source: TopicPartition::new("cases", 0),
        offset: 0,
        timestamp_ms: 0,
        key: None,
        value,
        headers: Vec::new(),
        attempt: 1,
    }
}

/// Runs turns until the ticket is over.
fn settle(case: &Case, crew: &mut Crew, ticket: Ticket, now_ms: u64) -> (Outcome, Report) {
    let mut effects = Vec::new();
    loop {
        assert!(crew.has_work(), "{}: nothing happens any more", case.folder.display());
        crew.run(now_ms, Duration::MAX, &mut effects);
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Ask { ask, .. } => crew.answer(ticket, ask.id, case.answer(&ask)),
                Effect::Done { outcome, report, .. } => return (outcome, report),
                Effect::Fault { fault, .. } => panic!("{}: {fault}", case.folder.display()),
            }
        }
    }
}

/// An outcome as a line of `expected.jsonl` would write it.
fn shown(outcome: Outcome, document: Option<&Document>, seen: &Projection) -> Value {
    let failure = |failure: Failure| json!({ "kind": failure.kind, "message": failure.message });
    match outcome {
        Outcome::Emit(emissions) => {
            let events: Result<Vec<Value>, String> =
                emissions.into_iter().map(|one| emitted(one, document, seen)).collect();
            match events {
                Ok(events) => json!({ "emit": events }),
                Err(message) => json!({ "fail": { "kind": "output_invalid", "message": message } }),
            }
        }
        Outcome::Skip(reason) => json!({ "skip": reason }),
        Outcome::Fail(why) => json!({ "fail": failure(why) }),
        Outcome::Retry { after_ms, failure: why } => {
            let mut retry = failure(why);
            if let Some(after_ms) = after_ms {
                retry["after_ms"] = json!(after_ms);
            }
            json!({ "retry": retry })
        }
    }
}

/// One event as it would come out; the error is why the host would refuse it.
fn emitted(emission: Emission, document: Option<&Document>, seen: &Projection) -> Result<Value, String> {
    let limits = DecodeLimits::default();
    let whole = |pieces: &[Piece]| Document::from_pieces(pieces, &limits).map_err(|error| error.to_string());
    let made = match &emission.document {
        EmittedDocument::Tombstone => None,
        EmittedDocument::Whole(pieces) => Some(whole(pieces)?),
        EmittedDocument::Patch(edits) => {
            let document = document.ok_or("a patch of a tombstone")?;
            Some(document.patch(edits, seen).map_err(|error| error.to_string())?)
        }
    };
    let value = made.map_or(Value::Null, |document| {
        let mut text = Vec::new();
        document.write(&mut text);
        serde_json::from_slice(&text).unwrap()
    });
    let mut event = json!({ "output": emission.output, "document": value });
    if let Some(key) = &emission.key {
        event["key"] = json!(String::from_utf8_lossy(key));
    }
    Ok(event)
}

fn counts(report: &Report) -> BTreeMap<String, u64> {
    let name = |series: &millrace_plugin::Series| {
        let labels: Vec<String> = series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if labels.is_empty() { series.name.clone() } else { format!("{}{{{}}}", series.name, labels.join(",")) }
    };
    report.counts.iter().map(|(series, by)| (name(series), *by)).collect()
}

/// A message is compared only where one is expected.
fn forget_what_is_not_compared(found: &mut Value, expected: &mut Value) {
    for key in ["fail", "retry"] {
        if expected.get(key).is_some_and(|failure| failure.get("message").is_none())
            && let Some(failure) = found.get_mut(key).and_then(Value::as_object_mut)
        {
            failure.remove("message");
        }
    }
}

/// The folders of cases; one that holds nothing but folders has cases of another kind.
fn case_folders() -> impl Iterator<Item = PathBuf> {
    let entries = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_case = move |path: &PathBuf| path.is_dir() && entries(path).any(|inside| inside.is_file());
    entries(&repository().join("tests/cases")).filter(is_case)
}

/// Runs every case of the plugin with this guest.
#[track_caller]
fn check_cases(plugin: &str, component: &Plugin) {
    let cases: Vec<Case> = case_folders().map(Case::read).filter(|case| case.plugin() == plugin).collect();
    assert!(cases.len() >= 30, "{} cases", cases.len());
    for case in cases {
        run(&case, component);
    }
}

#[test]
fn every_case_is_of_a_plugin_that_runs_them() {
    for case in case_folders().map(Case::read) {
        assert_eq!(case.plugin(), "page-content-change", "{}", case.folder.display());
    }
}

#[test]
fn every_case_ends_as_expected_in_the_real_component() {
    check_cases("page-content-change", &guest("page-content-change"));
}

#[test]
fn every_case_ends_as_expected_in_c_without_an_sdk() {
    check_cases("page-content-change", &guest("c/page-content-change"));
}

#[test]
fn every_case_ends_as_expected_in_go_without_an_sdk() {
    check_cases("page-content-change", &guest("go/page-content-change"));
}

#[test]
fn every_case_ends_as_expected_in_python() {
    check_cases("page-content-change", &guest("python-enrichment"));
}
