//! The `millrace` binary. Everything it does is in the library, so that tests can do it too.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Bodies of pages are allocated by the I/O threads and freed by the workers and by librdkafka's threads; the system's
/// allocator keeps such memory in the arena of the thread that asked for it, so that resident memory creeps up. What was
/// measured with either is in `docs/measurements.md`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    millrace_runtime::cli::main()
}
