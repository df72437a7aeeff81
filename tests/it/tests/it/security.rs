//! Kafka over TLS with a client certificate, SCRAM, and SCRAM over TLS: the same events, through the broker's other
//! listeners.

use anyhow::Context as _;
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_it::{Stage, json, kafka};
use millrace_services::Listener;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";

fn check(name: &str, listener: Listener, security: &str) -> anyhow::Result<()> {
    let kafka = kafka()?;
    let mut stage = Stage::set(name, "page-content-change", 1, Duration::from_millis(5))?;
    let certificates = kafka.certificates().context("no certificates")?;
    let user = kafka.user().context("no user")?;
    let password = stage.folder().join("password");
    std::fs::write(&password, format!("{}\n", user.password))?;
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let security = security
        .replace("{ca}", &certificates.authority.display().to_string())
        .replace("{certificate}", &certificates.client_certificate.display().to_string())
        .replace("{key}", &certificates.client_key.display().to_string())
        .replace("{user}", &user.name)
        .replace("{password}", &password.display().to_string());
    stage.enrichment.brokers = format!("{}\", {security}, client_id: \"millrace", kafka.bootstrap_of(listener));
    let wiki = Wiki::numbered(0);
    stage.feed((1..=50).map(|page_id| Change { wiki: &wiki, page_id, edit: 2, kind: Kind::Edit, dt: DT }))?;
    let mut host = stage.start()?;
    stage.settle(&mut host, 50)?;
    assert!(!host.log().contains(&user.password), "the password is in the log");
    assert_eq!(host.terminate()?, Some(0));
    let errors: anyhow::Result<Vec<_>> = stage.errors()?.iter().map(json).collect();
    assert_eq!(stage.outputs()?.len(), 50, "{:?}", errors?.first());
    Ok(())
}

#[test]
fn tls_with_a_client_certificate() -> anyhow::Result<()> {
    check("mtls", Listener::Tls, "tls: { ca_file: \"{ca}\", certificate_file: \"{certificate}\", key_file: \"{key}\" }")
}

#[test]
fn scram_without_tls() -> anyhow::Result<()> {
    check(
        "scram",
        Listener::ScramPlain,
        "sasl: { mechanism: SCRAM-SHA-512, username: \"{user}\", password_file: \"{password}\" }",
    )
}

#[test]
fn scram_over_tls() -> anyhow::Result<()> {
    check(
        "scramtls",
        Listener::ScramTls,
        "tls: { ca_file: \"{ca}\" }, sasl: { mechanism: SCRAM-SHA-512, username: \"{user}\", password_file: \"{password}\" }",
    )
}
