//! The ends of a partition. Where one of the two questions about them is refused, that is an error and never an empty
//! partition; where a broker says too early that a partition ends, it is read on.

use super::bed::*;
use crate::context::LogContext;
use crate::eof::{EarlyEnds, Span};
use crate::mock::EmbeddedCluster;
use crate::mock::{Refusal, Request};
use crate::reader::{Isolation, reading, reading_to_the_end};
use crate::watermarks::watermarks;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as Native;
use rdkafka::topic_partition_list::Offset;
use rdkafka::{Message as _, TopicPartitionList};
use std::ops::Range;
use std::time::{Duration, Instant};

#[test]
fn an_end_that_is_not_told_is_an_error() {
    let (cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 7, 10);
    let client = reading(&config, "ends").unwrap();
    let client: BaseConsumer<LogContext> = BaseConsumer::from_config_and_context(&client, LogContext).unwrap();
    let ask = || watermarks(&client, "t", 0, Duration::from_secs(10));
    assert_eq!(ask(), Ok((0, 7)));
    for answers in [[Some(Refusal::NotCoordinator), None], [None, Some(Refusal::NotCoordinator)]] {
        cluster.answer_next(1, Request::ListOffsets, &answers).unwrap();
        assert!(ask().is_err(), "{answers:?}");
        // What was not asked any more is not left for the next question.
        while cluster.answers_left(1, Request::ListOffsets).unwrap() > 0 {
            assert_eq!(ask(), Ok((0, 7)));
        }
    }
    assert!(watermarks(&client, "t", 9, Duration::from_secs(10)).is_err());
}

/// A client that has read 3 of the 6 records of a partition: as far as the broker knows, for all that it can tell.
fn half_way() -> (EmbeddedCluster, BaseConsumer<LogContext>) {
    let (cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 6, 10);
    let client = reading_to_the_end(&config, "ends", Isolation::ReadCommitted).unwrap().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("t", 0, Offset::Offset(0)).unwrap();
    client.assign(&list).unwrap();
    assert_eq!(read(&client, 3), 0..3);
    (cluster, client)
}

/// The offsets of the next records, `count` at most and up to where librdkafka says that the partition ends.
fn read(client: &BaseConsumer<LogContext>, count: i64) -> Range<i64> {
    let (mut offsets, deadline) = (None, Instant::now() + Duration::from_secs(30));
    loop {
        match client.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                let Range { start, end } = offsets.clone().unwrap_or(message.offset()..message.offset());
                assert_eq!(message.offset(), end);
                offsets = Some(start..end + 1);
            }
            Some(Err(Native::PartitionEOF(0))) => return offsets.unwrap_or(0..0),
            _ => assert!(Instant::now() < deadline, "no end in time"),
        }
        if let Some(offsets) = offsets.as_ref().filter(|offsets| offsets.end - offsets.start == count) {
            return offsets.clone();
        }
    }
}

fn up_to(end: i64) -> Span<'static> {
    Span { topic: "t", partition: 0, begin: 0, end }
}

#[test]
fn an_end_that_is_told_too_early_is_not_believed() {
    let ((_cluster, client), mut ends) = (half_way(), EarlyEnds::default());
    assert_eq!(ends.is_real(&client, up_to(3)), Ok(true), "no more is looked for");
    assert_eq!(ends.is_real(&client, up_to(6)), Ok(false));
    assert_eq!(read(&client, 9), 3..6, "the others, each once");
    assert_eq!(ends.is_real(&client, up_to(6)), Ok(true));
}

#[test]
fn an_end_that_is_told_twice_at_the_same_place_is_one() {
    let ((_cluster, client), mut ends) = (half_way(), EarlyEnds::default());
    assert_eq!(ends.is_real(&client, up_to(6)), Ok(false));
    assert_eq!(read(&client, 1), 3..4);
    assert_eq!(ends.is_real(&client, up_to(6)), Ok(false), "it was another place");
    assert_eq!(ends.is_real(&client, up_to(6)), Ok(true), "compaction took what was there");
    assert_eq!(read(&client, 9), 4..6);
}

#[test]
fn a_partition_that_is_shorter_than_it_was_is_read_anew() {
    let ((_cluster, client), mut ends) = (half_way(), EarlyEnds::default());
    let error = ends.is_real(&client, up_to(7)).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("ends at offset 6 and ended at 7"), "{error}");
}
