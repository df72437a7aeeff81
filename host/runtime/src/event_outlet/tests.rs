//! The outlet against a scripted service on a real socket: what is posted, in which batches, and what is reported.

use super::*;
use crate::metrics::HostMetrics;
use axum::Router;
use axum::body::Bytes as Body;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use millrace_flow::record::OutputRecord;
use millrace_kafka::delivery::{DeliveryError, OutputFailure};
use millrace_lookup::{EventServiceConfig, LookupConfig};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the service answers to one post, given the ids that were posted.
type Answer = fn(&[String]) -> (u16, Value);

/// The ids of every post, in order.
type Posts = Arc<Mutex<Vec<Vec<String>>>>;

struct Scene {
    outlet: EventOutlet,
    reports: Receiver<DeliveryEvent>,
    posts: Posts,
}

struct Wall;

impl Clock for Wall {
    fn now_ms(&self) -> u64 {
        0
    }
}

/// An outlet to a service that answers by `script`, and with 201 once that is over.
async fn scene(script: Vec<Answer>, bytes_max: usize) -> Scene {
    let posts = Posts::default();
    let (seen, script) = (Arc::clone(&posts), Arc::new(Mutex::new(VecDeque::from(script))));
    let answer = move |body: Body| {
        let events: Vec<Value> = serde_json::from_slice(&body).unwrap();
        let ids: Vec<String> = events.iter().map(|event| event["meta"]["id"].as_str().unwrap().to_owned()).collect();
        seen.lock().unwrap().push(ids.clone());
        let (status, body) = script.lock().unwrap().pop_front().map_or((201, json!(null)), |answer| answer(&ids));
        async move { (StatusCode::from_u16(status).unwrap(), body.to_string()) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/events", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/events", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let cfg = EventServiceConfig { url, host: None, authorization_file: None };
    let service = EventService::new(&cfg, &LookupConfig::default()).unwrap();
    let (report_to, reports) = mpsc::channel(16);
    let metrics = HostMetrics::new().unwrap().pipeline("enrich");
    let outlet = EventOutlet::start(service, bytes_max, metrics, Arc::new(Wall), report_to);
    Scene { outlet, reports, posts }
}

fn output(id: &str, key: &'static str) -> OutputRecord {
    OutputRecord {
        topic: "pages".into(),
        timestamp_ms: 0,
        key: Some(Bytes::from_static(key.as_bytes())),
        value: Some(Bytes::from(json!({ "meta": { "id": id } }).to_string())),
        headers: Vec::new(),
    }
}

fn unit(serial: u64, outputs: Vec<OutputRecord>) -> Unit {
    Unit { serial, outputs, progress: Vec::new() }
}

impl Scene {
    async fn report(&mut self) -> DeliveryEvent {
        tokio::time::timeout(PATIENCE, self.reports.recv()).await.unwrap().unwrap()
    }

    #[track_caller]
    fn check_posts(&self, expected: &[&[&str]]) {
        assert_eq!(*self.posts.lock().unwrap(), expected);
    }
}

fn failed(serial: u64, index: u32, error: DeliveryError) -> DeliveryEvent {
    DeliveryEvent::Failed { serial, failures: vec![OutputFailure { index, error }] }
}

#[tokio::test]
async fn events_of_different_keys_are_posted_together_and_those_of_one_key_one_after_the_other() {
    let mut scene = scene(vec![], 1 << 20).await;
    let outputs = vec![output("a1", "a"), output("b1", "b"), output("a2", "a"), output("c1", "c")];
    scene.outlet.deliver(unit(7, outputs)).unwrap();
    assert_eq!(scene.report().await, DeliveryEvent::Delivered(vec![7]));
    scene.check_posts(&[&["a1", "b1"], &["a2", "c1"]]);
}

#[tokio::test]
async fn a_batch_keeps_to_its_bytes_and_a_larger_event_goes_alone() {
    let mut scene = scene(vec![], 50).await;
    scene.outlet.deliver(unit(1, vec![output("a", "a"), output("b", "b"), output(&"c".repeat(60), "c")])).unwrap();
    assert_eq!(scene.report().await, DeliveryEvent::Delivered(vec![1]));
    scene.check_posts(&[&["a", "b"], &[&"c".repeat(60)]]);
}

#[tokio::test]
async fn an_invalid_event_fails_alone() {
    let partial: Answer =
        |_| (207, json!({"invalid": [{"event": {"meta": {"id": "b"}}, "context": {"message": "bad"}}]}));
    let mut scene = scene(vec![partial], 1 << 20).await;
    scene.outlet.deliver(unit(3, vec![output("a", "a"), output("b", "b")])).unwrap();
    let error = DeliveryError::Refused { topic: "pages".to_owned(), message: "bad".to_owned() };
    assert_eq!(scene.report().await, failed(3, 1, error));
    scene.check_posts(&[&["a", "b"]]);
}

#[tokio::test]
async fn what_could_not_be_produced_goes_before_what_comes_after_it() {
    let partial: Answer =
        |_| (207, json!({"error": [{"event": {"meta": {"id": "a1"}}, "context": {"message": "full"}}]}));
    let mut scene = scene(vec![partial], 1 << 20).await;
    scene.outlet.deliver(unit(1, vec![output("a1", "a"), output("b1", "b"), output("a2", "a")])).unwrap();
    assert_eq!(scene.report().await, DeliveryEvent::Delivered(vec![1]));
    scene.check_posts(&[&["a1", "b1"], &["a1"], &["a2"]]);
}

#[tokio::test]
async fn an_outage_is_waited_for() {
    let out: Answer = |_| (503, json!("out"));
    let mut scene = scene(vec![out, out], 1 << 20).await;
    scene.outlet.deliver(unit(1, vec![output("a", "a"), output("b", "b")])).unwrap();
    assert_eq!(scene.report().await, DeliveryEvent::Delivered(vec![1]));
    scene.check_posts(&[&["a", "b"], &["a", "b"], &["a", "b"]]);
}

#[tokio::test]
async fn where_it_is_unclear_which_events_are_meant_each_is_asked_for_alone() {
    let unclear: Answer = |_| (400, json!("some of these are bad"));
    let bad: Answer = |_| (400, json!({"invalid": [{"context": {"errorsText": "no title"}}]}));
    let mut scene = scene(vec![unclear, bad], 1 << 20).await;
    scene.outlet.deliver(unit(1, vec![output("a", "a"), output("b", "b"), output("c", "c")])).unwrap();
    let error = DeliveryError::Refused { topic: "pages".to_owned(), message: "no title".to_owned() };
    assert_eq!(scene.report().await, failed(1, 0, error));
    scene.check_posts(&[&["a", "b", "c"], &["a"], &["b"], &["c"]]);
}

#[tokio::test]
async fn what_is_too_large_for_the_service_fails_alone() {
    let too_large: Answer = |_| (413, json!(null));
    let mut scene = scene(vec![too_large, too_large], 1 << 20).await;
    scene.outlet.deliver(unit(1, vec![output("a", "a"), output("b", "b")])).unwrap();
    assert_eq!(scene.report().await, failed(1, 0, DeliveryError::TooLarge { topic: "pages".to_owned() }));
    scene.check_posts(&[&["a", "b"], &["a"], &["b"]]);
}

#[tokio::test]
async fn a_tombstone_is_refused_here() {
    let mut scene = scene(vec![], 1 << 20).await;
    scene.outlet.deliver(unit(1, vec![OutputRecord { value: None, ..output("a", "a") }])).unwrap();
    let report = scene.report().await;
    assert!(matches!(&report, DeliveryEvent::Failed { serial: 1, failures } if failures.len() == 1), "{report:?}");
    scene.check_posts(&[]);
}

#[tokio::test]
async fn a_service_that_does_not_serve_us_ends_it_with_the_reason() {
    let forbidden: Answer = |_| (403, json!("who are you"));
    let scene = scene(vec![forbidden], 1 << 20).await;
    scene.outlet.deliver(unit(1, vec![output("a", "a")])).unwrap();
    let mut refusal = scene.outlet.refusal.clone();
    tokio::time::timeout(PATIENCE, refusal.changed()).await.unwrap().unwrap();
    let why = scene.outlet.refusal().unwrap();
    assert!(why.contains("403") && why.contains("who are you") && why.contains("event_service"), "{why}");
}

#[tokio::test]
async fn what_was_recalled_is_not_posted() {
    let out: Answer = |_| (503, json!("out"));
    let mut scene = scene(vec![out], 1 << 20).await;
    scene.outlet.recall([(1, 1)]);
    scene.outlet.deliver(unit(1, vec![output("a", "a"), output("b", "b"), output("c", "c")])).unwrap();
    assert_eq!(scene.report().await, DeliveryEvent::Delivered(vec![1]));
    scene.check_posts(&[&["a", "c"], &["a", "c"]]);
    assert!(scene.outlet.recalled.0.lock().unwrap().is_empty());
}
