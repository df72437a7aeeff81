//! The ends of a partition. librdkafka has one question for both, which is not asked: when the answer about one end is an
//! error and the other one comes in the same moment, it forgets the error and says of a full partition that it is empty
//! (`rd_kafka_query_watermark_offsets`, 2.12.1). Progress would be overlooked, and a first start would skip a topic.

use crate::raw;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;
use std::time::Duration;

/// The oldest offset and the one after the newest of a partition, for a client that reads committed records: after the
/// newest of those. Each may take as long as `timeout`.
///
/// # Errors
/// The partition does not exist, or its leader does not answer in time, or not what was asked.
pub(crate) fn watermarks<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
    timeout: Duration,
) -> Result<(i64, i64), Native> {
    let end = |end: Offset| {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(topic, partition, end)?;
        // To the brokers the ends are special times.
        let entries = raw::entries(&client.offsets_for_times(list, timeout)?);
        match entries.first() {
            Some(raw::Entry { error: Some(code), .. }) => Err(Native::MetadataFetch(*code)),
            Some(raw::Entry { offset, .. }) if *offset >= 0 => Ok(*offset),
            _ => Err(Native::MetadataFetch(Code::BadMessage)),
        }
    };
    Ok((end(Offset::Beginning)?, end(Offset::End)?))
}
