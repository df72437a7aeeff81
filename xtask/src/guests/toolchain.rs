//! Which Rust compiles plugins: the default one where it has a WebAssembly target, else Debian's second one.
//!
//! Debian's `rustc-web` brings no standard library for WebAssembly, so cargo builds it from `rust-web-src`, which
//! needs the compiler's unstable switches. Installing either is the business of `./x`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::progress::say;
use crate::tree;

/// The target of plugins: no WASI, so nothing of the outside can be imported by accident.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A way to compile plugins that works on this machine.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// The default toolchain has the target.
    Default,
    /// Debian's packages `rustc-web`, `cargo-web`, `rust-web-src` and `lld-22`.
    Debian {
        /// Its cargo, compiler and linker: their full paths, because another Rust usually comes first on the PATH.
        cargo: PathBuf,
        /// The compiler.
        rustc: PathBuf,
        /// The linker.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// The first way that works, in the order: installed, Debian's where it is installed, added by rustup.
    ///
    /// # Errors
    /// When there is none; the message says what to do.
    pub(crate) fn choose() -> anyhow::Result<Self> {
        if has_default_target()? {
            return Ok(Self::Default);
        }
        if let Some(debian) = debian() {
            return Ok(debian);
        }
        if !tree::is_automatic() && add_target() {
            return Ok(Self::Default);
        }
        bail!(
            "no Rust here can compile for {TARGET}: run 'rustup target add {TARGET}', \
             or on Debian 'apt-get install rustc-web cargo-web rust-web-src lld-22'"
        );
    }

    /// `cargo build` of the workspace at `manifest`, with its messages as JSON on stdout and its progress on stderr.
    pub(crate) fn cargo(&self, manifest: &Path) -> Command {
        let mut command = match self {
            Self::Default => Command::new("cargo"),
            Self::Debian { cargo, rustc, linker } => {
                let mut command = Command::new(cargo);
                // What rustup's proxies set for their own toolchain would lead this one astray.
                for name in ["RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTDOC", "CARGO"] {
                    command.env_remove(name);
                }
                command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
                command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                command
            }
        };
        command.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
        command.arg("--manifest-path").arg(manifest);
        // A workspace may hold native crates beside its plugins; its members decide, not the current folder.
        command.args(["--workspace", "--lib"]);
        if matches!(self, Self::Debian { .. }) {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}

fn has_default_target() -> anyhow::Result<bool> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().context("cannot start rustc")?;
    let sysroot = String::from_utf8_lossy(&output.stdout);
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn debian() -> Option<Toolchain> {
    // dpkg answers nothing for a package that is not there, and fails where there is no dpkg.
    package_file("rust-web-src", "/Cargo.lock")?;
    Some(Toolchain::Debian {
        cargo: package_file("cargo-web", "/bin/cargo")?,
        rustc: package_file("rustc-web", "/bin/rustc")?,
        linker: package_file("lld-22", "/bin/wasm-ld-22")?,
    })
}

/// The first file of an installed Debian package whose path ends like that.
fn package_file(package: &str, ending: &str) -> Option<PathBuf> {
    let output = Command::new("dpkg").args(["--listfiles", package]).output().ok()?;
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let path = listing.lines().find(|path| path.ends_with(ending))?;
    Some(PathBuf::from(path)).filter(|path| path.exists())
}

fn add_target() -> bool {
    say(&format!("adding Rust's {TARGET} target"));
    Command::new("rustup").args(["target", "add", TARGET]).status().is_ok_and(|status| status.success())
}
