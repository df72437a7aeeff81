//! Blobs, which the host keeps and a plugin knows by number, and the pieces that a value is written from.

use crate::bindings::millrace::plugin::types as wit;
use crate::{Failure, imports};
use serde::de::DeserializeOwned;

/// Large bytes in the host's hands: page content, mostly.
///
/// It is a number and a size. Passing it on (into a patch, into a document) costs nothing, however large it is; reading
/// it copies it into the plugin's memory. Page content can have 10 MB and more, and most plugins only move it from the
/// wiki to the output: so read a blob when the outcome depends on what is in it, and only as much as it depends on.
///
/// It ends with the event: a number that is kept and used for another event breaks a rule of the contract
/// (`plugin_rule`).
///
/// ```
/// # use millrace_sdk::{Event, Failure, MediaWiki, Outcome};
/// # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
/// let revision = wiki.revision("en.wikipedia.org", 7).await?;
/// let body = revision.content("main")?.body;
/// // Read, because the outcome depends on it; only the beginning, because that is where redirects say so.
/// if body.read(0, 9).eq_ignore_ascii_case(b"#redirect") {
///     return Ok(Outcome::skip("redirect"));
/// }
/// // Not read: the host writes it into the event.
/// Ok(event.patch().set_string_blob("/content_body", body).emit("enriched"))
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    id: u64,
    size: u64,
}

impl Blob {
    pub(crate) fn from_wit(blob: &wit::Blob) -> Self {
        Self { id: blob.id, size: blob.size }
    }

    /// The number of bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// At most `length` bytes from `offset` on; fewer at the end, none past it. It may begin or end inside a character
    /// of UTF-8.
    ///
    /// # Panics
    /// In a test, when the blob's event is done. In a host that breaks a rule (`plugin_rule`), which ends the instance.
    pub fn read(&self, offset: u64, length: u32) -> Vec<u8> {
        imports::read(self.id, offset, length)
    }

    /// All of it, in the plugin's memory, which the pipeline's limit `memory` bounds (256 MiB unless set) for all
    /// events of an instance together.
    ///
    /// # Panics
    /// As [`Blob::read`].
    pub fn read_all(&self) -> Vec<u8> {
        let mut all = self.read(0, u32::try_from(self.size).unwrap_or(u32::MAX));
        while (all.len() as u64) < self.size {
            let more = self.read(all.len() as u64, u32::MAX);
            if more.is_empty() {
                break;
            }
            all.extend_from_slice(&more);
        }
        all
    }

    /// All of it as text.
    ///
    /// # Errors
    /// `invalid_text` when it is not UTF-8.
    ///
    /// # Panics
    /// As [`Blob::read`].
    pub fn text(&self) -> Result<String, Failure> {
        String::from_utf8(self.read_all())
            .map_err(|e| Failure::new("invalid_text", format!("a blob is not UTF-8: {e}")))
    }

    /// All of it, which is JSON, as a type of yours; members that the type does not have are passed over.
    ///
    /// # Errors
    /// `invalid_json` when it is not JSON of that shape.
    ///
    /// # Panics
    /// As [`Blob::read`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        Ok(serde_json::from_slice(&self.read_all())?)
    }
}

/// A value written from parts, one after the other, so that large ones never enter the plugin's memory. In an emission
/// they must together be exactly one JSON value, else the event becomes an error event `output_invalid`; the body of a
/// lookup can be anything. Bytes and text become pieces by `into()`.
///
/// ```
/// use millrace_sdk::Pieces;
/// # fn document(body: millrace_sdk::Blob) -> Pieces {
/// Pieces::new().raw(r#"{"title":"A","body":"#).string_blob(body).raw("}")
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pieces(pub(crate) Vec<wit::Piece>);

impl Pieces {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.push(wit::Piece::Bytes(bytes.into()));
        self
    }

    /// A blob as it is.
    pub fn blob(mut self, blob: Blob) -> Self {
        self.0.push(wit::Piece::Blob(blob.id));
        self
    }

    /// A blob, which must be UTF-8, as a quoted and escaped JSON string.
    pub fn string_blob(mut self, blob: Blob) -> Self {
        self.0.push(wit::Piece::JsonString(blob.id));
        self
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new().raw(bytes)
    }
}

impl From<&[u8]> for Pieces {
    fn from(bytes: &[u8]) -> Self {
        Self::new().raw(bytes)
    }
}

impl From<String> for Pieces {
    fn from(text: String) -> Self {
        Self::new().raw(text)
    }
}

impl From<&str> for Pieces {
    fn from(text: &str) -> Self {
        Self::new().raw(text)
    }
}

impl From<Blob> for Pieces {
    fn from(blob: Blob) -> Self {
        Self::new().blob(blob)
    }
}
