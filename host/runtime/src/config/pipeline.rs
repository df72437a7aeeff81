//! `pipelines[]`: one plugin with its streams, settings, grants and limits. What can only be known once the plugin is
//! loaded is checked in `binding.rs`.

use super::backfill::{self, BackfillConfig};
use super::brokerless::{self, BrokerlessConfig};
use super::declared::{self, Declared, Named};
use super::delivery;
use super::http::{self, OutletConfig};
use super::limits::{self, PipelineLimits};
use super::mediawiki::{DOMAINS, domain_pattern};
use super::quantity::{KIB, MIB, parse_time, show_size};
use super::reader::{Section, key};
use super::state;
use super::tree::{Node, Value};
use millrace_flow::shard::Sharding;
use millrace_flow::transactions::TransactionLimits;
use millrace_kafka::config::{ClusterConfig, Compression, StartPosition};
use millrace_lookup::HttpGrant;
use millrace_platform::{ERROR_EVENT_BYTES_LEAST, ReadScope, SchemaUri, SchemaVersion};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The largest record that an output takes where nothing else is said: what the platform's large topics take.
pub(crate) const MESSAGE_BYTES: u64 = 10 * MIB;

/// One pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineConfig {
    /// Its name: part of every `meta.id`, so renaming it makes new ids.
    pub name: String,
    /// The plugin's file.
    pub plugin: PathBuf,
    /// The plugin's settings, as JSON.
    pub settings: serde_json::Value,
    /// What is promised about outputs.
    pub delivery: DeliveryConfig,
    /// Which events run one after the other.
    pub order: OrderConfig,
    /// What it has in place of Kafka. None: Kafka at both ends.
    pub brokerless: Option<BrokerlessConfig>,
    /// The cluster that is read.
    pub cluster: ClusterConfig,
    /// The cluster that is written.
    pub output_cluster: ClusterConfig,
    /// The consumer group.
    pub group: String,
    /// Where a partition begins that the group has no progress of.
    pub start: StartPosition,
    /// The event service that the outputs are posted to. None: they are written to Kafka.
    pub event_service: Option<OutletConfig>,
    /// The plugin's inputs by name. Every input of the plugin must be here.
    pub inputs: BTreeMap<String, InputConfig>,
    /// The plugin's outputs by name. Every output of the plugin must be here.
    pub outputs: BTreeMap<String, OutputConfig>,
    /// Where error events go.
    pub errors: ErrorsConfig,
    /// What it may have, where it is a backfill. None: it is live.
    pub backfill: Option<BackfillConfig>,
    /// Where failed events come back.
    pub reprocess: Option<ReprocessConfig>,
    /// The state that the plugin may keep. None: none.
    pub state: Option<StateConfig>,
    /// What the plugin may ask.
    pub lookups: LookupGrant,
    /// What the pipeline may hold and how long it may take.
    pub limits: PipelineLimits,
    /// How outputs are compressed.
    pub compression: Compression,
}

impl PipelineConfig {
    /// The topics that are written, each with the largest record that the pipeline gives it.
    pub fn written(&self) -> impl Iterator<Item = (&str, u64)> {
        let written = self.outputs.values().filter(|_| self.event_service.is_none());
        let outputs = written.map(|output| (output.topic.as_str(), output.message_bytes_max));
        outputs.chain([(self.errors.topic.as_str(), self.errors.message_bytes_max)])
    }

    /// The topics that are read: those of the inputs, and the one through which failed events come back.
    pub fn consumed(&self) -> impl Iterator<Item = &str> {
        let inputs = self.inputs.values().flat_map(|input| &input.topics).map(String::as_str);
        inputs.chain(self.reprocess.iter().map(|reprocess| reprocess.topic.as_str()))
    }

    /// Which partitions are owned together: with state, those of one number of all topics that are read.
    pub fn sharding(&self) -> Sharding {
        let topics: Vec<Arc<str>> = self.consumed().map(Arc::from).collect();
        match &self.state {
            Some(state) if topics.len() > 1 => Sharding::Together { topics, changelog: state.topic.as_str().into() },
            _ => Sharding::Apart,
        }
    }

    /// From one commit to the next.
    pub fn commit_interval(&self) -> Duration {
        let otherwise = match &self.delivery {
            DeliveryConfig::AtLeastOnce => limits::COMMIT_INTERVAL,
            DeliveryConfig::ExactlyOnce { .. } => TransactionLimits::default().interval,
        };
        self.limits.commit_interval.unwrap_or(otherwise)
    }

    /// The name that only one `millrace reprocess` of this pipeline can have at a time: its `transactional.id`.
    pub fn reprocess_writer(&self) -> String {
        format!("{}.reprocess", self.group)
    }
}

/// What is promised about outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryConfig {
    /// Every output is written once or, after a crash, more than once, with the same `meta.id`.
    AtLeastOnce,
    /// Readers of committed records see every output once.
    ExactlyOnce {
        /// The compacted topic, on the cluster that is written, that keeps progress.
        progress_topic: String,
    },
}

/// Which events run one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderConfig {
    /// Those with equal keys in one partition; those without a key share one lane per partition.
    Key,
    /// Those of one partition.
    Partition,
}

/// A stream that feeds an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputConfig {
    /// The stream's name.
    pub stream: String,
    /// The topics behind it. Never empty.
    pub topics: Vec<String>,
    /// The title that its events' schemas must have. None: nobody said, and events are not looked at for it.
    pub schema_title: Option<String>,
    /// What becomes of events of another schema.
    pub unfit: UnfitConfig,
}

/// What becomes of events without `$schema`, with an absolute URI in it, or with another title than their stream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitConfig {
    /// An error event.
    Error,
    /// They are counted, and go to the plugin all the same.
    Pass,
}

/// A stream that takes an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// The stream's name: `meta.stream`.
    pub stream: String,
    /// The topic that is written.
    pub topic: String,
    /// The schema's URI: `$schema`.
    pub schema: String,
    /// The fields of the key, in order: name and JSON Pointer. Empty: no key.
    pub key: Vec<(String, String)>,
    /// The largest record, in bytes; a larger one becomes an error event.
    pub message_bytes_max: u64,
}

/// The stream of error events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorsConfig {
    /// The stream's name.
    pub stream: String,
    /// The topic that is written.
    pub topic: String,
    /// The largest record, in bytes; an error event is cut down to fit.
    pub message_bytes_max: u64,
}

/// The topic through which `millrace reprocess` gives failed events back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReprocessConfig {
    /// The topic, in the cluster that is read.
    pub topic: String,
}

/// The state that a plugin may keep by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// The stores. Never empty.
    pub stores: Vec<String>,
    /// The compacted topic that it is kept in, on the cluster that is written.
    pub topic: String,
    /// The most bytes of one partition.
    pub bytes_max: u64,
}

/// What a plugin may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookupGrant {
    /// The kinds of lookup: `revision`, `compare`, `html`, `query`, `http`.
    pub kinds: Vec<String>,
    /// The wikis. None: all that the host knows.
    pub wikis: Option<Vec<String>>,
    /// What may be asked of HTTP services.
    pub http: Vec<HttpGrant>,
}

const ORDERS: &[(&str, OrderConfig)] = &[("key", OrderConfig::Key), ("partition", OrderConfig::Partition)];
const SCOPES: &[(&str, ReadScope)] = &[("own", ReadScope::Own), ("all", ReadScope::All)];
const UNFITS: &[(&str, UnfitConfig)] = &[("error", UnfitConfig::Error), ("pass", UnfitConfig::Pass)];
const COMPRESSIONS: &[(&str, Compression)] = &[
    ("none", Compression::None),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
    ("gzip", Compression::Gzip),
];

/// Reads one pipeline.
pub(super) fn read(
    section: &Section<'_>,
    clusters: &BTreeMap<String, ClusterConfig>,
    declared: Declared<'_>,
) -> PipelineConfig {
    let name = section
        .parsed(key("name", "The pipeline's name, in metrics, logs and every `meta.id`."), NAME, name)
        .required();
    let brokerless = brokerless::read(section);
    let kafka = match &brokerless {
        None => read_kafka(section, clusters, group(&name, declared)),
        Some(_) => KafkaEnds::none(&name),
    };
    let is_brokerless = brokerless.is_some();
    let event_service = section.section(
        key("event_service", "An event service (EventGate) that takes the outputs. Error events go to Kafka."),
        http::read_event_service,
    );
    PipelineConfig {
        plugin: section.file(key("plugin", "The plugin's file, a WebAssembly component.")).required(),
        settings: section
            .value(key("settings", "What the plugin is configured with."), "section that the plugin understands", json)
            .or(serde_json::Value::Object(serde_json::Map::new()), "none"),
        delivery: delivery::read(section, is_brokerless, event_service.is_some()),
        order: section
            .word(key("order", "Which events run one after the other: those of a key, or of a partition."), ORDERS)
            .or(OrderConfig::Key, "key"),
        brokerless,
        cluster: kafka.cluster,
        output_cluster: kafka.output_cluster,
        group: kafka.group,
        start: kafka.start,
        inputs: section
            .named(key("inputs", "The streams that feed the plugin's inputs, by the input's name."), |name, section| {
                let input = read_input(name, section, declared);
                if !is_brokerless {
                    return input;
                }
                InputConfig { topics: brokerless::topics(&input.stream, input.topics), ..input }
            })
            .into_iter()
            .collect(),
        outputs: section
            .named(
                key("outputs", "The streams that take the plugin's outputs, by the output's name."),
                |name, section| read_output(name, section, declared, event_service.as_ref()),
            )
            .into_iter()
            .collect(),
        event_service,
        errors: read_errors(section, &name, declared),
        reprocess: section.section(
            key("reprocess", "The way back of failed events; without it `millrace reprocess` can give none back."),
            read_reprocess,
        ),
        state: state::read(section, &name),
        backfill: backfill::read(section),
        lookups: section
            .section(key("lookups", "What the plugin may ask; without it, nothing."), read_grant)
            .unwrap_or_default(),
        limits: section.defaults(key("limits", "What the pipeline may hold and how long it may take."), limits::read),
        compression: kafka.compression,
        name,
    }
}

/// What a pipeline says of Kafka.
struct KafkaEnds {
    cluster: ClusterConfig,
    output_cluster: ClusterConfig,
    group: String,
    start: StartPosition,
    compression: Compression,
}

impl KafkaEnds {
    /// What stands in where there is no Kafka. Nobody connects to it.
    fn none(pipeline: &str) -> Self {
        Self {
            cluster: ClusterConfig::plain(""),
            output_cluster: ClusterConfig::plain(""),
            group: format!("millrace.{pipeline}"),
            start: StartPosition::Earliest,
            compression: Compression::None,
        }
    }
}

fn read_kafka(section: &Section<'_>, clusters: &BTreeMap<String, ClusterConfig>, group: String) -> KafkaEnds {
    let (cluster, output_cluster) = read_clusters(section, clusters);
    KafkaEnds {
        cluster,
        output_cluster,
        group: section
            .text(key("group", "The consumer group; no two pipelines may share one."))
            .or(group, "millrace.<name>, or <name>.<data_centre>.000"),
        start: read_start(section),
        compression: section
            .word(key("compression", "How outputs are compressed."), COMPRESSIONS)
            .or(Compression::Snappy, "snappy"),
    }
}

fn read_clusters(section: &Section<'_>, clusters: &BTreeMap<String, ClusterConfig>) -> (ClusterConfig, ClusterConfig) {
    let known = |text: &str| match clusters.get(text) {
        Some(cluster) => Ok(cluster.clone()),
        None => {
            let names: Vec<&str> = clusters.keys().map(String::as_str).collect();
            Err(format!("expected one of the clusters {}", names.join(", ")))
        }
    };
    let cluster = section
        .parsed(key("cluster", "The cluster that is read."), "name of a cluster", known)
        .required_or(ClusterConfig::plain(""));
    let output_cluster = section
        .parsed(key("output_cluster", "The cluster that is written."), "name of a cluster", known)
        .or(cluster.clone(), "that of `cluster`");
    (cluster, output_cluster)
}

fn read_start(section: &Section<'_>) -> StartPosition {
    const KIND: &str = "earliest | latest | time like 2026-01-01T00:00:00Z";
    let parse = |text: &str| match text {
        "earliest" => Ok(StartPosition::Earliest),
        "latest" => Ok(StartPosition::Latest),
        time => parse_time(time).map(StartPosition::Timestamp).map_err(|_no_time| format!("expected {KIND}")),
    };
    let start = key("start", "Where a partition begins that the group has no progress of yet.");
    section.parsed(start, KIND, parse).required_or(StartPosition::Earliest)
}

/// The group where none is written: by the platform's convention where the data centre is known, so that hosts of two
/// of them do not share one.
fn group(name: &str, declared: Declared<'_>) -> String {
    match declared.here {
        Some(here) => format!("{name}.{}.000", here.name()),
        None => format!("millrace.{name}"),
    }
}

/// The name of a section's stream: what is written, else `otherwise`, which the reference shows as `shown`.
fn read_stream(section: &Section<'_>, doc: &'static str, otherwise: &str, shown: &'static str) -> Named {
    let written = section.parsed(key("stream", doc), STREAM, topic_name).optional(shown);
    let is_wrong = written.is_none() && section.has("stream");
    Named { name: written.unwrap_or_else(|| otherwise.to_owned()), is_wrong }
}

fn read_input(name: &str, section: &Section<'_>, declared: Declared<'_>) -> InputConfig {
    let stream = read_stream(section, "The stream's name.", name, "the input's name");
    let settings = declared.stream(section, &stream);
    let stream = stream.name;
    let written = section
        .texts(key("topics", "The topics behind the stream, one per data centre as a rule."), TOPICS, |topic| {
            topic_name(topic).map(drop)
        })
        .optional("those that the stream is declared with, else that of the stream's name");
    let own_first = if declared.here.is_some() { ReadScope::Own } else { ReadScope::All };
    let scope = section
        .word(key("read", "Which of the declared topics are read: those of this data centre, or of all."), SCOPES)
        .or(own_first, "own where `data_centre` is set, else all");
    let is_wrong = section.has("topics") && written.is_none();
    let topics = declared.topics_read(section, settings.as_ref(), written, scope);
    let topics = topics.unwrap_or_else(|| vec![stream.clone()]);
    if section.has("topics") && topics.is_empty() && !is_wrong {
        section.mistake("topics", "there is no topic", "name at least one, or remove the key");
    }
    let title = section
        .parsed(key("schema", "The title of the schema of the stream's events, in any version."), TITLE, schema_title)
        .optional("the declared one, else no event is looked at for it");
    if let Some(title) = &title {
        declared.title_fits(section, settings.as_ref(), "schema", title);
    }
    let unfit_doc = "What becomes of events without `$schema`, with an absolute URI in it, or with another title: an error event, or they are counted and pass.";
    InputConfig {
        schema_title: title.or_else(|| settings?.schema_title().map(str::to_owned)),
        unfit: section.word(key("unfit", unfit_doc), UNFITS).or(UnfitConfig::Error, "error"),
        stream,
        topics,
    }
}

fn read_output(
    name: &str,
    section: &Section<'_>,
    declared: Declared<'_>,
    posted: Option<&OutletConfig>,
) -> OutputConfig {
    let stream = read_stream(section, "The stream's name: `meta.stream` of every output.", name, "the output's name");
    let settings = declared.stream(section, &stream);
    let stream = stream.name;
    let topic = section
        .parsed(key("topic", "The topic that is written."), "name of a topic", topic_name)
        .optional("the declared one of this data centre, else that of the stream's name");
    if posted.is_some() && section.has("topic") {
        let problem = "outputs are posted to `event_service`, which chooses the topic itself";
        section.mistake("topic", problem, "remove this key, or `event_service`");
    }
    let topic = declared.topic_written(section, settings.as_ref(), topic).filter(|_| posted.is_none());
    let schema =
        section.parsed(key("schema", "The schema of the stream's events: `$schema`."), SCHEMA, schema_uri).required();
    if let Some((title, _version)) = schema.trim_start_matches('/').rsplit_once('/') {
        declared.title_fits(section, settings.as_ref(), "schema", title);
    }
    let key_fields = section
        .value(key("key", "The fields of the record's key, in this order, each a JSON Pointer."), KEY, key_fields)
        .optional("the declared ones, else records without key");
    OutputConfig {
        topic: topic.unwrap_or_else(|| stream.clone()),
        schema,
        key: key_fields.or_else(|| settings.as_ref().map(declared::key_fields)).unwrap_or_default(),
        message_bytes_max: read_message_bytes(section, KIB),
        stream,
    }
}

fn read_errors(section: &Section<'_>, pipeline: &str, declared: Declared<'_>) -> ErrorsConfig {
    let default_stream = format!("{}.error", pipeline.replace('-', "_"));
    let errors = key("errors", "The stream of error events: one for every event that cannot be worked on.");
    section.defaults(errors, |section| {
        let mut stream = read_stream(section, "The stream's name.", &default_stream, "<name>.error");
        // A pipeline without a name has been told so.
        stream.is_wrong |= pipeline.is_empty();
        let settings = declared.stream(section, &stream);
        let stream = stream.name;
        declared.title_fits(section, settings.as_ref(), "stream", "error");
        let topic = section
            .parsed(key("topic", "The topic that is written."), "name of a topic", topic_name)
            .optional("the declared one of this data centre, else that of the stream's name");
        let topic = declared.topic_written(section, settings.as_ref(), topic);
        ErrorsConfig {
            topic: topic.unwrap_or_else(|| stream.clone()),
            message_bytes_max: read_message_bytes(section, ERROR_EVENT_BYTES_LEAST as u64),
            stream,
        }
    })
}

fn read_reprocess(section: &Section<'_>) -> ReprocessConfig {
    let topic = key(
        "topic",
        "The topic that takes them, in the cluster that is read; the pipeline reads it beside its inputs. Its own, not \
         compacted, kept at least as long as the error events.",
    );
    ReprocessConfig { topic: section.parsed(topic, "name of a topic", topic_name).required() }
}

fn read_message_bytes(section: &Section<'_>, least: u64) -> u64 {
    let largest = u64::try_from(millrace_kafka::config::MESSAGE_BYTES_MAX).unwrap_or(u64::MAX);
    section
        .size(
            key("max_message_bytes", "The largest record that the topic takes (its `max.message.bytes`)."),
            least..=largest,
        )
        .or(MESSAGE_BYTES, show_size(MESSAGE_BYTES))
}

fn read_grant(section: &Section<'_>) -> LookupGrant {
    let kind = |text: &str| {
        let known = ["revision", "compare", "html", "query", "http"];
        if known.contains(&text) { Ok(()) } else { Err(format!("expected one of {}", known.join(", "))) }
    };
    LookupGrant {
        kinds: section
            .texts(key("kinds", "The kinds of lookup: revision, compare, html, query, http."), "list of kinds", kind)
            .required(),
        wikis: section
            .texts(key("wikis", "The wikis, where not all that the host knows."), DOMAINS, domain_pattern)
            .optional("all wikis of the section `mediawiki`"),
        http: section
            .named(
                key("http", "The HTTP services of the section `http`, by name, for the kind `http`."),
                http::read_grant,
            )
            .into_iter()
            .map(|(_, grant)| grant)
            .collect(),
    }
}

const NAME: &str = "letters, digits, `_`, `-` and `.`, 64 at most";
const STREAM: &str = "name of a stream";
const TOPICS: &str = "list of topics";
const TITLE: &str = "title of a schema, like mediawiki/page/change";
const SCHEMA: &str = "path of a schema with its version, like /mediawiki/page/change/1.2.0";
const KEY: &str = "section of names with JSON Pointers, like `page_id: /page/page_id`";

/// Checks a pipeline's name: it is part of labels, groups and ids.
fn name(text: &str) -> Result<String, String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let valid = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 64 && text.chars().all(letter);
    if valid { Ok(text.to_owned()) } else { Err(format!("expected {NAME}")) }
}

/// Checks the name of a topic by Kafka's rule.
pub(super) fn topic_name(text: &str) -> Result<String, String> {
    /// Kafka's own bound.
    const TOPIC_CHARS_MAX: usize = 249;
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let valid = !matches!(text, "" | "." | "..") && text.len() <= TOPIC_CHARS_MAX && text.chars().all(letter);
    if valid { Ok(text.to_owned()) } else { Err("expected letters, digits, `_`, `-` and `.`".to_owned()) }
}

/// Checks a schema's URI: a title and a version.
fn schema_uri(text: &str) -> Result<String, String> {
    let parsed = SchemaUri::parse(text).map_err(|_no_uri| format!("expected {SCHEMA}"));
    parsed.map(|uri| uri.to_string())
}

/// Checks a schema's title: a path without a version.
fn schema_title(text: &str) -> Result<String, String> {
    let parts = |part: &str| !part.is_empty() && !part.starts_with('.') && SchemaVersion::parse(part).is_none();
    if text.split('/').all(parts) { Ok(text.to_owned()) } else { Err(format!("expected {TITLE}")) }
}

fn key_fields(node: &Node) -> Result<Vec<(String, String)>, String> {
    if node.entries().is_empty() {
        return Err(format!("expected {KEY}, found {}", node.describe()));
    }
    let field = |entry: &super::tree::Entry| match &entry.node.value {
        Value::Plain(pointer) | Value::Quoted(pointer) if pointer.starts_with('/') => {
            Ok((entry.key.clone(), pointer.clone()))
        }
        _ => Err(format!("expected a JSON Pointer for `{}`, found {}", entry.key, entry.node.describe())),
    };
    node.entries().iter().map(field).collect()
}

/// A YAML value as JSON. Plain scalars are what YAML 1.2's core schema says; a number keeps its text.
fn json(node: &Node) -> Result<serde_json::Value, String> {
    use serde_json::Value as Json;
    match &node.value {
        Value::Mapping(_) => object(node).map(Json::Object),
        _ => Err(format!("expected a section with keys, found {}", node.describe())),
    }
}

fn object(node: &Node) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    let mut object = serde_json::Map::new();
    for entry in node.entries() {
        if object.insert(entry.key.clone(), json_value(&entry.node)?).is_some() {
            return Err(format!("the key `{}` at line {} stands there twice", entry.key, entry.position.line));
        }
    }
    Ok(object)
}

fn json_value(node: &Node) -> Result<serde_json::Value, String> {
    use serde_json::Value as Json;
    Ok(match &node.value {
        Value::Quoted(text) => Json::String(text.clone()),
        Value::Plain(text) => match text.as_str() {
            "" | "~" | "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => serde_json::from_str(text).map_or_else(|_not_a_number| Json::String(text.clone()), Json::Number),
        },
        Value::List(items) => Json::Array(items.iter().map(json_value).collect::<Result<_, _>>()?),
        Value::Mapping(_) => Json::Object(object(node)?),
    })
}
