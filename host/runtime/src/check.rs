//! `millrace check`: everything that can be known without running. The file and the declared streams, plugins and
//! schemas; then, if all that makes sense, settings, what wikis and services are called with, and with `--online` clusters
//! and topics. All that is found is told at once.

mod lookups;

use crate::binding::mismatches;
use crate::config::{DeliveryConfig, HostConfig, Mistake, Mistakes, PipelineConfig, Source, show_size};
use crate::contract;
use crate::launch::too_small;
use crate::metrics::memory_bytes;
use crate::progress_topic;
use crate::registry::{Schemas, wait_for};
use crate::reprocess;
use crate::state_topic;
use millrace_kafka::cluster::{Cluster, create_command};
use millrace_kafka::config::ClusterConfig;
use millrace_kafka::transactional::PARTITIONS_MAX;
use millrace_plugin::{Engine, EngineConfig, Plugin};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// How long a cluster may take to answer one question, in milliseconds: a first connection with TLS takes a second or
/// two, and a check must not hang.
const ASK_MS: u64 = 10_000;

/// Whether clusters are asked too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Files, and the declared streams and schemas wherever they are.
    Offline,
    /// Brokers are asked, and whether the topics exist.
    Online,
}

/// Checks a file and what it names.
///
/// # Errors
/// Every mistake that was found.
pub fn check(file: &Path, reach: Reach) -> Result<HostConfig, Mistakes> {
    let (config, source, list) = HostConfig::load_as_far_as_it_goes(file)?;
    let mut check = Check { source, is_whole: list.is_empty(), list };
    check.plugins(&config);
    if !config.schemas.repositories.is_empty() {
        check.schemas(&config);
    }
    if check.is_whole {
        check.lookups(&config);
        check.memory(&config);
    }
    if check.is_whole && reach == Reach::Online {
        check.clusters(&config);
    }
    let mut list = check.list;
    list.sort_by(|one, other| (&one.file, one.position).cmp(&(&other.file, other.position)));
    if list.is_empty() { Ok(config) } else { Err(Mistakes { file: file.to_owned(), list }) }
}

/// The result for machines.
pub fn as_json(file: &Path, result: &Result<HostConfig, Mistakes>) -> serde_json::Value {
    let list = result.as_ref().err().map(|mistakes| mistakes.list.as_slice()).unwrap_or_default();
    let one = |mistake: &Mistake| {
        json!({
            "file": mistake.file.as_deref().unwrap_or(file).display().to_string(),
            "line": mistake.position.line,
            "column": mistake.position.column,
            "key": mistake.key,
            "problem": mistake.problem,
            "remedy": mistake.remedy,
        })
    };
    json!({ "file": file.display().to_string(), "ok": list.is_empty(), "mistakes": list.iter().map(one).collect::<Vec<_>>() })
}

struct Check {
    source: Source,
    /// Whether the file had no mistake. Where it had, placeholders stand in: names and schemas can be compared all the
    /// same, but not settings, memory and Kafka.
    is_whole: bool,
    list: Vec<Mistake>,
}

impl Check {
    fn mistake(&mut self, keys: &[&str], problem: impl Into<String>, remedy: impl Into<String>) {
        let (position, key) = self.source.locate(keys);
        let (problem, remedy) = (problem.into(), remedy.into());
        self.list.push(Mistake { file: None, position, key, problem, remedy });
    }

    fn pipeline_mistake(&mut self, index: usize, keys: &[&str], problem: String, remedy: &str) {
        let index = index.to_string();
        let keys: Vec<&str> = ["pipelines", &index].into_iter().chain(keys.iter().copied()).collect();
        self.mistake(&keys, problem, remedy);
    }

    fn plugins(&mut self, config: &HostConfig) {
        let engine =
            Engine::new(EngineConfig { cache_dir: config.plugins.cache_dir.clone(), ..EngineConfig::default() });
        let engine = match engine {
            Ok(engine) => engine,
            Err(error) => return self.mistake(&["plugins", "cache_dir"], error.to_string(), "correct the directory"),
        };
        let is_named = |(_, pipeline): &(usize, &PipelineConfig)| !pipeline.plugin.as_os_str().is_empty();
        for (index, pipeline) in config.pipelines.iter().enumerate().filter(is_named) {
            self.plugin(&engine, index, pipeline);
        }
    }

    /// Loads a plugin, compares it with its pipeline and gives it its settings.
    fn plugin(&mut self, engine: &Engine, index: usize, pipeline: &PipelineConfig) {
        let plugin: Plugin = match std::fs::read(&pipeline.plugin) {
            Ok(bytes) => match engine.load(&bytes) {
                Ok(plugin) => plugin,
                Err(error) => {
                    return self.pipeline_mistake(index, &["plugin"], error.to_string(), "name a plugin that loads");
                }
            },
            Err(error) => {
                let problem = format!("the file cannot be read: {error}");
                return self.pipeline_mistake(index, &["plugin"], problem, "name a file that you may read");
            }
        };
        for mismatch in mismatches(pipeline, plugin.describe()) {
            let keys: Vec<&str> = mismatch.keys.iter().map(String::as_str).collect();
            self.pipeline_mistake(index, &keys, mismatch.problem, &mismatch.remedy);
        }
        if self.is_whole
            && let Err(error) = plugin.try_settings(&pipeline.settings.to_string(), &pipeline.limits.plugin)
        {
            let remedy = "correct the settings; `millrace inspect` shows their schema";
            self.pipeline_mistake(index, &["settings"], error.to_string(), remedy);
        }
    }

    /// Every schema is there, and has the fields that keys are made of.
    fn schemas(&mut self, config: &HostConfig) {
        let read = |schemas: Schemas| {
            wait_for(async move {
                let mut found = Vec::new();
                for (index, pipeline) in config.pipelines.iter().enumerate() {
                    let unfit = contract::read(&schemas, pipeline).await.err().unwrap_or_default();
                    found.extend(unfit.into_iter().map(|mismatch| (index, mismatch)));
                }
                found
            })
        };
        match Schemas::new(config.schemas.clone()).and_then(read) {
            Ok(found) => found.into_iter().for_each(|(index, mismatch)| {
                let keys: Vec<&str> = mismatch.keys.iter().map(String::as_str).collect();
                self.pipeline_mistake(index, &keys, mismatch.problem, &mismatch.remedy);
            }),
            Err(error) => self.mistake(&["schemas"], format!("{error:#}"), "correct `ca_file` or the addresses"),
        }
    }

    /// What the pipelines may hold together fits into the machine.
    fn memory(&mut self, config: &HostConfig) {
        let in_flight: u64 = config.pipelines.iter().map(|pipeline| pipeline.limits.bytes_in_flight_max).sum();
        let cache = config.mediawiki.as_ref().map_or(0, |mediawiki| mediawiki.cache_bytes);
        let wanted = in_flight.saturating_add(cache);
        if let Some(memory) = memory_bytes().filter(|memory| wanted > *memory) {
            let problem = format!(
                "the pipelines' `limits.bytes_in_flight` and the cache add up to {}, and there are {} of memory",
                mebibytes(wanted),
                mebibytes(memory)
            );
            self.mistake(&["pipelines"], problem, "lower them, or run some of the pipelines on another host");
        }
    }

    fn clusters(&mut self, config: &HostConfig) {
        let mut reached: BTreeMap<&str, Cluster> = BTreeMap::new();
        for (name, cluster) in &config.clusters {
            match Cluster::connect(cluster).and_then(|connected| connected.id(ASK_MS).map(|_id| connected)) {
                Ok(connected) => drop(reached.insert(name, connected)),
                Err(error) => {
                    let keys = ["kafka", "clusters", name.as_str(), "brokers"];
                    self.mistake(
                        &keys,
                        error.to_string(),
                        "correct the address or the credentials, or start the cluster",
                    );
                }
            }
        }
        let of = |wanted: &ClusterConfig| {
            let name = config.clusters.iter().find(|(_, cluster)| *cluster == wanted).map(|(name, _)| name.as_str())?;
            reached.get(name)
        };
        for (index, pipeline) in config.pipelines.iter().enumerate() {
            // Of the input topics, as far as they were found.
            let (mut found, mut counts) = (0, Vec::new());
            if let Some(cluster) = of(&pipeline.cluster) {
                for (name, input) in &pipeline.inputs {
                    for topic in &input.topics {
                        let wanted = Wanted { topic, partitions: 1, bytes_max: pipeline.limits.event_bytes_max };
                        let keys = ["inputs", name, "topics"];
                        let partitions = self.topic(cluster, &pipeline.cluster, index, &keys, wanted);
                        found = found.max(partitions);
                        counts.push((topic.as_str(), partitions));
                    }
                }
                if let Some(reprocess) = &pipeline.reprocess {
                    let partitions = found.max(1);
                    let wanted =
                        Wanted { topic: &reprocess.topic, partitions, bytes_max: pipeline.limits.event_bytes_max };
                    let keys = ["reprocess", "topic"];
                    let partitions = self.topic(cluster, &pipeline.cluster, index, &keys, wanted);
                    counts.push((reprocess.topic.as_str(), partitions));
                    if partitions > 0
                        && let Ok(Some(unfit)) = reprocess::unfit(cluster, &reprocess.topic, ASK_MS)
                    {
                        self.pipeline_mistake(index, &keys, unfit, "change the topic's settings");
                    }
                }
            }
            if let Some(cluster) = of(&pipeline.output_cluster) {
                let partitions = found.max(1);
                let to_kafka = pipeline.event_service.is_none();
                for (name, output) in pipeline.outputs.iter().filter(|_| to_kafka) {
                    let wanted = Wanted { topic: &output.topic, partitions, bytes_max: output.message_bytes_max };
                    self.written(cluster, &pipeline.output_cluster, index, &["outputs", name], wanted);
                }
                self.progress_topic(cluster, index, pipeline, partitions);
                if found > 0 {
                    self.state_topic(cluster, index, pipeline, &counts);
                }
                let errors = &pipeline.errors;
                let wanted = Wanted { topic: &errors.topic, partitions: 1, bytes_max: errors.message_bytes_max };
                self.written(cluster, &pipeline.output_cluster, index, &["errors"], wanted);
            }
        }
    }

    /// In exactly-once: the topic of progress records, and whether one host can own all partitions.
    fn progress_topic(&mut self, cluster: &Cluster, index: usize, pipeline: &PipelineConfig, partitions: u32) {
        let DeliveryConfig::ExactlyOnce { progress_topic: topic } = &pipeline.delivery else { return };
        match progress_topic::unfit(cluster, &pipeline.output_cluster.brokers, topic, ASK_MS) {
            Ok(None) => {}
            Ok(Some((problem, remedy))) => self.pipeline_mistake(index, &["progress_topic"], problem, &remedy),
            Err(error) => {
                self.pipeline_mistake(index, &["progress_topic"], error.to_string(), "grant the host this topic");
            }
        }
        if partitions as usize > PARTITIONS_MAX {
            tracing::info!(
                pipeline = pipeline.name,
                partitions,
                "Exactly-once bears {PARTITIONS_MAX} partitions of a pipeline in one host: run as many hosts as that takes."
            );
        }
    }

    /// The topic of state, where there is any, and the topics that are read, by the number of their partitions as far as
    /// they were found.
    fn state_topic(&mut self, cluster: &Cluster, index: usize, pipeline: &PipelineConfig, counts: &[(&str, u32)]) {
        let Some(state) = &pipeline.state else { return };
        let there: Vec<(&str, u32)> = counts.iter().copied().filter(|(_, count)| *count > 0).collect();
        if let Some((topic, (problem, remedy))) = state_topic::unequal(&there) {
            let input = pipeline.inputs.iter().find(|(_, input)| input.topics.iter().any(|one| one == topic));
            let keys = match input {
                Some((name, _)) => vec!["inputs", name, "topics"],
                None => vec!["reprocess", "topic"],
            };
            return self.pipeline_mistake(index, &keys, problem, &remedy);
        }
        let partitions = there.first().map_or(0, |(_, count)| *count);
        let (brokers, keys) = (&pipeline.output_cluster.brokers, ["state", "topic"]);
        match state_topic::unfit(cluster, brokers, &state.topic, partitions, ASK_MS) {
            Ok(None) => {}
            Ok(Some((problem, remedy))) => self.pipeline_mistake(index, &keys, problem, &remedy),
            Err(error) => self.pipeline_mistake(index, &keys, error.to_string(), "grant the host this topic"),
        }
    }

    /// Looks for a topic that is written, and whether it takes what the pipeline may give it.
    fn written(
        &mut self,
        cluster: &Cluster,
        config: &ClusterConfig,
        index: usize,
        section: &[&str],
        wanted: Wanted<'_>,
    ) {
        let (topic, bytes_max) = (wanted.topic, wanted.bytes_max);
        let below = |key: &'static str| section.iter().copied().chain([key]).collect::<Vec<_>>();
        if self.topic(cluster, config, index, &below("topic"), wanted) == 0 {
            return;
        }
        // Where the settings of topics may not be read, what is too large shows when it is written.
        if let Ok(Some(takes)) = cluster.topic_bytes_max(topic, ASK_MS)
            && takes < bytes_max
        {
            let remedy = "raise the topic's limit, or lower this one";
            self.pipeline_mistake(index, &below("max_message_bytes"), too_small(topic, takes, bytes_max), remedy);
        }
    }

    /// Looks for a topic and returns how many partitions it has, 0 where it is missing.
    fn topic(
        &mut self,
        cluster: &Cluster,
        config: &ClusterConfig,
        index: usize,
        keys: &[&str],
        wanted: Wanted<'_>,
    ) -> u32 {
        match cluster.topic(wanted.topic, ASK_MS) {
            Ok(Some(found)) => return found.partitions,
            Ok(None) => {
                let command = create_command(&config.brokers, wanted.topic, wanted.partitions, wanted.bytes_max);
                let problem = format!("the topic `{}` does not exist, and is never made silently", wanted.topic);
                self.pipeline_mistake(index, keys, problem, &format!("create it: {command}"));
            }
            Err(error) => self.pipeline_mistake(index, keys, error.to_string(), "grant the host this topic"),
        }
        0
    }
}

/// A topic that must be there, and how it should be made.
struct Wanted<'a> {
    topic: &'a str,
    partitions: u32,
    bytes_max: u64,
}

fn mebibytes(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    show_size(bytes / MIB * MIB)
}
