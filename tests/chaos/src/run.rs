//! One run: two hosts of one group are fed while a schedule is played to them and to the broker; once everything is
//! committed, what was seen is judged.

use crate::checker::{self, Breach, Findings, Promise};
use crate::evidence::{Evidence, Input, Output, Source};
use crate::group_log;
use crate::journal::{Journal, now_ms};
use crate::player::{HostPlayer, play_broker};
use crate::scene::{COMMIT_INTERVAL_MS, Scene};
use crate::schedule::{HOSTS, SPAN_MS, Schedule, Target};
use crate::watch::Watch;
use anyhow::{Context as _, anyhow, ensure};
use millrace_bed::enrichment::Enrichment;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_flow::record::{OutputRecord, Record};
use millrace_kafka::config::ProducerConfig;
use millrace_kafka::reader::{Isolation, TopicReader};
use millrace_kafka::writer::Writer;
use millrace_services::wait_until;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events of a run, spread evenly over its span: 1,000 a second.
pub const EVENTS: u64 = 4_000;
/// Events are fed in portions of so many.
const PORTION: u64 = 20;
/// Keys: each has 20 events, two tenths of a second apart.
const PAGES: u64 = 200;
/// How long the hosts may take to finish when the last fault is over.
const PATIENCE: Duration = Duration::from_secs(60);
/// When all the events happened, as they say.
const DT: &str = "2026-06-22T09:48:10Z";

/// What is promised of every run, and what the machine is granted: it has two cores, and other work.
pub const PROMISE: Promise = Promise {
    commit_interval_ms: COMMIT_INTERVAL_MS.cast_signed(),
    // Acknowledgement, a turn of the loop, one commit: beyond the interval only on a machine that is busy otherwise.
    slack_ms: 500,
    in_flight_ms: 1_000,
    // The reconnect, and the longest wait between two attempts to commit.
    recovery_ms: 3_000,
    // The longest wait between two attempts to commit, and half as much again.
    regroup_ms: 600,
};

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was seen, if all rules were kept.
    pub verdict: Result<Findings, Vec<Breach>>,
    /// How many faults were played.
    pub faults: usize,
    /// Where logs and evidence of a run are that broke a rule.
    pub kept: Option<PathBuf>,
}

/// Plays a schedule and judges what came out.
///
/// # Errors
/// The run could not be brought to its end: a host ended by itself, an end that never came, a service that failed.
pub fn run(scene: &Scene, schedule: &Schedule) -> anyhow::Result<Report> {
    let name = format!("chaos-{}-{}", schedule.seed, now_ms());
    let enrichment = scene.enrichment(&name)?;
    let folder = tempfile::Builder::new().prefix(&name).tempdir_in(scene.folder())?;
    let journal = Journal::default();
    let outcome = play(scene, schedule, &enrichment, folder.path(), &journal);
    let outcome = outcome.and_then(|evidence| {
        let faults = journal.entries().faults;
        ensure!(faults == schedule.faults.len(), "{faults} of {} faults were played", schedule.faults.len());
        Ok((faults, checker::judge(&evidence, &PROMISE)))
    });
    match outcome {
        Ok((faults, verdict @ Ok(_))) => Ok(Report { verdict, faults, kept: None }),
        Ok((faults, verdict)) => Ok(Report { verdict, faults, kept: Some(keep(folder.path(), &name)?) }),
        Err(error) => {
            let kept = keep(folder.path(), &name)?;
            Err(error.context(format!("seed {}; its logs are in {}", schedule.seed, kept.display())))
        }
    }
}

/// Moves a run's folder to where it outlives the process.
pub(crate) fn keep(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let kept = millrace_bed::host::root().join("target/chaos").join(name);
    std::fs::create_dir_all(&kept)?;
    for host in 0..HOSTS {
        let log = host_folder(folder, host).join("millrace.log");
        if log.exists() {
            std::fs::copy(log, kept.join(format!("host-{host}.log")))?;
        }
    }
    Ok(kept)
}

pub(crate) fn host_folder(folder: &Path, host: usize) -> PathBuf {
    folder.join(format!("host-{host}"))
}

fn play(
    scene: &Scene,
    schedule: &Schedule,
    enrichment: &Enrichment,
    folder: &Path,
    journal: &Journal,
) -> anyhow::Result<Evidence> {
    let mut hosts = Vec::new();
    for number in 0..HOSTS {
        hosts.push(HostPlayer::start(number, host_folder(folder, number), enrichment, journal)?);
    }
    let watch = Watch::default();
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch.run(&scene.cluster(), &enrichment.group, &enrichment.input));
        let played = play_all(scene, schedule, enrichment, journal, &mut hosts);
        let finished = played.and_then(|()| finish(&mut hosts, &watch));
        watch.end();
        let watched = watching.join().map_err(|_| anyhow!("the watch ended in a panic")).flatten();
        finished.and(watched)
    })?;
    gather(scene, enrichment, &hosts, watch, journal)
}

/// Feeds the hosts and plays all faults, side by side.
fn play_all(
    scene: &Scene,
    schedule: &Schedule,
    enrichment: &Enrichment,
    journal: &Journal,
    hosts: &mut [HostPlayer<'_>],
) -> anyhow::Result<()> {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let mut players = vec![
            scope.spawn(move || feed(scene, &enrichment.input, begin)),
            scope.spawn(move || play_broker(scene, journal, begin, schedule.of_target(Target::Broker))),
        ];
        for host in hosts {
            let faults = schedule.of_target(Target::Host(host.number));
            players.push(scope.spawn(move || host.play(begin, faults)));
        }
        let ended = players.into_iter().map(|player| player.join().map_err(|_| anyhow!("a player panicked")).flatten());
        // All of them are joined, whichever fails.
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Waits until everything is committed, and ends the hosts.
fn finish(hosts: &mut [HostPlayer<'_>], watch: &Watch) -> anyhow::Result<()> {
    let all = i64::try_from(EVENTS)?;
    let mut ended = None;
    let is_done = || {
        ended = hosts.iter_mut().position(|host| !host.is_running());
        ended.is_some() || watch.committed() >= all
    };
    wait_until("everything committed", PATIENCE, is_done)
        .with_context(|| format!("{} of {all} are committed", watch.committed()))?;
    ensure!(ended.is_none(), "host {ended:?} ended by itself");
    hosts.iter_mut().try_for_each(HostPlayer::finish)
}

/// Writes events of all pages in turns, evenly over the span of the schedule.
fn feed(scene: &Scene, topic: &str, begin: Instant) -> anyhow::Result<()> {
    let writer = Writer::new(&ProducerConfig::new(scene.cluster()))?;
    let (wiki, topic): (Wiki, Arc<str>) = (Wiki::numbered(0), topic.into());
    let between = Duration::from_millis(SPAN_MS) / u32::try_from(EVENTS / PORTION)?;
    for portion in 0..EVENTS / PORTION {
        let due = begin + between * u32::try_from(portion)?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        for number in portion * PORTION..(portion + 1) * PORTION {
            let (page_id, edit) = (1 + number % PAGES, 2 + number / PAGES);
            let change = Change { wiki: &wiki, page_id, edit, kind: Kind::Edit, dt: DT };
            writer.write(&OutputRecord {
                topic: Arc::clone(&topic),
                timestamp_ms: now_ms(),
                key: Some(change.key().into_bytes().into()),
                value: Some(change.event(&scene.world).into_bytes().into()),
                headers: Vec::new(),
            })?;
        }
    }
    Ok(writer.flush(u64::try_from(PATIENCE.as_millis())?)?)
}

/// Puts the evidence of a run together.
fn gather(
    scene: &Scene,
    enrichment: &Enrichment,
    hosts: &[HostPlayer<'_>],
    watch: Watch,
    journal: &Journal,
) -> anyhow::Result<Evidence> {
    let until_ms = now_ms();
    let read = |topic: &str| -> anyhow::Result<Vec<Record>> {
        let reader = TopicReader::open(&scene.cluster(), topic, Isolation::ReadUncommitted);
        Ok(reader?.take_all(u64::try_from(PATIENCE.as_millis())?)?)
    };
    let errors = read(&enrichment.errors)?;
    ensure!(errors.is_empty(), "{} events became error events, the first: {:?}", errors.len(), errors.first());
    let entries = journal.entries().clone();
    let mut tenures = Vec::new();
    for host in hosts {
        let ends = entries.ends.iter().filter(|(number, _)| *number == host.number).map(|(_, at_ms)| *at_ms);
        tenures.extend(group_log::tenures(host.number, &host.log()?, &ends.collect::<Vec<_>>(), until_ms)?);
    }
    let (commits, rebalances) = watch.into_seen();
    Ok(Evidence {
        inputs: read(&enrichment.input)?.iter().map(input).collect::<anyhow::Result<_>>()?,
        outputs: read(&enrichment.output)?.iter().map(output).collect::<anyhow::Result<_>>()?,
        commits,
        tenures,
        standstills: entries.standstills.into_iter().chain(rebalances).collect(),
    })
}

pub(crate) fn input(record: &Record) -> anyhow::Result<Input> {
    let source = Source { partition: record.source.partition, offset: record.offset };
    Ok(Input { source, key: record.key.as_deref().context("an input without key")?.to_vec() })
}

pub(crate) fn output(record: &Record) -> anyhow::Result<Output> {
    let event: serde_json::Value = serde_json::from_slice(record.value.as_deref().context("a tombstone")?)?;
    let id = event.pointer("/meta/id").and_then(serde_json::Value::as_str).context("an output without id")?;
    Ok(Output {
        source: source(record)?,
        key: record.key.as_deref().context("an output without key")?.to_vec(),
        id: id.to_owned(),
        partition: record.source.partition,
        at_ms: record.timestamp_ms,
    })
}

/// The event that an output came of: its header says `cluster/topic/partition/offset`.
pub(crate) fn source(output: &Record) -> anyhow::Result<Source> {
    let header = output.headers.iter().find(|header| &*header.name == "millrace-src");
    let header = header.and_then(|header| header.value.as_deref()).context("an output without its source")?;
    let header = std::str::from_utf8(header)?;
    let mut parts = header.rsplit('/');
    let mut number = || parts.next().with_context(|| format!("{header} names no record"));
    let (offset, partition) = (number()?.parse()?, number()?.parse()?);
    Ok(Source { partition, offset })
}
