//! What is read of a server that breaks off, sends away, and comes back. Each connection gets the next answer of a script.

use super::*;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// 2026-01-01.
const NOW_MS: u64 = 1_767_225_600_000;

struct Standing;

impl Clock for Standing {
    fn now_ms(&self) -> u64 {
        NOW_MS
    }
}

/// A stream that ends where the text does, as when the server closes it.
fn closes(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n{body}")
}

/// A stream that breaks off: more was announced than comes.
fn breaks_off(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 100000\r\n\r\n{body}")
}

fn status(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n{body}")
}

fn event(id: u32, text: &str) -> String {
    format!("event: message\nid: [{{\"topic\":\"t\",\"partition\":0,\"offset\":{id}}}]\ndata: {text}\n\n")
}

async fn request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

/// Serves the answers of a script, one a connection, the last one again and again. Returns the address, and what was asked.
async fn serve(script: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v2/stream/a,b", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut script = script.into_iter().peekable();
        let mut answer = String::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let request = request(&mut socket).await;
            heard.lock().unwrap().push(request);
            answer = script.next().unwrap_or(answer);
            socket.write_all(answer.as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    (url, asked)
}

fn config(url: &str) -> EventSourceConfig {
    let retry = RetryPolicy { attempts_max: 4, base_ms: 1, cap_ms: 2 };
    EventSourceConfig { retry, ..EventSourceConfig::new(url) }
}

/// Reads until `count` events are there or the stream is over.
async fn read(config: EventSourceConfig, count: usize) -> (Vec<String>, Option<EventSourceError>) {
    let mut source = EventSource::new(config, Arc::new(Standing)).unwrap();
    let mut events = Vec::new();
    while events.len() < count {
        match source.next().await {
            Ok(Said::Event(event)) => events.push(String::from_utf8(event.data.to_vec()).unwrap()),
            Ok(Said::Interrupted { .. }) => {}
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

/// The line of a request that begins like this, without that beginning.
fn line(request: &str, begin: &str) -> Option<String> {
    request.lines().find_map(|line| line.strip_prefix(begin)).map(str::to_owned)
}

#[tokio::test]
async fn a_broken_connection_goes_on_behind_the_last_whole_event() {
    let script = vec![
        breaks_off(&format!("{}{}id: [3]\ndata: {{\"half", event(1, "one"), event(2, "two"))),
        breaks_off(&event(3, "three")),
    ];
    let (url, asked) = serve(script).await;
    let (events, error) = read(config(&url), 3).await;
    assert_eq!((events, error), (vec!["one".into(), "two".into(), "three".into()], None));
    let asked = asked.lock().unwrap();
    assert_eq!(line(&asked[0], "last-event-id: "), None);
    assert_eq!(line(&asked[1], "last-event-id: ").unwrap(), r#"[{"topic":"t","partition":0,"offset":2}]"#);
}

#[tokio::test]
async fn a_server_that_closes_every_quarter_of_an_hour_is_read_on_for_ever() {
    let script = (1..=20).map(|id| closes(&format!(":ok\n\n{}", event(id, &id.to_string())))).collect();
    let (url, asked) = serve(script).await;
    let (events, error) = read(config(&url), 20).await;
    assert_eq!((events, error), ((1..=20).map(|id| id.to_string()).collect(), None));
    assert_eq!(asked.lock().unwrap().len(), 20);
}

#[tokio::test]
async fn a_time_to_begin_at_is_asked_for_until_there_is_an_id() {
    let script = vec![closes("data: one\n\n"), closes(&event(2, "two")), closes(&event(3, "three"))];
    let (url, asked) = serve(script).await;
    read(EventSourceConfig { since_ms: Some(NOW_MS - 1_000), ..config(&url) }, 3).await;
    let asked = asked.lock().unwrap();
    let firsts: Vec<&str> = asked.iter().map(|request| request.lines().next().unwrap()).collect();
    let since = "GET /v2/stream/a,b?since=2025-12-31T23%3A59%3A59Z HTTP/1.1";
    assert_eq!(firsts, [since, since, "GET /v2/stream/a,b HTTP/1.1"]);
    assert!(line(&asked[2], "last-event-id: ").is_some());
}

#[tokio::test]
async fn nothing_is_missed_before_the_first_id() {
    let (url, asked) = serve(vec![closes(""), closes(&event(1, "one"))]).await;
    read(config(&url), 1).await;
    let asked = asked.lock().unwrap();
    assert!(asked[0].starts_with("GET /v2/stream/a,b HTTP"), "{}", asked[0]);
    assert!(asked[1].starts_with("GET /v2/stream/a,b?since=2026-01-01T00%3A00%3A00Z HTTP"), "{}", asked[1]);
}

#[tokio::test]
async fn ids_that_cannot_be_sent_back_leave_the_one_before() {
    for bad in ["é\u{7}", "a\u{0}b", &"x".repeat(10_000)] {
        let script =
            vec![breaks_off(&format!("{}id: {bad}\ndata: two\n\n", event(1, "one"))), breaks_off(&event(3, "three"))];
        let (url, asked) = serve(script).await;
        let (events, error) = read(config(&url), 3).await;
        assert_eq!((events.len(), error), (3, None));
        let id = line(&asked.lock().unwrap()[1], "last-event-id: ");
        assert_eq!(id.unwrap(), r#"[{"topic":"t","partition":0,"offset":1}]"#);
    }
}

#[tokio::test]
async fn a_known_id_is_where_reading_begins() {
    let (url, asked) = serve(vec![closes(&event(8, "eight"))]).await;
    let config = EventSourceConfig { last_event_id: Some("[7]".into()), since_ms: Some(1), ..config(&url) };
    read(config, 1).await;
    let asked = asked.lock().unwrap();
    assert_eq!(line(&asked[0], "last-event-id: ").unwrap(), "[7]");
    assert!(!asked[0].contains("since"), "{}", asked[0]);
}

#[tokio::test]
async fn passing_trouble_is_waited_out_and_told() {
    let script = vec![
        status("429 Too Many Requests", "retry-after: 0\r\n", "slow down"),
        status("503 Service Unavailable", "", "later"),
        String::new(),
        closes(&event(1, "one")),
    ];
    let (url, _) = serve(script).await;
    let mut source = EventSource::new(config(&url), Arc::new(Standing)).unwrap();
    let mut told = Vec::new();
    loop {
        match source.next().await.unwrap() {
            Said::Interrupted { reason, .. } => told.push(reason),
            Said::Event(event) => break assert_eq!(&*event.data, b"one"),
        }
    }
    assert_eq!(told[..2], ["status 429", "status 503"]);
    assert_eq!(told.len(), 3);
}

#[tokio::test]
async fn the_wait_that_a_server_asks_for_is_kept() {
    let (url, _) = serve(vec![status("429 Too Many Requests", "retry-after: 7\r\n", "")]).await;
    let mut source = EventSource::new(config(&url), Arc::new(Standing)).unwrap();
    let said = source.next().await.unwrap();
    assert_eq!(said, Said::Interrupted { reason: "status 429".into(), wait: Duration::from_secs(7) });
}

#[tokio::test]
async fn the_first_wait_is_the_servers_and_bounded() {
    let (url, _) = serve(vec![closes("retry: 99999999\n\n")]).await;
    let mut source = EventSource::new(config(&url), Arc::new(Standing)).unwrap();
    let Said::Interrupted { wait, .. } = source.next().await.unwrap() else { panic!("no event came") };
    assert!(wait <= Duration::from_millis(2), "{wait:?}");
}

#[tokio::test]
async fn it_is_given_up_after_some_attempts() {
    let (url, asked) = serve(vec![closes("")]).await;
    let (events, error) = read(config(&url), 1).await;
    let reason = "the server closed the connection".to_owned();
    assert_eq!((events.len(), error), (0, Some(EventSourceError::GivenUp { attempts: 4, reason })));
    assert_eq!(asked.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        socket.write_all(closes(":ok\n\n").as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
        drop(socket);
    });
    let config = EventSourceConfig { idle: Duration::from_millis(20), ..config(&silent) };
    let mut source = EventSource::new(config, Arc::new(Standing)).unwrap();
    let Said::Interrupted { reason, .. } = source.next().await.unwrap() else { panic!("no event came") };
    assert_eq!(reason, "nothing came for 0 s");
}

#[track_caller]
fn check_refusal(answer: String, expected: EventSourceError) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(async {
        let (url, _) = serve(vec![answer]).await;
        let config = EventSourceConfig { event_bytes_max: 100, ..config(&url) };
        read(config, 1).await.1.unwrap()
    });
    assert_eq!(error, expected);
}

#[test]
fn what_no_waiting_mends_is_told_at_once() {
    let refused = |status, reason: &str| EventSourceError::Refused { status, reason: reason.into() };
    check_refusal(status("404 Not Found", "", "no stream\nof that name"), refused(404, "no stream of that name"));
    check_refusal(status("400 Bad Request", "", ""), refused(400, "it says nothing more"));
    check_refusal(status("403 Forbidden", "", &"x".repeat(5_000)), refused(403, &"x".repeat(1_000)));
    let moved = EventSourceError::Moved { status: 301, location: "https://elsewhere/".into() };
    check_refusal(status("301 Moved Permanently", "location: https://elsewhere/\r\n", ""), moved);
    let page = EventSourceError::NotEvents { content_type: "text/html".into() };
    check_refusal(status("200 OK", "content-type: text/html\r\n", "<p>"), page);
    check_refusal(status("204 No Content", "", ""), EventSourceError::Over);
    let large = format!("data: {}\n\n", "x".repeat(200));
    check_refusal(closes(&large), EventSourceError::TooLarge { bytes_max: 100 });
}

#[test]
fn an_address_that_cannot_be_used_is_refused_before_anything_is_sent() {
    for bad in ["", "stream.test", "ftp://stream.test/", "http://"] {
        assert!(EventSource::new(EventSourceConfig::new(bad), Arc::new(Standing)).is_err(), "{bad}");
    }
    let config = EventSourceConfig { last_event_id: Some("a\nb".into()), ..EventSourceConfig::new("http://a/") };
    assert!(EventSource::new(config, Arc::new(Standing)).is_err());
}
