//! How much one plugin may take: every limit with its default and the reason for it. Settings of a pipeline override
//! them; `view.rs`, `instance.rs` and `check.rs` hold plugins to them.

/// The default of [`Limits::turn_base_ms`]: a hundred times what a full turn of a fast guest takes, and short enough
/// that a spinning plugin holds its worker for a blink only.
const TURN_BASE_MS: u32 = 100;

/// The default of [`Limits::turn_per_input_us`]: 1 ms, ten times what the slowest language runtime measured needs.
const TURN_PER_INPUT_US: u32 = 1_000;

/// The default of [`Limits::start_ms`]: language runtimes that run their own initialisation take up to a second.
const START_MS: u32 = 5_000;

/// The default of [`Limits::memory_bytes_max`]: Python needs 40 MiB before it does anything.
const MEMORY_BYTES_MAX: usize = 256 << 20;

/// The default of [`Limits::memory_total_bytes_max`]: four instances of the largest size, or 25 of Python's.
const MEMORY_TOTAL_BYTES_MAX: usize = 1 << 30;

/// The default of [`Limits::table_elements_max`]: language runtimes hold some 20,000 functions in their tables.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// The default of [`Limits::core_instances_max`]: components of linked libraries have some 30 core instances.
const CORE_INSTANCES_MAX: usize = 100;

/// The default of [`Limits::result_bytes_max`]: three of the largest events that a stream takes, written inline.
const RESULT_BYTES_MAX: usize = 64 << 20;

/// The default of [`Limits::tickets_max`]: beyond it batches no longer get cheaper, and a trap costs more re-runs.
const TICKETS_MAX: usize = 256;

/// The default of [`Limits::inputs_max`]: as many as there are tickets.
const INPUTS_MAX: usize = 256;

/// The default of [`Limits::asks_open_max`]: more than any enrichment asks at once; 50 fit one call of the API.
const ASKS_OPEN_MAX: usize = 64;

/// The default of [`Limits::asks_total_max`]: ends a plugin that asks in a circle.
const ASKS_TOTAL_MAX: usize = 1_000;

/// The default of [`Limits::ask_bytes_max`]: arguments, not content.
const ASK_BYTES_MAX: usize = 64 << 10;

/// The default of [`Limits::ask_body_bytes_max`]: a question to a service, with a paragraph or a picture to judge.
const ASK_BODY_BYTES_MAX: usize = 1 << 20;

/// The default of [`Limits::asks_bytes_max`]: two of the largest bodies, or ten thousand questions for a revision. They are
/// kept until the ticket ends, and 10,000 tickets may be in flight.
const ASKS_BYTES_MAX: usize = 2 << 20;

/// The default of [`Limits::answers_bytes_max`]: eight answers of the largest size that MediaWiki gives.
const ANSWERS_BYTES_MAX: usize = 64 << 20;

/// The default of [`Limits::emissions_max`]: one event that becomes a thousand is a mistake more often than a wish.
const EMISSIONS_MAX: usize = 1_000;

/// The default of [`Limits::parts_max`]: a document that is rewritten field by field has some thousands. Applying them is
/// the host's work, which no deadline of the plugin ends.
const PARTS_MAX: usize = 16_384;

/// The default of [`Limits::inline_bytes_max`]: copying it into a guest takes 25 µs.
const INLINE_BYTES_MAX: usize = 256 << 10;

/// The default of [`Limits::log_lines_max`].
const LOG_LINES_MAX: usize = 50;

/// The default of [`Limits::log_bytes_max`]: a stack trace fits.
const LOG_BYTES_MAX: usize = 8 << 10;

/// The default of [`Limits::logs_bytes_max`]: eight stack traces. An instance with 256 tickets then holds 16 MiB at most.
const LOGS_BYTES_MAX: usize = 64 << 10;

/// The default of [`Limits::series_max`].
const SERIES_MAX: usize = 50;

/// The default of [`Limits::quarantine_max`]: instances that hold one suspected ticket each.
const QUARANTINE_MAX: usize = 32;

/// The default of [`Limits::starts_max`]: eight instances of a slow language runtime start within some 100 ms, and a round
/// has other pipelines to serve.
const STARTS_MAX: usize = 8;

/// How much one plugin may take. Every figure is per instance, per turn or per ticket, as its description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CPU time of a turn before its inputs are counted, in milliseconds.
    pub turn_base_ms: u32,
    /// CPU time of a turn that each input adds, in microseconds.
    pub turn_per_input_us: u32,
    /// CPU time to instantiate, `describe` and `configure`, in milliseconds each.
    pub start_ms: u32,
    /// Bytes of all linear memories of one instance.
    pub memory_bytes_max: usize,
    /// Bytes of all linear memories of all instances of a pipeline. Beyond it no instance is started and none grows, but
    /// for those that a worker cannot do without: one for everybody, and one for a suspect.
    pub memory_total_bytes_max: usize,
    /// Elements of each table of one instance.
    pub table_elements_max: usize,
    /// Core modules that one instance is made of.
    pub core_instances_max: usize,
    /// Bytes that one turn may return or hand to one import, counted before they are copied out of the guest.
    pub result_bytes_max: usize,
    /// Tickets that one instance holds; more in flight means more instances.
    pub tickets_max: usize,
    /// Inputs of one turn; what is beyond waits for the next.
    pub inputs_max: usize,
    /// Asks of one ticket that may wait for their answers at once.
    pub asks_open_max: usize,
    /// Asks of one ticket in all.
    pub asks_total_max: usize,
    /// Bytes of the params of one ask.
    pub ask_bytes_max: usize,
    /// Bytes of the body of one ask, blobs included.
    pub ask_body_bytes_max: usize,
    /// Bytes of the params and bodies of all asks of one ticket, which are kept until it ends.
    pub asks_bytes_max: usize,
    /// Bytes of all answers of one ticket, which are kept until it ends.
    pub answers_bytes_max: usize,
    /// Events that one outcome may emit.
    pub emissions_max: usize,
    /// Edits, pieces and headers of one outcome, all together.
    pub parts_max: usize,
    /// An answer's document above this many bytes goes to the plugin as a blob. For events the caller decides.
    pub inline_bytes_max: usize,
    /// Log lines of one ticket; the others are counted only.
    pub log_lines_max: usize,
    /// Bytes of one log line; the rest is cut.
    pub log_bytes_max: usize,
    /// Bytes of all log lines of one ticket; lines beyond it are counted only.
    pub logs_bytes_max: usize,
    /// Different metrics, by name and labels, of one ticket; the others count as `other`.
    pub series_max: usize,
    /// Instances that hold one suspected ticket each; other suspects wait.
    pub quarantine_max: usize,
    /// Instances that one round may start on one thread; who needs another waits for the next round.
    pub starts_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turn_base_ms: TURN_BASE_MS,
            turn_per_input_us: TURN_PER_INPUT_US,
            start_ms: START_MS,
            memory_bytes_max: MEMORY_BYTES_MAX,
            memory_total_bytes_max: MEMORY_TOTAL_BYTES_MAX,
            table_elements_max: TABLE_ELEMENTS_MAX,
            core_instances_max: CORE_INSTANCES_MAX,
            result_bytes_max: RESULT_BYTES_MAX,
            tickets_max: TICKETS_MAX,
            inputs_max: INPUTS_MAX,
            asks_open_max: ASKS_OPEN_MAX,
            asks_total_max: ASKS_TOTAL_MAX,
            ask_bytes_max: ASK_BYTES_MAX,
            ask_body_bytes_max: ASK_BODY_BYTES_MAX,
            asks_bytes_max: ASKS_BYTES_MAX,
            answers_bytes_max: ANSWERS_BYTES_MAX,
            emissions_max: EMISSIONS_MAX,
            parts_max: PARTS_MAX,
            inline_bytes_max: INLINE_BYTES_MAX,
            log_lines_max: LOG_LINES_MAX,
            log_bytes_max: LOG_BYTES_MAX,
            logs_bytes_max: LOGS_BYTES_MAX,
            series_max: SERIES_MAX,
            quarantine_max: QUARANTINE_MAX,
            starts_max: STARTS_MAX,
        }
    }
}

impl Limits {
    /// The CPU time of a turn with `inputs` inputs.
    pub(crate) fn turn_allowance(&self, inputs: usize) -> std::time::Duration {
        let inputs = u64::try_from(inputs).unwrap_or(u64::MAX);
        let share_us = inputs.saturating_mul(u64::from(self.turn_per_input_us));
        std::time::Duration::from_micros(u64::from(self.turn_base_ms) * 1_000 + share_us)
    }
}
