//! The threads that compile plugins. They have low priority, so that records go on while a new version is compiled: without
//! it, a compiler on every core held a busy pipeline up for 100 ms at a time.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::LazyLock;

/// The niceness of a compiler: while others want the CPU, it gets about a tenth of one.
const NICE: i32 = 10;

/// One thread for each core, made when the first plugin is compiled. None where the system refuses threads.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let lower = |_thread| {
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::warn!(%error, "Compiling cannot be given low priority, and may hold up records.");
        }
    };
    let built = ThreadPoolBuilder::new().thread_name(|thread| format!("compile {thread}")).start_handler(lower).build();
    built.inspect_err(|error| tracing::warn!(%error, "Plugins are compiled without threads of their own.")).ok()
});

/// Compiles on those threads, and waits.
pub(crate) fn run<T: Send>(compile: impl FnOnce() -> T + Send) -> T {
    match POOL.as_ref() {
        Some(pool) => pool.install(compile),
        None => compile(),
    }
}
