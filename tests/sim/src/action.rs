//! Everything that can happen next. Between two of these nothing else happens, so each is a point at which a host waits.

use crate::input::Part;
use crate::network::TransactionalId;
use std::fmt;

/// A step of one host, or of one of its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It hears what is new in the group.
    Hear,
    Fetch(Part),
    Admit(Part),
    Start(u64),
    /// The answer of the lookup at this place arrives.
    TakeAnswer(usize),
    Seal(Part),
    /// The writer sends its next request.
    Write(Part),
    Deliver(Part),
    Commit(Part),
    /// It stops waiting for an answer: of the writer or the unit, or of a commit.
    TimeOut(Part),
    TimeOutCommit(Part),
    Abandon(Part),
    GiveUp(Part),
    /// It gives a partition up though something of it is still under way: the time to leave is over.
    WalkAway(Part),
    Retake(Part),
    /// A mutant's.
    CommitFormer(Part),
    Trap,
    Crash,
    Restart,
    Freeze,
    /// It stands still for so long that the group gives it up.
    Stall,
    Wake,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Host(usize, Doing),
    /// A request arrives where it was sent to.
    Arrive(u64),
    /// The same, after its sender gave it up.
    ArriveLate(u64),
    /// It arrives and is answered with an error: abortable and without effect; fatal, with or without effect.
    FailAbortable(u64),
    FailFatal {
        number: u64,
        has_effect: bool,
    },
    /// An answer arrives at who waits for it.
    Answer(u64),
    /// A request or an answer is lost.
    Lose(u64),
    /// A marker is written.
    Mark(TransactionalId, usize),
    /// The broker aborts a transaction that takes too long.
    TimeOutTransaction(TransactionalId),
    Expel(u64),
    Rebalance,
    /// Time passes.
    Wait,
}

/// How many kinds of faults there are.
pub(crate) const FAULT_KINDS: u32 = 13;

impl Action {
    /// The number of its kind, where it is a fault.
    pub(crate) fn fault_kind(self) -> Option<u32> {
        Some(match self {
            Self::Host(_, Doing::Crash) => 0,
            Self::Host(_, Doing::Freeze) => 1,
            Self::Host(_, Doing::Stall) => 2,
            Self::Host(_, Doing::Trap) => 3,
            Self::Host(_, Doing::TimeOut(_) | Doing::TimeOutCommit(_)) => 4,
            Self::Host(_, Doing::WalkAway(_)) => 5,
            Self::Lose(_) => 6,
            Self::ArriveLate(_) => 7,
            Self::FailAbortable(_) => 8,
            Self::FailFatal { .. } => 9,
            Self::TimeOutTransaction(_) => 10,
            Self::Expel(_) => 11,
            Self::Rebalance => 12,
            _ => return None,
        })
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hear => f.write_str("hears what is new in the group"),
            Self::Fetch(partition) => write!(f, "p{partition} fetches"),
            Self::Admit(partition) => write!(f, "p{partition} admits"),
            Self::Start(job) => write!(f, "starts job {job}"),
            Self::TakeAnswer(_) => f.write_str("gets the answer of a lookup"),
            Self::Seal(partition) => write!(f, "p{partition} seals a transaction"),
            Self::Write(partition) => write!(f, "p{partition} writes"),
            Self::Deliver(partition) => write!(f, "p{partition} delivers"),
            Self::Commit(partition) => write!(f, "p{partition} commits"),
            Self::TimeOut(partition) => write!(f, "p{partition} waits no longer for an answer"),
            Self::TimeOutCommit(partition) => write!(f, "p{partition} waits no longer for its commit"),
            Self::Abandon(partition) => write!(f, "p{partition} leaves: what is unfinished is given up"),
            Self::GiveUp(partition) => write!(f, "p{partition} is given up"),
            Self::WalkAway(partition) => write!(f, "p{partition} is given up, whatever is under way"),
            Self::Retake(partition) => write!(f, "p{partition} is taken over anew"),
            Self::CommitFormer(partition) => write!(f, "p{partition} is another's and commits"),
            Self::Trap => f.write_str("loses its instance"),
            Self::Crash => f.write_str("CRASHES"),
            Self::Restart => f.write_str("starts again"),
            Self::Freeze => f.write_str("FREEZES"),
            Self::Stall => f.write_str("FREEZES for so long that the group gives it up"),
            Self::Wake => f.write_str("WAKES"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, doing) => write!(f, "h{host} {doing}"),
            Self::Arrive(number) => write!(f, "request {number} arrives"),
            Self::ArriveLate(number) => write!(f, "request {number} arrives LATE"),
            Self::FailAbortable(number) => write!(f, "request {number} FAILS, abortable"),
            Self::FailFatal { number, has_effect: true } => write!(f, "request {number} FAILS, but has its effect"),
            Self::FailFatal { number, has_effect: false } => write!(f, "request {number} FAILS, without effect"),
            Self::Answer(number) => write!(f, "answer {number} arrives"),
            Self::Lose(number) => write!(f, "request or answer {number} is LOST"),
            Self::Mark(id, log) => write!(f, "broker writes the marker of p{} in log {log}", id.partition),
            Self::TimeOutTransaction(id) => write!(f, "broker ABORTS the transaction of p{}", id.partition),
            Self::Expel(member) => write!(f, "group GIVES UP member {member}"),
            Self::Rebalance => f.write_str("group REBALANCES"),
            Self::Wait => f.write_str("time passes"),
        }
    }
}
