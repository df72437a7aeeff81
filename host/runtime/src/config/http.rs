//! `http` and the grants of it: HTTP services beside the wikis, by name. Only what is named here and granted to a
//! pipeline can be asked; plugins never see an address or a credential.

use super::group_limits;
use super::mediawiki::base_url;
use super::quantity::{KIB, MIB, show_size};
use super::reader::{Section, key};
use millrace_lookup::config::{SLOTS_DEFAULT, SLOTS_MAX};
use millrace_lookup::{EventServiceConfig, HttpGrant, HttpTargetConfig};

/// The methods that change nothing.
const METHODS: [&str; 2] = ["GET", "HEAD"];

/// Reads one service.
pub(crate) fn read_target(name: &str, section: &Section<'_>) -> HttpTargetConfig {
    let slots_max = u64::try_from(SLOTS_MAX).unwrap_or(u64::MAX);
    let slots_default = u64::try_from(SLOTS_DEFAULT).unwrap_or(u64::MAX);
    HttpTargetConfig {
        name: name.to_owned(),
        base_url: section
            .parsed(key("url", "Where the service is."), "address like https://api.example.org", base_url)
            .required(),
        host: section.text(key("host", "The `Host` header.")).optional("that of the address"),
        slots: usize::try_from(
            section
                .count(key("call_slots", "Calls that may be under way at once."), 1..=slots_max)
                .or(slots_default, slots_default.to_string()),
        )
        .unwrap_or(SLOTS_DEFAULT),
        calls_per_second_max: section
            .count(key("rate_per_second", "Calls per second."), 1..=100_000)
            .optional("as many as the slots allow")
            .and_then(|rate| u32::try_from(rate).ok()),
        group: group_limits::read(section),
        authorization_file: section
            .secret_file(key("authorization_file", "A file that holds the value of the `Authorization` header."))
            .optional("calls are anonymous"),
    }
}

/// The largest batch that is posted where nothing else is said: far below what event services take (10 MB), and still many
/// events.
const BATCH_BYTES: u64 = 4 * MIB;

/// Reads where a pipeline's outputs are posted.
pub(crate) fn read_event_service(section: &Section<'_>) -> OutletConfig {
    const KIND: &str = "address like https://eventgate.example.org/v1/events";
    let address = |text: &str| {
        let rest = text.strip_prefix("http://").or(text.strip_prefix("https://"));
        let plain =
            |rest: &str| !rest.starts_with('/') && !rest.is_empty() && !rest.contains(['?', '#', '@', ' ', '\\']);
        if rest.is_some_and(plain) { Ok(text.to_owned()) } else { Err(format!("expected an {KIND}")) }
    };
    OutletConfig {
        service: EventServiceConfig {
            url: section.parsed(key("url", "The address that takes events, path included."), KIND, address).required(),
            host: section.text(key("host", "The `Host` header.")).optional("that of the address"),
            authorization_file: section
                .secret_file(key("authorization_file", "A file that holds the value of the `Authorization` header."))
                .optional("posts are anonymous"),
        },
        batch_bytes_max: section
            .size(
                key("max_batch_bytes", "The most bytes that are posted together; a larger event goes alone."),
                KIB..=64 * MIB,
            )
            .or(BATCH_BYTES, show_size(BATCH_BYTES)),
    }
}

/// Where a pipeline's outputs are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutletConfig {
    /// The event service.
    pub service: EventServiceConfig,
    /// The most bytes of a batch.
    pub batch_bytes_max: u64,
}

/// Reads what a pipeline may ask of one service.
pub(crate) fn read_grant(name: &str, section: &Section<'_>) -> HttpGrant {
    let method = |text: &str| {
        let capitals = !text.is_empty() && text.len() <= 16 && text.chars().all(|c| c.is_ascii_uppercase());
        if capitals { Ok(()) } else { Err("expected a method in capitals, like GET".to_owned()) }
    };
    let path = |text: &str| {
        let plain = text.starts_with('/') && !text.contains("..") && !text.contains("//");
        let plain = plain && !text.contains(['?', '#', '%', '\\', ' ']);
        if plain { Ok(()) } else { Err("expected an absolute path in normal form".to_owned()) }
    };
    HttpGrant {
        target: name.to_owned(),
        methods: section
            .texts(key("methods", "The methods that may be used."), "list of methods", method)
            .or(METHODS.map(str::to_owned).to_vec(), "GET, HEAD"),
        paths: section
            .texts(
                key("paths", "The paths that may be asked: `/a/b` is that one, `/a/` everything below."),
                "list of paths",
                path,
            )
            .required(),
    }
}
