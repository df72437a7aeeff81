//! The consumer's protocol with its pipeline.

use super::bed::*;
use crate::config::ProducerConfig;
use crate::config::{ConsumerConfig, StartPosition};
use crate::consumer::SourceEvent;
use crate::error::KafkaError;
use crate::mock::{Refusal, Request};
use crate::writer::Writer;
use bytes::Bytes;
use millrace_flow::record::Header;

#[tokio::test]
async fn records_come_as_they_were_written_and_in_order() {
    let (_cluster, config) = cluster("t", 1);
    let mut record = output("t", &b"value"[..]);
    record.headers = vec![
        Header { name: "a".into(), value: Some(Bytes::from_static(b"\xff\x00")) },
        Header { name: "a".into(), value: None },
        Header { name: "b".into(), value: Some(Bytes::new()) },
    ];
    let mut tombstone = record.clone();
    (tombstone.key, tombstone.value) = (None, None);
    let writer = Writer::new(&ProducerConfig::new(config.clone())).unwrap();
    writer.write(&record).unwrap();
    writer.write(&tombstone).unwrap();
    writer.flush(10_000).unwrap();

    let mut source = Source::of(&config, "t");
    let assigned = source.assigned().await;
    assert_eq!((assigned[0].start, assigned[0].progress.offset), (0, None));
    let records = source.records(2).await;
    for (read, written) in records.iter().zip([record, tombstone]) {
        assert_eq!(
            (&read.key, &read.value, &read.headers, read.timestamp_ms),
            (&written.key, &written.value, &written.headers, written.timestamp_ms)
        );
    }
    assert_eq!((records[0].offset, records[1].offset), (0, 1));
    assert!(source.stop().await.is_empty());
}

#[tokio::test]
async fn batches_are_bounded_in_count_and_bytes() {
    let (_cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 400, 1_000);
    let mut consumer = ConsumerConfig::new(config, "group", vec!["t".to_owned()]);
    (consumer.batch_records_max, consumer.batch_bytes_max) = (50, 20_000);
    let mut source = Source::start(consumer, 4);
    source.assigned().await;
    let mut seen = 0;
    while seen < 400 {
        let SourceEvent::Records(batch) = source.next_untroubled().await else { panic!("expected records") };
        assert!(batch.len() <= 20, "{} records of 1,003 bytes in a batch of 20,000 bytes", batch.len());
        seen += batch.len();
    }
    assert_eq!(source.consumer.totals().records, 400);
    source.stop().await;
}

#[tokio::test]
async fn a_pipeline_that_starts_at_the_newest_skips_what_is_there_and_keeps_its_place() {
    let (_cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 10, 10);
    let mut consumer = ConsumerConfig::new(config.clone(), "group", vec!["t".to_owned()]);
    consumer.start = StartPosition::Latest;
    let mut source = Source::start(consumer.clone(), 16);
    assert_eq!(source.assigned().await[0].start, 10);
    source.stop().await;

    fill(&config, "t", 0, 5, 10);
    let mut source = Source::start(consumer, 16);
    let assigned = source.assigned().await;
    assert_eq!((assigned[0].start, assigned[0].progress.offset), (10, Some(10)));
    assert_eq!(source.records(5).await.len(), 5);
    source.stop().await;
}

#[tokio::test]
async fn a_move_starts_again_elsewhere_and_says_so() {
    let (_cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 20, 10);
    let mut source = Source::of(&config, "t");
    source.assigned().await;
    source.records(20).await;
    source.consumer.seek(&partition("t", 0), 15);
    let moved = source.next_untroubled().await;
    assert!(matches!(moved, SourceEvent::Moved { offset: 15, .. }), "{moved:?}");
    let numbers: Vec<_> = source.records(5).await.iter().map(number_of).collect();
    assert_eq!(numbers, [15, 16, 17, 18, 19]);
    source.stop().await;
}

#[tokio::test]
async fn a_missing_topic_is_trouble_with_its_name() {
    let (_cluster, config) = cluster("t", 1);
    let mut source = Source::of(&config, "elsewhere");
    match source.next().await {
        SourceEvent::Trouble(error @ KafkaError::TopicMissing { .. }) => {
            assert!(error.to_string().contains("elsewhere"), "{error}");
        }
        other => panic!("expected trouble, got {other:?}"),
    }
    source.stop().await;
}

#[tokio::test]
async fn an_offset_that_is_gone_ends_the_consumer_with_its_coordinates() {
    let (_cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 5, 10);
    let mut source = Source::of(&config, "t");
    source.assigned().await;
    source.consumer.submit(vec![progress(&partition("t", 0), 1_000, "")]);
    source.stop().await;
    let mut source = Source::of(&config, "t");
    assert_eq!(source.assigned().await[0].start, 1_000);
    loop {
        match source.next_untroubled().await {
            SourceEvent::Revoked { .. } => {}
            SourceEvent::Fatal(error) => {
                let expected =
                    KafkaError::OffsetOutOfRange { partition: partition("t", 0), offset: 1_000, low: 0, high: 5 };
                assert_eq!(error, expected);
                break;
            }
            other => panic!("expected a fatal error, got {other:?}"),
        }
    }
}

#[tokio::test]
async fn starts_are_asked_for_again_when_the_coordinator_is_not_ready() {
    let (cluster, config) = cluster("t", 1);
    cluster.refuse(Request::OffsetFetch, &[Refusal::Disconnect, Refusal::CoordinatorLoading]).unwrap();
    let mut source = Source::of(&config, "t");
    assert_eq!(source.assigned().await[0].start, 0);
    source.stop().await;
}

#[tokio::test]
async fn a_pipeline_that_is_gone_ends_its_consumer() {
    let (_cluster, config) = cluster("t", 1);
    let Source { consumer, events } = Source::of(&config, "t");
    drop(events);
    assert!(consumer.join(20_000));
}

/// Whoever looks for a start has a rebalance to answer, and must see that nobody waits for the answer any more.
#[tokio::test]
async fn a_pipeline_that_is_gone_ends_the_search_for_a_start() {
    let (cluster, config) = cluster("t", 1);
    cluster.refuse(Request::OffsetFetch, &[Refusal::CoordinatorLoading; 1_000]).unwrap();
    let mut source = Source::of(&config, "t");
    assert!(matches!(source.next().await, SourceEvent::Trouble(_)));
    let Source { consumer, events } = source;
    drop(events);
    assert!(consumer.join(20_000));
}

fn progress(
    partition: &millrace_flow::record::TopicPartition,
    offset: i64,
    metadata: &str,
) -> crate::commit::PartitionProgress {
    crate::commit::PartitionProgress {
        partition: partition.clone(),
        offset,
        leader_epoch: None,
        metadata: metadata.to_owned(),
    }
}
