//! The stage of the benches (broker, API stand-in, both programs) and what is played on it.

use super::run::{Measured, watch};
use crate::broker::{iso, now_ms, record};
use anyhow::{Context as _, bail};
use millrace_bed::api::StandIn;
use millrace_bed::enrichment::Enrichment;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, guest, millrace_binary};
use millrace_bed::world::World;
use millrace_kafka::cluster::Cluster;
use millrace_kafka::config::{ClusterConfig, ProducerConfig};
use millrace_kafka::reader::{Isolation, TopicReader};
use millrace_kafka::writer::Writer;
use millrace_services::{Kafka, KafkaOptions, Purpose, Topic};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the API stand-in takes for every call.
pub(crate) const API_LATENCY: Duration = Duration::from_millis(100);
/// The size of every page's content.
const CONTENT_BYTES: usize = 10_000;
/// Partitions of input and output topics.
pub(crate) const PARTITIONS: i32 = 4;

/// One throughput run.
pub(crate) struct Scenario {
    /// Its name, for people.
    pub(crate) name: &'static str,
    /// How many events.
    pub(crate) events: u64,
    /// How many wikis share them, by Zipf's law.
    wikis: usize,
    /// Call slots per wiki.
    call_slots: usize,
}

impl Scenario {
    /// One wiki with 32 call slots.
    pub(crate) fn one_wiki(events: u64) -> Self {
        Self { name: "one wiki", events, wikis: 1, call_slots: 32 }
    }

    /// 300 wikis as large and small as wikis are, 4 call slots each.
    pub(crate) fn mix(events: u64) -> Self {
        Self { name: "300 wikis", events, wikis: 300, call_slots: 4 }
    }
}

/// Which program is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The hand-written twin.
    Native,
    /// The product.
    Millrace,
    /// The product, with exactly-once promised.
    MillraceOnce,
}

/// Everything that stands around what is measured.
pub(crate) struct Stage {
    // In the order in which they end: the runtime that serves the API last.
    kafka: Kafka,
    pub(super) api: StandIn,
    pub(super) world: Arc<World>,
    folder: tempfile::TempDir,
    topics: AtomicU64,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    /// Starts a broker, and a stand-in that answers after `latency`.
    pub(crate) fn set(latency: Duration) -> anyhow::Result<Self> {
        Self::of(World::new(64, CONTENT_BYTES), latency)
    }

    /// The same for a world with other texts.
    pub(crate) fn of(world: World, latency: Duration) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let world = Arc::new(world);
        let api = runtime.block_on(StandIn::start(Arc::clone(&world), latency))?;
        let kafka = Kafka::start(KafkaOptions { purpose: Purpose::Bench, ..KafkaOptions::default() })
            .context("the broker did not start")?;
        Ok(Self { kafka, api, world, folder: tempfile::tempdir()?, topics: AtomicU64::new(0), _runtime: runtime })
    }

    pub(super) fn cluster(&self) -> ClusterConfig {
        ClusterConfig::plain(self.kafka.bootstrap())
    }

    /// Fills a new input topic and returns its name.
    pub(crate) fn feed(&self, scenario: &Scenario) -> anyhow::Result<String> {
        let name = format!("bench{}", self.topics.fetch_add(1, Ordering::Relaxed));
        let topic: Arc<str> = format!("{name}.in").into();
        self.create(&[&topic])?;
        let writer = Writer::new(&ProducerConfig::new(self.cluster()))?;
        let wikis: Vec<Wiki> = (0..scenario.wikis).map(Wiki::numbered).collect();
        let dt = iso(now_ms());
        for number in 0..scenario.events {
            let wiki = wikis.get(zipf(number, scenario.wikis)).context("no such wiki")?;
            let change = Change { wiki, page_id: page(number), edit: 2 + number / 40_000, kind: Kind::Edit, dt: &dt };
            writer.write(&record(&topic, &change, &self.world))?;
        }
        writer.flush(60_000)?;
        Ok(name)
    }

    /// Lets one of the programs work off an input topic.
    pub(crate) fn measure(&self, scenario: &Scenario, input: &str, who: Who) -> anyhow::Result<Measured> {
        let name = format!("{input}-{who:?}").to_lowercase();
        let output = format!("{name}.out");
        self.create(&[&output, &format!("{name}.error")])?;
        let calls = self.api.calls();
        let program = match who {
            Who::Native => "hand-written twin",
            Who::Millrace => "Millrace",
            Who::MillraceOnce => "Millrace, exactly once",
        };
        let label = format!("{program} ({})", scenario.name);
        let mut measured = match who {
            Who::Native => {
                let child = self.start_native(&format!("{input}.in"), &output, scenario)?;
                watch(
                    &label,
                    child.0.id(),
                    &Ends::Topic(Box::new(Output::open(&self.cluster(), &output)?)),
                    scenario.events,
                )?
            }
            Who::Millrace | Who::MillraceOnce => {
                let mut enrichment = self.enrichment(&name, scenario.call_slots)?;
                enrichment.input = format!("{input}.in");
                if who == Who::MillraceOnce {
                    self.promise_once(&mut enrichment)?;
                }
                self.run(&label, &enrichment, &[], scenario.events)?
            }
        };
        measured.api_calls_per_event = (self.api.calls() - calls) as f64 / scenario.events as f64;
        Ok(measured)
    }

    /// Lets Millrace work until `enrichment` has made `expected` outputs, with `others` as further pipelines. The topics are
    /// there.
    pub(super) fn run(
        &self,
        label: &str,
        enrichment: &Enrichment,
        others: &[Enrichment],
        expected: u64,
    ) -> anyhow::Result<Measured> {
        let host = self.start_millrace(enrichment, others)?;
        // A transaction's markers take offsets too, so the host is asked for what is committed.
        let ends = match enrichment.progress.as_str() {
            "" => Ends::Topic(Box::new(Output::open(&self.cluster(), &enrichment.output)?)),
            _ => Ends::Host(&host),
        };
        let measured = watch(label, host.id(), &ends, expected).with_context(|| host.log_tail())?;
        host.terminate()?;
        Ok(measured)
    }

    /// 50 events a second for `seconds` to a pipeline of the name `name` beside `others`, and when each of them arrives. Those of the first two seconds do not count: they
    /// open the connections of feeder, host and reader.
    pub(crate) fn latency(&self, name: &str, others: &[Enrichment], seconds: u64) -> anyhow::Result<Measured> {
        let enrichment = self.enrichment(name, 32)?;
        self.latency_of(&enrichment, others, seconds)
    }

    /// The same in exactly-once.
    pub(crate) fn latency_once(&self, name: &str, seconds: u64) -> anyhow::Result<Measured> {
        let mut enrichment = self.enrichment(name, 32)?;
        self.promise_once(&mut enrichment)?;
        self.latency_of(&enrichment, &[], seconds)
    }

    /// The same of this pipeline, whose topics are not there yet.
    pub(super) fn latency_of(
        &self,
        enrichment: &Enrichment,
        others: &[Enrichment],
        seconds: u64,
    ) -> anyhow::Result<Measured> {
        const EVERY: Duration = Duration::from_millis(20);
        const WARM_UP: u64 = 100;
        self.create(&[&enrichment.input, &enrichment.output, &enrichment.errors])?;
        let mut host = self.start_millrace(enrichment, others)?;
        host.wait_ready()?;
        let count = WARM_UP + seconds * 50;
        let (cluster, output) = (self.cluster(), enrichment.output.clone());
        let reader = std::thread::spawn(move || read_latencies(&cluster, &output, count));
        let topic: Arc<str> = enrichment.input.as_str().into();
        let writer = Writer::new(&ProducerConfig { linger_ms: 0, ..ProducerConfig::new(self.cluster()) })?;
        let wiki = Wiki::numbered(0);
        let begin = std::time::Instant::now();
        for number in 0..count {
            let due = begin + EVERY * u32::try_from(number).unwrap_or(u32::MAX);
            std::thread::sleep(due.saturating_duration_since(std::time::Instant::now()));
            let dt = iso(now_ms());
            let change = Change { wiki: &wiki, page_id: page(number), edit: 2, kind: Kind::Edit, dt: &dt };
            writer.write(&record(&topic, &change, &self.world))?;
        }
        let mut arrivals = reader.join().map_err(|_| anyhow::anyhow!("the reader ended in a panic"))??;
        arrivals.sort_by_key(|(written_ms, _)| *written_ms);
        let counted = arrivals.into_iter().skip(usize::try_from(WARM_UP)?);
        let cpu_by_thread = super::process::cpu_by_thread(host.id())?;
        host.terminate()?;
        Ok(Measured {
            name: format!("Millrace (50 events/s, {})", enrichment.group),
            latencies_ms: counted.map(|(_, latency_ms)| latency_ms).collect(),
            cpu_by_thread,
            ..Measured::default()
        })
    }

    /// Lets a pipeline promise exactly-once.
    pub(super) fn promise_once(&self, enrichment: &mut Enrichment) -> anyhow::Result<()> {
        enrichment.progress = format!("{}.progress", enrichment.output);
        self.kafka.create_topics(&[Topic::new(&enrichment.progress, 1, &[("cleanup.policy", "compact")])])
    }

    pub(super) fn enrichment(&self, name: &str, call_slots: usize) -> anyhow::Result<Enrichment> {
        let mut enrichment =
            Enrichment::new(name, &self.kafka.bootstrap(), &self.api.url(), &guest("page-content-change")?);
        enrichment.call_slots = call_slots;
        // The twin has no limit over all wikis.
        enrichment.call_slots_total = 1_024;
        Ok(enrichment)
    }

    pub(super) fn start_millrace(&self, enrichment: &Enrichment, others: &[Enrichment]) -> anyhow::Result<Host> {
        let folder = self.folder.path().join(&enrichment.output);
        std::fs::create_dir_all(&folder)?;
        Host::start(&millrace_binary()?, &folder, &enrichment.yaml_with(others))
    }

    /// Starts a host of a group, with a folder of its own.
    pub(super) fn start_member(&self, enrichment: &Enrichment, number: u64) -> anyhow::Result<Host> {
        let folder = self.folder.path().join(format!("{}-{number}", enrichment.output));
        std::fs::create_dir_all(&folder)?;
        Host::start(&millrace_binary()?, &folder, &enrichment.yaml())
    }

    fn start_native(&self, input: &str, output: &str, scenario: &Scenario) -> anyhow::Result<Ended> {
        let binary = sibling("bench-native")?;
        let slots = scenario.call_slots.to_string();
        let (brokers, api) = (self.kafka.bootstrap(), self.api.url());
        let child = Command::new(binary).args([&brokers, input, output, &api, &slots]).stdin(Stdio::null()).spawn()?;
        Ok(Ended(child))
    }

    pub(super) fn create(&self, names: &[&str]) -> anyhow::Result<()> {
        names.iter().try_for_each(|name| self.create_with(name, PARTITIONS))
    }

    /// One topic with so many partitions, which takes records of up to 24 MiB.
    pub(super) fn create_with(&self, name: &str, partitions: i32) -> anyhow::Result<()> {
        self.kafka.create_topics(&[Topic::new(name, partitions, &[("max.message.bytes", "25165824")])])
    }
}

/// Where the watcher looks how many outputs there are.
pub(crate) enum Ends<'a> {
    /// At the end of their topic.
    Topic(Box<Output>),
    /// In the metrics of the host.
    Host(&'a Host),
}

impl Ends<'_> {
    /// How many there are.
    pub(crate) fn records(&self) -> anyhow::Result<u64> {
        match self {
            Self::Topic(output) => output.records(),
            Self::Host(host) => Ok(host.metrics()?.sum("millrace_events_emitted_total", &[]) as u64),
        }
    }
}

/// An output topic, as the watcher asks for it again and again.
pub(crate) struct Output {
    cluster: Cluster,
    topic: String,
}

impl Output {
    pub(super) fn open(cluster: &ClusterConfig, topic: &str) -> anyhow::Result<Self> {
        Ok(Self { cluster: Cluster::connect(cluster)?, topic: topic.to_owned() })
    }

    /// How many records it holds.
    pub(crate) fn records(&self) -> anyhow::Result<u64> {
        let mut records = 0;
        for partition in 0..PARTITIONS {
            let (_, end) = self.cluster.offsets(&self.topic, partition, 10_000)?;
            records += u64::try_from(end).unwrap_or(0);
        }
        Ok(records)
    }
}

/// Reads `count` outputs, in the order of their arrival: when each was written (its Kafka timestamp, which is the event's
/// `dt`), and how many milliseconds later it arrived.
fn read_latencies(cluster: &ClusterConfig, topic: &str, count: u64) -> anyhow::Result<Vec<(i64, f64)>> {
    let mut reader = TopicReader::open(cluster, topic, Isolation::ReadCommitted)?;
    let mut latencies = Vec::new();
    while (latencies.len() as u64) < count {
        let Some(record) = reader.next(10_000)? else { bail!("{} of {count} outputs arrived", latencies.len()) };
        latencies.push((record.timestamp_ms, now_ms() as f64 - record.timestamp_ms as f64));
    }
    Ok(latencies)
}

/// A child process that ends with the value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A program that was built beside this one.
fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is not built; `./x bench` builds it", path.display());
    }
    Ok(path)
}

/// Pages take turns, so that a page's next event comes long after the one before.
pub(super) fn page(number: u64) -> u64 {
    1 + number % 40_000
}

/// Which of `count` wikis event `number` is of: wiki k gets a share of 1/(k+1).
fn zipf(number: u64, count: usize) -> usize {
    let total: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
    // A low-discrepancy sequence: even at any length, and the same in every run.
    let mut share = (number as f64 * 0.618_033_988_749_895).fract() * total;
    for rank in 1..=count {
        share -= 1.0 / rank as f64;
        if share <= 0.0 {
            return rank - 1;
        }
    }
    count - 1
}
