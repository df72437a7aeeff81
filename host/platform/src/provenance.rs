//! What an output or an error event says of where it came from, read again from its headers.

use crate::envelope::{HEADER_INDEX, HEADER_PLUGIN, HEADER_SOURCE};
use crate::identity::timer_of;
use crate::reprocess::{Coordinates, parse_source, reprocessed, text_of, value_of};
use millrace_flow::record::{Header, TopicPartition};
use millrace_flow::state::DueTimer;

/// Where a result came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance<'h> {
    /// The id of the cluster that the record was read from.
    pub cluster_id: &'h str,
    /// The event or timer.
    pub cause: Cause,
    /// Which result of its event it is.
    pub part: Part,
}

/// What a result came of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The event that lay there.
    Event(Coordinates),
    /// A timer of the shard with this place.
    Timer(TopicPartition, DueTimer),
}

/// Which result of its event something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The output with this index in its outcome.
    Output(u32),
    /// The error event after the event was given back so often.
    Error(u32),
}

impl Part {
    /// The number that goes into its `meta.id`.
    pub fn index(self) -> u32 {
        match self {
            Self::Output(index) | Self::Error(index) => index,
        }
    }
}

/// A host's header that no host writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header `{0}` is missing or damaged")]
pub struct BadHeader(&'static str);

/// Where the output with these headers came from; none where no host wrote it.
///
/// # Errors
/// One of the headers is missing beside the others, or says something that no host writes.
pub fn output_provenance(headers: &[Header]) -> Result<Option<Provenance<'_>>, BadHeader> {
    let index = || text_of(headers, &HEADER_INDEX).and_then(|text| text.parse().ok());
    provenance(headers, || Ok(Part::Output(index().ok_or(BadHeader("millrace-idx"))?)))
}

/// Where the error event with these headers came from; none where no host wrote it.
///
/// # Errors
/// As [`output_provenance`].
pub fn error_provenance(headers: &[Header]) -> Result<Option<Provenance<'_>>, BadHeader> {
    let times = || reprocessed(headers).map_err(|_damaged| BadHeader("millrace-reprocessed"));
    provenance(headers, || Ok(Part::Error(times()?)))
}

fn provenance<'h>(
    headers: &'h [Header],
    part: impl FnOnce() -> Result<Part, BadHeader>,
) -> Result<Option<Provenance<'h>>, BadHeader> {
    let names = [&*HEADER_SOURCE, &*HEADER_INDEX, &*HEADER_PLUGIN];
    if names.into_iter().all(|name| value_of(headers, name).is_none()) {
        return Ok(None);
    }
    let (cluster_id, cause) = text_of(headers, &HEADER_SOURCE).and_then(cause_of).ok_or(BadHeader("millrace-src"))?;
    if !text_of(headers, &HEADER_PLUGIN).is_some_and(is_digest) {
        return Err(BadHeader("millrace-plugin"));
    }
    Ok(Some(Provenance { cluster_id, cause, part: part()? }))
}

/// Reads what `source_of` writes.
fn cause_of(source: &str) -> Option<(&str, Cause)> {
    match timer_of(source) {
        Some((cluster_id, place, timer)) => Some((cluster_id, Cause::Timer(place, timer))),
        None => parse_source(source).map(|(cluster_id, at)| (cluster_id, Cause::Event(at))),
    }
}

/// A SHA-256 in hex.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millrace_flow::record::TopicPartition;

    const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn headers(said: &[(&str, &'static str)]) -> Vec<Header> {
        said.iter()
            .map(|(name, value)| Header { name: (*name).into(), value: Some(Bytes::from_static(value.as_bytes())) })
            .collect()
    }

    #[track_caller]
    fn check(said: &[(&str, &'static str)], expected: Result<Option<(&str, Part)>, BadHeader>) {
        let headers = headers(said);
        let found = output_provenance(&headers);
        let told = |cause: &Cause| match cause {
            Cause::Event(at) => at.to_string(),
            Cause::Timer(place, timer) => format!("{place}/{}", timer.name),
        };
        let found =
            found.map(|found| found.map(|found| (format!("{}/{}", found.cluster_id, told(&found.cause)), found.part)));
        assert_eq!(found, expected.map(|expected| expected.map(|(at, part)| (at.to_owned(), part))), "{said:?}");
    }

    #[test]
    fn an_output_says_where_it_came_from() {
        let (src, idx, plugin) = (("millrace-src", "c/t/0/7"), ("millrace-idx", "2"), ("millrace-plugin", DIGEST));
        check(&[("a", "b"), src, idx, plugin], Ok(Some(("c/t/0/7", Part::Output(2)))));
        check(
            &[("millrace-src", "c/log/3/timer/wall/5/YQ/gap"), idx, plugin],
            Ok(Some(("c/log/3/gap", Part::Output(2)))),
        );
        check(&[("millrace-src", "c/log/3/timer/noon/5/YQ/gap"), idx, plugin], Err(BadHeader("millrace-src")));
        check(&[("a", "b")], Ok(None));
        check(&[src, plugin], Err(BadHeader("millrace-idx")));
        check(&[src, ("millrace-idx", "-1"), plugin], Err(BadHeader("millrace-idx")));
        check(&[("millrace-src", "t/0/7"), idx, plugin], Err(BadHeader("millrace-src")));
        check(&[idx], Err(BadHeader("millrace-src")));
        check(&[src, idx], Err(BadHeader("millrace-plugin")));
        check(&[src, idx, ("millrace-plugin", "00")], Err(BadHeader("millrace-plugin")));
    }

    #[test]
    fn an_error_event_says_how_often_it_was_given_back() {
        for (times, part) in [(None, Part::Error(0)), (Some("2"), Part::Error(2))] {
            let mut said = vec![("millrace-src", "c/t/0/7"), ("millrace-plugin", DIGEST)];
            said.extend(times.map(|times| ("millrace-reprocessed", times)));
            let headers = headers(&said);
            let expected = Coordinates { partition: TopicPartition::new("t", 0), offset: 7 };
            assert_eq!(
                error_provenance(&headers),
                Ok(Some(Provenance { cluster_id: "c", cause: Cause::Event(expected), part }))
            );
        }
        let damaged =
            headers(&[("millrace-src", "c/t/0/7"), ("millrace-plugin", DIGEST), ("millrace-reprocessed", "x")]);
        assert_eq!(error_provenance(&damaged), Err(BadHeader("millrace-reprocessed")));
    }
}
