//! What demo and benches run: the binaries of the workspace and the plugins of guests/, built where something changed.

use crate::progress::say;
use crate::step::execute;
use crate::{guests, tree};

/// Builds everything. Cargo shows its own progress.
///
/// # Errors
/// When something does not compile.
pub(crate) fn build() -> anyhow::Result<()> {
    if !tree::root().join("target/release/millrace").exists() {
        say(
            "Building millrace and its plugins. The first time this takes some ten minutes on two cores, most of it the",
        );
        say("WebAssembly compiler; later builds take seconds.");
    }
    // The whole workspace and no part of it, so that demo, tests and benches share one set of compiled dependencies.
    execute(&mut tree::cargo(&["build", "--release", "--workspace"]))?;
    guests::build(&tree::guests_manifest()).map(drop)
}
