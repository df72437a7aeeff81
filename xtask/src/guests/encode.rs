//! From a core module, as the compiler leaves it, to a component. Only what changed is encoded again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wit_component::ComponentEncoder;

use super::Core;

/// Encodes the component unless it is newer than its module; answers its path.
///
/// # Errors
/// When the module holds no contract (it was built without the SDK or `wit-bindgen`), imports what the contract does
/// not offer, or a file cannot be read or written.
pub(super) fn up_to_date(core: &Core) -> anyhow::Result<PathBuf> {
    if !is_stale(&core.module, &core.component)? {
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
    ComponentEncoder::default().validate(true).module(&fs::read(&core.module)?)?.encode()
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
