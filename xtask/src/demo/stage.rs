//! The demo's stand-ins: librdkafka's in-process broker and the API of a made-up world. Enough for a quickstart, no judge
//! of anything.

use crate::broker::{iso, now_ms, record};
use crate::progress;
use millrace_bed::api::StandIn;
use millrace_bed::enrichment::Enrichment;
use millrace_bed::events::{Change, Kind, Wiki, mixed_kind};
use millrace_bed::world::World;
use millrace_kafka::config::{ClusterConfig, ProducerConfig};
use millrace_kafka::mock::EmbeddedCluster;
use millrace_kafka::writer::Writer;
use std::sync::Arc;
use std::time::Duration;

/// How long the stand-in takes for a call: a quick wiki.
const API_LATENCY: Duration = Duration::from_millis(20);
/// The content of a page. Small: the embedded broker keeps 5 MiB a partition.
const CONTENT_BYTES: usize = 1_500;
/// Partitions of each topic, for the same reason.
const PARTITIONS: u16 = 6;
/// The wikis of the demo.
const WIKIS: usize = 5;
/// Every so many events one is about a revision that does not exist: an error event.
const MISSING_EVERY: u64 = 400;

/// What the pipeline of examples/quickstart writes, for those who go on with `--keep`.
const QUICKSTART_TOPICS: [&str; 2] = ["quickstart.shouted", "quickstart.error"];

/// What was fed.
pub(crate) struct Fed {
    /// How many records.
    pub(crate) count: u64,
}

/// Broker and API.
pub(crate) struct Stage {
    broker: EmbeddedCluster,
    api: StandIn,
    world: Arc<World>,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    /// Starts both.
    pub(crate) fn set() -> anyhow::Result<Self> {
        progress::say("Starting the embedded broker and the MediaWiki stand-in.");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let world = Arc::new(World::new(16, CONTENT_BYTES));
        let api = runtime.block_on(StandIn::start(Arc::clone(&world), API_LATENCY))?;
        let broker = EmbeddedCluster::start(1)?;
        for topic in ["demo.in", "demo.out", "demo.error"].into_iter().chain(QUICKSTART_TOPICS) {
            broker.create_topic(topic, PARTITIONS)?;
        }
        Ok(Self { broker, api, world, _runtime: runtime })
    }

    /// How to reach the broker.
    pub(crate) fn cluster(&self) -> ClusterConfig {
        ClusterConfig::plain(self.broker.brokers())
    }

    /// Feeds `count` events of every kind, and a tombstone.
    pub(crate) fn feed(&self, count: u64) -> anyhow::Result<Fed> {
        progress::say(&format!("Feeding {count} page_change events of every kind, and a tombstone."));
        let topic: Arc<str> = "demo.in".into();
        let writer = Writer::new(&ProducerConfig::new(self.cluster()))?;
        let wikis: Vec<Wiki> = (0..WIKIS).map(Wiki::numbered).collect();
        let dt = iso(now_ms() - 60_000);
        for number in 0..count {
            let Some(wiki) = wikis.get(usize::try_from(number).unwrap_or(0) % WIKIS) else { continue };
            let kind = mixed_kind(number / WIKIS as u64);
            let missing = number % MISSING_EVERY == MISSING_EVERY - 1;
            let edit = if missing { 850 } else { 2 + number / 1_000 };
            let kind = if missing { Kind::Edit } else { kind };
            let change = Change { wiki, page_id: 1 + number % 300, edit, kind, dt: &dt };
            writer.write(&record(&topic, &change, &self.world))?;
        }
        let wiki = Wiki::numbered(0);
        let change = Change { wiki: &wiki, page_id: 1, edit: 9, kind: Kind::Edit, dt: &dt };
        let mut tombstone = record(&topic, &change, &self.world);
        tombstone.value = None;
        writer.write(&tombstone)?;
        writer.flush(30_000)?;
        Ok(Fed { count: count + 1 })
    }

    /// The host's configuration, the plugin aside.
    pub(crate) fn enrichment(&self) -> anyhow::Result<Enrichment> {
        Ok(Enrichment::new("demo", self.broker.brokers(), &self.api.url(), std::path::Path::new("")))
    }

    /// How many calls the API had to answer.
    pub(crate) fn calls(&self) -> u64 {
        self.api.calls()
    }
}

/// Waits for Ctrl-C (or SIGTERM).
pub(crate) fn until_interrupted() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
        anyhow::Ok(())
    })
}
