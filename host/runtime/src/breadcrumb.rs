//! An event that kills the host itself (a fault in the engine, in a parser) must not kill it for ever.
//!
//! Each worker writes down which events are in its hands, and takes that back when its round is over. What a host that
//! died leaves behind are the suspects. An event that was there at two deaths runs alone from then on, nothing of its
//! pipeline beside it; one that was there at three, the last of them alone, is not run any more: it becomes an error event
//! `host_died`. An event that settles is no suspect any more.
//!
//! The files are small, are never synced (they outlive the process, which is all that counts) and are looked at when a host
//! starts. Without a folder there are none.

use millrace_flow::record::{Record, TopicPartition};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What ends the list of a worker.
const END: &str = "end\n";

/// The file of what was there at earlier deaths.
const SUSPECTS: &str = "suspects";

/// From so many deaths on, an event runs alone.
pub const ALONE_FROM: u32 = 2;

/// From so many deaths on, an event is not run any more.
pub const CONDEMNED_FROM: u32 = 3;

/// The most suspects that are kept: what some workers can have in their hands at once.
const SUSPECTS_MAX: usize = 10_000;

/// An event by its place: its offset in a partition.
pub type EventPlace = (TopicPartition, i64);

/// How often each event was in a worker's hands when the host died, by pipeline.
type Deaths = BTreeMap<String, BTreeMap<EventPlace, u32>>;

/// What earlier hosts left behind, and where this one's workers write.
#[derive(Debug, Default)]
pub struct Breadcrumbs {
    folder: Option<PathBuf>,
    deaths: Mutex<Deaths>,
}

impl Breadcrumbs {
    /// Reads what the host before this one left in `folder`, and empties it for this one. A folder that cannot be written
    /// costs the protection and nothing else; the log says so.
    pub fn open(folder: Option<PathBuf>) -> Self {
        let Some(folder) = folder else { return Self::default() };
        match take_over(&folder) {
            Ok(deaths) => {
                for (pipeline, events) in &deaths {
                    for ((partition, offset), deaths) in events.iter().filter(|(_, deaths)| **deaths >= ALONE_FROM) {
                        tracing::warn!(pipeline, %partition, offset, deaths, "An event was in a worker's hands each time the host died; it is run alone.");
                    }
                }
                Self { folder: Some(folder), deaths: Mutex::new(deaths) }
            }
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "An event that kills the host will not be noticed: the folder cannot be used.");
                Self::default()
            }
        }
    }

    /// Where the worker of this name writes.
    pub fn worker(&self, name: &str) -> Crumb {
        let opened = self.folder.as_ref().map(|folder| File::create(folder.join(format!("{name}.events"))));
        let file = match opened {
            Some(Ok(file)) => Some(file),
            Some(Err(error)) => {
                tracing::warn!(%error, worker = name, "An event that kills the host will not be noticed.");
                None
            }
            None => None,
        };
        Crumb { file, text: String::new(), is_laid: false }
    }

    /// The suspects of a pipeline, with the number of deaths at which each was there.
    pub fn suspects(&self, pipeline: &str) -> BTreeMap<EventPlace, u32> {
        self.lock().get(pipeline).cloned().unwrap_or_default()
    }

    /// These events settled: they are no suspects any more.
    pub fn cleared(&self, pipeline: &str, events: &[EventPlace]) {
        let mut deaths = self.lock();
        let Some(suspects) = deaths.get_mut(pipeline) else { return };
        suspects.retain(|place, _| !events.contains(place));
        if let Some(folder) = &self.folder
            && let Err(error) = write(folder, &deaths)
        {
            tracing::warn!(%error, "An event that is suspect no more could not be crossed off.");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Deaths> {
        self.deaths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what was left behind as one more death, and starts anew.
fn take_over(folder: &Path) -> std::io::Result<Deaths> {
    std::fs::create_dir_all(folder)?;
    let mut deaths = Deaths::new();
    let mut read = |text: &str, died: u32| {
        for line in text.lines().take_while(|line| *line != END.trim_end()).take(SUSPECTS_MAX) {
            if let Some((pipeline, place, before)) = parse(line) {
                *deaths.entry(pipeline).or_default().entry(place).or_default() += before + died;
            }
        }
    };
    read(&std::fs::read_to_string(folder.join(SUSPECTS)).unwrap_or_default(), 0);
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "events") {
            read(&String::from_utf8_lossy(&std::fs::read(&path)?), 1);
            std::fs::remove_file(&path)?;
        }
    }
    write(folder, &deaths)?;
    Ok(deaths)
}

/// Writes the suspects beside their file and puts it in its place.
fn write(folder: &Path, deaths: &Deaths) -> std::io::Result<()> {
    let mut text = String::new();
    for (pipeline, events) in deaths {
        for ((partition, offset), deaths) in events {
            line(&mut text, pipeline, partition, *offset, *deaths);
        }
    }
    text.push_str(END);
    let beside = folder.join(format!("{SUSPECTS}.new"));
    std::fs::write(&beside, text)?;
    std::fs::rename(beside, folder.join(SUSPECTS))
}

fn line(text: &mut String, pipeline: &str, partition: &TopicPartition, offset: i64, deaths: u32) {
    let TopicPartition { topic, partition } = partition;
    // Names of pipelines and topics have no spaces.
    text.push_str(&format!("{pipeline} {topic} {partition} {offset} {deaths}\n"));
}

/// A line as it was written; none if it was cut short.
fn parse(line: &str) -> Option<(String, EventPlace, u32)> {
    let mut words = line.split(' ');
    let (pipeline, topic) = (words.next()?, words.next()?);
    let (partition, offset, deaths) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
    let place = (TopicPartition::new(topic, partition), offset);
    Some((pipeline.to_owned(), place, deaths.parse().ok()?))
}

/// What one worker writes down.
#[derive(Debug)]
pub struct Crumb {
    file: Option<File>,
    text: String,
    is_laid: bool,
}

impl Crumb {
    /// These events of `pipeline` are in the worker's hands from now on, and no others.
    pub fn lay<'a>(&mut self, pipeline: &str, records: impl Iterator<Item = &'a Arc<Record>>) {
        let Some(file) = &self.file else { return };
        self.text.clear();
        for record in records {
            line(&mut self.text, pipeline, &record.source, record.offset, 0);
        }
        self.text.push_str(END);
        self.is_laid = true;
        // A full disk costs the protection and nothing else.
        drop(file.write_all_at(self.text.as_bytes(), 0));
    }

    /// Nothing is in the worker's hands.
    pub fn lift(&mut self) {
        if std::mem::take(&mut self.is_laid)
            && let Some(file) = &self.file
        {
            drop(file.write_all_at(END.as_bytes(), 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64) -> Arc<Record> {
        let source = TopicPartition::new("in", 3);
        Arc::new(Record { source, offset, timestamp_ms: 0, key: None, value: None, headers: Vec::new() })
    }

    fn place(offset: i64) -> EventPlace {
        (TopicPartition::new("in", 3), offset)
    }

    /// A host whose worker had these events in its hands when it died.
    fn die(folder: &Path, offsets: &[i64]) {
        let mut crumb = Breadcrumbs::open(Some(folder.to_owned())).worker("w");
        let records: Vec<_> = offsets.iter().copied().map(record).collect();
        crumb.lay("other", [record(99)].iter());
        crumb.lay("p", records.iter());
    }

    fn suspects(folder: &Path) -> Vec<(i64, u32)> {
        let left = Breadcrumbs::open(Some(folder.to_owned())).suspects("p");
        left.into_iter().map(|((_, offset), deaths)| (offset, deaths)).collect()
    }

    #[test]
    fn what_was_there_at_each_death_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        die(folder.path(), &[1, 2, 3]);
        die(folder.path(), &[2, 3]);
        die(folder.path(), &[3]);
        assert_eq!(suspects(folder.path()), [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(suspects(folder.path()), [(1, 1), (2, 2), (3, 3)], "an orderly end counts for nothing");
    }

    #[test]
    fn a_round_that_is_over_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut crumb = Breadcrumbs::open(Some(folder.path().to_owned())).worker("w");
        crumb.lay("p", [record(1), record(2)].iter());
        crumb.lift();
        assert_eq!(suspects(folder.path()), []);
    }

    #[test]
    fn an_event_that_settles_is_no_suspect_any_more() {
        let folder = tempfile::tempdir().unwrap();
        die(folder.path(), &[1, 2]);
        let crumbs = Breadcrumbs::open(Some(folder.path().to_owned()));
        crumbs.cleared("p", &[place(1)]);
        crumbs.cleared("nobody", &[place(2)]);
        assert_eq!(crumbs.suspects("p"), BTreeMap::from([(place(2), 1)]));
        assert_eq!(suspects(folder.path()), [(2, 1)]);
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("w.events"), b"p in 3 7 0\np in x\n\xff\xfe\np in 3 8").unwrap();
        assert_eq!(suspects(folder.path()), [(7, 1)]);
    }

    #[test]
    fn without_a_folder_nobody_is_suspected() {
        let crumbs = Breadcrumbs::open(None);
        crumbs.worker("w").lay("p", [record(1)].iter());
        assert_eq!(crumbs.suspects("p"), BTreeMap::new());
        let unusable = Breadcrumbs::open(Some("/proc/nowhere".into()));
        assert_eq!(unusable.suspects("p"), BTreeMap::new());
    }
}
