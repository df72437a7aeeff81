//! Sizes, durations and times as an operator writes them. A unit is always required, because `30` is read as seconds by
//! one and as milliseconds by another.

use jiff::Timestamp;
use std::time::Duration;

/// Bytes in a kibibyte.
pub(crate) const KIB: u64 = 1024;
/// Bytes in a mebibyte.
pub(crate) const MIB: u64 = 1024 * KIB;
/// Bytes in a gibibyte.
pub(crate) const GIB: u64 = 1024 * MIB;

/// The units of sizes, the largest first, so that a size is shown in the largest one that fits.
const SIZE_UNITS: [(&str, u64); 7] =
    [("GiB", GIB), ("GB", 1_000_000_000), ("MiB", MIB), ("MB", 1_000_000), ("KiB", KIB), ("kB", 1000), ("B", 1)];

/// The units of durations in milliseconds, the longest first.
const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a size like `64 MiB`, in bytes.
///
/// # Errors
/// What is wrong, as the end of a sentence.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZE_UNITS, "a size with its unit, like 64 MiB (B, kB, KiB, MB, MiB, GB, GiB)")
}

/// Reads a duration like `500 ms`.
///
/// # Errors
/// What is wrong, as the end of a sentence.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    parse(text, &DURATION_UNITS, "a duration with its unit, like 10 s (ms, s, min, h, d)").map(Duration::from_millis)
}

/// Reads a time like `2026-01-01T00:00:00Z`, in milliseconds since 1970.
///
/// # Errors
/// What is wrong, as the end of a sentence.
pub(crate) fn parse_time(text: &str) -> Result<i64, String> {
    let expected = || "expected a time with its zone, like 2026-01-01T00:00:00Z".to_owned();
    let time: Timestamp = text.parse().map_err(|_not_a_time| expected())?;
    Ok(time.as_millisecond())
}

/// Shows a size in the largest unit that holds it exactly.
pub fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS)
}

/// Shows a duration in the longest unit that holds it exactly; parts of a millisecond are left out.
pub fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS)
}

fn parse(text: &str, units: &[(&str, u64)], expected: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
    match (number.parse::<u64>(), factor) {
        (Ok(number), Some(factor)) => number.checked_mul(factor).ok_or_else(|| format!("expected {expected}")),
        _ => Err(format!("expected {expected}")),
    }
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |factor: u64| amount > 0 && amount.is_multiple_of(factor);
    let (name, factor) = units.iter().find(|(_, factor)| fits(*factor)).or(units.last()).copied().unwrap_or(("", 1));
    format!("{} {name}", amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_size(text: &str, expected: Option<u64>) {
        assert_eq!(parse_size(text).ok(), expected, "{text}");
    }

    #[test]
    fn a_size_is_a_whole_number_with_a_unit() {
        check_size("64 MiB", Some(64 * MIB));
        check_size("64MiB", Some(64 * MIB));
        check_size("0 B", Some(0));
        check_size("10 kB", Some(10_000));
        for wrong in ["64", "MiB", "-1 B", "1.5 GiB", "64 mib", "64 MiB x", "", "20000000000 GiB", "٣ B"] {
            check_size(wrong, None);
        }
    }

    #[track_caller]
    fn check_duration(text: &str, expected_ms: Option<u64>) {
        assert_eq!(parse_duration(text).ok(), expected_ms.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn a_duration_is_a_whole_number_with_a_unit() {
        check_duration("500 ms", Some(500));
        check_duration("10s", Some(10_000));
        check_duration("2 min", Some(120_000));
        for wrong in ["10", "10 m", "1 s 5 ms", "1e3 s", "-1 s"] {
            check_duration(wrong, None);
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same() {
        for bytes in [0, 1, 1000, 1024, 20 * MIB, 10_000_000, GIB, GIB + 1] {
            assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }
        for ms in [0, 1, 1000, 60_000, 90_000, 3_600_000] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
    }

    #[test]
    fn a_time_needs_its_zone() {
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Ok(1000));
        assert!(parse_time("1970-01-01T00:00:01").is_err());
        assert!(parse_time("1970-01-01").is_err());
    }
}
