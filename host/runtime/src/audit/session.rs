//! One audit: reads in an order in which nothing that happens meanwhile looks like a defect. First what is settled, then
//! the inputs, then the results, then what is settled by now: what was settled before has its results among those that
//! were read, and what has a result is settled after.

use super::evidence::{Evidence, Found, Input, Sort, Source, lane};
use super::finding::{Defect, Finding, Findings};
use super::judge::{Promise, Repeats, Rules, Silence, judge};
use super::report::{Report, Written};
use super::timers::TimerResults;
use super::window::Window;
use super::written::{Judged, Topic, Validator, Whose, document, topics, whose};
use crate::config::{OrderConfig, PipelineConfig};
use crate::registry::{Schemas, SchemasConfig};
use crate::reprocess::screen::Screen;
use crate::standing::{Place, Truth};
use anyhow::bail;
use millrace_flow::progress::Progress;
use millrace_flow::record::{Record, TopicPartition};
use millrace_kafka::range::{RangeReader, Step};
use millrace_platform::{Cause, Coordinates, restore};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a cluster may be out of reach before an audit gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one look for a record takes: so long an interruption may wait.
const LOOK: Duration = Duration::from_millis(200);

/// What an audit is to look at.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pipeline.
    pub pipeline: PipelineConfig,
    /// Where its progress is kept.
    pub truth: Truth,
    /// Where schemas are.
    pub schemas: SchemasConfig,
    /// Which events.
    pub window: Window,
    /// From which time on the topics that are written are read; none: from their beginning.
    pub outputs_since_ms: Option<i64>,
    /// What a settled event without any result is.
    pub silence: Silence,
    /// What becomes of results that are there again.
    pub repeats: Repeats,
    /// So many findings of each kind are shown.
    pub findings_max: usize,
}

/// Runs an audit to its end; it ends early when `stop` is set.
///
/// # Errors
/// A cluster or a schema repository is out of reach, a topic is missing, or it was interrupted: then nothing is known.
pub fn run(plan: &Plan, stop: &AtomicBool) -> anyhow::Result<Report> {
    let mut session = Session {
        plan,
        stop,
        screen: Screen::new(),
        findings: Findings::keeping(plan.findings_max),
        timers: TimerResults::default(),
    };
    let report = session.run();
    session.screen.clear();
    report
}

struct Session<'a> {
    plan: &'a Plan,
    stop: &'a AtomicBool,
    screen: Screen,
    findings: Findings,
    timers: TimerResults,
}

impl Session<'_> {
    fn run(&mut self) -> anyhow::Result<Report> {
        let pipeline = &self.plan.pipeline;
        if pipeline.event_service.is_some() {
            bail!("the outputs of `{}` are posted to an event service; an audit needs topics to read", pipeline.name);
        }
        self.screen.phase("Looking at the topics.");
        let place = Place::find(pipeline, self.plan.truth.clone())?;
        let topics = topics(pipeline)?;
        self.timers = TimerResults::of(place.shards());
        let mut evidence = self.read_inputs(&place)?;
        evidence.topics = topics.iter().map(|topic| topic.name.clone()).collect();
        let mut written = Vec::new();
        for (number, topic) in (0..).zip(&topics) {
            written.push(self.read_results(&place, number, topic, &mut evidence)?);
        }
        self.note_after(&place, &mut evidence)?;
        let rules = Rules {
            promise: if place.truth == Truth::Group { Promise::AtLeastOnce } else { Promise::ExactlyOnce },
            silence: self.plan.silence,
            repeats: self.plan.repeats,
        };
        let tallies = judge(&mut evidence, rules, &mut self.findings);
        self.name_keys()?;
        let findings = std::mem::replace(&mut self.findings, Findings::keeping(0));
        let read = evidence.sources.iter().map(|source| (source.partition.clone(), source.range.clone())).zip(tallies);
        Ok(Report { pipeline: pipeline.name.clone(), rules, read: read.collect(), written, findings })
    }

    /// Reads what is settled, then the inputs, then what was given back.
    fn read_inputs(&mut self, place: &Place<'_>) -> anyhow::Result<Evidence> {
        let before = progress_of(place)?;
        let is_input =
            |topic: &str| place.pipeline.inputs.values().any(|input| input.topics.iter().any(|t| t == topic));
        let partitions: Vec<TopicPartition> =
            place.partitions.iter().filter(|partition| is_input(&partition.topic)).cloned().collect();
        let mut sources = Vec::new();
        for (partition, range) in self.plan.window.ranges(place, &partitions)? {
            let before = before.get(&partition).cloned().unwrap_or_default();
            sources.push(Source {
                after: before.clone(),
                before,
                partition,
                range,
                inputs: Vec::new(),
                canaries: Vec::new(),
                tombstones: Vec::new(),
                given_back: Vec::new(),
            });
        }
        self.screen.phase("Reading inputs.");
        let names: std::collections::BTreeSet<_> = partitions.iter().map(|partition| partition.topic.clone()).collect();
        for topic in names {
            self.read_input(&topic, &mut sources)?;
        }
        if let Some(reprocess) = &place.pipeline.reprocess {
            self.read_given_back(place, &reprocess.topic, &mut sources)?;
        }
        Ok(Evidence { sources, ..Evidence::default() })
    }

    fn read_input(&mut self, topic: &str, sources: &mut [Source]) -> anyhow::Result<()> {
        let ranges: BTreeMap<i32, Range<i64>> = sources
            .iter()
            .filter(|source| *source.partition.topic == *topic)
            .map(|source| (source.partition.partition, source.range.clone()))
            .collect();
        let mut range = RangeReader::open_offsets(&self.plan.pipeline.cluster, topic, &ranges)?;
        while let Some(record) = self.next(&mut range)? {
            let Some(source) = sources.iter_mut().find(|source| source.partition == record.source) else { continue };
            match &record.value {
                None => source.tombstones.push(record.offset),
                Some(_) => {
                    // What is no event fails, which is a result like any other.
                    let canary = document(&record).is_ok_and(|document| document.is_some_and(|d| d.facts().canary));
                    source.canaries.extend(canary.then_some(record.offset));
                }
            }
            let lane = match self.plan.pipeline.order {
                OrderConfig::Key => lane(record.key.as_deref()),
                OrderConfig::Partition => 0,
            };
            source.inputs.push(Input { offset: record.offset, timestamp_ms: record.timestamp_ms, lane });
        }
        Ok(())
    }

    fn read_given_back(&mut self, place: &Place<'_>, topic: &str, sources: &mut [Source]) -> anyhow::Result<()> {
        self.screen.phase("Reading what was given back.");
        let mut range = RangeReader::open(&self.plan.pipeline.cluster, topic, None)?;
        while let Some(record) = self.next(&mut range)? {
            let restored = restore(record, &place.cluster_id);
            let of = |source: &&mut Source| restored.reprocessed > 0 && source.partition == restored.record.source;
            if let Some(source) = sources.iter_mut().find(of) {
                source.given_back.push(restored.record.offset);
            }
        }
        sources.iter_mut().for_each(|source| source.given_back.sort_unstable());
        Ok(())
    }

    fn read_results(
        &mut self,
        place: &Place<'_>,
        number: u16,
        topic: &Topic,
        evidence: &mut Evidence,
    ) -> anyhow::Result<Written> {
        let phase = if topic.sort == Sort::Output { "Reading outputs." } else { "Reading error events." };
        self.screen.phase(phase);
        let schemas = Schemas::new(self.plan.schemas.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let validator = Validator { pipeline: &place.pipeline.name, schemas: &schemas, runtime: &runtime };
        let mut written = Written { topic: topic.name.clone(), ..Written::default() };
        let cluster = &self.plan.pipeline.output_cluster;
        let mut range = RangeReader::open(cluster, &topic.name, self.plan.outputs_since_ms)?;
        while let Some(record) = self.next(&mut range)? {
            written.records += 1;
            let found = self.take(place, (number, topic), &record, &evidence.sources, &validator, &mut written)?;
            evidence.results.extend(found);
        }
        Ok(written)
    }

    /// Looks at one record of a topic that is written. None: it is not about an event of the range.
    fn take(
        &mut self,
        place: &Place<'_>,
        (number, topic): (u16, &Topic),
        record: &Record,
        sources: &[Source],
        validator: &Validator<'_>,
        written: &mut Written,
    ) -> anyhow::Result<Option<Found>> {
        let parsed = document(record);
        let value = parsed.as_ref().ok().and_then(Option::as_ref);
        let result = Coordinates { partition: record.source.clone(), offset: record.offset };
        let invalid = |source: Option<Coordinates>, detail: String| Finding {
            defect: Defect::Invalid,
            source,
            result: Some(result.clone()),
            key: None,
            detail,
        };
        let provenance = match whose(topic, record, value, &place.pipeline.name) {
            Whose::Ours(provenance) => provenance,
            Whose::Others => {
                written.others += 1;
                return Ok(None);
            }
            Whose::Damaged(detail) => {
                self.findings.add(None, invalid(None, detail));
                return Ok(None);
            }
        };
        let judge = |timestamp_ms| match &parsed {
            Ok(_) => validator.judge(topic, value, &provenance, timestamp_ms),
            Err(detail) => Ok(Judged::Invalid(detail.clone())),
        };
        let is_ours = provenance.cluster_id == place.cluster_id;
        let at = match &provenance.cause {
            Cause::Event(at) => at,
            Cause::Timer(shard, timer) if is_ours && self.timers.are_of(shard) => {
                written.of_timers += 1;
                if let Judged::Invalid(detail) = judge(record.timestamp_ms)? {
                    self.findings.add(None, invalid(None, detail));
                }
                let part = (topic.sort, provenance.part.index());
                let again = self.timers.note((shard, timer), part, &result);
                if let Some(detail) = again.filter(|_| self.plan.repeats == Repeats::Found) {
                    self.findings.add(None, Finding { defect: Defect::Doubled, ..invalid(None, detail) });
                }
                return Ok(None);
            }
            Cause::Timer(..) => {
                written.others += 1;
                return Ok(None);
            }
        };
        let source = (0..).zip(sources).find(|(_, source)| is_ours && source.partition == at.partition);
        let Some((source_number, source)) = source else {
            written.others += 1;
            return Ok(None);
        };
        if !source.range.contains(&at.offset) {
            written.outside += 1;
            return Ok(None);
        }
        let Some(input) = source.input(at.offset) else {
            written.gone += 1;
            return Ok(None);
        };
        written.results += 1;
        if let Judged::Invalid(detail) = judge(input.timestamp_ms)? {
            self.findings.add(Some((source_number, input.lane)), invalid(Some(at.clone()), detail));
        }
        Ok(Some(Found {
            offset: at.offset,
            at: record.offset,
            lane: input.lane,
            source: source_number,
            index: provenance.part.index(),
            partition: record.source.partition,
            topic: number,
            sort: topic.sort,
            ordered: false,
        }))
    }

    fn note_after(&mut self, place: &Place<'_>, evidence: &mut Evidence) -> anyhow::Result<()> {
        let mut after = progress_of(place)?;
        for source in &mut evidence.sources {
            source.after = after.remove(&source.partition).unwrap_or_default();
        }
        Ok(())
    }

    /// Looks up the keys of the events that findings are about. Nobody kept them, because there are too many.
    fn name_keys(&mut self) -> anyhow::Result<()> {
        let cluster = &self.plan.pipeline.cluster;
        let mut wanted: BTreeMap<Coordinates, Option<String>> =
            self.findings.kept().filter_map(|finding| finding.source.clone()).map(|source| (source, None)).collect();
        for (at, key) in &mut wanted {
            let range = BTreeMap::from([(at.partition.partition, at.offset..at.offset + 1)]);
            let mut range = RangeReader::open_offsets(cluster, &at.partition.topic, &range)?;
            let record = self.next(&mut range)?;
            *key = record.and_then(|record| record.key).map(|key| String::from_utf8_lossy(&key).into_owned());
        }
        for finding in self.findings.kept_mut() {
            finding.key = finding.source.as_ref().and_then(|source| wanted.get(source).cloned().flatten());
        }
        Ok(())
    }

    /// The next record; none at the end. Waits for a cluster that does not answer, up to [`PATIENCE`].
    fn next(&mut self, range: &mut RangeReader) -> anyhow::Result<Option<Record>> {
        let began = Instant::now();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                bail!("interrupted; nothing was judged");
            }
            let step = range.next(LOOK)?;
            let found = self.findings.total();
            let note = if found > 0 { format!(", {found} findings") } else { String::new() };
            self.screen.advance(range.position(), &note);
            match step {
                Step::Record(record) => return Ok(Some(record)),
                Step::End => return Ok(None),
                Step::Nothing if began.elapsed() >= PATIENCE => {
                    bail!("Kafka has not answered for {} s; nothing was judged", PATIENCE.as_secs());
                }
                Step::Nothing => {}
            }
        }
    }
}

fn progress_of(place: &Place<'_>) -> anyhow::Result<BTreeMap<TopicPartition, Progress>> {
    let standings = place.standings()?.into_iter();
    Ok(standings.filter_map(|(partition, standing)| Some((partition, standing.progress().1?.clone()))).collect())
}
