//! `streams`, `schemas` and `data_centre`: where the declarations of the Event Platform come from. Reading them is
//! `registry`'s business; what a pipeline makes of its streams' declarations is in `declared`.

use super::Mistake;
use super::kinds::text_of;
use super::quantity::show_duration;
use super::reader::{Section, key};
use super::tree::Value;
use crate::registry::streams::StreamsReadError;
use crate::registry::{Repository, SchemasConfig, Streams, StreamsOrigin, StreamsSource, wait_for};
use millrace_platform::{ContestedTopic, DataCentre, StreamMistake, StreamSettings, StreamsError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How old the stream configuration may become: it changes a few times a day, and a change needs a restart anyway.
const REFRESH: Duration = Duration::from_secs(300);
/// How long a server of declarations may take: its answers are static or cached.
const DEADLINE: Duration = Duration::from_secs(10);

/// Reads `data_centre`.
pub(super) fn read_data_centre(section: &Section<'_>) -> Option<DataCentre> {
    const KIND: &str = "name of a data centre, like eqiad";
    let parse = |text: &str| DataCentre::parse(text).ok_or_else(|| format!("expected the {KIND}, without a dot"));
    let doc = "The data centre of this host: topics that begin with it and a dot are its own.";
    section.parsed(key("data_centre", doc), KIND, parse).optional("streams must have one topic each, or name it")
}

/// Reads `streams`.
pub(super) fn read_streams(section: &Section<'_>) -> Option<StreamsSource> {
    let file = section
        .file(key("file", "A JSON file in the shape that `action=streamconfigs` answers."))
        .optional("`url` says where it is");
    let url = section
        .parsed(
            key("url", "The `streamconfigs` API; a query is added where the address has none."),
            "address like https://meta.wikimedia.org/w/api.php",
            address,
        )
        .optional("`file` says where it is");
    let host = section
        .text(key("host", "The `Host` header, where `url` is a proxy's address."))
        .optional("that of the address");
    let refresh = section
        .duration(
            key("refresh", "How often it is read again. What differs is told in the log, and used after a restart."),
            Duration::from_secs(1)..=Duration::from_secs(86_400),
        )
        .or(REFRESH, show_duration(REFRESH));
    let deadline = read_deadline(section, "How long the API may take for its answer.");
    let cache_dir = section
        .path(
            key("cache_dir", "A directory for the API's last good answer, made if absent: it is used in an outage."),
            "path of a directory",
        )
        .optional("the last good answer is forgotten when the host ends");
    let ca_file = read_ca_file(section);
    let origin = match (file, url) {
        (Some(path), None) => StreamsOrigin::File(path),
        (None, Some(url)) => StreamsOrigin::Api { url, host },
        (None, None) => {
            if !section.has("file") && !section.has("url") {
                section.mistake(
                    "file",
                    "it is not said where the streams are declared",
                    "add `file: ...` or `url: ...`",
                );
            }
            return None;
        }
        (Some(_), Some(_)) => {
            section.mistake("url", "there is a `file` too", "remove one of the two");
            return None;
        }
    };
    Some(StreamsSource { origin, refresh, deadline, cache_dir, ca_file })
}

/// Reads the declarations that `source` names. Without them the mistake is told, and the file is read on as if there were
/// none to be had.
pub(super) fn open(section: &Section<'_>, source: StreamsSource) -> Option<Arc<Streams>> {
    let (key, origin) = match &source.origin {
        StreamsOrigin::File(path) => ("file", Some(path.clone())),
        StreamsOrigin::Api { .. } => ("url", None),
    };
    let opened = match wait_for(Streams::open(source)) {
        Ok(opened) => opened,
        Err(error) => Err(StreamsReadError::Client(format!("{error:#}"))),
    };
    match (opened, origin) {
        (Ok(streams), origin) => {
            let config = streams.current();
            // What others declare to the API is theirs to correct; the streams that pipelines use are looked at there.
            if let Some(path) = &origin {
                config.contested_topics().iter().for_each(|topic| contested(section, path, topic));
            }
            Some(Arc::new(streams))
        }
        (Err(StreamsReadError::Content(StreamsError::Wrong(list))), Some(path)) => {
            list.iter().for_each(|mistake| section.desk.mistake_elsewhere(of_stream(&path, mistake)));
            None
        }
        (Err(StreamsReadError::Content(error)), Some(path)) => {
            let line = if let StreamsError::Json { line, .. } = &error { *line } else { 0 };
            let problem = match &error {
                StreamsError::Json { error, .. } => error.to_string(),
                other => other.to_string(),
            };
            let remedy = "correct the file; `jq . FILE` shows whether it is JSON";
            section.desk.mistake_elsewhere(in_file(&path, line, "", problem, remedy));
            None
        }
        (Err(error), _) => {
            let remedy = "correct it; once `cache_dir` is set, later starts can do without an answer";
            section.mistake_below(["streams", key], error.to_string(), remedy);
            None
        }
    }
}

/// A topic of several streams: told of those whose name it does not have, or else of the later ones.
fn contested(section: &Section<'_>, path: &Path, topic: &ContestedTopic<'_>) {
    let is_named_so = |stream: &&StreamSettings| topic.topic.ends_with(stream.name());
    let rightful = topic.streams.iter().copied().find(is_named_so).or(topic.streams.first().copied());
    let Some(rightful) = rightful else { return };
    for stream in topic.streams.iter().filter(|stream| stream.name() != rightful.name()) {
        let key = format!("streams.{}.topics", stream.name());
        let problem = format!("the topic `{}` is one of the stream `{}`", topic.topic, rightful.name());
        let remedy = "leave it to one of them: events of the one would be read as those of the other";
        section.desk.mistake_elsewhere(in_file(path, stream.line(), &key, problem, remedy));
    }
}

fn of_stream(path: &Path, mistake: &StreamMistake) -> Mistake {
    let StreamMistake { stream, key, line, problem, remedy } = mistake;
    let below = |name: &str| if name.is_empty() { String::new() } else { format!(".{name}") };
    let key = format!("streams{}{}", below(stream), below(key));
    in_file(path, *line, &key, problem.clone(), remedy)
}

fn in_file(path: &Path, line: usize, key: &str, problem: String, remedy: &str) -> Mistake {
    let position = super::Position { line, column: line.min(1) };
    let (key, remedy) = (key.to_owned(), remedy.to_owned());
    Mistake { file: Some(path.to_owned()), position, key, problem, remedy }
}

/// Reads `schemas`.
pub(super) fn read_schemas(section: &Section<'_>) -> SchemasConfig {
    const KIND: &str = "list of folders (paths or file:// addresses) and http(s):// addresses";
    let doc = "Where schemas are, in the order in which they are asked: what stands before `/title/version`.";
    let repositories = section.value(key("repositories", doc), KIND, |node| {
        let Value::List(items) = &node.value else { return Err(format!("expected {KIND}, found {}", node.describe())) };
        let read = |item| repository(&section.desk.folder, &text_of(item, KIND)?);
        let (good, wrong): (Vec<_>, Vec<_>) = items.iter().map(read).partition(Result::is_ok);
        let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
        match (wrong.is_empty(), good.is_empty()) {
            (false, _) => Err(wrong.join("; ")),
            (true, true) => Err("there is no repository".to_owned()),
            (true, false) => Ok(good.into_iter().flatten().collect()),
        }
    });
    let repositories = repositories.required();
    SchemasConfig {
        repositories,
        cache_dir: section
            .path(
                key("cache_dir", "A directory for schemas that came over HTTP, made if absent: versions never change."),
                "path of a directory",
            )
            .optional("they are fetched at every start"),
        deadline: read_deadline(section, "How long a repository may take for one answer."),
        ca_file: read_ca_file(section),
    }
}

fn read_deadline(section: &Section<'_>, doc: &'static str) -> Duration {
    section
        .duration(key("deadline", doc), Duration::from_millis(100)..=Duration::from_secs(120))
        .or(DEADLINE, show_duration(DEADLINE))
}

fn read_ca_file(section: &Section<'_>) -> Option<std::path::PathBuf> {
    section
        .file(key("ca_file", "Further authorities to trust for HTTPS, as PEM."))
        .optional("the system's authorities are trusted")
}

/// Reads one repository: a folder must be there, an address must be plain.
pub(crate) fn repository(folder: &Path, text: &str) -> Result<Repository, String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        let base = address(text).map_err(|expected| format!("{expected}, found `{}`", without_password(text)))?;
        return Ok(Repository::Http(base.trim_end_matches('/').to_owned()));
    }
    let path = text.strip_prefix("file://").unwrap_or(text);
    if path.contains("://") || path.is_empty() {
        return Err(format!("expected a folder, a file:// or an http(s):// address, found `{text}`"));
    }
    let path = folder.join(path.trim_end_matches('/'));
    if path.is_dir() { Ok(Repository::Folder(path)) } else { Err(format!("there is no folder {}", path.display())) }
}

/// What was written where an address may stand, without the password that may be in it, so that it can be shown.
pub(super) fn without_password(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else { return text.to_owned() };
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://...@{host}"),
        None if before.contains(':') => format!("...@{host}"),
        None => text.to_owned(),
    }
}

/// Checks an address of a document: nothing secret in it, because it is shown.
pub(super) fn address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or(text.strip_prefix("https://")).unwrap_or_default();
    let plain = !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['#', '@', ' ', '\\']);
    if plain {
        Ok(text.to_owned())
    } else {
        Err("expected http:// or https:// and a host, without a password".to_owned())
    }
}
