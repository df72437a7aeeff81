//! What is taken for a schema, what it says of events, and in which words.

use crate::sample::{document, escaped, set, string};
use bytes::Bytes;
use millrace_flow::blob::{Blob, Piece};
use millrace_platform::{
    DecodeLimits, Document, Pointer, Presence, Projection, Schema, SchemaError, SchemaUri, SchemaUriError,
    SchemaVersion,
};

pub(crate) const OLD: &str = include_str!("schemas/mill/turn_change/1.0.0.yaml");
pub(crate) const NEW: &str = include_str!("schemas/mill/turn_change/1.1.0.yaml");

/// A valid event of both versions, small enough to be read in a failed test.
pub(crate) const EVENT: &str = r#"{"$schema":"/mill/turn_change/1.0.0","meta":{"stream":"mill.turn_change"},"dt":"2026-03-14T15:09:26Z","kind":"start","wheel":{"wheel_id":7,"wheel_name":"Upper"}}"#;

pub(crate) fn schema(version: &str, text: &str) -> Schema {
    let uri = SchemaUri::new("mill/turn_change", SchemaVersion::parse(version).unwrap()).unwrap();
    Schema::compile(&uri, text.as_bytes()).unwrap()
}

/// A schema of the title `test` with these keywords.
pub(crate) fn small(keywords: &str) -> Schema {
    compile(&format!("title: test\n$id: /test/1.0.0\n{keywords}")).unwrap()
}

fn compile(text: &str) -> Result<Schema, SchemaError> {
    Schema::compile(&SchemaUri::parse("/test/1.0.0").unwrap(), text.as_bytes())
}

/// Checks what is said of an event; nothing where it is valid.
#[track_caller]
fn check(schema: &Schema, event: &str, expected: &str) {
    let found = schema.validate(&document(event)).map_or_else(|invalid| invalid.to_string(), |()| String::new());
    assert_eq!(found, expected);
}

/// Checks the one field `a` of a small schema against values that are valid and values that are not.
#[track_caller]
fn check_field(keywords: &str, valid: &[&str], invalid: &[&str]) {
    let schema = small(&format!("type: object\nproperties:\n  a: {keywords}\n"));
    let is_valid = |value: &&&str| schema.validate(&document(&format!("{{\"a\":{value}}}"))).is_ok();
    assert_eq!(valid.iter().filter(is_valid).collect::<Vec<_>>(), valid.iter().collect::<Vec<_>>(), "{keywords}");
    assert_eq!(invalid.iter().filter(is_valid).collect::<Vec<_>>(), Vec::<&&str>::new(), "{keywords}");
}

#[track_caller]
fn check_uri(text: &str, title: &str, version: &str) {
    let uri = SchemaUri::parse(text).unwrap();
    assert_eq!((uri.title(), uri.version().to_string().as_str()), (title, version));
    assert_eq!(uri.to_string(), text);
}

#[track_caller]
fn check_no_uri(text: &str, expected: impl Fn(String) -> SchemaUriError) {
    assert_eq!(SchemaUri::parse(text), Err(expected(text.to_owned())));
}

#[test]
fn a_schema_uri_is_a_title_and_a_version() {
    check_uri("/mediawiki/page/change/1.2.0", "mediawiki/page/change", "1.2.0");
    check_uri("/error/0.0.3", "error", "0.0.3");
    check_uri(
        "/mediawiki/page/image-suggestions-feedback/10.20.30",
        "mediawiki/page/image-suggestions-feedback",
        "10.20.30",
    );
}

#[test]
fn what_is_no_schema_uri_is_refused() {
    let absolute = |uri| SchemaUriError::Absolute { uri };
    let no_version = |uri| SchemaUriError::NoVersion { uri };
    let malformed = |uri| SchemaUriError::Malformed { uri };
    for text in ["https://schema.wikimedia.org/a/1.0.0", "file:///a/1.0.0", "//host/a/1.0.0"] {
        check_no_uri(text, absolute);
    }
    for text in
        ["/a", "/a/latest", "/a/current", "/a/1", "/a/1.0", "/a/1.0.0.0", "/a/1.0.x", "/a/01.0.0", "/a/1.0.0.yaml"]
    {
        check_no_uri(text, no_version);
    }
    check_no_uri("/a/99999999999.0.0", no_version);
    for text in
        ["", "/", "a/1.0.0", "/../a/1.0.0", "/a/../1.0.0", "/./a/1.0.0", "/.git/1.0.0", "/a//1.0.0", "/a/1.0.0/"]
    {
        check_no_uri(text, malformed);
    }
    for text in ["/a b/1.0.0", "/a%2e/1.0.0", "/a?b/1.0.0", "/a\\b/1.0.0", "/é/1.0.0", "/a:b/1.0.0"] {
        check_no_uri(text, malformed);
    }
    // Not even in the error does a control character come through.
    assert_eq!(SchemaUri::parse("/a\n\0/1.0.0"), Err(malformed("/a  /1.0.0".to_owned())));
    let long = format!("/{}/1.0.0", "a".repeat(300));
    assert_eq!(SchemaUri::parse(&long), Err(SchemaUriError::TooLong { bytes: 307, bytes_max: 256 }));
}

#[test]
fn versions_are_ordered_by_number() {
    let version = |text| SchemaVersion::parse(text).unwrap();
    let mut versions = ["1.10.0", "1.9.0", "2.0.0", "1.9.12", "0.0.3"].map(version);
    versions.sort();
    assert_eq!(versions, ["0.0.3", "1.9.0", "1.9.12", "1.10.0", "2.0.0"].map(version));
}

#[test]
fn a_schema_is_what_its_text_says() {
    let schema = schema("1.0.0", OLD);
    assert_eq!((schema.title(), schema.uri().to_string().as_str()), ("mill/turn_change", "/mill/turn_change/1.0.0"));
    let description = "A turn of a mill's wheel, in the shapes of the platform's change events.";
    assert_eq!(schema.description(), Some(description));
    assert_eq!(schema.document()["properties"]["wheel"]["$id"], "/fragment/mill/wheel/1.0.0");
    let [example] = schema.examples() else { panic!("{:?}", schema.examples()) };
    check(&schema, &example.to_string(), "");
}

#[test]
fn threads_share_a_schema() {
    let schema = schema("1.0.0", OLD);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| check(&schema, EVENT, ""));
        }
    });
}

#[test]
fn a_schema_in_json_is_the_same() {
    let yaml = schema("1.0.0", OLD);
    for text in [yaml.document().to_string(), serde_json::to_string_pretty(yaml.document()).unwrap()] {
        assert_eq!(schema("1.0.0", &text).document(), yaml.document());
    }
}

// The traps of materialised schemas.

#[test]
fn the_official_https_uri_of_the_draft_is_draft_7() {
    // In draft 4 the bound would be a flag, and in 2020-12 a list of items would be no schema.
    let keywords = "$schema: 'https://json-schema.org/draft-07/schema#'\nproperties:\n  a: {exclusiveMinimum: 1}\n  b: {items: [{type: string}]}\n";
    let schema = small(keywords);
    check(&schema, r#"{"a":2,"b":["",1]}"#, "");
    check(&schema, r#"{"a":1}"#, "/a: 1 is not more than 1");
    check(&schema, r#"{"b":[1]}"#, "/b/0: 1 is not of type string");
}

#[test]
fn another_dialect_is_read_as_draft_7_too() {
    let schema = small("$schema: 'http://json-schema.org/draft-04/schema#'\nproperties:\n  a: {const: 1}\n");
    check(&schema, r#"{"a":2}"#, "/a: 2 is not 1");
}

#[test]
fn equal_ids_keep_their_own_bodies() {
    let schema = schema("1.0.0", OLD);
    // The wheel of the event needs a name, the wheel of the prior state does not; both have one `$id`.
    check(&schema, &EVENT.replace(r#","wheel_name":"Upper""#, ""), r#"/wheel: "wheel_name" is missing"#);
    check(&schema, &EVENT.replace(r#""kind""#, r#""prior_state":{"wheel":{"wheel_id":1}},"kind""#), "");
    check(
        &schema,
        &EVENT.replace(r#""kind""#, r#""prior_state":{"wheel":{"wheel_id":-1}},"kind""#),
        "/prior_state/wheel/wheel_id: -1 is less than 0",
    );
}

#[test]
fn a_field_may_be_called_like_a_keyword() {
    let schema = small(
        "properties:\n  $id: {type: string}\n  $ref: {type: string}\n  title: {type: object, properties: {type: {type: integer}}}\n",
    );
    check(&schema, r#"{"$id":"a","$ref":"b","title":{"type":1}}"#, "");
    check(&schema, r#"{"$id":1}"#, "/$id: 1 is not of type string");
    check(&schema, r#"{"$ref":1}"#, "/$ref: 1 is not of type string");
    check(&schema, r#"{"title":{"type":""}}"#, r#"/title/type: "" is not of type integer"#);
}

#[test]
fn yaml_has_no_dates_and_few_booleans() {
    let text = "examples:\n  - {dt: 2020-04-02T19:11:20Z, day: 2020-04-02, time: 19:11:20, answer: no, on: yes, version: 1.2.0, hex: 0x1F, plus: +1, padded: 007, half: .5, big: 123456789012345678901234567890, exact: 1.10, exponent: 1e3, none: ~, empty: , quoted: '1', block: !!str 1}\n";
    let expected = r#"{"dt":"2020-04-02T19:11:20Z","day":"2020-04-02","time":"19:11:20","answer":"no","on":"yes","version":"1.2.0","hex":31,"plus":1,"padded":7,"half":0.5,"big":123456789012345678901234567890,"exact":1.10,"exponent":1e3,"none":null,"empty":null,"quoted":"1","block":"1"}"#;
    assert_eq!(small(text).examples(), [serde_json::from_str::<serde_json::Value>(expected).unwrap()]);
}

#[test]
fn aliases_are_what_they_stand_for() {
    let schema = small("properties:\n  a: &text {type: string}\n  b: *text\n");
    check(&schema, r#"{"a":"","b":1}"#, "/b: 1 is not of type string");
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    assert_eq!(compile(text).map(|_| ()).map_err(|error| error.to_string()), Err(expected.to_owned()));
}

#[test]
fn a_schema_that_is_not_materialised_is_refused() {
    let not_materialised = |path: &str, reference: &str| {
        format!(
            "the schema /test/1.0.0 is not materialised: {path} refers to {reference}; nothing is ever fetched for it"
        )
    };
    let head = "title: test\n$id: /test/1.0.0\n";
    check_refused(
        &format!("{head}allOf:\n  - $ref: /fragment/common/2.0.0#\n"),
        &not_materialised("/allOf/0", "/fragment/common/2.0.0#"),
    );
    check_refused(
        &format!("{head}properties:\n  a: {{items: {{$ref: 'file:///etc/passwd'}}}}\n"),
        &not_materialised("/properties/a/items", "file:///etc/passwd"),
    );
    check_refused(&format!("{head}not: {{$ref: '#/definitions/a'}}\n"), &not_materialised("/not", "#/definitions/a"));
}

#[test]
fn a_schema_in_the_wrong_place_is_refused() {
    check_refused(
        "title: other\n$id: /test/1.0.0\n",
        "the schema /test/1.0.0 has the title \"other\"; a schema's title must be its path",
    );
    check_refused("$id: /test/1.0.0\n", "the schema /test/1.0.0 has the title none; a schema's title must be its path");
    let wrong_id = |found: &str| {
        format!(
            "the schema /test/1.0.0 has the $id {found}; is a file in the wrong place, or `current` read instead of a version?"
        )
    };
    check_refused("title: test\n$id: /test/1.0.1\n", &wrong_id("\"/test/1.0.1\""));
    check_refused("title: test\n", &wrong_id("none"));
}

#[test]
fn what_is_no_schema_is_refused() {
    check_refused("[]", "the schema /test/1.0.0 is no object; what was read is no schema");
    check_refused("<html>gone</html>", "the schema /test/1.0.0 is no object; what was read is no schema");
    let head = "title: test\n$id: /test/1.0.0\n";
    let error = compile(&format!("{head}properties:\n  a: {{type: strnig}}\n")).unwrap_err();
    assert!(matches!(&error, SchemaError::Invalid { path, .. } if path == "/properties/a/type"), "{error}");
    let error = compile(&format!("{head}required: a\n")).unwrap_err();
    assert!(matches!(&error, SchemaError::Invalid { path, .. } if path == "/required"), "{error}");
}

#[test]
fn a_text_that_cannot_be_read_says_where() {
    let at = |line, column, problem: &str| {
        format!("the schema /test/1.0.0 cannot be read: line {line}, column {column}: {problem}")
    };
    check_refused("", &at(1, 1, "the text is empty"));
    check_refused("a: 1\na: 2\n", &at(2, 1, "the key `a` is already there"));
    check_refused("a: 1\n---\nb: 1\n", &at(2, 1, "a second YAML document begins here"));
    check_refused("a: .inf\n", &at(1, 4, ".inf is no number of JSON"));
    check_refused("a:\n  <<: {}\n", &at(2, 3, "merge keys have no place in a materialised schema"));
    check_refused("? [a]\n: 1\n", &at(1, 3, "a key must be text"));
    check_refused("a: !!binary aGk=\n", &at(1, 4, "the tag tag:yaml.org,2002:!binary has no place in a schema"));
    assert!(matches!(compile("{\"title\": \"test\", "), Err(SchemaError::Text { .. })));
    let latin = Schema::compile(&SchemaUri::parse("/test/1.0.0").unwrap(), b"title: caf\xe9");
    assert!(matches!(latin, Err(SchemaError::Text { problem, .. }) if problem == "not UTF-8 at byte 10"));
}

#[test]
fn a_text_without_bounds_is_refused() {
    let large = format!("title: test # {}", "x".repeat(2 << 20));
    assert!(matches!(compile(&large), Err(SchemaError::TooLarge { bytes_max: 2_097_152, .. })));
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("title: {}1{}", open.repeat(65), close.repeat(65));
        assert!(
            matches!(compile(&deep), Err(SchemaError::Text { problem, .. }) if problem == "nested deeper than 64 levels")
        );
        assert!(matches!(compile(&open.repeat(300_000)), Err(SchemaError::Text { .. })));
    }
    let json = format!("{{\"title\":{}1{}}}", "[".repeat(70), "]".repeat(70));
    assert!(
        matches!(compile(&json), Err(SchemaError::Text { problem, .. }) if problem == "nested deeper than 64 levels")
    );
    // Each line is ten of the line before.
    let mut laughs = "a0: &a0 [lol]\n".to_owned();
    for at in 1..30 {
        let aliases = vec![format!("*a{}", at - 1); 10].join(", ");
        laughs.push_str(&format!("a{at}: &a{at} [{aliases}]\n"));
    }
    assert!(
        matches!(compile(&laughs), Err(SchemaError::Text { problem, .. }) if problem == "too large once its aliases are expanded")
    );
}

// What a schema says of events.

#[test]
fn a_valid_event_is_valid() {
    check(&schema("1.0.0", OLD), EVENT, "");
    check(&schema("1.1.0", NEW), EVENT, "");
}

#[test]
fn violations_are_told_with_their_places() {
    let schema = schema("1.0.0", OLD);
    check(&schema, &EVENT.replace(r#","kind":"start""#, ""), r#"the event: "kind" is missing"#);
    check(&schema, &EVENT.replace("start", "halt"), r#"/kind: "halt" is none of ["start","stop","flood"]"#);
    check(&schema, &EVENT.replace("T15", " 15"), r#"/dt: "2026-03-14 15:09:26Z" is not a date-time"#);
    check(&schema, &EVENT.replace("\"Upper\"", "\"\""), r#"/wheel/wheel_name: "" has less than 1 characters"#);
    check(
        &schema,
        &EVENT.replace(r#""kind""#, r#""millers":[{"name":"Anna","shifts":[1,2,1.0]}],"new":1,"a/b":{"c":2},"kind""#),
        r#"/millers/0/shifts: the value has non-unique elements; the event: the schema does not know "new", "a/b""#,
    );
    check(
        &schema,
        &EVENT.replace(r#""kind""#, r#""sacks":{"r/y~e":{"weight":1000.5}},"kind""#),
        "/sacks/r~1y~0e/weight: 1000.5 is not less than 1000.5",
    );
}

#[test]
fn what_is_told_is_bounded() {
    let long = "ü\n".repeat(10_000);
    let mut event = serde_json::json!({
        "dt": long,
        "kind": {long.clone(): 1},
        "meta": {"stream": vec![1; 1000]},
        "wheel": {"wheel_id": -1, "wheel_name": long},
        "counts": {long.clone(): "x"},
    });
    for at in 0..50 {
        event[format!("n{at}{long}")] = 1.into();
    }
    let event = event.to_string();
    let invalid = schema("1.0.0", OLD).validate(&document(&event)).unwrap_err();
    assert_eq!(invalid.violations().len(), 5);
    let told = invalid.to_string();
    assert!(told.ends_with("; and possibly more"), "{told}");
    assert!(told.chars().count() < 5 * (200 + 100 + 100 + 50), "{told}");
    assert!(!told.contains(char::is_control), "{told}");
}

#[test]
fn of_a_list_of_very_many_mistakes_the_first_is_told() {
    let schema = small("properties:\n  a: {items: {type: string}}\n");
    let event = format!("{{\"a\":[{}1]}}", "1,".repeat(100_000));
    check(&schema, &event, "/a/0: 1 is not of type string; and possibly more");
}

#[test]
fn integers_are_taken_by_value_and_to_the_last_digit() {
    let bounded = "{type: integer, minimum: -9007199254740991, maximum: 9007199254740991}";
    check_field(
        bounded,
        &[
            "0",
            "-0",
            "1.0",
            "1e2",
            "15e-1".replace("15", "150").as_str(),
            "9007199254740991",
            "-9007199254740991",
            "9007199254740991.0",
        ],
        &[
            "9007199254740992",
            "-9007199254740992",
            "9007199254740991.5",
            "9007199254740991.1",
            "9007199254740993.0",
            "18446744073709551616",
            "123456789012345678901234567890",
            "1e400",
            "-1e400",
            "1.5",
            "1e-1",
            "\"1\"",
            "true",
            "null",
        ],
    );
    check_field("{type: integer}", &["123456789012345678901234567890", "1e400"], &["123456789012345678901234567890.5"]);
    check_field(
        "{maximum: 9223372036854775806}",
        &["9223372036854775806"],
        &["9223372036854775807", "18446744073709551615"],
    );
    check_field(
        "{enum: [1, 1.5, a, null, {b: 1}]}",
        &["1", "1.0", "1.50", "\"a\"", "\"\\u0061\"", "null", "{\"b\":1.0}"],
        &["2", "\"1\"", "{}", "[]"],
    );
}

#[test]
fn lengths_are_counted_in_characters() {
    check_field(
        "{minLength: 2, maxLength: 3}",
        &["\"ab\"", "\"éé\"", "\"😀😀😀\"", r#""\u00e9\u00e9""#, r#""\ud83d\ude00\ud83d\ude00\ud83d\ude00""#, "1"],
        &["\"a\"", "\"é\"", "\"😀\"", "\"abcd\"", "\"😀😀😀😀\"", r#""\u00e9""#, r#""\ud83d\ude00""#, r#""\n\n\n\n""#],
    );
}

#[test]
fn formats_are_asserted() {
    check_field(
        "{format: date-time}",
        &["\"2026-03-14T15:09:26Z\"", "\"2026-03-14t15:09:26.123456+01:00\"", "1"],
        &[
            "\"\"",
            "\"2026-03-14\"",
            "\"2026-13-14T15:09:26Z\"",
            "\"2026-03-14T15:09:26\"",
            "\"2026-03-14T15:09:26+0100\"",
        ],
    );
    check_field(
        "{format: uri-reference}",
        &["\"/wiki/Mühle\"", "\"https://a/b?c#d\"", "\"\""],
        &["\"/a b\"", "\"\\\\a\""],
    );
    check_field("{format: uri}", &["\"https://a/Mühle\""], &["\"/a\"", "\"a b:c\""]);
    check_field("{format: ipv4}", &["\"127.0.0.1\""], &["\"127.0.0\""]);
    check_field("{format: of-our-own}", &["\"anything\""], &[]);
}

#[test]
fn a_body_that_stays_apart_is_validated_like_any_text() {
    let schema = small(
        "properties:\n  a: {type: string, minLength: 2, maxLength: 4}\n  b: {enum: [xy]}\n  c: {type: integer}\n",
    );
    let event = |field: &str, body: Piece| {
        let pieces =
            [Piece::Bytes(Bytes::from(format!("{{\"{field}\":"))), body, Piece::Bytes(Bytes::from_static(b"}"))];
        Document::from_pieces(&pieces, &DecodeLimits::default()).unwrap()
    };
    let is_valid = |field, body| schema.validate(&event(field, body)).is_ok();
    for body in ["xy", "éé", "😀😀😀😀"] {
        assert!(is_valid("a", string(body)), "{body}");
    }
    for body in ["x", "é", "😀", "xyxyx"] {
        assert!(!is_valid("a", string(body)), "{body}");
    }
    assert!(is_valid("a", escaped(r"\u00e9\n", 3)) && !is_valid("a", escaped(r"\u00e9", 2)));
    assert!(is_valid("b", string("xy")) && is_valid("b", escaped(r"\u0078y", 2)) && !is_valid("b", string("x")));
    let invalid =
        schema.validate(&event("c", Piece::JsonString(Blob::plain(Bytes::from(vec![b'x'; 1 << 20]))))).unwrap_err();
    assert_eq!(invalid.to_string(), r#"/c: "..." is not of type integer"#);
}

#[test]
fn an_edited_event_is_validated_as_it_is_now() {
    let schema = schema("1.0.0", OLD);
    let edits = [
        set("/wheel/wheel_name", vec![string("é")]),
        set("/sacks/rye/weight", vec![Piece::Bytes(Bytes::from_static(b"12.5"))]),
        set("/sacks/rye/body", vec![string("a long body")]),
    ];
    let patched = document(EVENT).patch(&edits, &Projection::everything()).unwrap();
    assert_eq!(schema.validate(&patched), Ok(()));
    let patched = patched.patch(&[set("/sacks/rye/kinds", vec![string("new")])], &Projection::everything()).unwrap();
    let invalid = schema.validate(&patched).unwrap_err();
    assert_eq!(invalid.to_string(), r#"/sacks/rye: the schema does not know "kinds""#);
    let patched = document(EVENT).patch(&[set("/wheel/wheel_name/", vec![])], &Projection::everything());
    assert!(patched.is_err());
    let patched = document(EVENT)
        .patch(
            &[set("/dt", vec![Piece::Bytes(Bytes::from_static(b"{\"a\":[1]}"))]), set("/dt/b", vec![string("c")])],
            &Projection::everything(),
        )
        .unwrap();
    let invalid = schema.validate(&patched).unwrap_err();
    assert_eq!(invalid.to_string(), r#"/dt: {"a":[1],"b":"..."} is not of type string"#);
}

#[test]
fn a_schema_knows_its_fields() {
    let has = |schema: &Schema, pointer| schema.has_field(&Pointer::parse(pointer).unwrap());
    let old = schema("1.0.0", OLD);
    for pointer in ["", "/wheel", "/wheel/wheel_id", "/sacks/rye/weight", "/counts/any", "/millers/0/name", "/params"] {
        assert_eq!(has(&old, pointer), Presence::Declared, "{pointer}");
    }
    for pointer in ["/params/a", "/params/a/0", "/meta/domain", "/prior_state/a"] {
        assert_eq!(has(&old, pointer), Presence::Possible, "{pointer}");
    }
    for pointer in [
        "/is_night",
        "/wheel/name",
        "/wheel/wheel_id/a",
        "/sacks/rye/moisture",
        "/millers/name",
        "/counts/any/b",
        "/dt/0",
        "/remark/0",
    ] {
        assert_eq!(has(&old, pointer), Presence::Absent, "{pointer}");
    }
    assert_eq!(has(&schema("1.1.0", NEW), "/is_night"), Presence::Declared);
    let mixed = small(
        "additionalProperties: false\nproperties: {a: true, b: false, c: {type: array}}\nallOf: [{properties: {d: {}}}]\n",
    );
    let found = ["/a", "/a/x", "/b", "/c/0", "/c/x", "/d"].map(|pointer| has(&mixed, pointer));
    use Presence::{Absent, Declared, Possible};
    assert_eq!(found, [Declared, Possible, Absent, Possible, Absent, Possible]);
}
