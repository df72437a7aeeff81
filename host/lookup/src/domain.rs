//! Names of wikis: one normal form, and the patterns that allow them.

use crate::error::LookupConfigError;
use std::borrow::Cow;

/// The longest host name that DNS knows.
const DOMAIN_LENGTH_MAX: usize = 253;

/// The normal form of a host name: lower case, without the final dot. None: it is no host name.
/// Ports, user names, non-ASCII letters and addresses in brackets are none.
pub(crate) fn normal(domain: &str) -> Option<Cow<'_, str>> {
    let bare = domain.strip_suffix('.').unwrap_or(domain);
    let label_is_good = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if bare.len() > DOMAIN_LENGTH_MAX || !bare.split('.').all(label_is_good) {
        return None;
    }
    if bare.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(Cow::Owned(bare.to_ascii_lowercase()));
    }
    Some(Cow::Borrowed(bare))
}

/// A domain, or all domains below a suffix.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum DomainPattern {
    /// This one.
    Exact(String),
    /// Every one that ends in this, which begins with a dot.
    Below(String),
}

impl DomainPattern {
    /// Reads `en.wikipedia.org` or `*.wikipedia.org`.
    pub(crate) fn parse(text: &str) -> Result<Self, LookupConfigError> {
        let fault = |reason: &str| LookupConfigError::Domain { domain: text.to_owned(), reason: reason.to_owned() };
        let (name, below) = match text.strip_prefix("*.") {
            Some(suffix) => (suffix, true),
            None => (text, false),
        };
        let name = normal(name).ok_or_else(|| fault("it is no host name"))?.into_owned();
        Ok(if below { Self::Below(format!(".{name}")) } else { Self::Exact(name) })
    }

    /// Whether a domain in its normal form is allowed.
    pub(crate) fn matches(&self, domain: &str) -> bool {
        match self {
            Self::Exact(name) => name == domain,
            Self::Below(suffix) => domain.len() > suffix.len() && domain.ends_with(suffix.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_normal(domain: &str, expected: Option<&str>) {
        assert_eq!(normal(domain).as_deref(), expected);
    }

    #[test]
    fn a_domain_has_one_normal_form() {
        check_normal("en.wikipedia.org", Some("en.wikipedia.org"));
        check_normal("EN.Wikipedia.ORG.", Some("en.wikipedia.org"));
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        for bad in [
            "", ".", "a..b", "a/b", "a:80", "user@a", "a b", "é.org", "[::1]", "-a.org", "a\r\nb", "a%2eb", "..", "a..",
        ] {
            check_normal(bad, None);
        }
        check_normal(&"a.".repeat(200), None);
    }

    #[track_caller]
    fn check_match(pattern: &str, domain: &str, expected: bool) {
        assert_eq!(DomainPattern::parse(pattern).unwrap().matches(domain), expected, "{pattern} {domain}");
    }

    #[test]
    fn a_pattern_allows_what_lies_below_its_suffix() {
        check_match("en.wikipedia.org", "en.wikipedia.org", true);
        check_match("en.wikipedia.org", "fr.wikipedia.org", false);
        check_match("*.wikipedia.org", "fr.wikipedia.org", true);
        check_match("*.wikipedia.org", "a.b.wikipedia.org", true);
        check_match("*.wikipedia.org", "wikipedia.org", false);
        check_match("*.wikipedia.org", "evilwikipedia.org", false);
        check_match("*.wikipedia.org", "wikipedia.org.evil.org", false);
    }

    #[test]
    fn a_pattern_that_is_no_host_name_is_a_mistake() {
        for bad in ["*", "*.", "a.*.org", "**.org", "http://a.org", ""] {
            assert!(DomainPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
