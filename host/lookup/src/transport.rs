//! The one place that sends: a call goes out, its answer comes back whole and counted. What the answer means is not
//! known here. The trait exists because tests put a scripted one in its place.

use crate::answer_buffer::PinnedBytes;
use crate::config::{Agent, LookupConfig};
use crate::error::LookupConfigError;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, ClientBuilder, Method, Response, redirect};
use std::path::Path;
use std::time::Duration;

/// Room that is reserved for an answer of unknown length, in bytes.
const ANSWER_RESERVE: usize = 64 << 10;

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    /// The most bytes of answer that are taken, after decompression.
    pub(crate) bytes_max: usize,
    /// What it will probably be.
    pub(crate) bytes_expected: usize,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer. The messages name no URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// No connection could be made.
    Connect(String),
    /// It took too long.
    Timeout,
    /// The connection broke, or what came through it was no HTTP.
    Transport(String),
    /// There was more of it than is taken.
    TooLarge {
        /// What is taken.
        bytes_max: usize,
    },
}

/// Sends calls.
pub(crate) trait Transport: Send + Sync {
    /// Sends one call and collects its answer.
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Received, CallError>>;
}

/// Sends calls over HTTP/1.1, with connections that are kept and used again.
pub(crate) struct Http {
    client: Client,
    pinned: PinnedBytes,
}

impl Http {
    /// A client as the configuration wants it, with connections that are kept.
    pub(crate) fn new(cfg: &LookupConfig, pinned: PinnedBytes) -> Result<Self, LookupConfigError> {
        let builder = builder(&cfg.agent, cfg.ca_file.as_deref())?
            .connect_timeout(Duration::from_millis(cfg.timeouts.connect_ms))
            .timeout(Duration::from_millis(cfg.timeouts.total_ms))
            .pool_idle_timeout(Duration::from_millis(cfg.timeouts.idle_ms))
            .pool_max_idle_per_host(cfg.calls_max);
        Self::of(builder, pinned)
    }

    /// A client for a document now and then. It keeps no connection: one belongs to the runtime in which it was made.
    pub(crate) fn for_documents(
        agent: &Agent,
        ca_file: Option<&Path>,
        deadline: Duration,
        pinned: PinnedBytes,
    ) -> Result<Self, LookupConfigError> {
        Self::of(builder(agent, ca_file)?.timeout(deadline).pool_max_idle_per_host(0), pinned)
    }

    fn of(builder: ClientBuilder, pinned: PinnedBytes) -> Result<Self, LookupConfigError> {
        let client = builder.build().map_err(|error| LookupConfigError::Client { reason: error.to_string() })?;
        Ok(Self { client, pinned })
    }
}

/// What all clients have in common: no redirects, no proxies from the environment.
pub(crate) fn builder(agent: &Agent, ca_file: Option<&Path>) -> Result<ClientBuilder, LookupConfigError> {
    let agent = format!("{}/{} ({})", agent.product, agent.version, agent.contact);
    let agent = reqwest::header::HeaderValue::from_str(&agent)
        .map_err(|_| LookupConfigError::Header { what: "the product, version or contact of the user agent" })?;
    let builder = Client::builder()
        .user_agent(agent)
        .http1_only()
        .no_proxy()
        .referer(false)
        .redirect(redirect::Policy::none())
        .gzip(true);
    let Some(path) = ca_file else { return Ok(builder) };
    let what = "the file of certificate authorities";
    let text = std::fs::read(path).map_err(|source| LookupConfigError::File { what, path: path.to_owned(), source })?;
    let content = || LookupConfigError::Content { what, path: path.to_owned(), expected: "certificates in PEM form" };
    let certificates = Certificate::from_pem_bundle(&text).map_err(|_| content())?;
    if certificates.is_empty() {
        return Err(content());
    }
    Ok(builder.tls_certs_merge(certificates))
}

impl Transport for Http {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Received, CallError>> {
        let (client, pinned) = (self.client.clone(), self.pinned.clone());
        Box::pin(async move {
            let Call { method, url, headers, body, bytes_max, bytes_expected } = call;
            let mut request = client.request(method, url).headers(headers);
            if let Some(body) = body {
                request = request.body(body);
            }
            let response = request.send().await.map_err(told)?;
            collect(response, bytes_max, bytes_expected, &pinned).await
        })
    }
}

/// Collects the body into one buffer: the only copy between the socket's buffer and librdkafka's.
async fn collect(
    mut response: Response,
    bytes_max: usize,
    expected: usize,
    pinned: &PinnedBytes,
) -> Result<Received, CallError> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    // An announced length is a claim: room for it is made up to what would have been reserved anyway.
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(CallError::TooLarge { bytes_max });
    }
    let reserve = announced.unwrap_or(expected.max(ANSWER_RESERVE)).min(expected.max(1 << 20));
    let mut body = Vec::with_capacity(reserve.min(bytes_max));
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(CallError::TooLarge { bytes_max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Received { status, headers, body: pinned.pin(body) })
}

/// What an error of the client means.
pub(crate) fn told(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    if error.is_connect() {
        CallError::Connect(causes(&error))
    } else if error.is_timeout() {
        CallError::Timeout
    } else {
        CallError::Transport(causes(&error))
    }
}

/// An error with its causes, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
