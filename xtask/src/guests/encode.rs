//! From a core module, as the compiler leaves it, to a component. Only what changed is encoded again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wit_component::ComponentEncoder;

use super::contract;

/// The imports of WASI that language runtimes insist on, as core modules name them.
const WASI: &str = "wasi_snapshot_preview1";

/// A core module that a compiler made, and where its component belongs.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) module: PathBuf,
    pub(super) component: PathBuf,
    pub(super) bindings: Bindings,
}

/// Who wrote what stands between the plugin and the contract.
#[derive(Debug)]
pub(super) enum Bindings {
    /// A generator, which put the contract into a section of the module.
    Generated,
    /// The author. The contract is put into the module, and `wasi` answers what it imports of WASI.
    ByHand {
        /// A module in the text format, which becomes part of the component.
        wasi: PathBuf,
    },
}

/// Encodes the component unless it is newer than what it is made of; answers its path.
///
/// # Errors
/// When the module holds no contract (it was built without the SDK or `wit-bindgen`), imports what the contract does
/// not offer, or a file cannot be read or written.
pub(super) fn up_to_date(core: &Core) -> anyhow::Result<PathBuf> {
    let mut parts = vec![core.module.clone()];
    if let Bindings::ByHand { wasi } = &core.bindings {
        parts.extend([contract::file(), wasi.clone()]);
    }
    let stale: Vec<bool> = parts.iter().map(|part| is_stale(part, &core.component)).collect::<anyhow::Result<_>>()?;
    if !stale.contains(&true) {
        return Ok(core.component.clone());
    }
    let component = encode(core).with_context(|| {
        format!("{} cannot be made a component; is it built with the plugin SDK?", core.module.display())
    })?;
    write_whole(&core.component, &component).with_context(|| format!("cannot write {}", core.component.display()))?;
    Ok(core.component.clone())
}

/// Whether `component` is not newer than what it is made of.
///
/// # Errors
/// When its source cannot be read.
pub(super) fn is_stale(source: &Path, component: &Path) -> anyhow::Result<bool> {
    let made = |path: &Path| fs::metadata(path)?.modified();
    let written = made(source).with_context(|| format!("cannot read {}", source.display()))?;
    Ok(made(component).map_or(true, |component| component <= written))
}

fn encode(core: &Core) -> anyhow::Result<Vec<u8>> {
    let mut module = fs::read(&core.module)?;
    let encoder = ComponentEncoder::default().validate(true);
    let mut encoder = match &core.bindings {
        Bindings::Generated => encoder.module(&module)?,
        Bindings::ByHand { wasi } => {
            contract::embed(&mut module)?;
            encoder.module(&module)?.adapter(WASI, &wat::parse_file(wasi)?)?
        }
    };
    encoder.encode()
}

/// Writes the file unless it holds these bytes already, so that its age says when it last changed.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_changed(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    write_whole(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Renames into place, so that a host that loads it at this moment sees the old or the new one, never half of it.
///
/// # Errors
/// When the folder or the file cannot be written.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a component has a folder")?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.persist(path)?;
    Ok(())
}
