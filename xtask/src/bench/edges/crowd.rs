//! Two hundred pipelines of one host on one topic: what each of them costs, at rest and at work.

use super::Figures;
use super::bed::{Bed, Plan};
use crate::bench::process;
use millrace_bed::enrichment::Enrichment;
use millrace_bed::host::guest;
use serde_json::json;
use std::time::Duration;

/// How many.
const PIPELINES: u64 = 200;
/// Events in the topic; each pipeline reads them all.
const EVENTS: u64 = 500;
/// For how long the host is watched while it has nothing to do.
const REST: Duration = Duration::from_secs(10);
/// The host takes statistics every 5 s and looks at them every commit interval.
const STATISTICS: Duration = Duration::from_secs(7);

/// Counts threads, memory, idle CPU and fetched bytes.
pub(super) fn pipelines(bed: &Bed) -> anyhow::Result<Figures> {
    let plan = Plan { name: "crowd", partitions: 1, content_bytes: 100, latency: Duration::ZERO };
    let corner = bed.corner(&plan)?;
    let plugin = guest("identity")?;
    let numbered = |number: u64| Enrichment {
        name: format!("crowd-{number}"),
        group: format!("crowd.{number}"),
        names: ("in", "out"),
        key: String::new(),
        plugin: plugin.clone(),
        ..corner.enrichment.clone()
    };
    let others: Vec<Enrichment> = (1..PIPELINES).map(numbered).collect();
    let mut host = bed.start_with(&numbered(0).yaml_with(&others), "crowd")?;
    let (at_rest_mb, threads) = (process::rss_mb(host.id())?, process::threads(host.id())?);
    let cpu_before = process::cpu_seconds(host.id())?;
    std::thread::sleep(REST);
    let idle_cores = (process::cpu_seconds(host.id())? - cpu_before) / REST.as_secs_f64();
    bed.feed(corner.edits(EVENTS, |number| (1 + number, 2)), Duration::ZERO)?;
    bed.wait(&corner, &mut host, PIPELINES * EVENTS)?;
    std::thread::sleep(STATISTICS);
    let metrics = host.metrics()?;
    let fetched = metrics.sum("millrace_fetched_bytes_total", &[]);
    let admitted = metrics.sum("millrace_admitted_bytes_total", &[]);
    let figures = json!({
        "pipelines": PIPELINES, "threads": threads, "rss_at_rest_mb": at_rest_mb, "idle_cores": idle_cores,
        "rss_peak_mb": process::rss_peak_mb(host.id())?, "fetched_to_admitted": fetched / admitted.max(1.0),
        "mb_per_pipeline": (at_rest_mb - bed.idle_mb()) / PIPELINES as f64,
    });
    host.terminate()?;
    Ok(figures.as_object().cloned().unwrap_or_default())
}
