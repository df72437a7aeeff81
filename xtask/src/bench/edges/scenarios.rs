//! The scenarios with one pipeline.

use super::Figures;
use super::bed::{Bed, Corner, Plan};
use crate::bench::process;
use anyhow::bail;
use millrace_bed::host::Host;
use serde_json::json;
use std::time::{Duration, Instant};

/// What a pipeline may have in flight by default.
const IN_FLIGHT_MIB: u64 = 256;

/// A page that is the only one of its event: pages take turns, so that a key's next event comes long after the one before.
fn spread(number: u64) -> (u64, u64) {
    const PAGES: u64 = 40_000;
    (1 + number % PAGES, 2 + number / PAGES)
}

/// What a host took at its peak, and how that compares to what it was configured to hold.
fn memory(bed: &Bed, host: &Host, in_flight_mib: u64) -> anyhow::Result<Figures> {
    let (peak_mb, bound_mb) = (process::rss_peak_mb(host.id())?, bed.bound_mb(in_flight_mib));
    let figures = json!({ "rss_peak_mb": peak_mb, "bound_mb": bound_mb, "rss_to_bound": peak_mb / bound_mb });
    Ok(figures.as_object().cloned().unwrap_or_default())
}

/// 10,000 events in flight, each for the 15 s that the API takes.
pub(super) fn in_flight(bed: &Bed) -> anyhow::Result<Figures> {
    const EVENTS: u64 = 20_000;
    let latency = Duration::from_secs(15);
    let mut corner = bed.corner(&Plan { name: "in-flight", partitions: 4, content_bytes: 10_000, latency })?;
    corner.enrichment.call_slots = 256;
    bed.feed(corner.edits(EVENTS, spread), Duration::ZERO)?;
    let mut host = bed.start(&corner, "in-flight")?;
    let in_flight_max = most_in_flight(&host, Duration::from_secs(12))?;
    bed.wait(&corner, &mut host, EVENTS)?;
    let mut figures = memory(bed, &host, IN_FLIGHT_MIB)?;
    figures.insert("in_flight_max".to_owned(), json!(in_flight_max));
    host.terminate()?;
    Ok(figures)
}

/// The most events that were in flight while they were watched.
fn most_in_flight(host: &Host, watch: Duration) -> anyhow::Result<f64> {
    let (until, mut most) = (Instant::now() + watch, 0.0_f64);
    while Instant::now() < until {
        most = most.max(host.metrics()?.sum("millrace_events_in_flight", &[]));
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(most)
}

/// One partition, once as it is and once with a call of 15 s for 1 page in 10,000.
pub(super) fn slow_lookups(bed: &Bed) -> anyhow::Result<Figures> {
    const EVENTS: u64 = 200_000;
    const SLOW_EVERY: u64 = 10_000;
    let latency = Duration::from_millis(100);
    let mut rates = Vec::new();
    let mut figures = Figures::new();
    for (name, slow) in [("undisturbed", false), ("slow-lookups", true)] {
        let corner = bed.corner(&Plan { name, partitions: 1, content_bytes: 10_000, latency })?;
        if slow {
            corner.api.slow_down(SLOW_EVERY, Duration::from_secs(15));
        }
        bed.feed(corner.edits(EVENTS, spread), Duration::ZERO)?;
        let mut host = bed.start(&corner, name)?;
        // The last slow ones are still under way when all others are out; they would be a tail of 15 s.
        let seconds = bed.wait(&corner, &mut host, EVENTS * 9 / 10)?;
        rates.push(EVENTS as f64 * 0.9 / seconds.max(0.1));
        figures = memory(bed, &host, IN_FLIGHT_MIB)?;
        bed.wait(&corner, &mut host, EVENTS)?;
        host.terminate()?;
    }
    let [undisturbed, slow] = *rates else { bail!("two runs have two rates") };
    figures.insert("undisturbed_events_per_second".to_owned(), json!(undisturbed));
    figures.insert("slow_lookup_events_per_second".to_owned(), json!(slow));
    figures.insert("slow_lookup_ratio".to_owned(), json!(slow / undisturbed));
    Ok(figures)
}

/// One key with 10,000 events beside 10,000 keys with one.
pub(super) fn one_key(bed: &Bed) -> anyhow::Result<Figures> {
    const EACH: u64 = 10_000;
    const BUSY_PAGE: u64 = 1_000_000;
    let latency = Duration::from_millis(2);
    let corner = bed.corner(&Plan { name: "one-key", partitions: 1, content_bytes: 1_000, latency })?;
    // The revisions of the busy page repeat: a page of this world has 800.
    let page = |number: u64| match number % 2 {
        0 => (BUSY_PAGE, 1 + number / 2 % 700),
        _ => (1 + number / 2, 2),
    };
    bed.feed(corner.edits(2 * EACH, page), Duration::ZERO)?;
    let mut host = bed.start(&corner, "one-key")?;
    let others_s = bed.wait(&corner, &mut host, EACH)?;
    let all_s = others_s + bed.wait(&corner, &mut host, 2 * EACH)?;
    let mut figures = memory(bed, &host, IN_FLIGHT_MIB)?;
    figures.insert("half_out_after_s".to_owned(), json!(others_s));
    figures.insert("all_out_after_s".to_owned(), json!(all_s));
    host.terminate()?;
    Ok(figures)
}

/// Events of 20 MB.
pub(super) fn large_events(bed: &Bed) -> anyhow::Result<Figures> {
    const EVENTS: u64 = 100;
    const PAD_BYTES: usize = 20_000_000;
    let latency = Duration::from_millis(100);
    let corner = bed.corner(&Plan { name: "large-events", partitions: 1, content_bytes: 1_000, latency })?;
    let pad = format!("{{\"comment\":\"{}\",", "x".repeat(PAD_BYTES));
    let padded = corner.edits(EVENTS, spread).map(|mut record| {
        let event = record.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        record.value = Some(event.replacen('{', &pad, 1).into_bytes().into());
        record
    });
    bed.feed(padded, Duration::ZERO)?;
    let mut host = bed.start(&corner, "large-events")?;
    bed.wait(&corner, &mut host, EVENTS)?;
    let figures = memory(bed, &host, IN_FLIGHT_MIB)?;
    host.terminate()?;
    Ok(figures)
}

/// Bodies of 10 MB, five a second.
pub(super) fn large_bodies_5(bed: &Bed) -> anyhow::Result<Figures> {
    large_bodies(bed, "large-bodies-5", 5)
}

/// Bodies of 10 MB, fifty a second: more than two cores can move.
pub(super) fn large_bodies_50(bed: &Bed) -> anyhow::Result<Figures> {
    large_bodies(bed, "large-bodies-50", 50)
}

fn large_bodies(bed: &Bed, name: &'static str, per_second: u32) -> anyhow::Result<Figures> {
    const SECONDS: u32 = 20;
    let latency = Duration::from_millis(100);
    let corner = bed.corner(&Plan { name, partitions: 1, content_bytes: 10_000_000, latency })?;
    let mut host = bed.start(&corner, name)?;
    let (begin, events) = (Instant::now(), u64::from(per_second * SECONDS));
    bed.feed(corner.edits(events, spread), Duration::from_secs(1) / per_second)?;
    bed.wait(&corner, &mut host, events)?;
    let mut figures = memory(bed, &host, IN_FLIGHT_MIB)?;
    figures.insert("fed_per_second".to_owned(), json!(per_second));
    figures.insert("out_per_second".to_owned(), json!(events as f64 / begin.elapsed().as_secs_f64()));
    host.terminate()?;
    Ok(figures)
}

/// A million events wait when the host begins.
pub(super) fn lag(bed: &Bed) -> anyhow::Result<Figures> {
    const EVENTS: u64 = 1_000_000;
    /// So many of them are worked off; what memory does after that is more of the same.
    const WATCHED: u64 = 200_000;
    let latency = Duration::from_millis(100);
    let corner: Corner = bed.corner(&Plan { name: "lag", partitions: 4, content_bytes: 10_000, latency })?;
    bed.feed(corner.edits(EVENTS, spread), Duration::ZERO)?;
    let mut host = bed.start(&corner, "lag")?;
    bed.wait(&corner, &mut host, WATCHED)?;
    let figures = memory(bed, &host, IN_FLIGHT_MIB)?;
    host.kill()?;
    Ok(figures)
}
