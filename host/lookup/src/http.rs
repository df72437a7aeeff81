//! The kind `http`: a request to a configured target. What is asked is brought into a normal form before it is
//! compared with the grant, so that no other spelling of a path gets past it.

use crate::answer_document::body_answer;
use crate::api_error::{self, Failure, Patience};
use crate::config::LookupConfig;
use crate::grants::{HttpGrant, Scope};
use crate::question::{Addressed, AloneQuestion, Question, Reading, Sharing, denied, invalid, read_params, shortened};
use crate::site::Sites;
use crate::transport::Received;
use bytes::Bytes;
use millrace_flow::blob::Blob;
use millrace_flow::blob::Piece;
use millrace_flow::lookup::{Ask, LookupError, Reply};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::form_urlencoded::Serializer;

/// The longest path and query, in bytes: the common servers refuse more.
const URL_BYTES_MAX: usize = 8_000;

/// Headers that a plugin may set besides its own `x-` ones. `Host`, `Authorization`, `Cookie` and everything that
/// shapes the connection are the host's; conditions (`If-None-Match` and the like) would bring answers without a body.
const HEADERS_ALLOWED: [&str; 4] = ["accept", "accept-language", "content-type", "cache-control"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpParams<'a> {
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// Reads the params and the body of `http`.
pub(crate) fn question(ask: &Ask, scope: &Scope, sites: &Sites, cfg: &LookupConfig) -> Result<Addressed, LookupError> {
    let params: HttpParams<'_> = read_params(&ask.params)?;
    let fault =
        || denied(format!("no HTTP target `{}` is configured and granted to the pipeline", shortened(&params.target)));
    let path = normal_path(&params.path)?;
    let method = params.method.as_deref().unwrap_or("GET");
    let mut grants = scope.http.iter().filter(|grant| grant.target == params.target).peekable();
    if grants.peek().is_none() {
        return Err(fault());
    }
    if !grants.any(|grant| allows(grant, method, path)) {
        return Err(denied(format!("no grant covers {} {}", shortened(method), shortened(path))));
    }
    let site = sites.http(&params.target).ok_or_else(fault)?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| invalid("`method` is none"))?;
    let sharing = if method == Method::GET || method == Method::HEAD { Sharing::Shared } else { Sharing::Unshared };
    let body = (!ask.body.is_empty()).then(|| joined(&ask.body, cfg.limits.alone_bytes_max)).transpose()?;
    if body.is_some() && sharing == Sharing::Shared {
        return Err(invalid("a GET has no body"));
    }
    let mut path_and_query = path.to_owned();
    if !params.query.is_empty() {
        path_and_query.push('?');
        path_and_query.push_str(&Serializer::new(String::new()).extend_pairs(&params.query).finish());
    }
    if path_and_query.len() > URL_BYTES_MAX {
        return Err(invalid(format!("path and query are longer than {URL_BYTES_MAX} bytes")));
    }
    let headers = params.headers.iter().map(|(name, value)| header(name, value)).collect::<Result<_, _>>()?;
    let question = AloneQuestion { reading: Reading::Http, method, path_and_query, headers, body };
    Ok(Addressed {
        target: format!("target:{}", params.target),
        site,
        question: Question::Alone(Arc::new(question)),
        sharing,
    })
}

/// Checks that a path is in its normal form. Nothing is repaired: what needs repair is refused.
fn normal_path(path: &str) -> Result<&str, LookupError> {
    let fault = |reason: &str| invalid(format!("the path `{}` {reason}", shortened(path)));
    if !path.starts_with('/') {
        return Err(fault("does not begin with `/`"));
    }
    if !path.bytes().all(|b| b.is_ascii_graphic() && !b"?#\\\"<>^`{|}".contains(&b)) {
        return Err(fault("holds a character that must be percent-encoded"));
    }
    if path.contains("//") || path.split('/').any(|part| part == "." || part == "..") {
        return Err(fault("is not in normal form"));
    }
    for encoded in path.split('%').skip(1) {
        let code = encoded.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            None => return Err(fault("has a `%` that encodes nothing")),
            // A server may decode these before it splits the path; a control character has no business in one.
            Some(b'/' | b'\\' | b'.' | b'%' | 0..=0x1f | 0x7f) => return Err(fault("hides a separator")),
            Some(_) => {}
        }
    }
    Ok(path)
}

fn allows(grant: &HttpGrant, method: &str, path: &str) -> bool {
    let method_is_granted = if grant.methods.is_empty() {
        matches!(method, "GET" | "HEAD")
    } else {
        grant.methods.iter().any(|granted| granted == method)
    };
    let covers =
        |granted: &String| if granted.ends_with('/') { path.starts_with(granted.as_str()) } else { path == granted };
    method_is_granted && grant.paths.iter().any(covers)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), LookupError> {
    let fault = |reason: &str| denied(format!("the header `{}` {reason}", shortened(name)));
    let lower = name.to_ascii_lowercase();
    let own = lower.starts_with("x-") && !lower.starts_with("x-millrace-") && !lower.starts_with("x-forwarded-");
    if !own && !HEADERS_ALLOWED.contains(&lower.as_str()) {
        return Err(fault("is the host's"));
    }
    let name = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| fault("has no valid name"))?;
    let value = HeaderValue::from_str(value).map_err(|_| fault("has no valid value"))?;
    Ok((name, value))
}

/// The body in one piece.
fn joined(pieces: &[Piece], bytes_max: usize) -> Result<Bytes, LookupError> {
    let bound: usize = pieces.iter().map(piece_bound).sum();
    if bound > bytes_max {
        return Err(LookupError::new(
            millrace_flow::lookup::LookupErrorKind::TooLarge,
            format!("the body is larger than {bytes_max} bytes"),
        ));
    }
    let mut body = Vec::with_capacity(bound);
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => body.extend_from_slice(bytes),
            Piece::Blob(blob) => body.extend_from_slice(&blob.read()),
            Piece::JsonString(blob) => blob.write_json_string(&mut body).map_err(|error| invalid(error.to_string()))?,
        }
    }
    Ok(body.into())
}

fn piece_bound(piece: &Piece) -> usize {
    match piece {
        Piece::Bytes(bytes) => bytes.len(),
        Piece::Blob(blob) => usize::try_from(blob.size()).unwrap_or(usize::MAX),
        Piece::JsonString(blob) => Blob::json_string_bound(blob),
    }
}

/// Hands on any answer of a status below 300.
pub(crate) fn read(received: &Received, patience: Patience) -> Result<Reply, Failure> {
    if let Some(failure) = api_error::of_status(received, patience) {
        return Err(failure);
    }
    Ok(body_answer(&format!(r#""status":{}"#, received.status), received))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_path(path: &str, is_good: bool) {
        assert_eq!(normal_path(path).is_ok(), is_good, "{path}");
    }

    #[test]
    fn a_path_in_normal_form_is_taken() {
        for good in ["/", "/v1/models/damaging:predict", "/a/b%20c", "/%C3%BC", "/a.b/..c"] {
            check_path(good, true);
        }
    }

    #[test]
    fn other_spellings_of_a_path_are_refused() {
        for bad in [
            "",
            "a",
            "/a/../b",
            "/a/./b",
            "/..",
            "//a",
            "/a//b",
            "/%2e%2e/b",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\r\nHost: x",
            "/ü",
            "/%",
            "/%4",
            "/%zz",
            "/%252e",
            "/%00",
            "http://a/b",
        ] {
            check_path(bad, false);
        }
    }

    #[track_caller]
    fn check_grant(methods: &[&str], paths: &[&str], asked: (&str, &str), expected: bool) {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let grant = HttpGrant { target: "t".into(), methods: own(methods), paths: own(paths) };
        assert_eq!(allows(&grant, asked.0, asked.1), expected, "{asked:?}");
    }

    #[test]
    fn a_grant_covers_its_paths_and_methods() {
        check_grant(&[], &["/v1/"], ("GET", "/v1/a"), true);
        check_grant(&[], &["/v1/"], ("POST", "/v1/a"), false);
        check_grant(&["POST"], &["/v1/"], ("POST", "/v1/a"), true);
        check_grant(&["POST"], &["/v1/"], ("GET", "/v1/a"), false);
        check_grant(&[], &["/v1"], ("GET", "/v1/a"), false);
        check_grant(&[], &["/v1"], ("GET", "/v1"), true);
        check_grant(&[], &["/v1/"], ("GET", "/v10"), false);
        check_grant(&[], &[], ("GET", "/"), false);
    }

    #[test]
    fn headers_of_the_connection_are_the_hosts() {
        for bad in [
            "Host",
            "authorization",
            "COOKIE",
            "Connection",
            "Transfer-Encoding",
            "x-millrace-pipeline",
            "user-agent",
            "a b",
        ] {
            assert!(header(bad, "x").is_err(), "{bad}");
        }
        assert!(header("Accept", "text/html").is_ok());
        assert!(header("X-Model", "a\r\nHost: b").is_err());
    }
}
