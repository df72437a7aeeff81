//! The few requests of Kafka's protocol that running a cluster takes, spoken by hand: Metadata (version 1), CreateTopics
//! (version 2), CreatePartitions and FindCoordinator (version 1). All are answered by every Kafka from 2.0 to today's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

const METADATA: (i16, i16) = (3, 1);
const FIND_COORDINATOR: (i16, i16) = (10, 1);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const CREATE_PARTITIONS: (i16, i16) = (37, 1);

/// How long a broker may take over one of these requests.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same, as the request tells it to the broker.
const PATIENCE_MS: i32 = 30_000;
/// An answer about thousands of partitions is still below this.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A topic to make.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Number of partitions, 1 or more.
    pub partitions: i32,
    /// Topic settings, such as `cleanup.policy` and `compact`.
    pub configs: Vec<(String, String)>,
}

impl Topic {
    /// A topic with the cluster's replication factor.
    #[must_use]
    pub fn new(name: &str, partitions: i32, configs: &[(&str, &str)]) -> Self {
        let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { name: name.to_owned(), partitions, configs }
    }
}

/// What one broker knows of the cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    /// Brokers that are there.
    pub(super) brokers: usize,
    topics: Vec<TopicState>,
}

/// A topic as a broker knows it.
#[derive(Debug)]
struct TopicState {
    name: String,
    partitions: Vec<PartitionState>,
    /// Whether every partition has a leader that is there.
    is_led: bool,
    /// Whether every replica has caught up.
    is_in_sync: bool,
}

#[derive(Debug)]
struct PartitionState {
    number: i32,
    /// The node that leads it; below 0: none.
    leader: i32,
}

impl Cluster {
    /// Whether every partition has a leader that is there.
    pub(super) fn is_all_led(&self) -> bool {
        self.topics.iter().all(|topic| topic.is_led)
    }

    /// Whether every replica of every partition has caught up.
    pub(super) fn is_in_sync(&self) -> bool {
        self.topics.iter().all(|topic| topic.is_led && topic.is_in_sync)
    }

    /// The node that leads a partition.
    pub(super) fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let topic = self.topics.iter().find(|found| found.name == topic)?;
        let partition = topic.partitions.iter().find(|found| found.number == partition)?;
        (partition.leader >= 0).then_some(partition.leader)
    }

    /// Whether all of `topics` are known and led.
    pub(super) fn is_led(&self, topics: &[Topic]) -> bool {
        topics.iter().all(|topic| self.has_led(&topic.name, topic.partitions))
    }

    /// Whether so many partitions of a topic are known and led.
    pub(super) fn has_led(&self, topic: &str, partitions: i32) -> bool {
        self.topics.iter().any(|known| {
            known.is_led && known.name == topic && known.partitions.len() >= usize::try_from(partitions).unwrap_or(0)
        })
    }
}

/// Asks the broker at `address` for the cluster as it sees it.
pub(super) fn cluster(address: SocketAddr) -> anyhow::Result<Cluster> {
    const ALL_TOPICS: i32 = -1;
    let mut request = Request::new(METADATA);
    request.i32(ALL_TOPICS);
    let answer = request.ask(address)?;
    let mut answer = Answer(&answer);
    let mut brokers = 0;
    for _ in 0..answer.i32()? {
        let (_id, _host, _port, _rack) = (answer.i32()?, answer.text()?, answer.i32()?, answer.text()?);
        brokers += 1;
    }
    answer.i32().context("no controller")?;
    let mut topics = Vec::new();
    for _ in 0..answer.i32()? {
        topics.push(topic_state(&mut answer)?);
    }
    Ok(Cluster { brokers, topics })
}

fn topic_state(answer: &mut Answer<'_>) -> anyhow::Result<TopicState> {
    let mut is_led = answer.i16()? == 0;
    let name = answer.text()?;
    let _is_internal = answer.take(1)?;
    let (mut partitions, mut is_in_sync) = (Vec::new(), true);
    for _ in 0..answer.i32()? {
        let error = answer.i16()?;
        let (number, leader) = (answer.i32()?, answer.i32()?);
        is_led &= error == 0 && leader >= 0;
        let (replicas, in_sync) = (answer.skip_i32s()?, answer.skip_i32s()?);
        is_in_sync &= replicas == in_sync;
        partitions.push(PartitionState { number, leader });
    }
    Ok(TopicState { name, partitions, is_led, is_in_sync })
}

/// Whom a coordinator looks after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinated<'a> {
    /// A consumer group, by its name.
    Group(&'a str),
    /// A transactional producer, by its id.
    Producer(&'a str),
}

/// The node that is the coordinator now, as the broker at `address` says.
pub(super) fn coordinator(address: SocketAddr, of: Coordinated<'_>) -> anyhow::Result<i32> {
    let (name, kind) = match of {
        Coordinated::Group(name) => (name, 0),
        Coordinated::Producer(name) => (name, 1),
    };
    let mut request = Request::new(FIND_COORDINATOR);
    request.text(name);
    request.bytes.push(kind);
    let answer = request.ask(address)?;
    let mut answer = Answer(&answer);
    answer.i32().context("no throttle time")?;
    let (error, message, node) = (answer.i16()?, answer.text()?, answer.i32()?);
    if error != 0 {
        bail!("Kafka names no coordinator of {name}: {message} (error {error})");
    }
    Ok(node)
}

/// Makes the topics; an error of Kafka's about any of them is an error here.
pub(super) fn create_topics(address: SocketAddr, topics: &[Topic]) -> anyhow::Result<()> {
    const REPLICATION_OF_THE_CLUSTER: i16 = -1;
    let mut request = Request::new(CREATE_TOPICS);
    request.length(topics.len());
    for topic in topics {
        request.text(&topic.name);
        request.i32(topic.partitions);
        request.i16(REPLICATION_OF_THE_CLUSTER);
        request.length(0); // No assignment by hand.
        request.length(topic.configs.len());
        for (key, value) in &topic.configs {
            request.text(key);
            request.text(value);
        }
    }
    request.i32(PATIENCE_MS);
    request.bytes.push(0); // Not only a check.
    check_all(&request.ask(address)?, |name| format!("make the topic {name}"))
}

/// Gives a topic so many partitions in all; an error of Kafka's about it is an error here.
pub(super) fn create_partitions(address: SocketAddr, topic: &str, partitions: i32) -> anyhow::Result<()> {
    const ANYWHERE: i32 = -1;
    let mut request = Request::new(CREATE_PARTITIONS);
    request.length(1);
    request.text(topic);
    request.i32(partitions);
    request.i32(ANYWHERE);
    request.i32(PATIENCE_MS);
    request.bytes.push(0); // Not only a check.
    check_all(&request.ask(address)?, |name| format!("give the topic {name} more partitions"))
}

/// An answer that says of each topic what became of it; the first that was refused is an error.
fn check_all(answer: &[u8], does: impl Fn(&str) -> String) -> anyhow::Result<()> {
    let mut answer = Answer(answer);
    answer.i32().context("no throttle time")?;
    for _ in 0..answer.i32()? {
        let (name, error, message) = (answer.text()?, answer.i16()?, answer.text()?);
        if error != 0 {
            bail!("Kafka does not {}: {message} (error {error})", does(&name));
        }
    }
    Ok(())
}

struct Request {
    bytes: Vec<u8>,
}

impl Request {
    fn new((key, version): (i16, i16)) -> Self {
        let mut request = Self { bytes: Vec::new() };
        request.i16(key);
        request.i16(version);
        request.i32(0); // Correlation: one request a connection, so any number does.
        request.text("millrace-services");
        request
    }

    fn i16(&mut self, value: i16) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn length(&mut self, length: usize) {
        self.i32(i32::try_from(length).unwrap_or(i32::MAX));
    }

    fn text(&mut self, text: &str) {
        self.i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        self.bytes.extend(text.as_bytes());
    }

    /// Sends it and answers what comes back, after the correlation.
    fn ask(self, address: SocketAddr) -> anyhow::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = u32::try_from(self.bytes.len())?;
        stream.write_all(&[&length.to_be_bytes()[..], &self.bytes].concat())?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if !(4..=ANSWER_BYTES_MAX).contains(&length) {
            bail!("a broker answers with {length} bytes");
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer)?;
        Ok(answer.split_off(4))
    }
}

/// What is left to read of an answer.
struct Answer<'a>(&'a [u8]);

impl<'a> Answer<'a> {
    fn take(&mut self, count: usize) -> anyhow::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("a broker's answer is cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn i16(&mut self) -> anyhow::Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn i32(&mut self) -> anyhow::Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    /// Passes over a list of numbers, and answers how many there were.
    fn skip_i32s(&mut self) -> anyhow::Result<i32> {
        let count = self.i32()?;
        for _ in 0..count {
            self.i32()?;
        }
        Ok(count)
    }

    /// A text, or an empty one for null (length -1).
    fn text(&mut self) -> anyhow::Result<String> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_that_is_cut_short_is_an_error() {
        assert!(Answer(&[0, 9, b'a']).text().is_err());
        assert!(Answer(&[0]).i16().is_err());
        assert_eq!(Answer(&[0xff, 0xff]).text().unwrap(), "");
    }
}
