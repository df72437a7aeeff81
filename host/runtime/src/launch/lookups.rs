//! What the configuration says of wikis and HTTP services, as the lookup service takes it: private wikis first, because
//! the first pattern that matches a domain is taken.

use crate::config::{HostConfig, MediaWikiConfig, PipelineConfig};
use anyhow::Context as _;
use millrace_lookup::config::{Agent, Timeouts, Visibility};
use millrace_lookup::{Grants, Kind, LookupConfig, Scope, Standing, WikiConfig};
use std::sync::Arc;
use std::time::Duration;

/// The lookup service's configuration. A host without wikis answers every question to one with
/// `denied`.
pub fn lookup_config(config: &HostConfig) -> LookupConfig {
    let defaults = LookupConfig { http_targets: config.http_targets.clone(), ..LookupConfig::default() };
    let Some(mediawiki) = &config.mediawiki else { return defaults };
    let private = mediawiki.private_wikis.iter().map(|domain| wiki(mediawiki, domain, Visibility::Private));
    let public = mediawiki.wikis.iter().map(|domain| wiki(mediawiki, domain, Visibility::Public));
    let mut young = defaults.young;
    young.window_ms = millis(mediawiki.young_age);
    LookupConfig {
        agent: Agent { contact: mediawiki.contact.clone(), ..Agent::default() },
        wikis: private.chain(public).collect(),
        ca_file: mediawiki.ca_file.clone(),
        calls_max: mediawiki.call_slots_total,
        cache_bytes_max: mediawiki.cache_bytes,
        cache_ttl_ms: millis(mediawiki.cache_ttl),
        young,
        timeouts: Timeouts { total_ms: millis(mediawiki.timeout), ..Timeouts::default() },
        ..defaults
    }
}

fn wiki(mediawiki: &MediaWikiConfig, domain: &str, visibility: Visibility) -> WikiConfig {
    WikiConfig {
        domain: domain.to_owned(),
        endpoint: mediawiki.endpoint.clone(),
        api_path: mediawiki.api_path.clone(),
        rest_path: mediawiki.rest_path.clone(),
        slots: mediawiki.call_slots,
        calls_per_second_max: mediawiki.rate_per_second,
        group: mediawiki.group,
        visibility,
        authorization_file: mediawiki.authorization_file.clone(),
        ..WikiConfig::default()
    }
}

/// What a pipeline may ask.
///
/// # Errors
/// A kind of lookup that does not exist, or a wiki that is no domain.
pub fn scope(config: &PipelineConfig) -> anyhow::Result<Arc<Scope>> {
    let kinds: anyhow::Result<_> = config
        .lookups
        .kinds
        .iter()
        .map(|word| Kind::of_word(word).with_context(|| format!("there is no lookup of kind `{word}`")))
        .collect();
    let (wikis, http) = (config.lookups.wikis.clone().unwrap_or_default(), config.lookups.http.clone());
    let grants = Grants { kinds: kinds?, wikis, http };
    let standing =
        config.backfill.map_or(Standing::Live, |backfill| Standing::Backfill { share_percent: backfill.api_percent });
    Ok(Arc::new(Scope::new(&config.name, &grants)?.standing(standing)))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
