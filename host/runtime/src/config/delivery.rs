//! `pipelines[].delivery` and what belongs to it.

use super::pipeline::{DeliveryConfig, topic_name};
use super::reader::{Section, key};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    AtLeastOnce,
    ExactlyOnce,
}

const WORDS: &[(&str, Word)] = &[("at_least_once", Word::AtLeastOnce), ("exactly_once", Word::ExactlyOnce)];

/// The topic of progress records where none is named. Its keys name their pipelines, so that many can share it.
const PROGRESS_TOPIC: &str = "millrace.progress";

/// Reads `delivery` and `progress_topic`. Exactly-once needs Kafka at both ends, and all outputs in it.
pub(super) fn read(section: &Section<'_>, is_brokerless: bool, is_posted: bool) -> DeliveryConfig {
    let doc = "What is promised about outputs: `exactly_once` holds for readers of committed records, and repeats nothing \
               after a crash.";
    let word = section.word(key("delivery", doc), WORDS).or(Word::AtLeastOnce, "at_least_once");
    let topic_doc = "The topic that keeps progress in exactly-once, on the cluster that is written. Compacted; many \
                     pipelines may share it.";
    let topic = section
        .parsed(key("progress_topic", topic_doc), "name of a topic", topic_name)
        .or(PROGRESS_TOPIC.to_owned(), PROGRESS_TOPIC);
    if word == Word::AtLeastOnce {
        if section.has("progress_topic") {
            let problem = "this key means something with `delivery: exactly_once` only";
            section.mistake("progress_topic", problem, "remove it, or promise exactly-once");
        }
        return DeliveryConfig::AtLeastOnce;
    }
    let remedy = "promise `at_least_once`: ids are the same after a repeat, so readers can leave out what they know";
    if is_brokerless {
        section.mistake("delivery", "exactly-once needs Kafka at both ends", remedy);
    }
    if is_posted {
        let problem = "exactly-once needs all outputs in Kafka, and these go to `event_service`";
        section.mistake("delivery", problem, remedy);
    }
    DeliveryConfig::ExactlyOnce { progress_topic: topic }
}
