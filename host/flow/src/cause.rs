//! The one table of what can go wrong with an event: its word in `error_type`, and what is done about it. Writing the
//! error event is `platform`'s business.

use crate::lookup::LookupErrorKind;
use std::borrow::Cow;
use std::fmt;

/// What is done with an event for which something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// An error event at once: running it again would end in the same way.
    ErrorEvent,
    /// Run again within the pipeline's [`RetryPolicy`](crate::retry::RetryPolicy).
    Retry,
    /// Wait for as long as it takes: not the event's fault, so never an error event.
    Wait,
}

/// What is to be known of a cause: one line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'a> {
    /// The stable word that counts it and stands in `error_type`.
    pub error_type: &'a str,
    /// What is done about it.
    pub remedy: Remedy,
    /// How often and how soon it is tried again.
    pub tried: &'static str,
    /// Who counts it.
    pub counted: &'static str,
}

/// Every event that ends as an error event is counted there.
const FAILED: &str = "`millrace_events_failed_total`";
/// So are those that the plugin is at fault for, which are counted beside it.
const FAULTS: &str = "`millrace_events_failed_total`, `millrace_plugin_faults_total`";

/// What went wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The record's value is no event: not JSON, no object, a duplicate key, too deep, no UTF-8.
    Decode,
    /// The record's value is larger than the pipeline takes.
    TooLarge,
    /// The event does not say that it is of its stream's schema.
    SchemaUnfit,
    /// The record has no key, and the pipeline keeps state by key.
    NoKey,
    /// A lookup failed for this event alone, and the plugin could not go on without its answer.
    Lookup(LookupErrorKind),
    /// A lookup's target is out: its breaker is open.
    LookupOutage,
    /// The plugin trapped while this event alone was in its hands.
    PluginTrap,
    /// The plugin took more CPU than a turn may.
    PluginTimeout,
    /// The plugin took more memory than an instance may.
    PluginMemory,
    /// The plugin broke a rule of the contract.
    PluginRule,
    /// The plugin neither ended the ticket nor waited for anything.
    PluginStalled,
    /// The event's wall time ran out.
    Deadline,
    /// An emitted event breaks its schema or the stream's rules, or is no JSON.
    OutputInvalid,
    /// An emitted event is larger than its stream takes.
    OutputTooLarge,
    /// What the event writes to the state of its key does not fit any more.
    StateFull,
    /// The host died each time that this event was in its hands, the last time with no other event beside it.
    HostDied,
    /// Kafka does not take the outputs.
    Delivery,
    /// The plugin said `fail`.
    PluginFail(Word),
    /// The plugin said `retry`.
    PluginRetry(Word),
    /// The plugin said `retry` for the last time: reported with the plugin's own word.
    RetriesExhausted(Word),
}

impl Cause {
    /// The stable word that counts it and stands in `error_type`.
    pub fn word(&self) -> &str {
        self.row().0
    }

    /// What is done about it.
    pub fn remedy(&self) -> Remedy {
        self.row().1
    }

    /// The whole line of the table.
    pub fn rule(&self) -> Rule<'_> {
        let (error_type, remedy) = self.row();
        let (tried, counted) = match self {
            Self::Lookup(LookupErrorKind::Missing) => {
                ("again while the event is young (`mediawiki.young_age`)", FAILED)
            }
            Self::Lookup(LookupErrorKind::Unavailable) => {
                ("three times alone, up to 30 s apart, and only while others of its target succeed", FAILED)
            }
            Self::Lookup(LookupErrorKind::TooLarge) => ("alone, once it did not fit beside others", FAILED),
            Self::LookupOutage => {
                ("for as long as it takes, by one call every 1 s to 30 s", "`millrace_lookup_breaker_opened_total`")
            }
            Self::Delivery => (
                "for as long as it takes, by the pipeline that starts again, up to a minute apart",
                "`millrace_pipeline_restarts_total`",
            ),
            Self::PluginRetry(_) => ("`limits.retries`, from the original record", "`millrace_retries_total`"),
            Self::RetriesExhausted(_) => ("no more: `limits.retries` is used up", FAILED),
            Self::PluginTrap | Self::PluginTimeout | Self::PluginMemory | Self::PluginRule | Self::PluginStalled => {
                ("once more, alone, where others were in the same turn", FAULTS)
            }
            Self::OutputTooLarge => {
                ("never", "`millrace_events_failed_total`, and `millrace_outputs_refused_total` where Kafka said so")
            }
            Self::SchemaUnfit => ("never", "`millrace_events_failed_total` and `millrace_events_unfit_total`"),
            Self::Decode
            | Self::TooLarge
            | Self::NoKey
            | Self::Lookup(_)
            | Self::Deadline
            | Self::OutputInvalid
            | Self::StateFull
            | Self::HostDied
            | Self::PluginFail(_) => ("never", FAILED),
        };
        Rule { error_type, remedy, tried, counted }
    }

    /// One cause of each kind, in the order of the table; what a plugin says in its own words is `its own word`.
    pub fn all() -> Vec<Self> {
        let own = || Word(Cow::Borrowed("its own word"));
        let lookups = [
            LookupErrorKind::Missing,
            LookupErrorKind::Denied,
            LookupErrorKind::TooLarge,
            LookupErrorKind::Unavailable,
            LookupErrorKind::Invalid,
        ];
        let mut all = vec![Self::Decode, Self::TooLarge, Self::SchemaUnfit, Self::NoKey];
        all.extend(lookups.map(Self::Lookup));
        all.extend([Self::LookupOutage, Self::PluginTrap, Self::PluginTimeout, Self::PluginMemory, Self::PluginRule]);
        all.extend([Self::PluginStalled, Self::Deadline, Self::OutputInvalid, Self::OutputTooLarge, Self::StateFull]);
        all.extend([Self::HostDied, Self::Delivery]);
        all.extend([Self::PluginFail(own()), Self::PluginRetry(own()), Self::RetriesExhausted(own())]);
        all
    }

    /// The words and remedies.
    fn row(&self) -> (&str, Remedy) {
        use Remedy::{ErrorEvent, Retry, Wait};
        match self {
            Self::Decode => ("decode", ErrorEvent),
            Self::TooLarge => ("too_large", ErrorEvent),
            Self::SchemaUnfit => ("schema_unfit", ErrorEvent),
            Self::NoKey => ("no_key", ErrorEvent),
            Self::Lookup(LookupErrorKind::Missing) => ("not_found", ErrorEvent),
            Self::Lookup(LookupErrorKind::Denied) => ("lookup_denied", ErrorEvent),
            Self::Lookup(LookupErrorKind::TooLarge) => ("lookup_too_large", ErrorEvent),
            Self::Lookup(LookupErrorKind::Unavailable) => ("lookup_unavailable", ErrorEvent),
            Self::Lookup(LookupErrorKind::Invalid) => ("lookup_invalid", ErrorEvent),
            Self::LookupOutage => ("lookup_outage", Wait),
            Self::PluginTrap => ("plugin_trap", ErrorEvent),
            Self::PluginTimeout => ("plugin_timeout", ErrorEvent),
            Self::PluginMemory => ("plugin_memory", ErrorEvent),
            Self::PluginRule => ("plugin_rule", ErrorEvent),
            Self::PluginStalled => ("plugin_stalled", ErrorEvent),
            Self::Deadline => ("deadline", ErrorEvent),
            Self::OutputInvalid => ("output_invalid", ErrorEvent),
            Self::OutputTooLarge => ("output_too_large", ErrorEvent),
            Self::StateFull => ("state_full", ErrorEvent),
            Self::HostDied => ("host_died", ErrorEvent),
            Self::Delivery => ("delivery", Wait),
            Self::PluginFail(word) => (word.as_str(), ErrorEvent),
            Self::PluginRetry(word) => (word.as_str(), Retry),
            Self::RetriesExhausted(word) => (word.as_str(), ErrorEvent),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A stable word: 1 to 64 of `a-z`, `0-9` and `_`. Safe as a metric's label and in `error_type`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Word(Cow<'static, str>);

impl Word {
    /// The most characters of a word.
    pub const CHARS_MAX: usize = 64;
    /// The word for what has none.
    pub const UNKNOWN: Self = Self(Cow::Borrowed("unknown"));

    /// Makes a stable word of what a plugin said: unchanged if it is one, else in small letters, with one `_` for whatever
    /// else stands between letters and digits, cut to [`Word::CHARS_MAX`]. Nothing left is [`Word::UNKNOWN`].
    pub fn of(said: &str) -> Self {
        let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if (1..=Self::CHARS_MAX).contains(&said.len()) && said.chars().all(|c| is_letter(c) || c == '_') {
            return Self(Cow::Owned(said.to_owned()));
        }
        let mut word = String::new();
        for c in said.chars().map(|c| c.to_ascii_lowercase()) {
            if word.len() >= Self::CHARS_MAX {
                break;
            }
            if is_letter(c) {
                word.push(c);
            } else if !word.is_empty() && !word.ends_with('_') {
                word.push('_');
            }
        }
        word.truncate(word.trim_end_matches('_').len());
        if word.is_empty() { Self::UNKNOWN } else { Self(Cow::Owned(word)) }
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The stable word of what a plugin said, as text: [`Word::of`].
pub fn word_of(said: &str) -> String {
    Word::of(said).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(said: &str, expected: &str) {
        assert_eq!(Word::of(said).as_str(), expected);
    }

    #[test]
    fn a_stable_word_stays_as_it_is() {
        check("sha1_mismatch", "sha1_mismatch");
        check("_a__b_", "_a__b_");
        check(&"x".repeat(64), &"x".repeat(64));
    }

    #[test]
    fn anything_else_becomes_a_stable_word() {
        check("HTTP 404: Not Found!", "http_404_not_found");
        check("java.lang.NullPointerException", "java_lang_nullpointerexception");
        check(&"x".repeat(65), &"x".repeat(64));
        check("  ", "unknown");
        check("", "unknown");
        check("fehler-größe\n", "fehler_gr_e");
    }

    #[test]
    fn nothing_that_waits_becomes_an_error_event() {
        for (cause, remedy) in [
            (Cause::LookupOutage, Remedy::Wait),
            (Cause::Delivery, Remedy::Wait),
            (Cause::Decode, Remedy::ErrorEvent),
            (Cause::Lookup(LookupErrorKind::Missing), Remedy::ErrorEvent),
            (Cause::PluginRetry(Word::of("late")), Remedy::Retry),
            (Cause::RetriesExhausted(Word::of("late")), Remedy::ErrorEvent),
        ] {
            assert_eq!(cause.remedy(), remedy, "{cause}");
        }
    }

    #[test]
    fn the_table_has_a_line_of_its_own_for_each_cause() {
        let all = Cause::all();
        let words: std::collections::BTreeSet<&str> =
            all.iter().map(Cause::word).filter(|word| *word != "its own word").collect();
        assert_eq!(words.len() + 3, all.len(), "each word stands for one cause");
        for cause in &all {
            let Rule { error_type, remedy, tried, counted } = cause.rule();
            assert_eq!((error_type, remedy), (cause.word(), cause.remedy()));
            assert!(counted.contains("millrace_"), "{cause} is counted nowhere");
            let is_tried = matches!(remedy, Remedy::Retry | Remedy::Wait);
            assert!(!is_tried || tried != "never", "{cause}");
        }
    }

    #[test]
    fn a_plugins_own_word_is_reported() {
        assert_eq!(Cause::PluginFail(Word::of("Late!")).word(), "late");
        assert_eq!(Cause::RetriesExhausted(Word::of("not_there_yet")).word(), "not_there_yet");
        assert_eq!(Cause::Lookup(LookupErrorKind::Missing).to_string(), "not_found");
    }

    proptest! {
        #[test]
        fn whatever_a_plugin_says_a_stable_word_comes_out(said: String) {
            let word = Word::of(&said);
            let text = word.as_str();
            prop_assert!((1..=64).contains(&text.len()));
            prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            prop_assert_eq!(&Word::of(text), &word);
        }
    }
}
