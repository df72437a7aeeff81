//! Stream configuration in the shape of the `streamconfigs` API: which topics, key fields and schema a stream has. Where
//! the configuration comes from, and when it is fetched again, is the runtime's business.

mod mistake;
mod parse;
mod pattern;
mod topics;

#[cfg(test)]
mod tests;

pub use mistake::{StreamMistake, StreamsError};
pub use topics::{DataCentre, ReadScope, TopicsError};

use crate::key::KeyField;
use pattern::Pattern;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// The prefixes that a stream's topics have where it does not say: the platform's two data centres.
pub const TOPIC_PREFIXES: [&str; 2] = ["eqiad.", "codfw."];

/// The configuration of many streams, checked. No two have the same name.
#[derive(Clone, Debug, Default)]
pub struct StreamsConfig {
    /// In the order of the source.
    streams: Vec<StreamSettings>,
    /// Where a name stands in `streams`.
    places: FxHashMap<String, usize>,
}

/// What is configured of one stream.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    name: String,
    line: usize,
    /// A stream whose name is a regular expression stands for all streams that it matches.
    pattern: Option<Pattern>,
    topics: Vec<String>,
    /// Those of `topics` that are regular expressions, which only a stream with a pattern has.
    topic_patterns: Vec<Pattern>,
    topic_prefixes: Vec<String>,
    message_key_fields: Vec<KeyField>,
    canary_events_enabled: bool,
    schema_title: Option<String>,
    destination_event_service: Option<String>,
    raw: serde_json::Value,
}

impl StreamsConfig {
    /// Reads `{"streams": {"<name>": {...}}}`, JSON. Settings that this program does not know are kept as they are:
    /// other services put theirs there. A `default` beside `streams` is merged into every stream, object by object.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its stream and key.
    pub fn parse(text: &[u8]) -> Result<Self, StreamsError> {
        let (config, mistakes) = Self::parse_usable(text)?;
        if mistakes.is_empty() { Ok(config) } else { Err(StreamsError::Wrong(mistakes)) }
    }

    /// The same for a source that many others write to: a stream with a mistake is left out and its mistakes are
    /// returned, so that one of no concern here keeps nobody from working.
    ///
    /// # Errors
    /// The text as a whole is no such configuration.
    pub fn parse_usable(text: &[u8]) -> Result<(Self, Vec<StreamMistake>), StreamsError> {
        parse::parse(text)
    }

    fn of(streams: Vec<StreamSettings>) -> Self {
        let places = streams.iter().enumerate().map(|(place, stream)| (stream.name.clone(), place)).collect();
        Self { streams, places }
    }

    /// The stream called `name`: the one that is configured by this name, else the first whose pattern matches, made the
    /// stream of this name.
    pub fn get(&self, name: &str) -> Option<StreamSettings> {
        if let Some(stream) = self.places.get(name).and_then(|place| self.streams.get(*place)) {
            return Some(stream.clone());
        }
        self.streams.iter().find_map(|stream| stream.instantiated(name))
    }

    /// All names, patterns among them, in the order of the source.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.streams.iter().map(StreamSettings::name)
    }

    /// All streams in the order of the source.
    pub fn iter(&self) -> impl Iterator<Item = &StreamSettings> {
        self.streams.iter()
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The streams that have this topic. More than one is a mistake of who configured them.
    pub fn owners_of_topic<'s>(&'s self, topic: &'s str) -> impl Iterator<Item = &'s StreamSettings> {
        self.streams.iter().filter(move |stream| stream.has_topic(topic))
    }

    /// Topics that several streams have: events of the one would be read as those of the other. What a pattern matches
    /// beside a name is no such thing: the name comes first.
    pub fn contested_topics(&self) -> Vec<ContestedTopic<'_>> {
        let mut owners: BTreeMap<&str, Vec<&StreamSettings>> = BTreeMap::new();
        for stream in self.streams.iter().filter(|stream| !stream.is_pattern()) {
            for topic in &stream.topics {
                owners.entry(topic).or_default().push(stream);
            }
        }
        let contested = owners.into_iter().filter(|(_, streams)| streams.len() > 1);
        contested.map(|(topic, streams)| ContestedTopic { topic, streams }).collect()
    }
}

/// A topic that several streams have.
#[derive(Clone, Debug)]
pub struct ContestedTopic<'s> {
    /// The topic.
    pub topic: &'s str,
    /// The streams, two at least, in the order of the source.
    pub streams: Vec<&'s StreamSettings>,
}

impl StreamSettings {
    /// Its name; `/.../` for a pattern.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The line of the source where its settings begin, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whether it stands for all streams that its name, a regular expression, matches.
    pub fn is_pattern(&self) -> bool {
        self.pattern.is_some()
    }

    /// Its topics: those that were listed, else its name behind each prefix. A pattern's topics are patterns.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Whether `topic` is one of its topics.
    pub fn has_topic(&self, topic: &str) -> bool {
        self.topics.iter().any(|own| own == topic) || self.topic_patterns.iter().any(|pattern| pattern.matches(topic))
    }

    /// What stands before the name in a topic, one for each data centre. Empty: topics have no prefix.
    pub fn topic_prefixes(&self) -> &[String] {
        &self.topic_prefixes
    }

    /// The fields of the message key in their order. Empty: records without key.
    pub fn message_key_fields(&self) -> &[KeyField] {
        &self.message_key_fields
    }

    /// Whether canary events are produced to it. Where nothing is said, none are.
    pub fn canary_events_enabled(&self) -> bool {
        self.canary_events_enabled
    }

    /// The title that the schemas of its events have, like `mediawiki/page/change`.
    pub fn schema_title(&self) -> Option<&str> {
        self.schema_title.as_deref()
    }

    /// The service that events are sent to when they do not go to Kafka directly.
    pub fn destination_event_service(&self) -> Option<&str> {
        self.destination_event_service.as_deref()
    }

    /// All settings, known or not, with the defaults in them.
    pub fn raw(&self) -> &serde_json::Value {
        &self.raw
    }

    /// The stream `name` of this pattern; none if it is no pattern or does not match.
    fn instantiated(&self, name: &str) -> Option<Self> {
        let pattern = self.pattern.as_ref()?;
        if !pattern.matches(name) {
            return None;
        }
        let topics = topics::of_name(name, &self.topic_prefixes);
        let is_taken = |topic: &String| self.has_topic(topic);
        Some(Self {
            name: name.to_owned(),
            pattern: None,
            topics: topics.into_iter().filter(is_taken).collect(),
            topic_patterns: Vec::new(),
            ..self.clone()
        })
    }
}
