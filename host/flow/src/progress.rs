//! Progress of a partition, and the text that it travels as: `1.<prefix>.<serial>.<set>`, ASCII, the set in base64url.
//! What moves it on is the ledger's business; where the text is kept is not known here.

use crate::sparse_set::SparseSet;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The version of the text that is written here.
const VERSION: u64 = 1;

/// What the text takes beside the set, at most: `1.`, 20 characters of prefix, 20 of serial, and a dot after each.
const FRAME_CHARS_MAX: usize = 2 + 20 + 1 + 20 + 1;

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
}

impl Progress {
    /// Nothing settled from `offset` on.
    pub fn at(offset: i64) -> Self {
        Self { prefix: offset, ..Self::default() }
    }

    /// The text: ASCII, versioned; empty when the set is empty and the serial 0.
    ///
    /// It names its prefix, because the set counts from there: beside another offset it would settle the wrong events.
    pub fn encode(&self) -> String {
        if *self == Self::at(self.prefix) {
            return String::new();
        }
        let mut bytes = Vec::new();
        self.settled.write(self.prefix, &mut bytes);
        let mut text = format!("{VERSION}.{}.{}.", self.prefix, self.serial);
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut text);
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
        match version.parse::<u64>() {
            Ok(VERSION) => {}
            Ok(found) if found > VERSION => return Err(ProgressError::Newer { found }),
            _ => return Err(ProgressError::Garbage),
        }
        let progress = Self::read(rest).ok_or(ProgressError::Garbage)?;
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
        Some(Self { prefix, settled: SparseSet::read(prefix, &bytes)?, serial: serial.parse().ok()? })
    }
}

/// Why a text is not taken as progress.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgressError {
    /// Written by a newer Millrace.
    #[error(
        "the progress text has version {found}, this host reads up to {VERSION}: run the newer Millrace that wrote it"
    )]
    Newer {
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

/// How long the text may get, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressBudget {
    chars: usize,
}

impl ProgressBudget {
    /// For commit metadata. Kafka refuses more than 4,095 characters (measured); the distance is for what other versions
    /// may add.
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
    pub fn chars(self) -> usize {
        self.chars
    }

    /// The bytes of a set that always fit: base64 makes four characters of three bytes.
    pub(crate) fn set_bytes(self) -> usize {
        self.chars.saturating_sub(FRAME_CHARS_MAX) * 3 / 4
    }
}
