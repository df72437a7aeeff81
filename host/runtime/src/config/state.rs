//! `pipelines[].stores` and `pipelines[].state`: which stores a plugin is granted, and where they are kept.

use super::pipeline::{StateConfig, topic_name};
use super::quantity::{GIB, MIB, show_size};
use super::reader::{Section, key};

/// The most bytes of state of one partition where nothing is said: a host of 512 MiB bears one, and restores it in less
/// than a minute.
const STATE_BYTES: u64 = 256 * MIB;

/// Reads both sections. None: the pipeline keeps no state.
pub(super) fn read(section: &Section<'_>, pipeline: &str) -> Option<StateConfig> {
    let stores = section.named(
        key(
            "stores",
            "The stores of state by key that the plugin is granted, by name. Needs `delivery: exactly_once`.",
        ),
        |_, _| {},
    );
    let stores: Vec<String> = stores.into_iter().map(|(name, ())| name).collect();
    let state = section.defaults(key("state", "How state is kept, where there are stores."), |section| {
        let topic_doc = "The topic that state is kept in, on the cluster that is written. Compacted, of this pipeline \
                         alone, with as many partitions as each topic that is read.";
        let topic =
            section.parsed(key("topic", topic_doc), "name of a topic", topic_name).optional("millrace.<name>.state");
        let bytes_doc = "The most bytes of state of one partition, in memory. An event whose writes do not fit becomes \
                         an error event `state_full`.";
        let bytes_max = section.size(key("bytes", bytes_doc), MIB..=64 * GIB).or(STATE_BYTES, show_size(STATE_BYTES));
        StateConfig {
            stores: stores.clone(),
            topic: topic.unwrap_or_else(|| format!("millrace.{pipeline}.state")),
            bytes_max,
        }
    });
    if stores.is_empty() {
        if section.has("state") {
            let problem = "this section means something with `stores` only";
            section.mistake("state", problem, "remove it, or grant the plugin its stores");
        }
        return None;
    }
    Some(state)
}
