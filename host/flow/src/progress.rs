//! Progress of a partition, and the text that it travels as: `2.<prefix>.<serial>.<set>.<versions>`, ASCII, the set in
//! base64url, the versions as `<digest>` and `.<from>.<digest>` for each later one. Where no version is known the text
//! is `1.<prefix>.<serial>.<set>`. What moves it on is the ledger's business; where it is kept is not known here.

mod adjusted;

use crate::boundaries::{Boundaries, VERSIONS_MAX};
use crate::sparse_set::SparseSet;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The version of the text without plugin versions, and of the one with them.
const BARE: u64 = 1;
const WITH_VERSIONS: u64 = 2;

/// What the text takes beside set and versions, at most: `1.`, 20 characters of prefix, 20 of serial, a dot after each.
const FRAME_CHARS_MAX: usize = 2 + 20 + 1 + 20 + 1;

/// Bytes of a plugin's digest, a SHA-256; in base64url 43 characters.
const DIGEST_BYTES: usize = 32;

/// What identifies a plugin in progress: the SHA-256 of its bytes.
pub type PluginDigest = [u8; DIGEST_BYTES];

/// What is settled of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every offset below it is settled; it is not. Reading goes on here.
    pub prefix: i64,
    /// The settled offsets above the prefix. An offset that is no event (a control record, one that compaction took) may
    /// be in it or not, whichever is shorter.
    pub settled: SparseSet,
    /// Counts the writes of a partition's progress, so that one whose outcome is unknown can be looked up.
    pub serial: u64,
    /// The versions of the plugin that the events from the prefix on run on; none where it was not written down.
    pub versions: Option<Boundaries<PluginDigest>>,
}

impl Progress {
    /// Nothing settled from `offset` on.
    pub fn at(offset: i64) -> Self {
        Self { prefix: offset, ..Self::default() }
    }

    /// The text: ASCII, versioned; empty when nothing but the prefix is known.
    ///
    /// It names its prefix, because the set counts from there: beside another offset it would settle the wrong events.
    pub fn encode(&self) -> String {
        if *self == Self::at(self.prefix) {
            return String::new();
        }
        let version = if self.versions.is_some() { WITH_VERSIONS } else { BARE };
        let mut bytes = Vec::new();
        self.settled.write(self.prefix, &mut bytes);
        let mut text = format!("{version}.{}.{}.", self.prefix, self.serial);
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut text);
        for (from, digest) in self.versions.iter().flat_map(Boundaries::versions) {
            if let Some(from) = from {
                text.push_str(&format!(".{from}"));
            }
            text.push('.');
            URL_SAFE_NO_PAD.encode_string(digest, &mut text);
        }
        text
    }

    /// Reads the text that was kept beside the committed offset `prefix`.
    ///
    /// # Errors
    /// A text of a newer version, of another offset, or that [`Progress::encode`] never writes. Going on without the set
    /// would repeat events that are settled, so this is for people to decide.
    pub fn decode(prefix: i64, metadata: &str) -> Result<Self, ProgressError> {
        if metadata.is_empty() {
            return Ok(Self::at(prefix));
        }
        let (version, rest) = metadata.split_once('.').ok_or(ProgressError::Garbage)?;
        let read = match version.parse::<u64>() {
            Ok(BARE) => Self::read(rest),
            Ok(WITH_VERSIONS) => Self::read_with_versions(rest),
            Ok(found) if found > WITH_VERSIONS => return Err(ProgressError::Newer { found }),
            _ => None,
        };
        let progress = read.ok_or(ProgressError::Garbage)?;
        // Only what would be written again in the same way was written here.
        if progress.encode() != metadata {
            return Err(ProgressError::Garbage);
        }
        if progress.prefix != prefix {
            return Err(ProgressError::OtherOffset { written: progress.prefix, committed: prefix });
        }
        Ok(progress)
    }

    fn read(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once('.')?;
        let (serial, set) = rest.split_once('.')?;
        let prefix = prefix.parse().ok()?;
        let bytes = URL_SAFE_NO_PAD.decode(set).ok()?;
        let settled = SparseSet::read(prefix, &bytes)?;
        Some(Self { prefix, settled, serial: serial.parse().ok()?, versions: None })
    }

    fn read_with_versions(text: &str) -> Option<Self> {
        let (frame_chars, _) = text.match_indices('.').nth(2)?;
        let (frame, versions) = (text.get(..frame_chars)?, text.get(frame_chars + 1..)?);
        let progress = Self::read(frame)?;
        let versions = read_versions(versions, progress.prefix)?;
        Some(Self { versions: Some(versions), ..progress })
    }

    /// The offset from which on nothing has settled: there, a version that progress does not name may begin.
    pub fn end(&self) -> i64 {
        if self.settled.is_empty() { self.prefix } else { self.settled.end_offset() }
    }
}

/// `<digest>` and `.<from>.<digest>` for each later version.
fn read_versions(text: &str, prefix: i64) -> Option<Boundaries<PluginDigest>> {
    let digest = |text: &str| PluginDigest::try_from(URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let mut parts = text.split('.');
    let mut versions = Boundaries::new(digest(parts.next()?)?);
    let mut last = prefix;
    while let Some(from) = parts.next() {
        let from = from.parse().ok().filter(|from| *from > last)?;
        if !versions.may_begin() {
            return None;
        }
        versions.begin(from, digest(parts.next()?)?);
        last = from;
    }
    Some(versions)
}

/// Why a text is not taken as progress.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgressError {
    /// Written by a newer Millrace.
    #[error(
        "the progress text has version {found}, this host reads up to {WITH_VERSIONS}: run the newer Millrace that wrote it"
    )]
    Newer {
        /// The version found.
        found: u64,
    },
    /// A record of a newer Millrace.
    #[error("the progress record has version {found}, this host reads up to 1: run the newer Millrace that wrote it")]
    NewerRecord {
        /// The version found.
        found: u64,
    },
    /// Kept beside an offset that it was not written for.
    #[error(
        "the progress text was written for offset {written} but stands beside offset {committed}: \
         reset the group's offsets with empty metadata"
    )]
    OtherOffset {
        /// The offset that the text names.
        written: i64,
        /// The offset that it stands beside.
        committed: i64,
    },
    /// Not Millrace's, or damaged.
    #[error("the committed metadata is no progress text: another program uses this group, or it is damaged")]
    Garbage,
}

/// What the plugin's versions add to the text at most: a dot and a digest each, and a dot and 20 characters of offset for
/// each but the first.
pub const VERSIONS_CHARS_MAX: usize = VERSIONS_MAX * (1 + 43) + (VERSIONS_MAX - 1) * (1 + 20);

/// How long the text may get, in characters, the plugin's versions aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressBudget {
    chars: usize,
}

impl ProgressBudget {
    /// For commit metadata. Kafka refuses more than 4,095 characters (measured); the plugin's versions take up to
    /// [`VERSIONS_CHARS_MAX`] more, and the rest is for what other releases may add.
    pub const COMMIT_METADATA: Self = Self { chars: 3_000 };
    /// For a progress record of its own.
    pub const RECORD: Self = Self { chars: 64_000 };
    /// The least budget that makes sense, in characters: frame and a few settled offsets.
    pub const CHARS_MIN: usize = 64;

    /// A budget of `chars` characters, at least [`ProgressBudget::CHARS_MIN`].
    pub fn new(chars: usize) -> Self {
        Self { chars: chars.max(Self::CHARS_MIN) }
    }

    /// The longest text, in characters.
    pub const fn chars(self) -> usize {
        self.chars
    }

    /// The bytes of a set that always fit: base64 makes four characters of three bytes.
    pub(crate) fn set_bytes(self) -> usize {
        self.chars.saturating_sub(FRAME_CHARS_MAX) * 3 / 4
    }
}
