//! A command of `millrace` about a stage's pipeline, run to its end.

use millrace_bed::host::millrace_binary;
use millrace_it::Stage;
use serde_json::Value;
use std::process::{Command, Stdio};

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// What it printed as its result; null where that is no JSON.
    pub(crate) result: Value,
    /// What it printed.
    pub(crate) printed: String,
    /// What it said beside it.
    pub(crate) said: String,
}

/// Runs `millrace COMMAND FILE --pipeline NAME ARGUMENTS`. The words of a command are separated by spaces.
pub(crate) fn millrace(stage: &Stage, command: &str, arguments: &[&str]) -> anyhow::Result<Ended> {
    let file = stage.folder().join("command.yaml");
    std::fs::write(&file, stage.enrichment.yaml().replace("{admin}", "127.0.0.1:0"))?;
    let mut process = Command::new(millrace_binary()?);
    process.args(command.split(' ')).arg(file).args(["--pipeline", &stage.enrichment.name]).args(arguments);
    let output = process.stdin(Stdio::null()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Ended {
        code: output.status.code(),
        result: serde_json::from_str(&printed).unwrap_or_default(),
        printed,
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
