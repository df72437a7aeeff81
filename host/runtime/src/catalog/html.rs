//! Text in HTML, SVG and addresses. Everything that does not stand in this program goes through here.

/// Text as it stands between tags and in attributes with quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML, and so SVG, has no other control characters.
            letter if letter.is_control() && !matches!(letter, '\n' | '\t') => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: (&str, &str)) {
        assert_eq!((escape(text).as_str(), segment(text).as_str()), expected);
    }

    #[test]
    fn nothing_gets_out_of_its_place() {
        check("mediawiki.page_change.v1", ("mediawiki.page_change.v1", "mediawiki.page_change.v1"));
        check("<script>", ("&lt;script&gt;", "%3Cscript%3E"));
        check("a\"b'c&d", ("a&quot;b&#39;c&amp;d", "a%22b%27c%26d"));
        check("/^a.+$/", ("/^a.+$/", "%2F%5Ea.%2B%24%2F"));
        check("é\u{0}\u{1b}", ("é\u{fffd}\u{fffd}", "%C3%A9%00%1B"));
    }
}
