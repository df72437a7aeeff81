//! `pipelines[].source` and `pipelines[].sink`: both ends of a pipeline that has no Kafka.

use super::quantity::parse_time;
use super::reader::{Section, key};
use super::registry::address;
use millrace_platform::TOPIC_PREFIXES;
use std::path::PathBuf;

/// A pipeline without Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerlessConfig {
    /// Where events come from.
    pub source: SourceConfig,
    /// The folder of the outputs and of the position.
    pub folder: PathBuf,
}

/// Where events come from, if not from Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceConfig {
    /// Files, read to their end in this order. Never empty.
    Files {
        /// The files.
        paths: Vec<PathBuf>,
    },
    /// A stream of Server-Sent Events.
    Sse {
        /// Its address.
        url: String,
        /// Where it begins the first time, in milliseconds. None: now.
        since_ms: Option<u64>,
    },
}

/// Keys of a pipeline that mean something with Kafka only.
const KAFKA_KEYS: [&str; 5] = ["cluster", "output_cluster", "group", "start", "compression"];

/// Reads `source` and `sink`. None: neither is there, and the pipeline has Kafka at both ends.
pub(super) fn read(section: &Section<'_>) -> Option<BrokerlessConfig> {
    let source_doc = "Reads events from files or EventStreams in place of Kafka, for development. Needs a `sink`.";
    let source = section.section(key("source", source_doc), read_source).flatten();
    let sink_doc = "Writes outputs, error events and the position to files in place of Kafka. Needs a `source`.";
    let folder = section.section(key("sink", sink_doc), read_sink).flatten();
    let (has_source, has_sink) = (section.has("source"), section.has("sink"));
    if has_source != has_sink {
        let (there, missing) = if has_source { ("source", "sink") } else { ("sink", "source") };
        section.mistake(there, format!("there is no `{missing}`"), "a pipeline has Kafka at both ends, or at none");
    }
    if has_source {
        for name in KAFKA_KEYS {
            // Asked for, so that it is told of once, and as what it is.
            let asked = section.value(key(name, ""), "", |_| Ok(())).optional("");
            if asked.is_some() {
                section.mistake(name, "this key means something with Kafka only", "remove it, or `source` and `sink`");
            }
        }
    }
    let placeholder = || SourceConfig::Files { paths: Vec::new() };
    has_source
        .then(|| BrokerlessConfig { source: source.unwrap_or_else(placeholder), folder: folder.unwrap_or_default() })
}

/// The topics that events of a stream may name, where nobody else gives them a topic: its own, and those of the platform's
/// data centres, so that an event keeps its place.
pub(super) fn topics(stream: &str, mut topics: Vec<String>) -> Vec<String> {
    let prefixed = TOPIC_PREFIXES.iter().map(|prefix| format!("{prefix}{stream}"));
    for topic in prefixed.chain([stream.to_owned()]) {
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics
}

fn read_source(section: &Section<'_>) -> Option<SourceConfig> {
    let files =
        section.section(key("file", "Files with one event a line. The run ends when all are read."), read_files);
    let sse = section.section(key("sse", "A stream of Server-Sent Events, as EventStreams sends them."), read_sse);
    match (section.has("file"), section.has("sse")) {
        (true, true) => section.mistake("sse", "there is `file` too", "remove one of the two"),
        (false, false) => {
            section.mistake(
                "file",
                "it is not said what is read",
                "add `file: { paths: [...] }` or `sse: { url: ... }`",
            );
        }
        (true, false) | (false, true) => {}
    }
    files.or(sse)
}

fn read_files(section: &Section<'_>) -> SourceConfig {
    let folder = section.desk.folder.clone();
    let is_there = |text: &str| {
        let path = folder.join(text);
        if path.is_file() { Ok(()) } else { Err(format!("there is no file {}", path.display())) }
    };
    let doc = "The files in their order, plain, gzip or Zstandard: JSON documents, one a line.";
    let paths = section.texts(key("paths", doc), "list of files", is_there).required_or(vec![String::new()]);
    if paths.is_empty() {
        section.mistake("paths", "there is no file", "name at least one");
    }
    SourceConfig::Files { paths: paths.iter().map(|path| section.desk.folder.join(path)).collect() }
}

fn read_sse(section: &Section<'_>) -> SourceConfig {
    const KIND: &str = "address like https://stream.wikimedia.org/v2/stream/mediawiki.page_change.v1";
    let url = section.parsed(key("url", "The address of the stream."), KIND, address).required();
    let since = section
        .parsed(key("since", "Where it begins the first time."), "time like 2026-01-01T00:00:00Z", |text| {
            let ms = parse_time(text)?;
            u64::try_from(ms).map_err(|_before_1970| "expected a time from 1970 on".to_owned())
        })
        .optional("with what happens from now on");
    SourceConfig::Sse { url, since_ms: since }
}

fn read_sink(section: &Section<'_>) -> Option<PathBuf> {
    let read = |section: &Section<'_>| {
        let doc = "A folder, made if absent: `<topic>.jsonl` for each topic, and `position.json`. No two pipelines share one.";
        section.path(key("dir", doc), "path of a directory").required()
    };
    let folder = section.section(key("file", "Files with one event a line."), read);
    if folder.is_none() {
        section.mistake("file", "it is not said where outputs go", "add `file: { dir: ... }`");
    }
    folder
}
