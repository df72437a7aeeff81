//! What clients are set to, and what cannot be changed.

use crate::config::*;
use crate::error::KafkaError;
use crate::mock::{EmbeddedCluster, is_embedded};
use std::io::Write;
use std::path::PathBuf;

fn secured(security: Security) -> ClusterConfig {
    ClusterConfig { security, ..ClusterConfig::plain("broker:9093") }
}

fn secret_file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn scram(file: &tempfile::NamedTempFile, tls: Option<Tls>) -> Security {
    Security::Sasl(Sasl {
        mechanism: ScramMechanism::Sha512,
        username: "app".to_owned(),
        password_file: file.path().to_owned(),
        tls,
    })
}

#[track_caller]
fn check(security: Security, expected: &[(&str, Option<&str>)]) {
    let rendered = ConsumerConfig::new(secured(security), "group", vec!["t".to_owned()]).render().unwrap();
    for (key, value) in expected {
        assert_eq!(rendered.get(key), *value, "{key}");
    }
}

#[test]
fn security_becomes_settings() {
    check(Security::Plain, &[("security.protocol", Some("plaintext")), ("sasl.mechanisms", None)]);
    let identity = Identity { certificate: PathBuf::from("c.pem"), key: PathBuf::from("c.key") };
    let tls = Tls { ca: Some(PathBuf::from("ca.pem")), identity: Some(identity) };
    check(
        Security::Tls(tls.clone()),
        &[
            ("security.protocol", Some("ssl")),
            ("ssl.ca.location", Some("ca.pem")),
            ("ssl.certificate.location", Some("c.pem")),
            ("ssl.key.location", Some("c.key")),
            ("ssl.endpoint.identification.algorithm", Some("https")),
        ],
    );
    let file = secret_file("  hunter2\n");
    check(
        scram(&file, None),
        &[
            ("security.protocol", Some("sasl_plaintext")),
            ("sasl.mechanisms", Some("SCRAM-SHA-512")),
            ("sasl.username", Some("app")),
            ("sasl.password", Some("hunter2")),
        ],
    );
    check(scram(&file, Some(tls)), &[("security.protocol", Some("sasl_ssl")), ("ssl.ca.location", Some("ca.pem"))]);
}

#[test]
fn secrets_show_nowhere() {
    let file = secret_file("hunter2");
    let config = secured(scram(&file, None));
    let consumer = ConsumerConfig::new(config.clone(), "group", Vec::new());
    let rendered = consumer.render().unwrap();
    let shown = format!("{config:?} {consumer:?} {rendered:?} {:?}", ProducerConfig::new(config.clone()));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_secret_that_is_missing_or_empty_is_named_by_its_file() {
    let empty = secret_file(" \n");
    let error = secured(scram(&empty, None)).render().unwrap_err();
    assert!(
        matches!(&error, KafkaError::Secret { path, .. } if *path == empty.path().display().to_string()),
        "{error}"
    );
    let gone = secret_file("x");
    let security = scram(&gone, None);
    drop(gone);
    assert!(matches!(secured(security).render(), Err(KafkaError::Secret { .. })));
}

#[test]
fn what_guarantees_rest_on_cannot_be_overridden() {
    for key in ["acks", "isolation.level", "sasl.password", "ssl.ca.location", "test.mock.num.brokers", "partitioner"] {
        assert!(protected(key).is_some(), "{key}");
        let mut cluster = ClusterConfig::plain("broker:9092");
        cluster.overrides.insert(key.to_owned(), "1".to_owned());
        let refused = ProducerConfig::new(cluster).render().unwrap_err();
        assert!(matches!(&refused, KafkaError::Protected { key: named, .. } if named == key), "{refused}");
    }
}

#[test]
fn what_is_free_can_be_overridden() {
    let mut cluster = ClusterConfig::plain("broker:9092");
    cluster.overrides.insert("fetch.wait.max.ms".to_owned(), "7".to_owned());
    let rendered = ConsumerConfig::new(cluster, "group", Vec::new()).render().unwrap();
    assert_eq!(rendered.get("fetch.wait.max.ms"), Some("7"));
}

#[test]
fn unknown_settings_are_refused_by_name() {
    let mut cluster = ClusterConfig::plain("127.0.0.1:1");
    cluster.overrides.insert("no.such.setting".to_owned(), "1".to_owned());
    let (sink, _events) = tokio::sync::mpsc::channel(1);
    let started = crate::consumer::Consumer::start(ConsumerConfig::new(cluster, "group", vec!["t".into()]), sink);
    let error = started.err().unwrap();
    assert!(matches!(&error, KafkaError::Setting { key, .. } if key == "no.such.setting"), "{error:?}");
}

#[test]
fn the_embedded_cluster_is_recognised() {
    let cluster = EmbeddedCluster::start(1).unwrap();
    let probe = crate::cluster::Cluster::connect(&ClusterConfig::plain(cluster.brokers())).unwrap();
    let id = probe.id(10_000).unwrap();
    assert!(is_embedded(&id), "{id}");
    assert!(!is_embedded("MkU3OEVBNTcwNTJENDM2Qk"));
}
