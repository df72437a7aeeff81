//! The hand-written twin: the same enrichment as the page-content-change plugin does on Millrace, as an engineer would
//! write it straight with rdkafka, reqwest and serde_json for this one job. No part of the product; `./x bench` measures
//! Millrace against it, so it does the same work: order per key, calls of up to 50 revisions, SHA-1, envelope, key,
//! codec, batching, commits after acknowledgement.

#![allow(missing_docs, reason = "a bench program, not a library")]

mod enrich;
mod offsets;

use enrich::{Answer, Event};
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use offsets::Offsets;
use rdkafka::ClientContext;
use rdkafka::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Revisions in one call, as the API allows.
const CALL_REVISIONS_MAX: usize = 50;
/// Events in flight at most.
const IN_FLIGHT_MAX: usize = 10_000;

struct Settings {
    brokers: String,
    input: String,
    output: String,
    api: String,
    slots: usize,
}

fn settings() -> anyhow::Result<Settings> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [brokers, input, output, api, slots] = arguments.as_slice() else {
        anyhow::bail!("usage: bench-native BROKERS INPUT OUTPUT API_URL SLOTS_PER_WIKI");
    };
    Ok(Settings {
        brokers: brokers.clone(),
        input: input.clone(),
        output: output.clone(),
        api: api.clone(),
        slots: slots.parse()?,
    })
}

struct Delivered(Arc<Mutex<Offsets>>);
impl ClientContext for Delivered {}
impl ProducerContext for Delivered {
    type DeliveryOpaque = Box<(i32, i64)>;
    fn delivery(&self, result: &DeliveryResult<'_>, opaque: Self::DeliveryOpaque) {
        if result.is_ok()
            && let Ok(mut offsets) = self.0.lock()
        {
            offsets.done(opaque.0, opaque.1);
        }
    }
}
type Producer = ThreadedProducer<Delivered>;

fn main() -> anyhow::Result<()> {
    let settings = settings()?;
    let offsets = Arc::new(Mutex::new(Offsets::default()));
    let (sender, records) = mpsc::channel(64);
    let poller = {
        let (settings_brokers, input, offsets) =
            (settings.brokers.clone(), settings.input.clone(), Arc::clone(&offsets));
        std::thread::spawn(move || poll(&settings_brokers, &input, &sender, &offsets))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(settings, records, offsets))?;
    poller.join().map_err(|_| anyhow::anyhow!("the poll thread ended in a panic"))?
}

/// Reads the input in batches, and commits what is done every second.
fn poll(brokers: &str, input: &str, sender: &mpsc::Sender<Vec<Event>>, offsets: &Mutex<Offsets>) -> anyhow::Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", format!("native.{input}"))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.max.messages.kbytes", "32768")
        .create()?;
    consumer.subscribe(&[input])?;
    let mut committed = std::time::Instant::now();
    loop {
        let mut batch = Vec::new();
        let mut wait = Duration::from_millis(100);
        while batch.len() < 500 {
            let Some(message) = consumer.poll(wait) else { break };
            wait = Duration::ZERO;
            let message = message?;
            batch.push(Event {
                partition: message.partition(),
                offset: message.offset(),
                timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().unwrap_or_default().to_vec(),
            });
        }
        if let Ok(mut offsets) = offsets.lock() {
            batch.iter().for_each(|event| offsets.open(event.partition, event.offset));
        }
        if !batch.is_empty() && sender.blocking_send(batch).is_err() {
            return Ok(());
        }
        if committed.elapsed() > Duration::from_secs(1) {
            committed = std::time::Instant::now();
            let list = offsets.lock().map(|offsets| offsets.list(input)).unwrap_or_default();
            if list.count() > 0 {
                consumer.commit(&list, CommitMode::Async)?;
            }
        }
    }
}

/// What waits for a call slot of one wiki.
#[derive(Default)]
struct Wiki {
    waiting: VecDeque<(Event, serde_json::Value, u64)>,
    calls: usize,
}

async fn run(
    settings: Settings,
    mut records: mpsc::Receiver<Vec<Event>>,
    offsets: Arc<Mutex<Offsets>>,
) -> anyhow::Result<()> {
    let producer: Arc<Producer> = Arc::new(
        ClientConfig::new()
            .set("bootstrap.servers", &settings.brokers)
            .set("enable.idempotence", "true")
            .set("compression.type", "snappy")
            .set("linger.ms", "5")
            .set("partitioner", "murmur2_random")
            .set("message.max.bytes", "20971520")
            .create_with_context(Delivered(Arc::clone(&offsets)))?,
    );
    let client =
        reqwest::Client::builder().no_proxy().pool_max_idle_per_host(64).user_agent("bench-native/0.1").build()?;
    let mut wikis: HashMap<String, Wiki> = HashMap::new();
    let mut lanes: HashMap<Vec<u8>, VecDeque<Event>> = HashMap::new();
    let mut in_flight = 0;
    let mut calls = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some((domain, finished)) = calls.next(), if !calls.is_empty() => {
                let finished: Vec<Vec<u8>> = finished;
                in_flight -= finished.len();
                if let Some(wiki) = wikis.get_mut(&domain) {
                    wiki.calls -= 1;
                }
                for key in finished {
                    in_flight -= leave(&key, &mut lanes, &mut wikis, &producer, &settings)?;
                }
            }
            batch = records.recv(), if in_flight < IN_FLIGHT_MAX => {
                let Some(batch) = batch else { return Ok(()) };
                in_flight += batch.len();
                for event in batch {
                    let key = event.key.clone();
                    match lanes.get_mut(&key) {
                        Some(lane) => lane.push_back(event),
                        None => {
                            lanes.insert(key.clone(), VecDeque::new());
                            if start(event, &mut wikis, &producer, &settings)? {
                                in_flight -= 1;
                                in_flight -= leave(&key, &mut lanes, &mut wikis, &producer, &settings)?;
                            }
                        }
                    }
                }
            }
        }
        for (domain, wiki) in &mut wikis {
            while wiki.calls < settings.slots && !wiki.waiting.is_empty() {
                wiki.calls += 1;
                let batch: Vec<_> = wiki.waiting.drain(..CALL_REVISIONS_MAX.min(wiki.waiting.len())).collect();
                let (client, producer) = (client.clone(), Arc::clone(&producer));
                let (domain, api, output) = (domain.clone(), settings.api.clone(), settings.output.clone());
                calls.push(
                    tokio::spawn(async move {
                        let keys = call(&client, &producer, &api, &domain, &output, batch).await;
                        (domain, keys)
                    })
                    .map(|joined| joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))),
                );
            }
        }
    }
}

/// Starts an event. True: it is finished already, because it needs no content.
fn start(
    event: Event,
    wikis: &mut HashMap<String, Wiki>,
    producer: &Producer,
    settings: &Settings,
) -> anyhow::Result<bool> {
    let value: serde_json::Value = serde_json::from_slice(&event.value)?;
    let domain = value["meta"]["domain"].as_str().unwrap_or_default().to_owned();
    let kind = value["page_change_kind"].as_str().unwrap_or_default();
    let visible = value["revision"]["is_content_visible"].as_bool().unwrap_or(true);
    let rev_id = value["revision"]["rev_id"].as_u64().unwrap_or_default();
    if domain == "canary" || kind == "delete" || !visible {
        let output = enrich::enrich(&event, value, None, &settings.output);
        send(producer, &settings.output, &event, output);
        return Ok(true);
    }
    wikis.entry(domain).or_default().waiting.push_back((event, value, rev_id));
    Ok(false)
}

/// Lets the next events of a key go, and says how many of them were finished at once.
fn leave(
    key: &[u8],
    lanes: &mut HashMap<Vec<u8>, VecDeque<Event>>,
    wikis: &mut HashMap<String, Wiki>,
    producer: &Producer,
    settings: &Settings,
) -> anyhow::Result<usize> {
    let mut finished = 0;
    while let Some(lane) = lanes.get_mut(key) {
        match lane.pop_front() {
            None => {
                lanes.remove(key);
            }
            Some(event) => {
                if !start(event, wikis, producer, settings)? {
                    break;
                }
                finished += 1;
            }
        }
    }
    Ok(finished)
}

/// One call, and the outputs of everything in it.
async fn call(
    client: &reqwest::Client,
    producer: &Producer,
    api: &str,
    domain: &str,
    output_topic: &str,
    batch: Vec<(Event, serde_json::Value, u64)>,
) -> Vec<Vec<u8>> {
    let ids: Vec<String> = batch.iter().map(|(_, _, rev_id)| rev_id.to_string()).collect();
    let url = format!(
        "{api}/w/api.php?action=query&format=json&formatversion=2&prop=revisions&rvslots=*&rvprop=ids|content&maxlag=5&revids={}",
        ids.join("|")
    );
    let answer = async { client.get(url).header("Host", domain).send().await?.error_for_status()?.bytes().await };
    let revisions: HashMap<u64, Answer> = match answer.await {
        Ok(bytes) => enrich::answers(&bytes),
        Err(error) => {
            eprintln!("call failed: {error}");
            std::process::exit(1);
        }
    };
    let mut keys = Vec::with_capacity(batch.len());
    for (event, value, rev_id) in batch {
        let output = enrich::enrich(&event, value, revisions.get(&rev_id), output_topic);
        send(producer, output_topic, &event, output);
        keys.push(event.key);
    }
    keys
}

fn send(producer: &Producer, topic: &str, event: &Event, output: enrich::Output) {
    let headers = OwnedHeaders::new()
        .insert(Header { key: "src", value: Some(&output.source) })
        .insert(Header { key: "idx", value: Some("0") });
    let mut record = BaseRecord::with_opaque_to(topic, Box::new((event.partition, event.offset)))
        .key(&event.key)
        .payload(&output.value)
        .timestamp(output.timestamp_ms)
        .headers(headers);
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((_, back)) => {
                record = back;
                producer.poll(Duration::from_millis(1));
                if producer.in_flight_count() == 0 {
                    eprintln!("a record was refused");
                    std::process::exit(1);
                }
            }
        }
    }
}
