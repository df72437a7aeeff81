//! How far a pipeline without a broker has come: progress by partition and, for EventStreams, the id to go on behind. Kept
//! in one file beside the outputs, which is replaced as a whole.

use crate::config::SourceConfig;
use anyhow::{Context as _, bail};
use millrace_flow::progress::Progress;
use millrace_flow::record::TopicPartition;
use millrace_kafka::commit::PartitionProgress;
use millrace_kafka::consumer::{Assignment, CommittedProgress};
use millrace_kafka::transactional::Stay;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The name of the file.
const FILE: &str = "position.json";

/// The partition of events that do not say where they lay: they are counted, so their numbers say nothing about another
/// run.
pub(super) const COUNTED: i32 = -1;

/// How far a source was read.
#[derive(Clone, Debug)]
pub struct Position {
    file: PathBuf,
    source: Vec<String>,
    partitions: BTreeMap<TopicPartition, Place>,
    /// The id behind which EventStreams goes on.
    pub(super) last_event_id: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
struct Place {
    offset: i64,
    metadata: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// What was read: an address, or files in their order.
    source: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_id: Option<Arc<str>>,
    partitions: Vec<WrittenPlace>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenPlace {
    topic: String,
    partition: i32,
    offset: i64,
    metadata: String,
}

impl Position {
    /// What `folder` says of this source; a new one begins at its beginning.
    ///
    /// # Errors
    /// The file cannot be read, or tells of another source.
    pub(super) fn load(folder: &Path, source: &SourceConfig) -> anyhow::Result<Self> {
        let source = match source {
            SourceConfig::Files { paths } => paths.iter().map(|path| path.display().to_string()).collect(),
            SourceConfig::Sse { url, .. } => vec![url.clone()],
        };
        let file = folder.join(FILE);
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { file, source, partitions: BTreeMap::new(), last_event_id: None });
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
        };
        let shown = file.display();
        let written: Written = serde_json::from_slice(&text)
            .with_context(|| format!("{shown} is damaged; remove it to begin anew, which repeats outputs"))?;
        // More files may follow those that were read.
        if !source.starts_with(&written.source) {
            let read = written.source.join(", ");
            bail!(
                "{shown} tells how far {read} was read; name another folder in `sink`, or remove the file to begin anew"
            );
        }
        let mut partitions = BTreeMap::new();
        for WrittenPlace { topic, partition, offset, metadata } in written.partitions {
            Progress::decode(offset, &metadata)
                .with_context(|| format!("{shown} is damaged at {topic}/{partition}"))?;
            partitions.insert(TopicPartition::new(topic, partition), Place { offset, metadata });
        }
        Ok(Self { file, source, partitions, last_event_id: written.last_event_id })
    }

    /// Up to where everything of a partition is settled.
    pub(super) fn settled(&self, partition: &TopicPartition) -> Option<i64> {
        self.partitions.get(partition).map(|place| place.offset)
    }

    /// The partition as the pipeline gets it; one that is not known begins at `start`.
    pub(super) fn assignment(&self, partition: TopicPartition, start: i64) -> Assignment {
        let progress = match self.partitions.get(&partition) {
            None => CommittedProgress::default(),
            // Behind what is settled, a second run may count in another order.
            Some(place) if partition.partition == COUNTED => {
                CommittedProgress { offset: Some(place.offset), metadata: String::new() }
            }
            Some(place) => CommittedProgress { offset: Some(place.offset), metadata: place.metadata.clone() },
        };
        Assignment { start: progress.offset.unwrap_or(start), partition, progress, stay: Stay::default(), state: None }
    }

    /// Takes over what has settled.
    pub(super) fn move_on(&mut self, progress: &[PartitionProgress]) {
        for PartitionProgress { partition, offset, metadata, .. } in progress {
            self.partitions.insert(partition.clone(), Place { offset: *offset, metadata: metadata.clone() });
        }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn save(&self) -> std::io::Result<()> {
        let place = |(partition, place): (&TopicPartition, &Place)| WrittenPlace {
            topic: partition.topic.to_string(),
            partition: partition.partition,
            offset: place.offset,
            metadata: place.metadata.clone(),
        };
        let written = Written {
            source: self.source.clone(),
            last_event_id: self.last_event_id.clone(),
            partitions: self.partitions.iter().map(place).collect(),
        };
        let new = self.file.with_extension("json.new");
        let mut file = std::fs::File::create(&new)?;
        serde_json::to_writer_pretty(&mut file, &written)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&new, &self.file)
    }
}

/// The events that were handed out, in their order, each with the id behind it: from what is settled follows where a
/// stream goes on. The source adds, the outlet takes away; bounded by what is in flight.
#[derive(Debug)]
pub struct Trail {
    steps: Mutex<Steps>,
}

#[derive(Debug)]
struct Steps {
    open: VecDeque<(TopicPartition, i64, Option<Arc<str>>)>,
    settled: BTreeMap<TopicPartition, i64>,
    id: Option<Arc<str>>,
}

impl Trail {
    /// A trail that begins behind `id`.
    pub(super) fn new(id: Option<Arc<str>>) -> Self {
        Self { steps: Mutex::new(Steps { open: VecDeque::new(), settled: BTreeMap::new(), id }) }
    }

    /// An event is handed out.
    pub(super) fn add(&self, partition: TopicPartition, offset: i64, id: Option<Arc<str>>) {
        self.lock().open.push_back((partition, offset, id));
    }

    /// The id behind which nothing is open, now that this has settled.
    pub(super) fn settle(&self, progress: &[PartitionProgress]) -> Option<Arc<str>> {
        let mut guard = self.lock();
        let steps = &mut *guard;
        for progress in progress {
            steps.settled.insert(progress.partition.clone(), progress.offset);
        }
        while let Some((partition, offset, id)) = steps.open.front() {
            if steps.settled.get(partition).is_none_or(|settled| offset >= settled) {
                break;
            }
            steps.id = id.clone().or(steps.id.take());
            steps.open.pop_front();
        }
        steps.id.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(topic: &str, partition: i32, offset: i64) -> PartitionProgress {
        let partition = TopicPartition::new(topic, partition);
        PartitionProgress { partition, offset, leader_epoch: None, metadata: Progress::at(offset).encode() }
    }

    fn sse(url: &str) -> SourceConfig {
        SourceConfig::Sse { url: url.into(), since_ms: None }
    }

    #[test]
    fn a_position_is_read_as_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let mut position = Position::load(folder.path(), &sse("http://a/")).unwrap();
        position.move_on(&[progress("t", 0, 7), progress("t", COUNTED, 3)]);
        position.last_event_id = Some("[1]".into());
        position.save().unwrap();
        let again = Position::load(folder.path(), &sse("http://a/")).unwrap();
        assert_eq!(again.last_event_id.as_deref(), Some("[1]"));
        let known = again.assignment(TopicPartition::new("t", 0), 100);
        assert_eq!((known.start, known.progress.metadata), (7, Progress::at(7).encode()));
        let counted = again.assignment(TopicPartition::new("t", COUNTED), 0);
        assert_eq!((counted.start, counted.progress.metadata), (3, String::new()));
        let new = again.assignment(TopicPartition::new("t", 1), 100);
        assert_eq!((new.start, new.progress.offset), (100, None));
    }

    #[test]
    fn a_position_is_of_one_source() {
        let folder = tempfile::tempdir().unwrap();
        let files = |names: &[&str]| SourceConfig::Files { paths: names.iter().map(PathBuf::from).collect() };
        Position::load(folder.path(), &files(&["a", "b"])).unwrap().save().unwrap();
        assert!(Position::load(folder.path(), &files(&["a", "b", "c"])).is_ok());
        for other in [files(&["a"]), files(&["b", "a"]), sse("http://a/")] {
            let error = Position::load(folder.path(), &other).unwrap_err().to_string();
            assert!(error.contains("remove the file"), "{error}");
        }
        std::fs::write(folder.path().join(FILE), "{}").unwrap();
        assert!(Position::load(folder.path(), &files(&["a"])).unwrap_err().to_string().contains("damaged"));
    }

    #[test]
    fn a_stream_goes_on_behind_the_oldest_open_event() {
        let trail = Trail::new(Some("0".into()));
        let id = |text: &str| Some(Arc::from(text));
        for (topic, offset, own) in [("a", 5, "1"), ("b", 9, "2"), ("a", 6, "3"), ("b", 10, "4")] {
            trail.add(TopicPartition::new(topic, 0), offset, id(own));
        }
        assert_eq!(trail.settle(&[]), id("0"));
        assert_eq!(trail.settle(&[progress("b", 0, 11)]), id("0"), "the oldest is open");
        assert_eq!(trail.settle(&[progress("a", 0, 6)]), id("2"));
        assert_eq!(trail.settle(&[progress("a", 0, 7)]), id("4"));
    }
}
