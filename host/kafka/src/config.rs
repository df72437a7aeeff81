//! How clients are set up: where the cluster is, how we prove who we are, and every librdkafka setting that the host
//! relies on, with its reason. Secrets are read from files when a client is made and are kept nowhere else.

use crate::error::KafkaError;
use rdkafka::ClientConfig;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest record that a client sends or takes: 20 MiB, above the 10 MB that page content reaches today, with room
/// for the envelope. The topic's `max.message.bytes` is what really limits.
pub const MESSAGE_BYTES_MAX: usize = 20 * 1024 * 1024;

/// What librdkafka may add to a record when it measures it: framing, far below this.
const WIRE_OVERHEAD_BYTES: usize = 64 * 1024;

/// How many fetched records of a partition may wait before fetching stops. About 20 ms at 50,000 records/s, which is
/// several fetches. A pause keeps them, but throws away a fetch that is on its way, which begins when fewer are left.
pub const PREFETCH_RECORDS: u32 = 1_000;

/// How many KiB of fetched records may wait in one consumer, over all partitions: 32 MiB holds at least one record of
/// the largest size, and is part of the memory of every pipeline.
pub const PREFETCH_KIB: u32 = 32 * 1024;

/// A cluster and how to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// `host:port`, separated by commas: where to ask for the others.
    pub brokers: String,
    /// How the connection is secured.
    pub security: Security,
    /// The name under which brokers log us and count quotas.
    pub client_id: String,
    /// Who we are in our consumer groups, whatever process we are (static membership, KIP-345): a restart within the
    /// session timeout moves no partition. No two members of a group may have the same; none: a new member with every
    /// start.
    pub instance_id: Option<String>,
    /// Further librdkafka settings; those that the guarantees rest on are refused.
    pub overrides: BTreeMap<String, String>,
}

impl ClusterConfig {
    /// A cluster without encryption and authentication.
    pub fn plain(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            security: Security::Plain,
            client_id: "millrace".to_owned(),
            instance_id: None,
            overrides: BTreeMap::new(),
        }
    }
}

/// How a connection is secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Neither encrypted nor authenticated.
    Plain,
    /// Encrypted; authenticated by certificate where `identity` is set.
    Tls(Tls),
    /// Authenticated by name and password (SCRAM), encrypted where `tls` is set.
    Sasl(Sasl),
}

/// The files of an encrypted connection. The broker's host name is always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authorities to trust; none: the system's.
    pub ca: Option<PathBuf>,
    /// Who we are.
    pub identity: Option<Identity>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// PEM file of the certificate.
    pub certificate: PathBuf,
    /// PEM file of its private key, not encrypted.
    pub key: PathBuf,
}

/// A name and a password. The password stays in its file until a client is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// Which hash SCRAM uses.
    pub mechanism: ScramMechanism,
    /// The user's name.
    pub username: String,
    /// The file with the password; blank space around it does not count.
    pub password_file: PathBuf,
    /// Encryption; none: the password's proof, never the password, goes over the wire in the clear.
    pub tls: Option<Tls>,
}

/// Which hash SCRAM uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

/// Where a partition begins that has no committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPosition {
    /// At the oldest record.
    Earliest,
    /// After the newest record; what is found is committed at once, so that a restart does not move it.
    Latest,
    /// At the first record whose timestamp is at least this, in milliseconds since 1970; after the newest if none is.
    Timestamp(i64),
}

/// How partitions are spread over the members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Partitions move one by one, the others go on.
    CooperativeSticky,
    /// Equal partition numbers of several topics go to one member; everything stops while they move.
    Range,
}

/// What a consumer reads, and how.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// The cluster to read.
    pub cluster: ClusterConfig,
    /// The consumer group.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
    /// Where a partition begins that has no committed offset.
    pub start: StartPosition,
    /// Those of the topics whose partitions begin at their oldest record, whatever `start` says.
    pub from_oldest: Vec<String>,
    /// How partitions are spread over members.
    pub assignor: Assignor,
    /// How long a revoked partition waits for its owner to commit what is settled, in milliseconds. Default 3,000: a
    /// second for what is in flight, and time to notice, to commit and to be told so.
    pub revoke_wait_ms: u64,
    /// The most records in one batch. Default 500.
    pub batch_records_max: usize,
    /// The batch is handed on once it holds this many bytes. Default 1 MiB.
    pub batch_bytes_max: usize,
    /// How often statistics are taken, in milliseconds. Default 5,000.
    pub statistics_interval_ms: u32,
}

impl ConsumerConfig {
    /// A consumer of `topics` in `group`, beginning at the oldest record.
    pub fn new(cluster: ClusterConfig, group: impl Into<String>, topics: Vec<String>) -> Self {
        Self {
            cluster,
            group: group.into(),
            topics,
            start: StartPosition::Earliest,
            from_oldest: Vec::new(),
            assignor: Assignor::CooperativeSticky,
            revoke_wait_ms: 3_000,
            batch_records_max: 500,
            batch_bytes_max: 1024 * 1024,
            statistics_interval_ms: 5_000,
        }
    }

    /// Where a partition of `topic` begins that has no committed offset.
    pub(crate) fn start_of(&self, topic: &str) -> StartPosition {
        if self.from_oldest.iter().any(|oldest| oldest == topic) { StartPosition::Earliest } else { self.start }
    }

    /// The settings as librdkafka takes them.
    ///
    /// # Errors
    /// A secret that cannot be read, or a protected setting that was overridden.
    pub(crate) fn render(&self) -> Result<ClientConfig, KafkaError> {
        let mut client = self.cluster.render()?;
        let assignor = match self.assignor {
            Assignor::CooperativeSticky => "cooperative-sticky",
            Assignor::Range => "range",
        };
        client
            .set("group.id", &self.group)
            // The classic protocol: the newer one stalls members in the librdkafka release that is built in.
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", assignor)
            // Progress is committed by the commit thread alone.
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A lost offset is an error for people, never a silent jump. First positions are resolved by the host.
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            // Topics are made by people. (A producer has no such setting: the broker's own has to say no there.)
            .set("allow.auto.create.topics", "false")
            .set("check.crcs", "true")
            .set("session.timeout.ms", "45000")
            .set("heartbeat.interval.ms", "3000")
            .set("max.poll.interval.ms", "300000")
            .set("fetch.wait.max.ms", "100")
            // The default of a second makes a full prefetch queue idle; measured: 15,000/s instead of 106,000/s.
            .set("fetch.queue.backoff.ms", "5")
            .set("queued.min.messages", PREFETCH_RECORDS.to_string())
            .set("queued.max.messages.kbytes", PREFETCH_KIB.to_string())
            .set("statistics.interval.ms", self.statistics_interval_ms.to_string());
        if let Some(instance_id) = &self.cluster.instance_id {
            client.set("group.instance.id", instance_id);
        }
        self.cluster.apply_overrides(&mut client)?;
        Ok(client)
    }
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// The cheapest, and the platform's own choice.
    Snappy,
    /// Cheap.
    Lz4,
    /// The smallest for its price.
    Zstd,
    /// For old readers.
    Gzip,
}

/// How long a record may wait for its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageTimeout {
    /// For ever: an outage stops the pipeline and nothing fails.
    Never,
    /// This long, in milliseconds; then its unit fails.
    AfterMs(u32),
}

/// What librdkafka puts into one batch by default.
const BATCH_BYTES_DEFAULT: usize = 1_000_000;

/// How a producer writes.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// The cluster to write.
    pub cluster: ClusterConfig,
    /// How batches are compressed. Default snappy.
    pub compression: Compression,
    /// How long a record waits for company, in milliseconds. Default 5.
    pub linger_ms: u32,
    /// The most bytes of records that are written as one batch, before compression. Default 1,000,000. A broker measures
    /// whole batches against `max.message.bytes` and refuses all of a batch that is larger, so this must not be above
    /// the smallest such limit of the topics written. A record larger than this makes a batch of its own.
    pub batch_bytes_max: usize,
    /// How long a record may wait for its acknowledgement. Default 5 minutes.
    pub message_timeout: MessageTimeout,
    /// How many bytes may be unacknowledged. Default 128 MiB. One unit may always go beyond when nothing else is there.
    pub outstanding_bytes_max: usize,
    /// How many records may be unacknowledged. Default 100,000.
    pub outstanding_records_max: usize,
}

impl ProducerConfig {
    /// A producer to `cluster` with the default settings.
    pub fn new(cluster: ClusterConfig) -> Self {
        Self {
            cluster,
            compression: Compression::Snappy,
            linger_ms: 5,
            batch_bytes_max: BATCH_BYTES_DEFAULT,
            message_timeout: MessageTimeout::AfterMs(300_000),
            outstanding_bytes_max: 128 * 1024 * 1024,
            outstanding_records_max: 100_000,
        }
    }

    /// The settings as librdkafka takes them.
    ///
    /// # Errors
    /// A secret that cannot be read, or a protected setting that was overridden.
    pub(crate) fn render(&self) -> Result<ClientConfig, KafkaError> {
        let mut client = self.cluster.render()?;
        let compression = match self.compression {
            Compression::None => "none",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        };
        let timeout_ms = match self.message_timeout {
            MessageTimeout::Never => 0,
            MessageTimeout::AfterMs(ms) => ms,
        };
        client
            // No duplicate and no change of order by retries; implies acks=all and at most 5 requests in flight.
            .set("enable.idempotence", "true")
            // The partitioner of the Java clients: a key stays in its partition whoever writes it.
            .set("partitioner", "murmur2_random")
            .set("compression.type", compression)
            .set("linger.ms", self.linger_ms.to_string())
            .set("batch.size", self.batch_bytes_max.clamp(1, BATCH_BYTES_DEFAULT).to_string())
            .set("message.timeout.ms", timeout_ms.to_string())
            // The room is counted by `delivery`, which never splits a unit; librdkafka's own limits stay out of the way.
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", i32::MAX.to_string());
        self.cluster.apply_overrides(&mut client)?;
        Ok(client)
    }
}

/// Settings that cannot be overridden, with what depends on them.
const PROTECTED: &[(&str, &str)] = &[
    ("bootstrap.servers", "the brokers have a setting of their own"),
    ("metadata.broker.list", "the brokers have a setting of their own"),
    ("client.id", "the client's name has a setting of its own"),
    ("group.id", "the group has a setting of its own"),
    ("group.protocol", "rebalancing is written for the classic protocol"),
    ("group.instance.id", "it has a setting of its own, `instance_id`"),
    ("partition.assignment.strategy", "the kind of pipeline decides how partitions move"),
    ("enable.auto.commit", "progress is committed only when it is settled"),
    ("enable.auto.offset.store", "progress is committed only when it is settled"),
    ("auto.offset.reset", "a lost offset must never jump silently"),
    ("isolation.level", "aborted records must never be read"),
    ("allow.auto.create.topics", "topics are created by people"),
    ("enable.idempotence", "order and uniqueness of outputs rest on it"),
    ("enable.gapless.guarantee", "order and uniqueness of outputs rest on it"),
    ("acks", "an acknowledged output must not be lost"),
    ("request.required.acks", "an acknowledged output must not be lost"),
    ("max.in.flight", "order of outputs rests on it"),
    ("max.in.flight.requests.per.connection", "order of outputs rests on it"),
    ("transactional.id", "the host names its transactions"),
    ("partitioner", "order per key rests on it"),
    ("message.max.bytes", "the host checks sizes against it"),
    ("batch.size", "it follows from the largest records of the outputs"),
    ("batch.num.messages", "it follows from the largest records of the outputs"),
    ("queue.buffering.max.messages", "the host counts the room itself"),
    ("queue.buffering.max.kbytes", "the host counts the room itself"),
    ("check.crcs", "damaged records must never be read"),
    ("statistics.interval.ms", "metrics rest on it"),
    ("log.queue", "logging rests on it"),
    ("enable.partition.eof", "the end of a partition is no event here"),
];

/// Whole families that cannot be overridden.
const PROTECTED_PREFIXES: &[(&str, &str)] = &[
    ("security.", "security has settings of its own"),
    ("ssl.", "security has settings of its own"),
    ("sasl.", "security has settings of its own"),
    ("enable.ssl.", "security has settings of its own"),
    ("test.", "the embedded cluster is for tests and the quickstart"),
];

/// Why `key` must not be overridden, if it must not. For checking a configuration before anything is started.
pub fn protected(key: &str) -> Option<&'static str> {
    let exact = PROTECTED.iter().find(|(name, _)| *name == key);
    let family = PROTECTED_PREFIXES.iter().find(|(prefix, _)| key.starts_with(prefix));
    exact.or(family).map(|(_, reason)| *reason)
}

impl ClusterConfig {
    /// The settings that every client of this cluster shares, overrides not yet among them.
    pub(crate) fn render(&self) -> Result<ClientConfig, KafkaError> {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("message.max.bytes", (MESSAGE_BYTES_MAX + WIRE_OVERHEAD_BYTES).to_string())
            // At least a record of the largest size with its protocol overhead.
            .set("receive.message.max.bytes", (100 * 1024 * 1024).to_string())
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "10000")
            .set("log.connection.close", "false");
        match &self.security {
            Security::Plain => {
                client.set("security.protocol", "plaintext");
            }
            Security::Tls(tls) => {
                client.set("security.protocol", "ssl");
                apply_tls(&mut client, tls);
            }
            Security::Sasl(sasl) => apply_sasl(&mut client, sasl)?,
        }
        Ok(client)
    }

    /// Adds the overrides, once the rest is there.
    pub(crate) fn apply_overrides(&self, client: &mut ClientConfig) -> Result<(), KafkaError> {
        for (key, value) in &self.overrides {
            if let Some(reason) = protected(key) {
                return Err(KafkaError::Protected { key: key.clone(), reason });
            }
            client.set(key, value);
        }
        Ok(())
    }
}

fn apply_tls(client: &mut ClientConfig, tls: &Tls) {
    client.set("ssl.endpoint.identification.algorithm", "https");
    if let Some(ca) = &tls.ca {
        client.set("ssl.ca.location", ca.to_string_lossy());
    }
    if let Some(identity) = &tls.identity {
        client
            .set("ssl.certificate.location", identity.certificate.to_string_lossy())
            .set("ssl.key.location", identity.key.to_string_lossy());
    }
}

fn apply_sasl(client: &mut ClientConfig, sasl: &Sasl) -> Result<(), KafkaError> {
    let mechanism = match sasl.mechanism {
        ScramMechanism::Sha256 => "SCRAM-SHA-256",
        ScramMechanism::Sha512 => "SCRAM-SHA-512",
    };
    client
        .set("security.protocol", if sasl.tls.is_some() { "sasl_ssl" } else { "sasl_plaintext" })
        .set("sasl.mechanisms", mechanism)
        .set("sasl.username", &sasl.username)
        .set("sasl.password", read_secret(&sasl.password_file)?);
    if let Some(tls) = &sasl.tls {
        apply_tls(client, tls);
    }
    Ok(())
}

/// The secret in a file, without the blank space around it.
fn read_secret(path: &Path) -> Result<String, KafkaError> {
    let failed = |message: String| KafkaError::Secret { path: path.display().to_string(), message };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    match text.trim() {
        "" => Err(failed("the file is empty".to_owned())),
        secret => Ok(secret.to_owned()),
    }
}
