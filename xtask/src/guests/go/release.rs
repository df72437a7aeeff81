//! Which Go compiles plugins: the one on the PATH where it is new enough, else one that it downloads.
//!
//! Go distributes itself as a module, so any Go that knows modules can fetch a newer one, through the same proxy and
//! with the same check of sums as every other module. Debian 12 has Go 1.19.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::progress::say;
use crate::step::line;
use crate::tree;

/// The oldest minor release of Go 1 that can export functions by name (`go:wasmexport`).
const MINOR_NEEDED: u32 = 24;

/// What is downloaded where Go is older: the last patch of the oldest release that will do, so that it stays tested.
const DOWNLOADED: &str = "1.24.13";

/// A Go that can compile plugins.
#[derive(Debug)]
pub(super) struct Release {
    go: OsString,
}

impl Release {
    /// The Go of this machine, or a newer one that it fetches once into `target/tools/go`.
    ///
    /// # Errors
    /// When there is no Go at all, or it is too old and cannot fetch a newer one; the message says what to do.
    pub(super) fn choose() -> anyhow::Result<Self> {
        let Some(version) = version_of("go".as_ref()) else {
            bail!(
                "plugins in Go need Go 1.{MINOR_NEEDED} or newer, and there is none: \
                 on Debian 'apt-get install golang-go' (an older one will do to fetch a newer one), else see go.dev/dl"
            );
        };
        if is_new_enough(&version) {
            return Ok(Self { go: "go".into() });
        }
        let go = downloaded().with_context(|| {
            format!(
                "plugins in Go need Go 1.{MINOR_NEEDED} or newer, this is {version}, and Go {DOWNLOADED} could not be \
                 downloaded: install a newer one as go.dev/dl says and put it on the PATH"
            )
        })?;
        Ok(Self { go: go.into() })
    }

    /// `go` for WebAssembly, in the module at `folder`.
    pub(super) fn go(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.go);
        command.env("GOOS", "wasip1").env("GOARCH", "wasm");
        // This release and no other, and no workspace that the module happens to lie in.
        command.env("GOTOOLCHAIN", "local").env("GOWORK", "off").env_remove("GOROOT").current_dir(folder);
        command
    }
}

/// What `go version` says, such as `go1.19.8`; none where there is no Go.
fn version_of(go: &Path) -> Option<String> {
    let output = Command::new(go).arg("version").env("GOTOOLCHAIN", "local").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.split_whitespace().nth(2).map(str::to_owned)
}

/// A development version (`devel`) passes, because who has one knows what they do.
fn is_new_enough(version: &str) -> bool {
    let minor = version.strip_prefix("go1.").map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().unwrap_or(0)
    });
    minor.is_none_or(|minor| minor >= MINOR_NEEDED)
}

/// The command of the downloaded release.
fn downloaded() -> anyhow::Result<PathBuf> {
    let modules = tree::root().join("target/tools/go");
    let (system, machine) = (go_env("GOHOSTOS")?, go_env("GOHOSTARCH")?);
    let module = format!("golang.org/toolchain@v0.0.1-go{DOWNLOADED}.{system}-{machine}");
    let go = modules.join(&module).join("bin/go");
    if version_of(&go).is_some_and(|version| is_new_enough(&version)) {
        return Ok(go);
    }
    say(&format!("downloading Go {DOWNLOADED}, once"));
    let mut download = Command::new("go");
    download.args(["mod", "download", "-json", &module]).current_dir(tree::root());
    download.env("GOMODCACHE", &modules).env("GOTOOLCHAIN", "local").env("GOFLAGS", "-modcacherw");
    let output = download.output().with_context(|| format!("cannot start {}", line(&download)))?;
    if !output.status.success() {
        bail!("{}: {}", line(&download), reason(&output.stdout, &output.stderr));
    }
    make_usable(&modules.join(&module), &format!("{system}_{machine}"))?;
    // The archive is as large again and of no more use.
    fs::remove_dir_all(modules.join("cache")).context("cannot remove what was downloaded")?;
    Ok(go)
}

fn go_env(name: &str) -> anyhow::Result<String> {
    let output = Command::new("go").args(["env", name]).env("GOTOOLCHAIN", "local").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Why a download failed: `-json` says it on stdout.
fn reason(stdout: &[u8], stderr: &[u8]) -> String {
    let said = serde_json::from_slice::<Value>(stdout).unwrap_or_default();
    match said.get("Error").and_then(Value::as_str) {
        Some(error) => error.to_owned(),
        None => String::from_utf8_lossy(stderr).trim().to_owned(),
    }
}

/// Modules carry neither permissions nor a second `go.mod`; Go mends both when it fetches itself, and older ones do not.
fn make_usable(release: &Path, platform: &str) -> anyhow::Result<()> {
    for folder in ["bin".to_owned(), format!("pkg/tool/{platform}")] {
        let folder = release.join(folder);
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o755))?;
        }
    }
    fs::copy(release.join("src/_go.mod"), release.join("src/go.mod")).context("cannot restore go.mod")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_before_the_needed_one_are_too_old() {
        for (version, expected) in [
            ("go1.19.8", false),
            ("go1.23.12", false),
            ("go1.24", true),
            ("go1.24rc1", true),
            ("go1.26.8", true),
            ("devel", true),
        ] {
            assert_eq!(is_new_enough(version), expected, "{version}");
        }
    }

    #[test]
    fn failed_download_says_why() {
        assert_eq!(reason(br#"{"Path": "a", "Error": "not found"}"#, b""), "not found");
        assert_eq!(reason(b"", b"dial tcp: no route\n"), "dial tcp: no route");
    }
}
