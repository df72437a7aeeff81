//! Tests of the admin server over a real connection.

use super::*;
use crate::partition::Until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

struct Server {
    address: std::net::SocketAddr,
    health: Arc<Health>,
    controls: Arc<Controls>,
    task: JoinHandle<std::io::Result<()>>,
}

/// A server on a free port, of two pipelines.
async fn server() -> Server {
    let metrics = Arc::new(HostMetrics::new().unwrap());
    metrics.pipeline("a").event_in();
    let health = Arc::new(Health::with_metrics(["a", "b"].map(str::to_owned).into_iter(), Arc::clone(&metrics)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let controls = Arc::new(Controls::new(["a", "b"].map(str::to_owned).into_iter()));
    let shared = Shared { metrics, health: Arc::clone(&health), controls: Arc::clone(&controls) };
    let app = router(shared).into_make_service_with_connect_info::<Peer>();
    let task = tokio::spawn(async move { axum::serve(Bounded::new(listener, 1), app).await });
    Server { address, health, controls, task }
}

/// The answer to `head`, as text; empty where the server hung up.
async fn ask(server: &Server, head: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses a request may reset the connection; what came before counts.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn readiness_waits_for_every_pipeline_and_names_what_is_wrong() {
    let server = server().await;
    let unready = ask(&server, "GET /readyz HTTP/1.1").await;
    assert!(unready.starts_with("HTTP/1.1 503"), "{unready}");
    let failing = Some("9 of 10 events failed".to_owned());
    server.health.running("a", Status { partitions: 3, plugin: "abc".to_owned(), drain: None, failing });
    server.health.running("b", Status { partitions: 0, plugin: "def".to_owned(), drain: None, failing: None });
    server.health.reload_refused("a", "the plugin is empty");
    let ready = ask(&server, "GET /readyz HTTP/1.1").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let up = ask(&server, "GET /metrics HTTP/1.1").await;
    assert!(up.contains("millrace_pipeline_up{pipeline=\"b\"} 1"), "{up}");
    assert!(up.contains("millrace_plugin_reload_refused{pipeline=\"a\"} 1"), "{up}");
    server.health.stopped("b", "the topic is gone");
    let stopped = ask(&server, "GET /readyz HTTP/1.1").await;
    assert!(stopped.starts_with("HTTP/1.1 503"), "{stopped}");
    let a = r#""a":{"state":"running","partitions":3,"plugin":"abc","failing":"9 of 10 events failed","reload_refused":"the plugin is empty"}"#;
    let b = r#""b":{"state":"stopped","reason":"the topic is gone"}"#;
    let body = format!("{{\"ready\":false,\"pipelines\":{{{a},{b}}}}}");
    assert!(stopped.ends_with(&body), "{stopped}");
    server.task.abort();
}

#[tokio::test]
async fn alive_is_alive_even_when_nothing_runs() {
    let server = server().await;
    assert!(ask(&server, "GET /healthz HTTP/1.1").await.starts_with("HTTP/1.1 200"));
    let metrics = ask(&server, "GET /metrics HTTP/1.1").await;
    assert!(metrics.contains("millrace_events_in_total{pipeline=\"a\"} 1"), "{metrics}");
    server.task.abort();
}

#[tokio::test]
async fn bad_requests_are_refused_and_the_next_one_is_answered() {
    let server = server().await;
    for (head, status) in [
        ("POST /metrics HTTP/1.1", "405"),
        ("GET / HTTP/1.1", "404"),
        ("GET //metrics HTTP/1.1", "404"),
        ("GET /%2e%2e/metrics HTTP/1.1", "404"),
        ("DROP", "400"),
        (&format!("GET /healthz HTTP/1.1\r\nX: {}", "x".repeat(1 << 20)), "431"),
    ] {
        let answer = ask(&server, head).await;
        let refused = answer.starts_with(&format!("HTTP/1.1 {status}")) || (status == "431" && answer.is_empty());
        assert!(refused, "{}: {answer}", head.get(..20).unwrap_or(head));
    }
    assert!(ask(&server, "GET /healthz HTTP/1.1").await.ends_with("alive\n"));
    server.task.abort();
}

#[tokio::test]
async fn orders_are_taken_as_json_alone() {
    let server = server().await;
    let post = async |path: &str, kind: &str, body: &str| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {}", body.len());
        let text = format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let drain = server.controls.drain("a");
    for (path, kind, body, status) in [
        ("/pipelines/a/drain", "text/plain", r#"{"until":"now"}"#, "415"),
        ("/pipelines/a/drain", "application/json", r#"{"until":"soon"}"#, "422"),
        ("/pipelines/a/drain", "application/json", r#"{"until":"now","x":1}"#, "422"),
        ("/pipelines/z/drain", "application/json", r#"{"until":"now"}"#, "404"),
        ("/pipelines/a/stop", "application/json", "{}", "404"),
    ] {
        let answer = post(path, kind, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {body}: {answer}");
    }
    assert_eq!(*drain.borrow(), None);
    let taken = post("/pipelines/a/drain", "application/json", r#"{"until":{"offset":5}}"#).await;
    assert!(taken.starts_with("HTTP/1.1 202"), "{taken}");
    assert_eq!(*drain.borrow(), Some(Until::Offset(5)));
    let taken = post("/pipelines/a/resume", "application/json", "{}").await;
    assert!(taken.starts_with("HTTP/1.1 202"), "{taken}");
    assert_eq!(*drain.borrow(), None);
    assert_eq!(*server.controls.drain("b").borrow(), None);
    server.task.abort();
}
