//! Which offsets are done: per partition, everything below the lowest open one may be committed.

use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeSet, HashMap};

#[derive(Default)]
pub struct Offsets(HashMap<i32, Partition>);

#[derive(Default)]
struct Partition {
    open: BTreeSet<i64>,
    next: i64,
}

impl Offsets {
    pub fn open(&mut self, partition: i32, offset: i64) {
        let partition = self.0.entry(partition).or_default();
        partition.open.insert(offset);
        partition.next = offset + 1;
    }

    pub fn done(&mut self, partition: i32, offset: i64) {
        if let Some(partition) = self.0.get_mut(&partition) {
            partition.open.remove(&offset);
        }
    }

    pub fn list(&self, topic: &str) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (number, partition) in &self.0 {
            let offset = partition.open.first().copied().unwrap_or(partition.next);
            if let Err(error) = list.add_partition_offset(topic, *number, Offset::Offset(offset)) {
                eprintln!("offset {offset} cannot be committed: {error}");
            }
        }
        list
    }
}
