//! Commits: what is written, what is tried again, what is refused.

use super::bed::*;
use crate::commit::PartitionProgress;
use crate::delivery::{DeliveryEvent, Unit};
use crate::error::KafkaError;
use crate::mock::{Refusal, Request};
use crate::reader::committed;

fn progress(offset: i64, metadata: &str) -> PartitionProgress {
    PartitionProgress { partition: partition("t", 0), offset, leader_epoch: None, metadata: metadata.to_owned() }
}

fn unit(serial: u64, progress: PartitionProgress) -> Unit {
    Unit { serial, outputs: Vec::new(), progress: vec![progress] }
}

#[tokio::test]
async fn progress_comes_back_with_its_metadata() {
    let (_cluster, config) = cluster("t", 1);
    let metadata = "v1:".to_owned() + &"A".repeat(3_000);
    let mut source = Source::of(&config, "t");
    source.assigned().await;
    let (mut delivery, mut reports) = deliver_to(&config, Some(&source.consumer), |_| {});
    delivery.deliver(unit(1, progress(42, &metadata))).unwrap();
    loop {
        match report(&mut reports).await {
            DeliveryEvent::Committed(done) => {
                assert_eq!((done[0].offset, &done[0].metadata), (42, &metadata));
                break;
            }
            DeliveryEvent::Delivered(units) => assert_eq!(units, [1]),
            other => panic!("{other:?}"),
        }
    }
    source.stop().await;
    let found = &committed(&config, "group", "t").unwrap()[&partition("t", 0)];
    assert_eq!((found.offset, &found.metadata), (Some(42), &metadata));
    let mut source = Source::of(&config, "t");
    let assigned = source.assigned().await;
    assert_eq!((assigned[0].start, &assigned[0].progress.metadata), (42, &metadata));
    source.stop().await;
}

#[tokio::test]
async fn progress_never_moves_backwards_but_after_a_move() {
    let (_cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 20, 10);
    let mut source = Source::of(&config, "t");
    source.assigned().await;
    source.records(20).await;
    source.consumer.submit(vec![progress(12, "")]);
    source.consumer.submit(vec![progress(5, "")]);
    source.consumer.seek(&partition("t", 0), 3);
    while !matches!(source.next().await, crate::consumer::SourceEvent::Moved { .. }) {}
    assert_eq!(committed_offset(&source, &config), Some(12));
    source.consumer.submit(vec![progress(4, "")]);
    assert_eq!(committed_offset(&source, &config), Some(4));
    source.stop().await;
}

/// What is committed once the board is empty.
fn committed_offset(source: &Source, config: &crate::config::ClusterConfig) -> Option<i64> {
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(10);
    assert!(source.consumer.board().flush(soon));
    committed(config, "group", "t").unwrap()[&partition("t", 0)].offset
}

#[track_caller]
fn check_refusals(refusals: &[Refusal], expected: Result<(), fn(&KafkaError) -> bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (cluster, config) = cluster("t", 1);
        let mut source = Source::of(&config, "t");
        source.assigned().await;
        let (mut delivery, mut reports) = deliver_to(&config, Some(&source.consumer), |_| {});
        cluster.refuse(Request::OffsetCommit, refusals).unwrap();
        delivery.deliver(unit(1, progress(5, "m"))).unwrap();
        loop {
            match (report(&mut reports).await, expected) {
                (DeliveryEvent::Delivered(_), _) => {}
                (DeliveryEvent::Committed(done), Ok(())) => {
                    assert_eq!(done[0].offset, 5);
                    break;
                }
                (DeliveryEvent::CommitFailed { progress, error }, Err(wanted)) => {
                    assert_eq!(progress[0].offset, 5);
                    assert!(wanted(&error), "{error:?}");
                    break;
                }
                (other, _) => panic!("{other:?}"),
            }
        }
        source.stop().await;
    });
}

#[test]
fn what_passes_is_tried_again() {
    check_refusals(&[Refusal::NotCoordinator], Ok(()));
    check_refusals(&[Refusal::CoordinatorLoading, Refusal::CoordinatorLoading], Ok(()));
    check_refusals(&[Refusal::Disconnect], Ok(()));
}

#[test]
fn what_does_not_pass_is_reported_with_its_reason() {
    check_refusals(
        &[Refusal::OffsetMetadataTooLarge],
        Err(|error| matches!(error, KafkaError::MetadataTooLarge { characters: 1, .. })),
    );
    check_refusals(&[Refusal::Unauthorised], Err(|error| matches!(error, KafkaError::Denied { .. })));
}
