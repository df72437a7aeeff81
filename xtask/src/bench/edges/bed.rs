//! What stands around the scenarios: a broker for all of them; topics, an API stand-in and a host for each.

use crate::bench::process;
use crate::broker::{iso, now_ms, record};
use anyhow::{Context as _, bail};
use millrace_bed::api::StandIn;
use millrace_bed::enrichment::Enrichment;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, guest, millrace_binary};
use millrace_bed::world::World;
use millrace_flow::record::OutputRecord;
use millrace_kafka::cluster::Cluster;
use millrace_kafka::config::{ClusterConfig, PREFETCH_KIB, ProducerConfig};
use millrace_kafka::writer::Writer;
use millrace_services::{Kafka, KafkaOptions, Purpose, Topic};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What records the topics take: the host's own limit.
const MESSAGE_BYTES_MAX: &str = "20971520";
/// What a host holds of answers for others to ask, by default.
const LOOKUP_CACHE_MIB: f64 = 32.0;
/// How often the output is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A scenario without any new output for this long has failed.
const STALL_MAX: Duration = Duration::from_secs(90);
/// Producers wait so long for the last acknowledgement.
const FLUSH_MS: u64 = 120_000;

/// The broker, and what all scenarios share.
pub(crate) struct Bed {
    // In the order in which they end: the runtime that serves the APIs last.
    kafka: Kafka,
    folder: tempfile::TempDir,
    idle_mb: f64,
    runtime: tokio::runtime::Runtime,
}

/// What one scenario has for itself.
pub(crate) struct Corner {
    /// How its host is configured.
    pub(crate) enrichment: Enrichment,
    /// What its pages say.
    pub(crate) world: Arc<World>,
    /// Its API.
    pub(crate) api: StandIn,
    partitions: i32,
}

/// What a scenario is made of.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) partitions: i32,
    /// Bytes of a page's content.
    pub(crate) content_bytes: usize,
    /// How long the API takes for a call.
    pub(crate) latency: Duration,
}

impl Bed {
    /// Starts the broker, and a host that has nothing to do, to know what that takes.
    pub(crate) fn set() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        // Requests of 20 MB in batches.
        let kafka = Kafka::start(KafkaOptions { purpose: Purpose::Bench, ..KafkaOptions::default() })
            .context("the broker did not start")?;
        let mut bed = Self { kafka, folder: tempfile::tempdir()?, idle_mb: 0.0, runtime };
        let plan = Plan { name: "idle", partitions: 1, content_bytes: 100, latency: Duration::ZERO };
        let corner = bed.corner(&plan)?;
        // The first one compiles the plugin, which takes memory of its own.
        bed.start(&corner, "compiling")?.terminate()?;
        let host = bed.start(&corner, "idle")?;
        bed.idle_mb = process::rss_peak_mb(host.id())?;
        host.terminate()?;
        Ok(bed)
    }

    /// What a host takes that has nothing to do.
    pub(crate) fn idle_mb(&self) -> f64 {
        self.idle_mb
    }

    /// What a host with one pipeline is configured to hold: itself, what is in flight, what is fetched ahead, what is on its
    /// way to Kafka, and the cache.
    pub(crate) fn bound_mb(&self, in_flight_mib: u64) -> f64 {
        let outstanding = ProducerConfig::new(self.cluster()).outstanding_bytes_max as f64;
        let mib = in_flight_mib as f64 + f64::from(PREFETCH_KIB) / 1024.0 + LOOKUP_CACHE_MIB;
        self.idle_mb + (mib * 1024.0 * 1024.0 + outstanding) / 1e6
    }

    /// Topics, pages and an API.
    pub(crate) fn corner(&self, plan: &Plan) -> anyhow::Result<Corner> {
        let Plan { name, partitions, content_bytes, latency } = plan;
        let large = &[("max.message.bytes", MESSAGE_BYTES_MAX)];
        let topics = ["in", "out", "error"].map(|end| Topic::new(&format!("{name}.{end}"), *partitions, large));
        self.kafka.create_topics(&topics)?;
        // Few texts where they are large.
        let world = Arc::new(World::new(if *content_bytes > 1_000_000 { 2 } else { 64 }, *content_bytes));
        let api = self.runtime.block_on(StandIn::start(Arc::clone(&world), *latency))?;
        let mut enrichment = Enrichment::new(name, &self.kafka.bootstrap(), &api.url(), &guest("page-content-change")?);
        enrichment.call_slots = 32;
        enrichment.call_slots_total = 1_024;
        enrichment.cache_dir = self.folder.path().join("plugin-cache");
        enrichment.output_bytes_max = "20 MiB";
        Ok(Corner { enrichment, world, api, partitions: *partitions })
    }

    /// Starts a host and waits until it has its partitions.
    pub(crate) fn start(&self, corner: &Corner, folder: &str) -> anyhow::Result<Host> {
        self.start_with(&corner.enrichment.yaml(), folder)
    }

    /// The same with a configuration of the scenario's own.
    pub(crate) fn start_with(&self, yaml: &str, folder: &str) -> anyhow::Result<Host> {
        let folder: PathBuf = self.folder.path().join(folder);
        std::fs::create_dir_all(&folder)?;
        let mut host = Host::start(&millrace_binary()?, &folder, yaml)?;
        host.wait_ready()?;
        Ok(host)
    }

    /// How to reach the broker.
    pub(crate) fn cluster(&self) -> ClusterConfig {
        ClusterConfig::plain(self.kafka.bootstrap())
    }

    /// Writes records, one each `every`.
    pub(crate) fn feed(&self, records: impl Iterator<Item = OutputRecord>, every: Duration) -> anyhow::Result<()> {
        let writer = Writer::new(&ProducerConfig::new(self.cluster()))?;
        let begin = Instant::now();
        for (number, record) in (0..).zip(records) {
            let due = begin + every * number;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            writer.write(&record)?;
        }
        Ok(writer.flush(FLUSH_MS)?)
    }

    /// Waits until `count` outputs are there; answers how many seconds passed between the first and the last look.
    pub(crate) fn wait(&self, corner: &Corner, host: &mut Host, count: u64) -> anyhow::Result<f64> {
        let cluster = Cluster::connect(&self.cluster())?;
        let (mut begin, mut moved, mut seen) = (None, Instant::now(), 0);
        loop {
            std::thread::sleep(LOOK_EVERY);
            if !host.is_running() {
                bail!("the host ended:\n{}", host.log_tail());
            }
            let mut outputs = 0;
            for partition in 0..corner.partitions {
                outputs += u64::try_from(cluster.offsets(&corner.enrichment.output, partition, 30_000)?.1)?;
            }
            if outputs > seen {
                (seen, moved) = (outputs, Instant::now());
                begin.get_or_insert(moved);
            }
            if outputs >= count {
                return Ok(begin.map_or(0.0, |begin: Instant| begin.elapsed().as_secs_f64()));
            }
            if moved.elapsed() > STALL_MAX {
                bail!("{outputs} of {count} outputs, and no more for {} s:\n{}", STALL_MAX.as_secs(), host.log_tail());
            }
        }
    }
}

impl Corner {
    /// Records of edits: of each number, its page and its revision.
    pub(crate) fn edits<'a>(
        &'a self,
        count: u64,
        page_and_edit: impl Fn(u64) -> (u64, u64) + 'a,
    ) -> impl Iterator<Item = OutputRecord> + 'a {
        let (topic, dt): (Arc<str>, String) = (self.enrichment.input.as_str().into(), iso(now_ms()));
        (0..count).map(move |number| {
            let (page_id, edit) = page_and_edit(number);
            let wiki = Wiki::numbered(0);
            record(&topic, &Change { wiki: &wiki, page_id, edit, kind: Kind::Edit, dt: &dt }, &self.world)
        })
    }
}
