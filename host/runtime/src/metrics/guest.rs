//! The metrics that plugins keep themselves: `millrace_plugin_<name>`, with the pipeline and the plugin's own labels.
//! Names and labels are checked where plugins run; the bound on how many there are of a pipeline is held here.

use millrace_plugin::Series;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Series of one pipeline: enough for a few labels, few enough for a scrape.
const SERIES_MAX: usize = 200;

/// The family of all values that may not have a series of their own.
const OTHER_FAMILY: &str = "millrace_plugin_other_total";

/// What a plugin's metric is. A name keeps the kind that it had first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GuestKind {
    Counter,
    Summary,
}

/// One series: a counter's total, or the sum of what was observed with how often.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    count: u64,
    sum: f64,
}

#[derive(Debug)]
struct GuestFamily {
    kind: GuestKind,
    series: BTreeMap<String, Sample>,
}

/// Whether a value has a series of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// It has.
    AsNamed,
    /// It counts under `other`.
    AsOther,
}

/// The metrics of all plugins of a host.
#[derive(Debug, Default)]
pub(crate) struct GuestMetrics {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    families: BTreeMap<String, GuestFamily>,
    series_of: BTreeMap<String, usize>,
}

impl GuestMetrics {
    /// Adds to a counter.
    pub(crate) fn count(&self, pipeline: &str, series: &Series, by: u64) -> Counted {
        self.record(pipeline, series, GuestKind::Counter, Sample { count: by, sum: 0.0 })
    }

    /// Takes a value down.
    pub(crate) fn observe(&self, pipeline: &str, series: &Series, value: f64) -> Counted {
        self.record(pipeline, series, GuestKind::Summary, Sample { count: 1, sum: value })
    }

    fn record(&self, pipeline: &str, series: &Series, kind: GuestKind, sample: Sample) -> Counted {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let name = family_name(&series.name, kind);
        let labels = label_text(pipeline, &series.labels);
        if name != OTHER_FAMILY && inner.has_room(pipeline, &name, &labels, kind) {
            inner.add(pipeline, name, kind, labels, sample);
            return Counted::AsNamed;
        }
        let one = Sample { count: 1, sum: 0.0 };
        inner.add(pipeline, OTHER_FAMILY.to_owned(), GuestKind::Counter, label_text(pipeline, &[]), one);
        Counted::AsOther
    }

    /// Appends all of them in the text format of Prometheus.
    pub(crate) fn write(&self, out: &mut String) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, family) in &inner.families {
            family.write(name, out);
        }
    }
}

impl Inner {
    /// Whether the series exists, or may be made: its name has this kind, and the pipeline is not at its bound.
    fn has_room(&self, pipeline: &str, name: &str, labels: &str, kind: GuestKind) -> bool {
        let family = self.families.get(name);
        if family.is_some_and(|family| family.kind != kind) {
            return false;
        }
        let known = family.is_some_and(|family| family.series.contains_key(labels));
        known || self.series_of.get(pipeline).is_none_or(|held| *held < SERIES_MAX)
    }

    fn add(&mut self, pipeline: &str, name: String, kind: GuestKind, labels: String, sample: Sample) {
        let family = self.families.entry(name).or_insert_with(|| GuestFamily { kind, series: BTreeMap::new() });
        if !family.series.contains_key(&labels) {
            *self.series_of.entry(pipeline.to_owned()).or_default() += 1;
        }
        let total = family.series.entry(labels).or_default();
        total.count = total.count.saturating_add(sample.count);
        total.sum += sample.sum;
    }
}

/// The name under which a plugin's metric is shown.
fn family_name(name: &str, kind: GuestKind) -> String {
    match kind {
        GuestKind::Counter => format!("millrace_plugin_{}_total", name.trim_end_matches("_total")),
        GuestKind::Summary => format!("millrace_plugin_{name}"),
    }
}

impl GuestFamily {
    fn write(&self, name: &str, out: &mut String) {
        let (word, help) = match self.kind {
            GuestKind::Counter => ("counter", "A counter of a plugin."),
            GuestKind::Summary => ("summary", "Values that a plugin observed."),
        };
        out.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {word}\n"));
        for (labels, Sample { count, sum }) in &self.series {
            let text = match self.kind {
                GuestKind::Counter => format!("{name}{{{labels}}} {count}\n"),
                GuestKind::Summary => format!("{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}\n"),
            };
            out.push_str(&text);
        }
    }
}

/// Labels as the text format writes them. A plugin's label `pipeline` would hide ours, so it gets another name.
fn label_text(pipeline: &str, labels: &[(String, String)]) -> String {
    let mut text = format!("pipeline=\"{}\"", escaped(pipeline));
    for (index, (name, value)) in labels.iter().enumerate() {
        if labels.iter().take(index).any(|(earlier, _)| earlier == name) {
            continue;
        }
        let name = if name == "pipeline" { "plugin_pipeline" } else { name };
        text.push_str(&format!(",{name}=\"{}\"", escaped(value)));
    }
    text
}

/// A label's value as the text format writes it.
pub(crate) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, labels: &[(&str, &str)]) -> Series {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Series { name: name.to_owned(), labels }
    }

    fn text(metrics: &GuestMetrics) -> String {
        let mut out = String::new();
        metrics.write(&mut out);
        out
    }

    #[test]
    fn counters_and_observations_are_written_as_prometheus_reads_them() {
        let metrics = GuestMetrics::default();
        metrics.count("p", &series("sha1_mismatch", &[("policy", "say \"hi\"\\")]), 2);
        metrics.count("p", &series("sha1_mismatch", &[("policy", "say \"hi\"\\")]), 3);
        metrics.observe("p", &series("score", &[("pipeline", "x")]), 0.5);
        insta::assert_snapshot!(text(&metrics), @r#"
        # HELP millrace_plugin_score Values that a plugin observed.
        # TYPE millrace_plugin_score summary
        millrace_plugin_score_sum{pipeline="p",plugin_pipeline="x"} 0.5
        millrace_plugin_score_count{pipeline="p",plugin_pipeline="x"} 1
        # HELP millrace_plugin_sha1_mismatch_total A counter of a plugin.
        # TYPE millrace_plugin_sha1_mismatch_total counter
        millrace_plugin_sha1_mismatch_total{pipeline="p",policy="say \"hi\"\\"} 5
        "#);
    }

    #[test]
    fn what_is_beyond_the_bound_counts_as_other() {
        let metrics = GuestMetrics::default();
        for number in 0..SERIES_MAX + 5 {
            metrics.count("p", &series(&format!("name{number}"), &[]), 1);
        }
        assert_eq!(metrics.count("p", &series("name0", &[]), 1), Counted::AsNamed);
        assert_eq!(metrics.count("q", &series("name0", &[]), 1), Counted::AsNamed);
        assert_eq!(metrics.observe("q", &series("name0_total", &[]), 1.0), Counted::AsOther);
        assert!(text(&metrics).contains("millrace_plugin_other_total{pipeline=\"p\"} 5\n"));
        assert!(text(&metrics).lines().filter(|line| line.contains("{pipeline=\"p\"")).count() == SERIES_MAX + 1);
    }
}
