//! Requests and answers on their way: each can be lost, and a request can arrive long after its sender gave it up.

use crate::input::{Output, Part};
use millrace_flow::progress_record::ProgressRecord;
use std::fmt;

/// A transactional id: one for each input partition. A mutant adds its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TransactionalId {
    pub(crate) partition: Part,
    pub(crate) host: Option<usize>,
}

/// What a producer got from its last initialisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: TransactionalId,
    pub(crate) epoch: u32,
    /// Counts the sessions of all ids. Nobody but the checks reads it.
    pub(crate) number: u64,
}

/// A record for a log of the output cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Output(Output),
    Progress(Part, ProgressRecord),
}

/// A commit to the group.
#[derive(Clone, Debug)]
pub(crate) struct GroupCommit {
    pub(crate) member: u64,
    pub(crate) generation: u64,
    pub(crate) record: ProgressRecord,
    /// The offsets that the sender knows to be settled: what a right record would say. Nobody but the checks reads it.
    pub(crate) truth: Vec<i64>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Commit,
    Abort,
}

#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// InitProducerId.
    Init(TransactionalId),
    /// Where the progress log ends; with `committed_only` where its committed part does.
    AskEnd {
        committed_only: bool,
    },
    /// The last committed progress below this end, once everything below is committed or aborted. The session is for the
    /// checks.
    Read {
        end: usize,
        session: Option<u64>,
    },
    Produce(Session, Vec<Message>),
    /// EndTxn.
    End(Session, Verdict),
    /// Outside of a transaction.
    Append(Vec<Output>),
    CommitGroup(GroupCommit),
}

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Done,
    Session(Session),
    End(usize),
    Progress(Option<ProgressRecord>),
    /// A newer session of the transactional id exists.
    Fenced,
    /// The transaction must be aborted.
    Abortable,
    /// The producer is of no use any more.
    Fatal,
    /// The record at this index of the request is not taken.
    Refused(usize),
    /// Not a member of this generation.
    Stale,
    /// Nobody answered in time: made by who waited.
    TimedOut,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) host: usize,
    pub(crate) partition: Part,
    /// The number of the ownership: no two ever have the same.
    pub(crate) owner: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) number: u64,
    pub(crate) from: Sender,
    pub(crate) request: Request,
    pub(crate) answer: Option<Answer>,
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.id.partition)?;
        if let Some(host) = self.id.host {
            write!(f, "@h{host}")?;
        }
        write!(f, " epoch {}", self.epoch)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(output) => {
                write!(f, "{:?} {}/{}.{}", output.kind, output.id.partition, output.id.offset, output.id.index)
            }
            Self::Progress(_, record) => write!(f, "progress [{}]", record.encode()),
        }
    }
}

/// Joins the words of several things.
pub(crate) fn list<T: fmt::Display>(of: &[T]) -> String {
    of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init(id) => write!(f, "InitProducerId p{}", id.partition),
            Self::AskEnd { .. } => write!(f, "end of the progress log?"),
            Self::Read { end, .. } => write!(f, "read progress below {end}"),
            Self::Produce(session, messages) => write!(f, "produce ({session}): {}", list(messages)),
            Self::End(session, Verdict::Commit) => write!(f, "EndTxn commit ({session})"),
            Self::End(session, Verdict::Abort) => write!(f, "EndTxn abort ({session})"),
            Self::Append(outputs) => {
                let messages: Vec<Message> = outputs.iter().cloned().map(Message::Output).collect();
                write!(f, "append: {}", list(&messages))
            }
            Self::CommitGroup(GroupCommit { member, generation, record, .. }) => {
                write!(f, "commit to the group (member {member}, generation {generation}): [{}]", record.encode())
            }
        }
    }
}
