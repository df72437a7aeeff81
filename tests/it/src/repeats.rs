//! What came out, when some of it may have come out twice: no event is missing, repeats have equal ids, and without the
//! repeats the events of a page are in order.

use crate::{header, json};
use anyhow::{Context as _, ensure};
use millrace_flow::record::Record;
use serde_json::Value;
use std::collections::BTreeMap;

/// The outputs of some edits, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// Different events.
    pub events: usize,
    /// Outputs beyond one for each event.
    pub repeats: usize,
}

impl Repeats {
    /// Counts outputs whose inputs had one event per revision, in order within each page.
    ///
    /// # Errors
    /// An event came out under two ids, or a page's events came out in another order.
    pub fn count(outputs: &[Record]) -> anyhow::Result<Self> {
        let mut ids: BTreeMap<(String, u64), String> = BTreeMap::new();
        let mut latest: BTreeMap<String, u64> = BTreeMap::new();
        for output in outputs {
            let event = json(output)?;
            let key = String::from_utf8(output.key.clone().context("no key")?.to_vec())?;
            let rev = event.pointer("/revision/rev_id").and_then(Value::as_u64).context("no rev_id")?;
            let id = event.pointer("/meta/id").and_then(Value::as_str).context("no id")?.to_owned();
            ensure!(header(output, "millrace-src").is_some(), "no source in the headers");
            match ids.get(&(key.clone(), rev)) {
                Some(first) => ensure!(*first == id, "{key}: revision {rev} has the ids {first} and {id}"),
                None => {
                    // Repeats begin again further back; what is new is in order.
                    let newest = latest.insert(key.clone(), rev).unwrap_or(0);
                    ensure!(rev > newest, "{key}: revision {rev} after {newest}");
                    ids.insert((key, rev), id);
                }
            }
        }
        Ok(Self { events: ids.len(), repeats: outputs.len() - ids.len() })
    }
}
