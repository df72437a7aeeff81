//! The way back: whatever record failed, the error event and the reprocess topic lead to it again.

use crate::sample::{PAGE_CHANGE, document, record};
use bytes::Bytes;
use millrace_flow::outcome::Failure;
use millrace_flow::record::{Header, OutputRecord, Record, TopicPartition};
use millrace_platform::{
    Attempts, ERROR_EVENT_BYTES_LEAST, ErrorStream, FailedEvent, NoErrorEvent, Origin, Restored, Unreturnable,
    build_error_event, error_source, meta_id, restore,
};
use proptest::prelude::*;

const CLUSTER: &str = "cluster-1";

fn header(name: &str, value: Option<&str>) -> Header {
    Header { name: name.into(), value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())) }
}

fn origin(record: &Record) -> Origin<'_> {
    Origin { pipeline: "p", cluster_id: CLUSTER, record, timer: None, plugin_digest: "5ea1" }
}

/// The error event of a record that was given back so often, as a reader of the error topic gets it.
fn failed(record: &Record, reprocessed: u32, bytes_max: usize) -> Record {
    let errors =
        ErrorStream { stream: "p.error".to_owned(), topic: "p.error".into(), emitter_id: "p".to_owned(), bytes_max };
    let attempts = Attempts { run: 1, reprocessed };
    let failure = Failure::new("not_found", "no such page");
    let built = build_error_event("not_found", &failure, None, &errors, &origin(record), attempts, 1_782_121_700_042);
    assert!(built.bytes() <= bytes_max.max(ERROR_EVENT_BYTES_LEAST));
    consumed(built, 7, 42)
}

/// A record once it lies in its topic.
fn consumed(output: OutputRecord, partition: i32, offset: i64) -> Record {
    let OutputRecord { topic, timestamp_ms, key, value, headers } = output;
    Record { source: TopicPartition::new(topic, partition), offset, timestamp_ms, key, value, headers }
}

/// From the error event to the record as the pipeline gets it again.
fn way_back(error: &Record) -> Restored {
    let failed = FailedEvent::read(error).unwrap();
    let original = failed.original.clone().unwrap();
    let given = failed.give_back(&original, &"p.again".into(), original.reprocessed + 1, 1_782_121_800_000);
    let given = consumed(given, 1, 3);
    assert_eq!(error_source(&given.headers).unwrap().to_string(), "p.error/7/42");
    restore(given, CLUSTER)
}

#[track_caller]
fn check_unfit(change: impl FnOnce(&mut Record), expected: Unreturnable) {
    let mut error = failed(&record(Some(PAGE_CHANGE.as_bytes())), 0, 1 << 20);
    change(&mut error);
    assert_eq!(FailedEvent::read(&error).unwrap().original, Err(expected));
}

#[test]
fn an_error_event_says_whose_it_is_and_why() {
    let failed = FailedEvent::read(&failed(&record(Some(b"{}")), 0, 1 << 20)).unwrap();
    assert_eq!((failed.emitter_id.as_str(), failed.error_type.as_str(), failed.stream), ("p", "not_found", None));
    assert_eq!(failed.at.to_string(), "p.error/7/42");
    let errors = ErrorStream { stream: "s".to_owned(), topic: "t".into(), emitter_id: "p".to_owned(), bytes_max: 0 };
    let (record, input) = (record(Some(PAGE_CHANGE.as_bytes())), document(PAGE_CHANGE));
    let attempts = Attempts { run: 1, reprocessed: 0 };
    let built = build_error_event("x", &Failure::new("x", "y"), Some(&input), &errors, &origin(&record), attempts, 1);
    let failed = FailedEvent::read(&consumed(built, 0, 0)).unwrap();
    assert_eq!(failed.stream.as_deref(), Some("mediawiki.page_change.v1"));
}

#[test]
fn what_is_no_error_event_is_told_apart() {
    let read = |value: Option<&[u8]>| FailedEvent::read(&record(value)).unwrap_err();
    assert_eq!(read(None), NoErrorEvent::Empty);
    assert!(matches!(read(Some(b"[]")), NoErrorEvent::Document(_)));
    assert_eq!(read(Some(b"{\"emitter_id\":\"p\"}")), NoErrorEvent::Missing("error_type"));
}

#[test]
fn an_error_event_without_all_of_its_record_is_named_and_not_given_back() {
    let without = |name: &'static str| move |error: &mut Record| error.headers.retain(|header| *header.name != *name);
    check_unfit(without("millrace-src"), Unreturnable::Incomplete("millrace-src"));
    check_unfit(without("millrace-timestamp"), Unreturnable::Incomplete("millrace-timestamp"));
    check_unfit(|error| error.headers.push(header("millrace-raw-cut", Some("7"))), Unreturnable::Cut);
    check_unfit(
        |error| error.headers.push(header("millrace-reprocessed", Some("often"))),
        Unreturnable::Incomplete("millrace-reprocessed"),
    );
    check_unfit(
        |error| error.headers.push(header("millrace-raw-encoding", Some("base64"))),
        Unreturnable::Incomplete("raw_event"),
    );
    check_unfit(
        |error| error.headers.push(header("millrace-raw-encoding", Some("rot13"))),
        Unreturnable::Incomplete("millrace-raw-encoding"),
    );
    let large = vec![b' '; 200_000];
    let cut = FailedEvent::read(&failed(&record(Some(&large)), 0, 100_000)).unwrap();
    assert_eq!(cut.original, Err(Unreturnable::Cut));
    let source = cut.source.map(|source| source.to_string());
    assert_eq!(source.as_deref(), Some("eqiad.mediawiki.page_change.v1/0/4711"), "where all of it is");
    let keyed = Record { key: Some(Bytes::from(large)), ..record(Some(b"{}")) };
    let cut = FailedEvent::read(&failed(&keyed, 0, 100_000)).unwrap();
    assert_eq!(cut.original, Err(Unreturnable::Cut), "its key did not fit");
}

#[test]
fn a_record_that_nobody_gave_back_is_left_as_it_is() {
    for headers in [
        vec![],
        vec![header("millrace-src", Some("cluster-1/t/0/1")), header("millrace-timestamp", Some("5"))],
        vec![
            header("millrace-src", Some("other/t/0/1")),
            header("millrace-timestamp", Some("5")),
            header("millrace-reprocessed", Some("1")),
        ],
        vec![
            header("millrace-src", Some("cluster-1/t/0/1/2")),
            header("millrace-timestamp", Some("5")),
            header("millrace-reprocessed", Some("1")),
        ],
    ] {
        let foreign = Record { headers, ..record(Some(b"{}")) };
        assert_eq!(restore(foreign.clone(), CLUSTER), Restored { record: foreign, reprocessed: 0 });
    }
}

prop_compose! {
    fn any_record()(
        topic in "[a-z.]{1,8}",
        numbers in (0..64_i32, 0..i64::MAX, -1..i64::MAX),
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        value in prop::option::of(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            ".{0,100}".prop_map(String::into_bytes),
        ]),
        headers in prop::collection::vec(
            ("(millrace-(src|timestamp|reprocessed|key|raw-cut|header-x))|[a-zA-Z-]{0,6}",
             prop::option::of(prop::collection::vec(any::<u8>(), 0..20))),
            0..5,
        ),
    ) -> Record {
        let headers = headers.into_iter().map(|(name, value)| Header { name: name.into(), value: value.map(Bytes::from) });
        Record {
            source: TopicPartition::new(topic, numbers.0),
            offset: numbers.1,
            timestamp_ms: numbers.2,
            key: key.map(Bytes::from),
            value: value.map(Bytes::from),
            headers: headers.collect(),
        }
    }
}

proptest! {
    /// Byte for byte, whatever it was, however often: so its outputs have the ids that they would have had.
    #[test]
    fn whatever_failed_comes_back_as_it_was(record in any_record(), reprocessed in 0..5_u32) {
        let back = way_back(&failed(&record, reprocessed, 1 << 20));
        prop_assert_eq!(&back.record, &record);
        prop_assert_eq!(back.reprocessed, reprocessed + 1);
        prop_assert_eq!(meta_id(&origin(&back.record), "out", 0), meta_id(&origin(&record), "out", 0));
        let again = way_back(&failed(&back.record, back.reprocessed, 1 << 20));
        prop_assert_eq!((again.record, again.reprocessed), (record, reprocessed + 2));
    }

    /// However large key and headers are, the error event fits.
    #[test]
    fn an_error_event_fits_whatever_its_record_carries(
        key in 0..40_000_usize,
        headers in 0..2_000_usize,
        value in 0..200_000_usize,
        bytes_max in 0..150_000_usize,
    ) {
        let headers = std::iter::repeat_with(|| header("h", Some("value"))).take(headers).collect();
        let value = "\u{1}".repeat(value);
        let record = Record { key: Some(vec![0; key].into()), headers, ..record(Some(value.as_bytes())) };
        let error = FailedEvent::read(&failed(&record, 1, bytes_max)).unwrap();
        if let Ok(original) = error.original {
            prop_assert_eq!((original.key, original.value, original.headers), (record.key, record.value, record.headers));
        }
    }
}
