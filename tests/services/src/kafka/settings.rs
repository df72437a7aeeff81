//! What a broker is told: its ports and `server.properties`. Every value that differs from Kafka's default is either
//! one of a small cluster, or makes a restart quick, or keeps records whose timestamp is long past: events carry the time
//! at which they happened, and a broker deletes by that time, from 30 s after its start on.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::{KafkaOptions, Listener};
use crate::claim::Port;

/// The ports of one broker.
#[derive(Debug)]
pub(super) struct Ports {
    plain: Port,
    tls: Port,
    scram_plain: Port,
    scram_tls: Port,
    controller: Port,
}

impl Ports {
    pub(super) fn claim() -> anyhow::Result<Self> {
        Ok(Self {
            plain: Port::claim()?,
            tls: Port::claim()?,
            scram_plain: Port::claim()?,
            scram_tls: Port::claim()?,
            controller: Port::claim()?,
        })
    }

    pub(super) fn of(&self, listener: Listener) -> u16 {
        let port = match listener {
            Listener::Plain => &self.plain,
            Listener::Tls => &self.tls,
            Listener::ScramPlain => &self.scram_plain,
            Listener::ScramTls => &self.scram_tls,
        };
        port.number()
    }

    /// Where the plain listener is.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.plain.number()))
    }
}

/// The settings file of broker `index`.
pub(super) fn file(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("broker-{index}.properties"))
}

/// Writes the settings files of all brokers, with data folders beside them.
pub(super) fn write(folder: &Path, all: &[Ports], options: &KafkaOptions) -> anyhow::Result<()> {
    for (index, ports) in all.iter().enumerate() {
        let mut text = broker_settings(folder, index, ports, all);
        if options.user.is_some() {
            text.push_str(&secured_settings(folder, ports));
        }
        for (key, value) in &options.settings {
            writeln!(text, "{key}={value}")?;
        }
        fs::write(file(folder, index), text)?;
    }
    Ok(())
}

/// The data folder of broker `index`.
pub(super) fn data(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("data-{index}"))
}

fn broker_settings(folder: &Path, index: usize, ports: &Ports, all: &[Ports]) -> String {
    let (node, plain, controller) = (index + 1, ports.plain.number(), ports.controller.number());
    let voters: Vec<String> =
        all.iter().enumerate().map(|(at, each)| format!("{}@127.0.0.1:{}", at + 1, each.controller.number())).collect();
    let (voters, data) = (voters.join(","), data(folder, index));
    let data = data.display();
    let replicas = all.len();
    let in_sync = replicas.div_ceil(2);
    format!(
        "process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=5000
log.retention.ms=-1
"
    )
}

/// The listeners with TLS and SCRAM. The later `listeners` line of a properties file wins.
fn secured_settings(folder: &Path, ports: &Ports) -> String {
    let (plain, tls) = (ports.plain.number(), ports.tls.number());
    let (scram_plain, scram_tls) = (ports.scram_plain.number(), ports.scram_tls.number());
    let clients = format!(
        "PLAINTEXT://127.0.0.1:{plain},SSL://127.0.0.1:{tls},\
         SASL_PLAINTEXT://127.0.0.1:{scram_plain},SASL_SSL://127.0.0.1:{scram_tls}"
    );
    let (controller, tls_folder) = (ports.controller.number(), folder.join("tls"));
    let tls_folder = tls_folder.display();
    let login = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    format!(
        "listeners={clients},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={clients}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={tls_folder}/broker-keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location={tls_folder}/ca.pem
ssl.client.auth=requested
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={login}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login}
"
    )
}
