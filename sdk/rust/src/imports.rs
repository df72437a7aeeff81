//! The calls to the host. Natively there is none: `testing` takes them, for unit tests.

use crate::event::Level;

#[cfg(target_arch = "wasm32")]
mod host {
    use super::Level;
    use crate::bindings::millrace::plugin::{blobs, log as contract_log, metrics};

    pub(crate) fn read(blob: u64, offset: u64, length: u32) -> Vec<u8> {
        blobs::read(blob, offset, length)
    }

    pub(crate) fn log(ticket: Option<u64>, level: Level, message: &str) {
        let level = match level {
            Level::Debug => contract_log::Level::Debug,
            Level::Info => contract_log::Level::Info,
            Level::Warn => contract_log::Level::Warn,
            Level::Error => contract_log::Level::Error,
        };
        contract_log::write(ticket, level, message);
    }

    pub(crate) fn count(ticket: Option<u64>, name: &str, labels: &[(&str, &str)], by: u64) {
        metrics::count(ticket, name, &owned(labels), by);
    }

    pub(crate) fn observe(ticket: Option<u64>, name: &str, labels: &[(&str, &str)], value: f64) {
        metrics::observe(ticket, name, &owned(labels), value);
    }

    fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::desk as host;

/// Reads a blob.
pub(crate) fn read(blob: u64, offset: u64, length: u32) -> Vec<u8> {
    host::read(blob, offset, length)
}

/// Writes a log line.
pub(crate) fn log(ticket: Option<u64>, level: Level, message: &str) {
    host::log(ticket, level, message);
}

/// Adds to a counter.
pub(crate) fn count(ticket: Option<u64>, name: &str, labels: &[(&str, &str)], by: u64) {
    host::count(ticket, name, labels, by);
}

/// Records a value.
pub(crate) fn observe(ticket: Option<u64>, name: &str, labels: &[(&str, &str)], value: f64) {
    host::observe(ticket, name, labels, value);
}
