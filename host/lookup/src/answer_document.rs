//! The document of an answer whose body is one blob as it came.

use crate::transport::Received;
use millrace_flow::blob::Blob;
use millrace_flow::lookup::Reply;
use reqwest::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LINK};
use std::io::Write as _;

/// The headers of an answer that a plugin sees. Others may hold what is none of its business (cookies, host names).
const HEADERS_SHOWN: [HeaderName; 6] = [CONTENT_TYPE, CONTENT_LANGUAGE, ETAG, LAST_MODIFIED, CACHE_CONTROL, LINK];

/// The longest header value that is shown, in bytes.
const HEADER_BYTES_MAX: usize = 1_024;

/// An answer with `facts` (members of a JSON object), the shown headers, the body's size and the body.
pub(crate) fn body_answer(facts: &str, received: &Received) -> Reply {
    let mut document = Vec::with_capacity(256);
    _ = write!(document, r#"{{{facts},"headers":{{"#);
    let mut separator = "";
    for name in HEADERS_SHOWN {
        let value = received.headers.get(&name).and_then(|value| value.to_str().ok());
        if let Some(value) = value.filter(|value| value.len() <= HEADER_BYTES_MAX) {
            _ = write!(document, r#"{separator}"{name}":""#);
            millrace_flow::json_text::escape_into(value.as_bytes(), &mut document);
            document.push(b'"');
            separator = ",";
        }
    }
    _ = write!(document, r#"}},"size":{},"body":0}}"#, received.body.len());
    Reply { document: document.into(), blobs: vec![Blob::plain(received.body.clone())] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};

    #[test]
    fn a_plugin_sees_what_is_its_business() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; x=\"y\""));
        headers.insert(SET_COOKIE, HeaderValue::from_static("session=1"));
        let reply = body_answer(r#""status":200"#, &Received { status: 200, headers, body: "<p>".into() });
        let document = std::str::from_utf8(&reply.document).unwrap();
        assert_eq!(document, r#"{"status":200,"headers":{"content-type":"text/html; x=\"y\""},"size":3,"body":0}"#);
        assert_eq!(&*reply.blobs[0].read(), b"<p>");
    }
}
