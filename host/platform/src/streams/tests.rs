//! What a stream configuration says, in the shapes in which services and people write it.

use super::*;
use serde_json::json;

fn config(streams: serde_json::Value) -> StreamsConfig {
    StreamsConfig::parse(json!({ "streams": streams }).to_string().as_bytes()).unwrap()
}

#[track_caller]
fn check_topics(settings: serde_json::Value, name: &str, expected: &[&str]) {
    assert_eq!(config(settings).get(name).unwrap().topics(), expected);
}

#[track_caller]
fn check_mistakes(text: &str, expected: &[&str]) {
    let error = StreamsConfig::parse(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(error.lines().collect::<Vec<_>>(), expected);
}

/// One stream with topics in two data centres and one without.
fn switchover() -> StreamsConfig {
    config(json!({ "page.v1": {}, "old": { "topic_prefixes": null }, "one": { "topics": ["eqiad.one"] } }))
}

#[track_caller]
fn check_read(stream: &str, here: Option<&str>, scope: ReadScope, expected: Result<&[&str], &str>) {
    let here = here.map(|name| DataCentre::parse(name).unwrap());
    let topics = switchover().get(stream).unwrap().topics_read(here.as_ref(), scope);
    let topics = topics.map_err(|error| error.to_string());
    let topics: Result<Vec<&str>, &str> =
        topics.as_ref().map(|topics| topics.iter().map(String::as_str).collect()).map_err(String::as_str);
    assert_eq!(topics.as_deref().map_err(|error| *error), expected);
}

#[track_caller]
fn check_written(stream: &str, here: Option<&str>, expected: Result<&str, &str>) {
    let here = here.map(|name| DataCentre::parse(name).unwrap());
    let topic = switchover().get(stream).unwrap().topic_written(here.as_ref()).map_err(|error| error.to_string());
    assert_eq!(topic.as_deref().map_err(String::as_str), expected);
}

#[test]
fn topics_are_the_listed_ones_else_the_name_behind_each_prefix() {
    check_topics(json!({ "a.v1": {} }), "a.v1", &["eqiad.a.v1", "codfw.a.v1"]);
    check_topics(json!({ "a": { "topic_prefixes": null } }), "a", &["a"]);
    check_topics(json!({ "a": { "topic_prefixes": [] } }), "a", &["a"]);
    check_topics(json!({ "a": { "topic_prefixes": ["esams."] } }), "a", &["esams.a"]);
    check_topics(json!({ "a": { "topics": ["other"] } }), "a", &["other"]);
    check_topics(json!({ "a": { "topics": [] } }), "a", &["eqiad.a", "codfw.a"]);
}

#[test]
fn a_pattern_has_patterns_of_topics_and_stands_for_each_stream_that_it_matches() {
    let config = config(json!({ r"/^job\..+/": { "schema_title": "job" }, "job.own": { "schema_title": "own" } }));
    let pattern = config.iter().next().unwrap();
    assert!(pattern.is_pattern());
    assert_eq!(pattern.topics(), [r"/^(eqiad\.|codfw\.)job\..+/"]);
    assert_eq!(pattern.topics_read(None, ReadScope::All), Err(TopicsError::Pattern));
    let refresh = config.get("job.refresh").unwrap();
    assert_eq!((refresh.name(), refresh.schema_title()), ("job.refresh", Some("job")));
    assert_eq!(refresh.topics(), ["eqiad.job.refresh", "codfw.job.refresh"]);
    assert_eq!(config.get("job.own").unwrap().schema_title(), Some("own"));
    assert!(config.get("jobs").is_none());
    assert!(config.get("some.job.refresh").is_none());
    let owners = |topic| config.owners_of_topic(topic).map(StreamSettings::name).collect::<Vec<_>>();
    assert_eq!(owners("codfw.job.refresh"), [r"/^job\..+/"]);
    assert_eq!(owners("eqiad.job.own"), [r"/^job\..+/", "job.own"]);
    assert!(owners("job.refresh").is_empty());
}

#[test]
fn key_fields_keep_their_order_and_become_pointers() {
    let text =
        r#"{"streams": {"a": {"message_key_fields": {"wiki": "wiki_id", "id": "page.page_id", "a/b": "x.a/b"}}}}"#;
    let config = StreamsConfig::parse(text.as_bytes()).unwrap();
    let fields = config.get("a").unwrap();
    let fields: Vec<(&str, &str)> =
        fields.message_key_fields().iter().map(|field| (field.name.as_str(), field.pointer.as_str())).collect();
    assert_eq!(fields, [("wiki", "/wiki_id"), ("id", "/page/page_id"), ("a/b", "/x/a~1b")]);
}

#[test]
fn defaults_are_merged_and_unknown_settings_kept() {
    let text = r#"{"default": {"canary_events_enabled": true, "producers": {"eventgate": {"a": 1, "b": 2}}},
        "streams": {"a": {"producers": {"eventgate": {"b": 3}}}, "b": {"canary_events_enabled": false}}}"#;
    let config = StreamsConfig::parse(text.as_bytes()).unwrap();
    let a = config.get("a").unwrap();
    assert!(a.canary_events_enabled());
    assert!(!config.get("b").unwrap().canary_events_enabled());
    assert_eq!(a.raw()["producers"], json!({ "eventgate": { "a": 1, "b": 3 } }));
}

#[test]
fn the_empty_lists_that_php_writes_for_empty_objects_are_empty() {
    assert!(StreamsConfig::parse(br#"{"streams": []}"#).unwrap().is_empty());
    let settings = json!({ "a": { "message_key_fields": [], "producers": [] } });
    assert!(config(settings).get("a").unwrap().message_key_fields().is_empty());
}

#[test]
fn all_mistakes_are_told_with_stream_key_and_line() {
    let text = r#"{"streams": {
"a": {"topics": "a", "canary_events_enabled": "yes",
  "message_key_fields": {"id": "page..id", "ok": "ok"}},
"b": 7,
"c": {"stream": "d", "topic_prefixes": ["a b"], "schema_title": "/x/y"},
"/(/": {},
"d e": {}
}}"#;
    check_mistakes(
        text,
        &[
            "line 2: a: topics: expected a list, found \"a\"; write it as a list, even of one",
            "line 3: a: message_key_fields.id: expected the path of a field, found \"page..id\"; write names with dots \
             between them, like `page.page_id`",
            "line 2: a: canary_events_enabled: expected true or false, found \"yes\"; write one of the two, without quotes",
            "line 4: b: expected an object of settings, found 7; write the stream's settings in it",
            "line 5: c: stream: it says \"d\", and the stream stands under `c`; write the same name at both places",
            "line 5: c: topic_prefixes: expected the beginning of a topic's name, like `eqiad.`, found \"a b\"; correct \
             it, or remove it from the list",
            "line 5: c: schema_title: expected the title of a schema, found \"/x/y\"; write the schema's path without \
             version or slash in front, like `mediawiki/page/change`",
            "line 6: /(/: not a regular expression: unclosed group; correct the expression, as in \
             `/^mediawiki\\.job\\..+/`",
            "line 7: d e: a stream's name has letters, digits, `_`, `-` and `.` only, 249 at most; rename it; topics are \
             named after it",
        ],
    );
}

#[test]
fn what_is_no_stream_configuration_says_so() {
    check_mistakes("{\"streams\":\n {,}}", &["line 2: not JSON at byte 14: expected a key"]);
    check_mistakes(
        "{\"streams\": {\"a\": {},\n \"a\": {}}}",
        &["line 2: the key `a` at byte 24 is already in its object"],
    );
    let shape = "there is no `streams` in it; its shape is {\"streams\": {\"<name>\": {...}}}, as `action=streamconfigs` \
                 answers";
    check_mistakes("{}", &[shape]);
    check_mistakes(r#"{"streams": "none"}"#, &[shape]);
    check_mistakes(
        r#"{"error": {"code": "badvalue", "info": "Unrecognized value for parameter \"action\""}}"#,
        &["the service answered with an error: Unrecognized value for parameter \"action\""],
    );
}

#[test]
fn a_wrong_stream_keeps_nobody_from_the_others() {
    let (config, mistakes) = StreamsConfig::parse_usable(br#"{"streams": {"a": {"topics": 1}, "b": {}}}"#).unwrap();
    assert_eq!(config.names().collect::<Vec<_>>(), ["b"]);
    assert_eq!(mistakes.len(), 1);
}

#[test]
fn a_topic_of_two_streams_is_found() {
    let config = config(json!({ "page.v1": {}, "mine": { "topics": ["eqiad.mine", "codfw.page.v1"] } }));
    let contested = config.contested_topics();
    let [contested] = contested.as_slice() else { panic!("{contested:?}") };
    assert_eq!(contested.topic, "codfw.page.v1");
    assert_eq!(contested.streams.len(), 2);
}

#[test]
fn a_host_reads_its_own_topics_or_all() {
    check_read("page.v1", Some("eqiad"), ReadScope::Own, Ok(&["eqiad.page.v1"]));
    check_read("page.v1", Some("codfw"), ReadScope::All, Ok(&["eqiad.page.v1", "codfw.page.v1"]));
    check_read("old", Some("eqiad"), ReadScope::Own, Ok(&["old"]));
    check_read("old", None, ReadScope::Own, Ok(&["old"]));
    check_read(
        "page.v1",
        None,
        ReadScope::Own,
        Err("its topics are eqiad.page.v1, codfw.page.v1, and which data centre this is was not said"),
    );
    check_read(
        "one",
        Some("codfw"),
        ReadScope::Own,
        Err("none of its topics begins with `codfw.`: they are eqiad.one"),
    );
}

#[test]
fn a_host_writes_its_own_topic_only() {
    check_written("page.v1", Some("codfw"), Ok("codfw.page.v1"));
    check_written("old", Some("codfw"), Ok("old"));
    check_written("one", None, Ok("eqiad.one"));
    check_written("one", Some("codfw"), Err("none of its topics begins with `codfw.`: they are eqiad.one"));
    check_written(
        "page.v1",
        None,
        Err("its topics are eqiad.page.v1, codfw.page.v1, and which data centre this is was not said"),
    );
}
