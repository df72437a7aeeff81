//! A reader of committed outputs that goes along for the whole run, and so sees what other readers would have seen at any
//! time of it.

use super::scene::PARTITIONS;
use crate::evidence::{Sighting, Source};
use crate::run::source;
use anyhow::Context as _;
use millrace_flow::record::Record;
use millrace_kafka::config::ClusterConfig;
use millrace_kafka::reader::{Isolation, TopicReader};
use millrace_services::wait_until;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one look for a record takes: the end of a run is not noticed sooner.
const LOOK_MS: u64 = 100;

/// What was read so far.
#[derive(Debug)]
pub(crate) struct Witness {
    read: Mutex<Read>,
    over: AtomicBool,
}

#[derive(Debug)]
struct Read {
    sightings: Vec<Sighting>,
    /// What is out of each input partition.
    partitions: Vec<Out>,
}

/// The events of an input partition that are out.
#[derive(Clone, Debug, Default)]
struct Out {
    /// When each offset was out together with all before it, from 0 on.
    since: Vec<Instant>,
    /// What is out beyond that.
    beyond: BTreeSet<i64>,
}

impl Out {
    fn put(&mut self, offset: i64) {
        if offset >= self.prefix() {
            self.beyond.insert(offset);
        }
        while self.beyond.remove(&self.prefix()) {
            self.since.push(Instant::now());
        }
    }

    /// Everything below it is out.
    fn prefix(&self) -> i64 {
        i64::try_from(self.since.len()).unwrap_or(i64::MAX)
    }

    /// Since when everything below `mark` is out, if it is.
    fn since(&self, mark: i64) -> Option<Instant> {
        self.since.get(usize::try_from(mark - 1).ok()?).copied()
    }
}

impl Witness {
    pub(crate) fn new() -> Self {
        let read = Read { sightings: Vec::new(), partitions: vec![Out::default(); PARTITIONS.unsigned_abs() as usize] };
        Self { read: Mutex::new(read), over: AtomicBool::new(false) }
    }

    /// Reads until [`Witness::end`].
    ///
    /// # Errors
    /// The topic cannot be read, or an output does not say where it comes from.
    pub(crate) fn run(&self, cluster: &ClusterConfig, topic: &str) -> anyhow::Result<()> {
        let mut reader = TopicReader::open(cluster, topic, Isolation::ReadCommitted)?;
        while !self.over.load(Ordering::Relaxed) {
            if let Some(record) = reader.next(LOOK_MS)? {
                self.note(&record)?;
            }
        }
        Ok(())
    }

    fn note(&self, record: &Record) -> anyhow::Result<()> {
        let source = source(record)?;
        let mut read = self.read();
        read.sightings.push(Sighting { partition: record.source.partition, source });
        let out = read.partitions.get_mut(usize::try_from(source.partition)?).context("an output of no partition")?;
        out.put(source.offset);
        Ok(())
    }

    /// Waits until of each input partition everything below `marks`, which are above 0, is out; answers since when.
    ///
    /// # Errors
    /// It is not within `patience`; the message says how far it is.
    pub(crate) fn wait_for(&self, marks: &[i64], patience: Duration) -> anyhow::Result<Instant> {
        let mut since = None;
        let is_out = || {
            since = self.since(marks);
            since.is_some()
        };
        let far = |late: anyhow::Error| {
            late.context(format!("everything below {:?} is out, of {marks:?} that are waited for", self.prefixes()))
        };
        wait_until("outputs of all partitions", patience, is_out).map_err(far)?;
        since.context("outputs that are out have a time")
    }

    /// Ends the reading.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Everything that was read, in order.
    pub(crate) fn into_sightings(self) -> Vec<Sighting> {
        self.read.into_inner().unwrap_or_else(PoisonError::into_inner).sightings
    }

    fn since(&self, marks: &[i64]) -> Option<Instant> {
        let since: Option<Vec<Instant>> =
            self.read().partitions.iter().zip(marks).map(|(out, mark)| out.since(*mark)).collect();
        since?.into_iter().max()
    }

    /// The first event of each input partition that is not out.
    pub(crate) fn first_missing(&self) -> Vec<Source> {
        (0..).zip(self.prefixes()).map(|(partition, offset)| Source { partition, offset }).collect()
    }

    fn prefixes(&self) -> Vec<i64> {
        self.read().partitions.iter().map(Out::prefix).collect()
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
