//! A path of one partition, for the tests of this folder.

use crate::job::{Finish, Finished, JobId, VersionId};
use crate::metrics::HostMetrics;
use crate::partition::{Destination, Order, PathLimits, RecordPath};
use millrace_flow::admission::AdmissionLimits;
use millrace_flow::failures::FailureLimits;
use millrace_flow::progress::Progress;
use millrace_flow::record::{Record, TopicPartition};

const PARTITION: (&str, i32) = ("in", 0);

pub(super) fn record(offset: i64) -> Record {
    Record {
        source: TopicPartition::new(PARTITION.0, PARTITION.1),
        offset,
        timestamp_ms: 0,
        key: Some(offset.to_string().into()),
        value: Some("{}".into()),
        headers: Vec::new(),
    }
}

/// A path with a budget of a megabyte that owns one partition.
pub(super) fn path(failures: FailureLimits) -> RecordPath {
    let admission = AdmissionLimits { bytes_max: 1 << 20, open_max: 1_000 };
    path_within(PathLimits { admission, failures, transactions: None })
}

/// A path that owns one partition.
pub(super) fn path_within(limits: PathLimits) -> RecordPath {
    let metrics = HostMetrics::new().unwrap().pipeline("p");
    let mut path = RecordPath::new(Order::PerKey, limits, 1, Destination::Kafka, metrics, (VersionId(0), [0; 32]));
    path.assign(TopicPartition::new(PARTITION.0, PARTITION.1), Progress::at(0));
    path
}

pub(super) fn finished(id: u64, finish: Finish, answer_bytes: u64) -> Vec<Finished> {
    vec![Finished { id: JobId(id), finish, answer_bytes }]
}
