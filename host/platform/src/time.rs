//! Times as the platform writes them: ISO 8601 in UTC. The usual forms are read and written here because the general
//! reader costs more than decoding a field; anything else is left to it.

use jiff::Timestamp;

const DAY_MS: i64 = 86_400_000;
/// The last millisecond of the year 9999, the last with four digits.
const LATEST_MS: u64 = 253_402_300_799_999;

/// `2026-06-22T09:48:10.123Z` of milliseconds since 1970. Times beyond the year 9999 are written as its end.
pub(crate) fn format_ms(ms: u64) -> String {
    let ms = ms.min(LATEST_MS).cast_signed();
    let (year, month, day) = date_of_day(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let mut text = String::with_capacity(24);
    push_digits(&mut text, year, 1000);
    text.push('-');
    push_digits(&mut text, month, 10);
    text.push('-');
    push_digits(&mut text, day, 10);
    text.push('T');
    push_digits(&mut text, of_day / 3_600_000, 10);
    text.push(':');
    push_digits(&mut text, of_day / 60_000 % 60, 10);
    text.push(':');
    push_digits(&mut text, of_day / 1_000 % 60, 10);
    text.push('.');
    push_digits(&mut text, of_day % 1_000, 100);
    text.push('Z');
    text
}

/// Appends the digits of `number` from that of `highest` (a power of ten) on.
fn push_digits(text: &mut String, number: i64, highest: i64) {
    let mut place = highest;
    while place > 0 {
        let digit = u8::try_from(number / place % 10).unwrap_or(0);
        text.push(char::from(b'0' + digit));
        place /= 10;
    }
}

/// Milliseconds since 1970 of an ISO 8601 time with an offset; none for what is no such time. Digits beyond the
/// millisecond are cut.
pub(crate) fn parse_ms(text: &str) -> Option<i64> {
    parse_usual(text.as_bytes()).or_else(|| text.parse::<Timestamp>().ok().map(|time| time.as_millisecond()))
}

/// Reads `YYYY-MM-DDTHH:MM:SS`, with or without up to nine digits of a fraction, and `Z`, from 1970 on.
fn parse_usual(text: &[u8]) -> Option<i64> {
    let (base, rest) = text.split_at_checked(19)?;
    let &[y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T', h1, h2, b':', mi1, mi2, b':', s1, s2] = base else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4])?;
    let month = number(&[mo1, mo2])?;
    let day = number(&[d1, d2])?;
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[mi1, mi2])?, number(&[s1, s2])?);
    let is_valid = year >= 1970 && (1..=12).contains(&month) && (1..=28).contains(&day);
    // A second of 60 and a day from 29 on ask for more rules than the usual case: the general reader has them.
    if !is_valid || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let ms = fraction_ms(rest)?;
    Some(day_of_date(year, month, day) * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms)
}

/// Milliseconds of `Z` or `.123Z`.
fn fraction_ms(rest: &[u8]) -> Option<i64> {
    let digits = match rest.strip_suffix(b"Z")? {
        [] => return Some(0),
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => digits,
        _ => return None,
    };
    let kept = digits.get(..3).unwrap_or(digits);
    number(digits)?;
    Some(number(kept)? * [1, 100, 10, 1].get(kept.len())?)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + i64::from(digit - b'0')),
        _ => None,
    })
}

/// Days since 1970-01-01 of a date of the Gregorian calendar: years are counted from March, so that the leap day ends one.
fn day_of_date(year: i64, month: i64, day: i64) -> i64 {
    let from_march = (month + 9) % 12;
    let year = year - i64::from(month <= 2);
    let day_of_year = (from_march * 153 + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_TO_1970
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// The date of a day since 1970-01-01; the inverse of [`day_of_date`].
fn date_of_day(day: i64) -> (i64, i64, i64) {
    /// Days of 400 years, after which the calendar repeats.
    const ERA: i64 = 146_097;
    let days = day + DAYS_TO_1970;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse_ms(text), expected, "{text}");
    }

    #[test]
    fn the_forms_of_the_platform_are_read() {
        check("1970-01-01T00:00:00Z", Some(0));
        check("2026-06-22T09:48:10Z", Some(1_782_121_690_000));
        check("2026-06-22T09:48:11.082Z", Some(1_782_121_691_082));
        check("2026-06-22T09:48:11.5Z", Some(1_782_121_691_500));
        check("2026-06-22T09:48:11.123456789Z", Some(1_782_121_691_123));
        check("2024-02-29T23:59:60Z", Some(1_709_251_199_000));
        check("2026-06-22T11:48:10+02:00", Some(1_782_121_690_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "2026-06-22", "2026-06-22T09:48:10", "2026-02-29T00:00:00Z", "2026-06-22T09:48:10.Z", "x"] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn the_own_reader_and_writer_agree_with_the_general_ones(ms in 0_u64..=LATEST_MS - 86_400_000, digits in 0_usize..=9) {
            let time = Timestamp::from_millisecond(ms.cast_signed()).unwrap();
            prop_assert_eq!(format_ms(ms), format!("{time:.3}"));
            let text = format!("{time:.digits$}");
            let expected = text.parse::<Timestamp>().unwrap().as_millisecond();
            prop_assert_eq!(parse_ms(&text), Some(expected));
            if let Some(own) = parse_usual(text.as_bytes()) {
                prop_assert_eq!(own, expected);
            }
        }

        #[test]
        fn what_the_own_reader_takes_the_general_one_takes(text in "(19|20)[0-9]{2}-[0-3][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?Z") {
            let general = text.parse::<Timestamp>().ok().map(|time| time.as_millisecond());
            // The general reader knows years before 1970, too, and there rounds towards 1970 as the own one never does.
            prop_assert_eq!(parse_ms(&text), general);
        }
    }
}
