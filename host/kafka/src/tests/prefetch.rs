//! What back-pressure costs: with wide hysteresis hardly anything is fetched twice.

use super::bed::*;
use crate::config::ConsumerConfig;
use crate::consumer::SourceEvent;

/// Together below the 5 MiB that the embedded cluster keeps of a partition.
const RECORDS: usize = 40_000;
const RECORD_BYTES: usize = 100;
/// The window of the pipeline: paused when it is full, resumed when it is half empty.
const WINDOW: usize = 8_000;

#[tokio::test]
async fn a_full_window_fetches_hardly_anything_twice() {
    let (_cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, RECORDS, RECORD_BYTES);
    let mut consumer = ConsumerConfig::new(config, "group", vec!["t".to_owned()]);
    consumer.statistics_interval_ms = 50;
    let mut source = Source::start(consumer, 4);
    source.assigned().await;
    let own = [partition("t", 0)];
    let (mut window, mut seen, mut paused) = (0, 0, false);
    while seen < RECORDS {
        match source.next_untroubled().await {
            SourceEvent::Records(batch) => {
                seen += batch.len();
                window += batch.len();
            }
            other => panic!("{other:?}"),
        }
        // Events settle only while the window is full, as when lookups are slow.
        if !paused && window >= WINDOW {
            source.consumer.pause(&own);
            paused = true;
            window /= 2;
        } else if paused && source.events.is_empty() {
            source.consumer.resume(&own);
            paused = false;
        }
    }
    let fetched = fetched_at_last(&source).await;
    let totals = source.consumer.totals();
    assert!(totals.pauses >= 3, "{totals:?}");
    let ratio = fetched as f64 / totals.bytes as f64;
    println!("fetched {fetched} bytes for {} consumed, ratio {ratio:.3}, {} pauses", totals.bytes, totals.pauses);
    assert!(ratio <= 1.3, "fetched {fetched} bytes for {} consumed: {ratio:.3}", totals.bytes);
    source.stop().await;
}

/// The fetched bytes of statistics that know of the end of the partition.
async fn fetched_at_last(source: &Source) -> u64 {
    loop {
        if let Some(statistics) = source.consumer.statistics()
            && statistics.fetched_records >= RECORDS as u64
        {
            return statistics.fetched_bytes;
        }
        tokio::task::yield_now().await;
    }
}
