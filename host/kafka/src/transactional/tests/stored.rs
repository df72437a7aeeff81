//! The end of the progress topic, read backwards.

use super::stay::*;
use crate::error::KafkaError;
use crate::raw;
use crate::reader::{Isolation, TopicReader};
use crate::transactional::stored;
use crate::writer::Writer;
use bytes::Bytes;
use millrace_flow::progress::ProgressError;
use millrace_flow::progress_record::{ProgressKey, ProgressRecord};
use millrace_flow::record::{OutputRecord, TopicPartition};

/// Whose records there are.
fn key(pipeline: &str) -> String {
    let (pipeline, cluster_id) = (pipeline.to_owned(), "input".to_owned());
    ProgressKey { pipeline, cluster_id, partition: source() }.encode()
}

fn ours() -> String {
    key("enrich")
}

/// The value of the `serial`th write.
fn value(serial: u64) -> Option<Bytes> {
    Some(ProgressRecord::of(&progress(serial), Some(3)).encode().into())
}

/// Writes records to one partition of the progress topic.
fn write(bed: &Bed, partition: i32, records: impl IntoIterator<Item = (String, Option<Bytes>)>) {
    let writer = Writer::new(&bed.config.producer).unwrap();
    for (key, value) in records {
        let (topic, key) = ("progress".into(), Some(key.into()));
        let record = OutputRecord { topic, timestamp_ms: 0, key, value, headers: Vec::new() };
        writer.write_to(partition, &record).unwrap();
    }
    writer.flush(20_000).unwrap();
}

fn read(bed: &Bed) -> Result<Option<ProgressRecord>, KafkaError> {
    Ok(stored::read(&bed.config, [&source()])?.remove(&source()))
}

/// What is read is the `serial`th write.
#[track_caller]
fn check(bed: &Bed, serial: Option<u64>) {
    let expected = serial.map(|serial| ProgressRecord::of(&progress(serial), Some(3)));
    assert_eq!(read(bed), Ok(expected));
}

#[test]
fn the_newest_record_of_the_key_counts() {
    let bed = bed(1);
    check(&bed, None);
    write(&bed, 0, [(key("other"), value(7)), (key("enrich2"), value(8))]);
    check(&bed, None);
    write(&bed, 0, (1..100).flat_map(|serial| [(ours(), value(serial)), (key("other"), value(serial * 2))]));
    check(&bed, Some(99));
    // In one partition the order of the log counts, not the serial: what was put back by hand holds.
    write(&bed, 0, [(ours(), value(5))]);
    check(&bed, Some(5));
}

#[test]
fn another_partition_or_cluster_is_another_key() {
    let bed = bed(1);
    for (cluster_id, partition) in [("input", TopicPartition::new("in", 1)), ("other", source())] {
        let (pipeline, cluster_id) = ("enrich".to_owned(), cluster_id.to_owned());
        write(&bed, 0, [(ProgressKey { pipeline, cluster_id, partition }.encode(), value(1))]);
    }
    check(&bed, None);
}

#[test]
fn a_tombstone_forgets_the_key() {
    let bed = bed(1);
    write(&bed, 0, [(ours(), value(1)), (ours(), None), (key("other"), value(2))]);
    check(&bed, None);
    write(&bed, 0, [(ours(), value(3))]);
    check(&bed, Some(3));
}

#[test]
fn a_tombstone_far_from_the_end_hides_what_is_before_it() {
    let bed = bed(1);
    let others = || (0..600).map(|serial| (key("other"), value(serial)));
    write(&bed, 0, [(ours(), value(1)), (ours(), None)].into_iter().chain(others()));
    check(&bed, None);
}

#[test]
fn the_partition_counts_in_which_the_key_lies_now() {
    // The topic got more partitions, and the key another one of them, more than once.
    let bed = bed(4);
    let own = raw::partition_of(ours().as_bytes(), 4);
    let [first, second] = [own + 1, own + 2].map(|partition| partition % 4);
    write(&bed, first, [(ours(), value(1)), (ours(), value(9))]);
    write(&bed, second, [(ours(), value(4))]);
    check(&bed, Some(9));
    // What is there was written after all that lies elsewhere.
    write(&bed, own, [(ours(), value(3))]);
    check(&bed, Some(3));
    write(&bed, own, [(ours(), None)]);
    check(&bed, None);
}

#[test]
fn a_producer_of_ours_puts_a_key_where_it_is_looked_for() {
    for partitions in [1, 2, 3, 7, 50] {
        let bed = bed(partitions);
        let (mut stay, _) = Stay::begin(&bed, found(0, None)).unwrap();
        (1..5).for_each(|serial| stay.commits(&transaction(serial)));
        stay.release();
        let own = raw::partition_of(ours().as_bytes(), i32::from(partitions));
        let mut reader = TopicReader::open(&bed.config.producer.cluster, "progress", Isolation::ReadCommitted).unwrap();
        let written = reader.take_all(20_000).unwrap();
        assert!(written.len() >= 5 && written.iter().all(|record| record.source.partition == own), "of {partitions}");
    }
}

#[test]
fn what_lies_far_from_the_end_is_found() {
    let bed = bed(1);
    write(&bed, 0, [(ours(), value(1)), (ours(), value(2))]);
    // Behind 500 records, which are read first, and behind 4,000 more, which are read next.
    for count in [498, 1, 1, 1, 3_998, 1, 1, 1] {
        write(&bed, 0, (0..count).map(|serial| (key("other"), value(serial))));
        check(&bed, Some(2));
    }
}

#[test]
fn what_a_newer_host_wrote_is_refused() {
    let bed = bed(1);
    write(&bed, 0, [(ours(), value(1)), (ours(), Some("2 and whatever that means".into()))]);
    let error = read(&bed).unwrap_err();
    let source = ProgressError::NewerRecord { found: 2 };
    assert_eq!(error, KafkaError::Progress { partition: super::stay::source(), source });
    assert!(!error.is_transient());
    assert!(error.to_string().contains("in/0") && error.to_string().contains("newer"), "{error}");
}

#[test]
fn garbage_is_refused_where_it_is_what_was_written_last() {
    for garbage in ["", "garbage", "1 5 - 1.6.1.", "1 5 - 9.5.1."] {
        let bed = bed(1);
        write(&bed, 0, [(ours(), value(1)), (ours(), Some(garbage.into()))]);
        let error = read(&bed).unwrap_err();
        assert!(matches!(error, KafkaError::Progress { .. }), "{garbage:?}: {error:?}");
        write(&bed, 0, [(ours(), value(2))]);
        check(&bed, Some(2));
    }
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let bed = bed(1);
    bed.cluster.hide_topic("progress").unwrap();
    let error = read(&bed).unwrap_err();
    assert!(matches!(&error, KafkaError::TopicMissing { what } if what.contains("\"progress\"")), "{error:?}");
}
