//! A guess at how much content an event is about, made before it is decoded: for admission, which must not hold more than it
//! may and cannot wait for a worker. What the event really says is in [`EventFacts`](crate::EventFacts).

use memchr::memmem;

/// Where events of pages tell the size of a slot's content.
const FIELD: &[u8] = b"\"content_size\":";

/// How much of an event is looked through: several times what page_change events have before their content.
const LOOK_BYTES_MAX: usize = 64 * 1024;

/// The largest size of content that the beginning of an event tells of; 0 where it tells of none. It may be that of a
/// revision before, or of a text that only looks like a field: it is a hint.
pub fn content_bytes_hint(event: &[u8]) -> u64 {
    let beginning = event.get(..LOOK_BYTES_MAX).unwrap_or(event);
    let sizes = memmem::find_iter(beginning, FIELD).filter_map(|at| number(beginning.get(at + FIELD.len()..)?));
    sizes.max().unwrap_or(0)
}

/// The number that a text begins with, blank space aside.
fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_start();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(text.get(..digits)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(event: &str, expected: u64) {
        assert_eq!(content_bytes_hint(event.as_bytes()), expected, "{event}");
    }

    #[test]
    fn the_largest_content_counts() {
        check(r#"{"a":{"content_size":12},"b":{"content_size": 345,"x":1},"c":{"content_size":7}}"#, 345);
    }

    #[test]
    fn what_is_no_size_is_passed_over() {
        check("", 0);
        check("{}", 0);
        check(r#"{"content_size":null,"a":{"content_size":"9"}}"#, 0);
        check(r#"{"content_size":99999999999999999999999}"#, 0);
        check(r#"{"content_size":"#, 0);
    }

    #[test]
    fn only_the_beginning_is_looked_through() {
        check(&format!("{}{}", " ".repeat(LOOK_BYTES_MAX), r#"{"content_size":5}"#), 0);
    }
}
