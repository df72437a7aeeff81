//! Where services keep what they download, prepare and run on: everything below `target/services`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::claim::Claim;

/// The marker that a prepared folder is whole.
const WHOLE: &str = ".whole";

/// The folder below which all of this lives.
pub(crate) fn services() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/services")
}

/// Answers the folder `name`, made by `fill` if it is not there yet.
///
/// Several processes may ask at once: one fills it, the others wait. `fill` works in a folder of another name, so that
/// what is seen under `name` is always whole.
///
/// # Errors
/// What `fill` answers, and what goes wrong with files.
pub(crate) fn prepared(name: &str, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(services())?;
    let services = services().canonicalize()?;
    let folder = services.join(name);
    if folder.join(WHOLE).exists() {
        return Ok(folder);
    }
    let _claim = Claim::wait(&services.join(format!("{name}.lock")))?;
    if folder.join(WHOLE).exists() {
        return Ok(folder);
    }
    let draft = services.join(format!("{name}.draft"));
    for stale in [&folder, &draft] {
        if stale.exists() {
            fs::remove_dir_all(stale)?;
        }
    }
    fs::create_dir_all(&draft)?;
    fill(&draft).with_context(|| format!("cannot prepare {name}"))?;
    fs::write(draft.join(WHOLE), "")?;
    fs::rename(&draft, &folder)?;
    Ok(folder)
}

/// A folder for one run of one service, removed at the end.
///
/// The folder of a process that was killed stays behind; the next run removes it. That of a failing test is kept until
/// then, for its logs.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    _claim: Claim,
}

impl RunFolder {
    /// Makes one, and removes those that nobody uses any more.
    pub(crate) fn new(service: &str) -> anyhow::Result<Self> {
        let runs = services().join("run");
        fs::create_dir_all(&runs)?;
        let runs = runs.canonicalize()?;
        remove_abandoned(&runs)?;
        let folder = tempfile::Builder::new().prefix(&format!("{service}-")).tempdir_in(&runs)?.keep();
        let claim = Claim::take(&claim_of(&folder))?.context("a new run folder is claimed already")?;
        Ok(Self { path: folder, _claim: claim })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            remove_run(&self.path);
        }
    }
}

/// Beside the folder and not in it, so that it is there before the folder is looked at and after it is gone.
fn claim_of(folder: &Path) -> PathBuf {
    folder.with_extension("claim")
}

fn remove_abandoned(runs: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(runs)? {
        let claim = entry?.path();
        if claim.extension().is_some_and(|extension| extension == "claim") && Claim::take(&claim)?.is_some() {
            remove_run(&claim.with_extension(""));
        }
    }
    Ok(())
}

/// What cannot be removed now is removed by the next run.
fn remove_run(folder: &Path) {
    if fs::remove_dir_all(folder).is_ok() {
        drop(fs::remove_file(claim_of(folder)));
    }
}

/// Runs a command to its end and answers its stdout.
///
/// # Errors
/// When it cannot be started (with `advice`) or fails (with the end of what it printed).
pub(crate) fn output(command: &mut Command, advice: &str) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {program}: {advice}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{program} ended with {}: {}", output.status, tail(&format!("{stdout}\n{stderr}")));
    }
    Ok(stdout)
}

/// The last lines of a log, for messages.
pub(crate) fn tail(text: &str) -> String {
    const LINES: usize = 15;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_command_says_what_it_printed() {
        let text =
            output(Command::new("sh").args(["-c", "echo broken; exit 3"]), "install sh").unwrap_err().to_string();
        assert!(text.contains("broken") && text.contains('3'), "{text}");
    }

    #[test]
    fn missing_program_comes_with_advice() {
        let text = format!("{:#}", output(&mut Command::new("no-such-program"), "install it").unwrap_err());
        assert!(text.contains("no-such-program: install it"), "{text}");
    }

    #[test]
    fn prepared_folder_is_filled_once_and_a_failed_attempt_leaves_none() {
        let name = format!("test-{}", std::process::id());
        assert!(prepared(&name, |_| bail!("no")).is_err());
        assert!(!services().join(&name).exists());
        let folder = prepared(&name, |draft| Ok(fs::write(draft.join("a"), "1")?)).unwrap();
        assert_eq!(folder, prepared(&name, |_| bail!("filled twice")).unwrap());
        assert_eq!(fs::read_to_string(folder.join("a")).unwrap(), "1");
        fs::remove_dir_all(&folder).unwrap();
        fs::remove_file(services().join(format!("{name}.lock"))).unwrap();
        fs::remove_dir_all(services().join(format!("{name}.draft"))).ok();
    }

    #[test]
    fn run_folder_of_a_dead_process_is_removed_by_the_next() {
        let first = RunFolder::new("test").unwrap();
        let abandoned = first.path().with_file_name("test-abandoned");
        fs::create_dir_all(&abandoned).unwrap();
        fs::write(abandoned.with_extension("claim"), "").unwrap();
        let second = RunFolder::new("test").unwrap();
        assert!(!abandoned.exists() && first.path().exists() && second.path().exists());
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());
    }
}
