//! `kafka`: the clusters, and how the host proves to them who it is. What becomes of it is in the `kafka` crate.

use super::reader::{Section, key};
use super::tree::Value;
use millrace_kafka::config::{ClusterConfig, Identity, Sasl, ScramMechanism, Security, Tls, protected};
use std::collections::BTreeMap;

/// The name under which brokers see the host where the file sets none.
const CLIENT_ID: &str = "millrace";

const MECHANISMS: &[(&str, ScramMechanism)] =
    &[("SCRAM-SHA-256", ScramMechanism::Sha256), ("SCRAM-SHA-512", ScramMechanism::Sha512)];

/// Reads the clusters by name.
pub(crate) fn read(section: &Section<'_>) -> BTreeMap<String, ClusterConfig> {
    let clusters = section.named(key("clusters", "The Kafka clusters, by the name that pipelines use."), read_cluster);
    if clusters.is_empty() {
        section.mistake("clusters", "there is no cluster", "add one: `clusters: { main: { brokers: \"host:9092\" } }`");
    }
    clusters.into_iter().collect()
}

fn read_cluster(_name: &str, section: &Section<'_>) -> ClusterConfig {
    let brokers = section
        .parsed(key("brokers", "Where to ask for the brokers of the cluster; the others are found."), BROKERS, brokers)
        .required();
    let client_id = section
        .text(key("client_id", "The name under which brokers log the host and count its quotas."))
        .or(CLIENT_ID.to_owned(), CLIENT_ID);
    let instance_doc = "The host's own name in its consumer groups (`group.instance.id`): a restart within the session \
                        timeout moves no partition. No two hosts of a group may have the same.";
    let instance_id = section
        .parsed(key("instance_id", instance_doc), INSTANCE_ID, instance_id)
        .optional("the host is a new member of its groups with every start");
    let tls = section
        .section(key("tls", "Encrypts connections. An empty section trusts the system's authorities."), read_tls);
    let sasl = section.section(key("sasl", "Authenticates by name and password."), read_sasl);
    let overrides = section
        .value(
            key("settings", "Further librdkafka settings; those that guarantees rest on are refused."),
            "section of librdkafka keys",
            |node| read_overrides(section, &node.value),
        )
        .or(BTreeMap::new(), "none");
    let security = match (tls, sasl) {
        (tls, Some(sasl)) => Security::Sasl(Sasl { tls, ..sasl }),
        (Some(tls), None) => Security::Tls(tls),
        (None, None) => Security::Plain,
    };
    ClusterConfig { brokers, security, client_id, instance_id, overrides }
}

/// The most characters of an instance id that brokers take.
const INSTANCE_ID_CHARS_MAX: usize = 249;

const INSTANCE_ID: &str = "a name of 249 characters at most: letters, digits, `.`, `_`, `-`";

/// What brokers take for an instance id: as for the name of a topic.
fn instance_id(text: &str) -> Result<String, String> {
    let legal = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
    let valid =
        (1..=INSTANCE_ID_CHARS_MAX).contains(&text.len()) && text.chars().all(legal) && !matches!(text, "." | "..");
    if valid { Ok(text.to_owned()) } else { Err(format!("expected {INSTANCE_ID}")) }
}

const BROKERS: &str = "`host:port`, several separated by commas";

fn brokers(text: &str) -> Result<String, String> {
    let valid = |broker: &str| {
        broker.trim().rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if text.split(',').all(valid) { Ok(text.to_owned()) } else { Err(format!("expected {BROKERS}")) }
}

fn read_tls(section: &Section<'_>) -> Tls {
    let ca = section
        .file(key("ca_file", "The authorities to trust, as PEM."))
        .optional("the system's authorities are trusted");
    let certificate = section
        .file(key("certificate_file", "The host's own certificate, as PEM, for brokers that ask for one."))
        .optional("the host shows no certificate");
    let private_key = section
        .secret_file(key("key_file", "The private key of the certificate, as PEM, not encrypted."))
        .optional("the host shows no certificate");
    if section.has("certificate_file") != section.has("key_file") {
        let (there, absent) =
            if section.has("key_file") { ("key_file", "certificate_file") } else { ("certificate_file", "key_file") };
        section.mistake(there, format!("`{absent}` is missing beside it"), "a certificate and its key go together");
    }
    let identity = certificate.zip(private_key).map(|(certificate, key)| Identity { certificate, key });
    Tls { ca, identity }
}

fn read_sasl(section: &Section<'_>) -> Sasl {
    Sasl {
        mechanism: section
            .word(key("mechanism", "How name and password are proven."), MECHANISMS)
            .required_or(ScramMechanism::Sha512),
        username: section.text(key("username", "The name.")).required(),
        password_file: section
            .secret_file(key("password_file", "The file that holds the password; blank space around it is ignored."))
            .required(),
        tls: None,
    }
}

/// Reads `settings`; a setting that must not be overridden is reported at its own line.
fn read_overrides(section: &Section<'_>, value: &Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Mapping(entries) = value else {
        return Err("expected librdkafka keys with their values".to_owned());
    };
    let mut overrides = BTreeMap::new();
    for entry in entries {
        let path = format!("{}.{}", section.path_of("settings"), entry.key);
        if let Some(reason) = protected(&entry.key) {
            section.desk.mistake(entry.position, &path, format!("this setting is the host's: {reason}"), "remove it");
        }
        match &entry.node.value {
            Value::Plain(text) | Value::Quoted(text) => drop(overrides.insert(entry.key.clone(), text.clone())),
            Value::List(_) | Value::Mapping(_) => {
                let problem = format!("expected text or a number, found {}", entry.node.describe());
                section.desk.mistake(entry.node.position, &path, problem, "librdkafka takes plain values only");
            }
        }
    }
    Ok(overrides)
}
