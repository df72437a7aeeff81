//! Plugins in Go, with the standard compiler: every command of the module is one.
//!
//! Go's runtime always imports WASI, so each is encoded with a module that answers these imports.

mod release;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::encode::{self, Bindings, Core};
use crate::step::{execute, line};
use crate::tree;
use release::Release;

/// Whether the folder holds plugins in Go.
pub(super) fn is_written_in(folder: &Path) -> bool {
    folder.join("go.mod").is_file()
}

/// Builds every command of the module in `folder` and answers the paths of the components, by name.
///
/// # Errors
/// When there is no Go that is new enough, or a plugin does not compile or encode.
pub(super) fn build(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = std::path::absolute(folder)?;
    let release = Release::choose()?;
    let mut components = Vec::new();
    for command in commands(&release, &folder)? {
        let name = command.file_name().and_then(|name| name.to_str()).context("a command's folder has a name")?;
        let core = Core {
            module: folder.join(format!("target/core/{name}.wasm")),
            component: folder.join(format!("target/components/{name}.wasm")),
            bindings: Bindings::ByHand { wasi: tree::root().join("guests/go/wasi.wat") },
        };
        compile(&release, &folder, &command, &core.module)?;
        components.push(encode::up_to_date(&core)?);
    }
    if components.is_empty() {
        bail!("{} has no plugin: none of its packages is called main", folder.display());
    }
    components.sort();
    Ok(components)
}

/// Lets the compiler's own checker look at the module in `folder`. What its plugins make of events is judged where they
/// run: as components.
///
/// # Errors
/// When it finds something.
pub(super) fn vet(folder: &Path) -> anyhow::Result<()> {
    execute(Release::choose()?.go(folder).args(["vet", "./..."]))
}

/// The folders of the module's commands.
fn commands(release: &Release, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut list = release.go(folder);
    list.args(["list", "-f", r#"{{if eq .Name "main"}}{{.Dir}}{{end}}"#, "./..."]);
    let output = list.output().with_context(|| format!("cannot start {}", line(&list)))?;
    if !output.status.success() {
        bail!("{} failed: {}", line(&list), String::from_utf8_lossy(&output.stderr).trim());
    }
    let listed = String::from_utf8(output.stdout).context("the paths of packages are not UTF-8")?;
    Ok(listed.lines().filter(|path| !path.is_empty()).map(PathBuf::from).collect())
}

/// Compiles one command. Go has a cache of its own but makes its result look new each time, so only one that differs
/// takes the place of the module.
fn compile(release: &Release, folder: &Path, command: &Path, module: &Path) -> anyhow::Result<()> {
    let fresh = module.with_extension("new");
    // Names of functions stay in, so that a trap's stack can be read; what a debugger wants does not.
    execute(
        release
            .go(folder)
            .args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-w", "-o"])
            .args([&fresh, command]),
    )?;
    let bytes = fs::read(&fresh).with_context(|| format!("cannot read {}", fresh.display()))?;
    encode::write_changed(module, &bytes)
}
