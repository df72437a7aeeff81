//! The kind `query`: any reading query of the action API. The host sets the action and the format, and lets nothing
//! through that could write, log in or hand out a token.

use crate::answer_document::body_answer;
use crate::api_error::{self, Failure, Patience};
use crate::grants::Scope;
use crate::question::{Addressed, AloneQuestion, Question, Reading, Sharing, denied, invalid, read_params, wiki};
use crate::site::Sites;
use crate::transport::Received;
use bytes::Bytes;
use millrace_flow::lookup::{LookupError, Reply};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::form_urlencoded::Serializer;

/// Parameters that are the host's.
const RESERVED: [&str; 12] = [
    "action",
    "format",
    "formatversion",
    "errorformat",
    "maxlag",
    "origin",
    "crossorigin",
    "assert",
    "assertuser",
    "centralauthtoken",
    "callback",
    "uselang",
];

/// A longer query goes as a form: servers refuse long URLs, at 8 kB the common ones.
const URL_BYTES_MAX: usize = 2_000;

/// Parameters of one query, and the bytes of them all.
const PARAMETERS_MAX: usize = 64;
const PARAMETER_BYTES_MAX: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryParams<'a> {
    #[serde(borrow)]
    domain: Cow<'a, str>,
    params: BTreeMap<String, String>,
}

/// Reads the params of `query`.
pub(crate) fn question(params: &str, scope: &Scope, sites: &Sites) -> Result<Addressed, LookupError> {
    let QueryParams { domain, params } = read_params(params)?;
    let (target, site) = wiki(&domain, scope, sites)?;
    check_parameters(&params)?;
    let mut form = Serializer::new(String::new());
    form.extend_pairs([("action", "query"), ("format", "json"), ("formatversion", "2")]);
    if let Some(seconds) = site.maxlag_s {
        form.append_pair("maxlag", &seconds.to_string());
    }
    form.extend_pairs(&params);
    let form = form.finish();
    let mut question = AloneQuestion {
        reading: Reading::Query,
        method: Method::GET,
        path_and_query: format!("{}?{form}", site.api_path),
        headers: Vec::new(),
        body: None,
    };
    let mut sharing = Sharing::Shared;
    if form.len() > URL_BYTES_MAX {
        question.method = Method::POST;
        question.path_and_query.clone_from(&site.api_path);
        question.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")));
        question.body = Some(Bytes::from(form));
        // The body is not part of what asks are compared by.
        sharing = Sharing::Unshared;
    }
    Ok(Addressed { target, site, question: Question::Alone(Arc::new(question)), sharing })
}

fn check_parameters(params: &BTreeMap<String, String>) -> Result<(), LookupError> {
    let bytes: usize = params.iter().map(|(name, value)| name.len() + value.len()).sum();
    if params.len() > PARAMETERS_MAX || bytes > PARAMETER_BYTES_MAX {
        return Err(invalid(format!(
            "a query has at most {PARAMETERS_MAX} parameters and {PARAMETER_BYTES_MAX} bytes of them"
        )));
    }
    for (name, value) in params {
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
            return Err(invalid("the name of a parameter has lower-case letters, digits, `-` and `_` only"));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(denied(format!("the parameter `{name}` is the host's")));
        }
        // MediaWiki separates values with `|`, or with U+001F where the value begins with it.
        if name == "meta" && value.split(['|', '\u{1f}']).any(|module| module.trim() == "tokens") {
            return Err(denied("tokens are not handed out"));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Checks that an answer is one of the action API, and hands it on as it is.
pub(crate) fn read(received: &Received, patience: Patience) -> Result<Reply, Failure> {
    if let Some(failure) = api_error::of_api_status(received, patience) {
        return Err(failure);
    }
    let envelope: Envelope<'_> = serde_json::from_slice(&received.body)
        .map_err(|error| api_error::malformed(format!("no answer of the action API: {error}")))?;
    if let Some(error) = envelope.error {
        let error = serde_json::from_str(error.get()).unwrap_or_default();
        return Err(api_error::of_api(&error, received, patience));
    }
    Ok(body_answer(r#""status":200"#, received))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, value: &str, expected: Option<&str>) {
        let params = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert_eq!(check_parameters(&params).err().map(|error| error.kind.word()), expected, "{name}={value}");
    }

    #[test]
    fn what_reads_goes_through() {
        check("prop", "categories|links", None);
        check("titles", "A & B=ü", None);
        check("meta", "siteinfo|userinfo", None);
    }

    #[test]
    fn what_is_the_hosts_or_hands_out_tokens_does_not() {
        check("action", "delete", Some("denied"));
        check("format", "xml", Some("denied"));
        check("meta", "siteinfo|tokens", Some("denied"));
        check("meta", "\u{1f}siteinfo\u{1f}tokens", Some("denied"));
        check("ac\ntion", "x", Some("invalid"));
        check("Action", "x", Some("invalid"));
        check("titles", &"x".repeat(PARAMETER_BYTES_MAX), Some("invalid"));
    }
}
