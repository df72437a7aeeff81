//! The platform's own stream configuration, where it lies beside this repository. A clone without it says so.

use millrace_platform::{DataCentre, ReadScope, StreamsConfig};
use serde_json::Value;

/// These list topics that are not named after the stream: the names were there first.
const NAMED_OTHERWISE: [&str; 9] = [
    "webrequest.frontend.text.v1",
    "rdf-streaming-updater.mutation.v2",
    "rdf-streaming-updater.mutation-main.v2",
    "rdf-streaming-updater.mutation-scholarly.v2",
    "rdf-streaming-updater.mutation-staging.v2",
    "rdf-streaming-updater.mutation-main-staging.v2",
    "rdf-streaming-updater.mutation-scholarly-staging.v2",
    "mediainfo-streaming-updater.mutation.v2",
    "mediainfo-streaming-updater.mutation-staging.v2",
];

#[expect(clippy::print_stderr, reason = "whoever runs the test is to see that it checked nothing")]
fn real() -> Option<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/stream-config/streamconfigs_default_all_settings.json"
    );
    match std::fs::read(path) {
        Ok(text) => Some(serde_json::from_slice(&text).unwrap()),
        Err(error) => {
            eprintln!("not checked, because the real stream configuration is not beside this repository: {error}");
            None
        }
    }
}

#[test]
fn the_real_configuration_is_read() {
    let Some(real) = real() else { return };
    let config = StreamsConfig::parse(real.to_string().as_bytes()).unwrap();
    let count = |is: fn(&millrace_platform::StreamSettings) -> bool| config.iter().filter(|stream| is(stream)).count();
    assert_eq!(config.len(), 243);
    assert_eq!(count(|stream| !stream.message_key_fields().is_empty()), 19);
    assert_eq!(count(|stream| !stream.canary_events_enabled()), 27);
    assert_eq!(count(|stream| stream.topic_prefixes().is_empty()), 44);
    assert_eq!(count(|stream| stream.is_pattern()), 2);
    assert_eq!(count(|stream| stream.destination_event_service() == Some("eventgate-main")), 64);
    assert_eq!(count(|stream| stream.schema_title().is_none()), 0);
    assert!(config.contested_topics().is_empty());
    let job = config.get("mediawiki.job.refreshLinks").unwrap();
    assert_eq!(job.topics(), ["eqiad.mediawiki.job.refreshLinks", "codfw.mediawiki.job.refreshLinks"]);
    let owners: Vec<&str> =
        config.owners_of_topic("eqiad.mediawiki.page_change.v1").map(|stream| stream.name()).collect();
    assert_eq!(owners, ["mediawiki.page_change.v1"]);
}

#[test]
fn topics_taken_away_are_made_again_from_the_prefixes() {
    let Some(mut real) = real() else { return };
    let streams = real["streams"].as_object_mut().unwrap();
    let given: Vec<(String, Value)> = streams
        .iter_mut()
        .map(|(name, settings)| (name.clone(), settings.as_object_mut().unwrap().remove("topics").unwrap()))
        .collect();
    let config = StreamsConfig::parse(real.to_string().as_bytes()).unwrap();
    let differs = |(name, topics): &&(String, Value)| {
        let made = config.iter().find(|stream| stream.name() == name).unwrap().topics();
        serde_json::to_value(made).unwrap() != *topics
    };
    let mut otherwise: Vec<&str> = given.iter().filter(differs).map(|(name, _)| name.as_str()).collect();
    otherwise.sort_unstable();
    let mut expected = NAMED_OTHERWISE;
    expected.sort_unstable();
    assert_eq!(otherwise, expected);
}

#[test]
fn every_real_stream_has_topics_for_a_host_in_each_data_centre() {
    let Some(real) = real() else { return };
    let config = StreamsConfig::parse(real.to_string().as_bytes()).unwrap();
    for name in ["eqiad", "codfw"] {
        let here = DataCentre::parse(name).unwrap();
        for stream in config.iter().filter(|stream| !stream.is_pattern()) {
            let own = stream.topics_read(Some(&here), ReadScope::Own).unwrap();
            let written = stream.topic_written(Some(&here)).unwrap();
            assert_eq!(own, [written.as_str()], "{}", stream.name());
            assert!(written.starts_with(&here.prefix()) || stream.topics() == [written]);
        }
    }
}
