//! What passes between a pipeline's task and the workers: a job is one event or timer that is to be run, a finish is what
//! came of it. Both travel in batches.

use anyhow::ensure;
use millrace_flow::outcome::Failure;
use millrace_flow::record::{OutputRecord, Record};
use millrace_flow::state::{DueTimer, KeyState, StateChanges};
use millrace_platform::Attempts;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The number of a pipeline within its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineId(pub u16);

/// The number of one version of a pipeline (a plugin with settings and limits) within its host; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(pub u32);

impl VersionId {
    /// How many bits a number has: enough for a new version every ten minutes for twenty years.
    pub const BITS: u32 = 20;

    /// The next number.
    ///
    /// # Errors
    /// All are used up: the host must be started again.
    pub fn next() -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        ensure!(number < 1 << Self::BITS, "this host has run {number} versions of plugins, and must be started again");
        Ok(Self(number))
    }
}

/// The number of a job within its pipeline; never used twice in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// One event that is to be run by a worker, or one timer.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The original record, or what stands for it ([`millrace_platform::timer_record`]). A retry starts from it again.
    pub record: Arc<Record>,
    /// The timer, where it is one. Then it has state.
    pub timer: Option<Arc<DueTimer>>,
    /// The state of its key, where the pipeline has state and the record a key.
    pub state: Option<Box<KeyState>>,
    /// Which try it is.
    pub attempts: Attempts,
    /// What is known of it from earlier deaths of the host.
    pub suspicion: Suspicion,
}

/// What is known of an event or timer from deaths of the host. See `breadcrumb.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suspicion {
    /// Nothing.
    #[default]
    None,
    /// It was there more than once: while it is in a worker's hands, nothing else of this host is in any.
    RunsAlone,
    /// It killed the host: it is not run any more, but becomes an error event.
    Condemned,
}

/// What a worker made of a job.
#[derive(Debug)]
pub struct Finished {
    /// The job's number.
    pub id: JobId,
    /// What came of it.
    pub finish: Finish,
    /// The bytes of the answers that the event held (or holds): what admission estimates the next ones by.
    pub answer_bytes: u64,
    /// What it changed in the state of its key. Nothing, unless it emitted or skipped.
    pub changes: StateChanges,
}

/// What came of one event.
#[derive(Debug)]
pub enum Finish {
    /// These outputs, in this order. Never empty.
    Emitted(Vec<OutputRecord>),
    /// Nothing to emit, for this reason: a stable word.
    Skipped(String),
    /// A record without a value that the plugin does not ask for.
    Tombstone,
    /// A canary event: proof of life, and nothing else.
    Canary,
    /// The event cannot be worked on: an error event.
    Failed {
        /// The word that it counts under.
        error_type: String,
        /// The error event.
        error_event: Box<OutputRecord>,
    },
    /// Nothing yet: it is still open, and its answers are large.
    Grown,
    /// Run the original record again after this long. The retry budget has been looked at already.
    Retry {
        /// How long to wait.
        delay: Duration,
        /// Why, for log and metrics.
        failure: Failure,
    },
}
