//! What an answer that is none means: for everybody, for a while, or for this question alone. The one table of HTTP
//! statuses and of MediaWiki's error codes.

use crate::question::shortened;
use crate::retry_after::retry_after_ms;
use crate::transport::{CallError, Received};
use millrace_flow::lookup::{LookupError, LookupErrorKind};
use reqwest::header::RETRY_AFTER;
use serde_json::Value;
use std::fmt;

/// A call brought nothing that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Passing: asked again later.
    Passing(Passing),
    /// The question itself cannot be answered.
    Final(LookupError),
    /// The answer is larger than the host takes.
    TooLarge(String),
}

/// A failure that may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passing {
    pub(crate) what: What,
    /// What the target asked for.
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) message: String,
}

/// What happened. The words are those of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// No connection.
    Connect,
    /// The answer took too long.
    Timeout,
    /// The connection broke, or the answer did.
    Transport,
    /// 429, or `ratelimited`.
    RateLimited,
    /// The databases lag.
    Lag,
    /// The wiki is read-only.
    ReadOnly,
    /// 5xx, or an internal error.
    Server,
    /// Not an answer of this API.
    Malformed,
}

impl What {
    /// Whether it hits every question alike, so that none can be at fault.
    pub(crate) fn hits_everybody(self) -> bool {
        matches!(self, Self::Connect | Self::RateLimited | Self::Lag | Self::ReadOnly)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Timeout => "no answer in time",
            Self::Transport => "the connection broke",
            Self::RateLimited => "rate limited",
            Self::Lag => "the databases lag",
            Self::ReadOnly => "read-only",
            Self::Server => "a server error",
            Self::Malformed => "an answer that cannot be read",
        })
    }
}

/// The time and bound that `Retry-After` is read with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) now_ms: u64,
    pub(crate) retry_after_ms_max: u64,
}

/// What a call that brought no answer means.
pub(crate) fn of_call(error: CallError) -> Failure {
    let (what, message) = match error {
        CallError::Connect(message) => (What::Connect, message),
        CallError::Timeout => (What::Timeout, "no answer in time".to_owned()),
        CallError::Transport(message) => (What::Transport, message),
        CallError::TooLarge { bytes_max } => {
            return Failure::TooLarge(format!("the answer is larger than {bytes_max} bytes"));
        }
    };
    Failure::Passing(Passing { what, retry_after_ms: None, message })
}

/// What the status of an answer means; none: read on.
pub(crate) fn of_status(received: &Received, patience: Patience) -> Option<Failure> {
    let status = received.status;
    let message = format!("HTTP status {status}");
    let what = match status {
        200..=299 => return None,
        429 => What::RateLimited,
        408 | 500..=599 => What::Server,
        401 | 403 => return Some(Failure::Final(LookupError::new(LookupErrorKind::Denied, message))),
        404 | 410 => return Some(Failure::Final(LookupError::new(LookupErrorKind::Missing, message))),
        413 => return Some(Failure::TooLarge(message)),
        300..=399 => {
            let message = format!("{message}: redirects are not followed");
            return Some(Failure::Final(LookupError::new(LookupErrorKind::Invalid, message)));
        }
        _ => return Some(Failure::Final(LookupError::new(LookupErrorKind::Invalid, message))),
    };
    Some(Failure::Passing(Passing { what, retry_after_ms: asked_wait(received, patience), message }))
}

/// The same for the action API, which says that something is missing in another way: a 404 is a path that is not its.
pub(crate) fn of_api_status(received: &Received, patience: Patience) -> Option<Failure> {
    match of_status(received, patience) {
        Some(Failure::Final(error)) if error.kind == LookupErrorKind::Missing => {
            let message =
                format!("{}: the action API is not there; check the wiki's endpoint and API path", error.message);
            Some(Failure::Final(LookupError::new(LookupErrorKind::Invalid, message)))
        }
        other => other,
    }
}

/// What an `error` (or `errors`) of the action API means. Whatever shape it has, it is an error: a string and codes
/// that are numbers have been seen in the wild.
pub(crate) fn of_api(error: &Value, received: &Received, patience: Patience) -> Failure {
    let first = error.get(0).unwrap_or(error);
    let text = |key: &str| first.get(key).and_then(Value::as_str);
    let Some(code) = text("code") else {
        return malformed(format!("an error without a code: {}", shortened(&error.to_string())));
    };
    let message =
        format!("{}: {}", shortened(code), shortened(text("info").or_else(|| text("text")).unwrap_or_default()));
    let what = match code {
        "maxlag" => What::Lag,
        "ratelimited" => What::RateLimited,
        "readonly" => What::ReadOnly,
        code if code.starts_with("internal_api_error") => What::Server,
        code => return Failure::Final(LookupError::new(final_kind(code), message)),
    };
    Failure::Passing(Passing { what, retry_after_ms: asked_wait(received, patience), message })
}

/// The kind of an error that asking again does not change.
fn final_kind(code: &str) -> LookupErrorKind {
    match code {
        "readapidenied"
        | "permissiondenied"
        | "mustbeloggedin"
        | "blocked"
        | "autoblocked"
        | "assertuserfailed"
        | "assertbotfailed"
        | "assertnameduserfailed"
        | "mwoauth-invalid-authorization"
        | "accessdenied" => LookupErrorKind::Denied,
        "nosuchrevid" | "missingtitle" | "nosuchpageid" => LookupErrorKind::Missing,
        _ => LookupErrorKind::Invalid,
    }
}

/// An answer that cannot be read.
pub(crate) fn malformed(message: impl Into<String>) -> Failure {
    Failure::Passing(Passing { what: What::Malformed, retry_after_ms: None, message: message.into() })
}

fn asked_wait(received: &Received, patience: Patience) -> Option<u64> {
    let value = received.headers.get(RETRY_AFTER)?.to_str().ok()?;
    retry_after_ms(value, patience.now_ms, patience.retry_after_ms_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use reqwest::header::{HeaderMap, HeaderValue};

    const PATIENCE: Patience = Patience { now_ms: 0, retry_after_ms_max: 60_000 };

    fn received(status: u16, retry_after: Option<&'static str>) -> Received {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        }
        Received { status, headers, body: Bytes::new() }
    }

    /// The failure in one word, with the wait.
    fn told(failure: &Failure) -> String {
        match failure {
            Failure::Passing(passing) => format!("{:?} {:?}", passing.what, passing.retry_after_ms),
            Failure::Final(error) => error.kind.word().to_owned(),
            Failure::TooLarge(_) => "TooLarge".to_owned(),
        }
    }

    #[track_caller]
    fn check_status(status: u16, expected: &str) {
        assert_eq!(
            of_status(&received(status, Some("7")), PATIENCE).as_ref().map_or("fine".to_owned(), told),
            expected
        );
    }

    #[test]
    fn every_status_has_its_meaning() {
        check_status(200, "fine");
        check_status(429, "RateLimited Some(7000)");
        check_status(500, "Server Some(7000)");
        check_status(503, "Server Some(7000)");
        check_status(301, "invalid");
        check_status(400, "invalid");
        check_status(401, "denied");
        check_status(403, "denied");
        check_status(404, "missing");
        check_status(413, "TooLarge");
    }

    #[track_caller]
    fn check_api(error: &str, expected: &str) {
        let failure = of_api(&serde_json::from_str(error).unwrap(), &received(200, Some("5")), PATIENCE);
        assert_eq!(told(&failure), expected, "{error}");
    }

    #[test]
    fn every_error_code_has_its_meaning() {
        check_api(r#"{"code":"maxlag","info":"Waiting","lag":7.5}"#, "Lag Some(5000)");
        check_api(r#"[{"code":"maxlag","text":"Waiting"}]"#, "Lag Some(5000)");
        check_api(r#"{"code":"ratelimited"}"#, "RateLimited Some(5000)");
        check_api(r#"{"code":"readonly"}"#, "ReadOnly Some(5000)");
        check_api(r#"{"code":"internal_api_error_DBQueryError"}"#, "Server Some(5000)");
        check_api(r#"{"code":"readapidenied"}"#, "denied");
        check_api(r#"{"code":"badinteger"}"#, "invalid");
        check_api(r#"{"code":"nosuchrevid"}"#, "missing");
    }

    #[test]
    fn strange_errors_are_malformed_answers() {
        for strange in [r#""some error""#, r#"{"code":123,"reason":"x"}"#, "[]", "{}", "null", "7"] {
            check_api(strange, "Malformed None");
        }
    }
}
