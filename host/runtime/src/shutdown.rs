//! How a host ends: on SIGTERM or SIGINT it stops admitting, drains, commits and exits; on the second one it ends at once.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

/// The exit code of a host that was told twice to end: 128 + SIGTERM, as a shell would report it.
const EXIT_AT_ONCE: i32 = 143;

/// The signals that end a host.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to listen. From now on these signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
        })
    }

    /// Waits for the next one, and returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Waits for the signal that stops the host, then for its pipelines; or for pipelines that all come to an end by
/// themselves.
pub async fn wait(mut signals: Signals, stop: watch::Sender<bool>, pipelines: &mut JoinSet<()>) {
    let name = loop {
        tokio::select! {
            biased;
            name = signals.next() => break name,
            ended = pipelines.join_next() => match ended {
                None => return tracing::info!("Everything was read."),
                Some(ended) => tell(ended),
            },
        }
    };
    tracing::info!(signal = name, "Stopping. A second signal ends at once.");
    stop.send_replace(true);
    loop {
        tokio::select! {
            ended = pipelines.join_next() => match ended {
                None => return,
                Some(ended) => tell(ended),
            },
            name = signals.next() => end_at_once(name),
        }
    }
}

fn tell(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "A pipeline's task ended in a fault.");
    }
}

fn end_at_once(name: &str) {
    tracing::warn!(signal = name, "Ending at once; what is in flight runs again after the next start.");
    std::process::exit(EXIT_AT_ONCE);
}
