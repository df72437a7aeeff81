//! What the lookups count, in the text format of Prometheus. Their counters name and explain themselves; the names that
//! are given here are those of the gauges, of the durations and of single targets.

use super::families::{Family, FamilyKind};
use super::guest::escaped;
use millrace_lookup::stats::{BreakerState, CALL_MS_BUCKETS, Counter, Stats, TargetStats};

/// The families that are not counters of [`Counter::ALL`].
pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "millrace_lookup_call_seconds",
        kind: FamilyKind::Seconds,
        labels: &[],
        help: "One call to an API.",
    },
    gauge("millrace_lookup_open", &[], "Events that wait for an answer."),
    gauge("millrace_lookup_cache_bytes", &[], "Bytes that the cache holds."),
    gauge("millrace_lookup_pinned_bytes", &[], "Bytes of answers that are held in memory."),
    gauge("millrace_lookup_targets_unnamed", &[], "Targets beyond the 50 that are named."),
    counter("millrace_lookup_target_calls_total", "Calls to one wiki or service."),
    counter("millrace_lookup_target_failures_total", "Calls to it that failed for a reason which may pass."),
    gauge("millrace_lookup_target_waiting", TARGET, "Questions that wait for it to be asked."),
    gauge("millrace_lookup_target_under_way", TARGET, "Questions that it has been asked and has not answered."),
    gauge("millrace_lookup_target_slots_taken", TARGET, "Calls to it that are under way."),
    gauge(
        "millrace_lookup_target_slots",
        TARGET,
        "Calls to it that may be under way at once, by the host's own limit and its part of the group's.",
    ),
    gauge(
        "millrace_lookup_target_out",
        TARGET,
        "1 while it counts as out or asked for a pause, so that its questions wait.",
    ),
    counter(
        "millrace_lookup_target_held_ms_total",
        "Milliseconds for which its questions had to wait for that reason.",
    ),
];

const TARGET: &[&str] = &["target"];

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: FamilyKind::Gauge, labels, help }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: FamilyKind::Counter, labels: TARGET, help }
}

/// Appends a snapshot.
pub(crate) fn write(stats: &Stats, out: &mut String) {
    for counter in Counter::ALL {
        let name = format!("millrace_{}", counter.name());
        head(&name, "counter", counter.help(), out);
        line(&name, "", stats.get(*counter), out);
    }
    for family in FAMILIES {
        head(family.name, family.kind.word(), family.help, out);
        samples(family, stats, out);
    }
}

fn samples(family: &Family, stats: &Stats, out: &mut String) {
    let targets = |value: &dyn Fn(&TargetStats) -> u64, out: &mut String| {
        for target in &stats.targets {
            line(family.name, &format!("{{target=\"{}\"}}", escaped(&target.name)), value(target), out);
        }
    };
    match family.name {
        "millrace_lookup_call_seconds" => durations(family.name, stats, out),
        "millrace_lookup_open" => line(family.name, "", count(stats.open_tokens), out),
        "millrace_lookup_cache_bytes" => line(family.name, "", stats.cache_bytes, out),
        "millrace_lookup_pinned_bytes" => line(family.name, "", stats.pinned_bytes, out),
        "millrace_lookup_targets_unnamed" => line(family.name, "", count(stats.targets_unnamed), out),
        "millrace_lookup_target_calls_total" => targets(&|target| target.calls, out),
        "millrace_lookup_target_failures_total" => targets(&|target| target.failures, out),
        "millrace_lookup_target_waiting" => targets(&|target| count(target.waiting), out),
        "millrace_lookup_target_under_way" => targets(&|target| count(target.under_way), out),
        "millrace_lookup_target_slots_taken" => targets(&|target| count(target.slots_taken), out),
        "millrace_lookup_target_slots" => targets(&|target| count(target.slots), out),
        "millrace_lookup_target_out" => targets(&|target| u64::from(target.breaker != BreakerState::Closed), out),
        "millrace_lookup_target_held_ms_total" => targets(&|target| target.held_ms, out),
        _ => {}
    }
}

/// The buckets, cumulated as Prometheus wants them, in seconds.
#[expect(clippy::cast_precision_loss, reason = "durations in milliseconds stay far below 2^53")]
fn durations(name: &str, stats: &Stats, out: &mut String) {
    let mut sum = 0;
    let ends = CALL_MS_BUCKETS.iter().map(|end_ms| (*end_ms as f64 / 1000.0).to_string());
    for (end, calls) in ends.chain(["+Inf".to_owned()]).zip(&stats.call_ms_buckets) {
        sum += calls;
        line(&format!("{name}_bucket"), &format!("{{le=\"{end}\"}}"), sum, out);
    }
    out.push_str(&format!("{name}_sum {}\n{name}_count {sum}\n", stats.call_ms_sum as f64 / 1000.0));
}

fn head(name: &str, kind: &str, help: &str, out: &mut String) {
    out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn line(name: &str, labels: &str, value: u64, out: &mut String) {
    out.push_str(&format!("{name}{labels} {value}\n"));
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_samples_and_buckets_are_cumulated() {
        let mut buckets = vec![0; CALL_MS_BUCKETS.len() + 1];
        buckets[0] = 2;
        buckets[CALL_MS_BUCKETS.len()] = 1;
        let stats = Stats {
            counters: vec![(Counter::Calls, 3)],
            call_ms_buckets: buckets,
            call_ms_sum: 40_500,
            open_tokens: 1,
            cache_bytes: 2,
            pinned_bytes: 3,
            targets: vec![TargetStats {
                name: "en.wikipedia.org".into(),
                calls: 3,
                failures: 1,
                waiting: 4,
                under_way: 100,
                slots_taken: 2,
                slots: 4,
                breaker: BreakerState::Open,
                held_ms: 7,
            }],
            targets_unnamed: 0,
        };
        let mut text = String::new();
        write(&stats, &mut text);
        for family in FAMILIES {
            let shown = text.lines().any(|line| line.starts_with(family.name));
            assert!(shown, "{} in {text}", family.name);
        }
        for expected in [
            "millrace_lookup_calls_total 3",
            "millrace_lookup_call_seconds_bucket{le=\"0.005\"} 2",
            "millrace_lookup_call_seconds_bucket{le=\"+Inf\"} 3",
            "millrace_lookup_call_seconds_sum 40.5",
            "millrace_lookup_target_out{target=\"en.wikipedia.org\"} 1",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} in {text}");
        }
    }
}
