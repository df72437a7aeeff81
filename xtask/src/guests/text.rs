//! Plugins in WebAssembly's text format: what no toolchain makes, such as a string that is no UTF-8 or an import that no
//! plugin gets. A core module gets the contract of this repository; a component is taken as it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wit_component::ComponentEncoder;

use super::contract;
use super::encode::{is_stale, write_whole};

/// What follows the first four bytes of a core module.
const CORE_VERSION: [u8; 4] = [1, 0, 0, 0];

/// The text files of the crate in `folder`.
///
/// # Errors
/// When its folder `wat` is there and cannot be read.
pub(super) fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = folder.join("wat");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut sources = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        sources.push(entry?.path());
    }
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    sources.sort();
    Ok(sources)
}

/// Makes a component of `source` beside `sibling`, unless it is newer than its text and its contract; answers its path.
///
/// # Errors
/// When the text is not WebAssembly's, does not fit the contract, or a file cannot be read or written.
pub(super) fn up_to_date(source: &Path, sibling: &Path) -> anyhow::Result<PathBuf> {
    let name = source.file_name().context("a text has a name")?;
    let component = sibling.with_file_name(name).with_extension("wasm");
    if is_stale(source, &component)? || is_stale(&contract::file(), &component)? {
        let bytes = encode(source).with_context(|| format!("{} cannot be made a component", source.display()))?;
        write_whole(&component, &bytes).with_context(|| format!("cannot write {}", component.display()))?;
    }
    Ok(component)
}

fn encode(source: &Path) -> anyhow::Result<Vec<u8>> {
    let mut binary = wat::parse_file(source)?;
    if binary.get(4..8) != Some(&CORE_VERSION) {
        return Ok(binary);
    }
    contract::embed(&mut binary)?;
    ComponentEncoder::default().validate(true).module(&binary)?.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_taken_as_it_is_and_a_module_needs_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.wat");
        fs::write(&source, "(component)").unwrap();
        let component = up_to_date(&source, &folder.path().join("sibling.wasm")).unwrap();
        assert_eq!(fs::read(component).unwrap(), wat::parse_str("(component)").unwrap());
        fs::write(&source, "(module)").unwrap();
        let text = format!("{:#}", encode(&source).unwrap_err());
        assert!(text.contains("processor"), "{text}");
    }

    #[test]
    fn a_crate_without_texts_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sources(folder.path()).unwrap().is_empty());
        fs::create_dir(folder.path().join("wat")).unwrap();
        for name in ["b.wat", "a.wat", "a.json"] {
            fs::write(folder.path().join("wat").join(name), "").unwrap();
        }
        let names = sources(folder.path()).unwrap();
        assert!(names.iter().map(|path| path.file_name().unwrap()).eq(["a.wat", "b.wat"]));
    }
}
