//! Where things are in this repository, and how to call the cargo that built this program.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root: the folder above this crate.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The workspace of the guests, which is not a member of the host's.
pub(crate) fn guests_manifest() -> PathBuf {
    root().join("guests/Cargo.toml")
}

/// The default toolchain's cargo, started in the repository's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
    command
}

/// Whether this is an automatic run (`CI=true`): nobody is there to ask, and nothing is fetched from optional places.
pub(crate) fn is_automatic() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
