//! Finding the end of a JSON string, number or word in bytes, and refusing what RFC 8259 does not allow in them.
//! What the bytes mean, and how values nest, is `index`'s business.

use super::DecodeError;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks, by its highest bit, each byte of `word` that ends a plain run inside a JSON string: a quote, a backslash or a
/// control character. Only the lowest mark is exact (a borrow may mark bytes above it), and only the lowest is used.
fn stops(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_quote | is_backslash | is_control) & HIGHS
}

/// The first place from `at` on where a plain run inside a string stops; the length of `text` when it does not.
fn plain_run(text: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let marks = stops(u64::from_le_bytes(*chunk));
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let is_stop = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    at + text.get(at..).unwrap_or_default().iter().position(is_stop).unwrap_or(text.len().saturating_sub(at))
}

/// Where a string's inside ends, and whether an escape is in it.
#[derive(Clone, Copy)]
pub(super) struct StringEnd {
    pub(super) end: usize,
    pub(super) escaped: bool,
}

/// Scans the inside of a string that begins at `from`, behind its opening quote, up to the closing one.
#[inline]
pub(super) fn string(text: &[u8], from: usize) -> Result<StringEnd, DecodeError> {
    let mut at = plain_run(text, from);
    let mut escaped = false;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(StringEnd { end: at, escaped }),
            Some(b'\\') => {
                escaped = true;
                at = plain_run(text, escape(text, at)?);
            }
            Some(_) => return Err(DecodeError::Control { offset: at }),
            None => return Err(DecodeError::syntax(at, "the closing quote of a string")),
        }
    }
}

/// Checks the escape at `at` and returns the place behind it. Half of a surrogate pair is refused: no UTF-8 text can hold
/// it, so readers of the platform's events would disagree on it.
fn escape(text: &[u8], at: usize) -> Result<usize, DecodeError> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match hex4(text, at + 2).ok_or(DecodeError::Escape { offset: at })? {
            0xD800..=0xDBFF => {
                let low = if text.get(at + 6..at + 8) == Some(b"\\u") { hex4(text, at + 8) } else { None };
                match low {
                    Some(0xDC00..=0xDFFF) => Ok(at + 12),
                    _ => Err(DecodeError::Surrogate { offset: at }),
                }
            }
            0xDC00..=0xDFFF => Err(DecodeError::Surrogate { offset: at }),
            _ => Ok(at + 6),
        },
        _ => Err(DecodeError::Escape { offset: at }),
    }
}

fn hex4(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// Scans the number that begins at `from` and returns the place behind it.
#[inline]
pub(super) fn number(text: &[u8], from: usize) -> Result<usize, DecodeError> {
    let mut at = from;
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    at = match text.get(at) {
        Some(b'0') => at + 1,
        _ => digits(text, at)?,
    };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = digits(text, at)?;
    }
    Ok(at)
}

/// At least one digit; returns the place behind the last.
fn digits(text: &[u8], from: usize) -> Result<usize, DecodeError> {
    let mut at = from;
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    if at == from { Err(DecodeError::syntax(at, "a digit")) } else { Ok(at) }
}

/// Checks that `word` stands at `from` and returns the place behind it.
pub(super) fn word(text: &[u8], from: usize, word: &'static str) -> Result<usize, DecodeError> {
    let end = from + word.len();
    if text.get(from..end) == Some(word.as_bytes()) { Ok(end) } else { Err(DecodeError::syntax(from, word)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_plain_run_stops_where_a_plain_search_says(text: Vec<u8>, from in 0_usize..20) {
            let from = from.min(text.len());
            let expected = text[from..].iter().position(|b| *b == b'"' || *b == b'\\' || *b < 0x20);
            prop_assert_eq!(plain_run(&text, from), expected.map_or(text.len(), |at| from + at));
        }
    }
}
