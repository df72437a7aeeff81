//! EventStreams as the source of a pipeline. An event lies where it says that it lay in Kafka; one that does not say so is
//! counted.

use super::EVENT_BYTES_MAX;
use super::intake::{BrokerlessIntake, Wishes, has_room};
use super::position::{COUNTED, Position, Trail};
use super::route::{Coordinates, Routes};
use bytes::Bytes;
use millrace_flow::clock::Clock;
use millrace_flow::record::{Record, TopicPartition};
use millrace_kafka::consumer::SourceEvent;
use millrace_kafka::error::KafkaError;
use millrace_lookup::event_source::{EventSource, EventSourceConfig, Said, ServerEvent};
use millrace_platform::{DecodeLimits, Document};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc::Sender, watch};

/// Where a stream begins.
pub(super) struct Start {
    pub(super) url: String,
    pub(super) since_ms: Option<u64>,
    pub(super) position: Position,
    pub(super) trail: Arc<Trail>,
}

/// Reads a stream until it is told to stop.
pub(super) fn start(
    start: Start,
    routes: Routes,
    clock: Arc<dyn Clock>,
    sink: Sender<SourceEvent>,
) -> anyhow::Result<BrokerlessIntake> {
    let Start { url, since_ms, position, trail } = start;
    let config = EventSourceConfig {
        last_event_id: position.last_event_id.as_deref().map(str::to_owned),
        since_ms,
        event_bytes_max: EVENT_BYTES_MAX,
        ..EventSourceConfig::new(url.clone())
    };
    let events = EventSource::new(config, clock)?;
    let (intake, watched) = BrokerlessIntake::new();
    let reader = SseReader { url, events, routes, position, trail, next: BTreeMap::new(), watched, sink };
    tokio::spawn(reader.run());
    Ok(intake)
}

struct SseReader {
    url: String,
    events: EventSource,
    routes: Routes,
    position: Position,
    trail: Arc<Trail>,
    /// The offset that comes next of each partition that the pipeline was given.
    next: BTreeMap<TopicPartition, i64>,
    watched: watch::Receiver<Wishes>,
    sink: Sender<SourceEvent>,
}

impl SseReader {
    async fn run(mut self) {
        if let Err(error) = self.read().await {
            // A pipeline that is gone needs no telling, here and below.
            drop(self.sink.send(SourceEvent::Fatal(error)).await);
            return;
        }
        drop(self.sink.send(SourceEvent::Stopped).await);
    }

    /// Hands over one event after the other, until nobody wants any more.
    async fn read(&mut self) -> Result<(), KafkaError> {
        // Whoever waits for the pipeline to be ready need not wait for the first event.
        let mut wanted = self.sink.send(SourceEvent::Assigned(Vec::new())).await.is_ok();
        while wanted && has_room(&mut self.watched).await {
            let said = tokio::select! {
                biased;
                _ = self.watched.wait_for(|wishes| wishes.stop) => return Ok(()),
                said = self.events.next() => said,
            };
            wanted = match said.map_err(|error| self.told(error.to_string()))? {
                Said::Event(event) => self.take(event).await?,
                Said::Interrupted { reason, wait } => {
                    let message = format!("{reason}; connecting again in {} ms", wait.as_millis());
                    let trouble = KafkaError::Transport { what: format!("reading {}", self.url), message };
                    self.sink.send(SourceEvent::Trouble(trouble)).await.is_ok()
                }
            };
        }
        Ok(())
    }

    /// Hands an event over. False: nobody wants it.
    async fn take(&mut self, event: ServerEvent) -> Result<bool, KafkaError> {
        let ServerEvent { id, data } = event;
        let record = self.record(data).map_err(|message| self.told(message))?;
        let (partition, offset) = (record.source.clone(), record.offset);
        let next = match self.next.get(&partition) {
            Some(next) => *next,
            None => {
                let assignment = self.position.assignment(partition.clone(), offset);
                let start = assignment.start;
                if self.sink.send(SourceEvent::Assigned(vec![assignment])).await.is_err() {
                    return Ok(false);
                }
                start
            }
        };
        self.next.insert(partition.clone(), next.max(offset + 1));
        // A connection that went on too early brings what was here before.
        if offset < next {
            return Ok(true);
        }
        self.trail.add(partition, offset, id);
        Ok(self.sink.send(SourceEvent::Records(vec![record])).await.is_ok())
    }

    fn record(&self, data: Bytes) -> Result<Record, String> {
        let limits = DecodeLimits { bytes_max: data.len(), ..DecodeLimits::default() };
        let event = Document::parse(data.clone(), &limits).ok();
        let routed = self.routes.route(event.as_ref())?;
        let Coordinates { partition, offset } = match routed.coordinates {
            Some(coordinates) => coordinates,
            None => {
                let counted = TopicPartition { topic: Arc::clone(&routed.topic), partition: COUNTED };
                let next = self.next.get(&counted).copied().or_else(|| self.position.settled(&counted));
                Coordinates { partition: COUNTED, offset: next.unwrap_or(0) }
            }
        };
        Ok(Record {
            source: TopicPartition { topic: routed.topic, partition },
            offset,
            timestamp_ms: routed.born_ms.unwrap_or(-1),
            key: routed.key.map(Into::into),
            value: Some(data),
            headers: Vec::new(),
        })
    }

    fn told(&self, message: String) -> KafkaError {
        KafkaError::Other { what: format!("reading {}", self.url), message }
    }
}
