//! The simulation by itself, for whoever does not want to build all that `./x` is made of.

use clap::Parser;
use millrace_sim::command::{SimArgs, execute};

/// Seeded simulations of the delivery rules.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    sim: SimArgs,
}

fn main() -> anyhow::Result<()> {
    execute(&Arguments::parse().sim, &mut std::io::stdout().lock())
}
