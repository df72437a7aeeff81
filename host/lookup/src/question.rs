//! Questions in the host's own form: read from an ask's params, checked against the grants, and comparable, so that
//! equal ones share an answer.

use crate::config::{LookupConfig, Visibility};
use crate::domain;
use crate::grants::{Kind, Scope};
use crate::site::{Site, Sites};
use bytes::Bytes;
use millrace_flow::lookup::{Ask, LookupError, LookupErrorKind};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// Slots that one ask may name. MediaWiki has a handful of roles.
const SLOTS_MAX: usize = 20;

/// What a call asks.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// Goes together with others of its wiki.
    Revision(RevisionQuestion),
    /// Goes by itself.
    Alone(Arc<AloneQuestion>),
}

/// The content of one revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RevisionQuestion {
    pub(crate) rev_id: u64,
    pub(crate) slots: Slots,
}

/// Which slots of a revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Slots {
    /// All that it has.
    All,
    /// The main one: by far the most frequent.
    Main,
    /// These, as the API wants them: joined by an encoded `|`, sorted.
    Named(Arc<str>),
}

impl Slots {
    /// The value of `rvslots`, ready for a URL.
    pub(crate) fn parameter(&self) -> &str {
        match self {
            Self::All => "*",
            Self::Main => "main",
            Self::Named(names) => names,
        }
    }
}

/// A question that goes by itself.
#[derive(Clone, Debug)]
pub(crate) struct AloneQuestion {
    pub(crate) reading: Reading,
    pub(crate) method: Method,
    /// Path and query, behind the site's base URL.
    pub(crate) path_and_query: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Option<Bytes>,
}

/// How the answer to a question that goes alone is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// An answer of `action=compare`.
    Compare { from_rev: u64, to_rev: u64 },
    /// HTML of a revision.
    Html { rev_id: u64 },
    /// An answer of `action=query`, as it is.
    Query,
    /// Any answer.
    Http,
}

impl Reading {
    /// The revisions that the answer shows.
    pub(crate) fn revisions(&self) -> [Option<u64>; 2] {
        match self {
            Self::Compare { from_rev, to_rev } => [Some(*from_rev), Some(*to_rev)],
            Self::Html { rev_id } => [Some(*rev_id), None],
            Self::Query | Self::Http => [None, None],
        }
    }
}

/// What two asks must have in common to share an answer, besides the target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ShareKey {
    pub(crate) what: Shared,
    /// The class of the scope: equal grants.
    pub(crate) class: Arc<str>,
}

/// The question itself, as far as it can be shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shared {
    /// A revision.
    Revision(RevisionQuestion),
    /// A reading call: its path and query, and the headers.
    Alone(Arc<str>),
    /// Nothing: what may change something is asked once for each ask, which carries this number, and so is what a private
    /// wiki is asked.
    Unshared(u64),
}

/// Where a question goes.
pub(crate) struct Addressed {
    /// The target's name: the wiki's domain, or `target:` and the name of an HTTP target.
    pub(crate) target: String,
    pub(crate) site: Arc<Site>,
    pub(crate) question: Question,
    /// Whether equal questions may share the answer.
    pub(crate) sharing: Sharing,
}

/// Whether equal questions may share an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// They only read what everybody may read.
    Shared,
    /// They may change something, or what they read is not for everybody.
    Unshared,
}

/// Reads an ask and finds out where it goes.
///
/// # Errors
/// `denied` for what is not granted or not configured, `invalid` for what makes no sense. Neither costs a call.
pub(crate) fn address(ask: &Ask, scope: &Scope, sites: &Sites, cfg: &LookupConfig) -> Result<Addressed, LookupError> {
    let kind = Kind::of_word(&ask.kind)
        .ok_or_else(|| invalid(format!("there is no kind of lookup `{}`", shortened(&ask.kind))))?;
    if !scope.allows(kind) {
        return Err(denied(format!("the pipeline has no grant for lookups of the kind `{}`", kind.word())));
    }
    if kind != Kind::Http && !ask.body.is_empty() {
        return Err(invalid(format!("a lookup of the kind `{}` has no body", kind.word())));
    }
    let mut addressed = match kind {
        Kind::Revision => revision(&ask.params, scope, sites),
        Kind::Compare => crate::compare::question(&ask.params, scope, sites),
        Kind::Html => crate::html::question(&ask.params, scope, sites),
        Kind::Query => crate::query::question(&ask.params, scope, sites),
        Kind::Http => crate::http::question(ask, scope, sites, cfg),
    }?;
    if kind != Kind::Http && addressed.site.visibility == Visibility::Private {
        addressed.sharing = Sharing::Unshared;
    }
    Ok(addressed)
}

/// The params of `revision`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevisionParams<'a> {
    #[serde(borrow)]
    domain: Cow<'a, str>,
    rev_id: u64,
    #[serde(borrow, default)]
    slots: Option<Vec<Cow<'a, str>>>,
}

fn revision(params: &str, scope: &Scope, sites: &Sites) -> Result<Addressed, LookupError> {
    let params: RevisionParams<'_> = read_params(params)?;
    let rev_id = checked_revision("rev_id", params.rev_id)?;
    let slots = slots(params.slots)?;
    let (target, site) = wiki(&params.domain, scope, sites)?;
    let question = Question::Revision(RevisionQuestion { rev_id, slots });
    Ok(Addressed { target, site, question, sharing: Sharing::Shared })
}

/// Reads the slots: none are all of them; named ones are sorted, so that their order makes no difference.
fn slots(named: Option<Vec<Cow<'_, str>>>) -> Result<Slots, LookupError> {
    let Some(mut named) = named else { return Ok(Slots::All) };
    named.sort_unstable();
    named.dedup();
    let good = |role: &str| {
        role.len() <= 64 && !role.is_empty() && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if named.is_empty() || named.len() > SLOTS_MAX || !named.iter().all(|role| good(role)) {
        return Err(invalid(format!("`slots` must name 1 to {SLOTS_MAX} roles of ASCII letters, digits, `-` and `_`")));
    }
    if named.len() == 1 && named.first().is_some_and(|role| role == "main") {
        return Ok(Slots::Main);
    }
    Ok(Slots::Named(named.join("%7C").into()))
}

/// Finds a configured and granted wiki.
pub(crate) fn wiki(domain: &str, scope: &Scope, sites: &Sites) -> Result<(String, Arc<Site>), LookupError> {
    let fault = || denied(format!("no wiki `{}` is configured and granted to the pipeline", shortened(domain)));
    let domain = domain::normal(domain).ok_or_else(fault)?;
    if !scope.allows_wiki(&domain) {
        return Err(fault());
    }
    let site = sites.wiki(&domain).ok_or_else(fault)?;
    Ok((domain.into_owned(), site))
}

/// Reads params; serde says what is wrong with them.
pub(crate) fn read_params<'a, T: Deserialize<'a>>(params: &'a str) -> Result<T, LookupError> {
    serde_json::from_str(params).map_err(|error| invalid(format!("the params cannot be read: {error}")))
}

/// Revision 0 is how MediaWiki says "none".
pub(crate) fn checked_revision(name: &str, rev_id: u64) -> Result<u64, LookupError> {
    // The API reads ids as signed 64-bit numbers.
    if rev_id == 0 || i64::try_from(rev_id).is_err() {
        return Err(invalid(format!("`{name}` is {rev_id}, which is no revision's id")));
    }
    Ok(rev_id)
}

pub(crate) fn invalid(message: impl Into<String>) -> LookupError {
    LookupError::new(LookupErrorKind::Invalid, message)
}

pub(crate) fn denied(message: impl Into<String>) -> LookupError {
    LookupError::new(LookupErrorKind::Denied, message)
}

/// The beginning of what a plugin wrote, for a message.
pub(crate) fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    text.chars().take(CHARACTERS_MAX).flat_map(char::escape_default).collect()
}
