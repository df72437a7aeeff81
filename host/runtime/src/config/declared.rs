//! What a pipeline makes of its streams' declarations: topics, key fields and schema titles where it does not say them
//! itself, and mistakes where what it says does not fit.

use super::reader::{Section, nearest};
use millrace_platform::{DataCentre, ReadScope, StreamSettings, StreamsConfig, TopicsError};

/// Where a pipeline stands: what is declared, and in which data centre it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared<'a> {
    /// None: nothing is declared, so pipelines say everything themselves.
    pub(super) streams: Option<&'a StreamsConfig>,
    pub(super) here: Option<&'a DataCentre>,
    /// Whether a data centre was written that is none: what follows from that need not be told.
    pub(super) here_is_wrong: bool,
}

impl Declared<'_> {
    /// The declaration of the stream `name`, which the section's key `stream` names. None where there is none, and where
    /// what was written is no name.
    pub(super) fn stream(&self, section: &Section<'_>, stream: &Named) -> Option<StreamSettings> {
        let streams = self.streams.filter(|_| !stream.is_wrong)?;
        let name = &*stream.name;
        let found = streams.get(name);
        if found.is_none() && !name.is_empty() {
            let names: Vec<&str> = streams.names().collect();
            let remedy = match nearest(name, &names) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "declare it in the stream configuration, or correct the name".to_owned(),
            };
            section.mistake("stream", format!("no stream `{name}` is declared"), remedy);
        }
        found.filter(|stream| {
            if stream.is_pattern() {
                section.mistake("stream", format!("`{name}` stands for many streams"), "name one of them");
            }
            !stream.is_pattern()
        })
    }

    /// The topics of an input: `written`, else what is declared.
    pub(super) fn topics_read(
        &self,
        section: &Section<'_>,
        declared: Option<&StreamSettings>,
        written: Option<Vec<String>>,
        scope: ReadScope,
    ) -> Option<Vec<String>> {
        if let Some(written) = written {
            written.iter().for_each(|topic| self.belongs(section, declared, "topics", topic));
            return Some(written);
        }
        let declared = declared?;
        match declared.topics_read(self.here, scope) {
            Ok(topics) => {
                self.contested(section, declared, &topics);
                Some(topics)
            }
            Err(error) => {
                self.cannot_tell(section, declared, &error, "topics");
                Some(Vec::new())
            }
        }
    }

    /// The topic of an output: `written`, else what is declared.
    pub(super) fn topic_written(
        &self,
        section: &Section<'_>,
        declared: Option<&StreamSettings>,
        written: Option<String>,
    ) -> Option<String> {
        if let Some(written) = written {
            self.belongs(section, declared, "topic", &written);
            return Some(written);
        }
        let declared = declared?;
        match declared.topic_written(self.here) {
            Ok(topic) => {
                self.contested(section, declared, std::slice::from_ref(&topic));
                Some(topic)
            }
            Err(error) => {
                self.cannot_tell(section, declared, &error, "topic");
                None
            }
        }
    }

    /// A topic that another stream has is not this one's. One that nobody has is the operator's choice.
    fn belongs(&self, section: &Section<'_>, declared: Option<&StreamSettings>, key: &str, topic: &str) {
        let (Some(streams), Some(declared)) = (self.streams, declared) else { return };
        if declared.has_topic(topic) {
            return;
        }
        let owners: Vec<&str> = streams.owners_of_topic(topic).map(StreamSettings::name).collect();
        if !owners.is_empty() {
            let problem = format!("the topic `{topic}` belongs to the stream `{}`", owners.join("`, `"));
            let remedy = format!("those of `{}` are {}", declared.name(), declared.topics().join(", "));
            section.mistake(key, problem, remedy);
        }
    }

    /// Streams that are declared with a topic of another one.
    fn contested(&self, section: &Section<'_>, declared: &StreamSettings, topics: &[String]) {
        let Some(streams) = self.streams else { return };
        for topic in topics {
            let others = streams.iter().filter(|stream| !stream.is_pattern() && stream.name() != declared.name());
            if let Some(other) = others.into_iter().find(|other| other.topics().contains(topic)) {
                let problem = format!("its topic `{topic}` is declared as one of the stream `{}` too", other.name());
                section.mistake("stream", problem, "have the declaration corrected, or name the topics here");
            }
        }
    }

    fn cannot_tell(&self, section: &Section<'_>, declared: &StreamSettings, error: &TopicsError, key: &str) {
        if self.here_is_wrong {
            return;
        }
        let remedy = match error {
            TopicsError::DataCentreUnknown { .. } => format!("set `data_centre`, or name `{key}` here"),
            TopicsError::NoneOfDataCentre { .. } | TopicsError::Several { .. } => format!("name `{key}` here"),
            TopicsError::Pattern => "name one of the streams".to_owned(),
        };
        section.mistake("stream", format!("the {key} of `{}` cannot be told: {error}", declared.name()), remedy);
    }

    /// The title of the stream's schemas is `title`, where it is declared.
    pub(super) fn title_fits(&self, section: &Section<'_>, declared: Option<&StreamSettings>, key: &str, title: &str) {
        let Some(declared) = declared else { return };
        match declared.schema_title() {
            Some(expected) if expected == title => {}
            Some(expected) if key == "stream" => {
                let problem = format!("events of `{}` are of the schema `{expected}`, not `{title}`", declared.name());
                section.mistake(key, problem, "name a stream that is declared for them");
            }
            Some(expected) => {
                let problem = format!("`{title}` is another schema than the stream's, whose title is `{expected}`");
                section.mistake(key, problem, "name the stream's schema, or another stream");
            }
            None => {
                let problem = format!("the stream `{}` is declared without a schema", declared.name());
                section.mistake("stream", problem, format!("add `\"schema_title\": \"{title}\"` to its declaration"));
            }
        }
    }
}

/// The name of a stream, as a section says it.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    /// What was written was no name, and this one stands in.
    pub(super) is_wrong: bool,
}

/// The declared key fields, as names with JSON Pointers.
pub(super) fn key_fields(declared: &StreamSettings) -> Vec<(String, String)> {
    let field = |field: &millrace_platform::KeyField| (field.name.clone(), field.pointer.as_str().to_owned());
    declared.message_key_fields().iter().map(field).collect()
}
