//! A wiki whose databases lag, and one that is not there: both pass, and no event is lost or becomes an error event.

use super::{Case, alone, feed, finish, import, page, stage, wait_for};
use millrace_bed::real::RealRevision;
use millrace_services::{MediaWiki, Wiki};

/// One revision each of 30 pages of both wikis, in turns.
fn revisions(mediawiki: &MediaWiki, name: &str) -> anyhow::Result<Vec<RealRevision>> {
    let pages: Vec<_> =
        (0..30).map(|number| page(&format!("{name} {number}"), [format!("text \"{number}\" of {name}")])).collect();
    let english = import(mediawiki, Wiki::English, &pages)?;
    let french = import(mediawiki, Wiki::French, &pages)?;
    Ok(english.into_iter().zip(french).flat_map(|(english, french)| [english, french]).collect())
}

#[test]
fn lagging_databases_delay_events_and_fail_none() -> anyhow::Result<()> {
    let mediawiki = alone()?;
    let cases: Vec<Case> = revisions(&mediawiki, "Lag")?.iter().map(Case::good).collect();
    let stage = stage("real-lag", 2, &mediawiki)?;
    let host = stage.start()?;
    mediawiki.set_lag(Some(7.5))?;
    let refused = feed(&stage, &cases).and_then(|()| wait_for(&host, "millrace_lookup_call_failures_total", 2.0));
    let metrics = host.metrics();
    mediawiki.set_lag(None)?;
    refused?;
    let metrics = metrics?;
    assert_eq!(metrics.sum("millrace_events_emitted_total", &[]), 0.0, "a lagging wiki answers nothing");
    assert_eq!(metrics.sum("millrace_events_failed_total", &[]), 0.0);
    finish(&stage, host, &cases)
}

#[test]
fn outage_delays_events_and_fails_none() -> anyhow::Result<()> {
    let mut mediawiki = alone()?;
    let cases: Vec<Case> = revisions(&mediawiki, "Outage")?.iter().map(Case::good).collect();
    let (before, during) = cases.split_at(cases.len() / 2);
    let stage = stage("real-outage", 2, &mediawiki)?;
    let mut host = stage.start()?;
    feed(&stage, before)?;
    stage.settle(&mut host, before.len() as u64)?;
    mediawiki.stop();
    let refused = feed(&stage, during).and_then(|()| wait_for(&host, "millrace_lookup_breaker_opened_total", 1.0));
    let metrics = host.metrics();
    mediawiki.restart()?;
    refused?;
    let metrics = metrics?;
    assert_eq!(metrics.sum("millrace_events_emitted_total", &[]) as usize, before.len());
    assert_eq!(metrics.sum("millrace_events_failed_total", &[]), 0.0);
    finish(&stage, host, &cases)
}
