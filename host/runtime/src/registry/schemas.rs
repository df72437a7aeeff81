//! Schemas by their URI, from an ordered list of repositories: the first that has one wins. A version never changes, so
//! what was read once is kept: compiled in memory, and on disk what came over HTTP.

use super::{disk, fetcher};
use anyhow::Context as _;
use millrace_lookup::fetch::{FetchError, Fetcher};
use millrace_platform::{Schema, SchemaError, SchemaUri, SchemaVersion};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long it is remembered that a schema cannot be had, so that those who ask together wait for one answer.
const FAILURE_KEPT: Duration = Duration::from_secs(30);

/// What stands behind a schema's URI in a repository: all have YAML, older ones JSON. Without an ending it is a link to one
/// of these, and the last resort: where links are not kept, such a file holds the name of the other and no schema.
const ENDINGS: [&str; 3] = [".yaml", ".json", ""];

/// Where schemas are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemasConfig {
    /// In the order in which they are asked. At least one.
    pub repositories: Vec<Repository>,
    /// Where schemas that came over HTTP are kept. None: in memory only.
    pub cache_dir: Option<PathBuf>,
    /// How long a repository may take for one answer.
    pub deadline: Duration,
    /// Further authorities to trust, as PEM.
    pub ca_file: Option<PathBuf>,
}

/// One repository, by what stands before a schema's URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repository {
    /// A folder.
    Folder(PathBuf),
    /// An address without a slash at its end.
    Http(String),
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Http(base) => f.write_str(base),
        }
    }
}

/// A schema cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaLookupError {
    /// No repository has it.
    #[error("the schema {uri} is in no repository of `schemas`{}", told(versions))]
    Missing {
        /// The schema.
        uri: SchemaUri,
        /// The versions of it that folders have, in their order.
        versions: Vec<SchemaVersion>,
    },
    /// No repository has it, but not all could be asked.
    #[error("the schema {uri} cannot be read: {reasons}")]
    Unreachable {
        /// The schema.
        uri: SchemaUri,
        /// Each repository with what went wrong.
        reasons: String,
    },
    /// What a repository has for it is no schema that can be used.
    #[error("{place}: {error}")]
    Unusable {
        /// The file or address.
        place: String,
        /// What is wrong with it.
        error: SchemaError,
    },
}

fn told(versions: &[SchemaVersion]) -> String {
    if versions.is_empty() {
        return ", and no version of it".to_owned();
    }
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    format!("; there are the versions {}", versions.join(", "))
}

/// All schemas of a host. Shared by its pipelines; lives as long as the host.
#[derive(Debug)]
pub struct Schemas {
    config: SchemasConfig,
    fetcher: Option<Fetcher>,
    known: Mutex<HashMap<SchemaUri, Known>>,
}

#[derive(Clone, Debug)]
enum Known {
    Schema(Arc<Schema>),
    Failure(SchemaLookupError, Instant),
}

/// A text with where it was.
struct Found {
    text: Vec<u8>,
    place: String,
}

impl Schemas {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// The client for HTTP cannot be made.
    pub fn new(config: SchemasConfig) -> anyhow::Result<Self> {
        let asks_http = config.repositories.iter().any(|repository| matches!(repository, Repository::Http(_)));
        let fetcher = asks_http.then(|| fetcher(config.ca_file.as_deref(), None, config.deadline)).transpose();
        let fetcher = fetcher.context("the client for `schemas.repositories`")?;
        Ok(Self { config, fetcher, known: Mutex::default() })
    }

    /// The schema `uri`, compiled. Who asks for it first waits for the repositories, and whoever asks meanwhile with it.
    ///
    /// # Errors
    /// It cannot be had; asked again within half a minute, the answer is the same.
    pub async fn get(&self, uri: &SchemaUri) -> Result<Arc<Schema>, SchemaLookupError> {
        let mut known = self.known.lock().await;
        match known.get(uri) {
            Some(Known::Schema(schema)) => return Ok(Arc::clone(schema)),
            Some(Known::Failure(error, at)) if at.elapsed() < FAILURE_KEPT => return Err(error.clone()),
            Some(Known::Failure(..)) | None => {}
        }
        let read = self.read(uri).await;
        let now = match &read {
            Ok(schema) => Known::Schema(Arc::clone(schema)),
            Err(error) => Known::Failure(error.clone(), Instant::now()),
        };
        known.insert(uri.clone(), now);
        read
    }

    async fn read(&self, uri: &SchemaUri) -> Result<Arc<Schema>, SchemaLookupError> {
        let mut reasons = Vec::new();
        for repository in &self.config.repositories {
            let found = match repository {
                Repository::Folder(folder) => in_folder(folder, uri).map_err(|error| error.to_string()),
                Repository::Http(base) => self.over_http(base, uri).await,
            };
            match found {
                Ok(Some(found)) => return compile(uri, found).await,
                Ok(None) => {}
                Err(reason) => reasons.push(format!("{repository}: {reason}")),
            }
        }
        if !reasons.is_empty() {
            return Err(SchemaLookupError::Unreachable { uri: uri.clone(), reasons: reasons.join("; ") });
        }
        Err(SchemaLookupError::Missing { uri: uri.clone(), versions: self.versions(uri.title()) })
    }

    /// What the repository at `base` has, or had when it was asked before.
    async fn over_http(&self, base: &str, uri: &SchemaUri) -> Result<Option<Found>, String> {
        let copy = self.config.cache_dir.as_ref().map(|folder| {
            let path = uri.to_string();
            folder.join("schemas").join(disk::name_of(base)).join(path.trim_start_matches('/'))
        });
        if let Some(copy) = &copy {
            // A copy that cannot be read is fetched anew.
            let text = disk::read_if_there(copy).unwrap_or_default();
            if let Some(text) = text.filter(|text| Schema::compile(uri, text).is_ok()) {
                return Ok(Some(Found { text, place: copy.display().to_string() }));
            }
        }
        let fetcher = self.fetcher.as_ref().ok_or("there is no client for it")?;
        for ending in ENDINGS {
            let place = format!("{base}{uri}{ending}");
            match fetcher.get(&place).await {
                Ok(text) => {
                    let text = text.to_vec();
                    if let Some(copy) = copy.filter(|_| Schema::compile(uri, &text).is_ok()) {
                        keep(&copy, &text);
                    }
                    return Ok(Some(Found { text, place }));
                }
                Err(FetchError::NotFound { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(None)
    }

    /// The versions of the schema called `title` that the folders among the repositories have, in their order.
    pub fn versions(&self, title: &str) -> Vec<SchemaVersion> {
        let mut versions = Vec::new();
        for repository in &self.config.repositories {
            let Repository::Folder(folder) = repository else { continue };
            // A folder without this schema has no version of it.
            let Ok(files) = std::fs::read_dir(folder.join(title)) else { continue };
            let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
            let version = |name: String| {
                let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
                SchemaVersion::parse(stem.unwrap_or(&name))
            };
            versions.extend(names.filter_map(version));
        }
        versions.sort_unstable();
        versions.dedup();
        versions
    }
}

fn in_folder(folder: &Path, uri: &SchemaUri) -> std::io::Result<Option<Found>> {
    for ending in ENDINGS {
        let path = PathBuf::from(format!("{}{uri}{ending}", folder.display()));
        if let Some(text) = disk::read_if_there(&path)? {
            return Ok(Some(Found { text, place: path.display().to_string() }));
        }
    }
    Ok(None)
}

/// Compiles beside the I/O threads: a schema of hundreds of fields takes milliseconds.
async fn compile(uri: &SchemaUri, found: Found) -> Result<Arc<Schema>, SchemaLookupError> {
    let (of_task, Found { text, place }) = (uri.clone(), found);
    let compiled = tokio::task::spawn_blocking(move || Schema::compile(&of_task, &text)).await;
    match compiled {
        Ok(Ok(schema)) => Ok(Arc::new(schema)),
        Ok(Err(error)) => Err(SchemaLookupError::Unusable { place, error }),
        Err(fault) => Err(SchemaLookupError::Unreachable { uri: uri.clone(), reasons: format!("{place}: {fault}") }),
    }
}

/// Keeps a copy. Without it the schema is fetched again after a restart, which is worth a warning and no more.
fn keep(copy: &Path, text: &[u8]) {
    if let Err(error) = disk::write(copy, text) {
        tracing::warn!(file = %copy.display(), %error, "A schema could not be kept on disk; it is fetched again next time.");
    }
}
