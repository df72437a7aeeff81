//! A row of steps, each timed; what took how long is told at the end, also when one of them failed.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::progress::say;

/// The steps that ran so far. The table is printed by [`Steps::finish`].
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs one step and remembers its time.
    ///
    /// # Errors
    /// What the step answers, under the step's name.
    pub(crate) fn run<T>(&mut self, name: &str, step: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        say(&format!("── {name}"));
        let started = Instant::now();
        let outcome = step();
        self.done.push((name.to_owned(), started.elapsed()));
        outcome.with_context(|| format!("step '{name}'"))
    }

    /// Prints the table and passes the outcome on.
    ///
    /// # Errors
    /// The outcome's own.
    pub(crate) fn finish(self, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
        say(&self.table(outcome.is_ok()));
        outcome
    }

    fn table(&self, passed: bool) -> String {
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        let mut rows: Vec<String> = self.done.iter().map(|(name, took)| row(name, *took)).collect();
        rows.push(row(if passed { "all passed" } else { "stopped by the last step" }, total));
        rows.join("\n")
    }
}

fn row(name: &str, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    format!("{seconds:>8.1} s  {name}")
}

/// Runs a command with its output shown.
///
/// # Errors
/// When it cannot be started or ends with another code than 0; the message holds the command line.
pub(crate) fn execute(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// The command line, for messages.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_every_step_and_whether_all_passed() {
        let mut steps = Steps::default();
        steps.run("first", || Ok(())).unwrap();
        let outcome = steps.run("second", || execute(&mut Command::new("false")));
        let text = format!("{:#}", outcome.unwrap_err());
        assert!(text.contains("step 'second'") && text.contains("exit status: 1"), "{text}");
        let table = steps.table(false);
        assert!(table.contains("first") && table.contains("second") && table.contains("stopped"), "{table}");
        assert!(steps.table(true).contains("all passed"));
    }
}
