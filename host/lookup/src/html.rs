//! The kind `html`: a revision as the REST API renders it.

use crate::answer_document::body_answer;
use crate::api_error::{self, Failure, Patience};
use crate::grants::Scope;
use crate::question::{Addressed, AloneQuestion, Question, Reading, Sharing, checked_revision, read_params, wiki};
use crate::site::Sites;
use crate::transport::Received;
use millrace_flow::lookup::{LookupError, LookupErrorKind, Reply};
use reqwest::Method;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HtmlParams<'a> {
    #[serde(borrow)]
    domain: Cow<'a, str>,
    rev_id: u64,
}

/// Reads the params of `html`.
pub(crate) fn question(params: &str, scope: &Scope, sites: &Sites) -> Result<Addressed, LookupError> {
    let params: HtmlParams<'_> = read_params(params)?;
    let rev_id = checked_revision("rev_id", params.rev_id)?;
    let (target, site) = wiki(&params.domain, scope, sites)?;
    let question = Question::Alone(Arc::new(AloneQuestion {
        reading: Reading::Html { rev_id },
        method: Method::GET,
        path_and_query: format!("{}/v1/revision/{rev_id}/html", site.rest_path),
        headers: Vec::new(),
        body: None,
    }));
    Ok(Addressed { target, site, question, sharing: Sharing::Shared })
}

/// How MediaWiki 1.39 answers for a revision whose text is hidden, with status 500. Read as any other 500 it would
/// count towards the breaker, again and again.
const HIDDEN: &[u8] = b"RevisionAccessException";

/// Reads an answer of the REST API.
pub(crate) fn read(rev_id: u64, received: &Received, patience: Patience) -> Result<Reply, Failure> {
    if received.status == 500 && memchr::memmem::find(&received.body, HIDDEN).is_some() {
        let message = "the revision's text is hidden or cannot be read";
        return Err(Failure::Final(LookupError::new(LookupErrorKind::Denied, message)));
    }
    if let Some(failure) = api_error::of_status(received, patience) {
        return Err(failure);
    }
    Ok(body_answer(&format!(r#""rev_id":{rev_id}"#), received))
}
