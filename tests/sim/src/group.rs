//! The group coordinator of the input cluster: members, generations, who holds which partition, committed offsets with their
//! metadata. As Kafka does, it takes a commit of any live member, also for a partition that is another's.

use crate::input::Part;
use crate::network::GroupCommit;
use millrace_flow::progress_record::ProgressRecord;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct Member {
    host: usize,
    /// The generation that it knows of.
    generation: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    partitions: usize,
    pub(crate) generation: u64,
    next_member: u64,
    members: BTreeMap<u64, Member>,
    /// Who gets what is a rotation of the members over the partitions.
    rotation: usize,
    /// Who holds what: a partition is assigned only after its holder gave it up.
    holders: BTreeMap<Part, u64>,
    committed: BTreeMap<Part, ProgressRecord>,
    /// The last commit of each member for each partition: what it sent before is not heard after that.
    last: BTreeMap<(u64, Part), u64>,
}

impl Group {
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            partitions,
            generation: 0,
            next_member: 0,
            members: BTreeMap::new(),
            rotation: 0,
            holders: BTreeMap::new(),
            committed: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    pub(crate) fn join(&mut self, host: usize) -> u64 {
        self.next_member += 1;
        self.generation += 1;
        self.members.insert(self.next_member, Member { host, generation: self.generation });
        self.next_member
    }

    /// A member left, or was not heard of for too long.
    pub(crate) fn expel(&mut self, member: u64) {
        self.members.remove(&member);
        self.holders.retain(|_, holder| *holder != member);
        self.generation += 1;
    }

    pub(crate) fn rebalance(&mut self) {
        self.rotation += 1;
        self.generation += 1;
    }

    pub(crate) fn has(&self, member: u64) -> bool {
        self.members.contains_key(&member)
    }

    /// Members, each with its host.
    pub(crate) fn members(&self) -> impl Iterator<Item = (u64, usize)> {
        self.members.iter().map(|(number, member)| (*number, member.host))
    }

    /// Whether a member would hear something new.
    pub(crate) fn has_news(&self, member: u64) -> bool {
        self.members.get(&member).is_none_or(|known| known.generation != self.generation)
            || self.assignable(member).next().is_some()
    }

    /// A member hears of the newest generation.
    pub(crate) fn sync(&mut self, member: u64) -> u64 {
        if let Some(known) = self.members.get_mut(&member) {
            known.generation = self.generation;
        }
        self.generation
    }

    /// Whether a partition shall be this member's.
    pub(crate) fn is_meant_for(&self, partition: Part, member: u64) -> bool {
        let turn = (partition + self.rotation) % self.members.len().max(1);
        self.members.keys().nth(turn) == Some(&member)
    }

    /// What a member gets that nobody holds.
    pub(crate) fn assignable(&self, member: u64) -> impl Iterator<Item = Part> {
        (0..self.partitions)
            .filter(move |partition| !self.holders.contains_key(partition) && self.is_meant_for(*partition, member))
    }

    pub(crate) fn assign(&mut self, partition: Part, member: u64) {
        self.holders.insert(partition, member);
    }

    /// A member gave a partition up: the next one gets it in a generation of its own.
    pub(crate) fn give_up(&mut self, partition: Part, member: u64) {
        if self.holders.get(&partition) == Some(&member) {
            self.holders.remove(&partition);
            self.generation += 1;
        }
    }

    /// Whether a commit of this member with this generation is taken.
    pub(crate) fn takes_commits(&self, member: u64, generation: u64) -> bool {
        self.has(member) && self.generation == generation
    }

    /// Takes a commit, or does not. A member's commits arrive in the order of their numbers: they share a connection, and what
    /// was sent on one that is closed is taken for lost.
    pub(crate) fn commit(&mut self, partition: Part, number: u64, commit: &GroupCommit) -> bool {
        let last = self.last.entry((commit.member, partition)).or_default();
        let in_order = *last < number;
        *last = number.max(*last);
        let taken = in_order && self.takes_commits(commit.member, commit.generation);
        if taken {
            self.committed.insert(partition, commit.record.clone());
        }
        taken
    }

    /// What it has from before.
    pub(crate) fn begin_with(&mut self, partition: Part, record: ProgressRecord) {
        self.committed.insert(partition, record);
    }

    pub(crate) fn committed(&self, partition: Part) -> Option<&ProgressRecord> {
        self.committed.get(&partition)
    }
}
