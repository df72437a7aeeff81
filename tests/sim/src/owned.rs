//! One partition that a host owns, and its events between admission and settlement.

use crate::input::{Output, Part};
use crate::mutant::Mutant;
use crate::network::GroupCommit;
use crate::plan::Plan;
use crate::writer::Writer;
use millrace_flow::lane::{LaneId, Lanes};
use millrace_flow::ledger::Ledger;
use millrace_flow::progress::{Progress, ProgressBudget};
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::transactions::Gathering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One event between admission and settlement.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) partition: Part,
    pub(crate) offset: i64,
    pub(crate) lane: LaneId,
    /// What admission holds for it.
    pub(crate) reserved: u64,
    /// Its own bytes and those of its answers so far.
    pub(crate) weight: u64,
    /// How often it ran before.
    pub(crate) runs: u8,
    pub(crate) ticket: Option<u64>,
    pub(crate) ending: Option<JobEnding>,
    /// Whether its lane went on, which happens once.
    pub(crate) has_left: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct JobEnding {
    pub(crate) outputs: Vec<Output>,
    /// What an error event in their place would say.
    pub(crate) error: Output,
}

/// At-least-once: outputs on their way, in order.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) jobs: Vec<u64>,
    pub(crate) outputs: Vec<(u64, Output)>,
    pub(crate) next: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Owned {
    /// The number of this ownership.
    pub(crate) owner: u64,
    budget: ProgressBudget,
    /// Whether its progress is restored and it is read from.
    pub(crate) is_ready: bool,
    pub(crate) is_leaving: bool,
    pub(crate) ledger: Ledger,
    pub(crate) lanes: Lanes<u64>,
    /// Offsets that were fetched and wait for room.
    pub(crate) backlog: VecDeque<i64>,
    /// Where fetching goes on.
    pub(crate) position: i64,
    /// Finished events whose delivery would enlarge the progress beyond its budget.
    pub(crate) held: BTreeMap<i64, u64>,
    /// What this owner knows to be settled. Nobody but the checks reads it.
    pub(crate) truth: BTreeSet<i64>,

    /// Exactly-once: the results for the next transaction, and who writes it.
    pub(crate) gathering: Gathering<u64>,
    pub(crate) writer: Writer,
    /// The progress that is being written as the first record.
    pub(crate) first: Option<Progress>,

    /// At-least-once: jobs with outputs to send, those that are sent, and what became of progress.
    pub(crate) outbox: Vec<u64>,
    pub(crate) unit: Option<Unit>,
    pub(crate) has_moved: bool,
    pub(crate) uncommitted: bool,
    pub(crate) last: Option<(ProgressRecord, Vec<i64>)>,

    /// The request that is under way: the writer's or the unit's, and at-least-once's commit.
    pub(crate) pending: Option<u64>,
    pub(crate) pending_commit: Option<u64>,
}

impl Owned {
    /// A partition of which nothing is known yet.
    pub(crate) fn new(partition: Part, host: usize, owner: u64, plan: &Plan, mutant: Option<Mutant>) -> Self {
        Self {
            owner,
            budget: plan.budget(host),
            is_ready: false,
            is_leaving: false,
            ledger: Ledger::resume(Progress::default(), plan.budget(host)),
            lanes: Lanes::new(),
            backlog: VecDeque::new(),
            position: 0,
            held: BTreeMap::new(),
            truth: BTreeSet::new(),
            gathering: Gathering::default(),
            writer: Writer::new(partition, host, plan.chunk, mutant),
            first: None,
            outbox: Vec::new(),
            unit: None,
            has_moved: false,
            uncommitted: false,
            last: None,
            pending: None,
            pending_commit: None,
        }
    }

    /// Goes on where `progress` ends.
    pub(crate) fn resume(&mut self, progress: Progress) {
        self.position = progress.prefix;
        self.ledger = Ledger::resume(progress, self.budget);
        self.is_ready = true;
    }

    /// What settled since the last call, as a record: as it is right, or as a mutant writes it.
    pub(crate) fn next_record(&mut self, mutant: Option<Mutant>) -> Option<ProgressRecord> {
        let progress = self.ledger.progress()?;
        let prefix = if mutant == Some(Mutant::CommitPastGap) { progress.end() } else { progress.prefix };
        let strips = matches!(mutant, Some(Mutant::CommitPastGap | Mutant::StripSet));
        let written = if strips { Progress { serial: progress.serial, ..Progress::at(prefix) } } else { progress };
        Some(ProgressRecord::of(&written, None))
    }

    /// At-least-once: the commit that comes next, if there is something to commit.
    pub(crate) fn next_commit(&mut self, member: u64, generation: u64, mutant: Option<Mutant>) -> Option<GroupCommit> {
        self.has_moved = false;
        if let Some(record) = self.next_record(mutant) {
            self.last = Some((record, self.truth.iter().copied().collect()));
        } else if !std::mem::take(&mut self.uncommitted) {
            return None;
        }
        let (record, truth) = self.last.clone()?;
        Some(GroupCommit { member, generation, record, truth })
    }

    /// Whether a commit has something to say.
    pub(crate) fn has_to_commit(&self) -> bool {
        self.pending_commit.is_none() && (self.has_moved || self.uncommitted)
    }
}
