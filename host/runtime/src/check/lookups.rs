//! What wikis and services are called with: addresses, authorities, secrets. Nobody is called.

use super::Check;
use crate::config::{HostConfig, MediaWikiConfig};
use crate::launch::lookups::{lookup_config, scope};
use anyhow::Error;
use millrace_lookup::{EventService, LookupConfig, LookupConfigError};
use std::collections::BTreeSet;

/// What is advised where a host would not start.
const REMEDY: &str = "correct it: a host does not start with it";
/// What is advised where a pipeline would not.
const REMEDY_PIPELINE: &str = "correct it: the pipeline does not start with it";

impl Check {
    /// Finds what would keep the host or a pipeline from asking.
    pub(super) fn lookups(&mut self, config: &HostConfig) {
        let all = lookup_config(config);
        let wikis = LookupConfig { http_targets: Vec::new(), ..all.clone() };
        // What all wikis have in common is wrong for each of them.
        let mut told = BTreeSet::new();
        for error in wikis.check() {
            let key = config.mediawiki.as_ref().and_then(|mediawiki| key_of(&error, mediawiki));
            let keys: Vec<&str> = ["mediawiki"].into_iter().chain(key).collect();
            let problem = problem(error);
            if told.insert(problem.clone()) {
                self.mistake(&keys, problem, REMEDY);
            }
        }
        for target in all.http_targets {
            let name = target.name.clone();
            let only = LookupConfig { http_targets: vec![target], ..LookupConfig::default() };
            for error in only.check() {
                self.mistake(&["http", &name], problem(error), REMEDY);
            }
        }
        for (index, pipeline) in config.pipelines.iter().enumerate() {
            if let Err(error) = scope(pipeline) {
                self.pipeline_mistake(index, &["lookups"], format!("{error:#}"), REMEDY_PIPELINE);
            }
            let service = pipeline.event_service.as_ref().map(|outlet| &outlet.service);
            if let Some(Err(error)) = service.map(|service| EventService::new(service, &LookupConfig::default())) {
                self.pipeline_mistake(index, &["event_service"], problem(error), REMEDY_PIPELINE);
            }
        }
    }
}

fn problem(error: LookupConfigError) -> String {
    format!("{:#}", Error::from(error))
}

/// The key of `mediawiki` that holds what is wrong.
fn key_of(error: &LookupConfigError, mediawiki: &MediaWikiConfig) -> Option<&'static str> {
    match error {
        LookupConfigError::Domain { domain, .. } if mediawiki.private_wikis.contains(domain) => Some("private_wikis"),
        LookupConfigError::Domain { .. } => Some("wikis"),
        LookupConfigError::Url { url, .. } if mediawiki.endpoint.as_ref() == Some(url) => Some("endpoint"),
        LookupConfigError::Url { url, .. } if mediawiki.api_path == *url => Some("api_path"),
        LookupConfigError::Url { url, .. } if mediawiki.rest_path == *url => Some("rest_path"),
        LookupConfigError::File { path, .. } | LookupConfigError::Content { path, .. } => {
            Some(if mediawiki.ca_file.as_ref() == Some(path) { "ca_file" } else { "authorization_file" })
        }
        LookupConfigError::Header { .. } => Some("contact"),
        LookupConfigError::Url { .. }
        | LookupConfigError::Bounds { .. }
        | LookupConfigError::DoubleTarget { .. }
        | LookupConfigError::Client { .. } => None,
    }
}
