//! Kills around exactly-once: two hosts of one group on three brokers are fed without a pause, while hosts and brokers are
//! killed, frozen and restarted and the API is out, by a seeded plan. Readers of committed records must not notice.
//!
//! Each fault is told with how long it took until everything that had been fed before it, and something fed after it, was
//! out of every partition. What came out at the end is judged by [`crate::checker::once`].

mod effects;
mod feeder;
pub mod plan;
mod scene;
mod stage;
mod witness;

use crate::checker::{Breach, once};
use crate::evidence::{Commit, Evidence};
use crate::journal::{Journal, now_ms};
use crate::player::HostPlayer;
use crate::run::{host_folder, input, keep, output};
use crate::schedule::HOSTS;
use crate::watch::Watch;
use anyhow::{anyhow, ensure};
pub use effects::Effects;
use feeder::Feeder;
use millrace_flow::record::Record;
use millrace_kafka::config::ClusterConfig;
use millrace_kafka::reader::{Isolation, TopicReader};
use plan::Plan;
use scene::PARTITIONS;
pub use scene::Scene;
use stage::Stage;
use std::path::PathBuf;
use std::time::Duration;
use witness::Witness;

/// How long a topic may take to be read.
const READ_MAX_MS: u64 = 120_000;

/// What became of a run.
#[derive(Debug)]
pub struct Report {
    /// What broke the rules.
    pub verdict: Result<(), Vec<Breach>>,
    /// How many faults were played.
    pub faults: usize,
    /// Events.
    pub events: usize,
    /// What the faults did.
    pub effects: Effects,
    /// The longest time until everything went on after a fault.
    pub longest: Duration,
    /// Where the logs and records of a run are that broke a rule.
    pub kept: Option<PathBuf>,
}

/// Plays a plan and judges what came out. `say` gets a line for each fault.
///
/// # Errors
/// The run could not be brought to its end: something never went on, a host ended by itself, a service failed, or no fault
/// had any effect.
pub fn run(scene: &mut Scene, plan: &Plan, say: &mut dyn FnMut(&str)) -> anyhow::Result<Report> {
    let played = play(scene, plan, say);
    let name = format!("kills-{}-{}", plan.seed, now_ms());
    match played {
        Ok(report) if report.verdict.is_ok() => Ok(report),
        Ok(report) => Ok(Report { kept: Some(keep_all(scene, &name)?), ..report }),
        Err(error) => {
            let kept = keep_all(scene, &name)?;
            Err(error.context(format!(
                "seed {}; its logs and the brokers' records are in {}",
                plan.seed,
                kept.display()
            )))
        }
    }
}

/// Keeps the logs of the hosts, and the logs and the records of the brokers.
fn keep_all(scene: &Scene, name: &str) -> anyhow::Result<PathBuf> {
    let kept = keep(scene.folder(), name)?;
    scene.kafka.keep(&kept)?;
    Ok(kept)
}

fn play(scene: &mut Scene, plan: &Plan, say: &mut dyn FnMut(&str)) -> anyhow::Result<Report> {
    let (cluster, enrichment) = (scene.cluster(), scene.enrichment.clone());
    let (feeder, witness, watch, journal) = (Feeder::new(), Witness::new(), Watch::default(), Journal::default());
    let mut hosts = Vec::new();
    for number in 0..HOSTS {
        hosts.push(HostPlayer::start(number, host_folder(scene.folder(), number), &enrichment, &journal)?);
    }
    let longest = std::thread::scope(|scope| {
        let (world, input) = (&scene.world, &enrichment.input);
        let feeding = scope.spawn(|| feeder.run(cluster.clone(), input, world));
        let witnessing = scope.spawn(|| witness.run(&cluster, &enrichment.output));
        let watching = scope.spawn(|| watch.run(&cluster, &enrichment.group, input));
        let (kafka, api) = (&mut scene.kafka, &scene.api);
        let mut stage =
            Stage { kafka, api, hosts: &mut hosts, enrichment: &enrichment, feeder: &feeder, witness: &witness };
        let played = stage.play(plan, say);
        feeder.end();
        let fed = feeding.join().map_err(|_| anyhow!("the feeder panicked")).flatten();
        let played = fed.and(played).and_then(|longest| stage.finish(&watch).map(|()| longest));
        witness.end();
        watch.end();
        let witnessed = witnessing.join().map_err(|_| anyhow!("the witness panicked")).flatten();
        let watched = watching.join().map_err(|_| anyhow!("the watch panicked")).flatten();
        // What a reader met comes first: without it, nobody could have said that things go on.
        witnessed.and(watched).and(played)
    })?;
    let mut effects = Effects::default();
    for host in &hosts {
        effects.add(Effects::of_log(&host.log()?));
    }
    let evidence = gather(scene, watch.into_seen().0)?;
    let uncommitted = read(&scene.cluster(), &enrichment.output, Isolation::ReadUncommitted)?;
    effects.aborted_outputs = uncommitted.len().saturating_sub(evidence.outputs.len());
    ensure!(effects.prove_something(usize::try_from(PARTITIONS)?), "no fault had any effect: {effects:?}");
    let verdict = once::judge(&evidence, &witness.into_sightings());
    Ok(Report { verdict, faults: plan.faults(), events: evidence.inputs.len(), effects, longest, kept: None })
}

/// Puts the evidence of a run together.
fn gather(scene: &Scene, commits: Vec<Commit>) -> anyhow::Result<Evidence> {
    let enrichment = &scene.enrichment;
    let errors = read(&scene.cluster(), &enrichment.errors, Isolation::ReadCommitted)?;
    ensure!(errors.is_empty(), "{} events became error events, the first: {:?}", errors.len(), errors.first());
    let inputs = read(&scene.cluster(), &enrichment.input, Isolation::ReadCommitted)?;
    let outputs = read(&scene.cluster(), &enrichment.output, Isolation::ReadCommitted)?;
    Ok(Evidence {
        inputs: inputs.iter().map(input).collect::<anyhow::Result<_>>()?,
        outputs: outputs.iter().map(output).collect::<anyhow::Result<_>>()?,
        commits,
        ..Evidence::default()
    })
}

fn read(cluster: &ClusterConfig, topic: &str, isolation: Isolation) -> anyhow::Result<Vec<Record>> {
    Ok(TopicReader::open(cluster, topic, isolation)?.take_all(READ_MAX_MS)?)
}
