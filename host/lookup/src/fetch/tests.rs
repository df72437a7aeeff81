//! What a fetcher makes of the answers of a server.

use super::*;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, header};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Answers by the path: a status, or one of a few ways to misbehave.
async fn server() -> SocketAddr {
    let app = Router::new().fallback(|request: Request| async move {
        let host = request.headers().get(header::HOST).cloned().unwrap();
        match request.uri().path() {
            "/host" => Response::new(Body::from(host.to_str().unwrap().to_owned())),
            "/huge" => {
                let megabyte = Bytes::from(vec![b'a'; 1 << 20]);
                let chunks = (0..17).map(move |_| Ok::<_, std::io::Error>(megabyte.clone()));
                Response::new(Body::from_stream(futures_util::stream::iter(chunks)))
            }
            "/hangs" => std::future::pending().await,
            path => {
                let status: u16 = path.trim_start_matches('/').parse().unwrap();
                Response::builder().status(status).header("location", "/host").body(Body::from("no")).unwrap()
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn config(deadline: Duration) -> FetchConfig {
    FetchConfig { agent: Agent::default(), ca_file: None, host: None, deadline }
}

#[track_caller]
fn check(path: &str, host: Option<&str>, expected: Result<&str, FetchError>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fetched = runtime.block_on(async {
        let deadline = if path == "/hangs" { Duration::from_millis(50) } else { Duration::from_secs(60) };
        let fetcher = Fetcher::new(&FetchConfig { host: host.map(str::to_owned), ..config(deadline) }).unwrap();
        fetcher.get(&format!("http://{}{path}", server().await)).await
    });
    let fetched = fetched.map(|body| String::from_utf8(body.to_vec()).unwrap());
    assert_eq!(fetched.as_deref().map_err(Clone::clone), expected);
}

#[test]
fn a_document_is_fetched_from_the_host_that_is_meant() {
    check("/host", Some("meta.wiki.test"), Ok("meta.wiki.test"));
}

#[test]
fn what_is_not_there_is_told_from_what_fails() {
    check("/404", None, Err(FetchError::NotFound { status: 404 }));
    check("/410", None, Err(FetchError::NotFound { status: 410 }));
    check("/500", None, Err(FetchError::Status { status: 500 }));
    check("/403", None, Err(FetchError::Status { status: 403 }));
    check("/302", None, Err(FetchError::Status { status: 302 }));
}

#[test]
fn a_document_has_a_deadline_and_a_bound() {
    check("/hangs", None, Err(FetchError::Timeout { deadline: Duration::from_millis(50) }));
    check("/huge", None, Err(FetchError::TooLarge { bytes_max: FETCH_BYTES_MAX }));
}

#[tokio::test]
async fn errors_name_no_address() {
    let fetcher = Fetcher::new(&config(Duration::from_secs(5))).unwrap();
    let error = fetcher.get("http://user:secret@127.0.0.1:1/path?key=secret").await.unwrap_err();
    assert!(matches!(error, FetchError::Connection { .. }), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
