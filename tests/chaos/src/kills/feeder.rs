//! Feeds the hosts for as long as a run lasts, at a rate that leaves something in flight at any time and the machine at
//! ease.

use super::scene::PARTITIONS;
use crate::journal::now_ms;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::world::World;
use millrace_flow::record::OutputRecord;
use millrace_kafka::config::{ClusterConfig, ProducerConfig};
use millrace_kafka::writer::Writer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// Events are fed in portions of so many.
const PORTION: u64 = 6;
/// The pause between two portions: 120 events a second in all.
const PAUSE: Duration = Duration::from_millis(50);
/// So many pages change in turns: each every third of a second.
const PAGES: u64 = 40;
/// So often each of them, before others have their turn: the world knows 800 revisions of a page.
const EDITS: u64 = 100;
/// How long the last events may take to be acknowledged.
const FLUSH_MAX_MS: u64 = 120_000;
/// When all the events happened, as they say.
const DT: &str = "2026-06-22T09:48:10Z";

/// What was fed.
#[derive(Debug)]
pub(crate) struct Feeder {
    /// How many events of each partition were handed to the client; they are acknowledged in this order.
    written: Vec<AtomicI64>,
    over: AtomicBool,
}

impl Feeder {
    pub(crate) fn new() -> Self {
        Self { written: (0..PARTITIONS).map(|_| AtomicI64::new(0)).collect(), over: AtomicBool::new(false) }
    }

    /// Feeds until [`Feeder::end`], and waits until everything is acknowledged.
    ///
    /// # Errors
    /// An event was not acknowledged in time.
    pub(crate) fn run(&self, cluster: ClusterConfig, topic: &str, world: &World) -> anyhow::Result<()> {
        let writer = Writer::new(&ProducerConfig::new(cluster))?;
        let (wiki, topic): (Wiki, Arc<str>) = (Wiki::numbered(0), topic.into());
        let mut numbers = 0..;
        while !self.over.load(Ordering::Relaxed) {
            for number in numbers.by_ref().take(usize::try_from(PORTION)?) {
                let (turn, number) = (number / (PAGES * EDITS), number % (PAGES * EDITS));
                let (page, edit) = (number % PAGES, 2 + number / PAGES);
                let change = Change { wiki: &wiki, page_id: 1 + turn * PAGES + page, edit, kind: Kind::Edit, dt: DT };
                let record = OutputRecord {
                    topic: Arc::clone(&topic),
                    timestamp_ms: now_ms(),
                    key: Some(change.key().into_bytes().into()),
                    value: Some(change.event(world).into_bytes().into()),
                    headers: Vec::new(),
                };
                let partition = i32::try_from(page)? % PARTITIONS;
                writer.write_to(partition, &record)?;
                if let Some(written) = self.written.get(usize::try_from(partition)?) {
                    written.fetch_add(1, Ordering::Relaxed);
                }
            }
            std::thread::sleep(PAUSE);
        }
        Ok(writer.flush(FLUSH_MAX_MS)?)
    }

    /// Ends the feeding.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// How many events of each partition were fed by now: below it lie their offsets.
    pub(crate) fn written(&self) -> Vec<i64> {
        self.written.iter().map(|written| written.load(Ordering::Relaxed)).collect()
    }
}
