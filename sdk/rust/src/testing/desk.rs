//! Takes the calls that a plugin makes to its host while a test runs it, per thread: blobs are read here, and what is
//! logged and counted is kept for the test.

use crate::event::Level;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What a plugin wrote beside its outcome. A host cuts lines, and counts as `other` what is beyond its limits; here
/// everything is as the plugin wrote it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Log lines, in order.
    pub logs: Vec<(Level, String)>,
    /// Counters, by name and labels in the plugin's order: `sha1_mismatch{slot=main}`, or `seen` without any.
    pub counts: BTreeMap<String, u64>,
    /// Observed values, by name and labels, in order.
    pub observations: BTreeMap<String, Vec<f64>>,
}

#[derive(Default)]
struct Desk {
    blobs: BTreeMap<u64, Vec<u8>>,
    blobs_ever: u64,
    report: Report,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::default();
}

/// Keeps a blob and returns its number, which is never used again.
pub(crate) fn keep_blob(bytes: Vec<u8>) -> u64 {
    DESK.with_borrow_mut(|desk| {
        desk.blobs_ever += 1;
        desk.blobs.insert(desk.blobs_ever, bytes);
        desk.blobs_ever
    })
}

/// The bytes of a blob, as long as its event is not done.
pub(crate) fn blob(id: u64) -> Option<Vec<u8>> {
    DESK.with_borrow(|desk| desk.blobs.get(&id).cloned())
}

/// Whether there is such a blob, and its event is not done.
pub(crate) fn has_blob(id: u64) -> bool {
    DESK.with_borrow(|desk| desk.blobs.contains_key(&id))
}

/// Ends all blobs, and hands out what was written since the last time.
pub(crate) fn clear() -> Report {
    DESK.with_borrow_mut(|desk| {
        desk.blobs.clear();
        std::mem::take(&mut desk.report)
    })
}

/// The host's fault for a number that is unknown or ended is a panic here, as it is a trap there.
#[expect(clippy::panic, reason = "stands for a trap")]
pub(crate) fn read(id: u64, offset: u64, length: u32) -> Vec<u8> {
    let Some(bytes) = blob(id) else { panic!("blob {id} is unknown, or its event is done") };
    bytes.into_iter().skip(offset as usize).take(length as usize).collect()
}

pub(crate) fn log(_: Option<u64>, level: Level, message: &str) {
    DESK.with_borrow_mut(|desk| desk.report.logs.push((level, message.to_owned())));
}

pub(crate) fn count(_: Option<u64>, name: &str, labels: &[(&str, &str)], by: u64) {
    DESK.with_borrow_mut(|desk| *desk.report.counts.entry(series(name, labels)).or_default() += by);
}

pub(crate) fn observe(_: Option<u64>, name: &str, labels: &[(&str, &str)], value: f64) {
    DESK.with_borrow_mut(|desk| desk.report.observations.entry(series(name, labels)).or_default().push(value));
}

fn series(name: &str, labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return name.to_owned();
    }
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    format!("{name}{{{}}}", labels.join(","))
}
