//! The text of JSON strings (RFC 8259 §7): escaping and unescaping without looking at anything else.

use memchr::memchr;

/// The inside of a JSON string is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A backslash is followed by something that is no escape.
    #[error("invalid escape at byte {offset}")]
    Escape {
        /// Where the backslash stands.
        offset: usize,
    },
    /// A `\u` escape is half of a surrogate pair, which no UTF-8 text can hold.
    #[error("lone surrogate at byte {offset}")]
    Surrogate {
        /// Where the backslash stands.
        offset: usize,
    },
}

/// Appends the unescaped form of the inside of a JSON string (without its quotes) to `out`.
///
/// Bytes outside of escapes are copied as they are: whether they are UTF-8 is the parser's business.
///
/// # Errors
/// An escape that RFC 8259 does not know, or half of a surrogate pair. `out` then holds what came before it.
pub fn unescape_into(escaped: &[u8], out: &mut Vec<u8>) -> Result<(), TextError> {
    let mut rest = escaped;
    let mut offset = 0;
    while let Some(at) = memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        offset += at;
        let used = unescape_one(escape, offset, out)?;
        offset += used;
        rest = escape.get(used..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// Unescapes the escape that `escape` begins with and returns how many bytes it took.
fn unescape_one(escape: &[u8], offset: usize, out: &mut Vec<u8>) -> Result<usize, TextError> {
    let plain = match escape.get(1) {
        Some(b'"') => b'"',
        Some(b'\\') => b'\\',
        Some(b'/') => b'/',
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'u') => return unescape_unicode(escape, offset, out),
        _ => return Err(TextError::Escape { offset }),
    };
    out.push(plain);
    Ok(2)
}

/// Unescapes `\uXXXX`, or a pair of them that makes one character beyond U+FFFF.
fn unescape_unicode(escape: &[u8], offset: usize, out: &mut Vec<u8>) -> Result<usize, TextError> {
    let first = hex4(escape.get(2..6)).ok_or(TextError::Escape { offset })?;
    let (code, used) = match first {
        0xD800..=0xDBFF => {
            let second = match escape.get(6..8) {
                Some(b"\\u") => hex4(escape.get(8..12)).ok_or(TextError::Escape { offset: offset + 6 })?,
                _ => return Err(TextError::Surrogate { offset }),
            };
            if !(0xDC00..=0xDFFF).contains(&second) {
                return Err(TextError::Surrogate { offset });
            }
            (0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), 12)
        }
        other => (other, 6),
    };
    let character = char::from_u32(code).ok_or(TextError::Surrogate { offset })?;
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(used)
}

fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    let mut value = 0;
    for digit in digits? {
        value = value * 16 + (*digit as char).to_digit(16)?;
    }
    Some(value)
}

/// Appends the escaped form of UTF-8 text to `out`, without quotes: the shortest form that RFC 8259 allows.
pub fn escape_into(plain: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    for (at, byte) in plain.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0x00..=0x1f => b"",
            _ => continue,
        };
        out.extend_from_slice(plain.get(copied..at).unwrap_or_default());
        copied = at + 1;
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let high = HEX.get(usize::from(byte >> 4)).copied().unwrap_or(b'0');
            let low = HEX.get(usize::from(byte & 15)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        } else {
            out.extend_from_slice(escape);
        }
    }
    out.extend_from_slice(plain.get(copied..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(escaped: &str, expected: Result<&str, TextError>) {
        let mut out = Vec::new();
        let result = unescape_into(escaped.as_bytes(), &mut out).map(|()| String::from_utf8(out).unwrap());
        assert_eq!(result, expected.map(str::to_owned));
    }

    #[test]
    fn every_escape_is_known() {
        check(r#"a\"\\\/\b\f\n\r\tz"#, Ok("a\"\\/\u{8}\u{c}\n\r\tz"));
        check(r"\u00e9\u20AC\ud83d\ude00", Ok("é€😀"));
    }

    #[test]
    fn what_is_no_escape_is_an_error() {
        check(r"ab\x", Err(TextError::Escape { offset: 2 }));
        check(r"ab\", Err(TextError::Escape { offset: 2 }));
        check(r"\u12g4", Err(TextError::Escape { offset: 0 }));
        check(r"\ud800", Err(TextError::Surrogate { offset: 0 }));
        check(r"\ud800\u0041", Err(TextError::Surrogate { offset: 0 }));
        check(r"\udc00", Err(TextError::Surrogate { offset: 0 }));
    }

    proptest! {
        #[test]
        fn escaping_and_unescaping_are_inverse(text: String) {
            let (mut escaped, mut plain) = (Vec::new(), Vec::new());
            escape_into(text.as_bytes(), &mut escaped);
            unescape_into(&escaped, &mut plain).unwrap();
            prop_assert_eq!(plain, text.into_bytes());
        }
    }
}
