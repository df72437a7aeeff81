//! State and timers on a real broker: after kills, moves and restarts, state equals the fold of the inputs.

mod joint;

use anyhow::{Context as _, ensure};
use millrace_bed::enrichment::ANY_SCHEMA;
use millrace_bed::host::Host;
use millrace_flow::record::{OutputRecord, Record};
use millrace_flow::state::StateStore;
use millrace_it::{Stage, header, json, kafka, record, settled, wait_for_metrics};
use millrace_kafka::reader::{Isolation, TopicReader};
use millrace_services::Topic;
use std::collections::BTreeMap;
use std::time::Duration;

const KEYS: u64 = 40;
const EVENTS: u64 = 1_600;
const TIME_MS: i64 = 1_760_000_000_000;

/// A pipeline with state, in transactions of few events each, so that kills come in the middle of something.
fn stage(name: &str, plugin: &str, stores: &[&'static str], partitions: i32) -> anyhow::Result<Stage> {
    let mut stage = Stage::set_exactly_once(name, plugin, partitions, Duration::ZERO)?;
    let topic = format!("{name}.state");
    kafka()?.create_topics(&[Topic::new(&topic, partitions, &[("cleanup.policy", "compact")])])?;
    stage.enrichment.state = Some((stores.to_vec(), topic));
    (stage.enrichment.names, stage.enrichment.schema) = (("in", "out"), ANY_SCHEMA);
    stage.enrichment.key = "{ page_id: /page_id }".to_owned();
    stage.enrichment.limits = vec!["open_offsets: 8".to_owned(), "commit_interval: 50 ms".to_owned()];
    Ok(stage)
}

fn event(stage: &Stage, page_id: u64, sequence: u64, timestamp_ms: i64) -> OutputRecord {
    let value = format!("{{\"page_id\":{page_id},\"sequence\":{sequence}}}");
    let key = format!("page {page_id}").into_bytes();
    OutputRecord { timestamp_ms, ..record(&stage.enrichment.input, Some(key), Some(value.into_bytes())) }
}

fn wait_for_settled(host: &Host, events: f64) -> anyhow::Result<()> {
    wait_for_metrics(host, "events", |metrics| settled(metrics) >= events)
}

/// The numbers in the field `field` of the outputs, by page, in their order.
fn numbers(outputs: &[Record], field: &str) -> anyhow::Result<BTreeMap<u64, Vec<u64>>> {
    let mut numbers: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for output in outputs {
        let value = json(output)?;
        let of = |field: &str| value[field].as_u64().with_context(|| format!("no {field}: {value}"));
        numbers.entry(of("page_id")?).or_default().push(of(field)?);
    }
    Ok(numbers)
}

/// The state as it is in the changelog.
fn changelog(stage: &Stage) -> anyhow::Result<StateStore> {
    let topic = &stage.enrichment.state.as_ref().context("no state")?.1;
    let mut store = StateStore::new(usize::MAX);
    for record in TopicReader::open(&stage.cluster, topic, Isolation::ReadCommitted)?.take_all(30_000)? {
        store.restore(record.key.as_deref().unwrap_or_default(), record.value.as_deref())?;
    }
    Ok(store)
}

fn counter(name: &str, partitions: i32) -> anyhow::Result<Stage> {
    let stage = stage(name, "counter", &["counts"], partitions)?;
    stage.feed_records((0..EVENTS).map(|number| event(&stage, number % KEYS, number / KEYS, TIME_MS)))?;
    Ok(stage)
}

/// Every event was counted once, in order, by outputs and by what is kept.
fn check_counts(stage: &Stage, last: Host) -> anyhow::Result<()> {
    stage.committed_to_the_end(i64::try_from(EVENTS)?).map_err(|late| late.context(last.log_tail()))?;
    assert_eq!(last.terminate()?, Some(0));
    let counts = numbers(&stage.committed_outputs()?, "count")?;
    assert_eq!(counts.len() as u64, KEYS);
    let each = EVENTS / KEYS;
    for (page, counts) in &counts {
        assert_eq!(*counts, (1..=each).collect::<Vec<_>>(), "of page {page}");
    }
    let store = changelog(stage)?;
    assert_eq!(store.keys() as u64, KEYS);
    for page in 0..KEYS {
        let state = store.open(&format!("page {page}").into());
        assert_eq!(state.get("counts", "events").map(|value| value.to_vec()), Some(each.to_string().into_bytes()));
    }
    assert_eq!(stage.errors()?.len(), 0);
    Ok(())
}

/// Kills three hosts, one after the other, before all `events` are out; each but the first restores state. Returns the
/// fourth.
fn start_after_kills(stage: &Stage, events: u64) -> anyhow::Result<Host> {
    for round in 1..=3 {
        let host = stage.start()?;
        wait_for_settled(&host, 150.0)?;
        if round > 1 {
            assert!(host.log().contains("state restored"), "round {round}: {}", host.log_tail());
        }
        host.kill()?;
        ensure!((stage.committed_outputs()?.len() as u64) < events, "kill {round} came too late");
    }
    stage.start()
}

#[test]
fn killed_hosts_count_every_event_once() -> anyhow::Result<()> {
    let stage = counter("state-killed", 2)?;
    let host = start_after_kills(&stage, EVENTS)?;
    check_counts(&stage, host)
}

#[test]
fn hosts_that_come_and_go_count_every_event_once() -> anyhow::Result<()> {
    let mut stage = counter("state-moved", 4)?;
    stage.enrichment.limits = vec!["open_offsets: 4".to_owned(), "commit_interval: 100 ms".to_owned()];
    let first = stage.start()?;
    wait_for_settled(&first, 100.0)?;
    let second = stage.start_beside("second")?;
    wait_for_settled(&second, 100.0)?;
    first.kill()?;
    let third = stage.start_beside("third")?;
    wait_for_settled(&third, 50.0)?;
    assert_eq!(second.terminate()?, Some(0));
    check_counts(&stage, third)
}

#[test]
fn a_reorder_buffer_gives_out_the_same_events_in_order_under_kills() -> anyhow::Result<()> {
    let mut stage = stage("state-reordered", "reorder-buffer", &["order", "events"], 2)?;
    stage.enrichment.settings = "{ wait_ms: 3600000 }".to_owned();
    let each = EVENTS / KEYS;
    // Every number but the first is moved by less than ten places.
    let mut places: Vec<(u64, u64)> = (1..each).map(|number| (number + 3 * number % 10, number)).collect();
    places.sort_unstable();
    let sequence = [0].into_iter().chain(places.into_iter().map(|(_, number)| number));
    let events = sequence.flat_map(|number| (0..KEYS).map(move |page| (page, number)));
    stage.feed_records(events.map(|(page, number)| event(&stage, page, number, TIME_MS)))?;
    for round in 1..=2 {
        let host = stage.start()?;
        wait_for_settled(&host, 200.0)?;
        host.kill()?;
        ensure!((stage.committed_outputs()?.len() as u64) < EVENTS, "kill {round} came too late");
    }
    let host = stage.start()?;
    stage.committed_to_the_end(i64::try_from(EVENTS)?).map_err(|late| late.context(host.log_tail()))?;
    assert!(host.metrics()?.sum("millrace_events_kept_total", &["reason=\"held\""]) > 0.0, "some were held");
    assert_eq!(host.terminate()?, Some(0));
    let came = numbers(&stage.committed_outputs()?, "sequence")?;
    assert_eq!(came.len() as u64, KEYS);
    for (page, numbers) in &came {
        assert_eq!(*numbers, (0..each).collect::<Vec<_>>(), "of page {page}");
    }
    Ok(())
}

#[test]
fn a_timer_fires_once_across_kills() -> anyhow::Result<()> {
    const WAIT_MS: i64 = 60_000;
    let mut stage = stage("state-timed", "reorder-buffer", &["order", "events"], 1)?;
    stage.enrichment.settings = format!("{{ wait_ms: {WAIT_MS} }}");
    // Number 1 never comes, so 2 waits for the timer.
    stage.feed_records([event(&stage, 7, 0, TIME_MS), event(&stage, 7, 2, TIME_MS)])?;
    let host = stage.start()?;
    stage.committed_to_the_end(2).map_err(|late| late.context(host.log_tail()))?;
    host.kill()?;
    let host = stage.start()?;
    assert_eq!(host.metrics()?.sum("millrace_timers_fired_total", &[]), 0.0);
    stage.feed_records([event(&stage, 8, 0, TIME_MS + WAIT_MS)])?;
    wait_for_metrics(&host, "the timer", |metrics| metrics.sum("millrace_timers_fired_total", &[]) == 1.0)?;
    host.kill()?;
    stage.feed_records([event(&stage, 8, 1, TIME_MS + 2 * WAIT_MS)])?;
    let host = stage.start()?;
    stage.committed_to_the_end(4).map_err(|late| late.context(host.log_tail()))?;
    let metrics = host.metrics()?;
    assert_eq!(metrics.sum("millrace_timers_fired_total", &[]), 0.0, "it had fired");
    assert_eq!(host.terminate()?, Some(0));
    let outputs = stage.committed_outputs()?;
    let came = numbers(&outputs, "sequence")?;
    assert_eq!((&came[&7], &came[&8]), (&vec![0, 2], &vec![0, 1]));
    let sources: Vec<String> = outputs.iter().filter_map(|output| header(output, "millrace-src")).collect();
    let of_timers: Vec<&String> = sources.iter().filter(|source| source.contains("/timer/event_time/")).collect();
    assert_eq!(of_timers.len(), 1, "{sources:?}");
    assert!(of_timers[0].ends_with("/gap") && of_timers[0].contains(&format!("/{}/", TIME_MS + WAIT_MS)));
    Ok(())
}

#[test]
fn what_state_has_no_room_for_fails_and_the_others_go_on() -> anyhow::Result<()> {
    let mut stage = stage("state-full", "counter", &["counts"], 1)?;
    stage.enrichment.limits.clear();
    stage.enrichment.state_bytes = "1 MiB";
    // A hundred keys of 10,000 bytes fill it.
    let long = |page_id: u64| OutputRecord {
        key: Some(format!("{page_id:010000}").into()),
        ..event(&stage, page_id, 0, TIME_MS)
    };
    let keyless = OutputRecord { key: None, ..event(&stage, 1, 0, TIME_MS) };
    stage.feed_records((0..120).map(long).chain((0..10).map(long)).chain([keyless]))?;
    let host = stage.start()?;
    stage.committed_to_the_end(131).map_err(|late| late.context(host.log_tail()))?;
    let metrics = host.metrics()?;
    let full = metrics.sum("millrace_events_failed_total", &["error_type=\"state_full\""]);
    assert!((10.0..30.0).contains(&full), "{full} did not fit");
    assert!(metrics.sum("millrace_state_bytes", &[]) > 900_000.0);
    assert_eq!(host.terminate()?, Some(0));
    let counts = numbers(&stage.committed_outputs()?, "count")?;
    assert!((0..10).all(|page| counts[&page] == [1, 2]), "what is kept goes on: {counts:?}");
    assert_eq!(counts.len(), 120 - full as usize);
    let mut said = BTreeMap::new();
    for error in stage.errors()? {
        let error = json(&error)?;
        let word = error["error_type"].as_str().unwrap_or_default().to_owned();
        said.insert(word, error["message"].as_str().unwrap_or_default().to_owned());
    }
    assert!(said["state_full"].contains("`counts`") && said["state_full"].contains("`state.bytes`"), "{said:?}");
    assert!(said["no_key"].contains("has no key"), "{said:?}");
    Ok(())
}

#[test]
fn a_state_topic_that_does_not_fit_is_refused_in_a_sentence() -> anyhow::Result<()> {
    let mut stage = stage("state-refused", "counter", &["counts"], 2)?;
    let create = |end: &str, partitions, policy| -> anyhow::Result<String> {
        let name = format!("state-refused.{end}");
        kafka()?.create_topics(&[Topic::new(&name, partitions, &[("cleanup.policy", policy)])])?;
        Ok(name)
    };
    for (topic, says) in [
        ("state-refused.nowhere".to_owned(), "does not exist; create it: kafka-topics.sh"),
        (create("three", 3, "compact")?, "has 3 partitions, and the topics that are read have 2"),
        (create("forgets", 2, "delete")?, "has `cleanup.policy=delete`"),
    ] {
        stage.enrichment.state = Some((vec!["counts"], topic));
        let host = stage.start_unready()?;
        stage.wait_for_log(&host, &[says])?;
        assert_eq!(host.get("/readyz")?.0, 503);
        assert_eq!(host.terminate()?, Some(0));
    }
    Ok(())
}
