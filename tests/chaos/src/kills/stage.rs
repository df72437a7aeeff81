//! Plays faults to hosts, brokers and the API, and sees how long it takes until everything goes on.

use super::feeder::Feeder;
use super::plan::{Actor, Fault, Plan};
use super::read;
use super::scene::PARTITIONS;
use super::witness::Witness;
use crate::player::HostPlayer;
use crate::run::source;
use crate::watch::Watch;
use anyhow::{Context as _, anyhow, bail, ensure};
use millrace_bed::api::StandIn;
use millrace_bed::enrichment::Enrichment;
use millrace_flow::progress_record::ProgressKey;
use millrace_flow::record::{Record, TopicPartition};
use millrace_kafka::cluster::Cluster;
use millrace_kafka::config::ClusterConfig;
use millrace_kafka::reader::Isolation;
use millrace_services::{Coordinated, Kafka, wait_until};
use std::time::{Duration, Instant};

/// How long it may take until everything goes on after a fault. A broker that is frozen is found out by timeouts of a
/// minute at worst, and a machine with other work is slow.
const OVERCOME_MAX: Duration = Duration::from_secs(150);

/// How long replicas may take to catch up with a broker that was away.
const IN_SYNC_MAX: Duration = Duration::from_secs(120);

/// How long everything may take to come out and be copied once all faults are over.
const FINISH_MAX: Duration = Duration::from_secs(120);

/// How long the brokers may take to say where a partition ends.
const ASK_MS: u64 = 30_000;

/// A fault that was played.
struct Played {
    /// What was done, and to whom.
    told: String,
    /// When it began to do harm.
    hit: Hit,
}

/// The moment at which a fault begins to do harm.
struct Hit {
    at: Instant,
    /// What must be out until everything has gone on: all that was fed by then, and one event more of each partition.
    marks: Vec<i64>,
}

impl Hit {
    fn now(feeder: &Feeder) -> Self {
        Self { at: Instant::now(), marks: feeder.written().into_iter().map(|written| written + 1).collect() }
    }
}

/// Everybody who takes part in a run.
pub(super) struct Stage<'a, 'b> {
    pub(super) kafka: &'a mut Kafka,
    pub(super) api: &'a StandIn,
    pub(super) hosts: &'a mut [HostPlayer<'b>],
    pub(super) enrichment: &'a Enrichment,
    pub(super) feeder: &'a Feeder,
    pub(super) witness: &'a Witness,
}

impl Stage<'_, '_> {
    /// Plays all faults, and answers the longest time until everything went on.
    ///
    /// # Errors
    /// It did not go on in time, a host ended by itself, or a fault could not be played.
    pub(super) fn play(&mut self, plan: &Plan, say: &mut dyn FnMut(&str)) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.goes_on(&Hit::now(self.feeder))?;
        let (mut number, mut longest) = (0, Duration::ZERO);
        for round in &plan.rounds {
            // A second broker that is lost while the first one catches up would leave topics without their two replicas.
            if round.iter().any(|fault| fault.actor() == Actor::Brokers) {
                self.kafka.wait_in_sync(IN_SYNC_MAX)?;
            }
            let at = begun.elapsed().as_secs_f64();
            let played = self.round(round).with_context(|| format!("fault {}: {round:?}", number + 1))?;
            for (overlaps, Played { told, hit }) in played.into_iter().enumerate() {
                number += 1;
                let overcome = self.goes_on(&hit).with_context(|| format!("fault {number}: {told}"))?;
                let (beside, seconds) = (if overlaps > 0 { "  and meanwhile " } else { "" }, overcome.as_secs_f64());
                say(&format!("{number:>4}  {at:>7.1} s  {beside}{told}; everything went on after {seconds:.1} s"));
                longest = longest.max(overcome);
            }
            for host in self.hosts.iter_mut() {
                ensure!(host.is_running(), "host {} ended by itself:\n{}", host.number, host.log()?);
            }
        }
        Ok(longest)
    }

    /// Waits until everything that was fed is out and copied, and ends the hosts.
    ///
    /// # Errors
    /// That does not happen in time.
    pub(super) fn finish(&mut self, watch: &Watch) -> anyhow::Result<()> {
        let ends = self.input_ends()?;
        self.witness.wait_for(&ends, FINISH_MAX).map_err(|late| self.explained(late))?;
        let all = ends.iter().sum();
        wait_until("the group's copy of all progress", FINISH_MAX, || watch.committed() >= all)
            .with_context(|| format!("the group has {} of {all}", watch.committed()))?;
        self.hosts.iter_mut().try_for_each(HostPlayer::finish)
    }

    /// Where the partitions of the input end. That can be beyond what was fed: while brokers die, a client may write an event
    /// twice, which makes two of it.
    fn input_ends(&self) -> anyhow::Result<Vec<i64>> {
        let cluster = Cluster::connect(&self.cluster())?;
        let end = |partition| Ok(cluster.offsets(&self.enrichment.input, partition, ASK_MS)?.1);
        (0..PARTITIONS).map(end).collect()
    }

    /// Plays the faults of one round side by side.
    fn round(&mut self, round: &[Fault]) -> anyhow::Result<Vec<Played>> {
        let (feeder, api, enrichment) = (self.feeder, self.api, self.enrichment);
        let (mut kafka, mut hosts) = (Some(&mut *self.kafka), Some(&mut *self.hosts));
        std::thread::scope(|scope| {
            let mut players = Vec::new();
            for fault in round {
                players.push(match fault.actor() {
                    Actor::Hosts => {
                        let hosts = hosts.take().context("two faults of the hosts at once")?;
                        scope.spawn(move || play_host(fault, hosts, feeder))
                    }
                    Actor::Brokers => {
                        let kafka = kafka.take().context("two faults of the brokers at once")?;
                        scope.spawn(move || play_broker(fault, kafka, enrichment, feeder))
                    }
                    Actor::Api => scope.spawn(move || play_api(fault, api, feeder)),
                });
            }
            let played =
                players.into_iter().map(|player| player.join().map_err(|_| anyhow!("a player panicked")).flatten());
            // All of them are joined, whichever fails.
            played.collect::<Vec<_>>().into_iter().collect()
        })
    }

    /// Waits until everything goes on; answers how long that took from the hit.
    fn goes_on(&self, hit: &Hit) -> anyhow::Result<Duration> {
        let since = self.witness.wait_for(&hit.marks, OVERCOME_MAX).map_err(|late| self.explained(late))?;
        Ok(since.saturating_duration_since(hit.at))
    }

    /// What there is to say of outputs that do not come.
    fn explained(&self, late: anyhow::Error) -> anyhow::Error {
        late.context(self.logs()).context(self.missing())
    }

    fn cluster(&self) -> ClusterConfig {
        ClusterConfig::plain(self.kafka.bootstrap())
    }

    /// Where the outputs are that the witness waits for, as readers see it who begin now, and what became error events.
    fn missing(&self) -> String {
        let (cluster, waited_for) = (self.cluster(), self.witness.first_missing());
        let is_waited_for = |record: &&Record| source(record).is_ok_and(|source| waited_for.contains(&source));
        let place = |record: &Record| format!("{}/{}", record.source, record.offset);
        let mut lines = Vec::new();
        for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
            let found = read(&cluster, &self.enrichment.output, isolation)
                .map(|records| records.iter().filter(is_waited_for).map(place).collect::<Vec<_>>());
            lines.push(format!("outputs of {waited_for:?} by {isolation:?}: {found:?}"));
        }
        let errors = read(&cluster, &self.enrichment.errors, Isolation::ReadCommitted);
        let value = |record: &Record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        let said = errors.map(|records| (records.len(), records.first().map(value)));
        lines.push(format!("error events, with the first: {said:?}"));
        lines.join("\n")
    }

    /// The ends of the hosts' logs.
    fn logs(&self) -> String {
        let tails = self.hosts.iter().map(|host| format!("host {}:\n{}", host.number, host.log_tail()));
        tails.collect::<Vec<_>>().join("\n")
    }
}

fn play_host(fault: &Fault, hosts: &mut [HostPlayer<'_>], feeder: &Feeder) -> anyhow::Result<Played> {
    let mut hit = Hit::now(feeder);
    let told = match *fault {
        Fault::KillHost { host, away_ms } => {
            of(hosts, host)?.kill_for(Duration::from_millis(away_ms))?;
            format!("SIGKILL of host {host}, away for {away_ms} ms")
        }
        Fault::FreezeHost { host, lasts_ms } => {
            of(hosts, host)?.freeze_for(Duration::from_millis(lasts_ms))?;
            format!("SIGSTOP of host {host} for {lasts_ms} ms")
        }
        Fault::RestartHosts { first } => {
            of(hosts, first)?.restart()?;
            let second = (first + 1) % hosts.len();
            of(hosts, second)?.restart()?;
            format!("restart of host {first}, and of host {second} while it joins")
        }
        Fault::DieAt { host, place, time } => {
            let host_player = of(hosts, host)?;
            host_player.die_at(&format!("{place}:{time}"))?;
            hit = Hit::now(feeder);
            host_player.start_again()?;
            format!("death of host {host} at `{place}`, time {time}")
        }
        _ => bail!("{fault:?} happens to no host"),
    };
    Ok(Played { told, hit })
}

fn of<'a, 'b>(hosts: &'a mut [HostPlayer<'b>], number: usize) -> anyhow::Result<&'a mut HostPlayer<'b>> {
    hosts.get_mut(number).with_context(|| format!("there is no host {number}"))
}

fn play_broker(fault: &Fault, kafka: &mut Kafka, enrichment: &Enrichment, feeder: &Feeder) -> anyhow::Result<Played> {
    let (broker, what) = match *fault {
        Fault::KillLeader { partition, .. } | Fault::FreezeLeader { partition, .. } => {
            (kafka.leader(&enrichment.output, partition)?, format!("leads {}/{partition}", enrichment.output))
        }
        Fault::KillGroupCoordinator { .. } => {
            (kafka.coordinator(Coordinated::Group(&enrichment.group))?, "coordinates the group".to_owned())
        }
        Fault::KillTransactionCoordinator { partition, .. } => {
            let id = transactional_id(kafka, enrichment, partition);
            (kafka.coordinator(Coordinated::Producer(&id))?, format!("coordinates the transactions of {partition}"))
        }
        _ => bail!("{fault:?} happens to no broker"),
    };
    let hit = Hit::now(feeder);
    let told = match *fault {
        Fault::FreezeLeader { lasts_ms, .. } => {
            kafka.freeze(broker)?;
            std::thread::sleep(Duration::from_millis(lasts_ms));
            kafka.thaw(broker)?;
            format!("SIGSTOP of broker {broker}, which {what}, for {lasts_ms} ms")
        }
        Fault::KillLeader { away_ms, .. }
        | Fault::KillGroupCoordinator { away_ms }
        | Fault::KillTransactionCoordinator { away_ms, .. } => {
            kafka.kill(broker)?;
            std::thread::sleep(Duration::from_millis(away_ms));
            kafka.restart(broker)?;
            format!("SIGKILL of broker {broker}, which {what}, away for {away_ms} ms")
        }
        _ => bail!("{fault:?} happens to no broker"),
    };
    Ok(Played { told, hit })
}

/// The name of the producer that writes the results of an input partition.
fn transactional_id(kafka: &Kafka, enrichment: &Enrichment, partition: i32) -> String {
    let partition = TopicPartition { topic: enrichment.input.as_str().into(), partition };
    let (pipeline, cluster_id) = (enrichment.name.clone(), kafka.cluster_id());
    ProgressKey { pipeline, cluster_id, partition }.transactional_id()
}

fn play_api(fault: &Fault, api: &StandIn, feeder: &Feeder) -> anyhow::Result<Played> {
    let Fault::ApiOutage { lasts_ms } = *fault else { bail!("{fault:?} does not happen to the API") };
    let hit = Hit::now(feeder);
    api.go_out();
    std::thread::sleep(Duration::from_millis(lasts_ms));
    api.come_back();
    Ok(Played { told: format!("outage of the API for {lasts_ms} ms"), hit })
}
