//! `millrace reprocess` as a process of its own.

use anyhow::{Context as _, ensure};
use millrace_bed::host::millrace_binary;
use millrace_it::Stage;
use serde_json::Value;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A run that is under way; killed when the value is dropped.
pub(super) struct Running(Child);

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    /// What it printed as its result.
    pub(super) result: Value,
    /// What it said beside it.
    pub(super) said: String,
}

/// The stage's configuration as a file.
pub(super) fn file(stage: &Stage) -> anyhow::Result<PathBuf> {
    let file = stage.folder().join("reprocess.yaml");
    std::fs::write(&file, stage.enrichment.yaml().replace("{admin}", "127.0.0.1:0"))?;
    Ok(file)
}

/// Begins a run with these arguments behind those that each one has.
pub(super) fn begin(stage: &Stage, arguments: &[&str]) -> anyhow::Result<Running> {
    let mut command = Command::new(millrace_binary()?);
    command.arg("reprocess").arg(file(stage)?).args(["--pipeline", &stage.enrichment.name, "--json"]).args(arguments);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    Ok(Running(child))
}

/// Runs to the end, and expects it to be the good one.
pub(super) fn run(stage: &Stage, arguments: &[&str]) -> anyhow::Result<Value> {
    let ended = begin(stage, arguments)?.wait()?;
    ensure!(ended.code == Some(0) && ended.result["done"] == true, "{ended:?}");
    Ok(ended.result)
}

impl Running {
    pub(super) fn wait(mut self) -> anyhow::Result<Ended> {
        let (mut result, mut said) = (String::new(), String::new());
        self.0.stdout.take().context("no output")?.read_to_string(&mut result)?;
        self.0.stderr.take().context("no errors")?.read_to_string(&mut said)?;
        let code = self.0.wait()?.code();
        Ok(Ended { code, result: serde_json::from_str(&result).unwrap_or_default(), said })
    }

    pub(super) fn interrupt(self) -> anyhow::Result<Ended> {
        let told = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status()?;
        ensure!(told.success(), "it had ended before it was interrupted");
        self.wait()
    }

    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        ensure!(self.0.try_wait()?.is_none(), "it had ended before it was killed");
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
