//! The load of the examples beside it: an event as the flagship sees it after projection, the answer to its one lookup,
//! and a loop that keeps tickets in flight until so many are over.

use bytes::Bytes;
use millrace_flow::blob::Blob;
use millrace_flow::lookup::{Answer, Reply};
use millrace_flow::record::TopicPartition;
use millrace_plugin::{Crew, Effect, Event, Payload};
use std::time::Duration;

/// A revision as the flagship sees it after projection.
pub(crate) const PROJECTED: &str = r#"{"page_change_kind":"edit","meta":{"domain":"en.wikipedia.org"},"revision":{"rev_id":1234567,"is_content_visible":true,"content_slots":{"main":{"slot_role":"main","content_model":"wikitext","content_sha1":"abcdefghijklmnopqrstuvwxyz01234","content_size":10000,"content_format":"text/x-wiki","origin_rev_id":1234567}}}}"#;

/// The answer to the flagship's one question.
const ANSWER: &str = r#"{"rev_id":1234567,"page_id":1,"parent_id":1234566,"slots":{"main":{"model":"wikitext","format":"text/x-wiki","size":10000,"sha1":"abcdefghijklmnopqrstuvwxyz01234","body":0}}}"#;

/// The clock of all turns, in milliseconds since 1970.
const NOW_MS: u64 = 1_700_000_000_000;

/// The CPU time of a round, as a host's workers give it.
const SLICE: Duration = Duration::from_millis(10);

/// An event with this document on this input.
pub(crate) fn event(input: &str, document: &'static str) -> Event {
    Event {
        input: input.into(),
        source: TopicPartition::new("eqiad.mediawiki.page_change.v1", 0),
        offset: 1_234_567,
        timestamp_ms: 1_700_000_000_000,
        key: Some(Bytes::from_static(br#"{"wiki_id":"enwiki","page_id":1}"#)),
        value: Some(Payload::Inline(Bytes::from_static(document.as_bytes()))),
        headers: Vec::new(),
        attempt: 1,
    }
}

/// The answer, with a body of 10 kB.
pub(crate) fn answer() -> Answer {
    let body = Blob::plain(Bytes::from(vec![b'x'; 10_000]));
    Ok(Reply { document: Bytes::from_static(ANSWER.as_bytes()), blobs: vec![body] })
}

/// Keeps `in_flight` tickets in flight until `tickets` are over. Returns the rounds that it took.
///
/// # Errors
/// The first fault of the plugin.
pub(crate) fn run(
    crew: &mut Crew,
    event: &Event,
    answer: &Answer,
    in_flight: usize,
    tickets: usize,
) -> Result<usize, String> {
    let mut effects = Vec::new();
    let (mut started, mut ended, mut rounds) = (0, 0, 0);
    while ended < tickets {
        while crew.open() < in_flight && started < tickets {
            crew.start(event.clone());
            started += 1;
        }
        crew.run(NOW_MS, SLICE, &mut effects);
        rounds += 1;
        for effect in effects.drain(..) {
            match effect {
                Effect::Ask { ticket, ask } => crew.answer(ticket, ask.id, answer.clone()),
                Effect::Done { .. } => ended += 1,
                Effect::Fault { fault, .. } => return Err(fault.to_string()),
            }
        }
    }
    Ok(rounds)
}
