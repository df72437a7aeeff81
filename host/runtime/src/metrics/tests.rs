//! Tests of the metrics as a scraper sees them.

use super::*;
use millrace_flow::record::TopicPartition;
use millrace_kafka::statistics::PartitionStatistics;

/// The value of a series in the rendered text.
#[track_caller]
fn value(metrics: &HostMetrics, series: &str) -> f64 {
    let text = metrics.render().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or_else(|| panic!("{series} in {text}"));
    line.trim().parse().unwrap()
}

#[test]
fn names_and_labels_follow_the_rules_of_prometheus() {
    let mut names = std::collections::BTreeSet::new();
    for family in FAMILIES {
        assert!(names.insert(family.name), "{} twice", family.name);
        assert!(family.help.ends_with('.'), "{} is not explained by a sentence", family.name);
        assert_eq!(family.name.ends_with("_total"), family.kind == FamilyKind::Counter, "{}", family.name);
    }
}

#[test]
fn the_accounting_adds_up_whatever_becomes_of_events() {
    let metrics = HostMetrics::new().unwrap();
    let pipeline = metrics.pipeline("p");
    let outcomes: [&dyn Fn(); 7] = [
        &|| pipeline.emitted(2),
        &|| pipeline.skipped("uninteresting"),
        &|| pipeline.kept("held"),
        &|| pipeline.tombstone(),
        &|| pipeline.canary(),
        &|| pipeline.failed("decode"),
        &|| pipeline.abandoned(),
    ];
    for outcome in outcomes {
        pipeline.event_in();
        pipeline.event_in();
        pipeline.retried("late");
        outcome();
    }
    let count = |name: &str| value(&metrics, &format!("millrace_events_{name}{{pipeline=\"p\"}}"));
    let settled = count("emitted_total")
        + value(&metrics, "millrace_events_skipped_total{pipeline=\"p\",reason=\"uninteresting\"}")
        + value(&metrics, "millrace_events_kept_total{pipeline=\"p\",reason=\"held\"}")
        + count("tombstone_total")
        + count("canary_total")
        + value(&metrics, "millrace_events_failed_total{error_type=\"decode\",pipeline=\"p\"}")
        + count("abandoned_total");
    assert_eq!((count("in_total"), settled, count("in_flight")), (14.0, 7.0, 7.0));
    assert_eq!(value(&metrics, "millrace_outputs_total{pipeline=\"p\"}"), 2.0);
}

#[test]
fn a_pipeline_that_starts_again_goes_on_counting() {
    let metrics = HostMetrics::new().unwrap();
    metrics.pipeline("p").event_in();
    metrics.pipeline("p").event_in();
    assert_eq!(value(&metrics, "millrace_events_in_total{pipeline=\"p\"}"), 2.0);
}

#[test]
fn a_consumer_that_is_made_again_goes_on_counting_and_a_partition_that_left_has_no_lag() {
    let metrics = HostMetrics::new().unwrap();
    let pipeline = metrics.pipeline("p");
    let statistics = |fetched_records, partition| ClientStatistics {
        fetched_records,
        partitions: vec![PartitionStatistics {
            partition: TopicPartition::new("t", partition),
            lag: Some(7),
            queued_records: 0,
            queued_bytes: 0,
            fetched_records,
            fetched_bytes: 0,
            end: None,
        }],
        ..ClientStatistics::default()
    };
    pipeline.consumer(&statistics(10, 0));
    pipeline.consumer(&statistics(15, 0));
    pipeline.consumer(&statistics(4, 1));
    assert_eq!(value(&metrics, "millrace_fetched_records_total{pipeline=\"p\"}"), 19.0);
    assert_eq!(value(&metrics, "millrace_lag_records{partition=\"1\",pipeline=\"p\",topic=\"t\"}"), 7.0);
    assert!(!metrics.render().unwrap().contains("partition=\"0\""));
}

#[test]
fn a_partition_that_left_has_no_state() {
    let metrics = HostMetrics::new().unwrap();
    let pipeline = metrics.pipeline("p");
    let partition = |number| TopicPartition::new("t", number);
    let has = |number: i32| metrics.render().unwrap().contains(&format!("partition=\"{number}\""));
    (0..3).for_each(|number| pipeline.state(&partition(number), 1_000, 2));
    pipeline.state_remaining(&partition(3), 7);
    assert_eq!(value(&metrics, "millrace_state_bytes{partition=\"2\",pipeline=\"p\",topic=\"t\"}"), 1_000.0);
    pipeline.state_gone(&partition(2));
    assert_eq!([0, 1, 2, 3].map(has), [true, true, false, true]);
    pipeline.no_state();
    assert_eq!([0, 1, 2, 3].map(has), [false; 4]);
}

#[test]
fn a_pipeline_that_stopped_holds_nothing_and_topics_go_on_forgetting() {
    const NOW_MS: i64 = 1_700_000_000_000;
    let metrics = HostMetrics::new().unwrap();
    let pipeline = metrics.pipeline("p");
    let partition = |number| TopicPartition::new("t", number);
    let of_partition = |name: &str, number: i32| {
        let series = format!("millrace_{name}{{partition=\"{number}\",pipeline=\"p\",topic=\"t\"}}");
        let text = TextEncoder::new().encode_to_string(&metrics.registry.gather()).unwrap();
        text.lines().find_map(|line| line.strip_prefix(&series).map(|value| value.trim().parse::<i64>().unwrap()))
    };
    pipeline.retentions(BTreeMap::from([("t".to_owned(), 100_000_000)]));
    pipeline.gauges(3, 1_000, 1, 2);
    pipeline.held(1);
    pipeline.versions(2);
    pipeline.failing(Failing::Yes);
    pipeline.state(&partition(0), 1_000, 2);
    let lag = PartitionStatistics {
        partition: partition(0),
        lag: Some(7),
        queued_records: 0,
        queued_bytes: 0,
        fetched_records: 0,
        fetched_bytes: 0,
        end: None,
    };
    pipeline.consumer(&ClientStatistics { partitions: vec![lag], ..ClientStatistics::default() });
    let oldest = |number, timestamp_ms| OldestOpen { partition: partition(number), timestamp_ms };
    pipeline.oldest_open(&[oldest(0, Some(NOW_MS - 40_000_000)), oldest(1, None)], NOW_MS as u64);
    assert_eq!(of_partition("retention_headroom_seconds", 0), Some(60_000));

    metrics.pipeline_stopped("p", NOW_MS as u64);
    for name in ["open_offsets", "bytes_in_flight", "partitions_paused", "partitions_assigned", "results_held"] {
        assert_eq!(value(&metrics, &format!("millrace_{name}{{pipeline=\"p\"}}")), 0.0, "{name}");
    }
    for name in ["plugin_versions", "pipeline_failing", "pipeline_up", "pipeline_drained"] {
        assert_eq!(value(&metrics, &format!("millrace_{name}{{pipeline=\"p\"}}")), 0.0, "{name}");
    }
    for name in ["lag_seconds", "lag_records", "state_bytes", "state_keys"] {
        assert_eq!(of_partition(name, 0), None, "{name}");
    }
    metrics.observe_stopped((NOW_MS + 10_000_000) as u64);
    assert_eq!(of_partition("retention_headroom_seconds", 0), Some(50_000));
    assert_eq!(of_partition("retention_headroom_seconds", 1), Some(90_000), "what came since is not settled");
    metrics.pipeline_stopped("p", (NOW_MS + 15_000_000) as u64);
    metrics.observe_stopped((NOW_MS + 20_000_000) as u64);
    assert_eq!(of_partition("retention_headroom_seconds", 1), Some(80_000), "it stopped again, and had not begun");

    // It runs again, and somebody else has the first partition.
    pipeline.oldest_open(&[oldest(1, None)], (NOW_MS + 20_000_000) as u64);
    metrics.observe_stopped((NOW_MS + 20_000_000) as u64);
    assert_eq!(of_partition("retention_headroom_seconds", 0), None);
    assert_eq!(of_partition("retention_headroom_seconds", 1), Some(100_000));
    assert_eq!(of_partition("lag_seconds", 1), Some(0));
}

#[test]
fn backfills_are_told_apart() {
    let metrics = HostMetrics::new().unwrap();
    let backfill = BackfillConfig { events_per_second: None, api_percent: 50 };
    for (config, expected) in [(None, 0.0), (Some(&backfill), 1.0), (None, 0.0)] {
        metrics.pipeline_backfill("p", config);
        assert_eq!(value(&metrics, "millrace_pipeline_backfill{pipeline=\"p\"}"), expected);
    }
}

#[test]
fn alert_rules_name_families_and_addresses_that_exist() {
    let rules = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/alerts.yaml")).unwrap();
    let addresses: Vec<&str> = rules.split("`GET ").skip(1).filter_map(|rest| rest.split('`').next()).collect();
    assert_eq!(addresses, ["/readyz"]);
    let expressions = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let words = expressions.flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    let named: Vec<&str> = words.filter(|word| word.starts_with("millrace_")).collect();
    assert!(named.len() >= 6, "{named:?}");
    for name in named {
        assert!(super::FAMILIES.iter().any(|family| family.name == name), "{name}");
    }
}
