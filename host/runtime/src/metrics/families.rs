//! The one table of metrics: name, kind, labels and what it means. `/metrics` and the reference are both made from it.

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FamilyKind {
    /// Only ever rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Seconds, in buckets.
    Seconds,
}

impl FamilyKind {
    /// The word for the reference.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Seconds => "histogram",
        }
    }
}

/// One family of metrics.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: FamilyKind,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
}

const PIPELINE: &[&str] = &["pipeline"];
const PARTITION: &[&str] = &["pipeline", "topic", "partition"];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: FamilyKind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: FamilyKind::Gauge, labels, help }
}

const fn seconds(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: FamilyKind::Seconds, labels, help }
}

macro_rules! families {
    ($($constant:ident = $make:ident($name:literal, $labels:expr, $help:literal);)+) => {
        $(pub(crate) const $constant: Family = $make($name, $labels, $help);)+
        /// Every family, in the order of the reference.
        pub(crate) const ALL: &[Family] = &[$($constant),+];
    };
}

families! {
    EVENTS_IN = counter("millrace_events_in_total", PIPELINE,
        "Events admitted. Equal to the sum of emitted, skipped, kept, tombstone, canary, failed, abandoned and in flight.");
    EVENTS_EMITTED = counter("millrace_events_emitted_total", PIPELINE, "Events whose outputs were delivered.");
    EVENTS_SKIPPED = counter("millrace_events_skipped_total", &["pipeline", "reason"],
        "Events that the plugin had nothing to say about, by its reason. Beyond 64 reasons: other.");
    EVENTS_KEPT = counter("millrace_events_kept_total", &["pipeline", "reason"],
        "Events that the plugin had nothing to say about and kept something of in state, by its reason. Beyond 64 reasons: other.");
    EVENTS_TOMBSTONE = counter("millrace_events_tombstone_total", PIPELINE,
        "Records without a value, skipped because the plugin does not ask for them.");
    EVENTS_CANARY = counter("millrace_events_canary_total", PIPELINE, "Canary events: dropped on purpose.");
    EVENTS_FAILED = counter("millrace_events_failed_total", &["pipeline", "error_type"],
        "Events that became an error event, by its error_type. Beyond 64 types: other.");
    EVENTS_UNFIT = counter("millrace_events_unfit_total", PIPELINE,
        "Events whose `$schema` is not of their stream's schema: failed, or passed on, as the input's `unfit` says.");
    EVENTS_ABANDONED = counter("millrace_events_abandoned_total", PIPELINE,
        "Events given up unsettled because their partition moved or the host stopped: they run again elsewhere.");
    EVENTS_IN_FLIGHT = gauge("millrace_events_in_flight", PIPELINE, "Events admitted and not settled yet.");
    EVENTS_REPEATED = counter("millrace_events_repeated_total", PIPELINE,
        "Records fetched again although they were settled: passed over, and not among those admitted.");
    EVENTS_REPROCESSED = counter("millrace_events_reprocessed_total", PIPELINE,
        "Events that came back through the reprocess topic; among those admitted.");
    RETRIES = counter("millrace_retries_total", &["pipeline", "reason"],
        "Runs that ended with the outcome retry, by the plugin's word. Beyond 64 words: other.");
    OUTPUTS = counter("millrace_outputs_total", PIPELINE, "Outputs of the emitted events, and of timers.");
    FIELDS_DROPPED = counter("millrace_fields_dropped_total", &["pipeline", "field"],
        "Fields left out of outputs because the pinned version of the schema does not know them or does not let them be \
         null, by their path. Beyond 64 paths: other.");
    POSTS = counter("millrace_event_service_posts_total", &["pipeline", "outcome"],
        "Batches posted to the pipeline's event service: accepted, partial (some events invalid or put off), failed.");
    OUTPUTS_REFUSED = counter("millrace_outputs_refused_total", PIPELINE,
        "Events whose outputs Kafka refused as too large: an error event took their place.");
    EVENT_SECONDS = seconds("millrace_event_seconds", PIPELINE, "From admission to settlement of an event.");
    TURNS = counter("millrace_turns_total", PIPELINE, "Rounds in which workers gave the plugin's instances a turn.");
    TURN_SECONDS = seconds("millrace_turn_seconds", PIPELINE, "One such round.");
    FAULTS = counter("millrace_plugin_faults_total", &["pipeline", "kind"],
        "Events that failed by a fault of the plugin, by its kind. Beyond 64 kinds: other.");
    INSTANCES_LOST = counter("millrace_plugin_instances_lost_total", PIPELINE,
        "Instances thrown away after a turn that failed. Without faults beside it, the plugin hoards from event to event.");
    PLUGIN_LOG_LINES_DROPPED = counter("millrace_plugin_log_lines_dropped_total", PIPELINE,
        "Log lines of the plugin beyond the bounds of a ticket, or of its rate in lines or bytes.");
    PLUGIN_SERIES_DROPPED = counter("millrace_plugin_metrics_dropped_total", PIPELINE,
        "Values of the plugin's own metrics that count under other: too many series, or a name of another kind.");
    PLUGIN_INFO = gauge("millrace_plugin_info", &["pipeline", "name", "version", "digest"], "Always 1: which plugin runs.");
    VERSIONS = gauge("millrace_plugin_versions", PIPELINE,
        "Versions (plugin, settings and limits) with open events, the one that takes new events included.");
    SWAPS = counter("millrace_plugin_swaps_total", PIPELINE, "Versions that began while the pipeline ran.");
    SWAP_PAUSE = seconds("millrace_plugin_swap_pause_seconds", PIPELINE,
        "From the begin of a version to its first event, once per partition; time without records or without room is left out.");
    RELOADS_REFUSED = counter("millrace_plugin_reloads_refused_total", PIPELINE,
        "Changes of the plugin's file, settings or limits that cannot be used: the version before goes on.");
    RELOAD_REFUSED = gauge("millrace_plugin_reload_refused", PIPELINE,
        "1 while the last change of the plugin's file, settings or limits is refused.");
    VERSIONS_GONE = counter("millrace_plugin_versions_gone_total", PIPELINE,
        "Versions with open events that could not be had after a restart: the present one took them over.");
    SIDELINED = gauge("millrace_pipeline_sidelined", PIPELINE,
        "Workers on which the plugin used too much CPU time at the cost of others: there it runs at low priority.");
    PIPELINE_FAILING = gauge("millrace_pipeline_failing", PIPELINE,
        "1 while so many events fail that the pipeline takes single ones only (`limits.failures`).");
    PIPELINE_UP = gauge("millrace_pipeline_up", PIPELINE, "1 while the pipeline runs, 0 while it is stopped.");
    PIPELINE_BACKFILL = gauge("millrace_pipeline_backfill", PIPELINE,
        "1 for a backfill, which works on what happened long ago, 0 for any other pipeline.");
    PIPELINE_DRAINED = gauge("millrace_pipeline_drained", PIPELINE,
        "1 while an operator holds the pipeline drained: all it took is settled and committed, and it takes nothing.");
    PIPELINE_RESTARTS = counter("millrace_pipeline_restarts_total", PIPELINE, "How often the pipeline stopped by itself.");
    PARTITIONS = gauge("millrace_partitions_assigned", PIPELINE, "Partitions that this host owns.");
    PARTITIONS_PAUSED = gauge("millrace_partitions_paused", PIPELINE, "Those of them that wait for room.");
    OPEN_OFFSETS = gauge("millrace_open_offsets", PIPELINE, "Offsets admitted and not settled, as of the last look.");
    BYTES_IN_FLIGHT = gauge("millrace_bytes_in_flight", PIPELINE, "Bytes that admission holds against its limit.");
    RESULTS_HELD = gauge("millrace_results_held", PIPELINE,
        "Finished events that wait because their partition's progress has no room for them, as of the last look.");
    ADMITTED_BYTES = counter("millrace_admitted_bytes_total", PIPELINE, "Bytes of the records that were taken in.");
    FETCHED_BYTES = counter("millrace_fetched_bytes_total", PIPELINE,
        "Bytes that were fetched, those fetched again after a pause included.");
    FETCHED_RECORDS = counter("millrace_fetched_records_total", PIPELINE,
        "Records that were fetched, those fetched again after a pause included.");
    LAG_SECONDS = gauge("millrace_lag_seconds", PARTITION,
        "Age of the oldest record that was fetched and is not settled, by its Kafka timestamp; 0 if there is none.");
    RETENTION_HEADROOM = gauge("millrace_retention_headroom_seconds", PARTITION,
        "For how long the topic still keeps that record: its retention less the record's age. At 0 records may be lost. \
         Topics that keep records for ever have none. While the pipeline is stopped, the record is the oldest that it had \
         not settled when it stopped.");
    LAG = gauge("millrace_lag_records", PARTITION, "Records between what was handed out and the end of the partition.");
    REBALANCES = counter("millrace_rebalances_total", PIPELINE, "How often the consumer group was rebalanced.");
    SOURCE_TROUBLE = counter("millrace_source_trouble_total", PIPELINE, "Passing errors of the consumer.");
    COMMITS = counter("millrace_commits_total", PIPELINE, "Partitions whose progress was committed.");
    COMMIT_FAILURES = counter("millrace_commit_failures_total", PIPELINE, "Commits that failed and are done again.");
    ABORTED_OUTPUTS = counter("millrace_aborted_outputs_total", PIPELINE,
        "Outputs in transactions that were aborted: seen, and seen again, by readers of uncommitted records alone.");
    FENCED = counter("millrace_fenced_partitions_total", PIPELINE,
        "Partitions let go because another host's producer took them over.");
    COMMIT_SECONDS = seconds("millrace_commit_seconds", PIPELINE,
        "From handing progress over to knowing that it is committed.");
    REBALANCE_PAUSE = seconds("millrace_rebalance_pause_seconds", PIPELINE,
        "Pipelines with state and several topics: from the moment at which the group takes all partitions away to the first \
         event of those that came back; where none comes for a second, to the moment at which they were back.");
    STATE_BYTES = gauge("millrace_state_bytes", PARTITION,
        "Bytes of state of the partition, against `state.bytes`, as of the last look.");
    STATE_KEYS = gauge("millrace_state_keys", PARTITION, "Keys that have state, as of the last look.");
    STATE_RESTORE_REMAINING = gauge("millrace_state_restore_remaining_records", PARTITION,
        "Offsets of the state's topic that are still to be read before the partition begins.");
    TIMERS_FIRED = counter("millrace_timers_fired_total", &["pipeline", "outcome"],
        "Timers that fired, by outcome: emitted, skipped, failed. They are no events, and not among those admitted.");
    WORKERS = gauge("millrace_workers", &[], "Threads that run plugins.");
    STREAMS_OLD = gauge("millrace_streams_old", &[],
        "1 while the declared streams could not be read again, and what was read last is used.");
    STREAMS_CHANGED = gauge("millrace_streams_changed", PIPELINE,
        "1 while the declared streams say something else of the pipeline's topics, key or schema than it runs with: restart it.");
    BUILD_INFO = gauge("millrace_build_info", &["version"], "Always 1: which release runs.");
    RESIDENT_BYTES = gauge("process_resident_memory_bytes", &[], "Resident memory of the process.");
    CPU_SECONDS = counter("process_cpu_seconds_total", &[], "CPU time of the process, user and system.");
}
