//! What `./x` hands over to: one subcommand, one module. `./x` has made sure by now that the machine has the tools.
//!
//! Nothing here is part of the product, and nothing the product needs at run time lives here.

#![forbid(unsafe_code)]

mod bench;
mod broker;
mod chaos;
mod demo;
mod guests;
mod lint;
mod product;
mod progress;
mod python;
mod step;
mod test;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands; run them as `./x COMMAND`, which installs what is missing first.
#[derive(Debug, Parser)]
#[command(name = "x", bin_name = "./x", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch page_change events go through a plugin and come out enriched, on a machine with nothing set up.
    Demo(demo::DemoArgs),
    /// Every check and every test, real services included, the cheapest first.
    Test(test::TestArgs),
    /// Measure throughput, latency and CPU against a hand-written twin.
    Bench(bench::BenchArgs),
    /// Format, clippy, tidy and the dependency policy; no tests.
    Lint,
    /// Build plugins as components: those of guests/, or those of a folder anywhere.
    Guests(guests::GuestsArgs),
    /// Seeded simulations of the delivery rules.
    Sim(millrace_sim::command::SimArgs),
    /// Real services under kills and outages.
    Chaos(chaos::ChaosArgs),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo(args) => demo::run(args),
        Command::Test(args) => test::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Lint => lint::run(),
        Command::Guests(args) => guests::run(args),
        Command::Sim(args) => millrace_sim::command::execute(&args, &mut std::io::stdout().lock()),
        Command::Chaos(args) => chaos::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::say(&format!("x: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
