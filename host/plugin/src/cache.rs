//! Compiled code of plugins, kept in a private directory: the one place where the host runs machine code that it did
//! not compile in this process, and the crate's only `unsafe` of its own.
//!
//! A file is named by the engine's settings and version and by the plugin's digest, and begins with a MAC under a key
//! that lies in the same directory. The directory must be private to the host's user: whoever can write to it could
//! run code in the host. What does not verify is compiled again, and a disk without room costs compiling at every start:
//! neither keeps a host from working.

use crate::digest::Digest;
use crate::error::PluginError;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::component::Component;

/// The file with the key of the MACs.
const KEY_FILE: &str = "key";

/// Bytes of the key and of a MAC: one SHA-256.
const MAC_BYTES: usize = 32;

/// Bytes of a block of SHA-256, which HMAC (RFC 2104) pads its key to.
const BLOCK_BYTES: usize = 64;

/// Read and written by the host's user only.
const FILE_MODE: u32 = 0o600;

/// Entered by the host's user only.
const DIRECTORY_MODE: u32 = 0o700;

/// A directory of compiled plugins.
pub(crate) struct CodeCache {
    dir: PathBuf,
    key: [u8; MAC_BYTES],
    /// Tells code of other engine versions, settings and processors apart.
    engine: String,
}

impl CodeCache {
    /// Opens the directory, which is made if it is missing. None: its disk has no room for it, so nothing is kept.
    pub(crate) fn open(dir: PathBuf, wasm: &wasmtime::Engine) -> Result<Option<Self>, PluginError> {
        let refuse = |message: String| PluginError::Cache { path: dir.clone(), message };
        let made = fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&dir);
        let key = match made.and_then(|()| read_or_make_key(&dir)) {
            Ok(key) => key,
            Err(error) if has_no_room(&error) => {
                tracing::warn!(dir = %dir.display(), %error, "Compiled plugins cannot be kept; every start compiles.");
                return Ok(None);
            }
            Err(error) => return Err(refuse(error.to_string())),
        };
        check_private(&dir).map_err(refuse)?;
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let engine = format!("{:016x}", hasher.hash_one(HashOf(wasm)));
        Ok(Some(Self { dir, key, engine }))
    }

    /// The compiled plugin, if it is there and verifies.
    pub(crate) fn get(&self, wasm: &wasmtime::Engine, digest: &Digest) -> Option<Component> {
        let name = self.name(digest);
        let path = self.dir.join(&name);
        let file = fs::read(&path).ok()?;
        let (mac, code) = file.split_first_chunk::<MAC_BYTES>()?;
        if *mac != self.mac(&name, code) {
            tracing::warn!(path = %path.display(), "a compiled plugin does not verify and is compiled again");
            return None;
        }
        deserialize(wasm, code)
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a compiled plugin cannot be used"))
            .ok()
    }

    /// Keeps a compiled plugin. That it cannot be kept costs time at the next start and nothing else.
    pub(crate) fn put(&self, digest: &Digest, component: &Component) {
        let name = self.name(digest);
        let kept = component
            .serialize()
            .map_err(|error| error.to_string())
            .and_then(|code| self.write(&name, &code).map_err(|error| error.to_string()));
        if let Err(error) = kept {
            tracing::warn!(dir = %self.dir.display(), %error, "a compiled plugin cannot be kept");
        }
    }

    /// Writes whole files only: another host may read, or this one may be killed, at any time.
    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let unique = format!("{name}.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let temporary = self.dir.join(unique);
        let written = create_private(&temporary).and_then(|mut file| {
            file.write_all(&self.mac(name, code))?;
            file.write_all(code)?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| fs::rename(&temporary, self.dir.join(name)));
        if renamed.is_err() {
            // It may not even have been made; the error that counts is the first.
            drop(fs::remove_file(&temporary));
        }
        renamed
    }

    fn name(&self, digest: &Digest) -> String {
        format!("{digest}-{}", self.engine)
    }

    /// HMAC-SHA-256 of the file's name and code: a file that is renamed does not verify.
    fn mac(&self, name: &str, code: &[u8]) -> [u8; MAC_BYTES] {
        let pad = |with: u8| {
            let mut block = [with; BLOCK_BYTES];
            block.iter_mut().zip(self.key).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(name).chain_update([0]).chain_update(code);
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
    }
}

/// Lets the engine's compatibility hash, which is only a `Hash`, be hashed like a value.
struct HashOf<'a>(&'a wasmtime::Engine);

impl std::hash::Hash for HashOf<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.precompile_compatibility_hash().hash(state);
    }
}

#[expect(unsafe_code, reason = "loading compiled code cannot be checked by the compiler; the reasoning is below")]
fn deserialize(wasm: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must come from `Component::serialize`, unchanged. The MAC over them was just verified with a
    // key that only this user can read, over the very buffer that is handed on, so nobody else wrote them and nothing
    // changed since. wasmtime itself refuses code of another version, other settings or another processor.
    unsafe { Component::deserialize(wasm, code) }
}

/// Whether an error is the disk's and passes when there is room again. Anything else is a mistake that people correct.
fn has_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

/// The key, made at the first use. Two hosts that start at once agree: the file is linked in whole, or not at all.
fn read_or_make_key(dir: &Path) -> io::Result<[u8; MAC_BYTES]> {
    let path = dir.join(KEY_FILE);
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => {
            let key = read?;
            let size = || io::Error::other("the key has the wrong size; remove the directory");
            return <[u8; MAC_BYTES]>::try_from(key).map_err(|_key| size());
        }
    }
    let mut key = [0; MAC_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let temporary = dir.join(format!("{KEY_FILE}.{}", std::process::id()));
    let written = create_private(&temporary).and_then(|mut file| {
        file.write_all(&key)?;
        // A key that is linked is whole, also after the machine has lost its power.
        file.sync_all()
    });
    let linked = written.and_then(|()| fs::hard_link(&temporary, &path));
    // It may not even have been made; the error that counts is the first.
    drop(fs::remove_file(&temporary));
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_or_make_key(dir),
        linked => linked.map(|()| key),
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}

/// Refuses a directory that others can write to or that is somebody else's.
fn check_private(dir: &Path) -> Result<(), String> {
    let directory = fs::symlink_metadata(dir).map_err(|error| error.to_string())?;
    let key = fs::symlink_metadata(dir.join(KEY_FILE)).map_err(|error| error.to_string())?;
    if !directory.is_dir() {
        return Err("it is no directory".to_owned());
    }
    if directory.mode() & 0o077 != 0 {
        return Err("it is open to other users; `chmod 700` it, or name another".to_owned());
    }
    if key.mode() & 0o077 != 0 || key.uid() != directory.uid() {
        return Err("its key is open to other users or is not its owner's; remove the directory".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn engine() -> wasmtime::Engine {
        wasmtime::Engine::default()
    }

    /// Keeps a component, lets `damage` at its file, and says whether it is still there.
    #[track_caller]
    fn check(damage: impl FnOnce(&mut Vec<u8>), found: bool) {
        let dir = tempfile::tempdir().unwrap();
        let wasm = engine();
        let cache = CodeCache::open(dir.path().join("code"), &wasm).unwrap().unwrap();
        let bytes = wat::parse_str("(component)").unwrap();
        let digest = Digest::of(&bytes);
        cache.put(&digest, &Component::new(&wasm, &bytes).unwrap());
        let path = dir.path().join("code").join(cache.name(&digest));
        let mut file = fs::read(&path).unwrap();
        damage(&mut file);
        fs::write(&path, &file).unwrap();
        let reopened = CodeCache::open(dir.path().join("code"), &wasm).unwrap().unwrap();
        assert_eq!(reopened.get(&wasm, &digest).is_some(), found);
    }

    #[test]
    fn what_was_kept_is_found_by_the_next_host() {
        check(|_file| {}, true);
    }

    #[test]
    fn what_was_changed_is_not_run() {
        check(|file| file[0] ^= 1, false);
        check(|file| *file.last_mut().unwrap() ^= 1, false);
        check(|file| file.truncate(40), false);
        check(Vec::clear, false);
    }

    #[test]
    fn code_of_another_plugin_does_not_verify_under_this_name() {
        let dir = tempfile::tempdir().unwrap();
        let wasm = engine();
        let cache = CodeCache::open(dir.path().join("code"), &wasm).unwrap().unwrap();
        let bytes = wat::parse_str("(component)").unwrap();
        let (digest, other) = (Digest::of(&bytes), Digest::of(b"other"));
        cache.put(&digest, &Component::new(&wasm, &bytes).unwrap());
        let dir = dir.path().join("code");
        fs::copy(dir.join(cache.name(&digest)), dir.join(cache.name(&other))).unwrap();
        assert!(cache.get(&wasm, &other).is_none());
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let refused = CodeCache::open(dir.path().to_owned(), &engine());
        assert!(matches!(refused, Err(PluginError::Cache { .. })));
    }

    #[test]
    fn only_a_disk_without_room_is_passed_over() {
        use io::ErrorKind::{NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        for kind in [StorageFull, QuotaExceeded, ReadOnlyFilesystem] {
            assert!(has_no_room(&kind.into()), "{kind}");
        }
        for kind in [NotADirectory, PermissionDenied] {
            assert!(!has_no_room(&kind.into()), "{kind}");
        }
    }
}
