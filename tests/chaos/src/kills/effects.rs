//! What the faults did, as the hosts' logs tell it: a run in which they did nothing proves nothing.

use crate::group_log;

/// A transaction was aborted by the host that wrote it.
const ABORTED: &str = "a transaction was aborted; it is written again";
/// The outcome of a transaction was looked up.
const RESOLVED: &str = "what became of a transaction is known";
/// A host learned that it is no longer the owner.
const FENCED: &str = "another producer took the shard over";

/// What happened how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// A partition went to a host.
    pub takeovers: usize,
    /// A former owner was stopped when it tried to write.
    pub fences: usize,
    /// A host aborted a transaction of its own and wrote it again.
    pub aborts: usize,
    /// The outcome of a transaction was unknown, and was looked up.
    pub resolves: usize,
    /// Outputs of transactions that came to nothing, whoever aborted them: readers of uncommitted records alone saw them.
    pub aborted_outputs: usize,
}

impl Effects {
    /// What the log of one host tells.
    pub(crate) fn of_log(log: &str) -> Self {
        let lines = |word: &str| log.lines().filter(|line| line.contains(word)).count();
        Self {
            takeovers: lines(group_log::ASSIGNED),
            fences: lines(FENCED),
            aborts: lines(ABORTED),
            resolves: lines(RESOLVED),
            aborted_outputs: 0,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.takeovers += other.takeovers;
        self.fences += other.fences;
        self.aborts += other.aborts;
        self.resolves += other.resolves;
        self.aborted_outputs += other.aborted_outputs;
    }

    /// Whether partitions moved, and some transaction was hit by a fault.
    pub fn prove_something(&self, partitions: usize) -> bool {
        self.takeovers > partitions && self.fences + self.aborts + self.resolves + self.aborted_outputs > 0
    }
}
