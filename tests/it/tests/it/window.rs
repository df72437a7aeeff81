//! Far more in the topic than the window takes: about as much is fetched as is consumed, because what is fetched ahead is
//! kept when partitions are paused.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, Metrics};
use millrace_it::{Repeats, Stage, record, settled, wait_for_metrics};
use millrace_kafka::config::{Compression, ProducerConfig};
use millrace_kafka::writer::Writer;
use millrace_services::wait_until;
use std::time::{Duration, Instant};

const DT: &str = "2026-06-22T09:48:10Z";
const EVENTS: u64 = 8_000;
/// One call's worth, a tenth of what the consumer hands out at once: the window is full as long as there is anything to do.
const WINDOW: u64 = 50;
/// Fetched against consumed, at most, and with outages, each of which pauses every partition and may cost a fetch that is on
/// its way: up to a megabyte of the 17 for each of them.
const RATIO_WITH_OUTAGES_MAX: f64 = 1.5;
/// Fetched against consumed, at most. A pause keeps what was fetched; what it may cost is a fetch that is on its way.
const RATIO_MAX: f64 = 1.3;
/// librdkafka takes statistics every 5 s, and the host looks at them every 200 ms: what stays for longer is the end.
const STATISTICS: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(60);

/// A topic of 17 MB, and an API that answers 50 events every 40 ms at most. What a fetch brings is limited as it is on the
/// wire, so the events are written as they are: compressed like these, which repeat each other, one would bring 11 MB.
fn stage(name: &str, partitions: i32) -> anyhow::Result<Stage> {
    let mut stage = Stage::set(name, "page-content-change", partitions, Duration::from_millis(40))?;
    stage.enrichment.call_slots = 1;
    let limits = ["event_bytes: 1 MiB", "bytes_in_flight: 4 MiB", "commit_interval: 200 ms"];
    stage.enrichment.limits = limits.map(str::to_owned).to_vec();
    stage.enrichment.limits.push(format!("open_offsets: {WINDOW}"));
    let wiki = Wiki::numbered(0);
    let change = |number| Change { wiki: &wiki, page_id: 1 + number, edit: 2, kind: Kind::Edit, dt: DT };
    let records = (0..EVENTS).map(change).map(|change| {
        let (key, event) = (change.key().into_bytes(), change.event(&stage.world).into_bytes());
        record(&stage.enrichment.input, Some(key), Some(event))
    });
    let producer = ProducerConfig { compression: Compression::None, ..ProducerConfig::new(stage.cluster.clone()) };
    let writer = Writer::new(&producer)?;
    for record in records {
        writer.write(&record)?;
    }
    writer.flush(60_000)?;
    Ok(stage)
}

fn wait_for_events(host: &Host, count: u64) -> anyhow::Result<()> {
    wait_for_metrics(host, &format!("{count} events"), |metrics| settled(metrics) as u64 >= count)
}

/// An outage of the API that lasts until the breaker has opened and every partition is paused.
fn outage(stage: &Stage, host: &Host, partitions: i32) -> anyhow::Result<()> {
    let opened = |metrics: &Metrics| metrics.sum("millrace_lookup_breaker_opened_total", &[]);
    let before = opened(&host.metrics()?);
    stage.api.go_out();
    wait_for_metrics(host, "an outage that pauses everything", |metrics| {
        opened(metrics) > before && metrics.sum("millrace_partitions_paused", &[]) == f64::from(partitions)
    })?;
    stage.api.come_back();
    Ok(())
}

/// What was fetched against what was consumed, once statistics cover the end.
fn ratio(host: &Host) -> anyhow::Result<f64> {
    let (mut fetched, mut admitted, mut since) = (0.0, 0.0, Instant::now());
    let covers_the_end = || {
        let Ok(metrics) = host.metrics() else { return false };
        let now = metrics.sum("millrace_fetched_bytes_total", &[]);
        admitted = metrics.sum("millrace_admitted_bytes_total", &[]);
        if now != fetched {
            (fetched, since) = (now, Instant::now());
        }
        fetched >= admitted && since.elapsed() > STATISTICS
    };
    wait_until("statistics of the end", PATIENCE, covers_the_end).map_err(|late| late.context(host.log_tail()))?;
    Ok(fetched / admitted)
}

fn check(name: &str, partitions: i32, outages: u64) -> anyhow::Result<()> {
    let stage = stage(name, partitions)?;
    let host = stage.start()?;
    for number in 1..=outages {
        wait_for_events(&host, EVENTS * number / (2 * outages + 1))?;
        outage(&stage, &host, partitions)?;
    }
    wait_for_events(&host, EVENTS / 2)?;
    let open = host.metrics()?.sum("millrace_events_in_flight", &[]) as u64;
    assert!(open >= WINDOW / 2, "{open} events are open: the window is not what limits");
    wait_for_events(&host, EVENTS)?;
    let ratio = ratio(&host)?;
    let ratio_max = if outages == 0 { RATIO_MAX } else { RATIO_WITH_OUTAGES_MAX };
    assert!(ratio <= ratio_max, "{ratio:.3} bytes were fetched for each one consumed");
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.outputs()?.len() as u64, EVENTS);
    Ok(())
}

#[test]
fn one_partition_is_fetched_about_once() -> anyhow::Result<()> {
    check("window-one", 1, 0)
}

#[test]
fn two_partitions_are_fetched_about_once() -> anyhow::Result<()> {
    check("window-two", 2, 0)
}

#[test]
fn one_partition_is_fetched_about_once_in_spite_of_outages() -> anyhow::Result<()> {
    check("window-one-outages", 1, 2)
}

#[test]
fn two_partitions_are_fetched_about_once_in_spite_of_outages() -> anyhow::Result<()> {
    check("window-two-outages", 2, 2)
}

/// The smallest budgets that `check` allows, and events that are larger than what they leave: the oldest event of a
/// partition goes on beyond every budget, so nothing locks up.
#[test]
fn the_smallest_budgets_let_everything_through() -> anyhow::Result<()> {
    const FEW: u64 = 60;
    /// With the 20 KiB that are reserved for bookkeeping and answers it is more than the budget.
    const LARGE_BYTES: usize = 1_040_000;
    let mut stage = Stage::set("smallest", "page-content-change", 2, Duration::from_millis(5))?;
    let limits = ["event_bytes: 1 MiB", "bytes_in_flight: 1 MiB", "open_offsets: 1"];
    stage.enrichment.limits = limits.map(str::to_owned).to_vec();
    let wiki = Wiki::numbered(0);
    let records = (0..FEW).map(|number| {
        let change = Change { wiki: &wiki, page_id: 1 + number % 6, edit: 2 + number / 6, kind: Kind::Edit, dt: DT };
        let mut event = change.event(&stage.world);
        if number % 7 == 0 {
            let padding = " ".repeat(LARGE_BYTES - event.len());
            event.push_str(&padding);
        }
        record(&stage.enrichment.input, Some(change.key().into_bytes()), Some(event.into_bytes()))
    });
    stage.feed_records(records)?;
    let host = stage.start()?;
    stage.committed_to_the_end(i64::try_from(FEW)?)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(Repeats::count(&stage.outputs()?)?, Repeats { events: usize::try_from(FEW)?, repeats: 0 });
    assert_eq!(stage.errors()?.len(), 0);
    Ok(())
}
