//! The bytes of plugins that run or ran lately, in the host's private directory: progress names plugins by their digest,
//! and after a restart an event ends on the one that started it. A file whose bytes do not have the digest that it is
//! named by is not used.

use crate::job::PipelineId;
use anyhow::{Context as _, ensure};
use millrace_flow::boundaries::VERSIONS_MAX;
use millrace_plugin::{Digest, Engine, Plugin};
use rustc_hash::FxHashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The folder in the private directory.
const FOLDER: &str = "plugins";

/// Plugins that are kept beside those that progress can name: enough to come back to one of last week.
const SPARE_FILES: usize = 16;

/// Where plugins are kept. Cloning shares it.
#[derive(Clone)]
pub struct PluginStore(Arc<Inner>);

struct Inner {
    /// None: nothing is kept beyond the life of the process.
    folder: Option<PathBuf>,
    files_max: usize,
    /// The plugin that each pipeline ran last.
    running: Mutex<FxHashMap<PipelineId, Plugin>>,
}

impl PluginStore {
    /// Keeps plugins below the private directory `dir`, for so many pipelines.
    pub fn new(dir: Option<&Path>, pipelines: usize) -> Self {
        let folder = dir.map(|dir| dir.join(FOLDER));
        let files_max = pipelines.saturating_mul(VERSIONS_MAX).saturating_add(SPARE_FILES);
        Self(Arc::new(Inner { folder, files_max, running: Mutex::default() }))
    }

    /// Notes what a pipeline runs, for its next start.
    pub fn runs(&self, pipeline: PipelineId, plugin: Plugin) {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).insert(pipeline, plugin);
    }

    /// What a pipeline ran last, in this process.
    pub fn last(&self, pipeline: PipelineId) -> Option<Plugin> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).get(&pipeline).cloned()
    }

    /// Keeps a plugin's bytes. That they cannot be kept is told, and costs nothing until a restart needs them.
    pub fn keep(&self, digest: &Digest, bytes: &[u8]) {
        let Some(folder) = &self.0.folder else { return };
        if let Err(error) = keep(folder, digest, bytes).and_then(|()| prune(folder, self.0.files_max)) {
            tracing::warn!(
                folder = %folder.display(),
                %digest,
                %error,
                "The plugin's bytes cannot be kept. After a restart, events that it started run on its successor."
            );
        }
    }

    /// Reads and compiles a plugin that was kept.
    ///
    /// # Errors
    /// It was not kept, or is damaged.
    pub async fn load(&self, engine: &Engine, digest: Digest) -> anyhow::Result<Plugin> {
        let folder = self.0.folder.clone().context("no plugin is kept, because `plugins.cache_dir` is not set")?;
        let engine = engine.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let path = path(&folder, &digest);
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(Digest::of(&bytes) == digest, "{} is damaged: its digest is another", path.display());
            Ok(engine.load(&bytes)?)
        });
        loading.await.context("the compiler ended in a fault")?
    }
}

fn path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(format!("{digest}.wasm"))
}

/// Writes whole files only: the host may be killed at any time, and others may use the same directory. One that is there
/// already is written again, so that it is the last to go.
fn keep(folder: &Path, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let path = path(folder, digest);
    let temporary = folder.join(format!("{digest}.{}.part", std::process::id()));
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // It may not even have been made; the error that counts is the first.
        drop(fs::remove_file(&temporary));
    }
    written
}

/// Removes the oldest files beyond `files_max`.
fn prune(folder: &Path, files_max: usize) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    files.sort();
    let surplus = files.len().saturating_sub(files_max);
    files.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn the_oldest_files_go_first_and_one_that_is_kept_again_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let plugins: Vec<Vec<u8>> = (0..4_u8).map(|number| vec![number]).collect();
        let path_of = |bytes: &[u8]| path(dir.path(), &Digest::of(bytes));
        for (age, bytes) in (1..).zip(&plugins) {
            keep(dir.path(), &Digest::of(bytes), bytes).unwrap();
            let then = UNIX_EPOCH + Duration::from_secs(age);
            fs::File::options().write(true).open(path_of(bytes)).unwrap().set_modified(then).unwrap();
        }
        keep(dir.path(), &Digest::of(&plugins[0]), &plugins[0]).unwrap();
        prune(dir.path(), 2).unwrap();
        let left: Vec<bool> = plugins.iter().map(|bytes| path_of(bytes).exists()).collect();
        assert_eq!(left, [true, false, false, true]);
    }

    #[test]
    fn without_a_directory_nothing_is_kept() {
        let store = PluginStore::new(None, 1);
        store.keep(&Digest::of(b"x"), b"x");
        assert!(store.0.folder.is_none());
    }
}
