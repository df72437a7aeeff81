//! What the demo shows: a few events as they come out, and a summary that adds up.

use crate::progress::{self, Progress};
use anyhow::{Context as _, ensure};
use millrace_bed::enrichment::Enrichment;
use millrace_bed::host::{Host, Metrics};
use millrace_flow::record::Record;
use millrace_kafka::config::ClusterConfig;
use millrace_kafka::reader::{Isolation, TopicReader};
use std::time::{Duration, Instant};

/// How many events are printed whole (but for their long parts).
const SHOWN_MAX: usize = 3;
/// How much of a content body is printed.
const BODY_CHARS_MAX: usize = 60;

/// What was read while the pipeline ran.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    outputs: u64,
    errors: u64,
}

/// Reads outputs and error events as they come, until every input has its outcome and everything was read.
pub(crate) fn read(
    cluster: &ClusterConfig,
    enrichment: &Enrichment,
    host: &Host,
    fed: u64,
    done_max: Duration,
) -> anyhow::Result<Seen> {
    let mut outputs = TopicReader::open(cluster, &enrichment.output, Isolation::ReadUncommitted)?;
    let mut errors = TopicReader::open(cluster, &enrichment.errors, Isolation::ReadUncommitted)?;
    let mut seen = Seen::default();
    let mut shown = 0;
    let until = Instant::now() + done_max;
    let bar = Progress::of("Events", fed);
    loop {
        while let Some(record) = outputs.next(5)? {
            seen.outputs += 1;
            if shown < SHOWN_MAX && has_body(&record) {
                shown += 1;
                progress::say(&pretty(&record)?);
            }
        }
        while let Some(record) = errors.next(5)? {
            seen.errors += 1;
            if seen.errors == 1 {
                progress::say(&pretty(&record)?);
            }
        }
        let metrics = host.metrics()?;
        let (emitted, failed, settled) = outcomes(&metrics);
        bar.advance(settled);
        if settled >= fed && seen.outputs >= emitted && seen.errors >= failed {
            return Ok(seen);
        }
        ensure!(Instant::now() < until, "{settled} of {fed} events had an outcome in time\n{}", host.log_tail());
    }
}

fn has_body(record: &Record) -> bool {
    record.value.as_ref().is_some_and(|value| value.windows(14).any(|window| window == b"\"content_body\""))
}

/// Emitted, failed, and all that have an outcome.
fn outcomes(metrics: &Metrics) -> (u64, u64, u64) {
    let count = |outcome: &str| metrics.sum(&format!("millrace_events_{outcome}_total"), &[]) as u64;
    let (emitted, failed) = (count("emitted"), count("failed"));
    (emitted, failed, emitted + failed + count("skipped") + count("kept") + count("tombstone") + count("canary"))
}

/// The event with its long texts cut.
fn pretty(record: &Record) -> anyhow::Result<String> {
    let value = record.value.as_deref().context("a tombstone where an event was expected")?;
    let mut event: serde_json::Value = serde_json::from_slice(value)?;
    cut(&mut event);
    let key = record.key.as_deref().map_or_else(|| "null".into(), String::from_utf8_lossy);
    Ok(format!("{} key {key}\n{}\n", record.source, serde_json::to_string_pretty(&event)?))
}

fn cut(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) if text.chars().count() > 2 * BODY_CHARS_MAX => {
            let short: String = text.chars().take(BODY_CHARS_MAX).collect();
            *text = format!("{short}… ({} characters)", text.chars().count());
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(cut),
        serde_json::Value::Object(fields) => {
            fields.remove("prior_state");
            fields.values_mut().for_each(cut);
        }
        _ => {}
    }
}

/// The figures at the end.
pub(crate) struct Summary {
    fed: u64,
    seen: Seen,
    emitted: u64,
    skipped: u64,
    canary: u64,
    failed: u64,
    calls: Option<u64>,
    seconds: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Summary {
    /// From the host's own metrics, and what was seen outside of it.
    pub(crate) fn of(metrics: &Metrics, fed: u64, seen: Seen, calls: Option<u64>, took: Duration) -> Self {
        let count = |outcome: &str| metrics.sum(&format!("millrace_events_{outcome}_total"), &[]) as u64;
        Self {
            fed,
            seen,
            emitted: count("emitted"),
            skipped: count("skipped") + count("kept") + count("tombstone"),
            canary: count("canary"),
            failed: count("failed"),
            calls,
            seconds: took.as_secs_f64(),
            p50_ms: quantile_ms(metrics, 0.50),
            p99_ms: quantile_ms(metrics, 0.99),
        }
    }

    /// The summary for people.
    pub(crate) fn text(&self) -> String {
        let calls = self.calls.map_or(String::new(), |calls| format!("\n  API calls  {calls:>8}"));
        format!(
            "Summary\n  in         {:>8}\n  out        {:>8}\n  skipped    {:>8}  ({} canary events among them)\n  \
             failed     {:>8}  (error events){calls}\n  events/s   {:>8.0}\n  latency    p50 {:.0} ms, p99 {:.0} ms (from poll to acknowledgement)",
            self.fed,
            self.emitted,
            self.skipped + self.canary,
            self.canary,
            self.failed,
            self.fed as f64 / self.seconds.max(0.001),
            self.p50_ms,
            self.p99_ms,
        )
    }

    /// The books must add up: inside, and against what was read outside.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let settled = self.emitted + self.skipped + self.canary + self.failed;
        ensure!(settled == self.fed, "{} events went in and {settled} have an outcome", self.fed);
        ensure!(
            self.seen.outputs == self.emitted,
            "{} outputs were read, {} were counted",
            self.seen.outputs,
            self.emitted
        );
        ensure!(
            self.seen.errors == self.failed,
            "{} error events were read, {} counted",
            self.seen.errors,
            self.failed
        );
        Ok(())
    }
}

/// The upper bound of the histogram bucket in which a quantile lies.
fn quantile_ms(metrics: &Metrics, share: f64) -> f64 {
    const NAME: &str = "millrace_event_seconds";
    let total = metrics.sum(&format!("{NAME}_count"), &[]);
    let mut bounds: Vec<f64> = metrics
        .with_prefix("millrace_event_seconds_bucket")
        .filter_map(|(sample, _)| sample.split("le=\"").nth(1)?.split('"').next()?.parse().ok())
        .collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let below = |bound: &f64| {
        let label = format!("le=\"{bound}\"");
        metrics.sum(&format!("{NAME}_bucket"), &[&label]) >= total * share
    };
    bounds.iter().copied().find(below).unwrap_or(f64::INFINITY) * 1000.0
}
