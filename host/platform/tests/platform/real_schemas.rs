//! The platform's own schemas, where they lie beside this repository. They are not part of it, so a clone without them
//! passes these checks over, and says so.

use crate::sample::{PAGE_CHANGE, document, written};
use millrace_platform::{Document, Pointer, Presence, Projected, Reason, Schema, SchemaUri, SchemaVersion};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const REPOSITORIES: [&str; 2] = ["schemas-event-primary", "schemas-event-secondary"];

#[expect(clippy::print_stderr, reason = "whoever runs the test is to see that it checked nothing")]
fn repository(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name).join("jsonschema");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("not checked, because the real schemas are not beside this repository: {name}");
    None
}

/// Every version of every schema below `folder`: its URI, and its text.
fn versions(repository: &Path, folder: &Path, found: &mut Vec<(SchemaUri, Vec<u8>)>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            versions(repository, &path, found);
            continue;
        }
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
        let Some(version) = SchemaVersion::parse(path.file_stem().unwrap().to_str().unwrap()).filter(|_| is_yaml)
        else {
            continue;
        };
        let title = path.parent().unwrap().strip_prefix(repository).unwrap().to_str().unwrap();
        found.push((SchemaUri::new(title, version).unwrap(), std::fs::read(&path).unwrap()));
    }
}

fn all(name: &str) -> Vec<Schema> {
    let Some(folder) = repository(name) else { return Vec::new() };
    let mut found = Vec::new();
    versions(&folder, &folder, &mut found);
    assert!(found.len() > 10, "{name} has only {} schemas", found.len());
    found.iter().map(|(uri, text)| Schema::compile(uri, text).unwrap()).collect()
}

#[test]
fn all_real_schemas_compile_and_know_their_examples() {
    let (mut schemas, mut examples) = (0, 0);
    for schema in REPOSITORIES.into_iter().flat_map(all) {
        schemas += 1;
        for example in schema.examples() {
            examples += 1;
            let example = document(&example.to_string());
            schema.validate(&example).unwrap_or_else(|invalid| panic!("{}: {invalid}", schema.uri()));
            let Projected { document: projected, dropped } = schema.project(&example);
            assert_eq!(dropped, [], "{}", schema.uri());
            assert_eq!(written(&projected), written(&example));
        }
    }
    eprintln!("{schemas} real schemas with {examples} examples");
}

/// Canary events as they are made: from the first example, with another `meta.domain` and `meta.stream` and no `meta.dt`
/// (`CanaryEventProducer` of the platform's event utilities).
#[test]
fn canary_events_made_of_examples_are_known_as_such() {
    let mut count = 0;
    for schema in REPOSITORIES.into_iter().flat_map(all) {
        let Some(example) = schema.examples().first() else { continue };
        let mut canary = example.clone();
        // Fragments are no schemas of events.
        let Some(meta) = canary.get_mut("meta").and_then(Value::as_object_mut) else { continue };
        meta.insert("domain".to_owned(), json!("canary"));
        meta.insert("stream".to_owned(), json!("some.stream"));
        meta.remove("dt");
        let canary = document(&canary.to_string());
        assert!(canary.facts().canary, "{}", schema.uri());
        assert!(!document(&example.to_string()).facts().canary, "{}", schema.uri());
        assert_eq!(canary.is_of(schema.title()), Ok(()), "{}", schema.uri());
        count += 1;
    }
    let is_there = REPOSITORIES.into_iter().all(|name| repository(name).is_some());
    assert!(!is_there || count >= 50, "{count} schemas have examples");
}

fn page_change(version: &str) -> Option<Schema> {
    let folder = repository("schemas-event-primary")?;
    let text = std::fs::read(folder.join("mediawiki/page/change").join(format!("{version}.yaml"))).unwrap();
    let uri = SchemaUri::new("mediawiki/page/change", SchemaVersion::parse(version).unwrap()).unwrap();
    Some(Schema::compile(&uri, &text).unwrap())
}

/// An event of page/change 1.11.0 with everything that is newer than 1.2.0.
fn newest() -> Document {
    let mut event: Value = serde_json::from_str(PAGE_CHANGE).unwrap();
    let link =
        json!({"page_id": 4, "page_title": "Ziel", "namespace_id": 0, "is_redirect": false, "wikibase_item_id": "Q1"});
    event["page"]["redirect_page_link"] = link;
    event["revision"]["revert"] = json!({
        "method": "undo", "is_exact": true, "rev_original_id": 1, "rev_original_dt": "2026-01-01T00:00:00Z",
        "rev_reverted_oldest_id": 2, "rev_reverted_newest_id": 3,
    });
    event["created_redirect_page"] =
        json!({"page_id": 9, "page_title": "Alt", "namespace_id": 0, "namespace_is_content": true});
    event["revision"]["content_slots"]["main"]["content_body"] = "== Mühle ==\n".into();
    // Added by the service that streams to the public; `meta` is open.
    event["meta"]["topic"] = "eqiad.mediawiki.page_change.v1".into();
    document(&event.to_string())
}

/// What page/change of any version known here drops of [`newest`].
const NEWER: [(&str, u64); 14] = [
    ("/created_redirect_page/namespace_is_content", 1),
    ("/page/namespace_is_content", 1),
    ("/page/redirect_page_link/wikibase_item_id", 1),
    ("/page/wikibase_item_id", 1),
    ("/performer/edit_global_count", 1),
    ("/performer/first_edit_dt", 1),
    ("/performer/user_central_id", 1),
    ("/performer/wiki_id", 1),
    ("/prior_state/revision/editor/wiki_id", 1),
    ("/revision/editor/edit_global_count", 1),
    ("/revision/editor/first_edit_dt", 1),
    ("/revision/editor/user_central_id", 1),
    ("/revision/editor/wiki_id", 1),
    ("/revision/revert", 1),
];

#[track_caller]
fn check_dropped(schema: &Schema, event: &Document, expected: &[(&str, u64)]) {
    let Projected { document: projected, dropped } = schema.project(event);
    assert!(dropped.iter().all(|dropped| dropped.reason == Reason::Unknown));
    let mut found: Vec<(&str, u64)> = dropped.iter().map(|dropped| (dropped.path.as_str(), dropped.count)).collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{}", schema.uri());
    schema.validate(&projected).unwrap_or_else(|invalid| panic!("{}: {invalid}", schema.uri()));
    for kept in
        ["/meta/topic", "/page/page_id", "/revision/content_slots/main/content_body", "/revision/editor/user_text"]
    {
        assert!(projected.get(&Pointer::parse(kept).unwrap()).is_some(), "{kept}");
    }
}

#[test]
fn page_changes_of_newer_versions_become_ones_of_the_pinned() {
    for version in ["1.1.0", "1.2.0"] {
        let Some(schema) = page_change(version) else { return };
        assert!(schema.validate(&newest()).is_err());
        check_dropped(&schema, &newest(), &NEWER);
    }
}

#[test]
fn the_first_version_knows_no_link_of_a_redirect() {
    let Some(schema) = page_change("1.0.0") else { return };
    let without_link: Vec<(&str, u64)> = NEWER
        .map(|(path, count)| {
            (path.strip_suffix("/wikibase_item_id").filter(|path| path.ends_with("link")).unwrap_or(path), count)
        })
        .to_vec();
    check_dropped(&schema, &newest(), &without_link);
}

#[test]
fn what_no_projection_mends_is_refused() {
    let Some(schema) = page_change("1.2.0") else { return };
    // Allowed since 1.7.0, for links to special pages.
    let event = written(&newest()).replacen(r#""namespace_id":0"#, r#""namespace_id":-1"#, 1);
    let invalid = schema.validate(&schema.project(&document(&event)).document).unwrap_err();
    assert_eq!(invalid.to_string(), "/created_redirect_page/namespace_id: -1 is less than 0");
}

#[test]
fn real_schemas_have_the_key_fields_of_real_streams() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/stream-config/streamconfigs_default_all_settings.json");
    let Ok(config) = std::fs::read_to_string(config) else {
        eprintln!("not checked, because the real stream configuration is not beside this repository");
        return;
    };
    let config: Value = serde_json::from_str(&config).unwrap();
    let schemas: Vec<Schema> = REPOSITORIES.into_iter().flat_map(all).collect();
    let mut fields = 0;
    for (stream, settings) in config["streams"].as_object().unwrap() {
        let keys = settings["message_key_fields"].as_object().into_iter().flatten();
        let latest = schemas
            .iter()
            .filter(|schema| schema.title() == settings["schema_title"])
            .max_by_key(|schema| schema.uri());
        let Some(schema) = latest else { continue };
        for (_, path) in keys {
            fields += 1;
            let pointer = Pointer::of_keys(path.as_str().unwrap().split('.')).unwrap();
            assert_eq!(schema.has_field(&pointer), Presence::Declared, "{stream}: {path} of {}", schema.uri());
        }
    }
    eprintln!("{fields} key fields of real streams");
    assert!(fields > 0);
}
