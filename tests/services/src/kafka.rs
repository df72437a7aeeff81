//! Real Kafka brokers in KRaft mode: one, or a cluster of three, as a test needs them.
//!
//! Topics are made here and the cluster is watched here, both over a few hand-written requests ([`wire`]); producing
//! and consuming is the business of whoever tests.

mod certificates;
mod distribution;
mod records;
mod settings;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::Signal;

use crate::child::{Service, wait_until};
use crate::place::{self, RunFolder};
pub use certificates::Certificates;
pub use distribution::Distribution;
pub use wire::{Coordinated, Topic};

/// A broker starts in 1-3 s on an idle machine; this is for one that compiles at the same time.
const START_DEADLINE: Duration = Duration::from_secs(90);
/// An orderly stop took 1.6 s for one broker and 7.6 s for three at once.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// How a cluster is started.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// Number of brokers, each a controller too: 1, or 3 for tests that lose one.
    pub brokers: usize,
    /// With a user, every broker also listens with TLS, SCRAM, and both; without, in plain text only.
    pub user: Option<ScramUser>,
    /// What the brokers are for.
    pub purpose: Purpose,
    /// Further lines of `server.properties`; they win over those of this crate.
    pub settings: Vec<(String, String)>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self { brokers: 1, user: None, purpose: Purpose::Test, settings: Vec::new() }
    }
}

/// What brokers are for; it decides about the Java machine only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Small and quick to start: 320 MB of memory at most, half-optimised code.
    Test,
    /// Fast once warm: a 1 GB heap and fully optimised code.
    Bench,
}

/// The one user of a cluster's SCRAM listeners (SHA-512).
#[derive(Clone, Debug)]
pub struct ScramUser {
    /// Its name: letters and digits.
    pub name: String,
    /// Its password: letters, digits and hyphens.
    pub password: String,
}

/// A way to reach a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// No encryption, no login.
    Plain,
    /// TLS; the client has to show a certificate.
    Tls,
    /// SCRAM-SHA-512 without encryption.
    ScramPlain,
    /// SCRAM-SHA-512 over TLS.
    ScramTls,
}

/// A running cluster. Dropping it kills the brokers and removes their data.
#[derive(Debug)]
pub struct Kafka {
    brokers: Vec<Broker>,
    certificates: Option<Certificates>,
    user: Option<ScramUser>,
    purpose: Purpose,
    distribution: Distribution,
    folder: RunFolder,
}

/// One broker of a cluster, running or not; its ports stay its own.
#[derive(Debug)]
pub struct Broker {
    ports: settings::Ports,
    service: Option<Service>,
}

impl Broker {
    /// The process id, or nothing while it does not run.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.service.as_ref().map(Service::id)
    }
}

impl Kafka {
    /// Starts a cluster and waits until every broker knows every other. Call it from any thread; it blocks.
    ///
    /// # Errors
    /// When Java or Maven is missing, the jars cannot be downloaded, or a broker does not start; the message holds the
    /// end of its log.
    pub fn start(options: KafkaOptions) -> anyhow::Result<Self> {
        let distribution = Distribution::prepare()?;
        Self::start_from(distribution, options)
    }

    fn start_from(distribution: Distribution, options: KafkaOptions) -> anyhow::Result<Self> {
        if !matches!(options.brokers, 1 | 3) {
            bail!("a cluster has 1 or 3 brokers, not {}", options.brokers);
        }
        let folder = RunFolder::new("kafka")?;
        let certificates = options.user.as_ref().map(|_| Certificates::make(folder.path())).transpose()?;
        let mut ports = Vec::new();
        for _ in 0..options.brokers {
            ports.push(settings::Ports::claim()?);
        }
        settings::write(folder.path(), &ports, &options)?;
        let brokers = ports.into_iter().map(|ports| Broker { ports, service: None }).collect();
        let (user, purpose) = (options.user, options.purpose);
        let mut kafka = Self { brokers, certificates, user, purpose, distribution, folder };
        kafka.format()?;
        for index in 0..kafka.brokers.len() {
            kafka.launch(index)?;
        }
        kafka.wait_ready()?;
        Ok(kafka)
    }

    /// The plain listeners of all brokers, as `bootstrap.servers` wants them.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.bootstrap_of(Listener::Plain)
    }

    /// The listeners of one kind of all brokers. Those with TLS or SCRAM answer only if the cluster has a user.
    #[must_use]
    pub fn bootstrap_of(&self, listener: Listener) -> String {
        let all = self.brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.ports.of(listener)));
        all.collect::<Vec<_>>().join(",")
    }

    /// The certificates for the TLS listeners; nothing when the cluster has no user.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// The user of the SCRAM listeners.
    #[must_use]
    pub fn user(&self) -> Option<&ScramUser> {
        self.user.as_ref()
    }

    /// The brokers, in the order in which [`Kafka::kill`] counts them.
    #[must_use]
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// Makes topics, all in one request, and waits until each partition has a leader.
    ///
    /// # Errors
    /// When a topic exists already or Kafka refuses one; the message holds Kafka's own.
    pub fn create_topics(&self, topics: &[Topic]) -> anyhow::Result<()> {
        let address = self.a_running_broker()?;
        wire::create_topics(address, topics)?;
        wait_until("leaders of the new topics", START_DEADLINE, || {
            wire::cluster(address).is_ok_and(|now| now.is_led(topics))
        })
    }

    /// Makes one topic. See [`Kafka::create_topics`].
    ///
    /// # Errors
    /// As there.
    pub fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> anyhow::Result<()> {
        self.create_topics(&[Topic::new(name, partitions, configs)])
    }

    /// Gives a topic so many partitions in all, and waits until each has a leader.
    ///
    /// # Errors
    /// When Kafka refuses; the message holds its own.
    pub fn create_partitions(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        let address = self.a_running_broker()?;
        wire::create_partitions(address, topic, partitions)?;
        wait_until("leaders of the new partitions", START_DEADLINE, || {
            wire::cluster(address).is_ok_and(|now| now.has_led(topic, partitions))
        })
    }

    /// The cluster's own id.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        cluster_id(self.folder.path())
    }

    /// The broker that leads a partition now.
    ///
    /// # Errors
    /// When none does, or no broker answers.
    pub fn leader(&self, topic: &str, partition: i32) -> anyhow::Result<usize> {
        let cluster = wire::cluster(self.a_running_broker()?)?;
        let node = cluster.leader(topic, partition).with_context(|| format!("nobody leads {topic}/{partition}"))?;
        broker_of(node)
    }

    /// The broker that looks after a group or a transactional producer now.
    ///
    /// # Errors
    /// When none does, or no broker answers.
    pub fn coordinator(&self, of: Coordinated<'_>) -> anyhow::Result<usize> {
        broker_of(wire::coordinator(self.a_running_broker()?, of)?)
    }

    /// Waits until every replica of every partition has caught up: only then may a broker be lost without the others
    /// standing still.
    ///
    /// # Errors
    /// When that takes longer than `patience`.
    pub fn wait_in_sync(&self, patience: Duration) -> anyhow::Result<()> {
        let address = self.a_running_broker()?;
        wait_until("replicas in sync", patience, || wire::cluster(address).is_ok_and(|now| now.is_in_sync()))
    }

    /// Kills a broker (SIGKILL), as a lost machine would end.
    ///
    /// # Errors
    /// When there is no such broker or it does not run.
    pub fn kill(&mut self, broker: usize) -> anyhow::Result<()> {
        drop(self.running(broker)?);
        Ok(())
    }

    /// Stops a broker in order (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When there is no such broker, it does not run, or it does not end within 30 s (it is killed then).
    pub fn stop(&mut self, broker: usize) -> anyhow::Result<()> {
        self.running(broker)?.stop(STOP_PATIENCE).map(drop)
    }

    /// Copies what the brokers logged, and of their data the records of all topics, for somebody to look at afterwards
    /// with Kafka's own `DumpLogSegments`.
    ///
    /// # Errors
    /// What goes wrong with files.
    pub fn keep(&self, into: &Path) -> anyhow::Result<()> {
        for index in 0..self.brokers.len() {
            let kept = into.join(format!("broker-{index}"));
            std::fs::create_dir_all(&kept)?;
            std::fs::copy(self.log_of(index), kept.join("broker.log"))?;
            records::copy(&settings::data(self.folder.path(), index), &kept)?;
        }
        Ok(())
    }

    fn log_of(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("broker-{index}.log"))
    }

    /// Freezes a broker (SIGSTOP): it keeps its connections and answers nothing.
    ///
    /// # Errors
    /// When there is no such broker or it does not run.
    pub fn freeze(&self, broker: usize) -> anyhow::Result<()> {
        self.signal(broker, Signal::STOP)
    }

    /// Lets a frozen broker go on (SIGCONT).
    ///
    /// # Errors
    /// As [`Kafka::freeze`].
    pub fn thaw(&self, broker: usize) -> anyhow::Result<()> {
        self.signal(broker, Signal::CONT)
    }

    fn signal(&self, broker: usize, signal: Signal) -> anyhow::Result<()> {
        let found = self.brokers.get(broker).with_context(|| format!("there is no broker {broker}"))?;
        let service = found.service.as_ref().with_context(|| format!("broker {broker} does not run"))?;
        service.signal(signal)
    }

    /// Starts a killed or stopped broker again, on its old ports and data, and waits until the cluster is whole.
    ///
    /// # Errors
    /// When there is no such broker, it still runs, or it does not start.
    pub fn restart(&mut self, broker: usize) -> anyhow::Result<()> {
        let stopped = self.brokers.get(broker).with_context(|| format!("there is no broker {broker}"))?;
        if stopped.service.is_some() {
            bail!("broker {broker} still runs: stop or kill it first");
        }
        self.launch(broker)?;
        self.wait_ready()
    }

    fn running(&mut self, broker: usize) -> anyhow::Result<Service> {
        let found = self.brokers.get_mut(broker).with_context(|| format!("there is no broker {broker}"))?;
        found.service.take().with_context(|| format!("broker {broker} does not run"))
    }

    fn format(&self) -> anyhow::Result<()> {
        let cluster_id = cluster_id(self.folder.path());
        let commands = (0..self.brokers.len()).map(|index| {
            let mut command = self.java(Purpose::Test, "kafka.tools.StorageTool");
            command.args(["format", "-t", &cluster_id, "-c"]).arg(settings::file(self.folder.path(), index));
            if let Some(ScramUser { name, password }) = &self.user {
                command.args(["--add-scram", &format!("SCRAM-SHA-512=[name={name},password={password}]")]);
            }
            command
        });
        // Each is a Java machine that starts, so they run beside each other.
        let running: Vec<_> = commands
            .map(|mut command| std::thread::spawn(move || place::output(&mut command, "install a Java 17").map(drop)))
            .collect();
        for formatted in running {
            formatted.join().map_err(|_| anyhow::anyhow!("formatting a broker's data panicked"))??;
        }
        Ok(())
    }

    fn launch(&mut self, index: usize) -> anyhow::Result<()> {
        let mut command = self.java(self.purpose, distribution::BROKER);
        command.arg(settings::file(self.folder.path(), index));
        let service = Service::start(&format!("Kafka broker {index}"), &command, &self.log_of(index))?;
        let broker = self.brokers.get_mut(index).context("a broker that is launched exists")?;
        broker.service = Some(service);
        Ok(())
    }

    fn java(&self, purpose: Purpose, class: &str) -> Command {
        let mut command = self.distribution.java(purpose, class);
        command.current_dir(self.folder.path());
        command
    }

    /// Every running broker must name every running one, and every partition must have a leader.
    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let expected = self.brokers.iter().filter(|broker| broker.service.is_some()).count();
        for broker in &mut self.brokers {
            let address = broker.ports.address();
            let Some(service) = &mut broker.service else { continue };
            let is_ready = || wire::cluster(address).is_ok_and(|now| now.brokers == expected && now.is_all_led());
            service.wait_ready(START_DEADLINE, is_ready)?;
        }
        Ok(())
    }

    fn a_running_broker(&self) -> anyhow::Result<SocketAddr> {
        let running = self.brokers.iter().find(|broker| broker.service.is_some());
        running.map(|broker| broker.ports.address()).context("no broker runs")
    }
}

/// Nodes are numbered from 1.
fn broker_of(node: i32) -> anyhow::Result<usize> {
    usize::try_from(node - 1).with_context(|| format!("node {node} is none of this cluster"))
}

/// A cluster id of its own for each cluster: 22 characters of base64, made from the run folder's arbitrary name.
fn cluster_id(folder: &Path) -> String {
    let name: String = folder.to_string_lossy().chars().rev().filter(char::is_ascii_alphanumeric).take(21).collect();
    // 22 characters hold 132 bits of a 128 bit number: the last one has to end in zero bits, as 'A' does.
    format!("{name:0<21}A")
}

#[cfg(test)]
mod tests;
