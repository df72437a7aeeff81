//! An API that misbehaves: every trouble of `tests/it/troubles` at once, each in a wiki of its own, beside one that is
//! well. What must become of the events stands in the trouble's file, and in the table of `tests/README.md`.

use anyhow::{Context as _, ensure};
use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, Metrics, free_address, root};
use millrace_bed::tls::{Garbler, TlsFront};
use millrace_bed::trouble::{Door, Expected, Fate, Trouble, read};
use millrace_bed::troubled::Troubled;
use millrace_flow::record::Record;
use millrace_it::{Stage, json, kafka};
use millrace_services::wait_until;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";
/// The wiki without a trouble, and its events.
const WELL: &str = "well";
const WELL_EVENTS: u64 = 100;
/// How long a call may take: the slowest answers that are to be waited for take 15 s.
const TIMEOUT: &str = "timeout: 20 s";
const PATIENCE: Duration = Duration::from_secs(60);

type Troubles = BTreeMap<String, Trouble>;

fn troubles(wanted: impl Fn(&Trouble) -> bool) -> anyhow::Result<Troubles> {
    let mut all = read(&root().join("tests/it/troubles"))?;
    all.retain(|_, trouble| wanted(trouble));
    ensure!(!all.is_empty(), "no trouble is left");
    Ok(all)
}

fn wiki(name: &str) -> Wiki {
    Wiki { id: format!("{}wiki", name.replace('-', "_")), domain: format!("{name}.wikipedia.org") }
}

fn changes(wiki: &Wiki, count: u64) -> impl Iterator<Item = Change<'_>> {
    (0..count).map(|number| Change { wiki, page_id: 1 + number % 6, edit: 2 + number / 6, kind: Kind::Edit, dt: DT })
}

/// A stage with the events of these wikis in its topic. Which API its host asks is the caller's to say.
fn stage(name: &str, wikis: &[(Wiki, u64)]) -> anyhow::Result<Stage> {
    let mut stage = Stage::set(name, "page-content-change", 1, Duration::ZERO)?;
    stage.enrichment.mediawiki.push(TIMEOUT.to_owned());
    stage.feed(wikis.iter().flat_map(|(wiki, count)| changes(wiki, *count)))?;
    Ok(stage)
}

/// Waits until nothing is in flight but `count` events, and checks that the targets which hold them up are named.
fn only_wait(stage: &Stage, host: &mut Host, settled: u64, waiting: &[(&str, u64)]) -> anyhow::Result<()> {
    let metrics = stage.settle(host, settled)?;
    let count: u64 = waiting.iter().map(|(_, events)| events).sum();
    ensure!(metrics.sum("millrace_events_in_flight", &[]) as u64 == count, "not just {count} events wait");
    for (name, events) in waiting {
        let target = format!("target=\"{name}.wikipedia.org\"");
        let questions = ["millrace_lookup_target_waiting", "millrace_lookup_target_under_way"];
        let named = questions.iter().map(|name| metrics.sum(name, &[&target])).sum::<f64>() as u64;
        ensure!(named == *events, "{named} questions wait for {name}");
    }
    Ok(())
}

/// The records of a topic by the wiki that they are of.
fn by_wiki(records: Vec<Record>) -> anyhow::Result<BTreeMap<String, Vec<serde_json::Value>>> {
    let mut by_wiki: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for record in records {
        let event = json(&record)?;
        let raw = event["raw_event"].as_str().map(serde_json::from_str).transpose()?;
        let input: &serde_json::Value = raw.as_ref().unwrap_or(&event);
        let domain = input["meta"]["domain"].as_str().context("no domain")?;
        by_wiki.entry(domain.split('.').next().unwrap_or_default().to_owned()).or_default().push(event);
    }
    Ok(by_wiki)
}

/// Checks what became of a wiki's events in the end.
fn check_fate(
    stage: &Stage,
    expected: &Expected,
    count: u64,
    outputs: &[serde_json::Value],
    errors: &[serde_json::Value],
) -> anyhow::Result<()> {
    if let Fate::Failed(error_type) = &expected.events {
        ensure!(outputs.is_empty(), "{} outputs", outputs.len());
        ensure!(errors.len() as u64 == count, "{} error events", errors.len());
        let other = errors.iter().find(|error| error["error_type"] != error_type.as_str());
        return other.map_or(Ok(()), |error| Err(anyhow::anyhow!("{error}")));
    }
    ensure!(errors.is_empty(), "{} error events: {}", errors.len(), errors[0]);
    ensure!(outputs.len() as u64 == count, "{} outputs of {count}", outputs.len());
    for output in outputs {
        let rev_id = output["revision"]["rev_id"].as_u64().context("no revision")?;
        let body = output["revision"]["content_slots"]["main"]["content_body"].as_str().context("no body")?;
        let right = stage.world.text(rev_id, 0).plain.repeat(expected.times);
        ensure!(body == right, "revision {rev_id} has another body, of {} bytes", body.len());
    }
    Ok(())
}

fn check_calls(api: &Troubled, name: &str, expected: &Expected) -> anyhow::Result<()> {
    let calls = api.calls(name);
    if let Some(calls_max) = expected.calls_max {
        ensure!(calls.len() <= calls_max, "{} calls", calls.len());
    }
    if let [first, second, ..] = calls.as_slice() {
        let quiet = second.duration_since(*first);
        ensure!(quiet >= Duration::from_millis(expected.quiet_ms), "asked again after {} ms", quiet.as_millis());
    }
    Ok(())
}

/// All that does not hold, at once: there are many troubles, and a run takes a minute.
fn all_hold(held: impl IntoIterator<Item = (String, anyhow::Result<()>)>) -> anyhow::Result<()> {
    let broken: Vec<String> =
        held.into_iter().filter_map(|(name, held)| Some(format!("{name}: {:#}", held.err()?))).collect();
    ensure!(broken.is_empty(), "{} do not hold:\n{}", broken.len(), broken.join("\n"));
    Ok(())
}

#[test]
fn every_trouble_of_a_wiki_has_its_result_and_touches_no_other() -> anyhow::Result<()> {
    let troubles = troubles(|trouble| trouble.door == Door::Call)?;
    let mut wikis: Vec<(Wiki, u64)> = troubles.iter().map(|(name, trouble)| (wiki(name), trouble.events)).collect();
    wikis.push((wiki(WELL), WELL_EVENTS));
    let mut stage = stage("troubles", &wikis)?;
    let api = stage.block_on(Troubled::start(None, Arc::clone(&stage.world), troubles.clone()))?;
    stage.enrichment.api = format!("http://{}", api.address());
    let mut host = stage.start()?;

    let total: u64 = wikis.iter().map(|(_, events)| events).sum();
    let waiting: Vec<(&str, u64)> = troubles
        .iter()
        .filter(|(_, trouble)| trouble.expected.events == Fate::Waits)
        .map(|(name, trouble)| (name.as_str(), trouble.events))
        .collect();
    let settled = total - waiting.iter().map(|(_, events)| events).sum::<u64>();
    only_wait(&stage, &mut host, settled, &waiting)?;
    all_hold(troubles.iter().map(|(name, trouble)| (name.clone(), check_calls(&api, name, &trouble.expected))))?;

    api.heal();
    stage.settle(&mut host, total)?;
    stage.committed_to_the_end(i64::try_from(total)?)?;
    assert_eq!(host.terminate()?, Some(0));
    let (mut outputs, mut errors) = (by_wiki(stage.outputs()?)?, by_wiki(stage.errors()?)?);
    let well = Expected { events: Fate::Enriched, times: 1, quiet_ms: 0, calls_max: None };
    let all = troubles.iter().map(|(name, trouble)| (name.as_str(), &trouble.expected, trouble.events));
    all_hold(all.chain([(WELL, &well, WELL_EVENTS)]).map(|(name, expected, events)| {
        let (outputs, errors) = (outputs.remove(name).unwrap_or_default(), errors.remove(name).unwrap_or_default());
        (name.to_owned(), check_fate(&stage, expected, events, &outputs, &errors))
    }))
}

/// Runs an outage of all wikis, until `heal` gives them an API.
fn check_outage_of_all<T>(door: Door, stage: &Stage, heal: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<()> {
    let troubles = troubles(|trouble| trouble.door == door)?;
    ensure!(troubles.values().all(|trouble| trouble.expected.events == Fate::Waits), "whom should others fail?");
    let mut host = stage.start()?;
    let out = |metrics: Metrics| metrics.sum("millrace_lookup_target_out", &[]);
    let both_are_out = || host.metrics().is_ok_and(|metrics| out(metrics) == 2.0);
    wait_until("an outage of both wikis", PATIENCE, both_are_out)?;
    only_wait(stage, &mut host, 0, &[("one", 6), ("other", 6)])?;
    let _well = heal()?;
    stage.settle(&mut host, 12)?;
    stage.committed_to_the_end(12)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!((stage.errors()?.len(), stage.outputs()?.len()), (0, 12));
    Ok(())
}

fn two_wikis(name: &str) -> anyhow::Result<Stage> {
    stage(name, &[(wiki("one"), 6), (wiki("other"), 6)])
}

#[test]
fn an_outage_of_all_wikis_lets_the_stream_wait() -> anyhow::Result<()> {
    let mut stage = two_wikis("troubles-closed")?;
    // Nobody listens there yet.
    let address = free_address()?;
    stage.enrichment.api = format!("http://{address}");
    let world = Arc::clone(&stage.world);
    let heal = || stage.block_on(Troubled::start(Some(address), world, Troubles::new()));
    check_outage_of_all(Door::Closed, &stage, heal)
}

#[test]
fn a_tls_handshake_that_fails_lets_the_stream_wait() -> anyhow::Result<()> {
    let certificates = kafka()?.certificates().context("no certificates")?;
    let mut stage = two_wikis("troubles-tls")?;
    stage.enrichment.ca_file = Some(certificates.authority.clone());
    let garbler = stage.block_on(Garbler::start())?;
    let address = garbler.address();
    stage.enrichment.api = format!("https://{address}");
    let heal = || {
        stage.block_on(async {
            garbler.stop().await?;
            let api = Troubled::start(None, Arc::clone(&stage.world), Troubles::new()).await?;
            let (certificate, key) = (&certificates.server_certificate, &certificates.server_key);
            let front = TlsFront::start_at(address, api.address(), certificate, key).await?;
            anyhow::Ok((api, front))
        })
    };
    check_outage_of_all(Door::Garbled, &stage, heal)
}
