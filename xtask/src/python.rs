//! Plugins in Python: building them, their unit tests, and the checks of their sources. All of it is done by programs in
//! the virtual environment that `./x` makes; what they do is in `sdk/python`, and which versions they have in its
//! `pyproject.toml`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::step::{execute, line};
use crate::tree;

/// The SDK.
const SDK: &str = "sdk/python";

/// The plugins of this repository that are written in Python.
const PLUGINS: [&str; 2] = ["examples/python-enrichment", "guests/python-probe"];

/// What has unit tests. The probe does nothing that could be tested without a host.
const TESTED: [&str; 2] = [SDK, "examples/python-enrichment"];

/// Builds this repository's plugins, beside the components of guests/; answers their paths.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_all() -> anyhow::Result<Vec<PathBuf>> {
    let components = tree::root().join("guests/target/components");
    PLUGINS.iter().map(|folder| build(&tree::root().join(folder), Some(&components))).collect()
}

/// Whether a folder is a plugin in Python.
pub(crate) fn is_plugin(folder: &Path) -> bool {
    folder.join("pyproject.toml").is_file() && !folder.join("Cargo.toml").exists()
}

/// Builds the plugin in `folder` where something changed; answers the component's path. It goes into the folder's own
/// `target/components`, unless `components` says otherwise.
///
/// # Errors
/// When the environment is missing, or the plugin cannot be built; its own message was printed.
pub(crate) fn build(folder: &Path, components: Option<&Path>) -> anyhow::Result<PathBuf> {
    let mut command = program("python")?;
    command.args(["-m", "millrace.build"]).arg(folder).stderr(Stdio::inherit());
    if let Some(components) = components {
        command.arg("--components").arg(components);
    }
    let output = command.output().with_context(|| format!("cannot start {}", line(&command)))?;
    if !output.status.success() {
        bail!("the plugin of {} cannot be built; the message is above", folder.display());
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// The unit tests of the SDK and of the plugins, natively.
///
/// # Errors
/// When one fails.
pub(crate) fn test() -> anyhow::Result<()> {
    for folder in TESTED {
        let mut command = program("python")?;
        command.args(["-m", "unittest", "discover", "tests"]).current_dir(tree::root().join(folder));
        execute(&mut command)?;
    }
    Ok(())
}

/// Format, style and types of all Python in this repository.
///
/// # Errors
/// The first that is not as it should be; the tool prints where.
pub(crate) fn check() -> anyhow::Result<()> {
    let settings = format!("{SDK}/pyproject.toml");
    for arguments in [&["format", "--check", "--quiet"] as &[&str], &["check", "--quiet"]] {
        execute(program("ruff")?.args(arguments).args(["--config", &settings, SDK]).args(PLUGINS))?;
    }
    execute(program("mypy")?.args(["--config-file", &settings, "sdk/python/src", "sdk/python/tests"]))?;
    for plugin in PLUGINS {
        let settings = tree::root().join(&settings);
        let mut command = program("mypy")?;
        execute(command.arg("--config-file").arg(settings).arg(".").current_dir(tree::root().join(plugin)))?;
    }
    Ok(())
}

/// A program of the environment, started in the repository's root.
fn program(name: &str) -> anyhow::Result<Command> {
    let path = tree::root().join("target/tools/python/bin").join(name);
    if !path.exists() {
        bail!("{} is not there: ./x makes it for the commands that need it, such as './x guests'", path.display());
    }
    let mut command = Command::new(path);
    // What tools keep for the next time would be litter beside the sources.
    let caches = tree::root().join("target/tools");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("MYPY_CACHE_DIR", caches.join("mypy")).env("RUFF_CACHE_DIR", caches.join("ruff"));
    command.current_dir(tree::root());
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_in_python_has_a_pyproject_and_no_cargo_manifest() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_plugin(folder.path()));
        std::fs::write(folder.path().join("pyproject.toml"), "").unwrap();
        assert!(is_plugin(folder.path()));
        std::fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        assert!(!is_plugin(folder.path()));
    }
}
