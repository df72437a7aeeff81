//! The facts that the host itself reads from an input event, in every stream of the platform.

use crate::document::{Document, Value};
use crate::time;

/// What the host knows of an input event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFacts {
    /// A canary event (`meta.domain` is `canary`): it proves that the stream flows, and is never processed.
    pub canary: bool,
    /// When the event was born, in milliseconds since 1970: the later one of `dt` and `meta.dt`, because an import brings
    /// a `dt` that is weeks old for a row that was written just now. None where neither is a time.
    pub born_ms: Option<i64>,
    /// The bytes of the content that the event is about: the sum of `content_size` over `revision.content_slots`.
    pub content_bytes: Option<u64>,
    /// What the event says may not be read any more. None where it says no such thing.
    pub conceals: Option<Conceals>,
}

/// A page or revision whose content may have become forbidden: it was deleted, suppressed, or its visibility changed
/// (`mediawiki/page/change`: `page_change_kind`, `changelog_kind`, `revision.is_content_visible`). At least one is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conceals {
    /// `revision.rev_id`.
    pub rev_id: Option<u64>,
    /// `page.page_id`.
    pub page_id: Option<u64>,
}

impl Document {
    /// Reads the facts; what is missing or of another type is left out.
    pub fn facts(&self) -> EventFacts {
        let root = self.root();
        let meta = root.get("meta");
        let time_of = |value: Option<Value<'_>>| value?.as_str().and_then(|text| time::parse_ms(&text));
        let (dt, meta_dt) = (time_of(root.get("dt")), time_of(meta.and_then(|meta| meta.get("dt"))));
        let is_canary = |domain: Value<'_>| domain.as_str().is_some_and(|domain| domain == "canary");
        EventFacts {
            canary: meta.and_then(|meta| meta.get("domain")).is_some_and(is_canary),
            // None is less than any time.
            born_ms: dt.max(meta_dt),
            content_bytes: root.path(["revision", "content_slots"]).and_then(content_bytes),
            conceals: conceals(root),
        }
    }
}

fn conceals(root: Value<'_>) -> Option<Conceals> {
    let says = |key: &str, word: &str| root.get(key).and_then(|value| value.as_str()).is_some_and(|said| said == word);
    let is_hidden = |flag: Value<'_>| flag.as_bool() == Some(false);
    let said = says("page_change_kind", "visibility_change")
        || says("changelog_kind", "delete")
        || root.path(["revision", "is_content_visible"]).is_some_and(is_hidden);
    let id = |path: [&str; 2]| said.then(|| root.path(path)).flatten().and_then(|value| value.as_i64());
    let of = |path| id(path).and_then(|id| u64::try_from(id).ok());
    let conceals = Conceals { rev_id: of(["revision", "rev_id"]), page_id: of(["page", "page_id"]) };
    (conceals.rev_id.is_some() || conceals.page_id.is_some()).then_some(conceals)
}

/// None where no slot says its size.
fn content_bytes(slots: Value<'_>) -> Option<u64> {
    let sizes = slots.members().filter_map(|(_, slot)| u64::try_from(slot.get("content_size")?.as_i64()?).ok());
    sizes.fold(None, |sum: Option<u64>, size| Some(sum.unwrap_or(0).saturating_add(size)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeLimits;
    use bytes::Bytes;

    #[track_caller]
    fn check(event: &'static str, expected: EventFacts) {
        let document = Document::parse(Bytes::from_static(event.as_bytes()), &DecodeLimits::default()).unwrap();
        assert_eq!(document.facts(), expected, "{event}");
    }

    #[test]
    fn a_canary_says_so_in_its_domain() {
        let canary = EventFacts { canary: true, ..EventFacts::default() };
        check(r#"{"meta":{"domain":"canary"}}"#, canary);
        check(r#"{"meta":{"domain":"\u0063anary"}}"#, canary);
        check(r#"{"meta":{"domain":"canary.example.org"},"domain":"canary"}"#, EventFacts::default());
        check(r#"{"meta":"canary"}"#, EventFacts::default());
    }

    #[test]
    fn the_later_time_is_the_birth() {
        let born = |born_ms| EventFacts { born_ms, ..EventFacts::default() };
        check(r#"{"dt":"1970-01-01T00:00:01Z","meta":{"dt":"1970-01-01T00:00:02.5Z"}}"#, born(Some(2500)));
        check(r#"{"dt":"1970-01-01T00:00:03Z","meta":{"dt":"1970-01-01T00:00:02Z"}}"#, born(Some(3000)));
        check(r#"{"dt":"1970-01-01T00:00:03Z","meta":{"dt":"soon"}}"#, born(Some(3000)));
        check(r#"{"dt":3,"meta":{}}"#, born(None));
    }

    #[test]
    fn deletions_and_changes_of_visibility_conceal() {
        let conceals =
            |rev_id, page_id| EventFacts { conceals: Some(Conceals { rev_id, page_id }), ..EventFacts::default() };
        check(
            r#"{"page_change_kind":"visibility_change","page":{"page_id":5},"revision":{"rev_id":7}}"#,
            conceals(Some(7), Some(5)),
        );
        check(r#"{"changelog_kind":"delete","page":{"page_id":5}}"#, conceals(None, Some(5)));
        check(r#"{"revision":{"rev_id":7,"is_content_visible":false}}"#, conceals(Some(7), None));
        check(
            r#"{"revision":{"rev_id":7,"is_content_visible":true},"changelog_kind":"update"}"#,
            EventFacts::default(),
        );
        check(r#"{"changelog_kind":"delete","page":{"page_id":-5}}"#, EventFacts::default());
    }

    #[test]
    fn the_content_is_as_large_as_its_slots() {
        let bytes = |content_bytes| EventFacts { content_bytes, ..EventFacts::default() };
        let two = r#"{"revision":{"content_slots":{"main":{"content_size":767},"mediainfo":{"content_size":7029}}}}"#;
        check(two, bytes(Some(7796)));
        check(r#"{"revision":{"content_slots":{"main":{"content_size":-1},"x":5}}}"#, bytes(None));
        check(r#"{"revision":{"rev_size":5}}"#, bytes(None));
    }
}
