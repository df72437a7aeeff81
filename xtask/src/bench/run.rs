//! One measured run: a full input topic, a pipeline that works it off, and what the kernel and the broker say meanwhile.

use super::process;
use super::scenario::Ends;
use anyhow::bail;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a run showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Which run it was, for the report.
    pub(crate) name: String,
    /// Outputs between the first and the last look, per second.
    pub(crate) events_per_second: f64,
    /// CPU seconds of the process, user and system, per 1,000 outputs.
    pub(crate) cpu_seconds_per_1000_events: f64,
    /// The most memory that it had, in MB of 10^6 bytes.
    pub(crate) rss_peak_mb: f64,
    /// Seconds since the first output, and outputs per second since the look before.
    pub(crate) rates: Vec<(f64, f64)>,
    /// CPU seconds by thread name.
    pub(crate) cpu_by_thread: BTreeMap<String, f64>,
    /// For latency runs: from an event's time to its arrival at a reader.
    pub(crate) latencies_ms: Vec<f64>,
    /// Calls to the API per enriched event.
    pub(crate) api_calls_per_event: f64,
}

/// How often the broker is asked how far the output is.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A run without any new output for this long has failed.
const STALL_MAX: Duration = Duration::from_secs(30);

/// Watches the process `pid` until `ends` tells of `expected` outputs. Start-up does not count: the clock starts with the
/// first output.
///
/// # Errors
/// The process ends, or nothing moves any more.
pub(crate) fn watch(name: &str, pid: u32, ends: &Ends<'_>, expected: u64) -> anyhow::Result<Measured> {
    let mut looks: Vec<(Instant, u64, f64)> = Vec::new();
    let mut moved = Instant::now();
    loop {
        std::thread::sleep(LOOK_EVERY);
        let now = Instant::now();
        let Ok(cpu) = process::cpu_seconds(pid) else { bail!("{name}: the process ended before its work was done") };
        let outputs = match ends.records() {
            Ok(outputs) => outputs,
            // A topic that was just made may have no leader yet.
            Err(_) if moved.elapsed() < STALL_MAX => continue,
            Err(error) => return Err(error),
        };
        if outputs > looks.last().map_or(0, |(_, before, _)| *before) {
            moved = now;
            looks.push((now, outputs, cpu));
        }
        if outputs >= expected {
            break;
        }
        if moved.elapsed() > STALL_MAX {
            bail!("{name}: no output for {} s, {outputs} of {expected} there", STALL_MAX.as_secs());
        }
    }
    measured(name, pid, &looks)
}

fn measured(name: &str, pid: u32, looks: &[(Instant, u64, f64)]) -> anyhow::Result<Measured> {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else { bail!("{name}: nothing was seen") };
    let outputs = (last.1 - first.1) as f64;
    let seconds = last.0.duration_since(first.0).as_secs_f64().max(0.001);
    let rates = looks.windows(2).filter_map(|pair| match pair {
        [a, b] => {
            let step = b.0.duration_since(a.0).as_secs_f64().max(0.001);
            Some((b.0.duration_since(first.0).as_secs_f64(), (b.1 - a.1) as f64 / step))
        }
        _ => None,
    });
    Ok(Measured {
        name: name.to_owned(),
        events_per_second: outputs / seconds,
        cpu_seconds_per_1000_events: (last.2 - first.2) / outputs.max(1.0) * 1000.0,
        rss_peak_mb: process::rss_peak_mb(pid)?,
        rates: rates.collect(),
        cpu_by_thread: process::cpu_by_thread(pid)?,
        ..Measured::default()
    })
}

impl Measured {
    /// What 99 of 100 latencies are within, in milliseconds.
    pub(crate) fn p99_ms(&self) -> f64 {
        percentile(&self.latencies_ms, 0.99)
    }
}

/// The value below which `share` of the values lie.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 50.0);
        assert_eq!(percentile(&values, 0.99), 99.0);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
    }
}
