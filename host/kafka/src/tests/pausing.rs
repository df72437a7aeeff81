//! Holding the consumer back, and pausing partitions.

use super::bed::*;
use crate::config::ConsumerConfig;
use crate::consumer::SourceEvent;
use millrace_flow::record::Record;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

fn numbers(records: &[Record]) -> Vec<usize> {
    records.iter().map(number_of).collect()
}

#[tokio::test]
async fn a_paused_partition_is_silent_and_goes_on_where_it_was() {
    let (_cluster, config) = cluster("t", 2);
    fill(&config, "t", 0, 300, 100);
    let mut consumer = ConsumerConfig::new(config.clone(), "group", vec!["t".to_owned()]);
    consumer.batch_records_max = 50;
    // Room for everything, so that nothing is paused but by the test.
    let mut source = Source::start(consumer, 16);
    source.assigned().await;
    let mut seen = source.records(50).await;
    source.consumer.pause(&[partition("t", 0)]);
    while source.consumer.totals().pauses == 0 {
        tokio::task::yield_now().await;
    }
    // What is written from now on does not come; the other partition still speaks.
    fill(&config, "t", 0, 100, 100);
    fill(&config, "t", 1, 1, 100);
    loop {
        let SourceEvent::Records(batch) = source.next_untroubled().await else { panic!("expected records") };
        let (other, paused): (Vec<_>, Vec<_>) = batch.into_iter().partition(|record| record.source.partition == 1);
        seen.extend(paused);
        if !other.is_empty() {
            break;
        }
    }
    assert!(seen.len() <= 300, "{} records came in spite of the pause", seen.len());
    source.consumer.resume(&[partition("t", 0)]);
    let rest = 400 - seen.len();
    seen.extend(source.records(rest).await);
    assert_eq!(numbers(&seen), (0..300).chain(0..100).collect::<Vec<_>>());
    let totals = source.consumer.totals();
    assert_eq!((totals.pauses, totals.resumes), (1, 1));
    source.stop().await;
}

#[tokio::test]
async fn what_was_fetched_is_handed_out_before_a_pause_and_not_fetched_again() {
    let (_cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 500, 1_000);
    let mut consumer = ConsumerConfig::new(config, "group", vec!["t".to_owned()]);
    (consumer.batch_records_max, consumer.statistics_interval_ms) = (10, 50);
    let mut source = Source::start(consumer, 1);
    source.assigned().await;
    let fetched = |source: &Source| source.consumer.statistics().map_or(0, |statistics| statistics.fetched_records);
    let mut seen = source.records(10).await;
    source.consumer.pause(&[partition("t", 0)]);
    while source.consumer.totals().pauses == 0 {
        tokio::task::yield_now().await;
    }
    source.consumer.resume(&[partition("t", 0)]);
    let rest = 500 - seen.len();
    seen.extend(source.records(rest).await);
    assert_eq!(numbers(&seen), (0..500).collect::<Vec<_>>());
    while fetched(&source) < 500 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fetched(&source), 500, "each was fetched once");
    source.stop().await;
}

#[tokio::test]
async fn a_held_consumer_is_silent_without_a_pause_and_goes_on_in_order() {
    let (_cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 500, 100);
    let mut consumer = ConsumerConfig::new(config, "group", vec!["t".to_owned()]);
    consumer.batch_records_max = 10;
    let mut source = Source::start(consumer, 1);
    source.assigned().await;
    let mut seen = source.records(10).await;
    source.consumer.hold();
    let held = Instant::now();
    // One batch is in the channel, one waits before it, one may be on its way.
    while let Ok(event) = timeout_at(held + Duration::from_millis(500), source.events.recv()).await {
        match event {
            Some(SourceEvent::Records(batch)) => seen.extend(batch),
            other => panic!("expected records, got {other:?}"),
        }
    }
    let pauses = source.consumer.totals().pauses;
    assert!(pauses == 0 || held.elapsed() > Duration::from_secs(1), "paused within half a second");
    if pauses == 0 {
        assert!(seen.len() <= 40, "{} records came in spite of the hold", seen.len());
    }
    source.consumer.go_on();
    let rest = 500 - seen.len();
    seen.extend(source.records(rest).await);
    assert_eq!(numbers(&seen), (0..500).collect::<Vec<_>>());
    source.stop().await;
}

#[tokio::test]
async fn a_consumer_that_is_held_for_long_is_paused_and_serves_its_group() {
    let (_cluster, config) = cluster("t", 2);
    for number in 0..2 {
        fill(&config, "t", number, 100, 100);
    }
    let mut source = Source::of(&config, "t");
    assert_eq!(source.assigned().await.len(), 2);
    source.consumer.hold();
    while source.consumer.totals().stalls == 0 {
        tokio::task::yield_now().await;
    }
    let second = Source::of(&config, "t");
    let mut seen = Vec::new();
    let gone = loop {
        match source.next_untroubled().await {
            SourceEvent::Records(batch) => seen.extend(batch),
            SourceEvent::Revoked { partitions, .. } => break partitions,
            other => panic!("expected records or a revoke, got {other:?}"),
        }
    };
    assert_eq!(source.consumer.totals().pauses, 2);
    assert!(!gone.is_empty());
    source.consumer.go_on();
    while source.consumer.totals().resumes == 0 && gone.len() < 2 {
        tokio::task::yield_now().await;
    }
    for number in 0..2 {
        let of: Vec<_> = seen.iter().filter(|record| record.source.partition == number).map(number_of).collect();
        assert_eq!(of, (0..of.len()).collect::<Vec<_>>(), "in order");
    }
    second.stop().await;
    source.stop().await;
}

#[tokio::test]
async fn a_partition_that_went_while_it_was_paused_runs_when_it_comes_back() {
    let (_cluster, config) = cluster("t", 2);
    let mut source = Source::of(&config, "t");
    assert_eq!(source.assigned().await.len(), 2);
    source.consumer.pause(&[partition("t", 0), partition("t", 1)]);
    while source.consumer.totals().pauses < 2 {
        tokio::task::yield_now().await;
    }
    let mut second = Source::of(&config, "t");
    let SourceEvent::Revoked { partitions, done } = source.next_untroubled().await else { panic!("expected a revoke") };
    done.acknowledge();
    second.assigned().await;
    second.stop().await;
    let back = source.assigned().await;
    let gone = partitions.first().unwrap();
    assert!(back.iter().any(|assignment| assignment.partition == *gone), "{gone} is not among {back:?}");
    fill(&config, "t", gone.partition, 1, 100);
    assert_eq!(source.records(1).await[0].source, *gone);
    source.stop().await;
}

#[tokio::test]
async fn a_pipeline_that_takes_nothing_loses_nothing_and_is_counted() {
    let (_cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 200, 100);
    let mut consumer = ConsumerConfig::new(config.clone(), "group", vec!["t".to_owned()]);
    consumer.batch_records_max = 10;
    let mut source = Source::start(consumer, 1);
    source.assigned().await;
    while source.consumer.totals().stalls == 0 {
        tokio::task::yield_now().await;
    }
    let numbers: Vec<_> = source.records(200).await.iter().map(number_of).collect();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    // What was fetched comes before the pause, so everything may be here before the end of the stall.
    while source.consumer.totals().resumes == 0 {
        tokio::task::yield_now().await;
    }
    let totals = source.consumer.totals();
    assert!(totals.pauses >= 1 && totals.pauses == totals.resumes, "{totals:?}");
    source.stop().await;
}
