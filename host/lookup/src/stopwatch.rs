//! Time that only goes forward. Breakers, waits, rates and ages are counted in it, so that setting the machine's clock
//! moves none of them; the wall clock says how old an event is and what a date in `Retry-After` means, nothing else.

use std::time::Duration;
use tokio::time::Instant;

/// Counts from when the service began. Tests step it with tokio's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to count.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    pub(crate) fn ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl governor::clock::Clock for Stopwatch {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
