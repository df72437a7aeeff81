//! Puts one pipeline together: plugin, streams, workers, consumer, delivery. What can be wrong is found here, before the
//! first record is fetched.

mod bind;
pub mod lookups;
pub mod version;

use crate::brokerless::{self, Intake, Outlet};
use crate::config::{DeliveryConfig, OrderConfig, PipelineConfig};
use crate::event_outlet::EventOutlet;
use crate::job::PipelineId;
use crate::partition::{Destination, Order, PathLimits, RecordPath, ReprocessTopic};
use crate::pipeline::{Pipeline, Status, Tuning};
use crate::progress_topic;
use crate::reload::file::PluginFile;
use crate::reload::{self, Reloader};
use crate::spec::PipelineSpec;
use crate::state_topic;
use crate::supervisor::Host;
use anyhow::{Context as _, bail};
use millrace_flow::admission::AdmissionLimits;
use millrace_flow::transactions::TransactionLimits;
use millrace_kafka::cluster::{Cluster, create_command};
use millrace_kafka::config::{Assignor, ConsumerConfig, ProducerConfig};
use millrace_kafka::consumer::{Consumer, SourceEvent};
use millrace_kafka::delivery::{Delivery, DeliveryEvent};
use millrace_kafka::mock::is_embedded;
use millrace_kafka::transactional::{ChangelogConfig, TRANSACTION_MS_DEFAULT, Transactions, TransactionsConfig};
use millrace_lookup::EventService;
use millrace_plugin::Plugin;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::sync::watch;

/// Batches of finished events that may wait for the pipeline's task.
const RESULT_BATCHES_MAX: usize = 1024;
/// Events of the consumer that may wait: few, because each may carry a megabyte of records.
const SOURCE_EVENTS_MAX: usize = 8;
/// Reports of the delivery that may wait.
const REPORTS_MAX: usize = 1024;

/// Changes of the pipeline's versions, and plugins it asks for, that may wait: each is rare.
const CHANGES_MAX: usize = 64;

/// How long a cluster may take to answer one question, in milliseconds.
const ASK_MS: u64 = 15_000;
/// What the command for a missing input topic allows for: the platform's largest messages.
const MESSAGE_BYTES: u64 = 10 * 1024 * 1024;

/// A pipeline that is ready to run.
pub struct Launched {
    /// The loop.
    pub pipeline: Pipeline,
    /// Looks after the pipeline's versions while it runs.
    pub reloader: Reloader,
    /// How it is, once it has been told its partitions.
    pub status: watch::Receiver<Option<Status>>,
}

/// Puts a pipeline together, as the operator wants it now.
///
/// # Errors
/// A plugin that does not load or does not fit its pipeline, a cluster out of reach, a missing topic.
pub async fn launch(
    host: &Arc<Host>,
    id: PipelineId,
    mut wanted_config: watch::Receiver<PipelineConfig>,
) -> anyhow::Result<Launched> {
    let config = wanted_config.borrow_and_update().clone();
    let file = PluginFile::watch(config.plugin.clone(), &host.files);
    let plugin = load(host, id, &config).await?;
    let Surroundings { cluster_id, partitions, retention_ms } = look_around(host, &config).await?;
    let prepared = version::prepare(host, id, &config, plugin.clone(), &cluster_id).await?;
    let (results, finished) = mpsc::channel(RESULT_BATCHES_MAX);
    let spec = version::attach(host, prepared, &results).await?;
    host.plugins.runs(id, plugin.clone());
    host.metrics.plugin_runs(&config.name, &plugin);
    host.metrics.pipeline_backfill(&config.name, config.backfill.as_ref());
    spec.metrics.retentions(retention_ms);
    spec.metrics.no_state();
    let (sink, source) = mpsc::channel(SOURCE_EVENTS_MAX);
    let (report_to, reports) = mpsc::channel(REPORTS_MAX);
    let event_outlet = event_outlet(host, &config, &spec, report_to.clone())?;
    let (consumer, delivery) = open_ends(host, &config, &cluster_id, sink, report_to)?;
    let order = match config.order {
        OrderConfig::Key => Order::PerKey,
        OrderConfig::Partition => Order::PerPartition,
    };
    let tuning = tuning(&config);
    let version = (spec.version, *plugin.digest().as_bytes());
    let outputs_to = if event_outlet.is_some() { Destination::EventService } else { Destination::Kafka };
    let (workers, metrics) = (host.workers.len(), Arc::clone(&spec.metrics));
    let path = RecordPath::new(order, tuning.path, workers, outputs_to, metrics, version);
    let reprocess = config
        .reprocess
        .as_ref()
        .map(|reprocess| ReprocessTopic { topic: reprocess.topic.as_str().into(), cluster_id: cluster_id.clone() });
    let (publish, status) = watch::channel(None);
    let (change, changes) = mpsc::channel(CHANGES_MAX);
    let (want, wanted) = mpsc::channel(CHANGES_MAX);
    let pipeline = Pipeline {
        versions: FxHashMap::from_iter([(spec.version, Arc::clone(&spec))]),
        spec,
        changes,
        wanted: want,
        path: path
            .with_reprocess(reprocess)
            .with_sharding(config.sharding())
            .with_suspects(host.crumbs.suspects(&config.name))
            .with_state(config.state.as_ref().map(|state| state.topic.as_str().into())),
        workers: host.workers.clone(),
        results: finished,
        consumer,
        source,
        delivery,
        event_outlet,
        reports,
        clock: Arc::clone(&host.clock),
        tuning,
        drain: host.controls.drain(&config.name),
        host: Arc::clone(host),
        part: host.group_parts.pipeline(id, partitions),
        stop: host.stop.clone(),
        status: publish,
    };
    let host = Arc::clone(host);
    let reloader =
        Reloader { host, id, cluster_id, wanted_config, config, plugin, file, results, changes: change, wanted };
    Ok(Launched { pipeline, reloader, status })
}

/// What the pipeline reads from and writes to.
fn open_ends(
    host: &Host,
    config: &PipelineConfig,
    cluster_id: &str,
    sink: mpsc::Sender<SourceEvent>,
    reports: mpsc::Sender<DeliveryEvent>,
) -> anyhow::Result<(Intake, Outlet)> {
    if let Some(brokerless) = &config.brokerless {
        let streams = host.source.streams().map(|streams| streams.current());
        return brokerless::open(config, brokerless, streams.as_deref(), &host.clock, sink, reports);
    }
    if let DeliveryConfig::ExactlyOnce { progress_topic } = &config.delivery {
        let transactions = TransactionsConfig {
            producer: producer_config(config),
            pipeline: config.name.clone(),
            cluster_id: cluster_id.to_owned(),
            progress_topic: progress_topic.as_str().into(),
            transaction_ms: TRANSACTION_MS_DEFAULT,
            state: config.state.as_ref().map(|state| ChangelogConfig {
                topic: state.topic.as_str().into(),
                bytes_max: usize::try_from(state.bytes_max).unwrap_or(usize::MAX),
            }),
            sharding: config.sharding(),
        };
        let transactions = Transactions::new(transactions, reports);
        let consumer = Consumer::start_with(consumer_config(config), sink, transactions.clone())?;
        return Ok((Intake::Kafka(consumer), Outlet::Transactions(transactions)));
    }
    let consumer = Consumer::start(consumer_config(config), sink)?;
    let delivery = Delivery::start(producer_config(config), Some(&consumer), reports)?;
    Ok((Intake::Kafka(consumer), Outlet::Kafka(Box::new(delivery))))
}

/// The limits that the pipeline's loop holds to.
pub(crate) fn tuning(config: &PipelineConfig) -> Tuning {
    let (limits, interval) = (&config.limits, config.commit_interval());
    let transactions = match &config.delivery {
        DeliveryConfig::AtLeastOnce => None,
        DeliveryConfig::ExactlyOnce { .. } => Some(TransactionLimits { interval, ..TransactionLimits::default() }),
    };
    Tuning {
        path: PathLimits {
            admission: AdmissionLimits { bytes_max: limits.bytes_in_flight_max, open_max: limits.open_offsets_max },
            failures: limits.failures,
            events_per_second: config.backfill.and_then(|backfill| backfill.events_per_second),
            transactions,
        },
        commit_interval: interval,
        drain_deadline: limits.drain_deadline,
    }
}

/// The plugin that is in the file; where that cannot be used, the one that the pipeline ran before it stopped by itself.
async fn load(host: &Arc<Host>, id: PipelineId, config: &PipelineConfig) -> anyhow::Result<Plugin> {
    let error = match version::load(host, &config.plugin).await {
        Ok(plugin) => {
            host.health.reload_done(&config.name);
            return Ok(plugin);
        }
        Err(error) => error,
    };
    let Some(plugin) = host.plugins.last(id) else { return Err(error) };
    reload::refuse(host, &config.name, &plugin, &error);
    Ok(plugin)
}

/// What was found on the clusters.
struct Surroundings {
    /// The id of the cluster that is read.
    cluster_id: String,
    /// How many partitions are read.
    partitions: usize,
    /// How long the topics that are read keep records, by topic; those that keep them for ever are not in it.
    retention_ms: BTreeMap<String, i64>,
}

/// Asks the clusters whether everything is there that the pipeline needs, off the I/O threads.
async fn look_around(host: &Arc<Host>, config: &PipelineConfig) -> anyhow::Result<Surroundings> {
    if config.brokerless.is_some() {
        let cluster_id = brokerless::CLUSTER_ID.to_owned();
        return Ok(Surroundings { cluster_id, partitions: 0, retention_ms: BTreeMap::new() });
    }
    let asked = config.clone();
    let asking = tokio::task::spawn_blocking(move || {
        let input = Cluster::connect(&asked.cluster)?;
        let id = input.id(ASK_MS)?;
        let (mut counts, mut retention_ms) = (Vec::new(), BTreeMap::new());
        for topic in asked.consumed() {
            counts.push((topic, need(&input, &asked.cluster.brokers, topic, MESSAGE_BYTES)?));
            if !is_embedded(&id)
                && let Some(kept_ms) = input.topic_settings(topic, ASK_MS)?.and_then(|settings| retention(&settings))
            {
                retention_ms.insert(topic.to_owned(), kept_ms);
            }
        }
        let output = Cluster::connect(&asked.output_cluster)?;
        for (topic, bytes_max) in asked.written() {
            need(&output, &asked.output_cluster.brokers, topic, bytes_max)?;
            // The embedded broker knows no settings of topics, and never answers who asks for them.
            if !is_embedded(&id) {
                takes(&output, topic, bytes_max)?;
            }
        }
        if let DeliveryConfig::ExactlyOnce { progress_topic: topic } = &asked.delivery
            && let Some((problem, remedy)) =
                progress_topic::unfit(&output, &asked.output_cluster.brokers, topic, ASK_MS)?
        {
            bail!("{problem}; {remedy}");
        }
        if let Some(state) = &asked.state {
            if let Some((_, (problem, remedy))) = state_topic::unequal(&counts) {
                bail!("{problem}; {remedy}");
            }
            let (brokers, partitions) = (&asked.output_cluster.brokers, counts.first().map_or(0, |(_, count)| *count));
            if let Some((problem, remedy)) = state_topic::unfit(&output, brokers, &state.topic, partitions, ASK_MS)? {
                bail!("{problem}; {remedy}");
            }
        }
        let partitions = counts.iter().map(|(_, count)| usize::try_from(*count).unwrap_or(usize::MAX)).sum();
        anyhow::Ok(Surroundings { cluster_id: id, partitions, retention_ms })
    });
    let found = asking.await.context("looking at the cluster ended in a fault")??;
    if is_embedded(&found.cluster_id) && !host.allow_embedded_broker {
        bail!("this is the demo's embedded broker, which keeps no promise; an ordinary run needs a real Kafka");
    }
    Ok(found)
}

/// How long a topic keeps records, in milliseconds. None: for ever, or as long as nothing newer has the same key.
fn retention(settings: &BTreeMap<String, String>) -> Option<i64> {
    let deletes = settings.get("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
    let kept_ms = settings.get("retention.ms")?.parse::<i64>().ok()?;
    (deletes && kept_ms >= 0).then_some(kept_ms)
}

/// How many partitions a topic has. One that is missing is named, with the command that creates it; the host never makes
/// one.
fn need(cluster: &Cluster, brokers: &str, topic: &str, bytes_max: u64) -> anyhow::Result<u32> {
    match cluster.topic(topic, ASK_MS)? {
        Some(found) => Ok(found.partitions),
        None => bail!("topic {topic} does not exist; create it with: {}", create_command(brokers, topic, 1, bytes_max)),
    }
}

/// A broker refuses what is larger than its topic takes, so the pipeline must not promise itself more.
fn takes(cluster: &Cluster, topic: &str, bytes_max: u64) -> anyhow::Result<()> {
    match cluster.topic_bytes_max(topic, ASK_MS)? {
        Some(takes) if takes < bytes_max => {
            bail!("{}; raise the topic's limit, or lower the pipeline's", too_small(topic, takes, bytes_max))
        }
        // Where the settings of topics may not be read, what is too large shows when it is written.
        Some(_) | None => Ok(()),
    }
}

/// What is said of a topic that takes less than the pipeline counts on.
pub(crate) fn too_small(topic: &str, takes: u64, bytes_max: u64) -> String {
    format!(
        "topic {topic} takes records of up to {takes} bytes (its `max.message.bytes`), and `max_message_bytes` is \
         {bytes_max}"
    )
}

/// What posts the outputs, where they do not go to Kafka.
fn event_outlet(
    host: &Host,
    config: &PipelineConfig,
    spec: &PipelineSpec,
    reports: mpsc::Sender<DeliveryEvent>,
) -> anyhow::Result<Option<EventOutlet>> {
    let Some(cfg) = &config.event_service else { return Ok(None) };
    let service = EventService::new(&cfg.service, &lookups::lookup_config(&host.config))?;
    let bytes_max = usize::try_from(cfg.batch_bytes_max).unwrap_or(usize::MAX);
    Ok(Some(EventOutlet::start(service, bytes_max, Arc::clone(&spec.metrics), Arc::clone(&host.clock), reports)))
}

fn consumer_config(config: &PipelineConfig) -> ConsumerConfig {
    let topics = config.consumed().map(str::to_owned).collect();
    let mut consumer = ConsumerConfig::new(config.cluster.clone(), &config.group, topics);
    consumer.start = config.start;
    if config.sharding().is_together() {
        // The only one that gives the partitions of one number of all topics to one member.
        consumer.assignor = Assignor::Range;
    }
    // What was given back before the pipeline began to read the topic is to be run too.
    consumer.from_oldest = config.reprocess.iter().map(|reprocess| reprocess.topic.clone()).collect();
    consumer
}

fn producer_config(config: &PipelineConfig) -> ProducerConfig {
    let mut producer = ProducerConfig::new(config.output_cluster.clone());
    producer.compression = config.compression;
    let smallest = config.written().map(|(_, bytes_max)| bytes_max).min().unwrap_or(u64::MAX);
    producer.batch_bytes_max = producer.batch_bytes_max.min(usize::try_from(smallest).unwrap_or(usize::MAX));
    producer
}
