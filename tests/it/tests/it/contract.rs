//! What leaves is valid: fields of newer producers are left out and counted, and what breaks its schema becomes an error
//! event with its place.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_it::real_schemas::RealSchema;
use millrace_it::{Stage, json, record};
use serde_json::{Value, json as value};
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

/// Makes an event one of page/change 1.11.0, as far as the shapes are known: each version since 1.3.0 added a field.
fn newer(event: &mut Value) {
    event["$schema"] = value!("/mediawiki/page/change/1.11.0");
    event["page"]["namespace_is_content"] = value!(true);
    event["page"]["wikibase_item_id"] = value!("Q42");
    for user in ["/performer", "/revision/editor"] {
        let user = event.pointer_mut(user).unwrap();
        user["user_central_id"] = value!(84_664_793);
        user["wiki_id"] = value!("enwiki");
        user["first_edit_dt"] = value!("2026-06-08T08:54:30Z");
        user["edit_global_count"] = Value::Null;
    }
    event["revision"]["revert"] = value!({ "method": "undo", "is_exact": true });
}

#[test]
fn events_of_newer_producers_are_cut_and_invalid_ones_are_error_events() -> anyhow::Result<()> {
    let stage = Stage::set("contract", "page-content-change", 1, Duration::from_millis(5))?;
    let mut records = Vec::new();
    let mut feed = |page_id, change_it: fn(&mut Value)| -> anyhow::Result<()> {
        let change = Change { wiki: &Wiki::numbered(0), page_id, edit: 2, kind: Kind::Edit, dt: DT };
        let mut event: Value = serde_json::from_str(&change.event(&stage.world))?;
        change_it(&mut event);
        records.push(record("contract.in", Some(change.key().into_bytes()), Some(event.to_string().into_bytes())));
        Ok(())
    };
    feed(1, newer)?;
    feed(2, |event| event["page"]["is_redirect"] = value!("no"))?;
    feed(3, |event| event["page_change_kind"] = value!("explode"))?;
    feed(4, |event| event["page"]["page_title"] = Value::Null)?;
    feed(5, |_| ())?;
    stage.feed_records(records)?;
    let mut host = stage.start()?;
    let metrics = stage.settle(&mut host, 5)?;
    stage.committed_to_the_end(5)?;
    assert_eq!(host.terminate()?, Some(0));

    let dropped = |field: &str| metrics.sum("millrace_fields_dropped_total", &[&format!("field=\"{field}\"")]);
    for field in ["/page/wikibase_item_id", "/performer/user_central_id", "/revision/editor/edit_global_count"] {
        assert_eq!(dropped(field), 1.0, "{field}");
    }
    assert_eq!(metrics.sum("millrace_fields_dropped_total", &[]), 11.0);
    let schema = RealSchema::read("mediawiki/page/change/1.2.0")?;
    let outputs = stage.outputs()?;
    assert_eq!(outputs.len(), 2);
    for output in &outputs {
        let event = json(output)?;
        assert_eq!(event["$schema"], "/mediawiki/page/change/1.2.0");
        assert!(event["revision"]["content_slots"]["main"]["content_body"].is_string(), "{event}");
        schema.as_ref().map_or(Ok(()), |schema| schema.check(&event))?;
    }
    let errors: Vec<Value> = stage.errors()?.iter().map(json).collect::<Result<_, _>>()?;
    let told: Vec<&str> = errors.iter().map(|error| error["message"].as_str().unwrap()).collect();
    assert!(errors.iter().all(|error| error["error_type"] == "output_invalid"), "{told:?}");
    for place in ["/page/is_redirect: \"no\"", "/page_change_kind: \"explode\"", "page_title"] {
        assert!(told.iter().any(|message| message.contains(place)), "{place}: {told:?}");
    }
    Ok(())
}
