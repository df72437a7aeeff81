//! A folder in which no compiled plugin can be kept: a small file system that is full where this user may mount one, else a
//! folder that this user may not write to.

use anyhow::Context as _;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A full disk; it is unmounted when the value is dropped.
#[derive(Debug)]
pub(crate) struct FullDisk {
    folder: PathBuf,
    mounted: bool,
}

impl FullDisk {
    /// Makes one at `folder`, which must not exist. Where nothing can be mounted, `cache` lends the key that every cache has.
    ///
    /// # Errors
    /// The folder cannot be made, or the disk cannot be filled.
    pub(crate) fn at(folder: &Path, cache: &Path) -> anyhow::Result<Self> {
        fs::create_dir(folder)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16k,mode=700", "tmpfs"]).arg(folder);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        let disk = Self { folder: folder.to_owned(), mounted };
        if mounted {
            disk.fill()?;
        } else {
            fs::copy(cache.join("key"), folder.join("key")).context("the cache has no key yet")?;
            fs::set_permissions(folder, Permissions::from_mode(0o500))?;
        }
        Ok(disk)
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn fill(&self) -> anyhow::Result<()> {
        let mut file = fs::File::create(self.folder.join("filler"))?;
        // A file system of 16 KiB is full after a few pages; anything else is a disk that this would fill for others.
        const PAGES_MAX: usize = 16;
        for _ in 0..PAGES_MAX {
            if let Err(error) = file.write_all(&[0; 4096]) {
                let full = error.kind() == std::io::ErrorKind::StorageFull;
                return if full { Ok(()) } else { Err(error.into()) };
            }
        }
        anyhow::bail!("{} is larger than it was made", self.folder.display())
    }

    /// Unmounts it, once nobody uses it any more.
    ///
    /// # Errors
    /// Somebody still does.
    pub(crate) fn remove(mut self) -> anyhow::Result<()> {
        self.unmount().context("the full disk cannot be unmounted")
    }

    fn unmount(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.mounted) {
            let status = Command::new("umount").arg(&self.folder).status()?;
            anyhow::ensure!(status.success(), "umount {}: {status}", self.folder.display());
        }
        Ok(())
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        // Only a run that failed gets here with the disk still mounted, and its error is the one to tell.
        drop(self.unmount());
    }
}
