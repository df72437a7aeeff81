//! The contract of `wit/` as tools want it: parsed, and as bindings for C.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wit_bindgen_c::Opts;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_component::StringEncoding;

use super::encode::write_changed;
use crate::tree;

/// The world that every plugin is a component of.
const WORLD: &str = "plugin";

/// The folder of the contract.
pub(super) fn folder() -> PathBuf {
    tree::root().join("wit")
}

/// The contract's file, by whose age what was made from it is judged.
pub(super) fn file() -> PathBuf {
    folder().join("plugin.wit")
}

fn read() -> anyhow::Result<(Resolve, WorldId)> {
    let folder = folder();
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    Ok((resolve, world))
}

/// Adds the section to a core module that says which world it was written for, as generators of bindings do.
///
/// # Errors
/// When the contract cannot be read.
pub(super) fn embed(module: &mut Vec<u8>) -> anyhow::Result<()> {
    let (resolve, world) = read()?;
    wit_component::embed_component_metadata(module, &resolve, world, StringEncoding::UTF8)
}

/// Writes the bindings for C into `folder`: `plugin.h`, `plugin.c` and `plugin_component_type.o`. A file that says what
/// it said before keeps its age, so that nothing is compiled again for it.
///
/// # Errors
/// When the contract cannot be read, or a file cannot be written.
pub(super) fn write_c_bindings(folder: &Path) -> anyhow::Result<()> {
    let (mut resolve, world) = read()?;
    let mut files = Files::default();
    Opts::default().build().generate(&mut resolve, world, &mut files)?;
    fs::create_dir_all(folder)?;
    for (name, bytes) in files.iter() {
        write_changed(&folder.join(name), bytes)?;
    }
    Ok(())
}
