//! Notices that a plugin's file is another: written in place, renamed over, or swapped by a symlink somewhere on its path,
//! as Kubernetes does. What is in the file is not looked at here.
//!
//! The system's notifications only say *when* to look; whether the file is another is decided by what the system says of
//! it. So a notification too many costs a look, and one that never comes (a network file system, no more watches) costs
//! five seconds.

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a file is looked at without any notification.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A file that was unchanged for this long is taken as written to its end. One that is not will be refused, and looked at
/// again with its next change.
const QUIET: Duration = Duration::from_millis(250);

/// A file that changes all the time is looked at after this long all the same.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(10);

/// Symbolic links that are followed: as many as Linux does.
const LINKS_MAX: usize = 40;

/// The watch on all plugin files of a host: one, because a user may have few. Cloning shares it.
#[derive(Clone)]
pub struct FileWatch(Arc<Shared>);

struct Shared {
    /// None: there are no notifications.
    watcher: Option<Mutex<Watched>>,
    nudges: watch::Sender<u64>,
}

struct Watched {
    watcher: RecommendedWatcher,
    folders: HashSet<PathBuf>,
}

impl FileWatch {
    /// Starts to watch, nothing yet.
    pub fn start() -> Self {
        let (nudges, _) = watch::channel(0);
        let nudge = nudges.clone();
        // What happened does not matter, nor does an error: both mean that somebody should look.
        let watcher = notify::recommended_watcher(move |_| nudge.send_modify(|count| *count += 1));
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(%error, every_s = LOOK_EVERY.as_secs(), "Plugin files are looked at now and then only.");
            })
            .ok()
            .map(|watcher| Mutex::new(Watched { watcher, folders: HashSet::new() }));
        Self(Arc::new(Shared { watcher, nudges }))
    }

    /// Watches what could make `file` another file: its folder, and that of every link on the way.
    fn cover(&self, file: &Path) {
        let Some(watched) = &self.0.watcher else { return };
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in folders_of(file) {
            // One that cannot be watched is missing or gone; the file is looked at now and then all the same.
            if !watched.folders.contains(&folder) && watched.watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok()
            {
                watched.folders.insert(folder);
            }
        }
        // A folder that was removed, as Kubernetes removes old ones, is no longer watched by the system.
        watched.folders.retain(|folder| folder.exists());
    }
}

/// The folders in which a change can make `file` another file.
fn folders_of(file: &Path) -> HashSet<PathBuf> {
    let mut folders = HashSet::new();
    let mut paths = vec![std::path::absolute(file).unwrap_or_else(|_| file.to_owned())];
    let mut links = 0;
    while let Some(path) = paths.pop() {
        for part in path.ancestors() {
            let Some(folder) = part.parent() else { continue };
            if part == path {
                folders.insert(folder.to_owned());
            }
            if let Ok(target) = std::fs::read_link(part) {
                folders.insert(folder.to_owned());
                links += 1;
                if links <= LINKS_MAX {
                    let rest = path.strip_prefix(part).unwrap_or(Path::new(""));
                    paths.push(if rest.as_os_str().is_empty() {
                        folder.join(target)
                    } else {
                        folder.join(target).join(rest)
                    });
                }
                break;
            }
        }
    }
    folders
}

/// What the system says of a file. Equal: it is the same file with the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// Of the file at the end of all links; none where there is none.
    fn of(file: &Path) -> Option<Self> {
        let known = std::fs::metadata(file).ok()?;
        Some(Self {
            device: known.dev(),
            inode: known.ino(),
            bytes: known.size(),
            modified: (known.mtime(), known.mtime_nsec()),
            changed: (known.ctime(), known.ctime_nsec()),
        })
    }
}

/// One plugin's file.
pub struct PluginFile {
    path: PathBuf,
    watch: FileWatch,
    nudges: watch::Receiver<u64>,
    seen: Option<Identity>,
}

impl PluginFile {
    /// Watches a file from now on: what changes after this is noticed, so read it afterwards.
    pub fn watch(path: PathBuf, watch: &FileWatch) -> Self {
        watch.cover(&path);
        let nudges = watch.0.nudges.subscribe();
        Self { seen: Identity::of(&path), path, watch: watch.clone(), nudges }
    }

    /// Waits until the file is another than it was, and seems to have been written to its end.
    pub async fn changed(&mut self) {
        while Identity::of(&self.path) == self.seen {
            self.nudged(LOOK_EVERY).await;
        }
        let give_up = Instant::now() + QUIET_WAIT_MAX;
        loop {
            let before = Identity::of(&self.path);
            tokio::time::sleep(QUIET).await;
            if Identity::of(&self.path) == before || Instant::now() >= give_up {
                // Whatever happens from here on counts as a change again.
                self.seen = before;
                self.watch.cover(&self.path);
                return;
            }
        }
    }

    /// Waits for a notification, at most for `wait`.
    async fn nudged(&mut self, wait: Duration) {
        // The sender lives as long as the watch that this file holds; time out or not, the caller looks.
        drop(tokio::time::timeout(wait, self.nudges.changed()).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Lets `change` happen to a watched file and waits until that is noticed, well before the next look without any
    /// notification.
    #[track_caller]
    fn check(prepare: impl FnOnce(&Path) -> PathBuf, change: impl FnOnce(&Path)) {
        let dir = tempfile::tempdir().unwrap();
        let path = prepare(dir.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut file = PluginFile::watch(path, &FileWatch::start());
            change(dir.path());
            tokio::time::timeout(LOOK_EVERY * 4 / 5, file.changed()).await.expect("the change is noticed");
        });
    }

    fn plain(dir: &Path) -> PathBuf {
        let path = dir.join("p.wasm");
        fs::write(&path, "one").unwrap();
        path
    }

    #[test]
    fn a_file_that_is_written_in_place_is_another() {
        check(plain, |dir| fs::write(dir.join("p.wasm"), "two").unwrap());
    }

    #[test]
    fn a_file_that_is_renamed_over_it_is_another() {
        check(plain, |dir| {
            fs::write(dir.join("new"), "two").unwrap();
            fs::rename(dir.join("new"), dir.join("p.wasm")).unwrap();
        });
    }

    #[test]
    fn a_file_that_is_gone_is_another() {
        check(plain, |dir| fs::remove_file(dir.join("p.wasm")).unwrap());
    }

    /// As Kubernetes mounts a ConfigMap: `p.wasm` -> `..data/p.wasm`, `..data` -> `..1`.
    fn mounted(dir: &Path) -> PathBuf {
        for number in ["..1", "..2"] {
            fs::create_dir(dir.join(number)).unwrap();
            fs::write(dir.join(number).join("p.wasm"), number).unwrap();
        }
        symlink("..1", dir.join("..data")).unwrap();
        symlink("..data/p.wasm", dir.join("p.wasm")).unwrap();
        dir.join("p.wasm")
    }

    fn swap_link(dir: &Path, link: &str, target: &str) {
        symlink(target, dir.join("new")).unwrap();
        fs::rename(dir.join("new"), dir.join(link)).unwrap();
    }

    #[test]
    fn a_link_that_is_swapped_makes_it_another() {
        check(mounted, |dir| swap_link(dir, "..data", "..2"));
    }

    #[test]
    fn a_folder_on_the_way_that_is_swapped_makes_it_another() {
        let releases = |dir: &Path| {
            for number in ["1", "2"] {
                fs::create_dir_all(dir.join("releases").join(number).join("plugins")).unwrap();
                fs::write(dir.join("releases").join(number).join("plugins/p.wasm"), number).unwrap();
            }
            symlink("releases/1", dir.join("current")).unwrap();
            dir.join("current/plugins/p.wasm")
        };
        check(releases, |dir| swap_link(dir, "current", "releases/2"));
    }

    #[test]
    fn links_in_a_circle_end() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert_eq!(folders_of(&dir.path().join("a")).len(), 1);
    }
}
