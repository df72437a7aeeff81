//! Which part of the consumer groups is this host's: lookups take that part of the limits that all hosts have together.
//!
//! It is the average, over all configured pipelines that may ask anything, of the part of a pipeline's partitions that this
//! host owns. Each pipeline's parts add up to one over all hosts that run it, so their averages do too, whichever host
//! knows of what already, as long as all hosts are to run the same pipelines. A pipeline that is not running yet or any more
//! owns none here.

use crate::job::PipelineId;
use millrace_lookup::LookupService;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The parts of all pipelines.
pub struct GroupParts {
    lookup: LookupService,
    /// For each pipeline that may ask, the partitions that it owns here, of how many.
    parts: Mutex<BTreeMap<PipelineId, (usize, usize)>>,
}

impl GroupParts {
    /// Of `asking`, the pipelines that may ask anything and share their partitions with other hosts, no one owns any yet.
    /// Without any, this host takes the limits whole.
    pub fn new(lookup: LookupService, asking: impl IntoIterator<Item = PipelineId>) -> Arc<Self> {
        let parts: BTreeMap<_, _> = asking.into_iter().map(|id| (id, (0, 0))).collect();
        if let Some(share) = average(&parts) {
            lookup.set_group_share(share);
        }
        Arc::new(Self { lookup, parts: Mutex::new(parts) })
    }

    /// What pipeline `id`, which reads so many partitions, may tell. One that asks nothing counts for nothing.
    pub fn pipeline(self: &Arc<Self>, id: PipelineId, partitions: usize) -> GroupPart {
        let part = GroupPart { all: Arc::clone(self), id, owned: 0, of: partitions };
        part.tell();
        part
    }

    fn set(&self, id: PipelineId, part: (usize, usize)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = parts.get_mut(&id) else { return };
        *known = part;
        if let Some(share) = average(&parts) {
            self.lookup.set_group_share(share);
        }
    }
}

/// The average part. None: there is no pipeline to take it of.
#[expect(clippy::cast_precision_loss, reason = "numbers of partitions and pipelines stay far below 2^53")]
fn average(parts: &BTreeMap<PipelineId, (usize, usize)>) -> Option<f64> {
    let part = |(owned, of): &(usize, usize)| *owned.min(of) as f64 / (*of).max(1) as f64;
    (!parts.is_empty()).then(|| parts.values().map(part).sum::<f64>() / parts.len() as f64)
}

/// The part of one pipeline. Once it is dropped, the pipeline owns nothing.
pub struct GroupPart {
    all: Arc<GroupParts>,
    id: PipelineId,
    owned: usize,
    of: usize,
}

impl GroupPart {
    /// It owns so many partitions now.
    pub fn owns(&mut self, owned: usize) {
        self.owned = owned;
        self.tell();
    }

    /// So many partitions are there to be read, as far as is known. They never become fewer.
    pub fn reads(&mut self, partitions: usize) {
        if partitions > self.of {
            self.of = partitions;
            self.tell();
        }
    }

    fn tell(&self) {
        self.all.set(self.id, (self.owned, self.of));
    }
}

impl Drop for GroupPart {
    fn drop(&mut self) {
        self.owned = 0;
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What hosts own of their pipelines, of how many partitions each; the average part of each host, in percent.
    #[track_caller]
    fn check(hosts: &[&[(usize, usize)]], expected: &[u32]) {
        let shares = hosts.iter().map(|parts| {
            let parts = (0..).map(PipelineId).zip(parts.iter().copied()).collect();
            (average(&parts).unwrap() * 100.0).round() as u32
        });
        assert_eq!(shares.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn parts_of_all_hosts_add_up_to_one_whoever_runs_what() {
        check(&[&[(6, 6), (2, 2)]], &[100]);
        check(&[&[(3, 6), (1, 2)], &[(3, 6), (1, 2)]], &[50, 50]);
        // The second host has not begun its second pipeline.
        check(&[&[(0, 6), (2, 2)], &[(6, 6), (0, 0)]], &[50, 50]);
        check(&[&[(4, 6), (0, 0)], &[(2, 6), (0, 0)]], &[33, 17]);
    }

    #[test]
    fn more_partitions_than_there_are_count_as_all() {
        check(&[&[(7, 6)]], &[100]);
    }

    #[test]
    fn without_pipelines_that_ask_there_is_no_part_of_a_group() {
        assert_eq!(average(&BTreeMap::new()), None);
    }

    #[tokio::test]
    async fn a_pipeline_that_asks_nothing_takes_no_part() {
        let cfg = millrace_lookup::LookupConfig::default();
        let lookup =
            LookupService::new(cfg, Arc::new(crate::clock::SystemClock), tokio::runtime::Handle::current()).unwrap();
        let parts = GroupParts::new(lookup.clone(), [PipelineId(0)]);
        assert_eq!(lookup.group_share(), 0.0);
        let (mut asks, mut silent) = (parts.pipeline(PipelineId(0), 4), parts.pipeline(PipelineId(1), 4));
        asks.owns(2);
        silent.owns(0);
        silent.reads(100);
        assert_eq!(lookup.group_share(), 0.5);
        asks.reads(8);
        assert_eq!(lookup.group_share(), 0.25);
        drop(asks);
        assert_eq!(lookup.group_share(), 0.0);
    }
}
