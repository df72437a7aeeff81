//! Where a pipeline's outputs go, and its progress with them. Without a broker: one file of JSON lines for each topic, and
//! the position beside them.

use super::position::{Position, Trail};
use anyhow::Context as _;
use millrace_flow::record::OutputRecord;
use millrace_flow::shard::Shard;
use millrace_kafka::delivery::{Delivery, DeliveryEvent, QueueFull, Unit};
use millrace_kafka::error::KafkaError;
use millrace_kafka::transactional::{Kept, NotOurs, Stay, Transaction, Transactions};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::mpsc::Sender;

/// Units that may wait for the thread that writes.
const UNITS_MAX: usize = 64;
/// The file that is locked while a folder is written.
const LOCK: &str = ".lock";
/// What is read at once from the end of a file, when its last line is looked for.
const TAIL_BYTES: u64 = 64 << 10;

/// What writes the outputs of a pipeline.
pub enum Outlet {
    /// A producer.
    Kafka(Box<Delivery>),
    /// Transactional producers, one for each owned shard.
    Transactions(Transactions),
    /// Files.
    Files(FileOutlet),
}

impl Outlet {
    /// Sends the outputs of `unit` in order, and its progress behind what was delivered. Never blocks.
    ///
    /// # Errors
    /// [`QueueFull`] when there is no room for it.
    pub fn deliver(&mut self, unit: Unit) -> Result<(), QueueFull> {
        match self {
            Self::Kafka(delivery) => delivery.deliver(unit),
            Self::Files(outlet) => outlet.deliver(unit),
            // Everything goes out with a transaction, so there is no unit.
            Self::Transactions(_) => Err(QueueFull(unit)),
        }
    }

    /// Hands a transaction over. Never blocks.
    ///
    /// # Errors
    /// Its shard is no longer ours.
    pub fn write(&self, transaction: Arc<Transaction>) -> Result<(), NotOurs> {
        match self {
            Self::Transactions(transactions) => transactions.deliver(transaction),
            Self::Kafka(_) | Self::Files(_) => Err(NotOurs),
        }
    }

    /// The state of a shard that may come back.
    pub fn keep(&self, shard: Shard, kept: Kept) {
        if let Self::Transactions(transactions) = self {
            transactions.keep(shard, kept);
        }
    }

    /// These partitions are no longer ours.
    pub fn release(&self, stays: &[(Shard, Stay)]) {
        if let Self::Transactions(transactions) = self {
            transactions.release(stays);
        }
    }
}

/// The handle of the thread that writes files. Once it is dropped, the thread writes what it has and ends.
pub struct FileOutlet {
    units: SyncSender<Unit>,
}

impl FileOutlet {
    /// Starts the thread. What it says of units and progress goes to `reports`.
    ///
    /// # Errors
    /// Somebody else writes into the folder, or the system refuses a thread.
    pub(super) fn start(
        folder: &Path,
        position: Position,
        trail: Arc<Trail>,
        reports: Sender<DeliveryEvent>,
    ) -> anyhow::Result<Self> {
        let (units, waiting) = sync_channel(UNITS_MAX);
        let lock = lock(folder)?;
        let writer =
            FileWriter { _lock: lock, folder: folder.to_owned(), files: BTreeMap::new(), position, trail, reports };
        let thread = std::thread::Builder::new().name("millrace-outputs".to_owned());
        thread.spawn(move || writer.run(&waiting)).context("no thread for writing files")?;
        Ok(Self { units })
    }

    fn deliver(&self, unit: Unit) -> Result<(), QueueFull> {
        match self.units.try_send(unit) {
            Ok(()) => Ok(()),
            // A thread that has ended said why; the pipeline stops when it reads that.
            Err(TrySendError::Full(unit) | TrySendError::Disconnected(unit)) => Err(QueueFull(unit)),
        }
    }
}

/// The thread that writes.
struct FileWriter {
    /// Held while the thread runs.
    _lock: File,
    folder: PathBuf,
    files: BTreeMap<Arc<str>, File>,
    position: Position,
    trail: Arc<Trail>,
    reports: Sender<DeliveryEvent>,
}

impl FileWriter {
    fn run(mut self, units: &Receiver<Unit>) {
        while let Ok(unit) = units.recv() {
            let reports = match self.write(unit) {
                Ok(reports) => reports,
                Err(error) => {
                    let what = format!("writing to {}", self.folder.display());
                    vec![DeliveryEvent::Fatal(KafkaError::Other { what, message: format!("{error:#}") })]
                }
            };
            let is_fatal = reports.iter().any(|report| matches!(report, DeliveryEvent::Fatal(_)));
            for report in reports {
                if self.reports.blocking_send(report).is_err() {
                    return;
                }
            }
            if is_fatal {
                return;
            }
        }
    }

    /// Writes a unit; its progress only counts on units before it, which are written.
    fn write(&mut self, unit: Unit) -> anyhow::Result<Vec<DeliveryEvent>> {
        let Unit { serial, outputs, progress } = unit;
        for output in &outputs {
            self.append(output).with_context(|| format!("{}", output.topic))?;
        }
        let mut reports = vec![DeliveryEvent::Delivered(vec![serial])];
        if !progress.is_empty() {
            for file in self.files.values() {
                file.sync_data()?;
            }
            self.position.move_on(&progress);
            self.position.last_event_id = self.trail.settle(&progress);
            self.position.save().context("the position")?;
            reports.push(DeliveryEvent::Committed(progress));
        }
        Ok(reports)
    }

    /// Adds an output to the file of its topic, as one line in one call.
    fn append(&mut self, output: &OutputRecord) -> anyhow::Result<()> {
        let mut line = Vec::with_capacity(output.value.as_ref().map_or(4, |value| value.len()) + 1);
        // A record without value deletes what its key stands for: there is no event in it.
        line.extend_from_slice(output.value.as_deref().unwrap_or(&b"null"[..]));
        // Between the parts of a document only: inside of texts, line ends are escaped.
        line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        line.push(b'\n');
        if !self.files.contains_key(&output.topic) {
            let file = open(&self.folder.join(format!("{}.jsonl", output.topic)))?;
            self.files.insert(Arc::clone(&output.topic), file);
        }
        if let Some(file) = self.files.get_mut(&output.topic) {
            file.write_all(&line)?;
        }
        Ok(())
    }
}

/// Keeps others out of the folder: two that write its position would each undo what the other did.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
    let shown = folder.display();
    file.try_lock().with_context(|| format!("another run writes into {shown}; end it, or name another folder"))?;
    Ok(file)
}

/// Opens a file to be added to. Half a line at its end is of a host that was killed: its event runs again.
fn open(path: &Path) -> anyhow::Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    let mut end = file.metadata()?.len();
    let whole = loop {
        let start = end.saturating_sub(TAIL_BYTES);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&mut file).take(end - start).read_to_end(&mut tail)?;
        match tail.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => break start + u64::try_from(at)? + 1,
            None if start == 0 => break 0,
            None => end = start,
        }
    };
    file.set_len(whole)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("topic.jsonl");
        std::fs::write(&path, content).unwrap();
        let mut file = open(&path).unwrap();
        file.write_all(b"new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn a_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock(folder.path()).unwrap();
        assert!(format!("{:#}", lock(folder.path()).unwrap_err()).contains("another run"));
        drop(first);
        assert!(lock(folder.path()).is_ok());
    }

    #[test]
    fn half_a_line_of_a_killed_host_is_cut_off() {
        check("", "new\n");
        check("one\n", "one\nnew\n");
        check("one\ntwo\nhal", "one\ntwo\nnew\n");
        check("hal", "new\n");
        let long = "x".repeat(200_000);
        check(&format!("one\n{long}"), "one\nnew\n");
        check(&long, "new\n");
    }
}
