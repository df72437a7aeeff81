//! MediaWiki over HTTPS, behind an authority of our own: trusted when the file that is named says so, and otherwise as
//! out as if nobody were there.

use super::{Case, feed, finish, import, page, prepared, stage, wait_for};
use anyhow::Context as _;
use millrace_bed::tls::TlsFront;
use millrace_it::{Stage, kafka};
use millrace_services::{MediaWiki, Wiki};
use std::path::Path;

/// The same wikis over HTTPS.
fn secure(stage: &mut Stage, mediawiki: &MediaWiki) -> anyhow::Result<TlsFront> {
    let certificates = kafka()?.certificates().context("no certificates")?;
    let inside = mediawiki.endpoint().trim_start_matches("http://").parse()?;
    let front = stage.block_on(TlsFront::start(inside, &certificates.server_certificate, &certificates.server_key))?;
    stage.enrichment.api = front.url();
    Ok(front)
}

fn cases(mediawiki: &MediaWiki, title: &str) -> anyhow::Result<Vec<Case>> {
    let pages: Vec<_> = (0..10).map(|number| page(&format!("{title} {number}"), [format!("text {number}")])).collect();
    Ok(import(mediawiki, Wiki::English, &pages)?.iter().map(Case::good).collect())
}

fn authority() -> anyhow::Result<&'static Path> {
    Ok(&kafka()?.certificates().context("no certificates")?.authority)
}

#[test]
fn https_with_the_authority_from_a_file() -> anyhow::Result<()> {
    let (mediawiki, cases) = prepared(|mediawiki| cases(mediawiki, "Secure"))?;
    let mut stage = stage("real-https", 1, &mediawiki)?;
    let _front = secure(&mut stage, &mediawiki)?;
    stage.enrichment.ca_file = Some(authority()?.to_owned());
    feed(&stage, &cases)?;
    finish(&stage, stage.start()?, &cases)
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_an_outage_that_says_so() -> anyhow::Result<()> {
    let (mediawiki, cases) = prepared(|mediawiki| cases(mediawiki, "Strange"))?;
    let mut stage = stage("real-https-strange", 1, &mediawiki)?;
    let _front = secure(&mut stage, &mediawiki)?;
    feed(&stage, &cases)?;
    let mut host = stage.start()?;
    wait_for(&host, "millrace_lookup_breaker_opened_total", 1.0)?;
    stage.wait_for_log(&host, &["certificate", Wiki::English.domain()])?;
    let metrics = host.metrics()?;
    assert_eq!(metrics.sum("millrace_events_failed_total", &[]), 0.0);
    assert_eq!(metrics.sum("millrace_events_emitted_total", &[]), 0.0);
    assert!(host.is_running());
    Ok(())
}
