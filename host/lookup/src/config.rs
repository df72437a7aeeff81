//! What an operator says about lookups, and the reasons for the values that apply when they say nothing.
//! Reading it from YAML is the runtime's business; what only HTTP knows (URLs, headers, files) is checked by
//! [`LookupConfig::check`], and again by [`crate::LookupService::new`].

pub use crate::breaker::BreakerRule;
pub use crate::young::YoungRule;

use crate::answer_buffer::PinnedBytes;
use crate::error::LookupConfigError;
use crate::site::{Sites, bounded};
use crate::transport::Http;
use millrace_flow::retry::RetryPolicy;
use std::path::PathBuf;

/// Calls that may be under way at once to one wiki, unless it says otherwise: Wikimedia asks for few concurrent
/// requests per client.
pub const SLOTS_DEFAULT: usize = 4;
/// The most slots of one target: each may hold an answer of many megabytes.
pub const SLOTS_MAX: usize = 256;
/// The most revisions that MediaWiki takes in one call without `apihighlimits`.
pub const REVISIONS_PER_CALL_MAX: usize = 50;

/// Everything about lookups.
#[derive(Clone, Debug)]
pub struct LookupConfig {
    /// Who asks: the `User-Agent` of every call.
    pub agent: Agent,
    /// The wikis that may be asked, by domain. The first one that matches is taken.
    pub wikis: Vec<WikiConfig>,
    /// The other HTTP services that may be asked, by name.
    pub http_targets: Vec<HttpTargetConfig>,
    /// A PEM file of certificate authorities to trust, besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Calls that may be under way at once, over all targets.
    pub calls_max: usize,
    /// Targets that are remembered at once (patterns may name any number). Idle ones are forgotten to make room.
    pub targets_max: usize,
    /// Bytes of answers that are kept for those who ask the same; 0 turns the cache off.
    pub cache_bytes_max: u64,
    /// How long an answer may be used again, in milliseconds. At most [`crate::config::CACHE_TTL_MS_MAX`].
    pub cache_ttl_ms: u64,
    /// When an unknown revision is asked for again.
    pub young: YoungRule,
    /// When a target counts as out.
    pub breaker: BreakerRule,
    /// The waits between tries of what failed for a passing reason. Its budget of attempts is not used: an outage
    /// never becomes an error.
    pub retry: RetryPolicy,
    /// The longest `Retry-After` that is obeyed, in milliseconds.
    pub retry_after_ms_max: u64,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How large things may be.
    pub limits: AnswerLimits,
}

/// Content can become forbidden: it is never used for longer than this after it was asked for.
pub const CACHE_TTL_MS_MAX: u64 = 60_000;

impl Default for LookupConfig {
    fn default() -> Self {
        Self {
            agent: Agent::default(),
            wikis: Vec::new(),
            http_targets: Vec::new(),
            ca_file: None,
            calls_max: 64,
            targets_max: 10_000,
            cache_bytes_max: 32 << 20,
            cache_ttl_ms: CACHE_TTL_MS_MAX,
            young: YoungRule::default(),
            breaker: BreakerRule::default(),
            retry: RetryPolicy { attempts_max: u32::MAX, base_ms: 200, cap_ms: 30_000 },
            retry_after_ms_max: 60_000,
            timeouts: Timeouts::default(),
            limits: AnswerLimits::default(),
        }
    }
}

impl LookupConfig {
    /// Everything that keeps a service from being made of it, the files it names included. Nobody is asked.
    pub fn check(&self) -> Vec<LookupConfigError> {
        let client = Http::new(self, PinnedBytes::default());
        let mut found = Sites::faults(self);
        found.extend([self.check_bounds().err(), client.err()].into_iter().flatten());
        found
    }

    pub(crate) fn check_bounds(&self) -> Result<(), LookupConfigError> {
        bounded("the calls at once, over all targets", self.calls_max as u64, 1, 10_000)?;
        bounded("the number of targets", self.targets_max as u64, 1, 1_000_000)?;
        bounded("the time that answers are kept, in milliseconds,", self.cache_ttl_ms, 0, CACHE_TTL_MS_MAX)?;
        Ok(())
    }
}

/// Who asks: operators of an API must be able to find and to reach them.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The product's name.
    pub product: String,
    /// Its version.
    pub version: String,
    /// A mail address or a page that reaches whoever runs this host.
    pub contact: String,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            product: "millrace".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            contact: "no contact given".into(),
        }
    }
}

/// One wiki, or all wikis of a pattern.
#[derive(Clone, Debug)]
pub struct WikiConfig {
    /// A domain (`en.wikipedia.org`), or `*.` and a suffix (`*.wikipedia.org`).
    pub domain: String,
    /// Where its requests go (`http://localhost:6500`), with the wiki's domain as `Host`. None: `https://` and the
    /// domain itself.
    pub endpoint: Option<String>,
    /// The path of the action API.
    pub api_path: String,
    /// The path of the REST API.
    pub rest_path: String,
    /// Calls that may be under way at once.
    pub slots: usize,
    /// Calls per second at most; none: no limit but the slots.
    pub calls_per_second_max: Option<u32>,
    /// What all hosts of the consumer group may do together.
    pub group: GroupLimits,
    /// Whether answers may be kept.
    pub visibility: Visibility,
    /// Whether answers may come compressed.
    pub compression: Compression,
    /// A file with the value of the `Authorization` header.
    pub authorization_file: Option<PathBuf>,
    /// MediaWiki refuses to answer while its databases lag by more than this many seconds; none: it is not asked to.
    pub maxlag_s: Option<u32>,
}

impl Default for WikiConfig {
    fn default() -> Self {
        Self {
            domain: String::new(),
            endpoint: None,
            api_path: "/w/api.php".into(),
            rest_path: "/w/rest.php".into(),
            slots: SLOTS_DEFAULT,
            calls_per_second_max: None,
            group: GroupLimits::default(),
            visibility: Visibility::Public,
            compression: Compression::None,
            authorization_file: None,
            maxlag_s: Some(5),
        }
    }
}

/// What all hosts of the consumer group together may ask of one target. Each takes the part that its partitions are, see
/// [`crate::LookupService::set_group_share`]; its own limits hold beside that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupLimits {
    /// Calls that may be under way at once; none: no limit but that of each host.
    pub slots: Option<u32>,
    /// Calls per second at most; none: no limit but that of each host.
    pub calls_per_second_max: Option<u32>,
}

/// Whether a wiki's answers may be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody may read it.
    #[default]
    Public,
    /// Readers need rights: answers are never kept.
    Private,
}

/// Whether answers may come compressed. Inflating 10 kB costs more CPU than everything else that is done with them, so
/// it pays off only over a slow network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// `Accept-Encoding: identity`.
    #[default]
    None,
    /// `Accept-Encoding: gzip`.
    Gzip,
}

/// One HTTP service beside MediaWiki.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpTargetConfig {
    /// What plugins and grants call it.
    pub name: String,
    /// Where it is: scheme, host, port and, optionally, a path that is put before every asked path.
    pub base_url: String,
    /// The `Host` header, where it differs from the URL's.
    pub host: Option<String>,
    /// Calls that may be under way at once.
    pub slots: usize,
    /// Calls per second at most; none: no limit but the slots.
    pub calls_per_second_max: Option<u32>,
    /// What all hosts of the consumer group may do together.
    pub group: GroupLimits,
    /// A file with the value of the `Authorization` header.
    pub authorization_file: Option<PathBuf>,
}

impl Default for HttpTargetConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            base_url: String::new(),
            host: None,
            slots: SLOTS_DEFAULT,
            calls_per_second_max: None,
            group: GroupLimits::default(),
            authorization_file: None,
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a connection stands, TLS included, in milliseconds.
    pub connect_ms: u64,
    /// Until the last byte of an answer is there, in milliseconds.
    pub total_ms: u64,
    /// How long an unused connection is kept, in milliseconds.
    pub idle_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 2_000, total_ms: 30_000, idle_ms: 30_000 }
    }
}

/// How large things may be. Answers are counted after decompression.
#[derive(Clone, Copy, Debug)]
pub struct AnswerLimits {
    /// The answer to a batch of revisions, in bytes.
    pub batch_bytes_max: usize,
    /// The answer to a question that goes alone, in bytes.
    pub alone_bytes_max: usize,
    /// The sum of what the revisions of one call are expected to bring, in bytes. MediaWiki cuts an answer at 8 MiB
    /// (`$wgAPIMaxResultSize`) and has then read for nothing what it leaves out.
    pub call_expected_bytes_max: u64,
    /// What a revision of unknown size is expected to bring, in bytes.
    pub revision_expected_bytes: u64,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self {
            batch_bytes_max: 32 << 20,
            alone_bytes_max: 64 << 20,
            call_expected_bytes_max: 6 << 20,
            revision_expected_bytes: 16 << 10,
        }
    }
}
