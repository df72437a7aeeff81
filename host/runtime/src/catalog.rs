//! `millrace catalog`: every stream with its schema, its topics, its key, and the pipelines that read or write it. Made of
//! what a host's file names: the stream configuration, the schema repositories, the plugins. Nothing is asked of Kafka.

mod fields;
mod html;
mod lineage;
mod page;
pub mod serve;
mod stream_page;
mod text;

#[cfg(test)]
mod tests;

pub use fields::{Field, Need};
pub use text::as_text;

use crate::config::{HostConfig, PipelineConfig, Source};
use crate::registry::Schemas;
use millrace_platform::{Schema, SchemaUri, StreamSettings, StreamsConfig};
use millrace_plugin::{Engine, EngineConfig};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that the catalog shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Catalog {
    /// The streams, by name.
    pub streams: Vec<StreamEntry>,
    /// The pipelines of the host, in its order.
    pub pipelines: Vec<PipelineEntry>,
}

/// A stream.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StreamEntry {
    /// Its name; `/.../` for a pattern that stands for many.
    pub name: String,
    /// Whether the stream configuration has it. One that has not is known from a pipeline only.
    pub declared: bool,
    /// The title of its events' schema.
    pub schema_title: Option<String>,
    /// The versions of the schema that are known.
    pub versions: Vec<String>,
    /// The newest of them.
    pub schema: Option<SchemaEntry>,
    /// Why there is no schema, where one should be.
    pub schema_problem: Option<String>,
    /// The topics behind it.
    pub topics: Vec<String>,
    /// The fields of its records' keys, in their order.
    pub key: Vec<KeyEntry>,
    /// Whether canary events are made for it.
    pub canary_events_enabled: bool,
    /// The pipeline that makes it, where one of this host does.
    pub owner: Option<String>,
    /// What writes it.
    pub writers: Vec<Use>,
    /// What reads it.
    pub readers: Vec<Use>,
}

/// A field of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyEntry {
    /// Its name in the key.
    pub name: String,
    /// Where its value is in the event, as a JSON Pointer.
    pub pointer: String,
}

/// A schema.
#[derive(Clone, Debug, Serialize)]
pub struct SchemaEntry {
    /// Its URI.
    pub uri: String,
    /// What it says of itself.
    pub description: Option<String>,
    /// Its first example.
    pub example: Option<serde_json::Value>,
    /// Its fields, outer ones before inner ones.
    pub fields: Vec<Field>,
}

/// A pipeline that has to do with a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Use {
    /// The pipeline.
    pub pipeline: String,
    /// The plugin's name and version, where it loads.
    pub plugin: Option<String>,
    /// The plugin's name for this input or output; `errors` for error events.
    pub port: String,
}

/// A pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PipelineEntry {
    /// Its name.
    pub name: String,
    /// The plugin's name.
    pub plugin: Option<String>,
    /// The plugin's version.
    pub version: Option<String>,
    /// The plugin's digest.
    pub digest: Option<String>,
    /// Why nothing is known of the plugin.
    pub problem: Option<String>,
    /// The streams that it reads, by the plugin's name for the input.
    pub inputs: BTreeMap<String, String>,
    /// The streams that it writes, by the plugin's name for the output.
    pub outputs: BTreeMap<String, String>,
    /// The stream of its error events.
    pub errors: String,
}

impl Catalog {
    /// Collects what a host's file names. What cannot be read is said where it is missing.
    ///
    /// # Errors
    /// The compiler of plugins, or the client for schemas, cannot be had.
    pub async fn collect(config: &HostConfig, source: &Source) -> anyhow::Result<Self> {
        let engine_config = EngineConfig { cache_dir: config.plugins.cache_dir.clone(), ..EngineConfig::default() };
        let engine = Engine::new(engine_config)?;
        let pipelines: Vec<PipelineEntry> =
            config.pipelines.iter().map(|pipeline| pipeline_entry(pipeline, &engine)).collect();
        let schemas = Schemas::new(config.schemas.clone())?;
        let streams = source.streams().map(|streams| streams.current()).unwrap_or_default();
        let mut entries = Vec::new();
        for name in names(&streams, &pipelines) {
            let mut entry = stream_entry(&name, &streams, config);
            add_uses(&mut entry, &pipelines);
            add_schema(&mut entry, config, &schemas).await;
            entries.push(entry);
        }
        Ok(Self { streams: entries, pipelines })
    }

    /// The stream of this name.
    pub fn stream(&self, name: &str) -> Option<&StreamEntry> {
        self.streams.iter().find(|stream| stream.name == name)
    }
}

/// All streams: those that are declared, and those that pipelines use beside them.
fn names(streams: &StreamsConfig, pipelines: &[PipelineEntry]) -> BTreeSet<String> {
    let declared = streams.names().map(str::to_owned);
    let used = pipelines.iter().flat_map(|pipeline| {
        pipeline.inputs.values().chain(pipeline.outputs.values()).chain([&pipeline.errors]).cloned()
    });
    declared.chain(used).collect()
}

fn pipeline_entry(pipeline: &PipelineConfig, engine: &Engine) -> PipelineEntry {
    let loaded = std::fs::read(&pipeline.plugin)
        .map_err(|error| format!("{} cannot be read: {error}", pipeline.plugin.display()))
        .and_then(|bytes| engine.load(&bytes).map_err(|error| error.to_string()));
    let (plugin, problem) = match loaded {
        Ok(plugin) => (Some(plugin), None),
        Err(problem) => (None, Some(problem)),
    };
    let describe = plugin.as_ref().map(|plugin| plugin.describe());
    PipelineEntry {
        name: pipeline.name.clone(),
        plugin: describe.map(|describe| describe.name.clone()),
        version: describe.map(|describe| describe.version.clone()),
        digest: plugin.as_ref().map(|plugin| plugin.digest().to_string()),
        problem,
        inputs: pipeline.inputs.iter().map(|(name, input)| (name.clone(), input.stream.clone())).collect(),
        outputs: pipeline.outputs.iter().map(|(name, output)| (name.clone(), output.stream.clone())).collect(),
        errors: pipeline.errors.stream.clone(),
    }
}

/// What is declared of a stream, else what pipelines say of it.
fn stream_entry(name: &str, streams: &StreamsConfig, config: &HostConfig) -> StreamEntry {
    // A pattern is listed as itself; a stream that one matches has what the pattern says.
    let listed = streams.iter().find(|stream| stream.name() == name).cloned();
    let settings: Option<StreamSettings> = listed.or_else(|| streams.get(name));
    let Some(settings) = settings else { return undeclared(name, config) };
    let key = |field: &millrace_platform::KeyField| KeyEntry {
        name: field.name.clone(),
        pointer: field.pointer.as_str().to_owned(),
    };
    StreamEntry {
        name: name.to_owned(),
        declared: true,
        schema_title: settings.schema_title().map(str::to_owned),
        topics: settings.topics().to_vec(),
        key: settings.message_key_fields().iter().map(key).collect(),
        canary_events_enabled: settings.canary_events_enabled(),
        ..StreamEntry::default()
    }
}

fn undeclared(name: &str, config: &HostConfig) -> StreamEntry {
    let mut entry = StreamEntry { name: name.to_owned(), ..StreamEntry::default() };
    let mut topics = BTreeSet::new();
    for pipeline in &config.pipelines {
        for input in pipeline.inputs.values().filter(|input| input.stream == name) {
            topics.extend(input.topics.iter().cloned());
            entry.schema_title = entry.schema_title.or_else(|| input.schema_title.clone());
        }
        for output in pipeline.outputs.values().filter(|output| output.stream == name) {
            topics.insert(output.topic.clone());
            entry.schema_title = SchemaUri::parse(&output.schema).ok().map(|uri| uri.title().to_owned());
            let key = |(name, pointer): &(String, String)| KeyEntry { name: name.clone(), pointer: pointer.clone() };
            entry.key = output.key.iter().map(key).collect();
        }
        if pipeline.errors.stream == name {
            topics.insert(pipeline.errors.topic.clone());
            entry.schema_title = Some("error".to_owned());
        }
    }
    entry.topics = topics.into_iter().collect();
    entry
}

fn add_uses(entry: &mut StreamEntry, pipelines: &[PipelineEntry]) {
    for pipeline in pipelines {
        let plugin = pipeline.plugin.as_ref().map(|name| match &pipeline.version {
            Some(version) => format!("{name} {version}"),
            None => name.clone(),
        });
        let using = |port: &str| Use { pipeline: pipeline.name.clone(), plugin: plugin.clone(), port: port.to_owned() };
        let of_stream = |(port, stream): (&String, &String)| (*stream == entry.name).then(|| using(port));
        entry.readers.extend(pipeline.inputs.iter().filter_map(of_stream));
        entry.writers.extend(pipeline.outputs.iter().filter_map(of_stream));
        if pipeline.errors == entry.name {
            entry.writers.push(using("errors"));
        }
    }
    entry.owner = entry.writers.first().map(|writer| writer.pipeline.clone());
}

/// The newest schema of a stream: of those that folders list, and of those that pipelines write.
async fn add_schema(entry: &mut StreamEntry, config: &HostConfig, schemas: &Schemas) {
    let Some(title) = &entry.schema_title else { return };
    let mut versions: BTreeSet<_> = schemas.versions(title).into_iter().collect();
    let written = config.pipelines.iter().flat_map(|pipeline| pipeline.outputs.values());
    let of_title =
        written.filter_map(|output| SchemaUri::parse(&output.schema).ok()).filter(|uri| uri.title() == title);
    versions.extend(of_title.map(|uri| uri.version()));
    if title == "error" {
        versions.extend(SchemaUri::parse(millrace_platform::ERROR_SCHEMA_URI).ok().map(|uri| uri.version()));
    }
    entry.versions = versions.iter().map(ToString::to_string).collect();
    let Some(newest) = versions.last() else {
        entry.schema_problem = Some(format!("no repository lists a version of {title}"));
        return;
    };
    let uri = match SchemaUri::new(title, *newest) {
        Ok(uri) => uri,
        Err(error) => return entry.schema_problem = Some(error.to_string()),
    };
    match schemas.get(&uri).await {
        Ok(schema) => entry.schema = Some(schema_entry(&schema)),
        Err(error) => entry.schema_problem = Some(error.to_string()),
    }
}

fn schema_entry(schema: &Schema) -> SchemaEntry {
    SchemaEntry {
        uri: schema.uri().to_string(),
        description: schema.description().map(str::to_owned),
        example: schema.examples().first().cloned(),
        fields: fields::of(schema.document()),
    }
}
