//! What a plugin says beside its outcomes: log lines and metrics, kept per ticket until it ends, bounded here. Where
//! they are written to is the runtime's business, and so is the bound on metrics of the whole plugin.

use crate::limits::Limits;
use millrace_flow::display::drives_display;

/// The name that stands for whatever is beyond a bound.
const OTHER: &str = "other";

/// Labels of one metric. More would make series that nobody can read.
const LABELS_MAX: usize = 8;

/// Bytes of a metric's name, of a label's name and of a label's value.
const WORD_BYTES_MAX: usize = 64;

/// How serious a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warn,
    /// Broken.
    Error,
}

/// One log line. Characters that could forge lines, colours or another order of the text are spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How serious it is.
    pub level: LogLevel,
    /// The text, cut to the limit.
    pub message: String,
}

/// What names a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// `other` where the plugin's own name is no word or beyond the bound.
    pub name: String,
    /// Name and value, in the plugin's order.
    pub labels: Vec<(String, String)>,
}

/// Everything that was said under one ticket, or under none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Log lines in their order.
    pub logs: Vec<LogLine>,
    /// Log lines that are not in `logs` because there were too many.
    pub logs_dropped: u64,
    /// Counters and what to add to them; each series once.
    pub counts: Vec<(Series, u64)>,
    /// Observations in their order.
    pub observations: Vec<(Series, f64)>,
}

impl Report {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty() && self.logs_dropped == 0 && self.counts.is_empty() && self.observations.is_empty()
    }

    /// What is left of it when its ticket ends without a `done`: what it counted never happened, and what it logged is for
    /// whoever looks for the reason.
    pub(crate) fn without_metrics(self) -> Self {
        Self { counts: Vec::new(), observations: Vec::new(), ..self }
    }

    /// Adds what was said later, within the same bounds.
    pub(crate) fn merge(&mut self, later: Self, limits: &Limits) {
        self.logs_dropped += later.logs_dropped;
        for line in later.logs {
            self.log(line.level, &line.message, limits);
        }
        for (series, by) in later.counts {
            self.count(series.name, series.labels, by, limits);
        }
        for (series, value) in later.observations {
            self.observe(series.name, series.labels, value, limits);
        }
    }

    pub(crate) fn log(&mut self, level: LogLevel, message: &str, limits: &Limits) {
        let held: usize = self.logs.iter().map(|line| line.message.len()).sum();
        if self.logs.len() >= limits.log_lines_max || held >= limits.logs_bytes_max {
            self.logs_dropped += 1;
            return;
        }
        let cut = message.floor_char_boundary(limits.log_bytes_max.min(message.len()));
        let text = message.get(..cut).unwrap_or_default();
        let message = text.chars().map(|c| if drives_display(c) { ' ' } else { c }).collect();
        self.logs.push(LogLine { level, message });
    }

    pub(crate) fn count(&mut self, name: String, labels: Vec<(String, String)>, by: u64, limits: &Limits) {
        let mut series = series(name, labels);
        if self.counts.len() >= limits.series_max && !self.counts.iter().any(|(known, _)| *known == series) {
            series = other();
        }
        match self.counts.iter_mut().find(|(known, _)| *known == series) {
            Some((_, total)) => *total = total.saturating_add(by),
            None => self.counts.push((series, by)),
        }
    }

    pub(crate) fn observe(&mut self, name: String, labels: Vec<(String, String)>, value: f64, limits: &Limits) {
        let held = self.observations.len();
        if held < limits.series_max && value.is_finite() {
            self.observations.push((series(name, labels), value));
        } else {
            self.count(OTHER.to_owned(), Vec::new(), 1, limits);
        }
    }
}

fn other() -> Series {
    Series { name: OTHER.to_owned(), labels: Vec::new() }
}

fn series(name: String, labels: Vec<(String, String)>) -> Series {
    let fits = is_word(&name)
        && labels.len() <= LABELS_MAX
        && labels.iter().all(|(label, value)| is_word(label) && value.len() <= WORD_BYTES_MAX);
    if fits { Series { name, labels } } else { other() }
}

/// Whether Prometheus takes it as a name: letters, digits and `_`, not a digit first.
fn is_word(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && text.len() <= WORD_BYTES_MAX && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { log_lines_max: 2, log_bytes_max: 5, series_max: 2, ..Limits::default() }
    }

    #[test]
    fn log_lines_are_cut_and_counted() {
        let mut report = Report::default();
        for message in ["a\u{1b}\u{202e}[31mred", "öööö", "third"] {
            report.log(LogLevel::Info, message, &limits());
        }
        let messages: Vec<&str> = report.logs.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["a  ", "öö"]);
        assert_eq!(report.logs_dropped, 1);
    }

    #[test]
    fn lines_of_one_ticket_have_a_bound_in_bytes_together() {
        let limits = Limits { logs_bytes_max: 10, log_bytes_max: 8, ..Limits::default() };
        let mut report = Report::default();
        for _ in 0..5 {
            report.log(LogLevel::Info, "12345678", &limits);
        }
        assert_eq!((report.logs.len(), report.logs_dropped), (2, 3), "the line that passes the bound is the last one");
        let mut both = report.clone();
        both.merge(report, &limits);
        assert_eq!((both.logs.len(), both.logs_dropped), (2, 8));
    }

    #[test]
    fn equal_series_add_up_and_those_beyond_the_bound_count_as_other() {
        let mut report = Report::default();
        for (name, by) in [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("d", u64::MAX), ("b", 5)] {
            report.count(name.to_owned(), vec![], by, &limits());
        }
        let totals: Vec<(&str, u64)> = report.counts.iter().map(|(s, by)| (s.name.as_str(), *by)).collect();
        assert_eq!(totals, [("a", 4), ("b", 7), ("other", u64::MAX)]);
    }

    #[test]
    fn what_is_no_name_counts_as_other() {
        let long = "x".repeat(65);
        for (name, labels) in [
            ("", vec![]),
            ("1a", vec![]),
            ("a b", vec![]),
            (long.as_str(), vec![]),
            ("a", vec![("b c", "d")]),
            ("a", vec![("b", long.as_str())]),
            ("a", vec![("b", "c"); 9]),
        ] {
            let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(series(name.to_owned(), labels), other(), "{name}");
        }
    }

    #[test]
    fn observations_are_bounded_and_finite() {
        let mut report = Report::default();
        for value in [1.0, f64::NAN, 2.0, 3.0] {
            report.observe("seconds".to_owned(), vec![], value, &limits());
        }
        assert_eq!(report.observations.len(), 2);
        assert_eq!(report.counts, [(other(), 2)]);
    }
}
