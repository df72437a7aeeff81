//! Makes one call for a batch and reads what comes back. What follows from it is `settle`'s business.

use crate::api_error::{self, Failure, Patience};
use crate::config::{AnswerLimits, Compression};
use crate::question::{AloneQuestion, Question, Reading, Slots};
use crate::queue::Taken;
use crate::revision::{self, Revisions};
use crate::target::{Batch, Target};
use crate::transport::{Call, Received, Transport};
use millrace_flow::lookup::Reply;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// Answers above this size are taken apart on a thread for blocking work: below it that takes less than 2 ms, above it
/// the runtime's timers would notice.
const READ_INLINE_BYTES_MAX: usize = 1 << 20;

/// Names the pipeline whose ask a call answers first, so that an API's operators can find and block it.
const PIPELINE: HeaderName = HeaderName::from_static("x-millrace-pipeline");

/// What a call brought.
#[derive(Debug)]
pub(crate) enum Brought {
    /// The answer to a batch of revisions.
    Revisions(Revisions),
    /// The answer to a question that went alone.
    Alone(Reply),
}

/// A call that was made.
pub(crate) struct Made {
    pub(crate) result: Result<Brought, Failure>,
    /// Bytes of the answer.
    pub(crate) bytes: usize,
}

/// Makes the call for a batch. `patience` reads `Retry-After`.
pub(crate) async fn make(
    transport: &dyn Transport,
    target: &Target,
    batch: &Batch,
    limits: &AnswerLimits,
    patience: Patience,
) -> Made {
    let call = call_of(target, batch, limits);
    let received = match transport.call(call).await {
        Ok(received) => received,
        Err(error) => return Made { result: Err(api_error::of_call(error)), bytes: 0 },
    };
    let bytes = received.body.len();
    let alone = batch.taken.iter().find_map(|taken| match &taken.question {
        Question::Alone(question) => Some(Arc::clone(question)),
        Question::Revision(_) => None,
    });
    let asked: Vec<u64> = batch.taken.iter().filter_map(Taken::rev_id).collect();
    let read_all = move || match alone {
        None => read_revisions(&asked, &received, patience).map(Brought::Revisions),
        Some(question) => read_alone(&question, &received, patience).map(Brought::Alone),
    };
    if bytes <= READ_INLINE_BYTES_MAX {
        return Made { result: read_all(), bytes };
    }
    let result = tokio::task::spawn_blocking(read_all).await;
    Made { result: result.unwrap_or_else(|_| Err(api_error::malformed("the answer could not be read"))), bytes }
}

/// An answer that says nothing of what was asked is none: then it is the target that fails, and not the questions. One that
/// was cut says something of the revision that it was cut before.
fn read_revisions(asked: &[u64], received: &Received, patience: Patience) -> Result<Revisions, Failure> {
    let revisions = revision::read(received, patience)?;
    let says_any = asked.iter().any(|rev_id| revisions.verdicts.contains_key(rev_id));
    match revisions.cut_before {
        None if !says_any => Err(api_error::malformed("the answer has none of the revisions that were asked for")),
        // Zero is one that is not named: it may be any of them.
        Some(rev_id) if !says_any && rev_id != 0 && !asked.contains(&rev_id) => Err(api_error::malformed(
            "the answer was cut before a revision that was not asked for, and has none that was",
        )),
        _ => Ok(revisions),
    }
}

fn read_alone(question: &AloneQuestion, received: &Received, patience: Patience) -> Result<Reply, Failure> {
    match question.reading {
        Reading::Compare { from_rev, to_rev } => crate::compare::read(from_rev, to_rev, received, patience),
        Reading::Html { rev_id } => crate::html::read(rev_id, received, patience),
        Reading::Query => crate::query::read(received, patience),
        Reading::Http => crate::http::read(received, patience),
    }
}

/// The call for a batch.
fn call_of(target: &Target, batch: &Batch, limits: &AnswerLimits) -> Call {
    let is_alone = batch.taken.len() <= 1;
    let expected: u64 = batch.taken.iter().map(|taken| taken.expected_bytes).sum();
    let mut call = Call {
        method: Method::GET,
        url: String::new(),
        headers: headers(target, batch),
        body: None,
        bytes_max: if is_alone { limits.alone_bytes_max } else { limits.batch_bytes_max },
        // Escapes make a body longer; an eighth is usual.
        bytes_expected: usize::try_from(expected + expected / 8).unwrap_or(limits.batch_bytes_max),
    };
    match batch.taken.first().map(|taken| &taken.question) {
        Some(Question::Alone(question)) => {
            call.method = question.method.clone();
            call.url = format!("{}{}", target.base, question.path_and_query);
            call.headers.extend(question.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
            call.body.clone_from(&question.body);
        }
        Some(Question::Revision(first)) => call.url = revisions_url(target, batch, &first.slots),
        None => {}
    }
    call
}

fn revisions_url(target: &Target, batch: &Batch, slots: &Slots) -> String {
    let mut ids: Vec<u64> = batch.taken.iter().filter_map(Taken::rev_id).collect();
    // Scopes of different classes may ask for the same revision.
    ids.sort_unstable();
    ids.dedup();
    format!("{}{}", target.base, revision::path_and_query(&target.site, slots, &ids))
}

/// The headers of every call. The secret comes last, after everything that decides where the call goes.
fn headers(target: &Target, batch: &Batch) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    let encoding = match target.site.compression {
        Compression::None => "identity",
        Compression::Gzip => "gzip",
    };
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    if let Some(host) = &target.host {
        headers.insert(HOST, host.clone());
    }
    let pipeline = batch.taken.first().and_then(|taken| HeaderValue::from_str(&taken.scope.asker.pipeline).ok());
    if let Some(pipeline) = pipeline {
        headers.insert(PIPELINE, pipeline);
    }
    if let Some(authorization) = &target.site.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    headers
}
