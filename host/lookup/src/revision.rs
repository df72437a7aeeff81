//! The kind `revision`: how a batch of revisions is asked for, and how its answer is taken apart without copying a
//! body. What becomes of revisions that the answer leaves open is `settle`'s business.

use crate::answer_buffer::PinnedBytes;
use crate::api_error::{self, Failure, Patience};
use crate::digest::sha1_base36;
use crate::pairs::Pairs;
use crate::question::Slots;
use crate::site::Site;
use crate::transport::Received;
use bytes::Bytes;
use millrace_flow::blob::Blob;
use millrace_flow::json_text::unescape_into;
use millrace_flow::lookup::{Answer, LookupError, LookupErrorKind, Reply};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;

/// Path and query of the call for these revisions: nothing is asked for that no answer needs. The model and the format
/// of a slot come with its content.
pub(crate) fn path_and_query(site: &Site, slots: &Slots, rev_ids: &[u64]) -> String {
    let mut text = String::with_capacity(160 + rev_ids.len() * 14);
    text.push_str(&site.api_path);
    text.push_str("?action=query&format=json&formatversion=2&prop=revisions&rvprop=ids%7Ccontent&rvslots=");
    text.push_str(slots.parameter());
    push_maxlag(site, &mut text);
    text.push_str("&revids=");
    for (index, rev_id) in rev_ids.iter().enumerate() {
        let separator = if index == 0 { "" } else { "%7C" };
        // Writing into a string cannot fail.
        _ = write!(text, "{separator}{rev_id}");
    }
    text
}

/// Adds `maxlag`, where the site wants it.
pub(crate) fn push_maxlag(site: &Site, text: &mut String) {
    if let Some(seconds) = site.maxlag_s {
        _ = write!(text, "&maxlag={seconds}");
    }
}

/// What an answer says, by revision.
#[derive(Debug, Default)]
pub(crate) struct Revisions {
    pub(crate) verdicts: FxHashMap<u64, Verdict>,
    /// MediaWiki cut the answer, and would go on with this revision (0 when it does not name one).
    pub(crate) cut_before: Option<u64>,
}

/// What an answer says of one revision.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is known, and this is its page.
    Known { page_id: u64, answer: Answer },
    /// It is unknown, deleted, or not there yet: the API cannot tell.
    Bad,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    #[serde(borrow)]
    query: Option<Query<'a>>,
    #[serde(borrow, rename = "continue", default)]
    proceed: Pairs<'a, &'a RawValue>,
}

#[derive(Deserialize)]
struct Query<'a> {
    #[serde(borrow, default)]
    badrevids: Pairs<'a, serde::de::IgnoredAny>,
    #[serde(borrow, default)]
    pages: Vec<Page<'a>>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    pageid: u64,
    #[serde(borrow, default)]
    revisions: Vec<Revision<'a>>,
}

#[derive(Deserialize)]
struct Revision<'a> {
    revid: u64,
    #[serde(default)]
    parentid: u64,
    #[serde(borrow, default)]
    slots: Pairs<'a, Slot<'a>>,
    #[serde(borrow)]
    slotsmissing: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Slot<'a> {
    #[serde(borrow)]
    contentmodel: Option<&'a RawValue>,
    #[serde(borrow)]
    contentformat: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    texthidden: Option<&'a RawValue>,
    #[serde(borrow)]
    textmissing: Option<&'a RawValue>,
    #[serde(borrow)]
    missing: Option<&'a RawValue>,
    #[serde(borrow)]
    badcontentformat: Option<&'a RawValue>,
}

/// A flag is there as `true` (formatversion 2) or as an empty string (formatversion 1).
fn is_set(flag: Option<&RawValue>) -> bool {
    flag.is_some_and(|value| !matches!(value.get(), "false" | "null"))
}

/// Takes an answer apart.
pub(crate) fn read(received: &Received, patience: Patience) -> Result<Revisions, Failure> {
    if let Some(failure) = api_error::of_api_status(received, patience) {
        return Err(failure);
    }
    let body = &received.body;
    let envelope: Envelope<'_> = serde_json::from_slice(body)
        .map_err(|error| api_error::malformed(format!("no answer of the action API: {error}")))?;
    if let Some(error) = envelope.error.or(envelope.errors) {
        let error = serde_json::from_str(error.get()).unwrap_or_default();
        return Err(api_error::of_api(&error, received, patience));
    }
    let Some(query) = envelope.query else { return Err(api_error::malformed("an answer without `query`")) };
    let mut revisions = Revisions { cut_before: cut_before(&envelope.proceed), ..Revisions::default() };
    for (rev_id, _) in &query.badrevids.0 {
        if let Ok(rev_id) = rev_id.parse() {
            revisions.verdicts.insert(rev_id, Verdict::Bad);
        }
    }
    let mut scratch = Vec::new();
    for page in &query.pages {
        for revision in &page.revisions {
            let answer = answer(body, page.pageid, revision, &mut scratch);
            revisions.verdicts.insert(revision.revid, Verdict::Known { page_id: page.pageid, answer });
        }
    }
    Ok(revisions)
}

/// The revision that a cut answer would go on with.
fn cut_before(proceed: &Pairs<'_, &RawValue>) -> Option<u64> {
    if proceed.0.is_empty() {
        return None;
    }
    let named = proceed.0.iter().find(|(key, _)| key == "rvcontinue").map(|(_, value)| value.get().trim_matches('"'));
    Some(named.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Makes the answer for one revision: a small document, and a blob per body.
fn answer(body: &Bytes, page_id: u64, revision: &Revision<'_>, scratch: &mut Vec<u8>) -> Answer {
    if is_set(revision.slotsmissing) {
        return Err(unreadable(revision.revid, "its slots"));
    }
    let mut document = Vec::with_capacity(96 + revision.slots.0.len() * 160);
    let mut blobs = Vec::with_capacity(revision.slots.0.len());
    _ = write!(
        document,
        r#"{{"rev_id":{},"page_id":{page_id},"parent_id":{},"slots":{{"#,
        revision.revid, revision.parentid
    );
    for (index, (role, slot)) in revision.slots.0.iter().enumerate() {
        document.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        millrace_flow::json_text::escape_into(role.as_bytes(), &mut document);
        document.extend_from_slice(b"\":");
        write_slot(body, revision.revid, slot, scratch, &mut document, &mut blobs)?;
    }
    document.extend_from_slice(b"}}");
    Ok(Reply { document: document.into(), blobs })
}

fn write_slot(
    body: &Bytes,
    rev_id: u64,
    slot: &Slot<'_>,
    scratch: &mut Vec<u8>,
    document: &mut Vec<u8>,
    blobs: &mut Vec<Blob>,
) -> Result<(), LookupError> {
    if is_set(slot.texthidden) {
        document.extend_from_slice(br#"{"hidden":true}"#);
        return Ok(());
    }
    if is_set(slot.textmissing) || is_set(slot.missing) {
        return Err(unreadable(rev_id, "a slot's text"));
    }
    let Some(content) = slot.content.filter(|_| !is_set(slot.badcontentformat)) else {
        let message = format!("revision {rev_id} has a slot that cannot be written in its format");
        return Err(LookupError::new(LookupErrorKind::Invalid, message));
    };
    let (blob, sha1) = body_blob(body, content, scratch).ok_or_else(|| {
        LookupError::new(LookupErrorKind::Invalid, format!("revision {rev_id} has a body that is no text"))
    })?;
    let word = |value: Option<&RawValue>| {
        value.map_or_else(|| Cow::Borrowed("null"), |value| Cow::Owned(value.get().to_owned()))
    };
    let (model, format) = (word(slot.contentmodel), word(slot.contentformat));
    let sha1 = std::str::from_utf8(&sha1).unwrap_or_default();
    _ = write!(
        document,
        r#"{{"model":{model},"format":{format},"size":{},"sha1":"{sha1}","body":{}}}"#,
        blob.size(),
        blobs.len()
    );
    blobs.push(blob);
    Ok(())
}

/// The body as a slice of the answer, in its escaped form, and the SHA-1 of what it stands for.
fn body_blob(body: &Bytes, content: &RawValue, scratch: &mut Vec<u8>) -> Option<(Blob, [u8; 31])> {
    let escaped = content.get().strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let plain = if memchr::memchr(b'\\', escaped).is_some() {
        scratch.clear();
        unescape_into(escaped, scratch).ok()?;
        scratch.as_slice()
    } else {
        escaped
    };
    let (size, sha1) = (plain.len() as u64, sha1_base36(plain));
    Some((Blob::escaped(body.slice_ref(escaped), size), sha1))
}

fn unreadable(rev_id: u64, what: &str) -> LookupError {
    LookupError::new(LookupErrorKind::Unavailable, format!("the wiki could not read {what} of revision {rev_id}"))
}

/// Reads an answer as the service does, for measurements outside of it: how many revisions it holds, and the bytes of
/// their bodies.
#[doc(hidden)]
pub fn measure(answer: Vec<u8>) -> (usize, usize) {
    let received =
        Received { status: 200, headers: reqwest::header::HeaderMap::new(), body: PinnedBytes::default().pin(answer) };
    let read = read(&received, Patience { now_ms: 0, retry_after_ms_max: 0 }).unwrap_or_default();
    let held = |verdict: &Verdict| match verdict {
        Verdict::Known { answer: Ok(reply), .. } => reply.blobs.iter().map(Blob::held).sum(),
        Verdict::Known { .. } | Verdict::Bad => 0,
    };
    (read.verdicts.len(), read.verdicts.values().map(held).sum())
}

#[cfg(test)]
mod tests;
