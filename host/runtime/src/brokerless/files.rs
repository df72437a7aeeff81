//! Files as the source of a pipeline: a line is a record, its number the offset, its file the partition.

use super::EVENT_BYTES_MAX;
use super::intake::{BrokerlessIntake, Wishes, has_room};
use super::position::Position;
use super::route::Routes;
use crate::event_files::{EventFileError, EventFiles, Line};
use millrace_flow::record::{Record, TopicPartition};
use millrace_kafka::consumer::SourceEvent;
use millrace_kafka::error::KafkaError;
use millrace_platform::{DecodeLimits, Document};
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::runtime::Handle;
use tokio::sync::{mpsc::Sender, watch};

/// The most records of a batch, and the bytes from which on it is complete.
const BATCH_RECORDS_MAX: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Reads files to their end. Everything that a position counts as settled is passed over.
pub(super) fn start(
    paths: Vec<PathBuf>,
    routes: Routes,
    position: &Position,
    sink: Sender<SourceEvent>,
) -> std::io::Result<BrokerlessIntake> {
    let (intake, watched) = BrokerlessIntake::new();
    let reader = FileReader {
        files: EventFiles::new(paths, EVENT_BYTES_MAX),
        routes,
        position: position.clone(),
        known: BTreeSet::new(),
        handle: Handle::current(),
        watched,
        sink,
    };
    std::thread::Builder::new().name("millrace-files".to_owned()).spawn(move || reader.run())?;
    Ok(intake)
}

/// The thread that reads: files block, and decompression takes its time.
struct FileReader {
    files: EventFiles,
    routes: Routes,
    position: Position,
    /// The partitions that the pipeline was given.
    known: BTreeSet<TopicPartition>,
    handle: Handle,
    watched: watch::Receiver<Wishes>,
    sink: Sender<SourceEvent>,
}

impl FileReader {
    fn run(mut self) {
        // Whoever waits for the pipeline to be ready need not wait for the first event.
        let mut wanted = self.tell(SourceEvent::Assigned(Vec::new()));
        while wanted {
            let (records, end) = self.batch();
            wanted = self.hand_over(records);
            match end {
                Ok(End::Full) => {}
                Ok(End::Reached) => {
                    self.tell(SourceEvent::Exhausted);
                    break;
                }
                Err(error) => {
                    self.tell(SourceEvent::Fatal(error));
                    return;
                }
            }
        }
        // The pipeline is told that this has ended when it asks for that.
        drop(self.handle.block_on(self.watched.wait_for(|wishes| wishes.stop)));
        self.tell(SourceEvent::Stopped);
    }

    /// Reads until there are enough for a batch. What was read before something went wrong counts.
    fn batch(&mut self) -> (Vec<Record>, Result<End, KafkaError>) {
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < BATCH_RECORDS_MAX && bytes < BATCH_BYTES {
            let line = match self.files.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return (records, Ok(End::Reached)),
                Err(error) => return (records, Err(told(&error))),
            };
            let place = format!("{}:{}", line.file.display(), line.number);
            match self.record(line) {
                Ok(record) if self.position.settled(&record.source).is_some_and(|settled| record.offset < settled) => {}
                Ok(record) => {
                    bytes += record.bytes();
                    records.push(record);
                }
                Err(message) => return (records, Err(KafkaError::Other { what: place, message })),
            }
        }
        (records, Ok(End::Full))
    }

    fn record(&self, line: Line) -> Result<Record, String> {
        let limits = DecodeLimits { bytes_max: line.text.len(), ..DecodeLimits::default() };
        let event = Document::parse(line.text.clone(), &limits).ok();
        let routed = self.routes.route(event.as_ref())?;
        let partition = i32::try_from(line.file_number).map_err(|_| "there are too many files".to_owned())?;
        Ok(Record {
            source: TopicPartition::new(routed.topic, partition),
            offset: i64::try_from(line.number).unwrap_or(i64::MAX) - 1,
            timestamp_ms: routed.born_ms.unwrap_or(-1),
            key: routed.key.map(Into::into),
            value: Some(line.text),
            headers: Vec::new(),
        })
    }

    /// Hands records over, those of new partitions behind the partition. False: nobody wants them.
    fn hand_over(&mut self, records: Vec<Record>) -> bool {
        if !self.handle.block_on(has_room(&mut self.watched)) {
            return false;
        }
        let mut new = Vec::new();
        for record in &records {
            if self.known.insert(record.source.clone()) {
                new.push(self.position.assignment(record.source.clone(), 0));
            }
        }
        (new.is_empty() || self.tell(SourceEvent::Assigned(new)))
            && (records.is_empty() || self.tell(SourceEvent::Records(records)))
    }

    fn tell(&self, event: SourceEvent) -> bool {
        self.sink.blocking_send(event).is_ok()
    }
}

enum End {
    /// Of the batch.
    Full,
    /// Of the files.
    Reached,
}

fn told(error: &EventFileError) -> KafkaError {
    let message = std::error::Error::source(error).map_or_else(|| "stopped there".to_owned(), ToString::to_string);
    KafkaError::Other { what: error.to_string(), message }
}
