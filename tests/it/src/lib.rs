//! The harness of the end-to-end tests: one real broker for all of them, and a [`Stage`] each, with topics and a host of
//! its own. What is judged here runs as it does for users: the real binary, a real broker, a real configuration file.

#![forbid(unsafe_code)]

pub mod real_schemas;
mod repeats;

use anyhow::{Context as _, ensure};
use millrace_bed::api::StandIn;
use millrace_bed::enrichment::Enrichment;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, Metrics, guest, millrace_binary};
use millrace_bed::world::World;
use millrace_flow::progress::Progress;
use millrace_flow::record::{OutputRecord, Record, TopicPartition};
use millrace_kafka::config::{ClusterConfig, ProducerConfig};
use millrace_kafka::consumer::CommittedProgress;
use millrace_kafka::reader::{Isolation, TopicReader, committed};
use millrace_kafka::writer::Writer;
use millrace_services::{Kafka, KafkaOptions, ScramUser, Topic, wait_until};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub use repeats::Repeats;

/// How long anything may take to happen; on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// The broker of this test binary, with TLS and SCRAM listeners beside the plain one. Started by the first test that needs
/// it. It dies with the process.
pub fn kafka() -> anyhow::Result<&'static Kafka> {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(kafka) = KAFKA.get() {
        return Ok(kafka);
    }
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kafka) = KAFKA.get() {
        return Ok(kafka);
    }
    let user = ScramUser { name: "millrace".to_owned(), password: "grind-slowly".to_owned() };
    let kafka = Kafka::start(KafkaOptions { user: Some(user), ..KafkaOptions::default() })?;
    Ok(KAFKA.get_or_init(|| kafka))
}

/// One test's world: topics, API, a place for files, the host's configuration.
pub struct Stage {
    /// The host's configuration; change it before the host is started.
    pub enrichment: Enrichment,
    /// How to reach the broker.
    pub cluster: ClusterConfig,
    /// What pages say.
    pub world: Arc<World>,
    /// The API.
    pub api: StandIn,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    /// Topics `NAME.in|out|error` with `partitions` each, an API that answers after `latency`, and `plugin` in between.
    pub fn set(name: &str, plugin: &str, partitions: i32, latency: Duration) -> anyhow::Result<Self> {
        let kafka = kafka()?;
        let large = &[("max.message.bytes", "10485760")];
        let topic = |end: &str| Topic::new(&format!("{name}.{end}"), partitions, large);
        kafka.create_topics(&[topic("in"), topic("out"), topic("error")])?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let world = Arc::new(World::new(16, 2_000));
        let api = runtime.block_on(StandIn::start(Arc::clone(&world), latency))?;
        let enrichment = Enrichment::new(name, &kafka.bootstrap(), &api.url(), &guest(plugin)?);
        let cluster = ClusterConfig::plain(kafka.bootstrap());
        Ok(Self { enrichment, cluster, world, api, folder: tempfile::tempdir()?, runtime })
    }

    /// The same, with exactly-once promised and a topic `NAME.progress` for it.
    pub fn set_exactly_once(name: &str, plugin: &str, partitions: i32, latency: Duration) -> anyhow::Result<Self> {
        let mut stage = Self::set(name, plugin, partitions, latency)?;
        let progress = format!("{name}.progress");
        kafka()?.create_topics(&[Topic::new(&progress, 2, &[("cleanup.policy", "compact")])])?;
        stage.enrichment.progress = progress;
        Ok(stage)
    }

    /// Every output that readers of committed records see.
    pub fn committed_outputs(&self) -> anyhow::Result<Vec<Record>> {
        let topic = &self.enrichment.output;
        Ok(TopicReader::open(&self.cluster, topic, Isolation::ReadCommitted)?.take_all(30_000)?)
    }

    /// Starts the host and waits until it has its partitions.
    pub fn start(&self) -> anyhow::Result<Host> {
        let mut host = self.start_unready()?;
        host.wait_ready()?;
        Ok(host)
    }

    /// Starts the host.
    pub fn start_unready(&self) -> anyhow::Result<Host> {
        Host::start(&millrace_binary()?, self.folder.path(), &self.enrichment.yaml())
    }

    /// Starts the host, to die at a place on the way of its records: `PLACE:TIME`.
    pub fn start_to_die(&self, at: &str) -> anyhow::Result<Host> {
        let arguments = ["--die-at", at];
        let mut host = Host::start_with(&millrace_binary()?, self.folder.path(), &self.enrichment.yaml(), &arguments)?;
        host.wait_ready()?;
        Ok(host)
    }

    /// Starts another host of the same group, with the same configuration and a folder of its own.
    pub fn start_beside(&self, folder: &str) -> anyhow::Result<Host> {
        let folder = self.folder.path().join(folder);
        std::fs::create_dir(&folder)?;
        Host::start(&millrace_binary()?, &folder, &self.enrichment.yaml())
    }

    /// Waits until the host's log has all of these words.
    pub fn wait_for_log(&self, host: &Host, words: &[&str]) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = host.log();
            if words.iter().all(|word| log.contains(word)) {
                return Ok(());
            }
            ensure!(Instant::now() < until, "not all of {words:?} are in the log:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a future of the stage's own side.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Where the host's files are.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Writes changes to the input topic, in order.
    pub fn feed<'a>(&self, changes: impl IntoIterator<Item = Change<'a>>) -> anyhow::Result<()> {
        let records = changes.into_iter().map(|change| {
            record(
                &self.enrichment.input,
                Some(change.key().into_bytes()),
                Some(change.event(&self.world).into_bytes()),
            )
        });
        self.feed_records(records)
    }

    /// Writes records as they are.
    pub fn feed_records(&self, records: impl IntoIterator<Item = OutputRecord>) -> anyhow::Result<()> {
        let writer = Writer::new(&ProducerConfig::new(self.cluster.clone()))?;
        for record in records {
            writer.write(&record)?;
        }
        Ok(writer.flush(60_000)?)
    }

    /// Waits until `count` events have an outcome and the books add up: what came in is settled or in flight. A scrape is
    /// no snapshot, one counter of an event may be read before and the other after it moves; so the sum may be late, and
    /// never stays wrong.
    pub fn settle(&self, host: &mut Host, count: u64) -> anyhow::Result<Metrics> {
        let until = Instant::now() + PATIENCE;
        loop {
            ensure!(host.is_running(), "millrace ended:\n{}", host.log_tail());
            if let Ok(metrics) = host.metrics() {
                let settled = settled(&metrics);
                let came = metrics.sum("millrace_events_in_total", &[]);
                let in_flight = metrics.sum("millrace_events_in_flight", &[]);
                if settled as u64 >= count && came == settled + in_flight {
                    return Ok(metrics);
                }
                ensure!(
                    Instant::now() < until,
                    "{settled} of {count} settled, {came} came in, {in_flight} in flight:\n{}",
                    host.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Every output.
    pub fn outputs(&self) -> anyhow::Result<Vec<Record>> {
        self.read(&self.enrichment.output)
    }

    /// Every error event.
    pub fn errors(&self) -> anyhow::Result<Vec<Record>> {
        self.read(&self.enrichment.errors)
    }

    fn read(&self, topic: &str) -> anyhow::Result<Vec<Record>> {
        Ok(TopicReader::open(&self.cluster, topic, Isolation::ReadUncommitted)?.take_all(30_000)?)
    }

    /// Waits until the group has committed everything up to the end of the input, and nothing beyond.
    pub fn committed_to_the_end(&self, count: i64) -> anyhow::Result<()> {
        self.committed_to_the_end_of(&self.enrichment.input, count)
    }

    /// The same of any topic that is read.
    pub fn committed_to_the_end_of(&self, topic: &str, count: i64) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let progress = committed(&self.cluster, &self.enrichment.group, topic)?;
            let sum: i64 = progress.values().filter_map(|progress| progress.offset).sum();
            ensure!(sum <= count, "{sum} is committed of {count}");
            if sum == count {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{sum} of {count} is committed: {progress:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the group has committed, by partition.
    pub fn committed(&self) -> anyhow::Result<BTreeMap<TopicPartition, Progress>> {
        let progress = committed(&self.cluster, &self.enrichment.group, &self.enrichment.input)?;
        let read = |(partition, progress): (TopicPartition, CommittedProgress)| {
            let offset = progress.offset?;
            Some(Progress::decode(offset, &progress.metadata).map(|progress| (partition, progress)))
        };
        Ok(progress.into_iter().filter_map(read).collect::<Result<_, _>>()?)
    }
}

/// Waits until a host's metrics are as `done` wants them. What is said of one that never gets there is `what` and its log.
pub fn wait_for_metrics(host: &Host, what: &str, done: impl Fn(&Metrics) -> bool) -> anyhow::Result<()> {
    let look = || host.metrics().is_ok_and(|metrics| done(&metrics));
    wait_until(what, PATIENCE, look).map_err(|late| late.context(host.log_tail()))
}

/// Edits of a wiki's pages in turns, by number: the edits of each page are in order.
pub fn edits(wiki: &Wiki, pages: u64, numbers: Range<u64>) -> impl Iterator<Item = Change<'_>> {
    const DT: &str = "2026-06-22T09:48:10Z";
    let edit =
        move |number| Change { wiki, page_id: 1 + number % pages, edit: 2 + number / pages, kind: Kind::Edit, dt: DT };
    numbers.map(edit)
}

/// How many of the offsets from 0 up to `end` a progress holds as settled.
pub fn settled_offsets(progress: &Progress, end: i64) -> usize {
    (0..end).filter(|offset| *offset < progress.prefix || progress.settled.contains(*offset)).count()
}

/// Events with an outcome.
pub fn settled(metrics: &Metrics) -> f64 {
    settled_with(metrics, &[])
}

/// Events of one pipeline with an outcome.
pub fn settled_of(metrics: &Metrics, pipeline: &str) -> f64 {
    settled_with(metrics, &[&format!("pipeline=\"{pipeline}\"")])
}

fn settled_with(metrics: &Metrics, labels: &[&str]) -> f64 {
    ["emitted", "skipped", "kept", "tombstone", "canary", "failed", "abandoned"]
        .iter()
        .map(|outcome| metrics.sum(&format!("millrace_events_{outcome}_total"), labels))
        .sum()
}

/// A record for a topic.
pub fn record(topic: &str, key: Option<Vec<u8>>, value: Option<Vec<u8>>) -> OutputRecord {
    OutputRecord {
        topic: topic.into(),
        timestamp_ms: 1_760_000_000_000,
        key: key.map(Into::into),
        value: value.map(Into::into),
        headers: Vec::new(),
    }
}

/// The JSON of a record's value.
pub fn json(record: &Record) -> anyhow::Result<serde_json::Value> {
    serde_json::from_slice(record.value.as_deref().context("a tombstone")?).context("not JSON")
}

/// A header's text.
pub fn header(record: &Record, name: &str) -> Option<String> {
    let header = record.headers.iter().find(|header| &*header.name == name)?;
    Some(String::from_utf8_lossy(header.value.as_deref()?).into_owned())
}
