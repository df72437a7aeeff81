//! Blobs: large bytes that the host keeps and a plugin knows by number, and the pieces that a value is made of.

use crate::json_text;
use bytes::Bytes;
use std::borrow::Cow;

/// How a blob's bytes are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As they are.
    Plain,
    /// As the inside of a JSON string: escaped, without the quotes. Valid, because it was checked when the blob was made.
    Escaped,
}

/// Large bytes in the host's hands. Cloning shares them.
///
/// A body from an API stays in the escaped form in which it arrived, so that emitting it as a JSON string is a copy of
/// bytes; it is unescaped only for those who read or hash it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    form: Form,
    bytes: Bytes,
    size: u64,
}

impl Blob {
    /// A blob of `bytes` as they are.
    pub fn plain(bytes: Bytes) -> Self {
        Self { form: Form::Plain, size: bytes.len() as u64, bytes }
    }

    /// A blob of the inside of a JSON string, without its quotes; `size` is the number of bytes once unescaped.
    /// The caller has unescaped `bytes` once (for the hash) and so knows that they are valid.
    pub fn escaped(bytes: Bytes, size: u64) -> Self {
        Self { form: Form::Escaped, bytes, size }
    }

    /// The number of bytes that a reader sees: those of the unescaped form.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes held in memory.
    pub fn held(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes as a reader sees them. Copies only when the blob is held escaped and has an escape in it.
    pub fn read(&self) -> Cow<'_, [u8]> {
        match self.form {
            Form::Plain => Cow::Borrowed(&self.bytes),
            Form::Escaped if self.bytes.len() as u64 == self.size => Cow::Borrowed(&self.bytes),
            Form::Escaped => {
                let mut plain = Vec::with_capacity(self.bytes.len());
                // The form was checked when the blob was made, so nothing is lost by looking away here.
                match json_text::unescape_into(&self.bytes, &mut plain) {
                    Ok(()) | Err(_) => Cow::Owned(plain),
                }
            }
        }
    }

    /// Whether the blob can be a JSON string. Costs nothing for a blob held escaped.
    ///
    /// # Errors
    /// A plain blob that is not UTF-8 cannot be a JSON string.
    pub fn check_utf8(&self) -> Result<(), NotUtf8> {
        match self.form {
            Form::Escaped => Ok(()),
            Form::Plain => {
                std::str::from_utf8(&self.bytes).map(|_| ()).map_err(|e| NotUtf8 { offset: e.valid_up_to() })
            }
        }
    }

    /// Appends the blob as a quoted and escaped JSON string.
    ///
    /// # Errors
    /// A plain blob that is not UTF-8 cannot be a JSON string.
    pub fn write_json_string(&self, out: &mut Vec<u8>) -> Result<(), NotUtf8> {
        out.push(b'"');
        match self.form {
            Form::Escaped => out.extend_from_slice(&self.bytes),
            Form::Plain => {
                std::str::from_utf8(&self.bytes).map_err(|e| NotUtf8 { offset: e.valid_up_to() })?;
                json_text::escape_into(&self.bytes, out);
            }
        }
        out.push(b'"');
        Ok(())
    }

    /// An upper bound of what [`Blob::write_json_string`] appends; exact for a blob held escaped.
    pub fn json_string_bound(&self) -> usize {
        match self.form {
            Form::Escaped => self.bytes.len() + 2,
            Form::Plain => self.bytes.len() + self.bytes.len() / 8 + 2,
        }
    }
}

/// A blob that must be a JSON string is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the blob is not UTF-8 from byte {offset} on, so it cannot be a JSON string")]
pub struct NotUtf8 {
    /// The first byte that is not UTF-8.
    pub offset: usize,
}

/// One part of a value; the parts are written one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As they are.
    Bytes(Bytes),
    /// The blob as it is.
    Blob(Blob),
    /// The blob as a quoted and escaped JSON string.
    JsonString(Blob),
}

impl Piece {
    /// The bytes that this piece pins in memory.
    pub fn held(&self) -> usize {
        match self {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Blob(blob) | Piece::JsonString(blob) => blob.held(),
        }
    }
}
