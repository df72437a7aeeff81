//! `./x guests [DIR]`: builds a folder of plugins for WebAssembly and encodes each as a component, and so what a crate has as
//! WebAssembly's text in its folder `wat`. Those in Python are `python.rs`'s business.
//!
//! A component lands in `<target directory>/components/<name>.wasm`: by the name of its crate or file, or of its folder
//! where it is written in C or Go. What a plugin may import is not judged here; the host does that when it loads one.

mod c;
mod contract;
mod encode;
mod go;
mod text;
mod toolchain;

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::progress::say;
use crate::python;
use crate::step::line;
use crate::tree;
use encode::{Bindings, Core};
pub(crate) use toolchain::Toolchain;

/// Arguments of `./x guests`.
#[derive(Debug, clap::Args)]
pub(crate) struct GuestsArgs {
    /// A folder with the Cargo.toml of a plugin or of a workspace of plugins, with the pyproject.toml of a plugin, with the
    /// go.mod of plugins in Go, or laid out as guests/c is; without it, the plugins of this repository that have an SDK.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The same by its manifest: a Cargo.toml or its folder.
    #[arg(long, value_name = "PATH", conflicts_with = "directory")]
    manifest_path: Option<PathBuf>,
}

/// Builds the plugins and tells where each component is.
///
/// # Errors
/// When there is no manifest, no usable WebAssembly target, or a plugin does not compile or encode.
pub(crate) fn run(args: GuestsArgs) -> anyhow::Result<()> {
    let components = match args.manifest_path.or(args.directory) {
        None => build(&tree::guests_manifest())?.into_iter().chain(python::build_all()?).collect(),
        Some(folder) if python::is_plugin(&folder) => vec![python::build(&std::path::absolute(folder)?, None)?],
        Some(folder) if c::is_written_in(&folder) => c::build(&folder)?,
        Some(folder) if go::is_written_in(&folder) => go::build(&folder)?,
        Some(given) => build(&manifest_of(given)?)?,
    };
    for component in components {
        let kilobytes = std::fs::metadata(&component)?.len().div_ceil(1000);
        say(&format!("{} ({kilobytes} kB)", component.display()));
    }
    Ok(())
}

/// Builds every plugin of the workspace at `manifest` and answers the paths of the components, by name.
///
/// # Errors
/// As [`run`].
pub(crate) fn build(manifest: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let toolchain = Toolchain::choose()?;
    let mut components = Vec::new();
    for (core, folder) in build_cores(&toolchain, manifest)? {
        components.push(encode::up_to_date(&core)?);
        for source in text::sources(&folder)? {
            components.push(text::up_to_date(&source, &core.component)?);
        }
    }
    if components.is_empty() {
        bail!("{} has no plugin: none of its crates has crate-type = [\"cdylib\"]", manifest.display());
    }
    components.sort();
    Ok(components)
}

/// Builds the plugins of guests/c and guests/go, which are written against the contract alone.
///
/// # Errors
/// When a compiler is missing, or a plugin does not compile or encode.
pub(crate) fn build_without_sdk() -> anyhow::Result<()> {
    c::build(&tree::root().join("guests/c"))?;
    go::build(&tree::root().join("guests/go"))?;
    Ok(())
}

/// Runs the native tests of guests/c, and the checks that Go has for guests/go.
///
/// # Errors
/// When one fails.
pub(crate) fn test_without_sdk() -> anyhow::Result<()> {
    c::test(&tree::root().join("guests/c"))?;
    go::vet(&tree::root().join("guests/go"))
}

fn manifest_of(path: PathBuf) -> anyhow::Result<PathBuf> {
    let manifest = if path.is_dir() { path.join("Cargo.toml") } else { path };
    if !manifest.is_file() {
        bail!("{} is not there: name a folder that has a Cargo.toml or a pyproject.toml", manifest.display());
    }
    Ok(std::path::absolute(manifest)?)
}

/// The core module of each plugin, and the folder of its crate.
fn build_cores(toolchain: &Toolchain, manifest: &Path) -> anyhow::Result<Vec<(Core, PathBuf)>> {
    let mut command = toolchain.cargo(manifest);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", line(&command)))?;
    let output = child.stdout.take().context("cargo has no stdout")?;
    let mut cores = Vec::new();
    for message in serde_json::Deserializer::from_reader(BufReader::new(output)).into_iter::<Value>() {
        cores.extend(core_of(&message.context("cargo's messages are not JSON")?));
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the plugins of {} do not compile ({status}); cargo's message is above", manifest.display());
    }
    Ok(cores)
}

/// The core module that one of cargo's messages tells of: `target/wasm32-unknown-unknown/release/<name>.wasm`,
/// and the folder of its crate.
fn core_of(message: &Value) -> Option<(Core, PathBuf)> {
    let is_plugin = message.pointer("/target/kind")?.as_array()?.iter().any(|kind| kind == "cdylib");
    if message.get("reason")? != "compiler-artifact" || !is_plugin {
        return None;
    }
    let files = message.get("filenames")?.as_array()?.iter().filter_map(Value::as_str);
    let module = PathBuf::from(files.into_iter().find(|file| file.ends_with(".wasm"))?);
    let name = message.pointer("/target/name")?.as_str()?.replace('_', "-");
    let target_directory = module.parent()?.parent()?.parent()?;
    let component = target_directory.join("components").join(format!("{name}.wasm"));
    let folder = Path::new(message.get("manifest_path")?.as_str()?).parent()?.to_owned();
    Some((Core { module, component, bindings: Bindings::Generated }, folder))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_core(kind: &str, file: &str, expected: Option<&str>) {
        let message = json!({
            "reason": "compiler-artifact",
            "manifest_path": "/p/page-content-change/Cargo.toml",
            "target": {"kind": [kind], "name": "page_content_change"},
            "filenames": [file],
        });
        let found = core_of(&message).map(|(core, _)| core.component);
        assert_eq!(found.as_deref(), expected.map(Path::new));
    }

    #[test]
    fn component_lies_in_the_target_directory_under_the_crate_name() {
        let module = "/p/target/wasm32-unknown-unknown/release/page_content_change.wasm";
        check_core("cdylib", module, Some("/p/target/components/page-content-change.wasm"));
    }

    #[test]
    fn libraries_and_native_artifacts_are_no_components() {
        check_core("rlib", "/p/target/wasm32-unknown-unknown/release/libsdk.rlib", None);
        check_core("cdylib", "/p/target/release/libpage.so", None);
    }

    #[test]
    fn a_folder_without_manifest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{:#}", manifest_of(folder.path().to_owned()).unwrap_err());
        assert!(text.contains("Cargo.toml is not there"), "{text}");
    }
}
