//! Which part of the consumer groups is this host's: lookups take that part of the limits that all hosts have together.
//!
//! It is the partitions that this host owns, of all that are read, summed over the pipelines that may ask anything. A
//! pipeline that is not running yet or any more owns none, so that the others of its group have its part.

use crate::job::PipelineId;
use millrace_lookup::{LookupService, Scope};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The parts of all pipelines.
pub struct GroupParts {
    lookup: LookupService,
    /// Partitions that are owned, of how many, by pipeline.
    parts: Mutex<BTreeMap<PipelineId, (usize, usize)>>,
}

impl GroupParts {
    /// No pipeline has said anything.
    pub fn new(lookup: LookupService) -> Arc<Self> {
        Arc::new(Self { lookup, parts: Mutex::default() })
    }

    /// What pipeline `id`, which reads so many partitions, may tell. Without any, it counts for nothing.
    pub fn pipeline(self: &Arc<Self>, id: PipelineId, partitions: usize) -> GroupPart {
        let part = GroupPart { all: Arc::clone(self), id, owned: 0, of: partitions };
        part.tell();
        part
    }

    fn set(&self, id: PipelineId, part: Option<(usize, usize)>) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        match part {
            Some(part) => drop(parts.insert(id, part)),
            None => drop(parts.remove(&id)),
        }
        let (owned, of) = parts.values().fold((0, 0), |(owned, of), part| (owned + part.0, of + part.1));
        if of > 0 {
            let bounded = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            self.lookup.set_group_share(bounded(owned), bounded(of));
        }
    }
}

/// The part of one pipeline. Once it is dropped, the pipeline owns nothing.
pub struct GroupPart {
    all: Arc<GroupParts>,
    id: PipelineId,
    owned: usize,
    of: usize,
}

impl GroupPart {
    /// It owns so many partitions now, and asks as `scope` lets it.
    pub fn owns(&mut self, owned: usize, scope: &Scope) {
        self.owned = owned;
        if scope.asks_anything() { self.tell() } else { self.all.set(self.id, None) }
    }

    /// So many partitions are there to be read, as far as is known. They never become fewer.
    pub fn reads(&mut self, partitions: usize) {
        if self.of > 0 && partitions > self.of {
            self.of = partitions;
            self.tell();
        }
    }

    fn tell(&self) {
        self.all.set(self.id, (self.of > 0).then_some((self.owned, self.of)));
    }
}

impl Drop for GroupPart {
    fn drop(&mut self) {
        self.owned = 0;
        self.tell();
    }
}
