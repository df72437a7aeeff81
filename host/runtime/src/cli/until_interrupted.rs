//! A command's long job: on a thread of its own, ended by signals.

use super::FAILED;
use crate::shutdown::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Does a job that looks at a flag again and again. The first signal sets it, and lets the job end after what it is at; the
/// second one ends it at once.
///
/// # Errors
/// The signals cannot be listened to, or the job ended in a fault.
pub(super) fn until_interrupted<T: Send + 'static>(
    job: impl FnOnce(&Arc<AtomicBool>) -> T + Send + 'static,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let mut running = tokio::task::spawn_blocking(move || job(&told));
        loop {
            tokio::select! {
                ended = &mut running => return anyhow::Ok(ended?),
                _ = signals.next() => {
                    if stop.swap(true, Ordering::Relaxed) {
                        std::process::exit(i32::from(FAILED));
                    }
                }
            }
        }
    });
    runtime.shutdown_background();
    ended
}
