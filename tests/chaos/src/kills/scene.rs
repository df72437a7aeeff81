//! Where kills happen: three brokers of which any one can be lost, one API stand-in, and the configuration of the hosts.

use anyhow::Context as _;
use millrace_bed::api::StandIn;
use millrace_bed::enrichment::Enrichment;
use millrace_bed::host::guest;
use millrace_bed::world::World;
use millrace_kafka::config::ClusterConfig;
use millrace_services::{Kafka, KafkaOptions, Topic};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Partitions of the input and the output topic: two for each host.
pub(crate) const PARTITIONS: i32 = 4;

/// After how long without a heartbeat the group gives a host up: short, so that a run is.
pub(crate) const SESSION_MS: u64 = 3_000;

/// How long the API takes for a call: long enough that there is always something in flight.
const API_LATENCY: Duration = Duration::from_millis(50);

/// The scene of one run.
pub struct Scene {
    // In the order in which they end: the runtime that serves the API last.
    pub(crate) kafka: Kafka,
    pub(crate) api: StandIn,
    pub(crate) enrichment: Enrichment,
    /// What pages say.
    pub(crate) world: Arc<World>,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Scene {
    /// Starts brokers and stand-in, and makes the topics: of each record three replicas, of which two have to be there.
    ///
    /// # Errors
    /// Something of it does not start.
    pub fn set() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let world = Arc::new(World::new(16, 500));
        let api = runtime.block_on(StandIn::start(Arc::clone(&world), API_LATENCY))?;
        // A broker refuses sessions shorter than 6 s, unless it is told to take them.
        let settings = vec![("group.min.session.timeout.ms".to_owned(), "500".to_owned())];
        let options = KafkaOptions { brokers: 3, settings, ..KafkaOptions::default() };
        let kafka = Kafka::start(options).context("the brokers did not start")?;
        let folder = tempfile::tempdir()?;
        let enrichment = enrichment(&kafka, &api, folder.path())?;
        kafka.create_topics(&topics(&enrichment))?;
        Ok(Self { kafka, api, enrichment, world, folder, _runtime: runtime })
    }

    /// How to reach the brokers.
    pub(crate) fn cluster(&self) -> ClusterConfig {
        ClusterConfig::plain(self.kafka.bootstrap())
    }

    /// Where the run keeps its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn enrichment(kafka: &Kafka, api: &StandIn, folder: &Path) -> anyhow::Result<Enrichment> {
    let plugin = guest("page-content-change")?;
    let mut enrichment = Enrichment::new("kills", &kafka.bootstrap(), &api.url(), &plugin);
    enrichment.kafka_settings = format!("session.timeout.ms: \"{SESSION_MS}\", heartbeat.interval.ms: \"500\"");
    enrichment.cache_dir = folder.join("plugin-cache");
    enrichment.progress = "kills.progress".to_owned();
    // One transaction follows the other, so that faults hit one.
    enrichment.limits = vec!["drain_deadline: 5 s".to_owned(), "commit_interval: 10 ms".to_owned()];
    Ok(enrichment)
}

fn topics(enrichment: &Enrichment) -> [Topic; 4] {
    let safe = ("min.insync.replicas", "2");
    let large = ("max.message.bytes", "10485760");
    // The broker says when it took an output: that is the time which counts.
    let stamped = ("message.timestamp.type", "LogAppendTime");
    [
        Topic::new(&enrichment.input, PARTITIONS, &[safe, large]),
        Topic::new(&enrichment.output, PARTITIONS, &[safe, large, stamped]),
        Topic::new(&enrichment.errors, 1, &[safe, large]),
        Topic::new(&enrichment.progress, 2, &[safe, ("cleanup.policy", "compact")]),
    ]
}
