//! Pipelines that name their streams, and take topics, keys and schemas from what is declared of them.

use anyhow::Context as _;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, guest, millrace_binary, root};
use millrace_it::{Stage, json, kafka, record, wait_for_metrics};
use millrace_services::Topic;
use serde_json::{Value, json as value};
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

/// The streams `NAME.v1`, `NAME.copy.v1` and `NAME.error`, the second with the fields of `key` in their order.
fn streams(name: &str, key: &Value) -> String {
    let title = "mediawiki/page/change";
    value!({ "streams": {
        format!("{name}.v1"): { "schema_title": title, "canary_events_enabled": true },
        format!("{name}.copy.v1"): { "schema_title": title, "message_key_fields": key, "consumers": { "other": {} } },
        format!("{name}.error"): { "schema_title": "error", "canary_events_enabled": false },
    }})
    .to_string()
}

/// A host in eqiad that reads the stream of both data centres.
fn host_yaml(stage: &Stage, name: &str, input: &str) -> anyhow::Result<String> {
    Ok(format!(
        "data_centre: eqiad
streams: {{ file: streams.json, refresh: 1 s }}
schemas: {{ repositories: [\"{schemas}\"] }}
kafka: {{ clusters: {{ main: {{ brokers: \"{brokers}\" }} }} }}
admin: {{ listen: \"{{admin}}\" }}
pipelines:
  - name: {name}
    plugin: \"{plugin}\"
    cluster: main
    start: earliest
    inputs: {{ in: {{ stream: {name}.v1, {input} }} }}
    outputs: {{ out: {{ stream: {name}.copy.v1, schema: /mediawiki/page/change/1.2.0 }} }}
",
        schemas = root().join("examples/schemas/jsonschema").display(),
        brokers = stage.enrichment.brokers,
        plugin = guest("identity")?.display(),
    ))
}

fn stage(name: &str) -> anyhow::Result<Stage> {
    let mut stage = Stage::set(name, "identity", 1, Duration::ZERO)?;
    let topic = |topic: &str| Topic::new(topic, 1, &[("max.message.bytes", "10485760")]);
    let topics = ["eqiad.NAME.v1", "codfw.NAME.v1", "eqiad.NAME.copy.v1", "eqiad.NAME.error"];
    let topics: Vec<Topic> = topics.iter().map(|text| topic(&text.replace("NAME", name))).collect();
    kafka()?.create_topics(&topics)?;
    stage.enrichment.output = format!("eqiad.{name}.copy.v1");
    stage.enrichment.errors = format!("eqiad.{name}.error");
    Ok(stage)
}

/// An event of page `page_id` on the stream of a data centre, with another `$schema` where one is given: null is none.
fn event(
    stage: &Stage,
    topic: &str,
    page_id: u64,
    schema: Option<Value>,
) -> anyhow::Result<millrace_flow::record::OutputRecord> {
    let change = Change { wiki: &Wiki::numbered(0), page_id, edit: 2, kind: Kind::Edit, dt: DT };
    let mut event: Value = serde_json::from_str(&change.event(&stage.world))?;
    match schema {
        Some(Value::Null) => drop(event.as_object_mut().context("no object")?.remove("$schema")),
        Some(schema) => event["$schema"] = schema,
        None => {}
    }
    Ok(record(topic, Some(change.key().into_bytes()), Some(event.to_string().into_bytes())))
}

fn keys(stage: &Stage) -> anyhow::Result<Vec<String>> {
    let outputs = stage.outputs()?;
    let mut keys: Vec<String> =
        outputs.iter().map(|output| String::from_utf8_lossy(output.key.as_deref().unwrap()).into_owned()).collect();
    keys.sort();
    Ok(keys)
}

#[test]
fn declared_streams_are_read_and_written_and_what_is_declared_anew_waits_for_a_restart() -> anyhow::Result<()> {
    let stage = stage("declared")?;
    let declared = stage.folder().join("streams.json");
    let key = value!({ "a_wiki": "wiki_id", "page_id": "page.page_id" });
    std::fs::write(&declared, streams("declared", &key))?;
    let [eqiad, codfw] = ["eqiad.declared.v1", "codfw.declared.v1"];
    stage.feed_records([event(&stage, eqiad, 1, None)?, event(&stage, codfw, 2, None)?])?;
    let mut host = Host::start(&millrace_binary()?, stage.folder(), &host_yaml(&stage, "declared", "read: all")?)?;
    host.wait_ready()?;
    stage.settle(&mut host, 2)?;
    let told = |page_id| format!("{{\"a_wiki\":\"{}\",\"page_id\":{page_id}}}", Wiki::numbered(0).id);
    assert_eq!(keys(&stage)?, [told(1), told(2)]);

    std::fs::write(&declared, streams("declared", &value!({ "page_id": "page.page_id" })))?;
    wait_for_metrics(&host, "the change is told", |metrics| metrics.sum("millrace_streams_changed", &[]) == 1.0)?;
    stage.wait_for_log(&host, &["output out: another key", "restart the host to follow them"])?;
    std::fs::write(&declared, "no JSON")?;
    wait_for_metrics(&host, "the outage is told", |metrics| metrics.sum("millrace_streams_old", &[]) == 1.0)?;
    stage.feed_records([event(&stage, eqiad, 3, None)?])?;
    stage.settle(&mut host, 3)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(keys(&stage)?, [told(1), told(2), told(3)], "the key is the one that it began with");
    let event = json(&stage.outputs()?[0])?;
    assert_eq!(event["meta"]["stream"], "declared.copy.v1");
    Ok(())
}

/// Feeds one event of each kind that is not of its stream's schema, one of a newer version, and a canary.
fn unfit(name: &str, input: &str) -> anyhow::Result<(Stage, millrace_bed::host::Metrics)> {
    let stage = stage(name)?;
    let key = value!({ "wiki_id": "wiki_id", "page_id": "page.page_id" });
    std::fs::write(stage.folder().join("streams.json"), streams(name, &key))?;
    let topic = format!("eqiad.{name}.v1");
    let absolute = "https://schema.example.org/mediawiki/page/change/1.2.0";
    stage.feed_records([
        event(&stage, &topic, 1, Some(Value::Null))?,
        event(&stage, &topic, 2, Some(value!(absolute)))?,
        event(&stage, &topic, 3, Some(value!("/mediawiki/page/move/1.2.0")))?,
        event(&stage, &topic, 4, Some(value!("/mediawiki/page/change/9.0.0")))?,
        record(&topic, None, Some(br#"{"meta":{"domain":"canary","stream":"x"}}"#.to_vec())),
        // Another data centre's, which is not read.
        event(&stage, &format!("codfw.{name}.v1"), 5, None)?,
    ])?;
    let mut host = Host::start(&millrace_binary()?, stage.folder(), &host_yaml(&stage, name, input)?)?;
    host.wait_ready()?;
    let metrics = stage.settle(&mut host, 5)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(metrics.sum("millrace_events_in_total", &[]), 5.0);
    assert_eq!(metrics.sum("millrace_events_unfit_total", &[]), 3.0);
    assert_eq!(metrics.sum("millrace_events_canary_total", &[]), 1.0);
    Ok((stage, metrics))
}

#[test]
fn events_of_another_schema_than_their_streams_are_error_events() -> anyhow::Result<()> {
    let (stage, metrics) = unfit("unfit", "unfit: error")?;
    assert_eq!(metrics.sum("millrace_events_failed_total", &["error_type=\"schema_unfit\""]), 3.0);
    assert_eq!(stage.outputs()?.len(), 1);
    for error in stage.errors()? {
        let event = json(&error)?;
        assert_eq!(event["error_type"], "schema_unfit");
        assert!(event["raw_event"].as_str().is_some_and(|raw| raw.contains("page_id")));
    }
    Ok(())
}

#[test]
fn events_of_another_schema_than_their_streams_may_pass_and_are_counted() -> anyhow::Result<()> {
    let (stage, metrics) = unfit("unfit_passes", "unfit: pass")?;
    assert_eq!(metrics.sum("millrace_events_failed_total", &[]), 0.0);
    assert_eq!((stage.outputs()?.len(), stage.errors()?.len()), (4, 0));
    Ok(())
}
