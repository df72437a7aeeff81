//! Scans read what is there, of all partitions of all topics, and end; or do not, where that is wished.

use super::bed::{cluster, fill, number_of};
use crate::error::KafkaError;
use crate::scan::{Scan, ScanEnd, ScanStart, Scanned};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Reads until the end, or until `count` records are there.
fn read(scan: &mut Scan, count: usize) -> (Vec<(String, usize)>, bool) {
    let (mut records, until) = (Vec::new(), Instant::now() + PATIENCE);
    while records.len() < count {
        assert!(Instant::now() < until, "only {records:?}");
        match scan.next(Duration::from_millis(50)).unwrap() {
            Scanned::Record(record) => records.push((record.source.to_string(), number_of(&record))),
            Scanned::Nothing => {}
            Scanned::End => return (records, true),
        }
    }
    (records, false)
}

#[test]
fn a_scan_of_several_topics_ends_behind_what_is_there() {
    let (embedded, config) = cluster("one", 2);
    embedded.create_topic("two", 1).unwrap();
    fill(&config, "one", 0, 3, 10);
    fill(&config, "one", 1, 2, 10);
    fill(&config, "two", 0, 4, 10);
    let topics = ["one".to_owned(), "two".to_owned()];
    let mut scan = Scan::open(&config, &topics, ScanStart::Oldest, ScanEnd::Now).unwrap();
    fill(&config, "one", 0, 1, 10);
    let (mut records, ended) = read(&mut scan, usize::MAX);
    records.sort();
    let expected = [("one/0", 3), ("one/1", 2), ("two/0", 4)];
    let expected: Vec<(String, usize)> =
        expected.iter().flat_map(|(place, count)| (0..*count).map(|number| ((*place).to_owned(), number))).collect();
    assert_eq!((records, ended), (expected, true));
}

#[test]
fn a_scan_from_the_newest_on_sees_what_is_written_then() {
    let (_embedded, config) = cluster("news", 1);
    fill(&config, "news", 0, 3, 10);
    let topics = ["news".to_owned()];
    let mut ended = Scan::open(&config, &topics, ScanStart::Newest, ScanEnd::Now).unwrap();
    assert_eq!(read(&mut ended, 1), (Vec::new(), true));
    let mut following = Scan::open(&config, &topics, ScanStart::Newest, ScanEnd::Never).unwrap();
    fill(&config, "news", 0, 2, 10);
    let (records, ended) = read(&mut following, 2);
    assert_eq!((records.len(), ended), (2, false));
    assert_eq!(following.next(Duration::from_millis(20)).unwrap(), Scanned::Nothing);
}

#[test]
fn a_topic_that_is_not_there_is_told() {
    let (_embedded, config) = cluster("there", 1);
    let topics = ["there".to_owned(), "nowhere".to_owned()];
    let opened = Scan::open(&config, &topics, ScanStart::Oldest, ScanEnd::Now);
    let error = opened.err().unwrap();
    assert!(matches!(error, KafkaError::TopicMissing { .. }), "{error}");
}
