//! The kind `compare`: the difference between two revisions, as MediaWiki's table rows.

use crate::api_error::{self, Failure, Patience};
use crate::grants::Scope;
use crate::pairs::Pairs;
use crate::question::{Addressed, AloneQuestion, Question, Reading, Sharing, checked_revision, read_params, wiki};
use crate::transport::Received;
use millrace_flow::blob::Blob;
use millrace_flow::json_text::unescape_into;
use millrace_flow::lookup::{LookupError, Reply};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::Write as _;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompareParams<'a> {
    #[serde(borrow)]
    domain: Cow<'a, str>,
    from_rev: u64,
    to_rev: u64,
}

/// Reads the params of `compare`.
pub(crate) fn question(params: &str, scope: &Scope, sites: &crate::site::Sites) -> Result<Addressed, LookupError> {
    let params: CompareParams<'_> = read_params(params)?;
    let from_rev = checked_revision("from_rev", params.from_rev)?;
    let to_rev = checked_revision("to_rev", params.to_rev)?;
    let (target, site) = wiki(&params.domain, scope, sites)?;
    let mut path_and_query = format!(
        "{}?action=compare&format=json&formatversion=2&prop=diff%7Cids%7Csize&fromrev={from_rev}&torev={to_rev}",
        site.api_path
    );
    crate::revision::push_maxlag(&site, &mut path_and_query);
    let question = Question::Alone(Arc::new(AloneQuestion {
        reading: Reading::Compare { from_rev, to_rev },
        method: Method::GET,
        path_and_query,
        headers: Vec::new(),
        body: None,
    }));
    Ok(Addressed { target, site, question, sharing: Sharing::Shared })
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    compare: Option<Pairs<'a, &'a RawValue>>,
}

/// Reads an answer of `action=compare`.
pub(crate) fn read(from_rev: u64, to_rev: u64, received: &Received, patience: Patience) -> Result<Reply, Failure> {
    if let Some(failure) = api_error::of_api_status(received, patience) {
        return Err(failure);
    }
    let envelope: Envelope<'_> = serde_json::from_slice(&received.body)
        .map_err(|error| api_error::malformed(format!("no answer of the action API: {error}")))?;
    if let Some(error) = envelope.error {
        let error: Value = serde_json::from_str(error.get()).unwrap_or_default();
        // What MediaWiki 1.39 says when one side's text is hidden.
        if error.get("code").and_then(Value::as_str) == Some("missingcontent") {
            let document = format!(r#"{{"from_rev":{from_rev},"to_rev":{to_rev},"hidden":true}}"#);
            return Ok(Reply { document: document.into(), blobs: Vec::new() });
        }
        return Err(api_error::of_api(&error, received, patience));
    }
    let compare = envelope.compare.ok_or_else(|| api_error::malformed("an answer without `compare`"))?;
    let member = |name: &str| compare.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
    let hidden =
        ["fromtexthidden", "totexthidden"].iter().any(|flag| member(flag).is_some_and(|value| value != "false"));
    let mut document = Vec::with_capacity(128);
    _ = write!(document, r#"{{"from_rev":{from_rev},"to_rev":{to_rev}"#);
    for (name, told) in [("fromsize", "from_size"), ("tosize", "to_size")] {
        if let Some(size) = member(name).filter(|size| size.bytes().all(|b| b.is_ascii_digit())) {
            _ = write!(document, r#","{told}":{size}"#);
        }
    }
    let mut blobs = Vec::new();
    match member("body").and_then(|body| body.strip_prefix('"')?.strip_suffix('"')) {
        Some(_) | None if hidden => document.extend_from_slice(br#","hidden":true"#),
        Some(body) => {
            let mut plain = Vec::with_capacity(body.len());
            unescape_into(body.as_bytes(), &mut plain).map_err(|error| api_error::malformed(error.to_string()))?;
            _ = write!(document, r#","size":{},"body":0"#, plain.len());
            blobs.push(Blob::escaped(received.body.slice_ref(body.as_bytes()), plain.len() as u64));
        }
        None => return Err(api_error::malformed("a comparison without `body`")),
    }
    document.push(b'}');
    Ok(Reply { document: document.into(), blobs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Option<(&str, &[&str])>) {
        let received =
            crate::transport::Received { status: 200, headers: Default::default(), body: body.to_owned().into() };
        let reply = read(2, 3, &received, Patience { now_ms: 0, retry_after_ms_max: 0 }).ok();
        let told = reply.as_ref().map(|reply| {
            let bodies: Vec<String> =
                reply.blobs.iter().map(|b| String::from_utf8(b.read().into_owned()).unwrap()).collect();
            (String::from_utf8(reply.document.to_vec()).unwrap(), bodies)
        });
        let expected = expected.map(|(d, b)| (d.to_owned(), b.iter().map(|b| (*b).to_owned()).collect()));
        assert_eq!(told, expected, "{body}");
    }

    #[test]
    fn a_difference_is_a_body() {
        check(
            r#"{"compare":{"fromid":2,"fromsize":18,"tosize":7,"body":"<tr>\n\"x\"</tr>"}}"#,
            Some((r#"{"from_rev":2,"to_rev":3,"from_size":18,"to_size":7,"size":13,"body":0}"#, &["<tr>\n\"x\"</tr>"])),
        );
        check(r#"{"compare":{"body":""}}"#, Some((r#"{"from_rev":2,"to_rev":3,"size":0,"body":0}"#, &[""])));
    }

    #[test]
    fn a_hidden_side_is_an_answer() {
        let hidden = Some((r#"{"from_rev":2,"to_rev":3,"hidden":true}"#, &[] as &[&str]));
        check(r#"{"error":{"code":"missingcontent","info":"Missing content for revision ID 9."}}"#, hidden);
        check(r#"{"compare":{"fromtexthidden":true}}"#, Some((r#"{"from_rev":2,"to_rev":3,"hidden":true}"#, &[])));
    }

    #[test]
    fn an_answer_without_a_difference_is_none() {
        for bad in [r#"{"compare":{}}"#, "{}", r#"{"error":"x"}"#, r#"{"error":{"code":"nosuchrevid"}}"#, "<html>", ""]
        {
            check(bad, None);
        }
    }
}
