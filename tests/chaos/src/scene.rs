//! What stands around the runs: one broker that can be killed, one API stand-in, the plugin's compiled code. A run gets
//! topics and a group of its own.

use crate::schedule::SESSION_TIMEOUT_MS;
use anyhow::Context as _;
use millrace_bed::api::StandIn;
use millrace_bed::enrichment::Enrichment;
use millrace_bed::host::guest;
use millrace_bed::world::World;
use millrace_kafka::config::ClusterConfig;
use millrace_services::{Kafka, KafkaOptions, Topic};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Partitions of the input and the output topic: two for each host.
pub(crate) const PARTITIONS: i32 = 4;

/// How often progress is committed: several times between two faults.
pub(crate) const COMMIT_INTERVAL_MS: u64 = 200;

/// How long the API takes for a call.
const API_LATENCY: Duration = Duration::from_millis(20);

/// How soon clients try again to reach a broker that was away.
const RECONNECT_MAX_MS: u64 = 500;

/// The scene of all runs.
pub struct Scene {
    // In the order in which they end: the runtime that serves the API last.
    kafka: Mutex<Kafka>,
    bootstrap: String,
    api: StandIn,
    /// What pages say.
    pub(crate) world: Arc<World>,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Scene {
    /// Starts broker and stand-in.
    ///
    /// # Errors
    /// Either does not start.
    pub fn set() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let world = Arc::new(World::new(16, 500));
        let api = runtime.block_on(StandIn::start(Arc::clone(&world), API_LATENCY))?;
        // A broker refuses sessions shorter than 6 s, unless it is told to take them.
        let settings = vec![("group.min.session.timeout.ms".to_owned(), "500".to_owned())];
        let kafka =
            Kafka::start(KafkaOptions { settings, ..KafkaOptions::default() }).context("the broker did not start")?;
        let bootstrap = kafka.bootstrap();
        let folder = tempfile::tempdir()?;
        Ok(Self { kafka: Mutex::new(kafka), bootstrap, api, world, folder, _runtime: runtime })
    }

    /// How to reach the broker.
    pub(crate) fn cluster(&self) -> ClusterConfig {
        let mut cluster = ClusterConfig::plain(&self.bootstrap);
        cluster.overrides.insert("reconnect.backoff.max.ms".to_owned(), RECONNECT_MAX_MS.to_string());
        cluster
    }

    /// Makes the topics of a run, and says how its hosts are configured.
    pub(crate) fn enrichment(&self, name: &str) -> anyhow::Result<Enrichment> {
        let mut enrichment = Enrichment::new(name, &self.bootstrap, &self.api.url(), &guest("page-content-change")?);
        enrichment.kafka_settings = format!(
            "session.timeout.ms: \"{SESSION_TIMEOUT_MS}\", heartbeat.interval.ms: \"300\", \
             reconnect.backoff.max.ms: \"{RECONNECT_MAX_MS}\""
        );
        enrichment.cache_dir = self.folder.path().join("plugin-cache");
        enrichment.limits = vec![format!("commit_interval: {COMMIT_INTERVAL_MS} ms"), "drain_deadline: 3 s".to_owned()];
        let large = ("max.message.bytes", "10485760");
        // The broker says when it took an output: that is the time which counts.
        let stamped = ("message.timestamp.type", "LogAppendTime");
        let topics = [
            Topic::new(&enrichment.input, PARTITIONS, &[large]),
            Topic::new(&enrichment.output, PARTITIONS, &[large, stamped]),
            Topic::new(&enrichment.errors, 1, &[large]),
        ];
        self.with_kafka(|kafka| kafka.create_topics(&topics))?;
        Ok(enrichment)
    }

    /// Does something to the broker; one player at a time.
    pub(crate) fn with_kafka<T>(&self, act: impl FnOnce(&mut Kafka) -> T) -> T {
        act(&mut self.kafka.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the runs keep their files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
