//! The `millrace` binary.
use mimalloc::MiMalloc;
use millrace_runtime::config::HostConfig;
use millrace_runtime::supervisor::{EmbeddedBroker, run};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let broker = if arguments.iter().any(|a| a == "--allow-embedded-broker") { EmbeddedBroker::Allowed } else { EmbeddedBroker::Refused };
    let config = match HostConfig::load(std::path::Path::new(&arguments[2])) {
        Ok(config) => config,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::from(2);
        }
    };
    millrace_runtime::telemetry::begin(config.log).ok();
    match run(config, broker) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => { eprintln!("{error:#}"); ExitCode::FAILURE }
    }
}
