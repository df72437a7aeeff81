//! Progress as a record of its own: in exactly-once it is written to a compacted topic of the output cluster, in the
//! transaction of the results that it counts. Key and value are text, one word per field:
//!
//! - key: `<pipeline>/<id of the input cluster>/<topic>/<partition>`
//! - value: `1 <offset> <leader epoch, or -> <progress text, or ->`

use crate::progress::{Progress, ProgressBudget, ProgressError, VERSIONS_CHARS_MAX};
use crate::record::TopicPartition;
use crate::sparse_set::SparseSet;

/// The version of the value.
const VERSION: u64 = 1;

/// What stands for a field that is not known.
const NONE: &str = "-";

/// Whose progress it is: one partition of one pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgressKey {
    /// The pipeline's name.
    pub pipeline: String,
    /// The id of the cluster that is read.
    pub cluster_id: String,
    /// The partition that is read.
    pub partition: TopicPartition,
}

impl ProgressKey {
    /// The record's key.
    pub fn encode(&self) -> String {
        format!("{}/{}/{}", self.pipeline, self.cluster_id, self.partition)
    }

    /// The `transactional.id` of whoever owns the shard that this place names. It begins with `millrace/` and the pipeline's name, which is
    /// what access rules can name.
    pub fn transactional_id(&self) -> String {
        format!("millrace/{}", self.encode())
    }
}

/// The progress of a partition as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressRecord {
    /// The next offset to read: the prefix.
    pub offset: i64,
    /// The epoch of the leader that wrote the record before it, where that is known (KIP-320).
    pub leader_epoch: Option<i32>,
    /// The progress text; empty where nothing but the offset is known.
    pub text: String,
}

impl ProgressRecord {
    /// The record of this progress.
    pub fn of(progress: &Progress, leader_epoch: Option<i32>) -> Self {
        Self { offset: progress.prefix, leader_epoch, text: progress.encode() }
    }

    /// The record's value.
    pub fn encode(&self) -> String {
        let epoch = self.leader_epoch.map_or_else(|| NONE.to_owned(), |epoch| epoch.to_string());
        let text = if self.text.is_empty() { NONE } else { &self.text };
        format!("{VERSION} {} {epoch} {text}", self.offset)
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// A value of a newer version, or one that [`ProgressRecord::encode`] never writes. The progress text is read by
    /// [`ProgressRecord::progress`].
    pub fn decode(value: &[u8]) -> Result<Self, ProgressError> {
        let text = std::str::from_utf8(value).map_err(|_| ProgressError::Garbage)?;
        let mut words = text.split(' ');
        let version = words.next().and_then(|word| word.parse::<u64>().ok()).ok_or(ProgressError::Garbage)?;
        if version > VERSION {
            return Err(ProgressError::NewerRecord { found: version });
        }
        let mut read = || {
            let offset = words.next()?.parse().ok()?;
            let leader_epoch = match words.next()? {
                NONE => None,
                epoch => Some(epoch.parse().ok()?),
            };
            let text = words.next().filter(|_| words.next().is_none())?;
            Some(Self { offset, leader_epoch, text: if text == NONE { String::new() } else { text.to_owned() } })
        };
        // Only what would be written again in the same way was written here.
        read().filter(|record| record.encode() == text).ok_or(ProgressError::Garbage)
    }

    /// The text as it fits into commit metadata, for a copy in the group. Where it is too long for that, the copy leaves out
    /// what is settled above the prefix: who goes on from it repeats that. Its serial still says which of record and copy is
    /// the newer one.
    pub fn copied_text(&self) -> String {
        const CHARS_MAX: usize = ProgressBudget::COMMIT_METADATA.chars() + VERSIONS_CHARS_MAX;
        if self.text.len() <= CHARS_MAX {
            return self.text.clone();
        }
        match self.progress() {
            Ok(progress) => Progress { settled: SparseSet::default(), ..progress }.encode(),
            Err(_) => self.text.clone(),
        }
    }

    /// Whether the two count the same events as settled, in the same write. The leader epoch is no part of that.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.offset, &self.text) == (other.offset, &other.text)
    }

    /// What it says.
    ///
    /// # Errors
    /// See [`Progress::decode`].
    pub fn progress(&self) -> Result<Progress, ProgressError> {
        Progress::decode(self.offset, &self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundaries::Boundaries;

    fn record(offset: i64, leader_epoch: Option<i32>, text: &str) -> ProgressRecord {
        ProgressRecord { offset, leader_epoch, text: text.to_owned() }
    }

    #[test]
    fn what_is_written_is_read() {
        for (record, value) in [
            (record(0, None, ""), "1 0 - -"),
            (record(12, Some(3), ""), "1 12 3 -"),
            (record(12, Some(3), "1.12.7."), "1 12 3 1.12.7."),
        ] {
            assert_eq!(record.encode(), value);
            assert_eq!(ProgressRecord::decode(value.as_bytes()), Ok(record));
        }
    }

    #[test]
    fn what_was_not_written_here_is_refused() {
        for value in ["", "1", "1 0", "1 0 -", "1 0 - - -", "1 00 - -", "1 x - -", "0 0 - -", " 1 0 - -", "x 0 - -"] {
            assert_eq!(ProgressRecord::decode(value.as_bytes()), Err(ProgressError::Garbage), "{value:?}");
        }
        let newer = ProgressRecord::decode(b"2 and whatever that means");
        assert_eq!(newer, Err(ProgressError::NewerRecord { found: 2 }));
    }

    #[test]
    fn the_text_belongs_to_the_offset() {
        let progress = Progress { serial: 7, ..Progress::at(12) };
        assert_eq!(ProgressRecord::of(&progress, None).progress(), Ok(progress));
        assert!(record(13, None, "1.12.7.").progress().is_err());
    }

    #[test]
    fn a_copy_that_would_be_too_long_says_no_less_than_serial_and_versions() {
        // As scattered as can be, so that many bytes are needed.
        let scattered = (101..60_000).filter(|offset| offset % 7 < 3 && offset % 11 < 5);
        let settled =
            scattered.fold(SparseSet::default(), |settled, offset| settled.with(100, offset).unwrap_or(settled));
        let progress = Progress { prefix: 100, serial: 9, settled, versions: Some(Boundaries::new([7; 32])) };
        let record = ProgressRecord::of(&progress, None);
        assert!(record.text.len() > 4_096, "{}", record.text.len());
        let copy = Progress::decode(100, &record.copied_text()).unwrap();
        assert_eq!(copy, Progress { settled: SparseSet::default(), ..progress });
        let short = ProgressRecord::of(&copy, None);
        assert_eq!(short.copied_text(), short.text);
    }

    #[test]
    fn a_key_names_pipeline_cluster_and_partition() {
        let key = ProgressKey {
            pipeline: "enrich".to_owned(),
            cluster_id: "main".to_owned(),
            partition: TopicPartition::new("eqiad.changes", 3),
        };
        assert_eq!(key.encode(), "enrich/main/eqiad.changes/3");
        assert_eq!(key.transactional_id(), "millrace/enrich/main/eqiad.changes/3");
    }
}
