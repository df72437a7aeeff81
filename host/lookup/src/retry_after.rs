//! Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or a date.

use std::time::{Duration, UNIX_EPOCH};

/// How long the other side asks to wait, in milliseconds, at most `max_ms`. None: it says nothing that can be read.
pub(crate) fn retry_after_ms(value: &str, now_ms: u64, max_ms: u64) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for a number are too long a wait, too.
        let seconds = value.parse::<u64>().unwrap_or(u64::MAX);
        return Some(seconds.saturating_mul(1_000).min(max_ms));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let wait = date.duration_since(UNIX_EPOCH + Duration::from_millis(now_ms)).unwrap_or_default();
    Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).min(max_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<u64>) {
        // 784,111,770 s is Sun, 06 Nov 1994 08:49:30 GMT.
        assert_eq!(retry_after_ms(value, 784_111_770_000, 60_000), expected, "{value}");
    }

    #[test]
    fn seconds_and_dates_are_read() {
        check("7", Some(7_000));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(7_000));
        check("Sun, 06 Nov 1994 08:49:00 GMT", Some(0));
    }

    #[test]
    fn long_waits_are_cut() {
        check("1000000000", Some(60_000));
        check("99999999999999999999999999", Some(60_000));
        check("Sat, 06 Nov 2094 08:49:37 GMT", Some(60_000));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for bad in ["", "soon", "-5", "7.5", "7 s", "\u{fffd}"] {
            check(bad, None);
        }
    }
}
