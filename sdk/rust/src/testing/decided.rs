//! What became of an event in a test.

use super::desk::Report;
use crate::Failure;
use serde_json::Value;

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The outcome.
    pub decision: Decision,
    /// Kind and params of every ask, in order.
    pub asks: Vec<(String, Value)>,
    /// The body of each of these asks; none where it had none.
    pub bodies: Vec<Option<Vec<u8>>>,
    /// What was logged and counted.
    pub report: Report,
}

/// The outcome of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// These events, in this order.
    Emit(Vec<Emitted>),
    /// Nothing, for this reason.
    Skip(String),
    /// Another attempt, after at least so many milliseconds if it says so. It is not made here.
    Retry(Option<u32>, Failure),
    /// The plugin failed the event.
    Fail(Failure),
    /// The plugin emitted what cannot be written, and why: a host makes an error event `output_invalid` of the event.
    /// Nothing happens to the instance.
    OutputInvalid(String),
    /// The plugin broke a rule of the contract, and which one: a host throws the instance away and makes an error event
    /// `plugin_rule` of the event (`plugin_stalled` where it says so). Also for what a test does wrong: an input that
    /// the plugin does not have.
    Fault(String),
}

/// One emitted event.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    /// The output's name.
    pub output: String,
    /// The whole document, patches applied, before the host's envelope; none is a tombstone.
    pub document: Option<Value>,
    /// The key, if the plugin gave one.
    pub key: Option<Vec<u8>>,
    /// Names and values of headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Decided {
    /// The emitted documents, tombstones left out; none for any other outcome.
    pub fn documents(&self) -> Vec<Value> {
        match &self.decision {
            Decision::Emit(emitted) => emitted.iter().filter_map(|e| e.document.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// The kind of the failure, if the event failed: the plugin's word, or `output_invalid`. None for a fault.
    pub fn failure_kind(&self) -> Option<&str> {
        match &self.decision {
            Decision::Fail(failure) => Some(&failure.kind),
            Decision::OutputInvalid(_) => Some("output_invalid"),
            _ => None,
        }
    }
}
