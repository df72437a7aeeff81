//! Fetches a document that an operator configured: a schema, a stream configuration. One GET with a deadline and a bound,
//! no retries: whoever asks knows what to do without it. Nothing here is asked by plugins.

#[cfg(test)]
mod tests;

use crate::answer_buffer::PinnedBytes;
use crate::config::Agent;
use crate::error::LookupConfigError;
use crate::transport::{Call, CallError, Http, Transport as _};
use bytes::Bytes;
use reqwest::header::{HOST, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use std::path::PathBuf;
use std::time::Duration;

/// The most bytes that are fetched: the stream configuration of all of Wikimedia has half a megabyte.
pub const FETCH_BYTES_MAX: usize = 16 << 20;

/// How documents are fetched.
#[derive(Clone, Debug)]
pub struct FetchConfig {
    /// Who asks.
    pub agent: Agent,
    /// Further authorities to trust, as PEM.
    pub ca_file: Option<PathBuf>,
    /// The `Host` header, where it is not the address's: a proxy at the address passes the request on to that host.
    pub host: Option<String>,
    /// How long one document may take.
    pub deadline: Duration,
}

/// Why there is no document. The messages name no address: whoever asked knows it, without the secrets in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The server says that there is none: 404 or 410.
    #[error("it is not there (status {status})")]
    NotFound {
        /// The status.
        status: u16,
    },
    /// Another status than one of success.
    #[error("the server answered with status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// It took longer than it may.
    #[error("no answer within {} ms", .deadline.as_millis())]
    Timeout {
        /// How long it may take.
        deadline: Duration,
    },
    /// There was more of it than is taken.
    #[error("it has more than {bytes_max} bytes")]
    TooLarge {
        /// What is taken.
        bytes_max: usize,
    },
    /// No connection, or one that broke.
    #[error("{reason}")]
    Connection {
        /// What the client says.
        reason: String,
    },
}

/// Fetches documents. Belongs to no async runtime: connections are not kept.
pub struct Fetcher {
    http: Http,
    host: Option<HeaderValue>,
    deadline: Duration,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Fetcher {
    /// A fetcher as the operator wants it.
    ///
    /// # Errors
    /// A file of authorities that cannot be used, or a `Host` that cannot be a header.
    pub fn new(config: &FetchConfig) -> Result<Self, LookupConfigError> {
        let host = config.host.as_deref().map(HeaderValue::from_str).transpose();
        let host = host.map_err(|_| LookupConfigError::Header { what: "the host" })?;
        let pinned = PinnedBytes::default();
        let http = Http::for_documents(&config.agent, config.ca_file.as_deref(), config.deadline, pinned)?;
        Ok(Self { http, host, deadline: config.deadline })
    }

    /// Fetches the document at `url`.
    ///
    /// # Errors
    /// There is none, or it cannot be had within the deadline; see [`FetchError`].
    pub async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        let mut headers = HeaderMap::new();
        if let Some(host) = &self.host {
            headers.insert(HOST, host.clone());
        }
        let call = Call {
            method: Method::GET,
            url: url.to_owned(),
            headers,
            body: None,
            bytes_max: FETCH_BYTES_MAX,
            bytes_expected: 0,
        };
        let received = self.http.call(call).await.map_err(|error| self.told(error))?;
        let status = received.status;
        match StatusCode::from_u16(status) {
            Ok(code) if code.is_success() => Ok(received.body),
            Ok(StatusCode::NOT_FOUND | StatusCode::GONE) => Err(FetchError::NotFound { status }),
            _ => Err(FetchError::Status { status }),
        }
    }

    fn told(&self, error: CallError) -> FetchError {
        match error {
            CallError::Timeout => FetchError::Timeout { deadline: self.deadline },
            CallError::TooLarge { bytes_max } => FetchError::TooLarge { bytes_max },
            CallError::Connect(reason) | CallError::Transport(reason) => FetchError::Connection { reason },
        }
    }
}
