//! An event that kills the host itself (a fault in the engine, in a parser) must not kill it for ever.
//!
//! Each worker writes down which events are in its hands, and takes that back when its round is over. What a host that
//! died leaves behind are the suspects. An event that was there at two deaths runs alone from then on: while it is in a
//! worker's hands, nothing else of the host is in any ([`Hands`]). One that was there at three, the last of them alone, is not
//! run any more: it becomes an error event `host_died`. An event that settles is no suspect any more. Timers are events here.
//!
//! The files are small, are never synced (they outlive the process, which is all that counts) and are looked at when a host
//! starts. Without a folder there are none.

use crate::job::Suspicion;
use millrace_flow::record::{Record, TopicPartition};
use millrace_flow::state::DueTimer;
use millrace_platform::timer_word;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What ends the list of a worker.
const END: &str = "end\n";

/// The file of what was there at earlier deaths.
const SUSPECTS: &str = "suspects";

/// From so many deaths on, an event runs alone.
const ALONE_FROM: u32 = 2;

/// From so many deaths on, an event is not run any more. The last of them counts if nothing else was in anybody's hands.
const CONDEMNED_FROM: u32 = 3;

/// The most suspects that are kept: what some workers can have in their hands at once.
const SUSPECTS_MAX: usize = 10_000;

/// An event by its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPlace {
    /// Its partition; of a timer, the place of its shard.
    partition: TopicPartition,
    /// Its offset there; of a timer, [`timer_word`].
    spot: String,
}

impl EventPlace {
    /// The place of an event by its record, or of a timer by what stands for its record.
    pub fn of(record: &Record, timer: Option<&DueTimer>) -> Self {
        let mut spot = String::new();
        write_spot(&mut spot, record, timer);
        Self { partition: record.source.clone(), spot }
    }
}

fn write_spot(text: &mut String, record: &Record, timer: Option<&DueTimer>) {
    match timer {
        // Writing to a string cannot fail.
        None => write!(text, "{}", record.offset).unwrap_or_default(),
        Some(timer) => text.push_str(&timer_word(timer)),
    }
}

/// What is known of an event that was there at so many deaths.
pub fn suspicion(deaths: u32) -> Suspicion {
    match deaths {
        CONDEMNED_FROM.. => Suspicion::Condemned,
        ALONE_FROM.. => Suspicion::RunsAlone,
        _ => Suspicion::None,
    }
}

/// How often each event was in a worker's hands when the host died, by pipeline.
type Deaths = BTreeMap<String, BTreeMap<EventPlace, u32>>;

/// The hands of all workers of a host: they may be full at once, but for a suspect, which is in some worker's alone.
#[derive(Clone, Debug, Default)]
pub struct Hands(Arc<RwLock<()>>);

impl Hands {
    /// A worker takes events in hand, or works on those that it has, until what is returned is dropped. Waits for those who
    /// are alone, and where this one is to be alone for everybody.
    pub fn fill(&self, alone: bool) -> (Option<RwLockReadGuard<'_, ()>>, Option<RwLockWriteGuard<'_, ()>>) {
        match alone {
            false => (Some(self.0.read().unwrap_or_else(PoisonError::into_inner)), None),
            true => (None, Some(self.0.write().unwrap_or_else(PoisonError::into_inner))),
        }
    }
}

/// What earlier hosts left behind, and where this one's workers write.
#[derive(Debug, Default)]
pub struct Breadcrumbs {
    folder: Option<PathBuf>,
    deaths: Mutex<Deaths>,
    hands: Hands,
}

impl Breadcrumbs {
    /// Reads what the host before this one left in `folder`, and empties it for this one. A folder that cannot be written
    /// costs the protection and nothing else; the log says so.
    pub fn open(folder: Option<PathBuf>) -> Self {
        let Some(folder) = folder else { return Self::default() };
        match take_over(&folder) {
            Ok(deaths) => {
                for (pipeline, events) in &deaths {
                    for (EventPlace { partition, spot }, deaths) in events {
                        if suspicion(*deaths) == Suspicion::None {
                            continue;
                        }
                        tracing::warn!(pipeline, %partition, offset = spot, deaths, "An event was in a worker's hands each time the host died; it is run alone, or not at all if it was alone the last time.");
                    }
                }
                Self { folder: Some(folder), deaths: Mutex::new(deaths), hands: Hands::default() }
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
        Crumb { hands: self.hands.clone(), file, text: String::new(), is_laid: false }
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
    for (pipeline, place, before) in read(&std::fs::read_to_string(folder.join(SUSPECTS)).unwrap_or_default()) {
        deaths.entry(pipeline).or_default().insert(place, before);
    }
    let mut in_hand = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "events") {
            in_hand.extend(read(&String::from_utf8_lossy(&std::fs::read(&path)?)));
            std::fs::remove_file(&path)?;
        }
    }
    // Beside others, nobody is condemned: it may have been one of them.
    let at_most = if in_hand.len() == 1 { CONDEMNED_FROM } else { CONDEMNED_FROM - 1 };
    for (pipeline, place, _) in in_hand {
        let before = deaths.entry(pipeline).or_default().entry(place).or_default();
        *before = (*before).max((*before + 1).min(at_most));
    }
    write(folder, &deaths)?;
    Ok(deaths)
}

/// The lines of a file as they were written.
fn read(text: &str) -> Vec<(String, EventPlace, u32)> {
    text.lines().take_while(|line| *line != END.trim_end()).take(SUSPECTS_MAX).filter_map(parse).collect()
}

/// Writes the suspects beside their file and puts it in its place.
fn write(folder: &Path, deaths: &Deaths) -> std::io::Result<()> {
    let mut text = String::new();
    for (pipeline, events) in deaths {
        for (EventPlace { partition, spot }, deaths) in events {
            line(&mut text, pipeline, partition, |text| text.push_str(spot), *deaths);
        }
    }
    text.push_str(END);
    let beside = folder.join(format!("{SUSPECTS}.new"));
    std::fs::write(&beside, text)?;
    std::fs::rename(beside, folder.join(SUSPECTS))
}

fn line(text: &mut String, pipeline: &str, partition: &TopicPartition, spot: impl FnOnce(&mut String), deaths: u32) {
    let TopicPartition { topic, partition } = partition;
    // Names of pipelines and topics have no spaces. Writing to a string cannot fail.
    write!(text, "{pipeline} {topic} {partition} ").unwrap_or_default();
    spot(text);
    writeln!(text, " {deaths}").unwrap_or_default();
}

/// A line as it was written; none if it was cut short.
fn parse(line: &str) -> Option<(String, EventPlace, u32)> {
    let mut words = line.split(' ');
    let (pipeline, topic) = (words.next()?, words.next()?);
    let (partition, spot, deaths) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let is_spot = spot.parse::<i64>().is_ok() || spot.starts_with("timer/");
    let place = EventPlace { partition: TopicPartition::new(topic, partition), spot: spot.to_owned() };
    Some((pipeline.to_owned(), place, deaths.parse().ok()?)).filter(|_| is_spot)
}

/// What one worker writes down.
#[derive(Debug)]
pub struct Crumb {
    hands: Hands,
    file: Option<File>,
    text: String,
    is_laid: bool,
}

impl Crumb {
    /// The hands of all workers.
    pub fn hands(&self) -> &Hands {
        &self.hands
    }

    /// These events and timers of `pipeline` are in the worker's hands from now on, and no others.
    pub fn lay<'a>(&mut self, pipeline: &str, events: impl Iterator<Item = (&'a Record, Option<&'a DueTimer>)>) {
        let Some(file) = &self.file else { return };
        self.text.clear();
        for (record, timer) in events {
            line(&mut self.text, pipeline, &record.source, |text| write_spot(text, record, timer), 0);
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

    use bytes::Bytes;
    use millrace_flow::state::TimerClock;
    use millrace_platform::timer_record;
    use std::sync::mpsc::sync_channel;

    fn record(offset: i64) -> Record {
        let source = TopicPartition::new("in", 3);
        Record { source, offset, timestamp_ms: 0, key: None, value: None, headers: Vec::new() }
    }

    fn place(offset: i64) -> EventPlace {
        EventPlace::of(&record(offset), None)
    }

    /// A worker takes these events of pipeline `p` in hand.
    fn take(crumb: &mut Crumb, offsets: &[i64]) {
        let records: Vec<_> = offsets.iter().copied().map(record).collect();
        crumb.lay("other", [(&record(99), None)].into_iter());
        crumb.lay("p", records.iter().map(|record| (record, None)));
    }

    /// A host whose workers had these events in their hands when it died.
    fn die(folder: &Path, of_workers: &[&[i64]]) {
        let crumbs = Breadcrumbs::open(Some(folder.to_owned()));
        for (number, offsets) in of_workers.iter().enumerate() {
            take(&mut crumbs.worker(&number.to_string()), offsets);
        }
    }

    fn suspects(folder: &Path) -> Vec<(i64, u32)> {
        let left = Breadcrumbs::open(Some(folder.to_owned())).suspects("p");
        left.into_iter().map(|(place, deaths)| (place.spot.parse().unwrap(), deaths)).collect()
    }

    #[test]
    fn what_was_there_at_each_death_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        die(folder.path(), &[&[1, 2, 3]]);
        die(folder.path(), &[&[2, 3]]);
        die(folder.path(), &[&[3], &[]]);
        assert_eq!(suspects(folder.path()), [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(suspects(folder.path()), [(1, 1), (2, 2), (3, 3)], "an orderly end counts for nothing");
    }

    #[test]
    fn nobody_is_condemned_beside_others() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..4 {
            die(folder.path(), &[&[1], &[2]]);
            die(folder.path(), &[&[1, 2]]);
        }
        assert_eq!(suspects(folder.path()), [(1, 2), (2, 2)]);
        assert_eq!(suspicion(2), Suspicion::RunsAlone);
        die(folder.path(), &[&[], &[2]]);
        assert_eq!(suspects(folder.path()), [(1, 2), (2, 3)]);
        assert_eq!(suspicion(3), Suspicion::Condemned);
        // It is not run, and stays what it is whoever dies before it has become an error event.
        die(folder.path(), &[&[1, 2]]);
        assert_eq!(suspects(folder.path()), [(1, 2), (2, 3)]);
    }

    #[test]
    fn a_timer_is_told_from_others_of_its_shard() {
        let folder = tempfile::tempdir().unwrap();
        let timer = |name: &str, due_ms| DueTimer {
            due_ms,
            key: Bytes::from_static(b"a key"),
            name: name.into(),
            clock: TimerClock::Wall,
        };
        let shard = TopicPartition::new("log", 1);
        let (timers, place) = ([timer("a name", 5), timer("a name", 6), timer("b", 5)], |timer: &DueTimer| {
            EventPlace::of(&timer_record(&shard, timer), Some(timer))
        });
        let record = timer_record(&shard, &timers[0]);
        let mut crumb = Breadcrumbs::open(Some(folder.path().to_owned())).worker("w");
        crumb.lay("p", timers[..2].iter().map(|timer| (&record, Some(timer))));
        let left = Breadcrumbs::open(Some(folder.path().to_owned())).suspects("p");
        let deaths: Vec<_> = timers.iter().map(|timer| left.get(&place(timer)).copied()).collect();
        assert_eq!(deaths, [Some(1), Some(1), None]);
    }

    #[test]
    fn while_a_suspect_is_in_hand_all_other_hands_are_empty() {
        let hands = Hands::default();
        let beside = (hands.fill(false), hands.fill(false));
        let (sender, filled) = sync_channel(1);
        let alone = std::thread::spawn({
            let hands = hands.clone();
            move || {
                let _alone = hands.fill(true);
                sender.send(()).unwrap();
            }
        });
        assert!(filled.try_recv().is_err(), "others have something in hand");
        drop(beside);
        filled.recv().unwrap();
        alone.join().unwrap();
        assert!(hands.fill(false).0.is_some());
    }

    #[test]
    fn a_round_that_is_over_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut crumb = Breadcrumbs::open(Some(folder.path().to_owned())).worker("w");
        take(&mut crumb, &[1, 2]);
        crumb.lift();
        assert_eq!(suspects(folder.path()), []);
    }

    #[test]
    fn an_event_that_settles_is_no_suspect_any_more() {
        let folder = tempfile::tempdir().unwrap();
        die(folder.path(), &[&[1, 2]]);
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
        take(&mut crumbs.worker("w"), &[1]);
        assert_eq!(crumbs.suspects("p"), BTreeMap::new());
        let unusable = Breadcrumbs::open(Some("/proc/nowhere".into()));
        assert_eq!(unusable.suspects("p"), BTreeMap::new());
    }
}
