//! One call to one address, for commands that talk to a server of ours and end.

use crate::answer_buffer::PinnedBytes;
use crate::config::LookupConfig;
use crate::error::LookupConfigError;
use crate::transport::{Call, CallError, Http, Received, Transport as _};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// The client could not be made.
    #[error(transparent)]
    Client(#[from] LookupConfigError),
    /// Nobody answered.
    #[error("{0}")]
    NoAnswer(String),
}

/// Gets `url`, or posts the JSON text `body` there. Returns status and body of the answer, whatever the status.
///
/// # Errors
/// No connection, no answer in time, or one larger than 16 MiB.
pub async fn call_once(url: String, body: Option<String>) -> Result<(u16, Bytes), OnceError> {
    let mut headers = HeaderMap::new();
    let method = if body.is_some() { Method::POST } else { Method::GET };
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let body = body.map(Bytes::from);
    let call = Call { method, url, headers, body, bytes_max: ANSWER_BYTES_MAX, bytes_expected: 0 };
    let client = Http::new(&LookupConfig::default(), PinnedBytes::default())?;
    let Received { status, body, .. } = client.call(call).await.map_err(|error| OnceError::NoAnswer(told(error)))?;
    Ok((status, body))
}

fn told(error: CallError) -> String {
    match error {
        CallError::Connect(text) => format!("no connection: {text}"),
        CallError::Timeout => "no answer in time".to_owned(),
        CallError::Transport(text) => format!("the connection broke: {text}"),
        CallError::TooLarge { bytes_max } => format!("the answer is larger than {bytes_max} bytes"),
    }
}
