//! Where calls can go: the configured wikis and HTTP targets, checked once, with their secrets read from files.

use crate::config::{Compression, HttpTargetConfig, LookupConfig, SLOTS_MAX, Visibility, WikiConfig};
use crate::domain::DomainPattern;
use crate::error::LookupConfigError;
use reqwest::Url;
use reqwest::header::HeaderValue;
use rustc_hash::FxHashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

/// One configured wiki pattern or HTTP target.
pub(crate) struct Site {
    /// Scheme, host, port and prefix, without a final slash. None: `https://` and the wiki's own domain.
    pub(crate) base: Option<String>,
    /// The `Host` header of an HTTP target; a wiki's is its domain.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) api_path: String,
    pub(crate) rest_path: String,
    /// Marked sensitive, so that it is never printed.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) visibility: Visibility,
    pub(crate) compression: Compression,
    pub(crate) maxlag_s: Option<u32>,
    pub(crate) slots: usize,
    pub(crate) calls_per_second_max: Option<NonZeroU32>,
    /// The slots of all hosts of the group together.
    pub(crate) group_slots: Option<NonZeroU32>,
    /// The calls per second of all hosts of the group together.
    pub(crate) group_calls_per_second_max: Option<NonZeroU32>,
}

/// All sites.
pub(crate) struct Sites {
    wikis: Vec<(DomainPattern, Arc<Site>)>,
    http: FxHashMap<String, Arc<Site>>,
}

impl Sites {
    /// Checks the configured sites and reads their secrets.
    pub(crate) fn new(cfg: &LookupConfig) -> Result<Self, LookupConfigError> {
        let wikis = cfg
            .wikis
            .iter()
            .map(|wiki| Ok((DomainPattern::parse(&wiki.domain)?, Arc::new(wiki_site(wiki)?))))
            .collect::<Result<Vec<_>, LookupConfigError>>()?;
        let mut http = FxHashMap::default();
        for target in &cfg.http_targets {
            if http.insert(target.name.clone(), Arc::new(http_site(target)?)).is_some() {
                return Err(LookupConfigError::DoubleTarget { name: target.name.clone() });
            }
        }
        Ok(Self { wikis, http })
    }

    /// Everything that is wrong with single sites.
    pub(crate) fn faults(cfg: &LookupConfig) -> Vec<LookupConfigError> {
        let http = cfg.http_targets.iter().filter_map(|target| http_site(target).err());
        cfg.wikis.iter().flat_map(wiki_faults).chain(http).collect()
    }

    /// The site of a wiki, by its domain's normal form.
    pub(crate) fn wiki(&self, domain: &str) -> Option<Arc<Site>> {
        self.wikis.iter().find(|(pattern, _)| pattern.matches(domain)).map(|(_, site)| Arc::clone(site))
    }

    /// The site of an HTTP target.
    pub(crate) fn http(&self, name: &str) -> Option<Arc<Site>> {
        self.http.get(name).cloned()
    }
}

fn wiki_site(cfg: &WikiConfig) -> Result<Site, LookupConfigError> {
    Ok(Site {
        base: cfg.endpoint.as_deref().map(|url| base("the endpoint of a wiki", url)).transpose()?,
        host: None,
        api_path: path("the API path of a wiki", &cfg.api_path)?,
        rest_path: path("the REST path of a wiki", &cfg.rest_path)?,
        authorization: cfg.authorization_file.as_deref().map(secret).transpose()?,
        visibility: cfg.visibility,
        compression: cfg.compression,
        maxlag_s: cfg.maxlag_s,
        slots: slots(cfg.slots)?,
        calls_per_second_max: rate(cfg.calls_per_second_max)?,
        group_slots: group_slots(cfg.group.slots)?,
        group_calls_per_second_max: rate(cfg.group.calls_per_second_max)?,
    })
}

/// Everything that is wrong with a wiki, as far as it does not hide behind something else.
fn wiki_faults(cfg: &WikiConfig) -> Vec<LookupConfigError> {
    let [api_path, rest_path] =
        [("the API path of a wiki", &cfg.api_path), ("the REST path of a wiki", &cfg.rest_path)]
            .map(|(what, text)| path(what, text).err());
    let endpoint = cfg.endpoint.as_deref().and_then(|url| base("the endpoint of a wiki", url).err());
    let authorization = cfg.authorization_file.as_deref().and_then(|path| secret(path).err());
    let domain = DomainPattern::parse(&cfg.domain).err();
    let found: Vec<_> = [domain, endpoint, api_path, rest_path, authorization].into_iter().flatten().collect();
    if found.is_empty() { wiki_site(cfg).err().into_iter().collect() } else { found }
}

fn http_site(cfg: &HttpTargetConfig) -> Result<Site, LookupConfigError> {
    let host = cfg.host.as_deref().map(HeaderValue::from_str).transpose();
    Ok(Site {
        base: Some(base("the base URL of an HTTP target", &cfg.base_url)?),
        host: host.map_err(|_| LookupConfigError::Header { what: "the host of an HTTP target" })?,
        api_path: String::new(),
        rest_path: String::new(),
        authorization: cfg.authorization_file.as_deref().map(secret).transpose()?,
        visibility: Visibility::Private,
        compression: Compression::None,
        maxlag_s: None,
        slots: slots(cfg.slots)?,
        calls_per_second_max: rate(cfg.calls_per_second_max)?,
        group_slots: group_slots(cfg.group.slots)?,
        group_calls_per_second_max: rate(cfg.group.calls_per_second_max)?,
    })
}

fn slots(slots: usize) -> Result<usize, LookupConfigError> {
    bounded("the slots of a target", slots as u64, 1, SLOTS_MAX as u64).map(|_| slots)
}

fn group_slots(slots: Option<u32>) -> Result<Option<NonZeroU32>, LookupConfigError> {
    let Some(slots) = slots else { return Ok(None) };
    bounded("the slots of a target in all hosts of the group", u64::from(slots), 1, u64::from(u32::MAX))?;
    Ok(NonZeroU32::new(slots))
}

fn rate(calls: Option<u32>) -> Result<Option<NonZeroU32>, LookupConfigError> {
    let Some(calls) = calls else { return Ok(None) };
    bounded("the calls per second of a target", u64::from(calls), 1, u64::from(u32::MAX))?;
    Ok(NonZeroU32::new(calls))
}

/// Checks a number against its bounds.
pub(crate) fn bounded(what: &'static str, value: u64, min: u64, max: u64) -> Result<u64, LookupConfigError> {
    if (min..=max).contains(&value) { Ok(value) } else { Err(LookupConfigError::Bounds { what, value, min, max }) }
}

/// A base URL without a final slash.
pub(crate) fn base(what: &'static str, url: &str) -> Result<String, LookupConfigError> {
    let fault = |reason: &str| LookupConfigError::Url { what, url: url.to_owned(), reason: reason.to_owned() };
    let parsed = Url::parse(url).map_err(|error| fault(&error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(fault("it must begin with http:// or https:// and name a host"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        // The URL itself could hold the secret, so it is not shown.
        let reason = "credentials do not belong into a URL; use a file".to_owned();
        return Err(LookupConfigError::Url { what, url: "(hidden)".to_owned(), reason });
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(fault("it must end with the path"));
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

fn path(what: &'static str, path: &str) -> Result<String, LookupConfigError> {
    let good = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && !b"?#%\\".contains(&b));
    if !good || path.split('/').any(|part| part == "..") {
        let reason = "it must begin with `/` and hold neither `?`, `#`, `%`, `\\` nor `..`".to_owned();
        return Err(LookupConfigError::Url { what, url: path.to_owned(), reason });
    }
    Ok(path.to_owned())
}

/// Reads a secret header's value.
pub(crate) fn secret(path: &Path) -> Result<HeaderValue, LookupConfigError> {
    let what = "the authorization file";
    let text = std::fs::read_to_string(path).map_err(|source| LookupConfigError::File {
        what,
        path: path.to_owned(),
        source,
    })?;
    let mut value = HeaderValue::from_str(text.trim()).ok().filter(|value| !value.is_empty());
    if let Some(value) = &mut value {
        value.set_sensitive(true);
    }
    value.ok_or_else(|| LookupConfigError::Content {
        what,
        path: path.to_owned(),
        expected: "one line with the value of an `Authorization` header",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_base(url: &str, expected: Option<&str>) {
        assert_eq!(base("the endpoint", url).ok().as_deref(), expected);
    }

    #[test]
    fn a_base_url_names_scheme_and_host() {
        check_base("http://127.0.0.1:6500/", Some("http://127.0.0.1:6500"));
        check_base("https://api.test/prefix/", Some("https://api.test/prefix"));
        for bad in
            ["", "127.0.0.1:6500", "ftp://a.org", "file:///etc/passwd", "http://a.org/?q", "http://a.org/#f", "http://"]
        {
            check_base(bad, None);
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_shown() {
        let error = base("the endpoint", "http://me:hunter2@a.org").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn the_first_pattern_that_matches_is_taken() {
        let wiki = |domain: &str, slots| WikiConfig { domain: domain.into(), slots, ..WikiConfig::default() };
        let cfg = LookupConfig { wikis: vec![wiki("a.test.org", 1), wiki("*.test.org", 2)], ..LookupConfig::default() };
        let sites = Sites::new(&cfg).unwrap();
        assert_eq!(sites.wiki("a.test.org").unwrap().slots, 1);
        assert_eq!(sites.wiki("b.test.org").unwrap().slots, 2);
        assert!(sites.wiki("test.org").is_none());
    }

    #[test]
    fn no_slots_are_a_mistake() {
        let wiki = WikiConfig { domain: "a.org".into(), slots: 0, ..WikiConfig::default() };
        assert!(matches!(wiki_site(&wiki), Err(LookupConfigError::Bounds { .. })));
    }
}
