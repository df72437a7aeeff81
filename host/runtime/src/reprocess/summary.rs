//! What came of a run, for people and for machines.

use crate::config::printable;
use millrace_platform::FailedEvent;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

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
                source: failed.original.as_ref().ok().map(|original| original.at.to_string()),
                error_type: failed.error_type.clone(),
                fate,
            });
        }
    }

    /// How many error events came to this end.
    pub fn total(&self, fate: Fate) -> u64 {
        self.fates.values().filter_map(|fates| fates.get(&fate)).sum()
    }

    /// The summary for people. `would`: nothing was written.
    pub fn text(&self, mode: super::session::Mode) -> String {
        let mut text = String::new();
        let would = if mode == super::session::Mode::DryRun { " (nothing was written)" } else { "" };
        // Writing to a string cannot fail.
        drop(writeln!(text, "{} error events read, {} given back{would}.", self.read, self.total(Fate::GivenBack)));
        for (count, what) in [
            (self.not_selected, "were not asked for"),
            (self.others, "are of other pipelines"),
            (self.unreadable, "are no error events"),
        ] {
            if count > 0 {
                drop(writeln!(text, "{count} {what}."));
            }
        }
        let used: Vec<Fate> = Fate::ALL.into_iter().filter(|fate| self.total(*fate) > 0).collect();
        let wide = self.fates.keys().map(String::len).max().unwrap_or(0);
        for (error_type, fates) in &self.fates {
            let counts = used.iter().filter_map(|fate| Some(format!("{} {}", fates.get(fate)?, short(*fate))));
            let counts: Vec<String> = counts.collect();
            drop(writeln!(text, "  {:wide$}  {}", printable(error_type), counts.join(", ")));
        }
        for fate in used.into_iter().filter(|fate| fate.needs_a_person()) {
            drop(writeln!(text, "{} ({}):", short(fate), fate.meaning()));
            let of_fate = |named: &&Named| named.fate == fate;
            for Named { error_event, source, error_type, .. } in self.named.iter().filter(of_fate) {
                let source = source.as_deref().map(|source| format!(" from {source}")).unwrap_or_default();
                drop(writeln!(text, "  {error_event} {}{source}", printable(error_type)));
            }
            let unnamed = self.total(fate) - self.named.iter().filter(of_fate).count() as u64;
            if unnamed > 0 {
                drop(writeln!(text, "  and {unnamed} more"));
            }
        }
        if self.interrupted {
            text.push_str("Interrupted; run it again to go on.\n");
        }
        text
    }

    /// The summary for machines.
    pub fn json(&self, mode: super::session::Mode, error: Option<&str>) -> Value {
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
            "dry_run": mode == super::session::Mode::DryRun,
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
