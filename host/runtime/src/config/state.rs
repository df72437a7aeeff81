//! `state` of a pipeline: which stores its plugin may keep, where their changelog is, and how much they may hold.

use super::pipeline::topic_name;
use super::quantity::{GIB, MIB, show_size};
use super::reader::{Section, key};

/// What the state of one partition may hold where nothing else is said: some 200,000 counters. With the most partitions
/// that a host may own, that is 2 GiB.
pub(crate) const STATE_BYTES: u64 = 64 * MIB;

/// The state that a pipeline's plugin may keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// The stores, by the names that the plugin describes. Never empty.
    pub stores: Vec<String>,
    /// The topic of the changelog, in the cluster that is written.
    pub topic: String,
    /// The bytes that the state of one partition may have, bookkeeping included.
    pub partition_bytes_max: u64,
}

pub(super) fn read(section: &Section<'_>, pipeline: &str) -> StateConfig {
    let stores = section
        .texts(
            key("stores", "The stores that the plugin may keep, by the names in its `describe`."),
            STORES,
            store_name,
        )
        // Not empty: what is missing or wrong has been told.
        .required_or(vec![String::new()]);
    if stores.is_empty() {
        section.mistake("stores", "there is no store", "name at least one, or remove the section");
    }
    StateConfig {
        stores,
        topic: section
            .parsed(
                key(
                    "topic",
                    "The topic of the changelog, in the cluster that is written: compacted, with as many partitions as \
                     each input topic, and nobody else's.",
                ),
                "name of a topic",
                topic_name,
            )
            .or(format!("millrace.{pipeline}.state"), "millrace.<name>.state"),
        partition_bytes_max: section
            .size(
                key(
                    "partition_bytes",
                    "What the state of one partition may have; beyond it events become `state_full`.",
                ),
                MIB..=64 * GIB,
            )
            .or(STATE_BYTES, show_size(STATE_BYTES)),
    }
}

const STORES: &str = "list of stores";

/// Checks a store's name by the rule of `describe`.
fn store_name(text: &str) -> Result<(), String> {
    let is_first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_next = |c: char| is_first(c) || matches!(c, '.' | '_' | '-');
    let valid = text.starts_with(is_first) && text.len() <= 64 && text.chars().all(is_next);
    if valid {
        Ok(())
    } else {
        Err("expected 1 to 64 of a-z, 0-9, `.`, `_` and `-`, a letter or digit first".to_owned())
    }
}
