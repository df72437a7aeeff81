//! The catalog with names that would like to be more than text, and its JSON for machines.

use super::*;
use axum::http::StatusCode;
use serde_json::json;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// What must never come out as it is.
const EVIL: &str = "<script>alert('x')</script>\"&";

fn used(pipeline: &str, port: &str) -> Use {
    Use { pipeline: pipeline.into(), plugin: Some("enrich 1.0.0".into()), port: port.into() }
}

fn catalog() -> Catalog {
    let schema = SchemaEntry {
        uri: "/test/event/1.1.0".into(),
        description: Some("A test.".into()),
        example: Some(json!({"$schema": "/test/event/1.1.0", "text": "a < b"})),
        fields: fields::of(
            &json!({"required": ["text"], "properties": {"text": {"type": "string", "description": "A text."}}}),
        ),
    };
    let source = StreamEntry {
        name: "test.in.v1".into(),
        declared: true,
        schema_title: Some("test/event".into()),
        versions: vec!["1.0.0".into(), "1.1.0".into()],
        schema: Some(schema),
        topics: vec!["eqiad.test.in.v1".into(), "codfw.test.in.v1".into()],
        key: vec![KeyEntry { name: "id".into(), pointer: "/page/id".into() }],
        canary_events_enabled: true,
        readers: vec![used("enrichment", "in")],
        ..StreamEntry::default()
    };
    let sink = StreamEntry {
        name: "test.out.v1".into(),
        schema_title: Some("test/absent".into()),
        schema_problem: Some("no repository lists a version of test/absent".into()),
        topics: vec!["test.out.v1".into()],
        owner: Some("enrichment".into()),
        writers: vec![used("enrichment", "out")],
        ..StreamEntry::default()
    };
    let pipeline = PipelineEntry {
        name: "enrichment".into(),
        plugin: Some("enrich".into()),
        version: Some("1.0.0".into()),
        digest: Some("00ff".into()),
        problem: None,
        inputs: BTreeMap::from([("in".into(), "test.in.v1".into())]),
        outputs: BTreeMap::from([("out".into(), "test.out.v1".into())]),
        errors: "enrichment.error".into(),
    };
    Catalog { streams: vec![source, sink], pipelines: vec![pipeline] }
}

/// A catalog in which every text is evil.
fn evil() -> Catalog {
    let text = || EVIL.to_owned();
    let own_use = || Use { pipeline: text(), plugin: Some(text()), port: text() };
    let properties: serde_json::Map<_, _> =
        [(text(), json!({"type": EVIL, "description": EVIL, "enum": [EVIL]}))].into_iter().collect();
    let stream = StreamEntry {
        name: text(),
        declared: false,
        schema_title: Some(text()),
        versions: vec![text()],
        schema: Some(SchemaEntry {
            uri: text(),
            description: Some(text()),
            example: Some(json!({EVIL: EVIL})),
            fields: fields::of(&json!({"properties": properties})),
        }),
        schema_problem: Some(text()),
        topics: vec![text()],
        key: vec![KeyEntry { name: text(), pointer: text() }],
        canary_events_enabled: true,
        owner: Some(text()),
        writers: vec![own_use()],
        readers: vec![own_use()],
    };
    let ports = || BTreeMap::from([(text(), text())]);
    let pipeline = PipelineEntry {
        name: text(),
        plugin: Some(text()),
        version: Some(text()),
        digest: Some(text()),
        problem: Some(text()),
        inputs: ports(),
        outputs: ports(),
        errors: text(),
    };
    Catalog { streams: vec![stream], pipelines: vec![pipeline] }
}

#[test]
fn no_text_becomes_more_than_text() {
    let catalog = evil();
    for html in [page::first(&catalog, EVIL), page::first(&catalog, ""), stream_page::stream(&catalog.streams[0])] {
        assert!(!html.contains("<script>alert"), "{html}");
        // The program's own elements have all quotes of their own, so evil ones would leave an odd number of them.
        let own: usize =
            html.split('>').filter_map(|part| part.split_once('<')).map(|(_, tag)| tag.matches('"').count() % 2).sum();
        assert_eq!(own, 0, "{html}");
        assert!(!html.contains("alert('x')"), "{html}");
    }
    let svg = lineage::svg(&catalog).unwrap();
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"), "{svg}");
}

#[test]
fn the_text_is_for_terminals() {
    let expected = "\
test.in.v1
  schema  test/event 1.0.0, 1.1.0
  topics  eqiad.test.in.v1, codfw.test.in.v1
  key     id=/page/id
  canary  yes
  to      enrichment (enrich 1.0.0, in)
test.out.v1 (not declared)
  schema  test/absent
          no repository lists a version of test/absent
  topics  test.out.v1
  from    enrichment (enrich 1.0.0, out)
";
    assert_eq!(as_text(&catalog()), expected);
    let mut steering = catalog();
    steering.streams[0].name = "a\u{1b}[2Jb".into();
    assert!(!as_text(&steering).contains('\u{1b}'));
}

#[test]
fn machines_get_everything() {
    insta::assert_json_snapshot!(catalog());
}

/// Asks a served catalog for paths, one after the other.
async fn ask(catalog: Catalog, paths: &[&str]) -> Vec<(StatusCode, String)> {
    let (tell, told) = oneshot::channel();
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let serving = tokio::spawn(serve::serve(catalog, listen, |address| tell.send(address).unwrap()));
    let address = told.await.unwrap();
    let mut answers = Vec::new();
    for path in paths {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: catalog\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        answers.push((StatusCode::from_u16(status).unwrap(), answer));
    }
    serving.abort();
    answers
}

#[tokio::test]
async fn pages_are_served_and_found_by_search() {
    let paths = [
        "/",
        "/?q=TEST/event+in",
        "/stream/test.in.v1",
        "/stream/nothing",
        "/catalog.json",
        "/style.css",
        "/search.js",
    ];
    let answers = ask(catalog(), &paths).await;
    let status: Vec<u16> = answers.iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!(status, [200, 200, 200, 404, 200, 200, 200]);
    let body = |at: usize| answers[at].1.as_str();
    assert!(body(0).contains("2</span> of 2 streams") && body(0).contains("<svg"), "{}", body(0));
    assert!(body(1).contains("1</span> of 2 streams"), "{}", body(1));
    assert!(body(1).contains("href=\"/stream/test.in.v1\""), "{}", body(1));
    assert!(body(2).contains("<code>text</code>") && body(2).contains("a &lt; b"), "{}", body(2));
    for (_, answer) in &answers[..4] {
        assert!(answer.contains("content-security-policy: default-src 'none'"), "{answer}");
        assert!(
            !answer.contains("http://") && !answer.contains("https://") || answer.contains("www.w3.org"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_evil_name_has_a_page_of_its_own() {
    let path = format!("/stream/{}", html::segment(EVIL));
    assert_eq!(ask(evil(), &[&path]).await[0].0, StatusCode::OK);
}

#[tokio::test]
async fn it_is_served_on_loopback_only() {
    let refused = serve::serve(Catalog::default(), "0.0.0.0:0".parse().unwrap(), |_| panic!("it listens")).await;
    assert!(refused.unwrap_err().to_string().contains("loopback only"));
}
