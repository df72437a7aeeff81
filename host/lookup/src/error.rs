//! What can be wrong with the configuration of lookups. What goes wrong with a single lookup is
//! `millrace_flow::lookup::LookupError` (for the plugin) and `api_error::Failure` (for the retries).

use std::path::PathBuf;

/// Why a [`crate::LookupService`] cannot be made from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum LookupConfigError {
    /// A domain is neither a host name nor `*.` and a host name.
    #[error("wiki domain `{domain}`: {reason}; write a host name, or `*.` and a host name")]
    Domain {
        /// As configured.
        domain: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A URL cannot be used.
    #[error("{what} `{url}`: {reason}")]
    Url {
        /// What the URL is for.
        what: &'static str,
        /// As configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A number is out of its bounds.
    #[error("{what} is {value}; it must lie between {min} and {max}")]
    Bounds {
        /// Which number.
        what: &'static str,
        /// As configured.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A file cannot be read.
    #[error("{what} {path:?} cannot be read; check that it exists and that this user may read it")]
    File {
        /// What the file is for.
        what: &'static str,
        /// Where it is expected.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what it should. Its content is never shown.
    #[error("{what} {path:?} does not hold {expected}")]
    Content {
        /// What the file is for.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// Text that cannot be sent in a header.
    #[error("{what} cannot be sent in an HTTP header: use visible ASCII characters")]
    Header {
        /// Which text.
        what: &'static str,
    },
    /// Two targets of one name.
    #[error("there are two HTTP targets of the name `{name}`; rename one")]
    DoubleTarget {
        /// The name.
        name: String,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be set up: {reason}")]
    Client {
        /// What it says.
        reason: String,
    },
}
