//! State over several topics: one of two inputs and the way back of failed events is as good as the other.

use super::{EVENTS, KEYS, TIME_MS, changelog, event, numbers, stage, start_after_kills, wait_for_settled};
use crate::command::millrace;
use anyhow::Context as _;
use millrace_bed::host::Host;
use millrace_flow::record::{OutputRecord, Record};
use millrace_it::{Stage, header, json, kafka, wait_for_metrics};
use millrace_kafka::cluster::Cluster;
use millrace_kafka::config::ProducerConfig;
use millrace_kafka::exclusive::ExclusiveWriter;
use millrace_services::Topic;
use std::collections::BTreeMap;
use std::time::Duration;

/// Of each input topic.
const EACH: u64 = EVENTS / 2;

/// A counter that reads `NAME.in` and `NAME.more`, in which the same keys lie.
fn counter(name: &str, partitions: i32) -> anyhow::Result<Stage> {
    let mut stage = stage(name, "counter", &["counts"], partitions)?;
    let more = format!("{name}.more");
    kafka()?.create_topics(&[Topic::new(&more, partitions, &[])])?;
    stage.enrichment.more_inputs = vec![more];
    Ok(stage)
}

fn more(stage: &Stage) -> &str {
    &stage.enrichment.more_inputs[0]
}

fn feed(stage: &Stage) -> anyhow::Result<()> {
    let first = (0..EACH).map(|number| event(stage, number % KEYS, number / KEYS, TIME_MS));
    let second = (0..EACH).map(|number| OutputRecord {
        topic: more(stage).into(),
        ..event(stage, number % KEYS, number / KEYS, TIME_MS)
    });
    stage.feed_records(first.chain(second))
}

/// Every event of both topics was counted once, each topic's in order, by outputs and by what is kept.
fn check_counts(stage: &Stage, last: Host) -> anyhow::Result<()> {
    for topic in [&stage.enrichment.input, more(stage)] {
        let settled = stage.committed_to_the_end_of(topic, i64::try_from(EACH)?);
        settled.map_err(|late| late.context(last.log_tail()))?;
    }
    assert_eq!(last.terminate()?, Some(0));
    let outputs = stage.committed_outputs()?;
    let counts = numbers(&outputs, "count")?;
    assert_eq!(counts.len() as u64, KEYS);
    let each = 2 * EACH / KEYS;
    for (page, counts) in &counts {
        assert_eq!(*counts, (1..=each).collect::<Vec<_>>(), "of page {page}");
    }
    let mut next: BTreeMap<(String, u64), u64> = BTreeMap::new();
    for output in &outputs {
        let (source, value) = (header(output, "millrace-src").context("no source")?, json(output)?);
        let topic = source.split('/').nth(1).context("no topic")?.to_owned();
        let of = |field: &str| value[field].as_u64().with_context(|| format!("no {field}: {value}"));
        let next = next.entry((topic, of("page_id")?)).or_default();
        assert_eq!(of("sequence")?, *next, "the events of a key and topic are in order");
        *next += 1;
    }
    let store = changelog(stage)?;
    assert_eq!(store.keys() as u64, KEYS);
    for page in 0..KEYS {
        let state = store.open(&format!("page {page}").into());
        assert_eq!(state.get("counts", "events").map(|value| value.to_vec()), Some(each.to_string().into_bytes()));
    }
    assert_eq!(stage.errors()?.len(), 0);
    let audit = millrace(stage, "audit", &["--json"])?;
    assert_eq!(audit.code, Some(0), "{audit:?}");
    Ok(())
}

#[test]
fn two_topics_share_the_state_of_their_keys_under_kills() -> anyhow::Result<()> {
    let stage = counter("joint-killed", 2)?;
    feed(&stage)?;
    let host = start_after_kills(&stage, EVENTS)?;
    check_counts(&stage, host)
}

#[test]
fn hosts_that_come_and_go_keep_what_stays_theirs() -> anyhow::Result<()> {
    let mut stage = counter("joint-moved", 4)?;
    stage.enrichment.limits = vec!["open_offsets: 4".to_owned(), "commit_interval: 100 ms".to_owned()];
    feed(&stage)?;
    let first = stage.start()?;
    wait_for_settled(&first, 100.0)?;
    let second = stage.start_beside("second")?;
    wait_for_settled(&second, 100.0)?;
    wait_for_metrics(&first, "half of the partitions of both topics", |metrics| {
        metrics.sum("millrace_partitions_assigned", &[]) == 4.0
    })?;
    let metrics = first.metrics()?;
    assert!(metrics.sum("millrace_rebalance_pause_seconds_count", &[]) >= 1.0);
    assert_eq!(metrics.sum("millrace_fenced_partitions_total", &[]), 0.0);
    let count = |host: &Host, words: &str| host.log().lines().filter(|line| line.contains(words)).count();
    // Where a last transaction took too long, state is restored.
    assert!(count(&first, "state kept") >= 1, "what stayed:\n{}", first.log());
    assert_eq!(count(&first, "taken over anew"), 0, "nor was a producer made:\n{}", first.log());
    first.kill()?;
    let third = stage.start_beside("third")?;
    wait_for_settled(&third, 50.0)?;
    assert_eq!(second.terminate()?, Some(0));
    check_counts(&stage, third)
}

#[test]
fn a_host_that_slept_through_a_rebalance_counts_nothing_twice() -> anyhow::Result<()> {
    let mut stage = counter("joint-frozen", 1)?;
    stage.enrichment.limits = vec!["open_offsets: 16".to_owned(), "commit_interval: 20 ms".to_owned()];
    feed(&stage)?;
    let frozen = stage.start()?;
    wait_for_settled(&frozen, 100.0)?;
    frozen.signal("STOP")?;
    let second = stage.start_beside("second")?;
    wait_for_settled(&second, 100.0)?;
    frozen.signal("CONT")?;
    // Whose the partitions are then is the group's business.
    for topic in [&stage.enrichment.input, more(&stage)] {
        let settled = stage.committed_to_the_end_of(topic, i64::try_from(EACH)?);
        settled.map_err(|late| late.context(frozen.log_tail()).context(second.log_tail()))?;
    }
    assert_eq!(frozen.terminate()?, Some(0));
    check_counts(&stage, second)
}

#[test]
fn a_timer_of_two_topics_gives_out_what_was_held() -> anyhow::Result<()> {
    const WAIT_MS: i64 = 60_000;
    let mut stage = stage("joint-timed", "reorder-buffer", &["order", "events"], 1)?;
    let topic = "joint-timed.more";
    kafka()?.create_topics(&[Topic::new(topic, 1, &[])])?;
    stage.enrichment.more_inputs = vec![topic.to_owned()];
    stage.enrichment.settings = format!("{{ wait_ms: {WAIT_MS} }}");
    let of_more =
        |page, sequence, time_ms| OutputRecord { topic: topic.into(), ..event(&stage, page, sequence, time_ms) };
    // Number 1 never comes, so 2 waits for the timer; both topics have to come to its time.
    stage.feed_records([event(&stage, 7, 0, TIME_MS)])?;
    let host = stage.start()?;
    stage.committed_to_the_end(1).map_err(|late| late.context(host.log_tail()))?;
    stage.feed_records([of_more(7, 2, TIME_MS)])?;
    stage.committed_to_the_end_of(topic, 1).map_err(|late| late.context(host.log_tail()))?;
    let later = TIME_MS + WAIT_MS;
    stage.feed_records([event(&stage, 8, 0, later), of_more(9, 0, later)])?;
    wait_for_metrics(&host, "the timer", |metrics| metrics.sum("millrace_timers_fired_total", &[]) == 1.0)?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(stage.errors()?.len(), 0);
    let outputs = stage.committed_outputs()?;
    let came = numbers(&outputs, "sequence")?;
    assert_eq!((&came[&7], &came[&8], &came[&9]), (&vec![0, 2], &vec![0], &vec![0]));
    let sources: Vec<String> = outputs.iter().filter_map(|output| header(output, "millrace-src")).collect();
    let of_timer = sources.iter().position(|source| source.contains("/joint-timed.state/0/timer/event_time/"));
    let of_timer = &outputs[of_timer.with_context(|| format!("{sources:?}"))?];
    let audit = millrace(&stage, "audit", &["--json"])?;
    assert_eq!(audit.code, Some(0), "{audit:?}");
    assert_eq!(
        (&audit.result["written"][0]["of_timers"], &audit.result["written"][0]["results"]),
        (&1.into(), &3.into())
    );

    // An auditor that says nothing of timers would find nothing wrong with this.
    let Record { source, timestamp_ms, key, value, headers, .. } = of_timer.clone();
    stage.feed_records([OutputRecord { topic: source.topic, timestamp_ms, key, value, headers }])?;
    let audit = millrace(&stage, "audit", &["--json"])?;
    assert_eq!((audit.code, &audit.result["counts"]["doubled"]), (Some(1), &1.into()), "{audit:?}");
    Ok(())
}

#[test]
fn a_failed_event_comes_back_to_the_state_of_its_key_and_counts_once() -> anyhow::Result<()> {
    const PAGES: u64 = 260;
    let mut stage = stage("joint-again", "counter", &["counts"], 2)?;
    let again = "joint-again.again";
    kafka()?.create_topics(&[Topic::new(again, 2, &[("max.message.bytes", "10485760")])])?;
    stage.enrichment.reprocess = again.to_owned();
    stage.enrichment.limits.clear();
    stage.enrichment.state_bytes = "1 MiB";
    // A hundred keys of 10,000 bytes fill a partition.
    let long = |stage: &Stage, page_id: u64, sequence| OutputRecord {
        key: Some(format!("{page_id:010000}").into()),
        ..event(stage, page_id, sequence, TIME_MS)
    };
    stage.feed_records((0..PAGES).map(|page| long(&stage, page, 0)))?;
    let host = stage.start()?;
    stage.committed_to_the_end(i64::try_from(PAGES)?).map_err(|late| late.context(host.log_tail()))?;
    let full = host.metrics()?.sum("millrace_events_failed_total", &["error_type=\"state_full\""]);
    assert!(full > 10.0, "{full} did not fit");
    assert_eq!(host.terminate()?, Some(0));

    stage.enrichment.state_bytes = "64 MiB";
    let given = millrace(&stage, "reprocess", &["--json"])?;
    assert_eq!((given.code, given.result["given_back"].as_f64()), (Some(0), Some(full)), "{given:?}");
    let host = stage.start()?;
    wait_for_settled(&host, full)?;
    stage.feed_records((0..PAGES).map(|page| long(&stage, page, 1)))?;
    let all = stage.committed_to_the_end(i64::try_from(2 * PAGES)?);
    all.map_err(|late| late.context(host.log_tail()))?;
    assert_eq!(host.metrics()?.sum("millrace_events_reprocessed_total", &[]), full);
    assert_eq!(host.terminate()?, Some(0));
    let counts = numbers(&stage.committed_outputs()?, "count")?;
    assert_eq!(counts.len() as u64, PAGES);
    assert!(counts.values().all(|counts| *counts == [1, 2]), "{counts:?}");
    assert_eq!(stage.errors()?.len() as f64, full, "none failed again");
    Ok(())
}

#[test]
fn topics_of_unequal_partition_counts_are_refused_in_a_sentence() -> anyhow::Result<()> {
    let mut stage = counter("joint-unequal", 2)?;
    let three = "joint-unequal.three";
    kafka()?.create_topics(&[Topic::new(three, 3, &[])])?;
    let says = format!("the topic `{three}` has 3 partitions, and `joint-unequal.in` has 2");
    let file = stage.folder().join("host.yaml");
    let mut check = |key: &str, set: &dyn Fn(&mut Stage)| -> anyhow::Result<()> {
        set(&mut stage);
        // A folder of its own, because what is said is looked for in its log.
        let host = stage.start_beside(key)?;
        stage.wait_for_log(&host, &[&says])?;
        assert_eq!(host.get("/readyz")?.0, 503);
        assert_eq!(host.terminate()?, Some(0));
        std::fs::write(&file, stage.enrichment.yaml().replace("{admin}", "127.0.0.1:0"))?;
        let mut command = std::process::Command::new(millrace_bed::host::millrace_binary()?);
        let said = command.args(["check", "--online", "--json"]).arg(&file).output()?;
        let found: serde_json::Value = serde_json::from_slice(&said.stdout)?;
        let mistakes = found["mistakes"].as_array().cloned().unwrap_or_default();
        let of_counts: Vec<_> = mistakes.iter().filter(|mistake| mistake["key"] == key).collect();
        assert_eq!(of_counts.len(), 1, "{found:#}");
        assert!(of_counts[0]["problem"].as_str().is_some_and(|problem| problem.starts_with(&says)), "{found:#}");
        Ok(())
    };
    check("pipelines[0].inputs.in.topics", &|stage| stage.enrichment.more_inputs = vec![three.to_owned()])?;
    check("pipelines[0].reprocess.topic", &|stage| {
        stage.enrichment.more_inputs.clear();
        stage.enrichment.reprocess = three.to_owned();
    })
}

#[test]
fn offsets_are_set_behind_the_fence_of_their_number() -> anyhow::Result<()> {
    let mut stage = counter("joint-offsets", 1)?;
    stage.enrichment.limits.clear();
    feed(&stage)?;
    let host = stage.start()?;
    stage.committed_to_the_end_of(more(&stage), i64::try_from(EACH)?)?;
    stage.committed_to_the_end(i64::try_from(EACH)?)?;
    assert_eq!(host.terminate()?, Some(0));
    let shown = millrace(&stage, "offsets show", &["--json"])?;
    let partitions = shown.result["partitions"].as_array().context("no partitions")?;
    let of = |topic: &str| partitions.iter().find(|one| one["topic"] == topic);
    for topic in [stage.enrichment.input.as_str(), more(&stage)] {
        let one = of(topic).with_context(|| format!("no {topic}: {shown:?}"))?;
        assert_eq!((&one["progress"]["settled_to"], &one["from"]), (&EACH.into(), &"progress record".into()));
    }
    // A host that still has the number is put out, whichever topic is set.
    let cluster_id = Cluster::connect(&stage.cluster)?.id(10_000)?;
    let id = format!("millrace/{}/{cluster_id}/joint-offsets.state/0", stage.enrichment.name);
    let producer = ProducerConfig::new(stage.cluster.clone());
    let stale = ExclusiveWriter::open(&producer, &id, Duration::from_secs(60))?;
    let point = format!("{}:0", more(&stage));
    let set = millrace(&stage, "offsets set", &["--json", "--partition", &point, "--to-offset", "700", "--apply"])?;
    assert_eq!((set.code, &set.result["applied"]), (Some(0), &1.into()), "{set:?}");
    assert!(stale.write(&[event(&stage, 0, 0, TIME_MS)]).is_err(), "it was fenced");
    let host = stage.start()?;
    wait_for_settled(&host, (EACH - 700) as f64)?;
    assert_eq!(host.terminate()?, Some(0));
    let outputs = stage.committed_outputs()?;
    assert_eq!(outputs.len() as u64, EVENTS + EACH - 700, "those of the one topic again, and of no other");
    Ok(())
}
