//! Reads the configuration through the one document type, because the order of key fields is part of it, and every
//! value knows its line.

use super::pattern::Pattern;
use super::{StreamMistake, StreamSettings, StreamsConfig, StreamsError, TOPIC_PREFIXES, topics};
use crate::document::{DecodeError, DecodeLimits, Document, Kind, Value};
use crate::key::KeyField;
use crate::pointer::Pointer;
use bytes::Bytes;
use serde_json::Value as Json;

pub(super) fn parse(text: &[u8]) -> Result<(StreamsConfig, Vec<StreamMistake>), StreamsError> {
    let document = Document::parse(Bytes::copy_from_slice(text), &DecodeLimits::default()).map_err(|error| {
        let line = line_of(text, offset_of(&error));
        StreamsError::Json { line, error }
    })?;
    let root = document.root();
    let Some(streams) = root.get("streams") else { return Err(without_streams(root)) };
    let mut reader = Reader { text, mistakes: Vec::new(), stream: String::new(), is_wrong: false };
    let default = root.get("default");
    if let Some(default) = default.filter(|value| value.kind() != Kind::Object) {
        reader.mistake("default", default, expected("an object of settings", default), "write settings in it");
    }
    // PHP writes an empty object as an empty list.
    let is_empty_list = streams.kind() == Kind::Array && streams.elements().next().is_none();
    if streams.kind() != Kind::Object && !is_empty_list {
        return Err(StreamsError::NoStreams);
    }
    let mut read = Vec::new();
    for (name, settings) in streams.members() {
        reader.stream = name.text().into_owned();
        reader.is_wrong = false;
        let stream = reader.stream(settings, default);
        read.extend(stream.filter(|_| !reader.is_wrong));
    }
    Ok((StreamsConfig::of(read), reader.mistakes))
}

fn without_streams(root: Value<'_>) -> StreamsError {
    /// Enough to know what it is about.
    const SAID_CHARS_MAX: usize = 200;
    let info = root.get("error").and_then(|error| error.get("info").or(Some(error)));
    let Some(info) = info else { return StreamsError::NoStreams };
    let said = info.as_str().map_or_else(|| format!("{info:?}"), std::borrow::Cow::into_owned);
    StreamsError::Answer { said: said.chars().take(SAID_CHARS_MAX).collect() }
}

/// Collects what is wrong while it reads on.
struct Reader<'t> {
    text: &'t [u8],
    mistakes: Vec<StreamMistake>,
    /// The stream that is being read.
    stream: String,
    /// Whether it has a mistake.
    is_wrong: bool,
}

/// A setting with where it stands: in the stream or, if not there, in the defaults.
#[derive(Clone, Copy)]
struct Settings<'a> {
    own: Value<'a>,
    default: Option<Value<'a>>,
}

impl<'a> Settings<'a> {
    /// A setting that was written, be it as null.
    fn get(self, key: &str) -> Option<Value<'a>> {
        self.own.get(key).or_else(|| self.default?.get(key))
    }
}

impl Reader<'_> {
    fn mistake(&mut self, key: &str, at: Value<'_>, problem: String, remedy: &str) {
        self.is_wrong = true;
        let line = line_of(self.text, at.offset().unwrap_or(0));
        let (stream, key) = (self.stream.clone(), key.to_owned());
        self.mistakes.push(StreamMistake { stream, key, line, problem, remedy: remedy.to_owned() });
    }

    fn stream(&mut self, own: Value<'_>, default: Option<Value<'_>>) -> Option<StreamSettings> {
        if own.kind() != Kind::Object {
            self.mistake("", own, expected("an object of settings", own), "write the stream's settings in it");
            return None;
        }
        let name = self.stream.clone();
        let settings = Settings { own, default };
        let pattern = self.pattern_of_name(&name, own);
        self.same_name(&name, own);
        let topic_prefixes = self.topic_prefixes(settings);
        let topics = match self.listed_topics(settings, pattern.is_some()) {
            Some(listed) => listed,
            None => match &pattern {
                Some(pattern) => vec![pattern.behind(&topic_prefixes)],
                None => topics::of_name(&name, &topic_prefixes),
            },
        };
        let topic_patterns = if pattern.is_some() { self.topic_patterns(&topics, own) } else { Vec::new() };
        Some(StreamSettings {
            pattern,
            topics,
            topic_patterns,
            topic_prefixes,
            message_key_fields: self.key_fields(settings),
            canary_events_enabled: self.flag(settings, "canary_events_enabled"),
            schema_title: self.title(settings),
            destination_event_service: self.text(settings, "destination_event_service"),
            raw: merged(own, default),
            line: line_of(self.text, own.offset().unwrap_or(0)),
            name,
        })
    }

    fn pattern_of_name(&mut self, name: &str, own: Value<'_>) -> Option<Pattern> {
        if Pattern::is_meant(name) {
            let remedy = "correct the expression, as in `/^mediawiki\\.job\\..+/`";
            return Pattern::parse(name).map_err(|problem| self.mistake("", own, problem, remedy)).ok();
        }
        if !is_topic(name) {
            let problem = "a stream's name has letters, digits, `_`, `-` and `.` only, 249 at most".to_owned();
            self.mistake("", own, problem, "rename it; topics are named after it");
        }
        None
    }

    fn same_name(&mut self, name: &str, own: Value<'_>) {
        let Some(written) = own.get("stream") else { return };
        if written.as_str().as_deref() != Some(name) {
            let problem = format!("it says {written:?}, and the stream stands under `{name}`");
            self.mistake("stream", written, problem, "write the same name at both places");
        }
    }

    /// Absent: the platform's; null or empty: none.
    fn topic_prefixes(&mut self, settings: Settings<'_>) -> Vec<String> {
        const KEY: &str = "topic_prefixes";
        match settings.get(KEY) {
            None => TOPIC_PREFIXES.iter().map(|prefix| (*prefix).to_owned()).collect(),
            Some(value) if value.kind() == Kind::Null => Vec::new(),
            Some(value) => self.texts(KEY, value, is_topic, "the beginning of a topic's name, like `eqiad.`"),
        }
    }

    /// Absent, null or empty: none are listed.
    fn listed_topics(&mut self, settings: Settings<'_>, is_pattern: bool) -> Option<Vec<String>> {
        const KEY: &str = "topics";
        // Topics are of one stream: those among the defaults would be of all.
        let value = settings.own.get(KEY).filter(|value| value.kind() != Kind::Null)?;
        let is_known = |text: &str| is_topic(text) || (is_pattern && Pattern::is_meant(text));
        let topics = self.texts(KEY, value, is_known, "the name of a topic");
        Some(topics).filter(|topics| !topics.is_empty())
    }

    fn topic_patterns(&mut self, topics: &[String], own: Value<'_>) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for topic in topics.iter().filter(|topic| Pattern::is_meant(topic)) {
            match Pattern::parse(topic) {
                Ok(pattern) => patterns.push(pattern),
                Err(problem) => {
                    self.mistake("topics", own.get("topics").unwrap_or(own), problem, "correct the expression");
                }
            }
        }
        patterns
    }

    fn key_fields(&mut self, settings: Settings<'_>) -> Vec<KeyField> {
        const KEY: &str = "message_key_fields";
        let Some(value) = settings.get(KEY) else { return Vec::new() };
        let is_empty = value.kind() == Kind::Null || value.kind() == Kind::Array && value.elements().next().is_none();
        if value.kind() != Kind::Object {
            if !is_empty {
                let problem = expected("an object of names, each with the path of a field", value);
                self.mistake(
                    KEY,
                    value,
                    problem,
                    "write it as in {\"wiki_id\": \"wiki_id\", \"page_id\": \"page.page_id\"}",
                );
            }
            return Vec::new();
        }
        let mut fields = Vec::new();
        for (name, path) in value.members() {
            let name = name.text().into_owned();
            let pointer = path
                .as_str()
                .filter(|path| path.split('.').all(|step| !step.is_empty()))
                .and_then(|path| Pointer::of_keys(path.split('.')).ok());
            match pointer {
                Some(pointer) => fields.push(KeyField { name, pointer }),
                None => {
                    let problem = expected("the path of a field", path);
                    self.mistake(
                        &format!("{KEY}.{name}"),
                        path,
                        problem,
                        "write names with dots between them, like `page.page_id`",
                    );
                }
            }
        }
        fields
    }

    fn flag(&mut self, settings: Settings<'_>, key: &str) -> bool {
        let Some(value) = settings.get(key).filter(|value| value.kind() != Kind::Null) else { return false };
        value.as_bool().unwrap_or_else(|| {
            self.mistake(key, value, expected("true or false", value), "write one of the two, without quotes");
            false
        })
    }

    fn text(&mut self, settings: Settings<'_>, key: &str) -> Option<String> {
        let value = settings.get(key).filter(|value| value.kind() != Kind::Null)?;
        let text = value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.mistake(key, value, expected("a text", value), "correct it, or remove the setting");
        }
        text.map(std::borrow::Cow::into_owned)
    }

    fn title(&mut self, settings: Settings<'_>) -> Option<String> {
        const KEY: &str = "schema_title";
        let title = self.text(settings, KEY)?;
        let is_path = title.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        if !is_path && let Some(value) = settings.get(KEY) {
            let problem = expected("the title of a schema", value);
            self.mistake(
                KEY,
                value,
                problem,
                "write the schema's path without version or slash in front, like `mediawiki/page/change`",
            );
        }
        Some(title)
    }

    /// A list of texts, each of which `is_known`.
    fn texts(&mut self, key: &str, value: Value<'_>, is_known: impl Fn(&str) -> bool, what: &str) -> Vec<String> {
        if value.kind() != Kind::Array {
            self.mistake(key, value, expected("a list", value), "write it as a list, even of one");
        }
        let mut texts = Vec::new();
        for item in value.elements() {
            match item.as_str().filter(|text| is_known(text)) {
                Some(text) => texts.push(text.into_owned()),
                None => self.mistake(key, item, expected(what, item), "correct it, or remove it from the list"),
            }
        }
        texts
    }
}

/// Whether it could be the name of a topic, by Kafka's rule.
fn is_topic(text: &str) -> bool {
    /// Kafka's own bound.
    const TOPIC_CHARS_MAX: usize = 249;
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !matches!(text, "" | "." | "..") && text.len() <= TOPIC_CHARS_MAX && text.chars().all(letter)
}

fn expected(what: &str, found: Value<'_>) -> String {
    /// Longer values are cut: the line is told.
    const SHOWN_CHARS_MAX: usize = 60;
    let text = format!("{found:?}");
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("expected {what}, found {shown}")
}

/// The stream's settings over the defaults: objects are merged, anything else is replaced.
fn merged(own: Value<'_>, default: Option<Value<'_>>) -> Json {
    let read = |value: Value<'_>| serde_json::from_slice(&value.raw()).unwrap_or(Json::Null);
    let mut all = default.map_or(Json::Null, read);
    merge(&mut all, read(own));
    all
}

fn merge(under: &mut Json, over: Json) {
    match (under, over) {
        (Json::Object(under), Json::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Json::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

fn offset_of(error: &DecodeError) -> usize {
    match error {
        DecodeError::NotUtf8 { offset }
        | DecodeError::Syntax { offset, .. }
        | DecodeError::Control { offset }
        | DecodeError::Escape { offset }
        | DecodeError::Surrogate { offset }
        | DecodeError::DuplicateKey { offset, .. }
        | DecodeError::TooDeep { offset, .. } => *offset,
        DecodeError::TooLarge { .. } | DecodeError::ByteOrderMark | DecodeError::NotObject | DecodeError::Blob(_) => 0,
    }
}

/// The line of a byte, from 1.
fn line_of(text: &[u8], offset: usize) -> usize {
    1 + memchr::memchr_iter(b'\n', text.get(..offset).unwrap_or(text)).count()
}
