//! The relative URIs by which events name their schemas: `/mediawiki/page/change/1.2.0`. Which repository holds such a
//! schema is not known here.

use super::shown;
use std::fmt;

/// The most bytes of a schema URI. The longest real one has 70; events without bound must not make files or labels
/// without bound.
const URI_BYTES_MAX: usize = 256;

/// The version of a schema. Ordered as semantic versions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaVersion {
    /// Differs between schemas that do not fit each other.
    pub major: u32,
    /// Grows with each field.
    pub minor: u32,
    /// Grows with each correction of words.
    pub patch: u32,
}

impl SchemaVersion {
    /// Three numbers joined by points, without leading zeros; none for anything else, `latest` and `current` included.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(number);
        let version = Self { major: numbers.next()??, minor: numbers.next()??, patch: numbers.next()?? };
        if numbers.next().is_some() { None } else { Some(version) }
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

fn number(text: &str) -> Option<u32> {
    let is_canonical = text == "0" || !text.starts_with('0');
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_canonical && is_digits { text.parse().ok() } else { None }
}

/// A text is no relative schema URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaUriError {
    /// It says where to fetch the schema from, which is no event's business: repositories are configured.
    #[error("the schema URI {uri:?} is absolute; write the path alone, as in `/mediawiki/page/change/1.2.0`")]
    Absolute {
        /// The text.
        uri: String,
    },
    /// It does not end with a version.
    #[error("the schema URI {uri:?} does not end with a version such as `/1.2.0`")]
    NoVersion {
        /// The text.
        uri: String,
    },
    /// Not of the form `/title/version`.
    #[error(
        "{uri:?} is no schema URI: it must be `/title/version`, and a title is made of letters, digits, `_`, `-`, `.` and `/`"
    )]
    Malformed {
        /// The text.
        uri: String,
    },
    /// Longer than any real one.
    #[error("a schema URI of {bytes} bytes is too long; it may have {bytes_max}")]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
        /// How many it may have.
        bytes_max: usize,
    },
}

/// Which schema, and which version of it. Always safe to be joined to the path or URI of a repository: no step of it is
/// empty or begins with a point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaUri {
    title: Box<str>,
    version: SchemaVersion,
}

impl SchemaUri {
    /// Reads what an event has in `$schema`.
    ///
    /// # Errors
    /// Anything but `/title/version`; see [`SchemaUriError`].
    pub fn parse(text: &str) -> Result<Self, SchemaUriError> {
        let uri = || shown(text);
        if text.len() > URI_BYTES_MAX {
            return Err(SchemaUriError::TooLong { bytes: text.len(), bytes_max: URI_BYTES_MAX });
        }
        if text.contains("://") || text.starts_with("//") {
            return Err(SchemaUriError::Absolute { uri: uri() });
        }
        let path = text.strip_prefix('/').ok_or_else(|| SchemaUriError::Malformed { uri: uri() })?;
        if !is_title(path) {
            return Err(SchemaUriError::Malformed { uri: uri() });
        }
        let (title, version) = path.rsplit_once('/').ok_or_else(|| SchemaUriError::NoVersion { uri: uri() })?;
        let version = SchemaVersion::parse(version).ok_or_else(|| SchemaUriError::NoVersion { uri: uri() })?;
        Ok(Self { title: title.into(), version })
    }

    /// The URI of a version of the schema called `title`, `mediawiki/page/change`.
    ///
    /// # Errors
    /// No title, or too long a one.
    pub fn new(title: &str, version: SchemaVersion) -> Result<Self, SchemaUriError> {
        Self::parse(&format!("/{title}/{version}"))
    }

    /// The schema's title: the URI without its first slash and without its version.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The version.
    pub fn version(&self) -> SchemaVersion {
        self.version
    }
}

impl fmt::Display for SchemaUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/{}", self.title, self.version)
    }
}

/// Steps of harmless characters, none of them hidden, `.` or `..`.
fn is_title(path: &str) -> bool {
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    path.split('/').all(|step| !step.is_empty() && !step.starts_with('.') && step.bytes().all(is_harmless))
}
