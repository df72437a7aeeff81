//! What only a real socket shows: headers, connections, bounds, broken answers. The stand-in answers by path and id.

use super::*;
use crate::config::HttpTargetConfig;
use crate::grants::HttpGrant;
use axum::Router;
use axum::body::Body;
use axum::extract::Request as HttpRequest;
use axum::http::{Response, StatusCode};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

struct Wall;

impl Clock for Wall {
    fn now_ms(&self) -> u64 {
        // Nothing here depends on the date; retries are timed by tokio.
        START_MS
    }
}

struct Channel(mpsc::Sender<Answered>);

impl AnswerSink for Channel {
    fn deliver(&self, answers: Vec<Answered>) {
        answers.into_iter().for_each(|answered| self.0.try_send(answered).unwrap());
    }
}

/// Head of a request, as the stand-in saw it.
type Seen = Arc<Mutex<Vec<(String, HeaderMap)>>>;

async fn stand_in(answer: fn(&str, usize) -> Response<Body>) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let remember = Arc::clone(&seen);
    let app = Router::new().fallback(move |request: HttpRequest| {
        let path = request.uri().to_string();
        let mut seen = remember.lock().unwrap();
        seen.push((path.clone(), request.headers().clone()));
        let answer = answer(&path, seen.len());
        async move { answer }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, seen)
}

fn cfg(address: SocketAddr) -> LookupConfig {
    let mut cfg = LookupConfig { cache_bytes_max: 0, ..LookupConfig::default() };
    cfg.retry.base_ms = 1;
    cfg.agent.contact = "mailto:ops@wiki.test".into();
    cfg.wikis = vec![WikiConfig {
        domain: "*.wiki.test".into(),
        endpoint: Some(format!("http://{address}")),
        ..WikiConfig::default()
    }];
    cfg.http_targets = vec![HttpTargetConfig {
        name: "model".into(),
        base_url: format!("http://{address}/base"),
        ..Default::default()
    }];
    cfg
}

/// Asks one thing and waits for the answer.
async fn ask(cfg: LookupConfig, kind: &str, params: &str) -> (Answer, LookupService) {
    let service = LookupService::new(cfg, Arc::new(Wall), Handle::current()).unwrap();
    let answer = ask_of(&service, kind, params).await;
    (answer, service)
}

async fn ask_of(service: &LookupService, kind: &str, params: &str) -> Answer {
    let http = HttpGrant { target: "model".into(), methods: vec![], paths: vec!["/v1/".into()] };
    let grants = Grants { kinds: Kind::ALL.into(), wikis: vec![], http: vec![http] };
    let (tx, mut rx) = mpsc::channel(1);
    let request = Request {
        token: 1,
        ask: Ask { id: 0, kind: kind.into(), params: params.into(), body: vec![] },
        scope: Arc::new(Scope::new("enrich", &grants).unwrap()),
        born_ms: None,
        expected_bytes: None,
    };
    let sink: Arc<dyn AnswerSink> = Arc::new(Channel(tx));
    service.submit(vec![request], &sink);
    tokio::time::timeout(Duration::from_secs(20), rx.recv()).await.expect("an answer").unwrap().answer
}

const REVISION: &str = r#"{"domain":"en.wiki.test","rev_id":7}"#;

fn fine(body: impl Into<Body>) -> Response<Body> {
    Response::new(body.into())
}

fn status(code: u16, body: &'static str) -> Response<Body> {
    Response::builder().status(StatusCode::from_u16(code).unwrap()).body(body.into()).unwrap()
}

#[tokio::test]
async fn a_call_says_who_asks_and_which_wiki_is_meant() {
    let (address, seen) = stand_in(|_, _| fine(found(&[7], "t"))).await;
    let (answer, _) = ask(cfg(address), "revision", REVISION).await;
    assert_eq!(word(&answer), "t7");
    let (path, headers) = seen.lock().unwrap()[0].clone();
    assert!(path.ends_with("&maxlag=5&revids=7"), "{path}");
    assert_eq!(headers["host"], "en.wiki.test");
    assert_eq!(headers["x-millrace-pipeline"], "enrich");
    assert_eq!(headers["user-agent"], format!("millrace/{} (mailto:ops@wiki.test)", env!("CARGO_PKG_VERSION")));
    assert_eq!(headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn a_secret_is_sent_and_never_shown() {
    let (address, seen) = stand_in(|_, _| status(403, "no")).await;
    let file = std::env::temp_dir().join(format!("millrace-lookup-{}", std::process::id()));
    std::fs::write(&file, "Bearer hunter2\n").unwrap();
    let mut cfg = cfg(address);
    cfg.wikis[0].authorization_file = Some(file.clone());
    let (answer, service) = ask(cfg, "revision", REVISION).await;
    std::fs::remove_file(file).unwrap();
    assert_eq!(seen.lock().unwrap()[0].1["authorization"], "Bearer hunter2");
    assert!(!format!("{answer:?} {:?}", service.stats()).contains("hunter2"));
    let site = service.inner.sites.wiki("en.wiki.test").unwrap();
    assert!(!format!("{:?}", site.authorization).contains("hunter2"));
}

#[tokio::test]
async fn passing_statuses_are_tried_again() {
    let (address, seen) = stand_in(|_, n| match n {
        1 => status(503, "later"),
        2 => Response::builder().status(429).header("retry-after", "0").body("slow down".into()).unwrap(),
        3 => status(200, "<html>"),
        _ => fine(found(&[7], "t")),
    })
    .await;
    let (answer, _) = ask(cfg(address), "revision", REVISION).await;
    assert_eq!((word(&answer), seen.lock().unwrap().len()), ("t7".into(), 4));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (address, seen) = stand_in(|_, _| {
        Response::builder().status(302).header("location", "http://169.254.169.254/").body(Body::empty()).unwrap()
    })
    .await;
    let (answer, _) = ask(cfg(address), "revision", REVISION).await;
    assert_eq!((word(&answer), seen.lock().unwrap().len()), ("invalid".into(), 1));
}

#[tokio::test]
async fn an_answer_beyond_the_bound_is_cut_off_whether_it_is_announced_or_not() {
    fn endless() -> Body {
        Body::from_stream(futures_util::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[b' '; 65_536]))
        }))
    }
    for answer in [(|_, _| fine(vec![b' '; 2 << 20])) as fn(&str, usize) -> Response<Body>, |_, _| fine(endless())] {
        let (address, _) = stand_in(answer).await;
        let mut cfg = cfg(address);
        cfg.limits.alone_bytes_max = 1 << 20;
        let (answer, service) = ask(cfg, "revision", REVISION).await;
        assert_eq!(word(&answer), "too-large");
        assert_eq!(service.pinned_bytes(), 0);
    }
}

#[tokio::test]
async fn an_answer_pins_its_buffer_until_it_is_dropped() {
    let (address, _) = stand_in(|_, _| fine(found(&[7], "t"))).await;
    let (answer, service) = ask(cfg(address), "revision", REVISION).await;
    assert_eq!(service.pinned_bytes(), found(&[7], "t").len() as u64);
    drop(answer);
    assert_eq!(service.pinned_bytes(), 0);
}

/// A server that answers each connection with the next of these texts and closes it; the last one repeats.
async fn raw(texts: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut next = 0;
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4_096];
            _ = socket.read(&mut head).await;
            _ = socket.write_all(texts[next.min(texts.len() - 1)].as_bytes()).await;
            next += 1;
        }
    });
    address
}

fn http_text(announced: usize, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\nConnection: close\r\n\r\n{body}")
}

#[tokio::test]
async fn broken_answers_are_tried_again_and_never_shown_in_part() {
    let whole = found(&[7], "t");
    let address = raw(vec![
        String::new(),
        "HTTP/1.1 200 OK\r\nContent-".into(),
        http_text(whole.len(), &whole[..whole.len() / 2]),
        "not HTTP at all\r\n\r\n".into(),
        http_text(whole.len(), &whole),
    ])
    .await;
    let mut cfg = cfg(address);
    cfg.breaker.failures_in_a_row = 10;
    let (answer, _) = ask(cfg, "revision", REVISION).await;
    assert_eq!(word(&answer), "t7");
}

#[tokio::test]
async fn a_server_that_closes_its_connections_is_served_too() {
    let whole = found(&[7], "t");
    let address = raw(vec![http_text(whole.len(), &whole)]).await;
    let service = LookupService::new(cfg(address), Arc::new(Wall), Handle::current()).unwrap();
    for _ in 0..5 {
        assert_eq!(word(&ask_of(&service, "revision", REVISION).await), "t7");
    }
}

#[tokio::test]
async fn silence_ends_with_the_time_for_a_call() {
    // Announces more than it sends, and keeps the connection.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let whole = found(&[7], "t");
    tokio::spawn(async move {
        let (mut silent, _) = listener.accept().await.unwrap();
        _ = silent.write_all(http_text(1_000, "{").as_bytes()).await;
        let (mut second, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4_096];
        _ = second.read(&mut head).await;
        _ = second.write_all(http_text(whole.len(), &whole).as_bytes()).await;
        drop(silent);
    });
    let mut cfg = cfg(address);
    cfg.timeouts.total_ms = 200;
    let (answer, _) = ask(cfg, "revision", REVISION).await;
    assert_eq!(word(&answer), "t7");
}

#[tokio::test]
async fn html_is_a_blob_as_it_came() {
    let (address, seen) = stand_in(|_, _| fine("<p>\"ü\"</p>")).await;
    let (answer, _) = ask(cfg(address), "html", REVISION).await;
    assert_eq!(word(&answer), "<p>\"ü\"</p>");
    assert_eq!(answer.unwrap().document, r#"{"rev_id":7,"headers":{},"size":11,"body":0}"#);
    assert_eq!(seen.lock().unwrap()[0].0, "/w/rest.php/v1/revision/7/html");
}

#[tokio::test]
async fn an_unknown_revision_has_no_html() {
    let (address, _) = stand_in(|_, _| status(404, "{}")).await;
    let (answer, _) = ask(cfg(address), "html", REVISION).await;
    assert_eq!(word(&answer), "missing");
}

#[tokio::test]
async fn hidden_text_has_no_html_at_once() {
    const BODY: &str =
        r#"{"message":"Error: exception of type MediaWiki\\Revision\\RevisionAccessException","httpCode":500}"#;
    let (address, seen) = stand_in(|_, _| status(500, BODY)).await;
    let (answer, _) = ask(cfg(address), "html", REVISION).await;
    assert_eq!((word(&answer), seen.lock().unwrap().len()), ("denied".into(), 1));
}

#[tokio::test]
async fn a_comparison_of_an_unknown_revision_is_missing() {
    let (address, seen) = stand_in(|_, _| fine(error("nosuchrevid"))).await;
    let (answer, _) = ask(cfg(address), "compare", r#"{"domain":"en.wiki.test","from_rev":6,"to_rev":7}"#).await;
    assert_eq!(word(&answer), "missing");
    assert!(seen.lock().unwrap()[0].0.contains("fromrev=6&torev=7"));
}

#[tokio::test]
async fn a_query_is_encoded_and_a_long_one_goes_as_a_form() {
    let (address, seen) = stand_in(|_, _| fine(r#"{"query":{}}"#)).await;
    let service = LookupService::new(cfg(address), Arc::new(Wall), Handle::current()).unwrap();
    let long = "x".repeat(5_000);
    for titles in ["A & B", &long] {
        let params = format!(r#"{{"domain":"en.wiki.test","params":{{"prop":"info","titles":"{titles}"}}}}"#);
        assert_eq!(word(&ask_of(&service, "query", &params).await), r#"{"query":{}}"#);
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].0, "/w/api.php?action=query&format=json&formatversion=2&maxlag=5&prop=info&titles=A+%26+B");
    assert_eq!(seen[1].0, "/w/api.php");
    assert_eq!(seen[1].1["content-type"], "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn an_http_target_is_asked_below_its_base_and_within_the_grant() {
    let (address, seen) = stand_in(|_, _| fine(r#"{"score":1}"#)).await;
    let service = LookupService::new(cfg(address), Arc::new(Wall), Handle::current()).unwrap();
    let asked = |path: &str| {
        format!(r#"{{"target":"model","path":"{path}","query":{{"a":"b c"}},"headers":{{"Accept":"text/x"}}}}"#)
    };
    assert_eq!(word(&ask_of(&service, "http", &asked("/v1/score")).await), r#"{"score":1}"#);
    assert_eq!(word(&ask_of(&service, "http", &asked("/v2/score")).await), "denied");
    assert_eq!(word(&ask_of(&service, "http", &asked("/v1/../v2")).await), "invalid");
    let seen = seen.lock().unwrap();
    assert_eq!((seen.len(), seen[0].0.as_str()), (1, "/base/v1/score?a=b+c"));
    assert_eq!(
        (seen[0].1["accept"].as_bytes(), seen[0].1["host"].to_str().unwrap()),
        (&b"text/x"[..], address.to_string().as_str())
    );
}

#[tokio::test]
async fn mistakes_in_the_configuration_are_found_at_the_start() {
    let address = "127.0.0.1:1".parse().unwrap();
    let check = |change: fn(&mut LookupConfig), expected: &str| {
        let mut cfg = cfg(address);
        change(&mut cfg);
        let error = LookupService::new(cfg, Arc::new(Wall), Handle::current()).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(|cfg| cfg.calls_max = 0, "calls at once");
    check(|cfg| cfg.cache_ttl_ms = 60_001, "answers are kept");
    check(|cfg| cfg.agent.contact = "a\nb".into(), "user agent");
    check(|cfg| cfg.ca_file = Some("/nowhere/ca.pem".into()), "/nowhere/ca.pem");
    check(|cfg| cfg.wikis[0].authorization_file = Some("/nowhere/token".into()), "/nowhere/token");
    check(|cfg| cfg.wikis[0].endpoint = Some("gopher://a".into()), "gopher://a");
    check(|cfg| cfg.http_targets.push(cfg.http_targets[0].clone()), "model");
}
