//! What the other side of a `query` or `http` lookup said: a status, some headers, and a body that stays in the host.

use super::Reply;
use crate::{Blob, LookupError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The answer of a wiki's API or of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, 200 to 299: every other one is a [`LookupError`].
    pub status: u16,
    /// Some of its headers.
    pub headers: Headers,
    /// Its body, as it came; 0 bytes where there is none.
    pub body: Blob,
}

impl Response {
    /// The body, which is JSON, as a type of yours; members that the type does not have are passed over.
    /// [`crate::Value`] takes whatever there is. It copies the body into the plugin's memory; to pass JSON on without
    /// reading it, see [`crate::Patch::set_json_blob`].
    ///
    /// # Errors
    /// `Invalid` when the body is not JSON of that shape.
    ///
    /// # Panics
    /// As [`Blob::read`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, LookupError> {
        serde_json::from_slice(&self.body.read_all())
            .map_err(|error| LookupError::invalid(format!("body of the answer: {error}")))
    }
}

/// The headers of an answer that a plugin gets to see, by their names in small letters: `content-type`,
/// `content-language`, `etag`, `last-modified`, `cache-control` and `link`, where the answer has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    /// The value of a header, by its name in any letter case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[derive(Deserialize)]
struct Document {
    status: u16,
    #[serde(default)]
    headers: Headers,
    body: usize,
}

/// Reads the answer of `query` and of `http`.
pub(super) fn read(reply: Reply) -> Result<Response, LookupError> {
    let Document { status, headers, body } = reply.json()?;
    Ok(Response { status, headers, body: reply.blob(body)? })
}
