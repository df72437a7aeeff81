//! What really happened in a run: a simulation in which nothing goes wrong proves nothing.

/// Something that must happen often enough over many seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A host died.
    Crash,
    /// A host stood still.
    Freeze,
    /// A host went on after it had stood still.
    Wake,
    /// The group gave a host up that lived.
    Expulsion,
    /// The group moved partitions.
    Rebalance,
    /// A partition was lost with everything in it.
    Lost,
    /// A partition was given up in order.
    GivenUp,
    /// A partition was given up with something still under way.
    WalkedAway,
    /// Events were given up by a partition that left.
    Abandoned,
    /// A request never arrived.
    LostRequest,
    /// An answer never arrived.
    LostAnswer,
    /// A request arrived after its sender had given it up.
    LateRequest,
    /// A commit arrived after its sender had given it up, and still counted.
    LateCommit,
    /// The broker aborted a transaction that took too long.
    TransactionTimeout,
    /// An abortable error.
    Abortable,
    /// A fatal error that is no fence.
    Fatal,
    /// A host aborted a transaction.
    Aborted,
    /// A producer was fenced.
    Fenced,
    /// A partition was taken over anew after a fence.
    Retaken,
    /// An output was replaced by an error event.
    Refused,
    /// The end of a transaction was sent again.
    Repeated,
    /// An unknown outcome was a commit.
    ResolvedCommitted,
    /// An unknown outcome was an abort.
    ResolvedAborted,
    /// An unknown outcome of a partition that is another's.
    ResolvedNotOurs,
    /// A first progress record was written.
    FirstProgress,
    /// Exactly-once began where the group's committed progress ended.
    BeganAtGroup,
    /// The same, though there was a progress record: an older one.
    GroupAhead,
    /// A result was held back.
    Held,
    /// The oldest event was admitted beyond the budget.
    HeadAdmission,
    /// The oldest event's answer was taken beyond the budget.
    HeadGrowth,
    /// An instance died.
    Trap,
    /// A lookup's answer came for an ended ticket.
    LateAnswer,
    /// An event was settled by the progress that was restored.
    AlreadySettled,
    /// A commit to the group was refused.
    StaleCommit,
    /// A read of progress had to wait for another's transaction.
    ReadWaited,
    /// At-least-once: an output was written again.
    Double,
}

impl Fact {
    /// All of them.
    pub const ALL: [Self; 36] = [
        Self::Crash,
        Self::Freeze,
        Self::Wake,
        Self::Expulsion,
        Self::Rebalance,
        Self::Lost,
        Self::GivenUp,
        Self::WalkedAway,
        Self::Abandoned,
        Self::LostRequest,
        Self::LostAnswer,
        Self::LateRequest,
        Self::LateCommit,
        Self::TransactionTimeout,
        Self::Abortable,
        Self::Fatal,
        Self::Aborted,
        Self::Fenced,
        Self::Retaken,
        Self::Refused,
        Self::Repeated,
        Self::ResolvedCommitted,
        Self::ResolvedAborted,
        Self::ResolvedNotOurs,
        Self::FirstProgress,
        Self::BeganAtGroup,
        Self::GroupAhead,
        Self::Held,
        Self::HeadAdmission,
        Self::HeadGrowth,
        Self::Trap,
        Self::LateAnswer,
        Self::AlreadySettled,
        Self::StaleCommit,
        Self::ReadWaited,
        Self::Double,
    ];

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Crash => "crashes",
            Self::Freeze => "freezes",
            Self::Wake => "hosts that woke",
            Self::Expulsion => "living hosts that the group gave up",
            Self::Rebalance => "rebalances",
            Self::Lost => "partitions lost",
            Self::GivenUp => "partitions given up in order",
            Self::WalkedAway => "partitions given up with something under way",
            Self::Abandoned => "events given up by partitions that left",
            Self::LostRequest => "requests lost",
            Self::LostAnswer => "answers lost",
            Self::LateRequest => "requests that arrived late",
            Self::LateCommit => "late commits that counted",
            Self::TransactionTimeout => "transactions that the broker aborted",
            Self::Abortable => "abortable errors",
            Self::Fatal => "fatal errors",
            Self::Aborted => "transactions aborted by their host",
            Self::Fenced => "producers fenced",
            Self::Retaken => "partitions taken over anew after a fence",
            Self::Refused => "outputs refused and replaced",
            Self::Repeated => "ends of transactions sent again",
            Self::ResolvedCommitted => "unknown outcomes that were commits",
            Self::ResolvedAborted => "unknown outcomes that were aborts",
            Self::ResolvedNotOurs => "unknown outcomes of another's partition",
            Self::FirstProgress => "first progress records",
            Self::BeganAtGroup => "first records made of the group's progress",
            Self::GroupAhead => "records older than the group's progress",
            Self::Held => "results held back",
            Self::HeadAdmission => "admissions by the head rule",
            Self::HeadGrowth => "answers taken by the head rule",
            Self::Trap => "instances that died",
            Self::LateAnswer => "answers for ended tickets",
            Self::AlreadySettled => "events that restored progress had settled",
            Self::StaleCommit => "commits that the group refused",
            Self::ReadWaited => "reads that waited for another's transaction",
            Self::Double => "outputs written again (at-least-once)",
        }
    }
}

/// How often each fact happened.
#[derive(Clone, Debug)]
pub struct Facts([u64; Fact::ALL.len()]);

impl Default for Facts {
    fn default() -> Self {
        Self([0; Fact::ALL.len()])
    }
}

impl Facts {
    pub(crate) fn count(&mut self, fact: Fact) {
        if let Some(count) = self.0.get_mut(fact as usize) {
            *count += 1;
        }
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    /// Each fact with its number.
    pub fn each(&self) -> impl Iterator<Item = (Fact, u64)> {
        Fact::ALL.into_iter().zip(self.0)
    }
}

/// What a run leaves behind for people: what happened, and every step if it is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) facts: Facts,
    pub(crate) trace: Option<Vec<String>>,
}

impl Notes {
    pub(crate) fn count(&mut self, fact: Fact) {
        self.facts.count(fact);
    }

    /// The words are made only if somebody wants them.
    pub(crate) fn say(&mut self, words: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(words());
        }
    }
}
