//! From the name of a stream to where its events are: topics of a cluster, the address of EventStreams, files.

use super::arguments::{ConsumeArguments, PUBLIC_STREAMS};
use crate::config::{HostConfig, nearest};
use crate::registry::{Schemas, SchemasConfig, Streams, StreamsOrigin, StreamsSource, wait_for};
use anyhow::{Context as _, bail};
use millrace_kafka::cluster::Cluster;
use millrace_kafka::config::ClusterConfig;
use millrace_platform::{StreamSettings, StreamsConfig, TOPIC_PREFIXES};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a server of declarations, or a broker, may take for one answer.
const DEADLINE: Duration = Duration::from_secs(15);
const ASK_MS: u64 = 15_000;
/// Where the platform's schemas are public.
const PUBLIC_SCHEMAS: [&str; 2] = [
    "https://schema.wikimedia.org/repositories/primary/jsonschema",
    "https://schema.wikimedia.org/repositories/secondary/jsonschema",
];

/// Where events are read.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Topics of a cluster.
    Kafka {
        /// The cluster.
        cluster: Box<ClusterConfig>,
        /// The topics. Never empty.
        topics: Vec<String>,
    },
    /// A stream of Server-Sent Events.
    Sse {
        /// Its address.
        url: String,
    },
    /// Files.
    Files(Vec<PathBuf>),
}

/// A stream with everything that was found about it.
pub(super) struct Resolved {
    /// Where its events are.
    pub(super) place: Place,
    /// How it is declared, where that is known.
    pub(super) settings: Option<StreamSettings>,
    /// Where schemas are.
    pub(super) schemas: Schemas,
    /// What a person should know before the first event.
    pub(super) notices: Vec<String>,
}

/// Finds the stream that the command line names.
///
/// # Errors
/// What is wrong, with what to do.
pub(super) fn resolve(arguments: &ConsumeArguments) -> anyhow::Result<Resolved> {
    let host = arguments.config.as_deref().map(HostConfig::load_with_source).transpose()?;
    let streams = match (&arguments.streams, &host) {
        (Some(text), _) => Some(open_streams(text)?),
        (None, Some((_, source))) => source.streams().map(|streams| streams.current()),
        (None, None) => None,
    };
    let host = host.map(|(host, _source)| host);
    let names: Vec<&str> = arguments.stream.iter().flat_map(|stream| stream.split(',')).collect();
    let settings = match &streams {
        Some(streams) => names.iter().map(|name| declared(streams, name)).collect::<anyhow::Result<Vec<_>>>()?,
        None => Vec::new(),
    };
    let mut notices = Vec::new();
    let place = if arguments.file.is_empty() {
        match cluster(arguments, host.as_ref())? {
            Some(cluster) => kafka(cluster, &names, &settings, &mut notices)?,
            None => sse(arguments, &names)?,
        }
    } else {
        Place::Files(arguments.file.clone())
    };
    let schemas = schemas(arguments, host.as_ref())?;
    let settings = if names.len() == 1 { settings.into_iter().next() } else { None };
    Ok(Resolved { place, settings, schemas, notices })
}

fn declared(streams: &StreamsConfig, name: &str) -> anyhow::Result<StreamSettings> {
    if let Some(settings) = streams.get(name).filter(|settings| !settings.is_pattern()) {
        return Ok(settings);
    }
    let names: Vec<&str> = streams.names().collect();
    bail!("no stream `{name}` is declared; {}", suggestion(name, &names))
}

/// The names that are most like what was asked for.
fn suggestion(name: &str, names: &[&str]) -> String {
    if let Some(nearest) = nearest(name, names) {
        return format!("did you mean `{nearest}`?");
    }
    let alike: Vec<&str> =
        names.iter().copied().filter(|known| !name.is_empty() && known.contains(name)).take(5).collect();
    if alike.is_empty() {
        return format!("there are {} others, and none is like it", names.len());
    }
    format!("did you mean one of {}?", alike.join(", "))
}

/// Reads a stream configuration from a file or an address.
fn open_streams(text: &str) -> anyhow::Result<Arc<StreamsConfig>> {
    let origin = if text.starts_with("http://") || text.starts_with("https://") {
        StreamsOrigin::Api { url: text.to_owned(), host: None }
    } else {
        StreamsOrigin::File(text.strip_prefix("file://").unwrap_or(text).into())
    };
    let source = StreamsSource { origin, refresh: DEADLINE, deadline: DEADLINE, cache_dir: None, ca_file: None };
    let opened = wait_for(Streams::open(source))?;
    Ok(opened.with_context(|| format!("the stream configuration {text} cannot be used"))?.current())
}

/// The cluster that is to be read; none where Kafka was not asked for.
fn cluster(arguments: &ConsumeArguments, host: Option<&HostConfig>) -> anyhow::Result<Option<ClusterConfig>> {
    if arguments.url.is_some() {
        return Ok(None);
    }
    if let Some(brokers) = &arguments.brokers {
        return Ok(Some(ClusterConfig::plain(brokers)));
    }
    let Some(host) = host else { return Ok(None) };
    let names: Vec<&str> = host.clusters.keys().map(String::as_str).collect();
    match &arguments.cluster {
        Some(name) => match host.clusters.get(name) {
            Some(cluster) => Ok(Some(cluster.clone())),
            None => bail!("{} has no cluster `{name}`; it has {}", host.file.display(), names.join(", ")),
        },
        None => match host.clusters.values().next() {
            Some(cluster) if names.len() == 1 => Ok(Some(cluster.clone())),
            _ => bail!("{} has the clusters {}; say which with `--cluster`", host.file.display(), names.join(", ")),
        },
    }
}

/// The topics of the streams that the cluster has.
fn kafka(
    cluster: ClusterConfig,
    names: &[&str],
    settings: &[StreamSettings],
    notices: &mut Vec<String>,
) -> anyhow::Result<Place> {
    let wanted: Vec<String> = if settings.is_empty() {
        let of_name = |name: &&str| {
            let prefixed = TOPIC_PREFIXES.iter().map(move |prefix| format!("{prefix}{name}"));
            prefixed.chain([(*name).to_owned()]).collect::<Vec<_>>()
        };
        names.iter().flat_map(of_name).collect()
    } else {
        settings.iter().flat_map(|settings| settings.topics().iter().cloned()).collect()
    };
    let asked = Cluster::connect(&cluster).and_then(|connected| connected.topic_names(ASK_MS));
    let known = asked.with_context(|| format!("no broker of {} answers; check the address", cluster.brokers))?;
    let (there, missing): (Vec<String>, Vec<String>) = wanted.into_iter().partition(|topic| known.contains(topic));
    if there.is_empty() {
        let known: Vec<&str> = known.iter().map(String::as_str).filter(|topic| !topic.starts_with("__")).collect();
        let first = names.first().copied().unwrap_or_default();
        bail!("{} has none of the topics {}; {}", cluster.brokers, missing.join(", "), suggestion(first, &known));
    }
    if !settings.is_empty() && !missing.is_empty() {
        notices.push(format!("{} has no topic {}; it is left out", cluster.brokers, missing.join(", ")));
    }
    Ok(Place::Kafka { cluster: Box::new(cluster), topics: there })
}

fn sse(arguments: &ConsumeArguments, names: &[&str]) -> anyhow::Result<Place> {
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if let Some(wrong) = names.iter().find(|name| !is_name(name)) {
        bail!("`{wrong}` is no name of a stream: letters, digits, `.`, `_` and `-` are");
    }
    let base = arguments.url.as_deref().unwrap_or(PUBLIC_STREAMS).trim_end_matches('/');
    Ok(Place::Sse { url: format!("{base}/{}", names.join(",")) })
}

/// Where schemas are: as the command line says, else the host's file, else where they are public.
fn schemas(arguments: &ConsumeArguments, host: Option<&HostConfig>) -> anyhow::Result<Schemas> {
    let config = match host {
        Some(host) if arguments.schemas.is_empty() => host.schemas.clone(),
        _ => {
            let public = || PUBLIC_SCHEMAS.map(str::to_owned).to_vec();
            let texts = if arguments.schemas.is_empty() { public() } else { arguments.schemas.clone() };
            let repository = |text: &String| {
                crate::config::repository(std::path::Path::new(""), text)
                    .map_err(|problem| anyhow::anyhow!("the schema repository `{text}`: {problem}"))
            };
            let repositories = texts.iter().map(repository).collect::<anyhow::Result<Vec<_>>>()?;
            SchemasConfig { repositories, cache_dir: None, deadline: DEADLINE, ca_file: None }
        }
    };
    Schemas::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let names = ["mediawiki.page_change.v1", "mediawiki.page_content_change.v1", "mediawiki.recentchange"];
        assert_eq!(suggestion(name, &names), expected);
    }

    #[test]
    fn the_nearest_names_are_suggested() {
        check("mediawiki.page-change.v1", "did you mean `mediawiki.page_change.v1`?");
        check("recentchange", "did you mean one of mediawiki.recentchange?");
        check("page", "did you mean one of mediawiki.page_change.v1, mediawiki.page_content_change.v1?");
        check("nonsense", "there are 3 others, and none is like it");
    }
}
