//! `./x test`: every check and every test, the cheapest first, each timed.
//!
//! Services are started by the tests that need them (`millrace-services`); here their downloads only begin early,
//! beside the compiler.

use std::thread;

use anyhow::anyhow;
use millrace_services::{KafkaDistribution, MediaWikiTemplate};

use crate::guests;
use crate::python;
use crate::step::{Steps, execute};
use crate::tree::{self, cargo};

/// Arguments of `./x test`.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// Only tests whose name contains this, without the checks before and after them.
    filter: Option<String>,
}

/// Runs the checks and the tests.
///
/// # Errors
/// The first step that does not hold.
pub(crate) fn run(args: TestArgs) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let outcome = match &args.filter {
        Some(filter) => some_tests(&mut steps, filter),
        None => everything(&mut steps),
    };
    steps.finish(outcome)
}

fn some_tests(steps: &mut Steps, filter: &str) -> anyhow::Result<()> {
    steps.run("guests", || guests::build(&tree::guests_manifest()).map(drop))?;
    steps.run("guests in C and Go", guests::build_without_sdk)?;
    steps.run("guests in Python", || python::build_all().map(drop))?;
    steps.run("tests", || execute(&mut cargo(&["test", "--release", "--workspace", "--", filter])))
}

fn everything(steps: &mut Steps) -> anyhow::Result<()> {
    let services = thread::spawn(prepare_services);
    steps.run("format", check_format)?;
    steps.run("tidy", check_tidy)?;
    steps.run("guests", || guests::build(&tree::guests_manifest()).map(drop))?;
    steps.run("guests in C and Go", guests::build_without_sdk)?;
    steps.run("guests' native tests", test_guests)?;
    steps.run("guests in Python", || python::build_all().map(drop))?;
    steps.run("checks of Python", python::check)?;
    steps.run("native tests of Python", python::test)?;
    steps.run("clippy", check_clippy)?;
    steps.run("build of the tests", || execute(&mut cargo(&["test", "--release", "--workspace", "--no-run"])))?;
    steps.run("services", || services.join().map_err(|_| anyhow!("preparing the services panicked"))?)?;
    steps.run("tests", || execute(&mut cargo(&["test", "--release", "--workspace"])))?;
    steps.run("documentation", check_documentation)
}

/// Downloads and prepares what the real services need; quick once it was done.
fn prepare_services() -> anyhow::Result<()> {
    KafkaDistribution::prepare()?;
    MediaWikiTemplate::prepare()?;
    Ok(())
}

/// Formatting of the host's and of the guests' workspace.
///
/// # Errors
/// When a file is not formatted; cargo prints the difference.
pub(crate) fn check_format() -> anyhow::Result<()> {
    execute(&mut cargo(&["fmt", "--all", "--check"]))?;
    execute(&mut cargo(&["fmt", "--all", "--check", "--manifest-path", "guests/Cargo.toml"]))
}

/// The rules of `tests/tidy`.
///
/// # Errors
/// When one is broken.
pub(crate) fn check_tidy() -> anyhow::Result<()> {
    execute(&mut cargo(&["test", "--release", "-q", "-p", "millrace-tidy"]))
}

/// Clippy without a warning, in the host's and in the guests' workspace.
///
/// # Errors
/// When it has one.
pub(crate) fn check_clippy() -> anyhow::Result<()> {
    let strict = ["--all-targets", "--", "-D", "warnings"];
    execute(cargo(&["clippy", "--release", "--workspace"]).args(strict))?;
    execute(cargo(&["clippy", "--release", "--workspace", "--manifest-path", "guests/Cargo.toml"]).args(strict))
}

fn test_guests() -> anyhow::Result<()> {
    execute(&mut cargo(&["test", "--release", "--workspace", "--manifest-path", "guests/Cargo.toml"]))?;
    guests::test_without_sdk()
}

/// Documentation without a warning. The flags reach rustdoc only, so nothing compiled is thrown away by them.
fn check_documentation() -> anyhow::Result<()> {
    for manifest in ["Cargo.toml", "guests/Cargo.toml"] {
        let mut command = cargo(&["doc", "--release", "--no-deps", "--workspace", "--manifest-path", manifest]);
        execute(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}
