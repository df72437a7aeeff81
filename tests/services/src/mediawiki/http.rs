//! As much HTTP as PHP's own server needs: one request a connection, answered until the connection ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// A page of 10 MB takes MediaWiki some seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A request.
pub(super) struct Request<'a> {
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) cookies: &'a str,
    /// A form to post; without it the request is a GET.
    pub(super) form: Option<String>,
}

/// An answer with status 200.
pub(super) struct Answer {
    /// `name=value` of every cookie that was set.
    pub(super) cookies: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// A plain GET.
pub(super) fn get(address: SocketAddr, host: &str, path: &str) -> anyhow::Result<Answer> {
    send(address, &Request { host, path, cookies: "", form: None })
}

/// Sends the request. Every status but 200 is an error.
pub(super) fn send(address: SocketAddr, request: &Request<'_>) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let Request { host, path, cookies, form } = request;
    let method = if form.is_some() { "POST" } else { "GET" };
    let body = form.as_deref().unwrap_or_default();
    let (kind, length) = ("application/x-www-form-urlencoded", body.len());
    // HTTP/1.0, so that the answer comes whole and not in chunks.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nCookie: {cookies}\r\nUser-Agent: millrace-services\r\n\
         Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).with_context(|| format!("{method} {path} of {host}"))
}

fn parse(answer: &[u8]) -> anyhow::Result<Answer> {
    const END_OF_HEAD: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD).context("no HTTP answer")?;
    let (head, rest) = answer.split_at(end);
    let head = String::from_utf8_lossy(head);
    let body = rest.get(END_OF_HEAD.len()..).unwrap_or_default().to_vec();
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        bail!("status {status}: {}", String::from_utf8_lossy(body.get(..body.len().min(500)).unwrap_or_default()));
    }
    let cookies = head.lines().filter_map(|line| line.strip_prefix("Set-Cookie: ")).filter_map(|cookie| {
        let (name, value) = cookie.split(';').next()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    Ok(Answer { cookies: cookies.collect(), body })
}

/// Writes `text` so that it can stand in a form or a query.
pub(super) fn encode(text: &str) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded_byte_by_byte() {
        assert_eq!(encode("a b&ü/~"), "a%20b%26%C3%BC%2F~");
    }

    #[test]
    fn answer_is_taken_apart_and_other_statuses_are_errors() {
        let answer = parse(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b=c; path=/\r\nX: y\r\n\r\nbody").unwrap();
        assert_eq!(answer.body, b"body");
        assert_eq!(answer.cookies, [("a".to_owned(), "b=c".to_owned())]);
        assert!(parse(b"HTTP/1.1 500 No\r\n\r\nwhy").is_err());
        assert!(parse(b"").is_err());
    }
}
