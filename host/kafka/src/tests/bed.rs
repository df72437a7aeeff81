//! What the tests share: an embedded cluster, a consumer with its channel, records to write.

use crate::config::{ClusterConfig, ConsumerConfig, ProducerConfig};
use crate::consumer::{Assignment, Consumer, SourceEvent};
use crate::delivery::{Delivery, DeliveryEvent};
use crate::mock::EmbeddedCluster;
use crate::writer::Writer;
use bytes::Bytes;
use millrace_flow::record::{OutputRecord, Record, TopicPartition};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Everything here comes within milliseconds; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn cluster(topic: &str, partitions: u16) -> (EmbeddedCluster, ClusterConfig) {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic(topic, partitions).unwrap();
    let mut config = ClusterConfig::plain(cluster.brokers());
    // The embedded coordinator waits for the session, less a second, before it believes that all members are there.
    for (key, value) in [("session.timeout.ms", "2000"), ("heartbeat.interval.ms", "200")] {
        config.overrides.insert(key.to_owned(), value.to_owned());
    }
    (cluster, config)
}

pub(super) fn output(topic: &str, value: impl Into<Bytes>) -> OutputRecord {
    OutputRecord {
        topic: topic.into(),
        timestamp_ms: 1_700_000_000_000,
        key: Some(Bytes::from_static(b"key")),
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

/// Writes `count` records of `bytes` bytes to one partition; their values begin with their number.
pub(super) fn fill(cluster: &ClusterConfig, topic: &str, partition: i32, count: usize, bytes: usize) {
    let writer = Writer::new(&ProducerConfig::new(cluster.clone())).unwrap();
    for number in 0..count {
        let mut value = format!("{number} ").into_bytes();
        value.resize(bytes.max(value.len()), b'x');
        writer.write_to(partition, &output(topic, value)).unwrap();
    }
    writer.flush(20_000).unwrap();
}

pub(super) fn number_of(record: &Record) -> usize {
    let text = std::str::from_utf8(record.value.as_ref().unwrap()).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// A consumer and what comes out of it.
pub(super) struct Source {
    pub(super) consumer: Consumer,
    pub(super) events: mpsc::Receiver<SourceEvent>,
}

impl Source {
    pub(super) fn start(config: ConsumerConfig, room: usize) -> Self {
        let (sink, events) = mpsc::channel(room);
        Self { consumer: Consumer::start(config, sink).unwrap(), events }
    }

    pub(super) fn of(cluster: &ClusterConfig, topic: &str) -> Self {
        Self::start(ConsumerConfig::new(cluster.clone(), "group", vec![topic.to_owned()]), 16)
    }

    pub(super) async fn next(&mut self) -> SourceEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a running consumer")
    }

    /// The next event that is no trouble.
    pub(super) async fn next_untroubled(&mut self) -> SourceEvent {
        loop {
            match self.next().await {
                SourceEvent::Trouble(_) => {}
                event => return event,
            }
        }
    }

    pub(super) async fn assigned(&mut self) -> Vec<Assignment> {
        match self.next_untroubled().await {
            SourceEvent::Assigned(assignments) => assignments,
            other => panic!("expected an assignment, got {other:?}"),
        }
    }

    pub(super) async fn records(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            match self.next_untroubled().await {
                SourceEvent::Records(batch) => records.extend(batch),
                other => panic!("expected records, got {other:?}"),
            }
        }
        records
    }

    /// Stops the consumer and takes what is left of its events.
    pub(super) async fn stop(mut self) -> Vec<SourceEvent> {
        self.consumer.stop();
        let mut rest = Vec::new();
        loop {
            match self.next().await {
                SourceEvent::Stopped => break,
                // Dropped here, which acknowledges.
                SourceEvent::Revoked { .. } => {}
                other => rest.push(other),
            }
        }
        assert!(self.consumer.join(10_000));
        rest
    }
}

pub(super) fn deliver_to(
    cluster: &ClusterConfig,
    consumer: Option<&Consumer>,
    change: impl FnOnce(&mut ProducerConfig),
) -> (Delivery, mpsc::Receiver<DeliveryEvent>) {
    let mut config = ProducerConfig::new(cluster.clone());
    change(&mut config);
    let (reports, events) = mpsc::channel(64);
    (Delivery::start(config, consumer, reports).unwrap(), events)
}

pub(super) async fn report(events: &mut mpsc::Receiver<DeliveryEvent>) -> DeliveryEvent {
    timeout(PATIENCE, events.recv()).await.expect("a report in time").expect("a running delivery")
}

pub(super) fn partition(topic: &str, number: i32) -> TopicPartition {
    TopicPartition::new(topic, number)
}
