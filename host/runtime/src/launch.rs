//! Puts one pipeline together: plugin, streams, workers, consumer, delivery. What can be wrong is found here, before the
//! first record is fetched.

mod bind;
pub mod lookups;

use crate::config::{OrderConfig, PipelineConfig};
use crate::job::{Finished, PipelineId};
use crate::partition::{Order, RecordPath};
use crate::pipeline::Pipeline;
use crate::spec::PipelineSpec;
use crate::supervisor::Host;
use crate::worker::Message;
use anyhow::{Context as _, bail};
use millrace_flow::admission::AdmissionLimits;
use millrace_kafka::cluster::{Cluster, create_command};
use millrace_kafka::config::{ConsumerConfig, ProducerConfig};
use millrace_kafka::consumer::Consumer;
use millrace_kafka::delivery::Delivery;
use millrace_kafka::mock::is_embedded;
use millrace_plugin::Plugin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::{oneshot, watch};

/// Batches of finished events that may wait for the pipeline's task.
const RESULT_BATCHES_MAX: usize = 1024;
/// Events of the consumer that may wait: few, because each may carry a megabyte of records.
const SOURCE_EVENTS_MAX: usize = 8;
/// Reports of the delivery that may wait.
const REPORTS_MAX: usize = 1024;

/// A start may take so many times as long as the first one, which was alone on its thread, and [`START_SPARE`] beyond it.
const START_TIMES: u32 = 4;
/// See [`START_TIMES`]: what a clock of 5 ms, a cold cache and a busy machine may add.
const START_SPARE: Duration = Duration::from_millis(100);

/// How long a cluster may take to answer one question, in milliseconds.
const ASK_MS: u64 = 15_000;
/// What the command for a missing input topic allows for: the platform's largest messages.
const MESSAGE_BYTES: u64 = 10 * 1024 * 1024;

/// A pipeline that is ready to run.
pub struct Launched {
    /// The loop.
    pub pipeline: Pipeline,
    /// How many partitions it has, once it has been told.
    pub assigned: watch::Receiver<Option<usize>>,
}

/// Puts a pipeline together.
///
/// # Errors
/// A plugin that does not load or does not fit its pipeline, a cluster out of reach, a missing topic.
pub async fn launch(host: &Arc<Host>, id: PipelineId, config: &PipelineConfig) -> anyhow::Result<Launched> {
    let plugin = load(host, config).await?;
    let cluster_id = look_around(host, config).await?;
    let mut spec = bind::bind(host, id, config, plugin, cluster_id)?;
    spec.plugin_limits.start_ms = try_start(&spec).await?;
    let spec = Arc::new(spec);
    let results = attach(host, &spec).await?;
    let (sink, source) = mpsc::channel(SOURCE_EVENTS_MAX);
    let consumer = Consumer::start(consumer_config(config), sink)?;
    let (report_to, reports) = mpsc::channel(REPORTS_MAX);
    let delivery = Delivery::start(producer_config(config), Some(&consumer), report_to)?;
    let limits =
        AdmissionLimits { bytes_max: config.limits.bytes_in_flight_max, open_max: config.limits.open_offsets_max };
    let order = match config.order {
        OrderConfig::Key => Order::PerKey,
        OrderConfig::Partition => Order::PerPartition,
    };
    let path = RecordPath::new(order, limits, host.workers.len(), Arc::clone(&spec.metrics));
    let (publish, assigned) = watch::channel(None);
    let pipeline = Pipeline {
        spec,
        path,
        workers: host.workers.clone(),
        results,
        consumer,
        source,
        delivery,
        reports,
        clock: Arc::clone(&host.clock),
        commit_interval: config.limits.commit_interval,
        drain_deadline: config.limits.drain_deadline,
        stop: host.stop.clone(),
        assigned: publish,
    };
    Ok(Launched { pipeline, assigned })
}

/// Reads the plugin's file once and compiles it, off the I/O threads.
async fn load(host: &Arc<Host>, config: &PipelineConfig) -> anyhow::Result<Plugin> {
    let engine = host.engine.clone();
    let file = config.plugin.clone();
    let loading = tokio::task::spawn_blocking(move || {
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read the plugin {}", file.display()))?;
        engine.load(&bytes).with_context(|| format!("plugin {}", file.display()))
    });
    loading.await.context("the compiler ended in a fault")?
}

/// Starts an instance off the threads that serve all pipelines: a plugin that fails or spins in its start, or refuses its
/// settings, is found here. Returns the CPU time that each further start may take, in milliseconds.
async fn try_start(spec: &PipelineSpec) -> anyhow::Result<u32> {
    let (plugin, settings, limits) = (spec.plugin.clone(), spec.settings.clone(), spec.plugin_limits.clone());
    let start_max = Duration::from_millis(u64::from(limits.start_ms));
    let trying = tokio::task::spawn_blocking(move || plugin.try_settings(&settings, &limits));
    let took = trying.await.context("the start of an instance ended in a fault")?;
    let took = took.context("the plugin cannot be instantiated")?;
    let allowed = (took.saturating_mul(START_TIMES) + START_SPARE).min(start_max);
    Ok(u32::try_from(allowed.as_millis()).unwrap_or(u32::MAX))
}

/// Asks the clusters whether everything is there that the pipeline needs, off the I/O threads. Returns the id of the
/// cluster that is read.
async fn look_around(host: &Arc<Host>, config: &PipelineConfig) -> anyhow::Result<String> {
    let asked = config.clone();
    let asking = tokio::task::spawn_blocking(move || {
        let input = Cluster::connect(&asked.cluster)?;
        let id = input.id(ASK_MS)?;
        for topic in asked.inputs.values().flat_map(|input| &input.topics) {
            need(&input, &asked.cluster.brokers, topic, MESSAGE_BYTES)?;
        }
        let output = Cluster::connect(&asked.output_cluster)?;
        for (topic, bytes_max) in asked.written() {
            need(&output, &asked.output_cluster.brokers, topic, bytes_max)?;
            // The embedded broker knows no settings of topics, and never answers who asks for them.
            if !is_embedded(&id) {
                takes(&output, topic, bytes_max)?;
            }
        }
        anyhow::Ok(id)
    });
    let id = asking.await.context("looking at the cluster ended in a fault")??;
    if is_embedded(&id) && !host.allow_embedded_broker {
        bail!("this is the demo's embedded broker, which keeps no promise; an ordinary run needs a real Kafka");
    }
    Ok(id)
}

/// A topic that is missing is named, with the command that creates it; the host never makes one.
fn need(cluster: &Cluster, brokers: &str, topic: &str, bytes_max: u64) -> anyhow::Result<()> {
    match cluster.topic(topic, ASK_MS)? {
        Some(_) => Ok(()),
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

/// Has every worker make its first instance, so that a plugin that cannot be configured is found now.
async fn attach(host: &Arc<Host>, spec: &Arc<PipelineSpec>) -> anyhow::Result<mpsc::Receiver<Vec<Finished>>> {
    let (results, finished) = mpsc::channel(RESULT_BATCHES_MAX);
    for inbox in &host.workers {
        attach_to(inbox, spec, &results).await?;
    }
    Ok(finished)
}

async fn attach_to(
    inbox: &Sender<Message>,
    spec: &Arc<PipelineSpec>,
    results: &Sender<Vec<Finished>>,
) -> anyhow::Result<()> {
    let (reply, attached) = oneshot::channel();
    let message = Message::Attach(Arc::clone(spec), results.clone(), reply);
    inbox.send(message).await.map_err(|_| anyhow::anyhow!("a worker has ended"))?;
    attached.await.context("a worker has ended")?.context("the plugin cannot be instantiated")
}

fn consumer_config(config: &PipelineConfig) -> ConsumerConfig {
    let topics = config.inputs.values().flat_map(|input| input.topics.clone()).collect();
    let mut consumer = ConsumerConfig::new(config.cluster.clone(), &config.group, topics);
    consumer.start = config.start;
    consumer
}

fn producer_config(config: &PipelineConfig) -> ProducerConfig {
    let mut producer = ProducerConfig::new(config.output_cluster.clone());
    producer.compression = config.compression;
    let smallest = config.written().map(|(_, bytes_max)| bytes_max).min().unwrap_or(u64::MAX);
    producer.batch_bytes_max = producer.batch_bytes_max.min(usize::try_from(smallest).unwrap_or(usize::MAX));
    producer
}
