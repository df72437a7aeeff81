//! From a core module, as the compiler leaves it, to a component. Only what changed is encoded again.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use wit_component::ComponentEncoder;

use super::Core;

/// Encodes the component unless it is newer than its module; answers its path.
///
/// # Errors
/// When the module holds no contract (it was built without the SDK or `wit-bindgen`), imports what the contract does
/// not offer, or a file cannot be read or written.
pub(super) fn up_to_date(core: &Core) -> anyhow::Result<PathBuf> {
    if !is_stale(core).with_context(|| format!("cannot read {}", core.module.display()))? {
        return Ok(core.component.clone());
    }
    let component = encode(core).with_context(|| {
        format!("{} cannot be made a component; is it built with the plugin SDK?", core.module.display())
    })?;
    write_whole(&core.component, &component).with_context(|| format!("cannot write {}", core.component.display()))?;
    Ok(core.component.clone())
}

fn is_stale(core: &Core) -> std::io::Result<bool> {
    let built = fs::metadata(&core.module)?.modified()?;
    match fs::metadata(&core.component) {
        Ok(component) => Ok(component.modified()? <= built),
        Err(_) => Ok(true),
    }
}

fn encode(core: &Core) -> anyhow::Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(&fs::read(&core.module)?)?.encode()
}

/// Renames into place, so that a host that loads it at this moment sees the old or the new one, never half of it.
fn write_whole(path: &std::path::Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a component has a folder")?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.persist(path)?;
    Ok(())
}
