//! Whether anybody still reads what is written: without a look, a quiet stream would keep the process for ever after
//! `| head` has gone.

use std::time::Duration;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::runtime::Runtime;

/// Standard output under a name, so that the pipe can be opened a second time: only that handle is made not to block.
const STANDARD_OUTPUT: &str = "/proc/self/fd/1";
/// How long a look takes: enough for the runtime to ask the system once.
const LOOK: Duration = Duration::from_millis(1);

/// The other side of standard output.
pub(super) struct Reader {
    runtime: Runtime,
    /// None where standard output is no pipe, and so has no reader that could go.
    pipe: Option<pipe::Sender>,
}

impl Reader {
    /// Begins to watch.
    ///
    /// # Errors
    /// The runtime cannot be had.
    pub(super) fn of_stdout() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let pipe = pipe::OpenOptions::new().open_sender(STANDARD_OUTPUT).ok();
        drop(entered);
        Ok(Self { runtime, pipe })
    }

    /// Whether it has gone.
    pub(super) fn is_gone(&self) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        let look = async { tokio::time::timeout(LOOK, pipe.ready(Interest::ERROR)).await };
        matches!(self.runtime.block_on(look), Ok(Ok(ready)) if ready.is_error())
    }
}
