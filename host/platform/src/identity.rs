//! Where an output came from, and the id that follows from it.

use millrace_flow::record::Record;
use sha1::{Digest, Sha1};
use std::io::Write as _;
use std::sync::LazyLock;
use uuid::{Builder, Uuid};

/// The record that an output came from, and who made it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The id of the Kafka cluster that the record was read from, as the cluster itself says.
    pub cluster_id: &'a str,
    /// The record. A reprocessed one has its original coordinates.
    pub record: &'a Record,
    /// SHA-256 of the plugin in hex.
    pub plugin_digest: &'a str,
}

/// All ids of events are in the namespace that `millrace` has among DNS names.
static NAMESPACE: LazyLock<Uuid> = LazyLock::new(|| Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"millrace"));

/// The `meta.id` of output number `index` (from 0) of an event, written to `stream`: a UUIDv5 of pipeline, output stream,
/// cluster id, topic, partition, offset, record timestamp in ms and index, joined by U+001F.
///
/// Equal ids mean the same cause, not the same bytes: after a crash an event may be enriched anew.
pub fn meta_id(origin: &Origin<'_>, stream: &str, index: u32) -> Uuid {
    let record = origin.record;
    let mut name = Vec::with_capacity(256);
    for text in [origin.pipeline, stream, origin.cluster_id, &record.source.topic] {
        name.extend_from_slice(text.as_bytes());
        name.push(0x1f);
    }
    let (partition, offset, timestamp_ms) = (record.source.partition, record.offset, record.timestamp_ms);
    // Writing to a vector cannot fail.
    drop(write!(name, "{partition}\u{1f}{offset}\u{1f}{timestamp_ms}\u{1f}{index}"));
    // `Uuid::new_v5` would do, but its SHA-1 does not use the processor's instructions for it.
    let digest = Sha1::new().chain_update(NAMESPACE.as_bytes()).chain_update(&name).finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
    Builder::from_sha1_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_flow::record::TopicPartition;

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
        let origin = Origin { pipeline: "enrich", cluster_id: "c1", record: &record, plugin_digest: "00" };
        let name =
            "enrich\u{1f}out.v1\u{1f}c1\u{1f}eqiad.mediawiki.page_change.v1\u{1f}3\u{1f}958381397\u{1f}-1\u{1f}2";
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"millrace");
        assert_eq!(meta_id(&origin, "out.v1", 2), Uuid::new_v5(&namespace, name.as_bytes()));
        assert_ne!(meta_id(&origin, "out.v1", 2), meta_id(&origin, "out.v1", 3));
    }
}
