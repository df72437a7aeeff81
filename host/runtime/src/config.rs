//! The configuration of a host: one YAML file, read into plain structs without any YAML in them, or all of its mistakes
//! at once. Each key is declared once, in the function that reads it (`config/*.rs`); the reference is made from those.
//! Where streams are declared elsewhere, that is read too, so that what pipelines read and write is settled here.
//!
//! What needs the plugin, schemas or Kafka to be known is not here: see `check.rs`.

mod backfill;
mod brokerless;
mod declared;
mod delivery;
mod group_limits;
mod http;
mod kafka;
mod kinds;
mod limits;
mod mediawiki;
mod mistake;
mod pipeline;
mod quantity;
mod reader;
mod registry;
mod rules;
mod state;
mod tree;

pub use backfill::BackfillConfig;
pub use brokerless::{BrokerlessConfig, SourceConfig};
pub use http::OutletConfig;
pub use limits::{PipelineLimits, RetryLimits};
pub use mediawiki::MediaWikiConfig;
pub use mistake::{Mistake, Mistakes, Position, printable};
pub use pipeline::{
    DeliveryConfig, ErrorsConfig, InputConfig, LookupGrant, OrderConfig, OutputConfig, PipelineConfig, ReprocessConfig,
    UnfitConfig,
};
pub(crate) use quantity::{parse_duration, parse_time};
pub use quantity::{show_duration, show_size};
pub(crate) use reader::{Declaration, Presence, nearest};
pub(crate) use registry::repository;

use crate::registry::{SchemasConfig, Streams, StreamsSource};
use declared::Declared;
use millrace_kafka::config::ClusterConfig;
use millrace_lookup::HttpTargetConfig;
use millrace_platform::DataCentre;
use reader::{Desk, Section, key};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most worker threads that a file may ask for.
const WORKERS_MAX: u64 = 512;

/// A whole host.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The file that it was read from.
    pub file: PathBuf,
    /// The Kafka clusters by name; pipelines hold their own copies.
    pub clusters: BTreeMap<String, ClusterConfig>,
    /// The data centre that it runs in, where that was said.
    pub data_centre: Option<DataCentre>,
    /// Where streams are declared. None: pipelines say everything themselves.
    pub streams: Option<StreamsSource>,
    /// Where schemas are.
    pub schemas: SchemasConfig,
    /// The wikis that plugins may ask. None: no plugin may ask a wiki.
    pub mediawiki: Option<MediaWikiConfig>,
    /// The other HTTP services that plugins may ask.
    pub http_targets: Vec<HttpTargetConfig>,
    /// Where plugins are kept.
    pub plugins: PluginsConfig,
    /// The admin server.
    pub admin: AdminConfig,
    /// What is logged and how.
    pub log: LogConfig,
    /// The pipelines, at least one.
    pub pipelines: Vec<PipelineConfig>,
    /// Threads that run plugins, at least one.
    pub workers: usize,
}

/// Where plugins are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginsConfig {
    /// A private directory for compiled code. None: plugins are compiled at every start.
    pub cache_dir: Option<PathBuf>,
}

/// The admin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens. Port 0: the system chooses, and the log says which.
    pub listen: SocketAddr,
}

/// What is logged and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// The least serious lines that are written.
    pub level: tracing::Level,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text where a person looks at a terminal, JSON otherwise.
    Auto,
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

impl HostConfig {
    /// Reads the file and everything that it names, the stream configuration included.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load(file: &Path) -> Result<Self, Mistakes> {
        Self::load_with_source(file).map(|(config, _source)| config)
    }

    /// The same, with the source beside it, for those who find more mistakes or read it again.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load_with_source(file: &Path) -> Result<(Self, Source), Mistakes> {
        let (config, source, list) = Self::load_as_far_as_it_goes(file)?;
        if list.is_empty() { Ok((config, source)) } else { Err(Mistakes { file: file.to_owned(), list }) }
    }

    /// The same with the mistakes beside it; placeholders stand where they are.
    ///
    /// # Errors
    /// The file is no YAML, so there is nothing but that.
    pub(crate) fn load_as_far_as_it_goes(file: &Path) -> Result<(Self, Source, Vec<Mistake>), Mistakes> {
        let mut source = Source { root: read_tree(file)?, streams: None };
        let (config, streams, list) = source.read(file);
        source.streams = streams;
        Ok((config, source, list))
    }

    /// The same for a host that runs: where the declared streams are still those of `source`, they are not fetched, so an
    /// outage of their server is none of this.
    ///
    /// # Errors
    /// Every mistake in it.
    pub(crate) fn load_again(file: &Path, source: &Source) -> Result<Self, Mistakes> {
        let again = Source { root: read_tree(file)?, streams: source.streams.clone() };
        again.read_again(file)
    }
}

/// The file as it was written: where keys stand in it, and the declarations that it was read with.
#[derive(Debug)]
pub struct Source {
    root: tree::Node,
    streams: Option<Arc<Streams>>,
}

impl Source {
    /// The declared streams, if the file names any.
    pub fn streams(&self) -> Option<&Arc<Streams>> {
        self.streams.as_ref()
    }

    /// What the file says with what is declared now.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn read_again(&self, file: &Path) -> Result<HostConfig, Mistakes> {
        let (config, _streams, list) = self.read(file);
        if list.is_empty() { Ok(config) } else { Err(Mistakes { file: file.to_owned(), list }) }
    }

    fn read(&self, file: &Path) -> (HostConfig, Option<Arc<Streams>>, Vec<Mistake>) {
        let desk = Desk::reading(file.parent().unwrap_or(Path::new("")));
        let known = self.streams.clone();
        let (config, streams) =
            Section::read(&desk, String::new(), Some(&self.root), |section| read_host(section, file, known));
        (config, streams, desk.into_mistakes())
    }

    /// The position of the deepest of `keys` that was written, and all of them as a path. An item of a list goes by its
    /// number.
    pub(crate) fn locate(&self, keys: &[&str]) -> (Position, String) {
        let mut node = Some(&self.root);
        let mut position = self.root.position;
        let mut path = String::new();
        for key in keys {
            let (below, is_item) = match node.map(|node| &node.value) {
                Some(tree::Value::List(items)) => (key.parse::<usize>().ok().and_then(|index| items.get(index)), true),
                _ => (
                    node.and_then(|node| node.entries().iter().find(|entry| entry.key == *key))
                        .map(|entry| &entry.node),
                    false,
                ),
            };
            node = below;
            position = node.map_or(position, |node| node.position);
            match (is_item, path.is_empty()) {
                (true, _) => path.push_str(&format!("[{key}]")),
                (false, true) => path.push_str(key),
                (false, false) => path.push_str(&format!(".{key}")),
            }
        }
        (position, path)
    }
}

/// Every key that a file may have, in the order in which they are read.
pub(crate) fn declarations() -> Vec<Declaration> {
    let desk = Desk::documenting();
    Section::read(&desk, String::new(), None, |section| drop(read_host(section, Path::new(""), None)));
    desk.into_declarations()
}

fn read_tree(file: &Path) -> Result<tree::Node, Mistakes> {
    let wrong = |mistake| Mistakes { file: file.to_owned(), list: vec![mistake] };
    let text = read_text(file).map_err(wrong)?;
    tree::parse(&text).map_err(wrong)
}

fn read_text(file: &Path) -> Result<String, Mistake> {
    let mistake = |problem: String, remedy: &str| Mistake {
        file: None,
        position: Position::default(),
        key: String::new(),
        problem,
        remedy: remedy.to_owned(),
    };
    let unreadable = |error: std::io::Error| {
        mistake(format!("the file cannot be read: {error}"), "name a file that exists and that you may read")
    };
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let mut bytes = Vec::new();
    opened.take(tree::FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > tree::FILE_BYTES_MAX {
        let problem = format!("the file is larger than {}", show_size(tree::FILE_BYTES_MAX));
        return Err(mistake(problem, "split the host: one file describes one host"));
    }
    String::from_utf8(bytes).map_err(|_not_utf8| mistake("the file is not UTF-8 text".to_owned(), "save it as UTF-8"))
}

/// Reads everything. `known` are the declarations from a reading before; of another source they are read now.
fn read_host(section: &Section<'_>, file: &Path, known: Option<Arc<Streams>>) -> (HostConfig, Option<Arc<Streams>>) {
    let kafka_doc = "Where Kafka is. Not needed where every pipeline has a `source` and a `sink`.";
    let clusters = section.section(key("kafka", kafka_doc), kafka::read).unwrap_or_default();
    let data_centre = registry::read_data_centre(section);
    let streams_doc = "Where streams are declared. Without it, pipelines say topics and keys themselves.";
    let source = section.section(key("streams", streams_doc), registry::read_streams).flatten();
    let schemas = section
        .section(key("schemas", "Where schemas are. Every output is checked against its own."), registry::read_schemas)
        .unwrap_or_else(|| missing(section, "schemas", "add `schemas: { repositories: [...] }`"));
    let known = known.filter(|known| source.as_ref() == Some(known.source()));
    let opened = known.or_else(|| registry::open(section, source.clone()?));
    let config_of_streams = opened.as_ref().map(|streams| streams.current());
    let here_is_wrong = section.has("data_centre") && data_centre.is_none();
    let declared = Declared { streams: config_of_streams.as_deref(), here: data_centre.as_ref(), here_is_wrong };
    let pipelines_doc =
        key("pipelines", "The pipelines: one plugin each, with its streams, settings, grants and limits.");
    let pipelines = section.list(pipelines_doc, |pipeline| pipeline::read(pipeline, &clusters, declared));
    if !section.has("kafka") && (pipelines.is_empty() || pipelines.iter().any(|one| one.brokerless.is_none())) {
        section.mistake("kafka", "this section is missing", "add `kafka: { clusters: ... }`");
    }
    if pipelines.is_empty() {
        section.mistake("pipelines", "there is no pipeline", "add at least one");
    }
    let config = HostConfig {
        file: file.to_owned(),
        streams: source,
        schemas,
        mediawiki: section.section(
            key("mediawiki", "The wikis that plugins may ask. Without it they may ask none."),
            mediawiki::read,
        ),
        http_targets: section
            .named(
                key("http", "Other HTTP services that plugins may ask, by the name that grants use."),
                http::read_target,
            )
            .into_iter()
            .map(|(_, target)| target)
            .collect(),
        plugins: section.defaults(key("plugins", "Where plugins are kept."), read_plugins),
        admin: section.defaults(key("admin", "The server of `/metrics`, `/healthz` and `/readyz`."), read_admin),
        log: section.defaults(key("log", "What is logged, and how."), read_log),
        workers: read_workers(section),
        clusters,
        data_centre,
        pipelines,
    };
    rules::check(section, &config);
    (config, opened)
}

fn missing<T: Default>(section: &Section<'_>, name: &str, remedy: &str) -> T {
    section.mistake(name, "this section is missing", remedy);
    T::default()
}

fn read_plugins(section: &Section<'_>) -> PluginsConfig {
    PluginsConfig {
        cache_dir: section
            .path(
                key("cache_dir", "A directory for compiled code, made if absent, readable for the host only."),
                "path of a directory",
            )
            .optional("plugins are compiled at every start"),
    }
}

fn read_admin(section: &Section<'_>) -> AdminConfig {
    /// Loopback, beside the ports that Prometheus exporters commonly have.
    const LISTEN: &str = "127.0.0.1:9180";
    const KIND: &str = "address and port like 127.0.0.1:9180";
    let parse = |text: &str| text.parse::<SocketAddr>().map_err(|_no_address| format!("expected an {KIND}"));
    let default = SocketAddr::from(([127, 0, 0, 1], 9180));
    let listen = section
        .parsed(
            key("listen", "Where the server listens; port 0 takes any free one, and the log says which."),
            KIND,
            parse,
        )
        .or(default, LISTEN);
    let allow_remote = section
        .flag(key("allow_remote", "Whether others than this machine may connect. The server asks nobody who they are."))
        .or(false, "false");
    if !listen.ip().is_loopback() && !allow_remote {
        let problem =
            format!("{} can be reached from other machines, and the server asks nobody who they are", listen.ip());
        section.mistake(
            "listen",
            problem,
            "listen on 127.0.0.1, or set `allow_remote: true` where the network protects it",
        );
    }
    AdminConfig { listen }
}

fn read_log(section: &Section<'_>) -> LogConfig {
    const FORMATS: &[(&str, LogFormat)] =
        &[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    const LEVELS: &[(&str, tracing::Level)] = &[
        ("error", tracing::Level::ERROR),
        ("warn", tracing::Level::WARN),
        ("info", tracing::Level::INFO),
        ("debug", tracing::Level::DEBUG),
    ];
    LogConfig {
        format: section
            .word(key("format", "How lines look: `auto` is text on a terminal and JSON otherwise."), FORMATS)
            .or(LogFormat::Auto, "auto"),
        level: section
            .word(key("level", "The least serious lines that are written."), LEVELS)
            .or(tracing::Level::INFO, "info"),
    }
}

fn read_workers(section: &Section<'_>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = section
        .count(key("workers", "Threads that run plugins."), 1..=WORKERS_MAX)
        .or(u64::try_from(cores).unwrap_or(1), "the number of cores");
    usize::try_from(workers).unwrap_or(1)
}
