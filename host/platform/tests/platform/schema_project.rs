//! Cutting events down to a pinned schema, case by case.

use crate::sample::{document, set, string, written};
use crate::schema::{EVENT, NEW, OLD, schema, small};
use bytes::Bytes;
use millrace_flow::blob::Piece;
use millrace_platform::{Document, Projected, Projection, Reason, Schema};

/// Checks what is left of an event, and what was dropped: each path, with `=null` where it was null, and how often.
#[track_caller]
fn check(schema: &Schema, event: &Document, left: &str, dropped: &[(&str, u64)]) {
    let projected = schema.project(event);
    assert_eq!(written(&projected.document), left);
    let found: Vec<(String, u64)> = projected.dropped.iter().map(|dropped| (told(dropped), dropped.count)).collect();
    let found: Vec<(&str, u64)> = found.iter().map(|(path, count)| (path.as_str(), *count)).collect();
    assert_eq!(found, dropped);
    // What is left is what the schema knows.
    assert_eq!(schema.project(&projected.document).dropped, []);
}

fn told(dropped: &millrace_platform::Dropped) -> String {
    match dropped.reason {
        Reason::Unknown => dropped.path.clone(),
        Reason::Null => format!("{}=null", dropped.path),
    }
}

#[track_caller]
fn check_text(keywords: &str, event: &str, left: &str, dropped: &[(&str, u64)]) {
    check(&small(keywords), &document(event), left, dropped);
}

#[test]
fn an_event_of_a_newer_version_becomes_one_of_the_pinned() {
    let newer = r#"{"is_night":true,"$schema":"/mill/turn_change/1.1.0","meta":{"stream":"mill.turn_change","lamp":{"oil":null}},"dt":"2026-03-14T15:09:26Z","kind":"start","wheel":{"wheel_id":7.0,"paddles":["oak"],"wheel_name":"\u00dcber"},"sacks":{"rye":{"moisture":0.1,"weight":1},"oat":{"weight":2},"wheat":{"weight":3,"moisture":0.2}},"params":{"any":1}, "prior_state":{"wheel":{"paddles":[]},"other":1}}"#;
    let left = r#"{"$schema":"/mill/turn_change/1.1.0","meta":{"stream":"mill.turn_change","lamp":{"oil":null}},"dt":"2026-03-14T15:09:26Z","kind":"start","wheel":{"wheel_id":7.0,"wheel_name":"\u00dcber"},"sacks":{"rye":{"weight":1},"oat":{"weight":2},"wheat":{"weight":3}},"params":{"any":1},"prior_state":{"wheel":{},"other":1}}"#;
    let (old, new) = (schema("1.0.0", OLD), schema("1.1.0", NEW));
    let newer = document(newer);
    assert_eq!(new.validate(&newer), Ok(()));
    assert!(old.validate(&newer).is_err());
    let dropped =
        [("/is_night", 1), ("/wheel/paddles", 1), ("/sacks/*/moisture", 2), ("/prior_state/wheel/paddles", 1)];
    check(&old, &newer, left, &dropped);
    assert_eq!(old.validate(&old.project(&newer).document), Ok(()));
}

#[test]
fn what_is_known_stays_as_it_came() {
    let pretty = EVENT.replace(',', " ,\n\t") + "  \n";
    let event = document(&pretty);
    let Projected { document: projected, dropped } = schema("1.0.0", OLD).project(&event);
    assert_eq!((written(&projected), dropped), (pretty, vec![]));
    // Nothing was copied: it holds no byte more than the event.
    assert_eq!(projected.held(), event.held());
}

#[test]
fn closed_objects_drop_and_open_ones_keep() {
    let event = r#"{"a":1,"b":{"c":null}}"#;
    check_text("additionalProperties: false\n", event, "{}", &[("/a", 1), ("/b", 1)]);
    check_text("additionalProperties: true\n", event, event, &[]);
    check_text("additionalProperties: {}\n", event, event, &[]);
    check_text("type: object\n", event, event, &[]);
    check_text("properties: {b: {additionalProperties: false}}\n", event, r#"{"a":1,"b":{}}"#, &[("/b/c", 1)]);
    check_text(
        "properties: {b: {type: array, additionalProperties: false}}\n",
        event,
        r#"{"a":1,"b":{}}"#,
        &[("/b/c", 1)],
    );
    check_text("properties: {b: true, a: false}\n", event, event, &[]);
}

#[test]
fn maps_keep_their_names_and_are_cut_inside() {
    let map =
        "properties: {m: {additionalProperties: {type: object, properties: {a: {}}, additionalProperties: false}}}\n";
    check_text(
        map,
        r#"{"m":{"x":{"a":1},"y":{"b":2,"a":1},"z":{"b":3}}}"#,
        r#"{"m":{"x":{"a":1},"y":{"a":1},"z":{}}}"#,
        &[("/m/*/b", 2)],
    );
    check_text(map, r#"{"m":{"x":[{"b":1}],"y":"b"}}"#, r#"{"m":{"x":[{"b":1}],"y":"b"}}"#, &[]);
}

#[test]
fn arrays_keep_their_elements_and_are_cut_inside() {
    let list = "properties: {l: {items: {properties: {a: {type: string}}, additionalProperties: false}}}\n";
    check_text(
        list,
        r#"{"l":[{"a":"x"},1,null,{"b":1},[{"b":1}],{"a":null},{"b":1,"a":"y"}]}"#,
        r#"{"l":[{"a":"x"},1,null,{},[{"b":1}],{},{"a":"y"}]}"#,
        &[("/l/*/b", 2), ("/l/*/a=null", 1)],
    );
    check_text("properties: {l: {items: {type: string}}}\n", r#"{"l":[null]}"#, r#"{"l":[null]}"#, &[]);
}

#[test]
fn null_is_dropped_where_the_schema_has_a_type_for_it() {
    let event = r#"{"a":null}"#;
    check_text("properties: {a: {type: string}}\n", event, "{}", &[("/a=null", 1)]);
    check_text("properties: {a: {type: [string, integer]}}\n", event, "{}", &[("/a=null", 1)]);
    check_text("additionalProperties: {type: string}\n", event, "{}", &[("/*=null", 1)]);
    check_text("additionalProperties: false\n", event, "{}", &[("/a", 1)]);
    for keywords in [
        "properties: {a: {type: [string, 'null']}}\n",
        "properties: {a: {type: 'null'}}\n",
        "properties: {a: {}}\n",
        "properties: {a: {enum: [1]}}\n",
        "properties: {b: {type: string}}\n",
        "additionalProperties: {}\n",
    ] {
        check_text(keywords, event, event, &[]);
    }
}

#[test]
fn a_required_field_that_is_null_is_missing() {
    let schema = schema("1.0.0", OLD);
    let event = document(&EVENT.replace("\"Upper\"", "null"));
    let projected = schema.project(&event).document;
    assert_eq!(schema.validate(&projected).unwrap_err().to_string(), r#"/wheel: "wheel_name" is missing"#);
}

#[test]
fn other_keywords_about_members_make_a_closed_object_keep_them() {
    let event = r#"{"a":1,"x":2,"n":null}"#;
    for keyword in [
        "allOf: [{properties: {x: {}}}]",
        "anyOf: [{required: [x]}]",
        "oneOf: [{required: [x]}]",
        "not: {required: [y]}",
        "if: {required: [x]}",
        "dependencies: {a: [x]}",
        "patternProperties: {'^x': {}}",
    ] {
        let keywords =
            format!("additionalProperties: false\nproperties: {{a: {{}}, n: {{type: string}}}}\n{keyword}\n");
        check_text(&keywords, event, r#"{"a":1,"x":2}"#, &[("/n=null", 1)]);
    }
    // A member that matches a pattern is none of the map.
    let keywords = "additionalProperties: {type: string}\npatternProperties: {'^n': {type: 'null'}}\n";
    check_text(keywords, event, event, &[]);
}

#[test]
fn names_are_compared_unescaped_and_told_as_pointers() {
    let keywords = "properties: {é: {}, 'a/b': {type: string}}\nadditionalProperties: false\n";
    check_text(
        keywords,
        r#"{"\u00e9":1,"a\/b":null,"~/\n":2}"#,
        r#"{"\u00e9":1}"#,
        &[("/a~1b=null", 1), ("/~0~1\n", 1)],
    );
}

#[test]
fn invented_names_are_told_within_bounds_and_all_counted() {
    let members: String = (0..100).map(|at| format!(r#","m{at}":null"#)).collect();
    let event = format!(r#"{{"{}":1{members}}}"#, "ü".repeat(1000));
    let Projected { document: projected, dropped } = small("additionalProperties: false\n").project(&document(&event));
    assert_eq!(written(&projected), "{}");
    assert_eq!(dropped.len(), 33);
    assert_eq!(dropped[0].path, format!("/{}", "ü".repeat(64)));
    assert_eq!((dropped[32].path.as_str(), dropped[32].count), ("/*", 69));
    assert_eq!(dropped.iter().map(|dropped| dropped.count).sum::<u64>(), 101);
}

#[test]
fn what_a_patch_set_is_cut_too() {
    let edits = [
        set("/wheel/paddles", vec![Piece::Bytes(Bytes::from_static(b"[\"oak\"]"))]),
        set("/sacks/rye/moisture", vec![Piece::Bytes(Bytes::from_static(b"1"))]),
        set("/sacks/rye/weight", vec![Piece::Bytes(Bytes::from_static(b"2"))]),
        set("/sacks/rye/body", vec![string("dough")]),
        set("/remark", vec![Piece::Bytes(Bytes::from_static(b"null"))]),
        set("/millers", vec![Piece::Bytes(Bytes::from_static(b"[{\"name\":\"Anna\",\"age\":4},{\"name\":null}]"))]),
    ];
    let patched = document(EVENT).patch(&edits, &Projection::everything()).unwrap();
    let left = EVENT.replace(
        "\"Upper\"}}",
        r#""Upper"},"sacks":{"rye":{"weight":2,"body":"dough"}},"remark":null,"millers":[{"name":"Anna"},{}]}"#,
    );
    let dropped = [("/wheel/paddles", 1), ("/sacks/*/moisture", 1), ("/millers/*/age", 1), ("/millers/*/name=null", 1)];
    check(&schema("1.0.0", OLD), &patched, &left, &dropped);
}
