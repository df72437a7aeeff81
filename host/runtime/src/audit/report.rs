//! What an audit says, to people and to machines.

use super::finding::{Defect, Finding, Findings};
use super::judge::{Promise, Repeats, Rules, Silence, Tally};
use crate::config::printable;
use millrace_flow::record::TopicPartition;
use serde_json::{Map, Value, json};
use std::ops::Range;

/// What was read of a topic that the pipeline writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The topic.
    pub topic: String,
    /// Its records.
    pub records: u64,
    /// Those that are results of events in the range.
    pub results: u64,
    /// Those that are results of timers, whenever these were due.
    pub of_timers: u64,
    /// Those that are results of other events of the pipeline.
    pub outside: u64,
    /// Those whose event is no longer in its topic, though others around it are.
    pub gone: u64,
    /// Those that this pipeline did not write.
    pub others: u64,
}

/// What came of an audit.
#[derive(Clone, Debug)]
pub struct Report {
    /// The pipeline.
    pub pipeline: String,
    /// What it was judged by.
    pub rules: Rules,
    /// The partitions that it reads, with the offsets that were judged.
    pub read: Vec<((TopicPartition, Range<i64>), Tally)>,
    /// The topics that it writes.
    pub written: Vec<Written>,
    /// What is wrong.
    pub findings: Findings,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.total() == 0
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let promise = match self.rules.promise {
            Promise::AtLeastOnce => "at least once",
            Promise::ExactlyOnce => "exactly once",
        };
        let mut lines = vec![format!("Pipeline {} ({promise}).", self.pipeline), String::new(), "Read:".to_owned()];
        for ((partition, range), tally) in &self.read {
            lines.push(format!("  {partition} offsets {} to {}: {}", range.start, range.end, counts(tally)));
        }
        lines.push("Written:".to_owned());
        lines.extend(self.written.iter().map(|written| format!("  {}: {}", written.topic, self.of_topic(written))));
        lines.push(String::new());
        lines.push(self.verdict());
        for finding in self.findings.kept() {
            lines.push(line(finding));
        }
        let hidden = self.findings.total() - self.findings.kept().count() as u64;
        if hidden > 0 {
            lines.push(format!("  and {hidden} more; --findings shows more of each kind"));
        }
        lines.extend(self.notes().map(str::to_owned));
        lines.join("\n") + "\n"
    }

    fn of_topic(&self, written: &Written) -> String {
        let mut said = vec![format!("{} results of these events", written.results)];
        for (count, what) in [
            (written.of_timers, "of timers"),
            (written.outside, "of other events"),
            (written.gone, "of records that are not in their topic"),
            (written.others, "of other writers"),
        ] {
            said.extend((count > 0).then(|| format!("{count} {what}")));
        }
        for defect in Defect::ALL {
            let count = self.findings.count_in(&written.topic, defect);
            said.extend((count > 0).then(|| format!("{count} {}", short(defect))));
        }
        said.join(", ")
    }

    fn verdict(&self) -> String {
        if self.is_clean() {
            return "Clean: nothing is wrong.".to_owned();
        }
        let counts = Defect::ALL.into_iter().map(|defect| (self.findings.count(defect), defect));
        let said: Vec<String> = counts
            .filter(|(count, _)| *count > 0)
            .map(|(count, defect)| format!("{count} {}", short(defect)))
            .collect();
        format!("{} findings ({}), of {} keys:", self.findings.total(), said.join(", "), self.findings.keys())
    }

    /// What a person should know about what was counted.
    fn notes(&self) -> impl Iterator<Item = &'static str> {
        let sum = |count: fn(&Tally) -> u64| self.read.iter().map(|(_, tally)| count(tally)).sum::<u64>();
        let silent = sum(|tally| tally.silent) > 0 && self.rules.silence == Silence::Counted;
        let doubled = self.findings.count(Defect::Doubled) > 0 && self.rules.promise == Promise::AtLeastOnce;
        let repeated = sum(|tally| tally.repeated) > 0 && self.rules.repeats == Repeats::Counted;
        [
            (silent, "Events without a result were skipped, as far as anybody can tell; where the plugin skips nothing, --every-event finds them."),
            (doubled, "At least once means that a crash repeats what was not committed yet, with equal ids; --allow-repeats only counts it."),
            (repeated, "Results that are there again were only counted."),
        ]
        .into_iter()
        .filter_map(|(holds, note)| holds.then_some(note))
    }

    /// The report for machines.
    pub fn json(&self) -> Value {
        let promise = match self.rules.promise {
            Promise::AtLeastOnce => "at_least_once",
            Promise::ExactlyOnce => "exactly_once",
        };
        let counts: Map<String, Value> = Defect::ALL
            .into_iter()
            .map(|defect| (defect.word().to_owned(), self.findings.count(defect).into()))
            .collect();
        json!({
            "pipeline": self.pipeline,
            "delivery": promise,
            "clean": self.is_clean(),
            "read": self.read.iter().map(|((partition, range), tally)| of_partition(partition, range, tally)).collect::<Vec<_>>(),
            "written": self.written.iter().map(|written| self.of_written(written)).collect::<Vec<_>>(),
            "counts": counts,
            "keys": self.findings.keys(),
            "findings": self.findings.kept().map(as_json).collect::<Vec<_>>(),
        })
    }

    fn of_written(&self, written: &Written) -> Value {
        let Written { topic, records, results, of_timers, outside, gone, others } = written;
        let found: Map<String, Value> = Defect::ALL
            .into_iter()
            .map(|defect| (defect.word().to_owned(), self.findings.count_in(topic, defect).into()))
            .collect();
        json!({ "topic": topic, "records": records, "results": results, "of_timers": of_timers, "outside": outside, "gone": gone,
                "others": others, "findings": found })
    }
}

fn counts(tally: &Tally) -> String {
    let mut said = vec![format!("{} events", tally.events)];
    for (count, what) in [
        (tally.emitted, "with outputs"),
        (tally.failed, "failed"),
        (tally.canaries, "canary events"),
        (tally.tombstones, "tombstones without a result"),
        (tally.silent, "without a result"),
        (tally.open, "not settled yet"),
        (tally.ahead, "with results and not settled yet"),
        (tally.repeated, "results there again"),
    ] {
        said.extend((count > 0).then(|| format!("{count} {what}")));
    }
    said.join(", ")
}

fn of_partition(partition: &TopicPartition, range: &Range<i64>, tally: &Tally) -> Value {
    let Tally { events, emitted, failed, canaries, tombstones, silent, open, ahead, repeated } = tally;
    json!({ "topic": &*partition.topic, "partition": partition.partition, "from": range.start, "to": range.end,
            "events": events, "with_outputs": emitted, "failed": failed, "canary": canaries,
            "tombstones_without_result": tombstones, "without_result": silent, "open": open,
            "ahead_of_progress": ahead, "repeated": repeated })
}

fn short(defect: Defect) -> &'static str {
    match defect {
        Defect::Missing => "missing",
        Defect::Doubled => "doubled",
        Defect::OutOfOrder => "out of order",
        Defect::Invalid => "invalid",
        Defect::Uncovered => "not in progress",
    }
}

fn line(finding: &Finding) -> String {
    let mut line = format!("  {}:", short(finding.defect));
    if let Some(source) = &finding.source {
        line.push_str(&format!(" event {source}"));
    }
    if let Some(key) = &finding.key {
        line.push_str(&format!(" key {}", printable(key)));
    }
    if let Some(result) = &finding.result {
        line.push_str(&format!(" result {result}"));
    }
    line + ": " + &printable(&finding.detail)
}

fn as_json(finding: &Finding) -> Value {
    json!({ "kind": finding.defect.word(), "event": finding.source.as_ref().map(ToString::to_string),
            "result": finding.result.as_ref().map(ToString::to_string), "key": finding.key, "detail": finding.detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_platform::Coordinates;

    fn report() -> Report {
        let at = |topic: &str, offset| Coordinates { partition: TopicPartition::new(topic, 0), offset };
        let mut findings = Findings::keeping(1);
        for offset in [7, 9] {
            let finding = Finding {
                defect: Defect::Doubled,
                source: Some(at("in", offset)),
                result: Some(at("out", 30)),
                key: Some("a\u{1b}b".to_owned()),
                detail: "the same result (index 0) is at out/0/20".to_owned(),
            };
            findings.add(Some((0, 1)), finding);
        }
        let tally = Tally { events: 10, emitted: 8, silent: 2, repeated: 2, ..Tally::default() };
        Report {
            pipeline: "enrich".to_owned(),
            rules: Rules { promise: Promise::AtLeastOnce, silence: Silence::Counted, repeats: Repeats::Found },
            read: vec![((TopicPartition::new("in", 0), 0..10), tally)],
            written: vec![Written {
                topic: "out".to_owned(),
                records: 11,
                results: 10,
                others: 1,
                ..Written::default()
            }],
            findings,
        }
    }

    #[test]
    fn a_person_reads_counts_and_then_findings() {
        let text = report().text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..10],
            [
                "Pipeline enrich (at least once).",
                "",
                "Read:",
                "  in/0 offsets 0 to 10: 10 events, 8 with outputs, 2 without a result, 2 results there again",
                "Written:",
                "  out: 10 results of these events, 1 of other writers, 2 doubled",
                "",
                "2 findings (2 doubled), of 1 keys:",
                "  doubled: event in/0/7 key a\\u{1b}b result out/0/30: the same result (index 0) is at out/0/20",
                "  and 1 more; --findings shows more of each kind",
            ]
        );
        assert!(text.contains("--every-event finds them") && text.contains("--allow-repeats"), "{text}");
        let clean = Report { findings: Findings::keeping(1), ..report() };
        assert!(clean.text().contains("Clean: nothing is wrong."));
    }

    #[test]
    fn a_machine_reads_the_same() {
        let json = report().json();
        assert_eq!((&json["clean"], &json["counts"]["doubled"], &json["keys"]), (&json!(false), &json!(2), &json!(1)));
        assert_eq!(json["findings"][0]["event"], "in/0/7");
        assert_eq!(json["written"][0]["findings"]["doubled"], 2);
        assert_eq!(json["read"][0]["without_result"], 2);
    }
}
