//! What makes a record of an event that came without one: its topic, and so its input, and its key.

use crate::config::PipelineConfig;
use millrace_platform::{Document, KeyField, StreamsConfig, Value, build_key};
use std::sync::Arc;

/// The inputs of a pipeline, by what events say of themselves.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    inputs: Vec<RoutedInput>,
}

#[derive(Clone, Debug)]
struct RoutedInput {
    stream: String,
    topics: Vec<Arc<str>>,
    key_fields: Vec<KeyField>,
}

/// Where an event says that it lay in Kafka: `meta.topic`, `meta.partition` and `meta.offset`, as EventStreams adds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coordinates {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// What is known of an event beside its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Routed {
    /// The topic: its own, if it is one of an input's, else the first of the input that takes its stream.
    pub(super) topic: Arc<str>,
    /// Its place in that topic, where it is its own.
    pub(super) coordinates: Option<Coordinates>,
    /// The key; none where no key fields are known.
    pub(super) key: Option<Vec<u8>>,
    /// When it was born, in milliseconds.
    pub(super) born_ms: Option<i64>,
}

impl Routes {
    /// The routes of a pipeline's inputs; `streams` says which fields are keys.
    pub(super) fn new(pipeline: &PipelineConfig, streams: Option<&StreamsConfig>) -> Self {
        let inputs = pipeline.inputs.values().map(|input| RoutedInput {
            stream: input.stream.clone(),
            topics: input.topics.iter().map(|topic| Arc::from(topic.as_str())).collect(),
            key_fields: streams
                .and_then(|streams| streams.get(&input.stream))
                .map(|settings| settings.message_key_fields().to_vec())
                .unwrap_or_default(),
        });
        Self { inputs: inputs.collect() }
    }

    /// What an event is. One that is no JSON goes to the first input, where it becomes an error event.
    ///
    /// # Errors
    /// No input takes it, with what to do.
    pub(super) fn route(&self, event: Option<&Document>) -> Result<Routed, String> {
        let root = event.map(Document::root);
        let meta = root.and_then(|root| root.get("meta"));
        let text = |key: &str| meta.and_then(|meta| meta.get(key)).and_then(Value::as_str);
        let own = text("topic");
        let of_topic =
            |input: &&RoutedInput| own.as_deref().is_some_and(|own| input.topics.iter().any(|topic| **topic == *own));
        let stream = text("stream");
        let input = match self.inputs.iter().find(of_topic) {
            Some(input) => input,
            None => match self.inputs.as_slice() {
                [only] => only,
                inputs => {
                    let of_stream = |input: &&RoutedInput| stream.as_deref() == Some(input.stream.as_str());
                    let first = inputs.first().filter(|_| event.is_none());
                    first.or_else(|| inputs.iter().find(of_stream)).ok_or_else(|| {
                        let streams: Vec<&str> = inputs.iter().map(|input| input.stream.as_str()).collect();
                        let named = stream.as_deref().unwrap_or("nothing");
                        format!("`meta.stream` is {named}, and the inputs take {}", streams.join(", "))
                    })?
                }
            },
        };
        let number = |key: &str| meta.and_then(|meta| meta.get(key)).and_then(Value::as_i64);
        let topic = input.topics.iter().find(|topic| own.as_deref() == Some(topic));
        let place = || {
            let partition = i32::try_from(number("partition")?).ok().filter(|partition| *partition >= 0)?;
            Some(Coordinates { partition, offset: number("offset").filter(|offset| *offset >= 0)? })
        };
        let declared = event.filter(|_| !input.key_fields.is_empty());
        let key = match declared.map(|event| build_key(event, &input.key_fields)) {
            Some(Ok(key)) => Some(key),
            // An event without its key fields is the plugin's to judge, as it would be with Kafka.
            Some(Err(_)) | None => meta.and_then(|meta| meta.get("key")).map(|key| key.raw().into_owned()),
        };
        Ok(Routed {
            coordinates: topic.and_then(|_own| place()),
            topic: topic.or(input.topics.first()).cloned().ok_or("an input has no topic")?,
            key,
            born_ms: event.and_then(|event| event.facts().born_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millrace_platform::{DecodeLimits, Pointer};

    fn input(stream: &str, topics: &[&str]) -> RoutedInput {
        let key_fields = vec![KeyField { name: "id".into(), pointer: Pointer::parse("/page/id").unwrap() }];
        RoutedInput {
            stream: stream.into(),
            topics: topics.iter().map(|topic| Arc::from(*topic)).collect(),
            key_fields,
        }
    }

    fn one() -> Routes {
        Routes { inputs: vec![input("a.v1", &["a.v1", "eqiad.a.v1"])] }
    }

    fn two() -> Routes {
        Routes { inputs: vec![input("a.v1", &["a.v1"]), input("b.v1", &["b.v1", "codfw.b.v1"])] }
    }

    /// Topic, partition and offset where they are known, key.
    type Expected<'e> = (&'e str, Option<(i32, i64)>, Option<&'e str>);

    #[track_caller]
    fn check(routes: &Routes, event: &'static str, expected: Result<Expected<'_>, &str>) {
        let document = Document::parse(Bytes::from_static(event.as_bytes()), &DecodeLimits::default()).ok();
        let routed = routes.route(document.as_ref());
        let routed = routed.map(|routed| {
            let place = routed.coordinates.map(|place| (place.partition, place.offset));
            (routed.topic.to_string(), place, routed.key.map(|key| String::from_utf8(key).unwrap()))
        });
        let found = routed.as_ref().map(|(topic, place, key)| (topic.as_str(), *place, key.as_deref()));
        assert_eq!(found.map_err(String::as_str), expected, "{event}");
    }

    #[test]
    fn an_event_keeps_its_place_in_a_topic_of_an_input() {
        let event = r#"{"meta":{"topic":"eqiad.a.v1","partition":0,"offset":7},"page":{"id":3}}"#;
        check(&one(), event, Ok(("eqiad.a.v1", Some((0, 7)), Some(r#"{"id":3}"#))));
        check(&one(), r#"{"meta":{"topic":"eqiad.a.v1","offset":-1}}"#, Ok(("eqiad.a.v1", None, None)));
        check(&one(), r#"{"meta":{"topic":"other","partition":0,"offset":7}}"#, Ok(("a.v1", None, None)));
    }

    #[test]
    fn the_only_input_takes_everything() {
        for event in ["{}", "[]", "{half", r#"{"meta":{"stream":"other"}}"#] {
            check(&one(), event, Ok(("a.v1", None, None)));
        }
    }

    #[test]
    fn several_inputs_go_by_the_stream() {
        check(&two(), r#"{"meta":{"stream":"b.v1"}}"#, Ok(("b.v1", None, None)));
        check(&two(), r#"{"meta":{"stream":"a.v1","topic":"codfw.b.v1"}}"#, Ok(("codfw.b.v1", None, None)));
        check(&two(), "{half", Ok(("a.v1", None, None)));
        let unknown = "`meta.stream` is c.v1, and the inputs take a.v1, b.v1";
        check(&two(), r#"{"meta":{"stream":"c.v1"}}"#, Err(unknown));
        check(&two(), "{}", Err("`meta.stream` is nothing, and the inputs take a.v1, b.v1"));
    }

    #[test]
    fn a_key_comes_from_the_key_fields_or_from_the_event() {
        check(&one(), r#"{"meta":{"key":{"id":9}}}"#, Ok(("a.v1", None, Some(r#"{"id":9}"#))));
        check(&one(), r#"{"meta":{"key":{"id":9}},"page":{"id":3}}"#, Ok(("a.v1", None, Some(r#"{"id":3}"#))));
    }
}
