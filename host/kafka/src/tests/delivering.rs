//! Deliveries: units are whole, in order, and reported once.

use super::bed::*;
use crate::config::{ClusterConfig, MESSAGE_BYTES_MAX, MessageTimeout};
use crate::delivery::{Delivery, DeliveryError, DeliveryEvent, QueueFull, Unit};
use crate::mock::{Refusal, Request};
use crate::reader::{Isolation, TopicReader};
use millrace_flow::record::Record;

fn unit(serial: u64, values: &[&str]) -> Unit {
    let outputs = values.iter().map(|value| output("out", value.as_bytes().to_vec())).collect();
    Unit { serial, outputs, progress: Vec::new() }
}

fn written(config: &ClusterConfig) -> Vec<Record> {
    TopicReader::open(config, "out", Isolation::ReadCommitted).unwrap().take_all(20_000).unwrap()
}

#[tokio::test]
async fn units_are_delivered_whole_and_in_order() {
    let (_cluster, config) = cluster("out", 1);
    let (mut delivery, mut reports) = deliver_to(&config, None, |_| {});
    for serial in 0..1_000 {
        let (first, second) = (format!("{serial} a"), format!("{serial} b"));
        delivery.deliver(unit(serial, &[&first, &second])).unwrap();
    }
    let mut delivered = Vec::new();
    let mut messages = 0;
    while delivered.len() < 1_000 {
        let DeliveryEvent::Delivered(units) = report(&mut reports).await else { panic!("expected a delivery") };
        delivered.extend(units);
        messages += 1;
    }
    delivered.sort_unstable();
    assert_eq!(delivered, (0..1_000).collect::<Vec<_>>());
    assert!(messages < 200, "{messages} messages for 1,000 units");
    let numbers: Vec<_> = written(&config).iter().map(number_of).collect();
    let expected: Vec<_> = (0..1_000).flat_map(|number| [number, number]).collect();
    assert_eq!(numbers, expected);
    assert!(delivery.finish(5_000));
}

#[tokio::test]
async fn a_unit_without_outputs_is_delivered_at_once() {
    let (_cluster, config) = cluster("out", 1);
    let (mut delivery, mut reports) = deliver_to(&config, None, |_| {});
    delivery.deliver(unit(7, &[])).unwrap();
    assert_eq!(report(&mut reports).await, DeliveryEvent::Delivered(vec![7]));
}

#[tokio::test]
async fn without_room_the_unit_comes_back_whole_and_fits_after_the_next_report() {
    let (_cluster, config) = cluster("out", 1);
    let (mut delivery, mut reports) = deliver_to(&config, None, |config| config.outstanding_records_max = 3);
    delivery.deliver(unit(1, &["1 a", "1 b"])).unwrap();
    let QueueFull(unit) = delivery.deliver(unit(2, &["2 a", "2 b"])).unwrap_err();
    assert_eq!(unit.outputs.len(), 2);
    assert_eq!(report(&mut reports).await, DeliveryEvent::Delivered(vec![1]));
    deliver_soon(&mut delivery, unit).await;
    assert_eq!(report(&mut reports).await, DeliveryEvent::Delivered(vec![2]));
    assert_eq!(written(&config).len(), 4);
}

/// The room is free right after the report was sent, so a moment later than it is received.
async fn deliver_soon(delivery: &mut Delivery, mut unit: Unit) {
    while let Err(QueueFull(back)) = delivery.deliver(unit) {
        unit = back;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_unit_beyond_every_bound_leaves_when_it_is_alone() {
    let (_cluster, config) = cluster("out", 1);
    let (mut delivery, mut reports) = deliver_to(&config, None, |config| config.outstanding_bytes_max = 10);
    delivery.deliver(unit(1, &["1 longer than ten bytes"])).unwrap();
    assert_eq!(report(&mut reports).await, DeliveryEvent::Delivered(vec![1]));
}

#[tokio::test]
async fn a_record_that_no_client_sends_fails_alone() {
    let (_cluster, config) = cluster("out", 1);
    let (mut delivery, mut reports) = deliver_to(&config, None, |_| {});
    let mut large = unit(1, &["1 a", "1 b"]);
    large.outputs[1].value = Some(vec![b'x'; MESSAGE_BYTES_MAX + 1].into());
    delivery.deliver(large).unwrap();
    let DeliveryEvent::Failed { serial: 1, failures } = report(&mut reports).await else {
        panic!("expected a failure")
    };
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].index, &failures[0].error), (1, &DeliveryError::TooLarge { topic: "out".to_owned() }));
    let values: Vec<_> = written(&config).into_iter().map(|record| record.value.unwrap()).collect();
    assert_eq!(values, ["1 a"], "what the report does not name was written");
    assert!(delivery.finish(5_000));
}

#[tokio::test]
async fn a_record_of_the_largest_size_passes_with_its_headers() {
    let (_cluster, config) = cluster("out", 1);
    let (mut delivery, mut reports) = deliver_to(&config, None, |_| {});
    let mut large = unit(1, &["x"]);
    large.outputs[0].headers = vec![millrace_flow::record::Header { name: "millrace-idx".into(), value: None }];
    let room = MESSAGE_BYTES_MAX - large.outputs[0].bytes() - 16;
    large.outputs[0].value = Some(vec![b'x'; room].into());
    delivery.deliver(large).unwrap();
    assert_eq!(report(&mut reports).await, DeliveryEvent::Delivered(vec![1]));
}

#[tokio::test]
async fn what_the_broker_finds_too_large_is_told_by_index() {
    let (cluster, config) = cluster("out", 1);
    let (mut delivery, mut reports) = deliver_to(&config, None, |_| {});
    cluster.refuse(Request::Produce, &[Refusal::RecordTooLarge]).unwrap();
    delivery.deliver(unit(1, &["1 a"])).unwrap();
    let DeliveryEvent::Failed { serial: 1, failures } = report(&mut reports).await else {
        panic!("expected a failure")
    };
    assert_eq!((failures[0].index, &failures[0].error), (0, &DeliveryError::TooLarge { topic: "out".to_owned() }));
}

#[tokio::test]
async fn what_passes_is_retried_without_a_duplicate() {
    let (cluster, config) = cluster("out", 1);
    let (mut delivery, mut reports) = deliver_to(&config, None, |_| {});
    cluster.refuse(Request::Produce, &[Refusal::NotLeader, Refusal::Disconnect]).unwrap();
    delivery.deliver(unit(1, &["1 a", "1 b"])).unwrap();
    assert_eq!(report(&mut reports).await, DeliveryEvent::Delivered(vec![1]));
    assert_eq!(written(&config).len(), 2);
}

#[tokio::test]
async fn without_an_acknowledgement_the_unit_fails_after_the_timeout() {
    let (cluster, config) = cluster("out", 1);
    let (mut delivery, mut reports) =
        deliver_to(&config, None, |config| config.message_timeout = MessageTimeout::AfterMs(500));
    cluster.cut_off(1).unwrap();
    delivery.deliver(unit(1, &["1 a"])).unwrap();
    let DeliveryEvent::Failed { serial: 1, failures } = report(&mut reports).await else {
        panic!("expected a failure")
    };
    assert_eq!(failures[0].error, DeliveryError::TimedOut { topic: "out".to_owned() });
}

#[tokio::test]
async fn a_missing_topic_fails_its_output_alone() {
    let (cluster, config) = cluster("out", 1);
    // The embedded cluster makes topics that it is asked for; this is how a real one answers.
    let mut config = config;
    config.overrides.insert("topic.metadata.propagation.max.ms".to_owned(), "100".to_owned());
    let (mut delivery, mut reports) = deliver_to(&config, None, |_| {});
    cluster.hide_topic("gone").unwrap();
    let mut mixed = unit(1, &["1 a", "1 b"]);
    mixed.outputs[0].topic = "gone".into();
    delivery.deliver(mixed).unwrap();
    let DeliveryEvent::Failed { serial: 1, failures } = report(&mut reports).await else {
        panic!("expected a failure")
    };
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].index, 0);
    assert!(failures[0].error.to_string().contains("gone"), "{}", failures[0].error);
    assert_eq!(written(&config).len(), 1);
}
