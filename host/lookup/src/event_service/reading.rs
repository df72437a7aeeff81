//! What an event service's answer means: 201 and 202 all taken, 207 some, 400 none, anything else later or never.
//!
//! The body of 207 and 400 is `{"invalid": [{"event": ..., "context": ...}], "error": [...]}`; an event is found again
//! by its `meta.id`. What names an event that is not of the batch, or none, is unclear: then nothing is concluded from it.

use super::{Fate, Posted};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The most characters of what the service says of an event.
const SAID_CHARS_MAX: usize = 500;

/// Reads the answer to a post of `events`.
pub(super) fn read(status: u16, body: &[u8], events: &[Bytes], wait_ms: Option<u64>) -> Posted {
    let all = |fate: Fate| Posted::Each(vec![fate; events.len()]);
    match status {
        // 202 is what a service says that takes events without waiting for Kafka. Ours is asked to wait; one that
        // answers so nevertheless has taken them, and cannot be asked for more.
        201 | 202 => all(Fate::Accepted),
        207 => by_event(body, events, &Fate::Accepted),
        400 if events.len() == 1 => all(Fate::Invalid(said_of_one(status, body))),
        // All of them are invalid, but what about them only the body tells.
        400 => match failures(body) {
            Some(failures) if failures.invalid.len() == events.len() => {
                by_event(body, events, &Fate::Later(answered(status, body)))
            }
            _ => Posted::Unclear(answered(status, body)),
        },
        413 => Posted::TooLarge,
        408 | 429 | 500..=599 => Posted::Later { why: answered(status, body), wait_ms },
        _ => Posted::Refused(answered(status, body)),
    }
}

#[derive(Default, Deserialize)]
struct Failures<'a> {
    #[serde(borrow, default)]
    invalid: Vec<Failed<'a>>,
    #[serde(borrow, default)]
    error: Vec<Failed<'a>>,
}

#[derive(Deserialize)]
struct Failed<'a> {
    #[serde(default)]
    event: Named,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    id: Option<String>,
}

fn failures(body: &[u8]) -> Option<Failures<'_>> {
    // An empty list would be read as an object without members, and every event as taken.
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// What is said of each event; of which nothing is said, `others`.
fn by_event(body: &[u8], events: &[Bytes], others: &Fate) -> Posted {
    let unclear = || Posted::Unclear(format!("it does not say what became of which event: {}", shortened(body)));
    let Some(failures) = failures(body) else { return unclear() };
    let places: HashMap<String, usize> =
        events.iter().enumerate().filter_map(|(at, event)| Some((id_of(event)?, at))).collect();
    let mut fates = vec![others.clone(); events.len()];
    let invalid = failures.invalid.iter().map(|failed| (failed, Fate::Invalid(said(failed))));
    let error = failures.error.iter().map(|failed| (failed, Fate::Later(said(failed))));
    for (failed, fate) in invalid.chain(error) {
        let place = failed.event.meta.id.as_ref().and_then(|id| places.get(id));
        let Some(slot) = place.and_then(|at| fates.get_mut(*at)) else { return unclear() };
        *slot = fate;
    }
    Posted::Each(fates)
}

fn id_of(event: &[u8]) -> Option<String> {
    serde_json::from_slice::<Named>(event).ok()?.meta.id
}

/// What is said of the only event of a batch, whether it is named or not.
fn said_of_one(status: u16, body: &[u8]) -> String {
    let failed = failures(body).and_then(|failures| failures.invalid.into_iter().chain(failures.error).next());
    failed.map_or_else(|| answered(status, body), |failed| said(&failed))
}

/// The text in a failure's context.
fn said(failed: &Failed<'_>) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Context {
        errors_text: Option<String>,
        message: Option<String>,
    }
    let Some(context) = failed.context else { return "the event service gives no reason".to_owned() };
    let text = serde_json::from_str::<Context>(context.get()).ok();
    let text = text.and_then(|context| context.errors_text.or(context.message));
    text.map_or_else(|| shortened(context.get().as_bytes()), |text| shortened(text.as_bytes()))
}

fn answered(status: u16, body: &[u8]) -> String {
    let text = shortened(body);
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    format!("the event service answered {status}{said}")
}

fn shortened(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().chars().take(SAID_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(ids: &[&str]) -> Vec<Bytes> {
        ids.iter().map(|id| Bytes::from(format!(r#"{{"meta":{{"id":"{id}"}}}}"#))).collect()
    }

    #[track_caller]
    fn check(status: u16, body: &str, ids: &[&str], expected: Posted) {
        assert_eq!(read(status, body.as_bytes(), &events(ids), None), expected, "{status} {body}");
    }

    fn invalid(text: &str) -> Fate {
        Fate::Invalid(text.to_owned())
    }

    #[test]
    fn created_and_accepted_are_taken() {
        check(201, "", &["a", "b"], Posted::Each(vec![Fate::Accepted, Fate::Accepted]));
        check(202, "no JSON", &["a"], Posted::Each(vec![Fate::Accepted]));
    }

    #[test]
    fn a_partial_success_names_those_that_failed() {
        let body = r#"{"invalid":[{"status":"invalid","event":{"meta":{"id":"b"}},"context":{"errorsText":"'.x' should be string"}}],
            "error":[{"event":{"meta":{"id":"c"}},"context":{"message":"queue full"}}]}"#;
        let fates = vec![Fate::Accepted, invalid("'.x' should be string"), Fate::Later("queue full".to_owned())];
        check(207, body, &["a", "b", "c"], Posted::Each(fates));
    }

    #[test]
    fn a_failure_without_words_is_shown_as_it_is() {
        let body = r#"{"invalid":[{"event":{"meta":{"id":"a"}},"context":{"code":7}}]}"#;
        check(207, body, &["a", "b"], Posted::Each(vec![invalid(r#"{"code":7}"#), Fate::Accepted]));
        let body = r#"{"invalid":[{"event":{"meta":{"id":"a"}}}]}"#;
        let fates = vec![invalid("the event service gives no reason"), Fate::Accepted];
        check(207, body, &["a", "b"], Posted::Each(fates));
    }

    #[test]
    fn what_names_no_event_of_the_batch_is_unclear() {
        let strange = [r#"{"invalid":[{"event":{"meta":{"id":"z"}}}]}"#, r#"{"error":[{}]}"#, "half a {", "[]", ""];
        for body in strange {
            let posted = read(207, body.as_bytes(), &events(&["a", "b"]), None);
            assert!(matches!(posted, Posted::Unclear(_)), "{body}: {posted:?}");
        }
    }

    #[test]
    fn all_invalid_are_told_apart_or_asked_one_by_one() {
        let both =
            r#"{"invalid":[{"event":{"meta":{"id":"a"}},"context":"x"},{"event":{"meta":{"id":"b"}},"context":"y"}]}"#;
        check(400, both, &["a", "b"], Posted::Each(vec![invalid("\"x\""), invalid("\"y\"")]));
        let one = r#"{"invalid":[{"event":{"meta":{"id":"a"}},"context":"x"}]}"#;
        assert!(matches!(read(400, one.as_bytes(), &events(&["a", "b"]), None), Posted::Unclear(_)));
        check(400, "bad", &["a"], Posted::Each(vec![invalid("the event service answered 400: bad")]));
        check(400, r#"{"invalid":[{"context":{"message":"m"}}]}"#, &["a"], Posted::Each(vec![invalid("m")]));
    }

    #[test]
    fn outages_are_nobodys_fault_and_refusals_stop() {
        for status in [408, 429, 500, 502, 503, 504] {
            let later = Posted::Later { why: format!("the event service answered {status}: x"), wait_ms: Some(5) };
            assert_eq!(read(status, b"x", &events(&["a"]), Some(5)), later);
        }
        check(413, "", &["a"], Posted::TooLarge);
        for status in [200, 204, 301, 401, 403, 404, 405, 415] {
            check(status, "", &["a"], Posted::Refused(format!("the event service answered {status}")));
        }
    }
}
