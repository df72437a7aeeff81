//! What is counted, and how it is shown: one registry per host, one set of ready handles per pipeline, so that counting
//! an event costs an atomic addition and no search by label. The table of all families is in `metrics/families.rs`.
//!
//! The accounting adds up at any moment: every event that came in is in flight until exactly one of emitted, skipped,
//! kept, tombstone, canary, failed and abandoned is counted for it, and that call takes it out of flight.

mod bounded;
mod families;
mod guest;
mod lookups;
mod process;
mod source;
mod state;
mod stopped;

use crate::clock::SystemClock;
use crate::config::BackfillConfig;
use crate::event_outlet::PostOutcome;
use crate::telemetry::{PluginLogRate, plugin_lines};
use bounded::WordCounters;
pub(crate) use families::ALL as FAMILIES;
use families::{Family, FamilyKind};
use guest::{Counted, GuestMetrics};
pub(crate) use lookups::FAMILIES as LOOKUP_FAMILIES;
use millrace_flow::clock::Clock as _;
use millrace_kafka::statistics::ClientStatistics;
use millrace_plugin::Report;
pub(crate) use process::memory_bytes;
use prometheus::core::Collector;
use prometheus::{CounterVec, Opts, Registry, TextEncoder};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use source::ByPartition;
pub use source::OldestOpen;
pub use state::Fired;
use state::StateMetrics;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The upper ends of the buckets of every histogram, in seconds: 20 % apart where latency goals lie (about 100 ms),
/// doubling elsewhere, up to the longest deadline that is common.
const SECONDS_BUCKETS: [f64; 26] = [
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.025, 0.04, 0.06, 0.08, 0.1, 0.11, 0.12, 0.135, 0.15, 0.175, 0.2, 0.3,
    0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0,
];

/// The metrics of a host.
pub struct HostMetrics {
    registry: Registry,
    counters: BTreeMap<&'static str, IntCounterVec>,
    gauges: BTreeMap<&'static str, IntGaugeVec>,
    histograms: BTreeMap<&'static str, HistogramVec>,
    cpu_seconds: CounterVec,
    guest: Arc<GuestMetrics>,
    pipelines: Mutex<BTreeMap<String, Arc<PipelineMetrics>>>,
    lookups: Mutex<Option<millrace_lookup::LookupService>>,
}

impl std::fmt::Debug for HostMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostMetrics").finish_non_exhaustive()
    }
}

impl HostMetrics {
    /// An empty registry with every family in it.
    ///
    /// # Errors
    /// A family that the registry does not take: a mistake in the table, found by the tests.
    pub fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let (mut counters, mut gauges, mut histograms) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let cpu = &families::CPU_SECONDS;
        let cpu_seconds = registered(&registry, CounterVec::new(Opts::new(cpu.name, cpu.help), cpu.labels)?)?;
        for family in FAMILIES.iter().filter(|family| family.name != cpu.name) {
            let Family { name, kind, labels, help } = *family;
            match kind {
                FamilyKind::Counter => {
                    let vector = IntCounterVec::new(Opts::new(name, help), labels)?;
                    counters.insert(name, registered(&registry, vector)?);
                }
                FamilyKind::Gauge => {
                    let vector = IntGaugeVec::new(Opts::new(name, help), labels)?;
                    gauges.insert(name, registered(&registry, vector)?);
                }
                FamilyKind::Seconds => {
                    let options = HistogramOpts::new(name, help).buckets(SECONDS_BUCKETS.to_vec());
                    histograms.insert(name, registered(&registry, HistogramVec::new(options, labels)?)?);
                }
            }
        }
        let metrics = Self {
            registry,
            counters,
            gauges,
            histograms,
            cpu_seconds,
            guest: Arc::default(),
            pipelines: Mutex::default(),
            lookups: Mutex::default(),
        };
        metrics.gauge(&families::BUILD_INFO, &[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(metrics)
    }

    /// The handles of a pipeline. Asked for again they are the same ones: a pipeline that starts again goes on counting.
    pub fn pipeline(&self, name: &str) -> Arc<PipelineMetrics> {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let made = pipelines.entry(name.to_owned()).or_insert_with(|| Arc::new(PipelineMetrics::new(self, name)));
        Arc::clone(made)
    }

    /// Counts a pipeline that stopped by itself.
    pub fn pipeline_restarted(&self, name: &str) {
        self.counter(&families::PIPELINE_RESTARTS, &[name]).inc();
    }

    /// Sets whether a pipeline runs.
    pub fn pipeline_up(&self, name: &str, running: Running) {
        self.gauge(&families::PIPELINE_UP, &[name]).set(i64::from(running == Running::Yes));
    }

    /// Sets whether a pipeline is a backfill.
    pub fn pipeline_backfill(&self, name: &str, backfill: Option<&BackfillConfig>) {
        self.gauge(&families::PIPELINE_BACKFILL, &[name]).set(i64::from(backfill.is_some()));
    }

    /// Sets whether a pipeline is drained.
    pub fn pipeline_drained(&self, name: &str, drained: bool) {
        self.gauge(&families::PIPELINE_DRAINED, &[name]).set(i64::from(drained));
    }

    /// Says which plugin a pipeline runs, and no longer which it ran before.
    pub fn plugin_runs(&self, pipeline: &str, plugin: &millrace_plugin::Plugin) {
        let describe = plugin.describe();
        let digest = plugin.digest().to_string();
        if let Some(vector) = self.gauges.get(families::PLUGIN_INFO.name) {
            for series in vector.collect().iter().flat_map(|family| family.get_metric().to_vec()) {
                let values: Vec<String> = ["pipeline", "name", "version", "digest"]
                    .iter()
                    .filter_map(|name| series.get_label().iter().find(|label| label.name() == *name))
                    .map(|label| label.value().to_owned())
                    .collect();
                if values.first().is_some_and(|name| name == pipeline) {
                    // It was there a moment ago; one that is gone already needs no removing.
                    drop(vector.remove_label_values(&values));
                }
            }
        }
        self.gauge(&families::PLUGIN_INFO, &[pipeline, &describe.name, &describe.version, &digest]).set(1);
    }

    /// Counts a change that cannot be used, and shows it until [`HostMetrics::reload_done`].
    pub fn reload_refused(&self, pipeline: &str) {
        self.counter(&families::RELOADS_REFUSED, &[pipeline]).inc();
        self.gauge(&families::RELOAD_REFUSED, &[pipeline]).set(1);
    }

    /// The pipeline runs what its file and its settings say.
    pub fn reload_done(&self, pipeline: &str) {
        self.gauge(&families::RELOAD_REFUSED, &[pipeline]).set(0);
    }

    /// Counts a version with open events that could not be had any more.
    pub fn version_gone(&self, pipeline: &str) {
        self.counter(&families::VERSIONS_GONE, &[pipeline]).inc();
    }

    /// Sets whether the declared streams are old.
    pub fn streams_old(&self, old: bool) {
        self.gauge(&families::STREAMS_OLD, &[]).set(i64::from(old));
    }

    /// Sets whether a pipeline runs with other declarations than there are now.
    pub fn streams_changed(&self, pipeline: &str, changed: bool) {
        self.gauge(&families::STREAMS_CHANGED, &[pipeline]).set(i64::from(changed));
    }

    /// Sets the number of worker threads.
    pub fn workers(&self, count: usize) {
        self.gauge(&families::WORKERS, &[]).set(signed(count));
    }

    /// Shows what the lookups count, from now on.
    pub fn watch_lookups(&self, service: millrace_lookup::LookupService) {
        *self.lookups.lock().unwrap_or_else(PoisonError::into_inner) = Some(service);
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// A family that cannot be written; the registry holds none such.
    pub fn render(&self) -> anyhow::Result<String> {
        self.observe_process();
        self.observe_stopped(SystemClock.now_ms());
        let mut out = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        self.guest.write(&mut out);
        let lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(service) = lookups.as_ref() {
            lookups::write(&service.stats(), &mut out);
        }
        Ok(out)
    }

    fn observe_process(&self) {
        let usage = process::usage();
        self.gauge(&families::RESIDENT_BYTES, &[]).set(i64::try_from(usage.resident_bytes).unwrap_or(i64::MAX));
        let seconds = self.cpu_seconds.with_label_values::<&str>(&[]);
        seconds.inc_by((usage.cpu_seconds - seconds.get()).max(0.0));
    }

    // The maps are filled from the same table that the constants come from, so nothing is ever missing; were it, the
    // value would be counted nowhere, which harms nobody, instead of ending the host.

    fn counter(&self, family: &Family, labels: &[&str]) -> IntCounter {
        let found = self.counters.get(family.name).and_then(|vector| vector.get_metric_with_label_values(labels).ok());
        found.unwrap_or_else(|| detached(IntCounter::new("detached", "Shown nowhere.")))
    }

    fn gauge(&self, family: &Family, labels: &[&str]) -> IntGauge {
        let found = self.gauges.get(family.name).and_then(|vector| vector.get_metric_with_label_values(labels).ok());
        found.unwrap_or_else(|| detached(IntGauge::new("detached", "Shown nowhere.")))
    }

    fn histogram(&self, family: &Family, labels: &[&str]) -> Histogram {
        let found =
            self.histograms.get(family.name).and_then(|vector| vector.get_metric_with_label_values(labels).ok());
        found.unwrap_or_else(|| detached(Histogram::with_opts(HistogramOpts::new("detached", "Shown nowhere."))))
    }

    fn words(&self, family: &Family, pipeline: &str) -> WordCounters {
        let vector = self.counters.get(family.name).cloned();
        let none = || detached(IntCounterVec::new(Opts::new("detached", "Shown nowhere."), &["pipeline", "word"]));
        WordCounters::new(&vector.unwrap_or_else(none), pipeline)
    }
}

#[expect(clippy::expect_used, reason = "names and help are literals that Prometheus takes; a test makes each of them")]
fn detached<T>(made: prometheus::Result<T>) -> T {
    made.expect("a metric of literals")
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> anyhow::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Whether a pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// It does.
    Yes,
    /// It is stopped, for whatever reason.
    No,
}

/// Whether so many events of a pipeline fail that it takes single ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// It does.
    Yes,
    /// It goes on as usual.
    No,
}

/// The handles of one pipeline.
#[derive(Debug)]
pub struct PipelineMetrics {
    name: String,
    events_in: IntCounter,
    emitted: IntCounter,
    skipped: WordCounters,
    kept: WordCounters,
    tombstone: IntCounter,
    canary: IntCounter,
    unfit: IntCounter,
    failed: WordCounters,
    abandoned: IntCounter,
    in_flight: IntGauge,
    repeated: IntCounter,
    reprocessed: IntCounter,
    retries: WordCounters,
    outputs: IntCounter,
    outputs_refused: IntCounter,
    fields_dropped: WordCounters,
    posts: WordCounters,
    event_seconds: Histogram,
    turns: IntCounter,
    turn_seconds: Histogram,
    faults: WordCounters,
    instances_lost: IntCounter,
    log_lines_dropped: IntCounter,
    series_dropped: IntCounter,
    sidelined: IntGauge,
    failing: IntGauge,
    versions: IntGauge,
    swaps: IntCounter,
    swap_pause: Histogram,
    partitions: IntGauge,
    partitions_paused: IntGauge,
    open_offsets: IntGauge,
    bytes_in_flight: IntGauge,
    results_held: IntGauge,
    admitted_bytes: IntCounter,
    fetched_bytes: IntCounter,
    fetched_records: IntCounter,
    by_partition: ByPartition,
    state: StateMetrics,
    rebalances: IntCounter,
    source_trouble: IntCounter,
    commits: IntCounter,
    commit_failures: IntCounter,
    commit_seconds: Histogram,
    aborted_outputs: IntCounter,
    fenced: IntCounter,
    guest: Arc<GuestMetrics>,
    log_rate: PluginLogRate,
    consumer_before: Mutex<ClientStatistics>,
}

impl PipelineMetrics {
    fn new(host: &HostMetrics, name: &str) -> Self {
        let counter = |family| host.counter(family, &[name]);
        let gauge = |family| host.gauge(family, &[name]);
        let seconds = |family| host.histogram(family, &[name]);
        let words = |family| host.words(family, name);
        Self {
            name: name.to_owned(),
            events_in: counter(&families::EVENTS_IN),
            emitted: counter(&families::EVENTS_EMITTED),
            skipped: words(&families::EVENTS_SKIPPED),
            kept: words(&families::EVENTS_KEPT),
            tombstone: counter(&families::EVENTS_TOMBSTONE),
            canary: counter(&families::EVENTS_CANARY),
            unfit: counter(&families::EVENTS_UNFIT),
            failed: words(&families::EVENTS_FAILED),
            abandoned: counter(&families::EVENTS_ABANDONED),
            in_flight: gauge(&families::EVENTS_IN_FLIGHT),
            repeated: counter(&families::EVENTS_REPEATED),
            reprocessed: counter(&families::EVENTS_REPROCESSED),
            retries: words(&families::RETRIES),
            outputs: counter(&families::OUTPUTS),
            outputs_refused: counter(&families::OUTPUTS_REFUSED),
            fields_dropped: words(&families::FIELDS_DROPPED),
            posts: words(&families::POSTS),
            event_seconds: seconds(&families::EVENT_SECONDS),
            turns: counter(&families::TURNS),
            turn_seconds: seconds(&families::TURN_SECONDS),
            faults: words(&families::FAULTS),
            instances_lost: counter(&families::INSTANCES_LOST),
            log_lines_dropped: counter(&families::PLUGIN_LOG_LINES_DROPPED),
            series_dropped: counter(&families::PLUGIN_SERIES_DROPPED),
            sidelined: gauge(&families::SIDELINED),
            failing: gauge(&families::PIPELINE_FAILING),
            versions: gauge(&families::VERSIONS),
            swaps: counter(&families::SWAPS),
            swap_pause: seconds(&families::SWAP_PAUSE),
            partitions: gauge(&families::PARTITIONS),
            partitions_paused: gauge(&families::PARTITIONS_PAUSED),
            open_offsets: gauge(&families::OPEN_OFFSETS),
            bytes_in_flight: gauge(&families::BYTES_IN_FLIGHT),
            results_held: gauge(&families::RESULTS_HELD),
            admitted_bytes: counter(&families::ADMITTED_BYTES),
            fetched_bytes: counter(&families::FETCHED_BYTES),
            fetched_records: counter(&families::FETCHED_RECORDS),
            by_partition: ByPartition::new(host),
            state: StateMetrics::new(host, name),
            rebalances: counter(&families::REBALANCES),
            source_trouble: counter(&families::SOURCE_TROUBLE),
            commits: counter(&families::COMMITS),
            commit_failures: counter(&families::COMMIT_FAILURES),
            commit_seconds: seconds(&families::COMMIT_SECONDS),
            aborted_outputs: counter(&families::ABORTED_OUTPUTS),
            fenced: counter(&families::FENCED),
            guest: Arc::clone(&host.guest),
            log_rate: PluginLogRate::default(),
            consumer_before: Mutex::default(),
        }
    }

    /// An output lost fields that its schema does not know.
    pub fn dropped_fields(&self, path: &str, count: u64) {
        self.fields_dropped.add(path, count);
    }

    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A batch was posted to the event service.
    pub(crate) fn posted(&self, outcome: PostOutcome) {
        self.posts.count(outcome.word());
    }

    /// An event was admitted: it is in flight.
    pub fn event_in(&self) {
        self.events_in.inc();
        self.in_flight.inc();
    }

    /// An event settled with `outputs` outputs.
    pub fn emitted(&self, outputs: usize) {
        self.emitted.inc();
        self.outputs.inc_by(u64::try_from(outputs).unwrap_or(u64::MAX));
        self.in_flight.dec();
    }

    /// An event settled without output, for the plugin's `reason`.
    pub fn skipped(&self, reason: &str) {
        self.skipped.count(reason);
        self.in_flight.dec();
    }

    /// An event settled without output, for the plugin's `reason`, and changed state.
    pub fn kept(&self, reason: &str) {
        self.kept.count(reason);
        self.in_flight.dec();
    }

    /// A record without value settled that the plugin does not ask for.
    pub fn tombstone(&self) {
        self.tombstone.inc();
        self.in_flight.dec();
    }

    /// An event is not of its stream's schema, whatever becomes of it.
    pub fn schema_unfit(&self) {
        self.unfit.inc();
    }

    /// A canary event settled.
    pub fn canary(&self) {
        self.canary.inc();
        self.in_flight.dec();
    }

    /// An event settled as an error event.
    pub fn failed(&self, error_type: &str) {
        self.failed.count(error_type);
        self.in_flight.dec();
    }

    /// An event was given up before any other outcome was counted for it: it runs again elsewhere.
    pub fn abandoned(&self) {
        self.abandoned.inc();
        self.in_flight.dec();
    }

    /// A record came that was settled already.
    pub fn repeated_settled(&self) {
        self.repeated.inc();
    }

    /// An event came back that had failed.
    pub fn reprocessed(&self) {
        self.reprocessed.inc();
    }

    /// A run ended with `retry`; the event stays in flight.
    pub fn retried(&self, reason: &str) {
        self.retries.count(reason);
    }

    /// Kafka refused the outputs of an event as too large; the event stays in flight until its error event is there.
    pub fn refused_outputs(&self) {
        self.outputs_refused.inc();
    }

    /// An event settled this long after it was admitted.
    pub fn settled(&self, after: Duration) {
        self.event_seconds.observe(after.as_secs_f64());
    }

    /// A round of turns took this long.
    pub fn turned(&self, took: Duration) {
        self.turns.inc();
        self.turn_seconds.observe(took.as_secs_f64());
    }

    /// An event failed by a fault of the plugin.
    pub fn fault(&self, kind: &str) {
        self.faults.count(kind);
    }

    /// Instances were thrown away after a turn that failed.
    pub fn instances_lost(&self, instances: u64) {
        self.instances_lost.inc_by(instances);
    }

    /// What a plugin said beside its outcome: its metrics are counted, its log lines written.
    pub fn plugin_report(&self, pipeline: &str, report: &Report) {
        if report.is_empty() {
            return;
        }
        let counts = report.counts.iter().map(|(series, by)| self.guest.count(pipeline, series, *by));
        let observed = report.observations.iter().map(|(series, value)| self.guest.observe(pipeline, series, *value));
        let others = counts.chain(observed).filter(|counted| *counted == Counted::AsOther).count();
        self.series_dropped.inc_by(u64::try_from(others).unwrap_or(u64::MAX));
        self.log_lines_dropped.inc_by(report.logs_dropped + plugin_lines(pipeline, &report.logs, &self.log_rate));
    }

    /// So many more workers have the plugin on the sideline.
    pub fn sidelined(&self, more: i64) {
        self.sidelined.add(more);
    }

    /// Whether so many events fail that single ones are taken only.
    pub fn failing(&self, failing: Failing) {
        self.failing.set(i64::from(failing == Failing::Yes));
    }

    /// How many versions have open events or take new ones.
    pub fn versions(&self, count: usize) {
        self.versions.set(signed(count));
    }

    /// A version began.
    pub fn swapped(&self) {
        self.swaps.inc();
    }

    /// The first event of a version was admitted in a partition, this long after the version had begun there.
    pub fn swap_paused(&self, pause: Duration) {
        self.swap_pause.observe(pause.as_secs_f64());
    }

    /// Bytes of a record that was taken in.
    pub fn polled(&self, bytes: u64) {
        self.admitted_bytes.inc_by(bytes);
    }

    /// How many finished events wait for room in their partition's progress.
    pub fn held(&self, results: usize) {
        self.results_held.set(signed(results));
    }

    /// How things stand now.
    pub fn gauges(&self, open: usize, bytes: u64, paused: usize, partitions: usize) {
        self.open_offsets.set(signed(open));
        self.bytes_in_flight.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.partitions_paused.set(signed(paused));
        self.partitions.set(signed(partitions));
    }

    /// Progress of this many partitions was committed.
    pub fn committed(&self, partitions: usize) {
        self.commits.inc_by(u64::try_from(partitions).unwrap_or(u64::MAX));
    }

    /// A commit took this long.
    pub fn commit_took(&self, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// A transaction was aborted that held this many outputs.
    pub fn transaction_aborted(&self, outputs: usize) {
        self.aborted_outputs.inc_by(u64::try_from(outputs).unwrap_or(u64::MAX));
    }

    /// Another producer took a partition over.
    pub fn fenced(&self) {
        self.fenced.inc();
    }

    /// A commit failed.
    pub fn commit_failed(&self) {
        self.commit_failures.inc();
    }

    /// The consumer had a passing error.
    pub fn source_trouble(&self) {
        self.source_trouble.inc();
    }
}

#[cfg(test)]
mod tests;
