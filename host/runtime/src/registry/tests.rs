//! Where declarations come from, what is kept of them, and what an outage of their servers does.

use super::*;
use crate::config::HostConfig;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use millrace_platform::SchemaUri;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

const STREAMS: &str = r#"{"streams": {"mill.turn.v1": {}}}"#;
const MORE_STREAMS: &str = r#"{"streams": {"mill.turn.v1": {}, "mill.flour.v1": {}, "wrong": {"topics": 1}}}"#;

/// A server of documents by path and query. What is asked and not there is 404; while it is out, everything is 503.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    documents: BTreeMap<String, String>,
    is_out: bool,
    asked: Vec<String>,
}

impl Server {
    async fn start(&self) -> String {
        let state = Arc::clone(&self.0);
        let app = Router::new().fallback(move |request: Request| {
            let mut state = state.lock().unwrap();
            let path = request.uri().to_string();
            state.asked.push(path.clone());
            let answer = match state.documents.get(&path) {
                _ if state.is_out => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
                Some(document) => (StatusCode::OK, document.clone()),
                None => (StatusCode::NOT_FOUND, String::new()),
            };
            async move { answer }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    fn has(&self, path: &str, document: &str) {
        self.0.lock().unwrap().documents.insert(path.to_owned(), document.to_owned());
    }

    fn goes_out(&self) {
        self.0.lock().unwrap().is_out = true;
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

fn schema(uri: &str, description: &str) -> String {
    let uri = SchemaUri::parse(uri).unwrap();
    format!("title: {}\n$id: {uri}\ndescription: {description}\ntype: object\n", uri.title())
}

fn schemas(repositories: Vec<Repository>, cache_dir: Option<&Path>) -> Schemas {
    let cache_dir = cache_dir.map(Path::to_owned);
    let deadline = Duration::from_secs(30);
    Schemas::new(SchemasConfig { repositories, cache_dir, deadline, ca_file: None }).unwrap()
}

async fn get(schemas: &Schemas, uri: &str) -> Result<String, String> {
    let found = schemas.get(&SchemaUri::parse(uri).unwrap()).await;
    found.map(|schema| schema.description().unwrap().to_owned()).map_err(|error| error.to_string())
}

fn api(url: &str, cache_dir: Option<&Path>) -> StreamsSource {
    StreamsSource {
        origin: StreamsOrigin::Api { url: format!("{url}/w/api.php"), host: None },
        refresh: Duration::from_secs(300),
        deadline: Duration::from_secs(30),
        cache_dir: cache_dir.map(Path::to_owned),
        ca_file: None,
    }
}

const QUERY: &str = "/w/api.php?format=json&action=streamconfigs&all_settings=true";

#[tokio::test]
async fn the_first_repository_that_has_a_schema_wins() {
    let tmp = tempfile::tempdir().unwrap();
    let server = Server::default();
    let folder = tmp.path().join("folder");
    std::fs::create_dir_all(folder.join("mill/turn")).unwrap();
    std::fs::write(folder.join("mill/turn/1.0.0.yaml"), schema("/mill/turn/1.0.0", "folder")).unwrap();
    std::fs::write(folder.join("mill/turn/1.0.0"), "1.0.0.yaml").unwrap();
    std::fs::write(folder.join("mill/turn/1.2.0"), schema("/mill/turn/1.2.0", "without ending")).unwrap();
    server.has("/mill/turn/1.0.0", &schema("/mill/turn/1.0.0", "server"));
    server.has("/mill/turn/1.1.0.json", &schema("/mill/turn/1.1.0", "server's"));
    let schemas = schemas(vec![Repository::Folder(folder), Repository::Http(server.start().await)], None);
    assert_eq!(get(&schemas, "/mill/turn/1.0.0").await, Ok("folder".to_owned()));
    assert_eq!(server.asked(), [""; 0]);
    assert_eq!(get(&schemas, "/mill/turn/1.1.0").await, Ok("server's".to_owned()));
    assert_eq!(server.asked(), ["/mill/turn/1.1.0.yaml", "/mill/turn/1.1.0.json"]);
    assert_eq!(get(&schemas, "/mill/turn/1.2.0").await, Ok("without ending".to_owned()));
    assert_eq!(
        get(&schemas, "/mill/turn/2.0.0").await,
        Err("the schema /mill/turn/2.0.0 is in no repository of `schemas`; there are the versions 1.0.0, 1.2.0"
            .to_owned())
    );
}

#[tokio::test]
async fn a_schema_is_fetched_once_and_outlives_its_server_and_this_process() {
    let tmp = tempfile::tempdir().unwrap();
    let server = Server::default();
    server.has(
        "/mill/turn/1.0.0.json",
        &serde_json::json!({"title": "mill/turn", "$id": "/mill/turn/1.0.0", "description": "JSON"}).to_string(),
    );
    let repositories = vec![Repository::Http(server.start().await)];
    let first = schemas(repositories.clone(), Some(tmp.path()));
    assert_eq!(get(&first, "/mill/turn/1.0.0").await, Ok("JSON".to_owned()));
    assert_eq!(get(&first, "/mill/turn/1.0.0").await, Ok("JSON".to_owned()));
    assert_eq!(server.asked().len(), 2);
    server.goes_out();
    let second = schemas(repositories.clone(), Some(tmp.path()));
    assert_eq!(get(&second, "/mill/turn/1.0.0").await, Ok("JSON".to_owned()));
    assert_eq!(server.asked(), [""; 0]);
    let without_copy = schemas(repositories, None);
    let error = get(&without_copy, "/mill/turn/1.0.0").await.unwrap_err();
    assert!(error.ends_with("the server answered with status 503"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_is_asked_for_again_after_a_while() {
    let tmp = tempfile::tempdir().unwrap();
    let schemas = schemas(vec![Repository::Folder(tmp.path().to_owned())], None);
    let missing = get(&schemas, "/mill/turn/1.0.0").await;
    assert!(missing.is_err());
    std::fs::create_dir_all(tmp.path().join("mill/turn")).unwrap();
    std::fs::write(tmp.path().join("mill/turn/1.0.0.yaml"), schema("/mill/turn/1.0.0", "late")).unwrap();
    assert_eq!(get(&schemas, "/mill/turn/1.0.0").await, missing);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(get(&schemas, "/mill/turn/1.0.0").await, Ok("late".to_owned()));
}

#[tokio::test]
async fn what_is_no_schema_is_never_kept() {
    let tmp = tempfile::tempdir().unwrap();
    let server = Server::default();
    server.has("/mill/turn/1.0.0", "<html>Please log in.</html>");
    let repositories = vec![Repository::Http(server.start().await)];
    assert!(get(&schemas(repositories.clone(), Some(tmp.path())), "/mill/turn/1.0.0").await.is_err());
    server.has("/mill/turn/1.0.0", &schema("/mill/turn/1.0.0", "right"));
    assert_eq!(get(&schemas(repositories, Some(tmp.path())), "/mill/turn/1.0.0").await, Ok("right".to_owned()));
}

#[tokio::test]
async fn streams_are_read_again_and_outlive_their_server_and_this_process() {
    let tmp = tempfile::tempdir().unwrap();
    let server = Server::default();
    server.has(QUERY, STREAMS);
    let url = server.start().await;
    let streams = Streams::open(api(&url, Some(tmp.path()))).await.unwrap();
    assert_eq!(streams.refresh().await, Ok(streams::Refreshed::Same));
    server.has(QUERY, MORE_STREAMS);
    assert_eq!(streams.refresh().await, Ok(streams::Refreshed::Changed));
    assert_eq!(streams.current().names().collect::<Vec<_>>(), ["mill.turn.v1", "mill.flour.v1"]);
    assert_eq!(streams.left_out().len(), 1);
    server.goes_out();
    assert!(streams.refresh().await.is_err());
    assert_eq!(
        streams.freshness(),
        Freshness::Old {
            reason: "the stream configuration cannot be fetched: the server answered with status 503".to_owned()
        }
    );
    assert_eq!(streams.current().len(), 2);
    let later = Streams::open(api(&url, Some(tmp.path()))).await.unwrap();
    assert_eq!(later.current().len(), 2);
    assert_ne!(later.freshness(), Freshness::Fresh);
    assert!(Streams::open(api(&url, None)).await.is_err());
}

#[tokio::test]
async fn an_api_that_answers_nonsense_is_as_good_as_out() {
    let tmp = tempfile::tempdir().unwrap();
    let server = Server::default();
    server.has(QUERY, STREAMS);
    let url = server.start().await;
    Streams::open(api(&url, Some(tmp.path()))).await.unwrap();
    server.has(QUERY, r#"{"error": {"info": "The database is locked."}}"#);
    let later = Streams::open(api(&url, Some(tmp.path()))).await.unwrap();
    assert_eq!(later.current().len(), 1);
    let reason = "the service answered with an error: The database is locked.".to_owned();
    assert_eq!(later.freshness(), Freshness::Old { reason });
}

#[tokio::test]
async fn a_stream_that_is_not_known_is_asked_for_but_not_all_the_time() {
    let server = Server::default();
    server.has(QUERY, STREAMS);
    let streams = Streams::open(api(&server.start().await, None)).await.unwrap();
    server.asked();
    assert!(streams.get("mill.flour.v1").await.is_none());
    assert_eq!(server.asked(), [""; 0], "it was read a moment ago");
    server.has(QUERY, MORE_STREAMS);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    assert!(streams.get("mill.flour.v1").await.is_some());
    assert!(streams.get("mill.bread.v1").await.is_none());
    assert_eq!(server.asked(), [QUERY]);
}

#[tokio::test]
async fn a_file_must_be_right_as_a_whole() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("streams.json");
    let source = StreamsSource { origin: StreamsOrigin::File(path.clone()), ..api("", None) };
    std::fs::write(&path, STREAMS).unwrap();
    let streams = Streams::open(source.clone()).await.unwrap();
    std::fs::write(&path, MORE_STREAMS).unwrap();
    assert!(streams.refresh().await.is_err());
    assert_eq!(streams.current().len(), 1);
    assert!(Streams::open(source).await.is_err());
}

/// A host whose pipeline takes everything from its streams' declarations.
const HOST: &str = r#"
data_centre: eqiad
streams: { file: streams.json }
schemas: { repositories: ["."] }
kafka: { clusters: { main: { brokers: "127.0.0.1:9092" } } }
pipelines:
  - name: mill
    plugin: host.yaml
    cluster: main
    start: earliest
    inputs: { in: { stream: turn } }
    outputs: { out: { stream: flour, schema: /mill/flour/1.0.0 } }
"#;

/// What is said of the pipeline when the declarations become `now`.
#[track_caller]
fn check_differences(now: &str, expected: &[&str]) {
    let tmp = tempfile::tempdir().unwrap();
    let (file, streams) = (tmp.path().join("host.yaml"), tmp.path().join("streams.json"));
    std::fs::write(&file, HOST).unwrap();
    let text = r#"{"streams": {"turn": {}, "flour": {"schema_title": "mill/flour"}, "mill.error": {"schema_title": "error"}}}"#;
    std::fs::write(&streams, text).unwrap();
    let (running, source) = HostConfig::load_with_source(&file).unwrap();
    std::fs::write(&streams, now).unwrap();
    assert_eq!(wait_for(source.streams().unwrap().refresh()).unwrap(), Ok(streams::Refreshed::Changed));
    let wanted = source.read_again(&file).unwrap();
    assert_eq!(
        watch::differences(&running, &wanted),
        [("mill", expected.iter().map(|&said| said.to_owned()).collect())]
    );
}

#[test]
fn what_is_declared_anew_is_told_and_changes_nothing_that_runs() {
    check_differences(
        r#"{"streams": {"turn": {"topics": ["eqiad.turns"], "schema_title": "mill/turn"},
            "flour": {"schema_title": "mill/flour", "message_key_fields": {"mill": "mill"}},
            "mill.error": {"schema_title": "error", "topic_prefixes": null}}}"#,
        &[
            "input in: topics eqiad.turns, not eqiad.turn",
            "input in: another schema",
            "output out: another key",
            "errors: topic mill.error, not eqiad.mill.error",
        ],
    );
    check_differences(
        r#"{"streams": {"turn": {}, "flour": {"schema_title": "mill/flour"}, "mill.error": {"schema_title": "error"},
            "bread": {}}}"#,
        &[],
    );
}
