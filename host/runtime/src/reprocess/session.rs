//! One run: becomes the writer, reads what was given back before, then reads the error topic and gives back what is
//! selected, batch by batch. It can be ended at any moment; what it has not written yet, the next run writes.

use crate::config::{PipelineConfig, ReprocessConfig};
use crate::reprocess::screen::Screen;
use crate::reprocess::selection::{GivenBack, Rules, Selection, Verdict};
use crate::reprocess::summary::{Fate, Summary};
use crate::reprocess::{forgets_early, unfit};
use anyhow::{Context as _, bail};
use millrace_flow::clock::Clock;
use millrace_flow::record::{OutputRecord, Record};
use millrace_kafka::cluster::{Cluster, create_command};
use millrace_kafka::config::{ClusterConfig, MESSAGE_BYTES_MAX, ProducerConfig};
use millrace_kafka::exclusive::{ExclusiveError, ExclusiveWriter};
use millrace_kafka::mock::is_embedded;
use millrace_kafka::range::{RangeReader, Step};
use millrace_platform::{FailedEvent, error_source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a cluster may be out of reach before a run gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// See [`PATIENCE`].
const PATIENCE_MS: u64 = 60_000;
/// After so long without an answer, the run says that it waits.
const SAYS_SO_AFTER: Duration = Duration::from_secs(5);
/// How long one look for a record takes: so long an interruption may wait.
const LOOK: Duration = Duration::from_millis(200);
/// The most records that are written at once.
const BATCH_RECORDS_MAX: usize = 500;
/// The most bytes that are written at once, but for one record more.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// An error event is given back after it was written; the clocks that say when may differ by so much.
const CLOCKS_DIFFER_MS: i64 = 3_600_000;

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    GiveBack,
    /// It is only shown what would be.
    DryRun,
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pipeline.
    pub pipeline: PipelineConfig,
    /// Its way back.
    pub reprocess: ReprocessConfig,
    /// Which error events.
    pub selection: Selection,
    /// How often an event may be given back in all.
    pub attempts_max: u32,
    /// Whether anything is written.
    pub mode: Mode,
}

/// A run.
pub struct Session<'a> {
    plan: &'a Plan,
    clock: &'a dyn Clock,
    stop: &'a AtomicBool,
    screen: Screen,
    /// What came of it so far.
    pub summary: Summary,
}

/// Records that are to be written, with the error events that they were made of.
#[derive(Default)]
struct Batch {
    events: Vec<(FailedEvent, OutputRecord)>,
    bytes: usize,
}

impl<'a> Session<'a> {
    /// A run that has not begun. It ends soon after `stop` is set.
    pub fn new(plan: &'a Plan, clock: &'a dyn Clock, stop: &'a AtomicBool) -> Self {
        Self { plan, clock, stop, screen: Screen::new(), summary: Summary::default() }
    }

    /// Runs to the end, which is where the error topic ended when the run began.
    ///
    /// # Errors
    /// A cluster is out of reach for too long, a topic is missing or unfit, or another run has begun.
    pub fn run(&mut self) -> anyhow::Result<()> {
        let ran = self.run_inside();
        self.screen.clear();
        ran
    }

    fn run_inside(&mut self) -> anyhow::Result<()> {
        self.screen.phase("Looking at the topics.");
        let rules = self.look_around()?;
        let writer = match self.plan.mode {
            Mode::DryRun => None,
            Mode::GiveBack => Some(self.become_writer(&rules)?),
        };
        let given_back = self.read_given_back(&rules)?;
        self.give_back(&rules, &given_back, writer.as_ref())
    }

    /// Asks the clusters for what the rules need.
    fn look_around(&mut self) -> anyhow::Result<Rules> {
        let Plan { pipeline, reprocess, attempts_max, .. } = self.plan;
        let (cluster, cluster_id) = connect(&pipeline.cluster)?;
        let (errors, _) = connect(&pipeline.output_cluster)?;
        need(&cluster, &pipeline.cluster, &reprocess.topic)?;
        need(&errors, &pipeline.output_cluster, &pipeline.errors.topic)?;
        let mut bytes_max = MESSAGE_BYTES_MAX as u64;
        // The embedded broker knows no settings of topics, and never answers who asks for them.
        if !is_embedded(&cluster_id) {
            if let Some(unfit) = unfit(&cluster, &reprocess.topic, PATIENCE_MS)? {
                bail!("{unfit}; change the topic's settings");
            }
            let topics = ((&cluster, reprocess.topic.as_str()), (&errors, pipeline.errors.topic.as_str()));
            if let Some(warning) = forgets_early(topics.0, topics.1, PATIENCE_MS)? {
                self.screen.tell(&format!("Take care: {warning}."));
            }
            bytes_max = cluster.topic_bytes_max(&reprocess.topic, PATIENCE_MS)?.unwrap_or(bytes_max).min(bytes_max);
        }
        Ok(Rules {
            pipeline: pipeline.name.clone(),
            cluster_id,
            topics: pipeline.inputs.values().flat_map(|input| input.topics.clone()).collect(),
            topic: reprocess.topic.as_str().into(),
            bytes_max,
            attempts_max: *attempts_max,
        })
    }

    fn become_writer(&self, rules: &Rules) -> anyhow::Result<ExclusiveWriter> {
        let pipeline = &self.plan.pipeline;
        let mut config = ProducerConfig::new(pipeline.cluster.clone());
        config.compression = pipeline.compression;
        config.batch_bytes_max = config.batch_bytes_max.min(usize::try_from(rules.bytes_max).unwrap_or(usize::MAX));
        Ok(ExclusiveWriter::open(&config, &pipeline.reprocess_writer(), PATIENCE)?)
    }

    /// Reads which error events were given back: those that could be selected again.
    fn read_given_back(&mut self, rules: &Rules) -> anyhow::Result<GivenBack> {
        self.screen.phase("Reading what was given back before.");
        let mut given_back = GivenBack::default();
        let since_ms = self.plan.selection.since_ms.map(|since_ms| since_ms.saturating_sub(CLOCKS_DIFFER_MS));
        let mut range = RangeReader::open(&self.plan.pipeline.cluster, &rules.topic, since_ms)?;
        while let Some(record) = self.next(&mut range, "")? {
            if let Some(error) = error_source(&record.headers) {
                given_back.add(&error);
            }
        }
        Ok(given_back)
    }

    fn give_back(
        &mut self,
        rules: &Rules,
        given_back: &GivenBack,
        writer: Option<&ExclusiveWriter>,
    ) -> anyhow::Result<()> {
        self.screen.phase("Reading error events.");
        let pipeline = &self.plan.pipeline;
        let since_ms = self.plan.selection.since_ms;
        let mut range = RangeReader::open(&pipeline.output_cluster, &pipeline.errors.topic, since_ms)?;
        let mut batch = Batch::default();
        loop {
            let note = format!(", {} given back", self.summary.total(Fate::GivenBack));
            let Some(record) = self.next(&mut range, &note)? else { break };
            self.take(record, rules, given_back, &mut batch);
            if batch.events.len() >= BATCH_RECORDS_MAX || batch.bytes >= BATCH_BYTES_MAX {
                self.write(&mut batch, writer)?;
            }
        }
        self.write(&mut batch, writer)
    }

    /// Looks at one error event.
    fn take(&mut self, record: Record, rules: &Rules, given_back: &GivenBack, batch: &mut Batch) {
        self.summary.read += 1;
        let Ok(failed) = FailedEvent::read(&record) else {
            self.summary.unreadable += 1;
            return;
        };
        if failed.emitter_id != rules.pipeline {
            self.summary.others += 1;
        } else if !self.plan.selection.wants(&failed, record.timestamp_ms) {
            self.summary.not_selected += 1;
        } else {
            match rules.judge(&failed, given_back, self.clock.now_ms()) {
                Verdict::Leave(fate) => self.summary.count(&failed, fate),
                Verdict::Give(record) => {
                    batch.bytes += record.bytes();
                    batch.events.push((failed, record));
                }
            }
        }
    }

    /// Writes a batch, in the order in which its events lay in their topics: those of one key lie in one partition.
    fn write(&mut self, batch: &mut Batch, writer: Option<&ExclusiveWriter>) -> anyhow::Result<()> {
        let Batch { mut events, .. } = std::mem::take(batch);
        events.sort_by(|(one, _), (other, _)| one.source.cmp(&other.source));
        let (failed, records): (Vec<FailedEvent>, Vec<OutputRecord>) = events.into_iter().unzip();
        if let Some(writer) = writer.filter(|_| !records.is_empty()) {
            // Where topics share state, a key's lies in the partition of the number in which its event lay.
            let together = self.plan.pipeline.sharding().is_together();
            let original = |index: usize| Some(failed.get(index)?.source.as_ref()?.partition.partition);
            let written = writer.write_to(&records, |index| original(index).filter(|_| together));
            written.map_err(|error| match error {
                ExclusiveError::Overtaken { .. } => anyhow::anyhow!(
                    "another run for this pipeline has begun, and goes on where this one ends ({error})"
                ),
                ExclusiveError::Kafka(error) => {
                    anyhow::Error::from(error).context("the last batch was not given back; run it again to go on")
                }
            })?;
        }
        failed.iter().for_each(|failed| self.summary.count(failed, Fate::GivenBack));
        Ok(())
    }

    /// The next record; none at the end, or when the run is to stop. Waits for a cluster that does not answer, up to
    /// [`PATIENCE`].
    fn next(&mut self, range: &mut RangeReader, note: &str) -> anyhow::Result<Option<Record>> {
        let began = Instant::now();
        let mut said = false;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                self.summary.interrupted = true;
                return Ok(None);
            }
            let step = range.next(LOOK)?;
            self.screen.advance(range.position(), note);
            match step {
                Step::Record(record) => return Ok(Some(record)),
                Step::End => return Ok(None),
                Step::Nothing if began.elapsed() >= PATIENCE => {
                    bail!("Kafka has not answered for {} s; run it again to go on", PATIENCE.as_secs());
                }
                Step::Nothing if began.elapsed() >= SAYS_SO_AFTER && !said => {
                    said = true;
                    self.screen.tell(&format!("Kafka does not answer; waiting for up to {} s.", PATIENCE.as_secs()));
                }
                Step::Nothing => {}
            }
        }
    }
}

/// Connects to a cluster, and asks for its id.
fn connect(config: &ClusterConfig) -> anyhow::Result<(Cluster, String)> {
    let cluster = Cluster::connect(config)?;
    let id = cluster.id(PATIENCE_MS).context("the cluster cannot be reached")?;
    Ok((cluster, id))
}

fn need(cluster: &Cluster, config: &ClusterConfig, topic: &str) -> anyhow::Result<()> {
    if cluster.topic(topic, PATIENCE_MS)?.is_none() {
        let command = create_command(&config.brokers, topic, 1, MESSAGE_BYTES_MAX as u64);
        bail!("topic {topic} does not exist; create it with: {command}");
    }
    Ok(())
}

/// A run as a job of its own thread.
///
/// # Errors
/// As [`Session::run`]; the summary tells how far it came.
pub fn run(plan: &Plan, clock: &dyn Clock, stop: &Arc<AtomicBool>) -> (Summary, anyhow::Result<()>) {
    let mut session = Session::new(plan, clock, stop);
    let ran = session.run();
    (session.summary, ran)
}
