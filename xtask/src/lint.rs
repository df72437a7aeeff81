//! `./x lint`: what can be said about the code without running it, and the dependency policy of deny.toml.

use std::process::Command;

use crate::step::{Steps, execute};
use crate::{python, test, tree};

/// Runs every lint.
///
/// # Errors
/// The first one that does not hold.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let outcome = lints(&mut steps);
    steps.finish(outcome)
}

fn lints(steps: &mut Steps) -> anyhow::Result<()> {
    steps.run("format", test::check_format)?;
    steps.run("tidy", test::check_tidy)?;
    steps.run("clippy", test::check_clippy)?;
    steps.run("checks of Python", python::check)?;
    steps.run("dependencies", check_dependencies)
}

/// `./x` keeps cargo-deny below target/tools.
fn check_dependencies() -> anyhow::Result<()> {
    let deny = tree::root().join("target/tools/bin/cargo-deny");
    execute(Command::new(deny).current_dir(tree::root()).args(["check", "bans", "licenses", "sources"]))
}
