//! What came of a run, for people and for machines.

use crate::config::printable;
use crate::reprocess::session::Mode;
use millrace_platform::FailedEvent;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What became of an error event that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was given back (or would have been).
    GivenBack,
    /// It was given back by an earlier run.
    Before,
    /// It was given back as often as is allowed.
    AtTheCap,
    /// The error event holds a part of the original record only.
    Cut,
    /// The error event lacks what tells of the original record; older releases wrote such.
    Incomplete,
    /// The original record is from a topic or a cluster that the pipeline does not read.
    Foreign,
    /// The original record is larger than the reprocess topic takes.
    TooLarge,
}

impl Fate {
    const ALL: [Self; 7] =
        [Self::GivenBack, Self::Before, Self::AtTheCap, Self::Cut, Self::Incomplete, Self::Foreign, Self::TooLarge];

    /// The word for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::GivenBack => "given_back",
            Self::Before => "before",
            Self::AtTheCap => "at_the_cap",
            Self::Cut => "cut",
            Self::Incomplete => "incomplete",
            Self::Foreign => "foreign",
            Self::TooLarge => "too_large",
        }
    }

    /// What it means, for people.
    fn meaning(self) -> &'static str {
        match self {
            Self::GivenBack => "given back",
            Self::Before => "given back before",
            Self::AtTheCap => "given back as often as --attempts allows",
            Self::Cut => "the error event holds a part of the event only: raise `errors.max_message_bytes`",
            Self::Incomplete => "the error event does not say what its record was",
            Self::Foreign => "from a topic or a cluster that the pipeline does not read",
            Self::TooLarge => "larger than the reprocess topic takes: raise its `max.message.bytes`",
        }
    }

    /// Whether somebody must do something about it.
    fn needs_a_person(self) -> bool {
        !matches!(self, Self::GivenBack | Self::Before)
    }
}

/// Error events that cannot be given back are named one by one, so many at most.
const NAMED_MAX: usize = 100;

/// What came of a run so far.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Records of the error topic that were read.
    pub read: u64,
    /// Those that other pipelines wrote.
    pub others: u64,
    /// Those that are no error events.
    pub unreadable: u64,
    /// Those that were not asked for.
    pub not_selected: u64,
    /// Whether the run was asked to stop before its end.
    pub interrupted: bool,
    fates: BTreeMap<String, BTreeMap<Fate, u64>>,
    named: Vec<Named>,
}

#[derive(Clone, Debug)]
struct Named {
    error_event: String,
    source: Option<String>,
    error_type: String,
    fate: Fate,
}

impl Summary {
    /// Counts what became of an error event.
    pub fn count(&mut self, failed: &FailedEvent, fate: Fate) {
        *self.fates.entry(failed.error_type.clone()).or_default().entry(fate).or_default() += 1;
        if fate.needs_a_person() && self.named.len() < NAMED_MAX {
            self.named.push(Named {
                error_event: failed.at.to_string(),
                source: failed.source.as_ref().map(ToString::to_string),
                error_type: failed.error_type.clone(),
                fate,
            });
        }
    }

    /// How many error events came to this end.
    pub fn total(&self, fate: Fate) -> u64 {
        self.fates.values().filter_map(|fates| fates.get(&fate)).sum()
    }

    /// The summary for people.
    pub fn text(&self, mode: Mode) -> String {
        let would = if mode == Mode::DryRun { " (a dry run: nothing was written)" } else { "" };
        let mut lines =
            vec![format!("{} error events read, {} given back{would}.", self.read, self.total(Fate::GivenBack))];
        for (count, what) in [
            (self.not_selected, "were not asked for"),
            (self.others, "are of other pipelines"),
            (self.unreadable, "are no error events"),
        ] {
            if count > 0 {
                lines.push(format!("{count} {what}."));
            }
        }
        let wide = self.fates.keys().map(String::len).max().unwrap_or(0);
        for (error_type, fates) in &self.fates {
            let counts: Vec<String> = fates.iter().map(|(fate, count)| format!("{count} {}", short(*fate))).collect();
            lines.push(format!("  {:wide$}  {}", printable(error_type), counts.join(", ")));
        }
        for fate in Fate::ALL.into_iter().filter(|fate| fate.needs_a_person()) {
            self.name(fate, &mut lines);
        }
        if self.interrupted {
            lines.push("Interrupted; run it again to go on.".to_owned());
        }
        lines.join("\n") + "\n"
    }

    /// Names the error events of one fate.
    fn name(&self, fate: Fate, lines: &mut Vec<String>) {
        let total = self.total(fate);
        if total == 0 {
            return;
        }
        lines.push(format!("{} ({}):", short(fate), fate.meaning()));
        let named: Vec<&Named> = self.named.iter().filter(|named| named.fate == fate).collect();
        for Named { error_event, source, error_type, .. } in &named {
            let source = source.as_deref().map(|source| format!(" from {source}")).unwrap_or_default();
            lines.push(format!("  {error_event} {}{source}", printable(error_type)));
        }
        let unnamed = total.saturating_sub(named.len() as u64);
        if unnamed > 0 {
            lines.push(format!("  and {unnamed} more"));
        }
    }

    /// The summary for machines.
    pub fn json(&self, mode: Mode, error: Option<&str>) -> Value {
        let counts = |fates: &BTreeMap<Fate, u64>| {
            Fate::ALL.iter().map(|fate| (fate.word().to_owned(), json!(fates.get(fate).unwrap_or(&0)))).collect()
        };
        let by_type: Map<String, Value> =
            self.fates.iter().map(|(word, fates)| (word.clone(), Value::Object(counts(fates)))).collect();
        let named = |named: &Named| {
            json!({ "error_event": named.error_event, "source": named.source, "error_type": named.error_type,
                    "fate": named.fate.word() })
        };
        json!({
            "dry_run": mode == Mode::DryRun,
            "done": error.is_none() && !self.interrupted,
            "interrupted": self.interrupted,
            "error": error,
            "read": self.read,
            "given_back": self.total(Fate::GivenBack),
            "not_selected": self.not_selected,
            "of_other_pipelines": self.others,
            "no_error_events": self.unreadable,
            "error_types": by_type,
            "not_given_back": self.named.iter().map(named).collect::<Vec<_>>(),
        })
    }
}

/// A fate in a line of several.
fn short(fate: Fate) -> String {
    match fate {
        Fate::GivenBack | Fate::Before => fate.meaning().to_owned(),
        other => other.word().replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_flow::record::TopicPartition;
    use millrace_platform::{Coordinates, Unreturnable};

    fn failed(error_type: &str, offset: i64) -> FailedEvent {
        FailedEvent {
            at: Coordinates { partition: TopicPartition::new("p.error", 0), offset },
            emitter_id: "p".to_owned(),
            error_type: error_type.to_owned(),
            stream: None,
            source: Some(Coordinates { partition: TopicPartition::new("in", 1), offset }),
            original: Err(Unreturnable::Cut),
        }
    }

    fn summary() -> Summary {
        let mut summary = Summary { read: 110, others: 1, not_selected: 2, ..Summary::default() };
        summary.count(&failed("not_found", 0), Fate::GivenBack);
        summary.count(&failed("not_found", 1), Fate::GivenBack);
        summary.count(&failed("decode", 2), Fate::Before);
        (3..105).for_each(|offset| summary.count(&failed("decode", offset), Fate::Cut));
        summary
    }

    #[test]
    fn a_person_reads_what_was_given_back_and_what_was_not() {
        let text = summary().text(Mode::GiveBack);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..7],
            [
                "110 error events read, 2 given back.",
                "2 were not asked for.",
                "1 are of other pipelines.",
                "  decode     1 given back before, 102 cut",
                "  not_found  2 given back",
                "cut (the error event holds a part of the event only: raise `errors.max_message_bytes`):",
                "  p.error/0/3 decode from in/1/3",
            ]
        );
        assert_eq!(lines.last(), Some(&"  and 2 more"));
    }

    #[test]
    fn a_machine_reads_the_same() {
        let json = summary().json(Mode::DryRun, None);
        assert_eq!((&json["done"], &json["dry_run"], &json["given_back"]), (&json!(true), &json!(true), &json!(2)));
        assert_eq!(json["error_types"]["decode"]["cut"], 102);
        assert_eq!(json["not_given_back"].as_array().unwrap().len(), NAMED_MAX);
        let stopped = Summary { interrupted: true, ..Summary::default() };
        assert_eq!(stopped.json(Mode::GiveBack, None)["done"], false);
        assert_eq!(summary().json(Mode::GiveBack, Some("no"))["done"], false);
    }
}
