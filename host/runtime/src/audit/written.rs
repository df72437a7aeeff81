//! What a pipeline writes, and whether one record of it is what it should be: valid against its schema, and with the
//! `meta.id` that its cause gives. One record at a time; what several say together is the judge's business.

use crate::config::PipelineConfig;
use crate::registry::{SchemaLookupError, Schemas};
use anyhow::Context as _;
use millrace_flow::record::{Record, TopicPartition};
use millrace_platform::{
    Cause, DecodeLimits, Document, ERROR_SCHEMA_URI, Origin, Part, Provenance, Schema, SchemaUri, error_provenance,
    meta_id, output_provenance, timer_record,
};
use std::sync::Arc;

use super::evidence::Sort;

/// More than any topic takes: it was written, so it may be read.
const BYTES_MAX: usize = 64 << 20;

/// A stream that a topic carries.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its name: `meta.stream`.
    pub name: String,
    /// The title of its schema, in any version.
    pub title: String,
}

/// A topic that the pipeline writes.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Outputs or error events.
    pub sort: Sort,
    /// The streams that it carries. Never empty.
    pub streams: Vec<Stream>,
}

/// The topics that the pipeline writes: those of its outputs, then that of its error events.
///
/// # Errors
/// The URI of an output's schema is none.
pub fn topics(pipeline: &PipelineConfig) -> anyhow::Result<Vec<Topic>> {
    let mut topics: Vec<Topic> = Vec::new();
    for (name, output) in &pipeline.outputs {
        let title = title(&output.schema).with_context(|| format!("the schema of the output `{name}`"))?;
        let stream = Stream { name: output.stream.clone(), title };
        match topics.iter_mut().find(|topic| topic.name == output.topic) {
            Some(topic) => topic.streams.push(stream),
            None => topics.push(Topic { name: output.topic.clone(), sort: Sort::Output, streams: vec![stream] }),
        }
    }
    let errors = Stream { name: pipeline.errors.stream.clone(), title: title(ERROR_SCHEMA_URI)? };
    topics.push(Topic { name: pipeline.errors.topic.clone(), sort: Sort::Error, streams: vec![errors] });
    Ok(topics)
}

fn title(uri: &str) -> anyhow::Result<String> {
    Ok(SchemaUri::parse(uri)?.title().to_owned())
}

/// Whose record it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose<'r> {
    /// The pipeline's: a result of this event.
    Ours(Provenance<'r>),
    /// Somebody else's.
    Others,
    /// It says that a host wrote it, and is not as a host writes it.
    Damaged(String),
}

/// Whose this record of `topic` is, by its headers and, for an error event, by who says that it failed.
pub fn whose<'r>(topic: &Topic, record: &'r Record, document: Option<&Document>, pipeline: &str) -> Whose<'r> {
    let read = match topic.sort {
        Sort::Output => output_provenance(&record.headers),
        Sort::Error => {
            let emitter = document.and_then(|document| document.root().get("emitter_id"));
            if emitter.and_then(|emitter| emitter.as_str()).is_some_and(|emitter| emitter != pipeline) {
                return Whose::Others;
            }
            error_provenance(&record.headers)
        }
    };
    match read {
        Ok(Some(provenance)) => Whose::Ours(provenance),
        Ok(None) => Whose::Others,
        Err(error) => Whose::Damaged(error.to_string()),
    }
}

/// The document of a record; none: a tombstone.
///
/// # Errors
/// It is no JSON object.
pub fn document(record: &Record) -> Result<Option<Document>, String> {
    let limits = DecodeLimits { bytes_max: BYTES_MAX, ..DecodeLimits::default() };
    let parsed = record.value.clone().map(|value| Document::parse(value, &limits)).transpose();
    parsed.map_err(|error| format!("it is no event: {error}"))
}

/// Why a result is not valid.
#[derive(Debug)]
pub enum Judged {
    /// It is.
    Valid,
    /// What is wrong with it.
    Invalid(String),
}

/// What a result is judged by.
pub struct Validator<'a> {
    /// The pipeline.
    pub pipeline: &'a str,
    /// The schemas.
    pub schemas: &'a Schemas,
    /// Where schemas are read.
    pub runtime: &'a tokio::runtime::Runtime,
}

impl Validator<'_> {
    /// Judges a result of `topic` by its schema and its cause. `timestamp_ms` is that of its event's record; that of a timer
    /// has none.
    ///
    /// # Errors
    /// A schema cannot be read now, which is nobody's fault here.
    pub fn judge(
        &self,
        topic: &Topic,
        document: Option<&Document>,
        provenance: &Provenance<'_>,
        timestamp_ms: i64,
    ) -> anyhow::Result<Judged> {
        let Some(document) = document else {
            return Ok(match topic.sort {
                Sort::Output => Judged::Valid,
                Sort::Error => Judged::Invalid("an error event without a value".to_owned()),
            });
        };
        match self.look(topic, document, provenance, timestamp_ms) {
            Ok(()) => Ok(Judged::Valid),
            Err(Problem::Invalid(detail)) => Ok(Judged::Invalid(detail)),
            Err(Problem::Unread(error)) => Err(error.into()),
        }
    }

    fn look(
        &self,
        topic: &Topic,
        document: &Document,
        provenance: &Provenance<'_>,
        timestamp_ms: i64,
    ) -> Result<(), Problem> {
        let root = document.root();
        let meta = |name: &str| root.get("meta").and_then(|meta| meta.get(name)?.as_str());
        let said = meta("stream").unwrap_or_default();
        let stream = topic.streams.iter().find(|stream| stream.name == said);
        let stream = stream.ok_or_else(|| Problem::Invalid(format!("its `meta.stream` is {said:?}")))?;
        let expected = expected_id(self.pipeline, provenance, timestamp_ms, &stream.name);
        let id = meta("id").unwrap_or_default();
        if id != expected {
            return Err(Problem::Invalid(format!("its `meta.id` is {id:?}, and its source gives {expected:?}")));
        }
        let named = root.get("$schema").and_then(|uri| uri.as_str()).unwrap_or_default();
        let schema = self.schema(&named, &stream.title)?;
        schema.validate(document).map_err(|invalid| Problem::Invalid(format!("not valid against {named}: {invalid}")))
    }

    /// The schema that an event names: of its stream's title, in whichever version it was pinned to at that time.
    fn schema(&self, named: &str, title: &str) -> Result<Arc<Schema>, Problem> {
        let uri = SchemaUri::parse(named);
        let uri = uri.map_err(|error| Problem::Invalid(format!("its `$schema` is {named:?}: {error}")))?;
        if uri.title() != title {
            return Err(Problem::Invalid(format!("its `$schema` is {named}, and its stream's has the title {title}")));
        }
        self.runtime.block_on(self.schemas.get(&uri)).map_err(|error| match error {
            SchemaLookupError::Missing { .. } => Problem::Invalid(error.to_string()),
            SchemaLookupError::Unreachable { .. } | SchemaLookupError::Unusable { .. } => Problem::Unread(error),
        })
    }
}

enum Problem {
    Invalid(String),
    Unread(SchemaLookupError),
}

fn expected_id(pipeline: &str, provenance: &Provenance<'_>, timestamp_ms: i64, stream: &str) -> String {
    let Provenance { cluster_id, cause, part } = provenance;
    let (record, timer) = match cause {
        Cause::Timer(place, timer) => (timer_record(place, timer), Some(timer)),
        Cause::Event(at) => {
            let (source, offset) = (TopicPartition::clone(&at.partition), at.offset);
            (Record { source, offset, timestamp_ms, key: None, value: None, headers: Vec::new() }, None)
        }
    };
    let origin = Origin { pipeline, cluster_id, record: &record, plugin_digest: "", timer };
    meta_id(&origin, stream, Part::index(*part)).to_string()
}
