//! Which events are shown: by wiki, kind, time, and whether they are canaries. Expressions are in `jq.rs`.

use millrace_platform::{Document, Value};

/// What an event must be to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// Names of wikis (`enwiki`) or their domains. Empty: all.
    pub(super) wikis: Vec<String>,
    /// Words of `page_change_kind` or `changelog_kind`. Empty: all.
    pub(super) kinds: Vec<String>,
    /// The earliest time, in milliseconds.
    pub(super) since_ms: Option<i64>,
    /// The time before which it must be, in milliseconds.
    pub(super) until_ms: Option<i64>,
    /// What becomes of canaries.
    pub(super) canaries: Canaries,
}

/// What becomes of canary events: they prove that a stream flows, and nothing happened on any wiki.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Canaries {
    /// They are left out.
    #[default]
    LeftOut,
    /// They are shown like others.
    Shown,
}

/// What a filter says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is shown.
    Show,
    /// It is a canary.
    Canary,
    /// It is another one than was asked for.
    Other,
}

impl Filter {
    /// Judges an event; `at_ms` is its time.
    pub(super) fn judge(&self, event: &Document, at_ms: Option<i64>) -> Verdict {
        if self.canaries == Canaries::LeftOut && event.facts().canary {
            return Verdict::Canary;
        }
        let in_time = (self.since_ms.is_none() && self.until_ms.is_none())
            || at_ms.is_some_and(|at| {
                self.since_ms.is_none_or(|since| at >= since) && self.until_ms.is_none_or(|until| at < until)
            });
        let root = event.root();
        let of_wiki = self.wikis.is_empty()
            || ["wiki_id", "wiki", "database"].iter().any(|key| is_one_of(root.get(key), &self.wikis))
            || is_one_of(root.get("meta").and_then(|meta| meta.get("domain")), &self.wikis);
        let of_kind = self.kinds.is_empty()
            || ["page_change_kind", "changelog_kind"].iter().any(|key| is_one_of(root.get(key), &self.kinds));
        if in_time && of_wiki && of_kind { Verdict::Show } else { Verdict::Other }
    }
}

fn is_one_of(value: Option<Value<'_>>, words: &[String]) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| words.iter().any(|word| *word == text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millrace_platform::DecodeLimits;

    #[track_caller]
    fn check(filter: &Filter, event: &'static str, at_ms: Option<i64>, expected: Verdict) {
        let document = Document::parse(Bytes::from_static(event.as_bytes()), &DecodeLimits::default()).unwrap();
        assert_eq!(filter.judge(&document, at_ms), expected, "{event} at {at_ms:?}");
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn without_wishes_everything_but_canaries_is_shown() {
        let filter = Filter::default();
        check(&filter, r#"{"meta":{"domain":"canary"}}"#, None, Verdict::Canary);
        check(&filter, "{}", None, Verdict::Show);
        let shown = Filter { canaries: Canaries::Shown, ..filter };
        check(&shown, r#"{"meta":{"domain":"canary"}}"#, None, Verdict::Show);
    }

    #[test]
    fn a_wiki_goes_by_its_name_or_its_domain() {
        let filter = Filter { wikis: words(&["enwiki", "de.wikipedia.org"]), ..Filter::default() };
        for event in [
            r#"{"wiki_id":"enwiki"}"#,
            r#"{"wiki":"enwiki"}"#,
            r#"{"database":"enwiki"}"#,
            r#"{"meta":{"domain":"de.wikipedia.org"},"wiki_id":"dewiki"}"#,
        ] {
            check(&filter, event, None, Verdict::Show);
        }
        for event in [r#"{"wiki_id":"enwikibooks"}"#, r#"{"wiki_id":7}"#, "{}", r#"{"page":{"wiki_id":"enwiki"}}"#] {
            check(&filter, event, None, Verdict::Other);
        }
    }

    #[test]
    fn a_kind_is_of_the_page_or_of_the_changelog() {
        let filter = Filter { kinds: words(&["move", "delete"]), ..Filter::default() };
        check(&filter, r#"{"page_change_kind":"move","changelog_kind":"update"}"#, None, Verdict::Show);
        check(&filter, r#"{"page_change_kind":"suppress","changelog_kind":"delete"}"#, None, Verdict::Show);
        check(&filter, r#"{"page_change_kind":"edit","changelog_kind":"update"}"#, None, Verdict::Other);
        check(&filter, r#"{"kind":"move"}"#, None, Verdict::Other);
    }

    #[test]
    fn times_include_their_beginning_and_not_their_end() {
        let filter = Filter { since_ms: Some(10), until_ms: Some(20), ..Filter::default() };
        for (at, expected) in [(9, Verdict::Other), (10, Verdict::Show), (19, Verdict::Show), (20, Verdict::Other)] {
            check(&filter, "{}", Some(at), expected);
        }
        check(&filter, "{}", None, Verdict::Other);
        check(&Filter { until_ms: None, ..filter }, "{}", Some(i64::MAX), Verdict::Show);
    }
}
