//! `mediawiki`: where the wikis' APIs are, which wikis may be asked, and how hard.

use super::group_limits;
use super::quantity::{GIB, KIB, MIB, show_duration, show_size};
use super::reader::{Section, key};
use millrace_lookup::config::{GroupLimits, SLOTS_MAX};
use std::path::PathBuf;
use std::time::Duration;

/// Calls of one wiki that may be under way at once. External clients are asked for three at most; four is what an
/// internal job may do without asking anybody.
const CALL_SLOTS: u64 = 4;
/// Calls of all wikis that may be under way at once.
const CALL_SLOTS_TOTAL: u64 = 32;
/// How long one call may take: what the API's own servers allow themselves, with some room.
const TIMEOUT: Duration = Duration::from_secs(30);
/// An event younger than this may be ahead of a replica that does not know its revision yet.
const YOUNG_AGE: Duration = Duration::from_secs(10);
/// Bytes of answers kept for other pipelines and re-runs.
const CACHE_BYTES: u64 = 32 * MIB;
/// The longest that content is kept: it can become forbidden at any time.
const CACHE_TTL: Duration = Duration::from_secs(60);
/// The path of the action API on every wiki.
const API_PATH: &str = "/w/api.php";
/// The path of the REST API on every wiki.
const REST_PATH: &str = "/w/rest.php";

/// The wikis that plugins may ask, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaWikiConfig {
    /// The one address of every wiki, told apart by the `Host` header. None: `https://<domain>`.
    pub endpoint: Option<String>,
    /// The path of the action API.
    pub api_path: String,
    /// The path of the REST API.
    pub rest_path: String,
    /// Domains that may be asked: exact, or `*.` and a parent domain.
    pub wikis: Vec<String>,
    /// Those among them whose content is never cached or shared.
    pub private_wikis: Vec<String>,
    /// Calls of one wiki that may be under way at once.
    pub call_slots: usize,
    /// Calls of all wikis that may be under way at once.
    pub call_slots_total: usize,
    /// Calls per second of one wiki. None: as many as the slots allow.
    pub rate_per_second: Option<u32>,
    /// What all hosts may ask one wiki together.
    pub group: GroupLimits,
    /// How long one call may take.
    pub timeout: Duration,
    /// Further authorities to trust, as PEM.
    pub ca_file: Option<PathBuf>,
    /// How the API's operators reach ours: part of the `User-Agent`.
    pub contact: String,
    /// A file that holds the value of the `Authorization` header.
    pub authorization_file: Option<PathBuf>,
    /// Events younger than this have a missing revision asked for again.
    pub young_age: Duration,
    /// Bytes of answers that are kept.
    pub cache_bytes: u64,
    /// How long an answer is kept.
    pub cache_ttl: Duration,
}

/// Reads the section.
pub(crate) fn read(section: &Section<'_>) -> MediaWikiConfig {
    let endpoint = section
        .parsed(
            key("endpoint", "One address for every wiki; the `Host` header tells them apart."),
            "address like http://127.0.0.1:6500",
            base_url,
        )
        .optional("each wiki is asked at https://<its domain>");
    let api_path = path_of_api(section, "api_path", "The path of the action API on every wiki.", API_PATH);
    let rest_path = path_of_api(section, "rest_path", "The path of the REST API on every wiki.", REST_PATH);
    let wikis = section
        .texts(key("wikis", "The wikis that plugins may ask, exact or with `*.` in front."), DOMAINS, domain_pattern)
        .required();
    let private_wikis = section
        .texts(key("private_wikis", "Wikis whose content is never cached nor shared."), DOMAINS, domain_pattern)
        .or(Vec::new(), "none");
    let contact = section
        .text(key("contact", "Who the API's operators write to, as an address or URL: part of the `User-Agent`."))
        .required();
    let (call_slots, call_slots_total, rate_per_second) = read_pace(section);
    let (cache_bytes, cache_ttl) =
        section.defaults(key("cache", "Answers that are kept for other pipelines and re-runs."), read_cache);
    MediaWikiConfig {
        endpoint,
        api_path,
        rest_path,
        wikis,
        private_wikis,
        call_slots,
        call_slots_total,
        rate_per_second,
        group: group_limits::read(section),
        timeout: section
            .duration(
                key("timeout", "How long one call may take."),
                Duration::from_millis(100)..=Duration::from_secs(300),
            )
            .or(TIMEOUT, show_duration(TIMEOUT)),
        ca_file: section
            .file(key("ca_file", "Further authorities to trust for HTTPS, as PEM."))
            .optional("the system's authorities are trusted"),
        contact,
        authorization_file: section
            .secret_file(key("authorization_file", "A file that holds the value of the `Authorization` header."))
            .optional("calls are anonymous"),
        young_age: section
            .duration(
                key("young_age", "A revision that is missing is asked for again while the event is younger than this."),
                Duration::ZERO..=Duration::from_secs(600),
            )
            .or(YOUNG_AGE, show_duration(YOUNG_AGE)),
        cache_bytes,
        cache_ttl,
    }
}

/// How many calls at once and per second.
fn read_pace(section: &Section<'_>) -> (usize, usize, Option<u32>) {
    /// Calls of all wikis: each may hold an answer of many megabytes.
    const SLOTS_TOTAL_MAX: u64 = 1024;
    let slots_max = u64::try_from(SLOTS_MAX).unwrap_or(u64::MAX);
    let slots = section
        .count(key("call_slots", "Calls of one wiki that may be under way at once."), 1..=slots_max)
        .or(CALL_SLOTS, CALL_SLOTS.to_string());
    let total = section
        .count(key(
                "call_slots_total",
                "Calls of all wikis that may be under way at once; one that takes longer than a second leaves its place to others.",
            ), 1..=SLOTS_TOTAL_MAX)
        .or(CALL_SLOTS_TOTAL.max(slots), CALL_SLOTS_TOTAL.to_string());
    if total < slots {
        let problem = format!("{total} calls in all are fewer than the {slots} of one wiki (`call_slots`)");
        section.mistake("call_slots_total", problem, "raise it, or lower `call_slots`");
    }
    let rate = section
        .count(key("rate_per_second", "Calls per second of one wiki."), 1..=100_000)
        .optional("as many as the slots allow");
    let whole = |count| usize::try_from(count).unwrap_or(usize::MAX);
    (whole(slots), whole(total), rate.and_then(|rate| u32::try_from(rate).ok()))
}

fn read_cache(section: &Section<'_>) -> (u64, Duration) {
    let bytes = section
        .size(key("bytes", "Bytes of answers that are kept; `0 B` keeps none."), 0..=64 * GIB)
        .or(CACHE_BYTES, show_size(CACHE_BYTES));
    let ttl = section
        .duration(
            key("ttl", "How long an answer is kept: content can become forbidden, so no longer than a minute."),
            Duration::ZERO..=CACHE_TTL,
        )
        .or(CACHE_TTL, show_duration(CACHE_TTL));
    if bytes > 0 && bytes < 64 * KIB {
        section.mistake("bytes", "a cache this small holds no page", "write `0 B` for none, or at least `64 KiB`");
    }
    (bytes, ttl)
}

fn path_of_api(section: &Section<'_>, name: &'static str, doc: &'static str, default: &str) -> String {
    let check = |text: &str| {
        let plain = text.starts_with('/') && !text.contains("..") && !text.contains(['?', '#', ' ', '%']);
        if plain { Ok(text.to_owned()) } else { Err("expected an absolute path without query".to_owned()) }
    };
    section.parsed(key(name, doc), "absolute path", check).or(default.to_owned(), default)
}

/// What a list of domains must be.
pub(crate) const DOMAINS: &str = "list of domains, exact or with `*.` in front";

/// Checks one domain: lower-case letters, digits, hyphens and dots, `*.` in front at most.
pub(crate) fn domain_pattern(text: &str) -> Result<(), String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && label.chars().all(letter);
    if name.split('.').all(label) {
        Ok(())
    } else {
        Err("expected a domain in lower case, like en.wikipedia.org or *.wikipedia.org".to_owned())
    }
}

/// Checks an address without path, name and password.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or(text.strip_prefix("https://"));
    let plain = |rest: &str| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ', '\\']);
    match rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest)) {
        Some(rest) if plain(rest) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("expected http:// or https://, a host and a port, nothing more".to_owned()),
    }
}
