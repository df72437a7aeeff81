//! `limits` of a pipeline: what it may hold, how long events may take, how often they are tried again. Each default
//! carries its reason.

use super::quantity::{GIB, KIB, MIB, show_duration, show_size};
use super::reader::{Section, key};
use millrace_flow::failures::{FailureLimits, PERCENT_OFF};
use millrace_plugin::Limits;
use std::time::Duration;

/// The largest record that is decoded: above the 10 MB that page content reaches today, with its envelope.
pub(crate) const EVENT_BYTES: u64 = 20 * MIB;
/// Open offsets of a pipeline: 10,000 lookups of 15 s each at 600 events/s.
pub(crate) const OPEN_OFFSETS: u64 = 10_000;
/// Bytes of a pipeline in flight, answers included: half of what a host of 512 MiB has.
pub(crate) const BYTES_IN_FLIGHT: u64 = 256 * MIB;
/// Wall time of an event, waiting for a call slot or an outage aside.
pub(crate) const EVENT_DEADLINE: Duration = Duration::from_secs(60);
/// How often progress is committed: what a crash runs again is a second's worth.
pub(crate) const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How long open events may go on when the host stops: below the 30 s that Kubernetes waits before it kills.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(20);
/// How often an event is run when its plugin says `retry`, the first time included.
const ATTEMPTS: u64 = 3;
/// The wait before the first retry; it doubles with each.
const RETRY_BASE: Duration = Duration::from_secs(1);
/// The longest wait before a retry.
const RETRY_CAP: Duration = Duration::from_secs(30);

/// What a pipeline may hold and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineLimits {
    /// The largest record that is decoded, in bytes; a larger one becomes an error event.
    pub event_bytes_max: u64,
    /// The most open offsets.
    pub open_offsets_max: usize,
    /// The most bytes in flight, with answers and bookkeeping. One event per partition may always go beyond.
    pub bytes_in_flight_max: u64,
    /// Wall time of an event, waiting for a call slot or an outage aside.
    pub event_deadline: Duration,
    /// How often progress is committed. None: see [`super::PipelineConfig::commit_interval`].
    pub commit_interval: Option<Duration>,
    /// How long open events may go on when the host stops.
    pub drain_deadline: Duration,
    /// What becomes of the outcome `retry`.
    pub retries: RetryLimits,
    /// When so many events fail that no more are taken.
    pub failures: FailureLimits,
    /// What the plugin's instances may use; `inline_bytes_max` counts for events too.
    pub plugin: Limits,
}

/// What becomes of the outcome `retry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryLimits {
    /// How often an event is run, the first time included.
    pub attempts_max: u32,
    /// The wait before the first retry; it doubles with each.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

/// Reads the section.
pub(crate) fn read(section: &Section<'_>) -> PipelineLimits {
    let limits = PipelineLimits {
        event_bytes_max: section
            .size(
                key("event_bytes", "The largest record that is decoded; a larger one becomes an error event."),
                KIB..=64 * MIB,
            )
            .or(EVENT_BYTES, show_size(EVENT_BYTES)),
        open_offsets_max: whole(
            section
                .count(key("open_offsets", "The most events in flight."), 1..=100_000)
                .or(OPEN_OFFSETS, OPEN_OFFSETS.to_string()),
        ),
        bytes_in_flight_max: section
            .size(
                key("bytes_in_flight", "The most bytes in flight, answers included; beyond it partitions are paused."),
                MIB..=64 * GIB,
            )
            .or(BYTES_IN_FLIGHT, show_size(BYTES_IN_FLIGHT)),
        event_deadline: section
            .duration(
                key(
                    "event_deadline",
                    "How long an event may take; waiting for a call slot or for an outage of its API does not count.",
                ),
                Duration::from_millis(100)..=Duration::from_secs(3600),
            )
            .or(EVENT_DEADLINE, show_duration(EVENT_DEADLINE)),
        commit_interval: section
            .duration(
                key(
                    "commit_interval",
                    "How often progress is committed; in exactly-once, from one transaction to the next, unless one takes longer.",
                ),
                Duration::from_millis(10)..=Duration::from_secs(60),
            )
            .optional("1 s; in exactly-once 100 ms"),
        drain_deadline: section
            .duration(
                key("drain_deadline", "How long open events may go on when the host is told to stop."),
                Duration::ZERO..=Duration::from_secs(600),
            )
            .or(DRAIN_DEADLINE, show_duration(DRAIN_DEADLINE)),
        retries: section.defaults(key("retries", "What becomes of the outcome `retry`."), read_retries),
        failures: section.defaults(
            key("failures", "When so many events fail that no more are taken, but single ones."),
            read_failures,
        ),
        plugin: section.defaults(key("plugin", "What one instance of the plugin may use."), read_plugin),
    };
    if limits.bytes_in_flight_max < limits.event_bytes_max {
        let problem = format!(
            "{} hold less than one event of the largest size, {} (`event_bytes`)",
            show_size(limits.bytes_in_flight_max),
            show_size(limits.event_bytes_max)
        );
        section.mistake("bytes_in_flight", problem, "raise it, or lower `event_bytes`");
    }
    limits
}

fn read_retries(section: &Section<'_>) -> RetryLimits {
    let bounds = || Duration::from_millis(1)..=Duration::from_secs(3600);
    let retries = RetryLimits {
        attempts_max: small(
            section
                .count(key("attempts", "How often an event is run, the first time included."), 1..=100)
                .or(ATTEMPTS, ATTEMPTS.to_string()),
        ),
        base: section
            .duration(key("base", "The wait before the first retry; it doubles with each."), bounds())
            .or(RETRY_BASE, show_duration(RETRY_BASE)),
        cap: section
            .duration(key("cap", "The longest wait before a retry."), bounds())
            .or(RETRY_CAP, show_duration(RETRY_CAP)),
    };
    if retries.cap < retries.base {
        section.mistake("cap", "the longest wait is shorter than the first", "raise `cap`, or lower `base`");
    }
    retries
}

fn read_failures(section: &Section<'_>) -> FailureLimits {
    let defaults = FailureLimits::default();
    FailureLimits {
        percent: small(
            section
                .count(
                    key("percent", "More than so many percent of the events failed; 100 turns it off."),
                    1..=u64::from(PERCENT_OFF),
                )
                .or(u64::from(defaults.percent), defaults.percent.to_string()),
        ),
        window: section
            .duration(key("window", "Within this time."), Duration::from_secs(1)..=Duration::from_secs(3600))
            .or(defaults.window, show_duration(defaults.window)),
        events_min: section
            .count(key("events", "And at least so many events ended in it."), 1..=1_000_000)
            .or(defaults.events_min, defaults.events_min.to_string()),
    }
}

fn read_plugin(section: &Section<'_>) -> Limits {
    let defaults = Limits::default();
    let bytes = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    let turn = Duration::from_millis(u64::from(defaults.turn_base_ms));
    let per_input = Duration::from_micros(u64::from(defaults.turn_per_input_us));
    let limits = Limits {
        memory_bytes_max: whole(
            section
                .size(key("memory", "Bytes of memory of one instance."), MIB..=4 * GIB)
                .or(bytes(defaults.memory_bytes_max), show_size(bytes(defaults.memory_bytes_max))),
        ),
        memory_total_bytes_max: whole(
            section
                .size(
                    key(
                        "memory_total",
                        "Bytes of memory of all instances of the pipeline; beyond it no more are started.",
                    ),
                    MIB..=64 * GIB,
                )
                .or(bytes(defaults.memory_total_bytes_max), show_size(bytes(defaults.memory_total_bytes_max))),
        ),
        turn_base_ms: milliseconds(
            section
                .duration(
                    key("turn", "CPU time of one turn before its inputs are counted; a longer one is ended."),
                    Duration::from_millis(1)..=Duration::from_secs(60),
                )
                .or(turn, show_duration(turn)),
        ),
        turn_per_input_us: milliseconds(
            section
                .duration(
                    key("turn_per_input", "CPU time of one turn that each of its inputs adds."),
                    Duration::ZERO..=Duration::from_secs(60),
                )
                .or(per_input, show_duration(per_input)),
        )
        .saturating_mul(1000),
        tickets_max: whole(
            section
                .count(key("tickets", "Events that one instance holds; more in flight means more instances."), 1..=4096)
                .or(bytes(defaults.tickets_max), defaults.tickets_max.to_string()),
        ),
        inline_bytes_max: whole(
            section
                .size(key("inline", "Values above this size reach the plugin as a blob."), 0..=64 * MIB)
                .or(bytes(defaults.inline_bytes_max), show_size(bytes(defaults.inline_bytes_max))),
        ),
        answers_bytes_max: whole(
            section
                .size(key("answers", "Bytes of all answers of one event; they are kept until it ends."), KIB..=4 * GIB)
                .or(bytes(defaults.answers_bytes_max), show_size(bytes(defaults.answers_bytes_max))),
        ),
        result_bytes_max: whole(
            section
                .size(key("result", "Bytes that one turn may return."), 64 * KIB..=GIB)
                .or(bytes(defaults.result_bytes_max), show_size(bytes(defaults.result_bytes_max))),
        ),
        ..defaults
    };
    if limits.memory_total_bytes_max < limits.memory_bytes_max {
        let problem = format!(
            "{} are less than one instance may have, {} (`memory`)",
            show_size(bytes(limits.memory_total_bytes_max)),
            show_size(bytes(limits.memory_bytes_max))
        );
        section.mistake("memory_total", problem, "raise it, or lower `memory`");
    }
    limits
}

fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
