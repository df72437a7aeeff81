//! Plugins in C: bindings are generated, `make` compiles by the folder's own Makefile, and each result is encoded.
//!
//! A plugin is a folder with a `plugin.c`. The Makefile is given `BINDINGS` and `OUT` and puts `<folder>.wasm` into
//! `OUT`; what is compiled again is its business.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::contract;
use super::encode::{self, Bindings, Core};
use crate::step::execute;

/// Whether the folder holds plugins in C.
pub(super) fn is_written_in(folder: &Path) -> bool {
    folder.join("Makefile").is_file() && plugins(folder).is_ok_and(|names| !names.is_empty())
}

/// Builds every plugin of the folder and answers the paths of the components, by name.
///
/// # Errors
/// When there is no clang for WebAssembly, or a plugin does not compile or encode.
pub(super) fn build(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    check_compiler()?;
    let folder = std::path::absolute(folder)?;
    let (bindings, out) = (folder.join("target/bindings"), folder.join("target/core"));
    contract::write_c_bindings(&bindings)?;
    let mut make = make(&folder);
    make.arg(format!("BINDINGS={}", bindings.display())).arg(format!("OUT={}", out.display()));
    execute(&mut make)?;
    let core = |name: String| Core {
        module: out.join(format!("{name}.wasm")),
        component: folder.join(format!("target/components/{name}.wasm")),
        bindings: Bindings::Generated,
    };
    plugins(&folder)?.into_iter().map(|name| encode::up_to_date(&core(name))).collect()
}

/// Runs the native tests that the folder's Makefile has.
///
/// # Errors
/// When one fails.
pub(super) fn test(folder: &Path) -> anyhow::Result<()> {
    let folder = std::path::absolute(folder)?;
    execute(make(&folder).arg("test").arg(format!("OUT={}", folder.join("target/test").display())))
}

fn make(folder: &Path) -> Command {
    let mut make = Command::new("make");
    make.args(["--silent", "--directory"]).arg(folder);
    make
}

/// The folders with a plugin, by name.
fn plugins(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().join("plugin.c").is_file() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort();
    Ok(names)
}

/// A clang that knows WebAssembly, with its linker and a C library: three packages of Debian.
fn check_compiler() -> anyhow::Result<()> {
    let compiles = |source: &str, arguments: &[&str]| {
        let mut clang = Command::new("clang");
        clang.args(["--target=wasm32-wasi", "-x", "c"]).args(arguments).args(["-o", "/dev/null", source]);
        clang.output().is_ok_and(|output| output.status.success())
    };
    // An empty program that needs the library, its headers and the linker.
    let linked = ["-nodefaultlibs", "-mexec-model=reactor", "-include", "stdlib.h", "-lc"];
    if !compiles("/dev/null", &linked) {
        bail!("clang cannot compile for wasm32-wasi here: on Debian, 'apt-get install clang lld wasi-libc'");
    }
    Ok(())
}
