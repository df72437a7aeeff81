//! Where an output came from, and the id that follows from it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millrace_flow::record::{Record, TopicPartition};
use millrace_flow::state::{DueTimer, TimerClock};
use sha1::{Digest, Sha1};
use std::io::Write as _;
use std::sync::LazyLock;
use uuid::{Builder, Uuid};

/// The record or the timer that an output came from, and who made it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The id of the Kafka cluster that the record was read from, as the cluster itself says.
    pub cluster_id: &'a str,
    /// The record. A reprocessed one has its original coordinates. Of a timer, what stands for it: see [`timer_record`].
    pub record: &'a Record,
    /// The timer, where it is one.
    pub timer: Option<&'a DueTimer>,
    /// SHA-256 of the plugin in hex.
    pub plugin_digest: &'a str,
}

/// All ids of events are in the namespace that `millrace` has among DNS names.
static NAMESPACE: LazyLock<Uuid> = LazyLock::new(|| Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"millrace"));

/// The `meta.id` of output number `index` (from 0) of an event, written to `stream`: a UUIDv5 of pipeline, output stream,
/// cluster id, topic, partition, offset, record timestamp in ms and index, joined by U+001F.
///
/// Of a timer it is one of pipeline, output stream, cluster id, topic, partition, the word `timer`, the timer's key in
/// base64url, its name, its clock (`event_time` or `wall`), when it was due in ms, and index. A timer that is set again to
/// the very time at which it fired has the same ids.
///
/// Equal ids mean the same cause, not the same bytes: after a crash an event may be enriched anew.
pub fn meta_id(origin: &Origin<'_>, stream: &str, index: u32) -> Uuid {
    let record = origin.record;
    let mut name = Vec::with_capacity(256);
    for text in [origin.pipeline, stream, origin.cluster_id, &record.source.topic] {
        name.extend_from_slice(text.as_bytes());
        name.push(0x1f);
    }
    let partition = record.source.partition;
    // Writing to a vector cannot fail.
    drop(match origin.timer {
        None => {
            let (offset, timestamp_ms) = (record.offset, record.timestamp_ms);
            write!(name, "{partition}\u{1f}{offset}\u{1f}{timestamp_ms}\u{1f}{index}")
        }
        Some(timer) => {
            let (key, called, clock, due_ms) = parts(timer);
            write!(name, "{partition}\u{1f}{TIMER}\u{1f}{key}\u{1f}{called}\u{1f}{clock}\u{1f}{due_ms}\u{1f}{index}")
        }
    });
    // `Uuid::new_v5` would do, but its SHA-1 does not use the processor's instructions for it.
    let digest = Sha1::new().chain_update(NAMESPACE.as_bytes()).chain_update(&name).finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
    Builder::from_sha1_bytes(bytes).into_uuid()
}

/// Where an output came from, as its header says it: `cluster/topic/partition/offset`; of a timer
/// `cluster/topic/partition/timer/clock/due/key/name`, with the key in base64url. The name may have slashes.
pub(crate) fn source_of(origin: &Origin<'_>) -> String {
    let Origin { cluster_id, record, .. } = origin;
    let source = &record.source;
    match origin.timer {
        None => format!("{cluster_id}/{source}/{}", record.offset),
        Some(timer) => {
            let (key, name, clock, due_ms) = parts(timer);
            format!("{cluster_id}/{source}/{TIMER}/{clock}/{due_ms}/{key}/{name}")
        }
    }
}

/// Reads what [`source_of`] writes of a timer: the id of the cluster, the place of its shard, the timer.
pub(crate) fn timer_of(source: &str) -> Option<(&str, TopicPartition, DueTimer)> {
    let mut parts = source.splitn(8, '/');
    let (cluster_id, topic, partition) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
    parts.next().filter(|word| *word == TIMER)?;
    let word = parts.next()?;
    let clock = [TimerClock::EventTime, TimerClock::Wall].into_iter().find(|clock| clock.word() == word)?;
    let (due_ms, key, name) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let key = URL_SAFE_NO_PAD.decode(key).ok()?.into();
    Some((cluster_id, TopicPartition::new(topic, partition), DueTimer { due_ms, key, name: name.into(), clock }))
}

/// Whether the header of an output says that it came from a timer.
pub(crate) fn is_of_timer(source: &str) -> bool {
    source.split('/').nth(3) == Some(TIMER)
}

/// What stands for a timer where a record is asked for: its partition, its key and when it was due. It has no value, and
/// no offset.
pub fn timer_record(partition: &TopicPartition, timer: &DueTimer) -> Record {
    Record {
        source: partition.clone(),
        offset: -1,
        timestamp_ms: i64::try_from(timer.due_ms).unwrap_or(i64::MAX),
        key: Some(timer.key.clone()),
        value: None,
        headers: Vec::new(),
    }
}

/// What tells a timer from all others of its shard, in one word without blank space.
pub fn timer_word(timer: &DueTimer) -> String {
    let (key, name, clock, due_ms) = parts(timer);
    format!("{TIMER}/{clock}/{due_ms}/{key}/{}", URL_SAFE_NO_PAD.encode(name))
}

/// What stands in the place of an offset.
const TIMER: &str = "timer";

fn parts(timer: &DueTimer) -> (String, &str, &'static str, u64) {
    (URL_SAFE_NO_PAD.encode(&timer.key), &timer.name, timer.clock.word(), timer.due_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_uuid_of_the_joined_coordinates() {
        let record = Record {
            source: TopicPartition::new("eqiad.mediawiki.page_change.v1", 3),
            offset: 958_381_397,
            timestamp_ms: -1,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        let origin = Origin { pipeline: "enrich", cluster_id: "c1", record: &record, timer: None, plugin_digest: "00" };
        let name =
            "enrich\u{1f}out.v1\u{1f}c1\u{1f}eqiad.mediawiki.page_change.v1\u{1f}3\u{1f}958381397\u{1f}-1\u{1f}2";
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"millrace");
        assert_eq!(meta_id(&origin, "out.v1", 2), Uuid::new_v5(&namespace, name.as_bytes()));
        assert_ne!(meta_id(&origin, "out.v1", 2), meta_id(&origin, "out.v1", 3));
    }
    #[test]
    fn a_timer_has_its_own_coordinates_in_place_of_an_offset() {
        let timer = DueTimer {
            due_ms: 1_700,
            key: br#"{"page":"\u001f/"}"#.as_slice().into(),
            name: "gap/2".into(),
            clock: TimerClock::EventTime,
        };
        let record = timer_record(&TopicPartition::new("in", 3), &timer);
        let origin =
            Origin { pipeline: "p", cluster_id: "c1", record: &record, timer: Some(&timer), plugin_digest: "00" };
        let key = "eyJwYWdlIjoiXHUwMDFmLyJ9";
        let name = format!(
            "p\u{1f}out\u{1f}c1\u{1f}in\u{1f}3\u{1f}timer\u{1f}{key}\u{1f}gap/2\u{1f}event_time\u{1f}1700\u{1f}0"
        );
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"millrace");
        assert_eq!(meta_id(&origin, "out", 0), Uuid::new_v5(&namespace, name.as_bytes()));
        let source = source_of(&origin);
        assert_eq!(source, format!("c1/in/3/timer/event_time/1700/{key}/gap/2"));
        assert_eq!(timer_of(&source), Some(("c1", TopicPartition::new("in", 3), timer.clone())));
        for other in ["c1/in/3/7", "c1/in/3/timer/wall/5/YQ", "c1/in/3/timer/noon/5/YQ/n", "c1/in/3/timer/wall/x/YQ/n"]
        {
            assert_eq!(timer_of(other), None, "{other}");
        }
        assert!(is_of_timer(&source) && !is_of_timer("c1/timer/3/7"));
    }
}
