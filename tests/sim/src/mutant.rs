//! Rules that are broken on purpose, to show that the checks would notice. They live in the simulation's own hosts: the rules
//! of `flow` stay as they are.

use std::fmt;

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// See [`Mutant::sentence`], for all of them.
    CommitPastGap,
    /// Progress without its set.
    StripSet,
    /// An unknown outcome is taken for an abort.
    AssumeAborted,
    /// An unknown outcome is taken for a commit.
    AssumeCommitted,
    /// Resolve by offset.
    CompareOffsets,
    /// Resolve by serial.
    CompareSerials,
    /// A transactional id per host.
    DropFence,
    /// Read, then fence.
    ReadBeforeFence,
    /// Read what is committed now.
    ReadToStableOffset,
    /// A ticket number a second time.
    ReuseTicket,
    /// No right of way for the oldest event.
    ForgetHeadRule,
    /// The group's copy written early and trusted.
    PublishBeforeCommit,
    /// The group's copy trusted.
    TrustGroupCopy,
    /// The group never looked at.
    IgnoreGroup,
    /// The group's text left out.
    IgnoreGroupText,
    /// Send again into the same transaction.
    ResendWithoutAbort,
    /// Go on after a fence.
    ReinitOnFence,
    /// A new producer without a look.
    RenewWithoutLook,
    /// Keep a producer after a repeated abort.
    KeepAfterAbort,
    /// Keep a producer after a time-out.
    KeepProducer,
    /// Progress in a transaction of its own.
    ProgressApart,
    /// Progress of more than the transaction holds.
    LateProgress,
    /// Lanes go on early.
    LaneGoesOnAtStart,
    /// Lanes go on beside held results.
    LaneGoesOnWhileHeld,
    /// Never hold a result back.
    NeverHold,
    /// Refused outputs vanish.
    DropRefused,
    /// What is given up counts as settled.
    SettleAbandoned,
    /// Settled when sent.
    SettleWhenSent,
    /// Commits of a former owner.
    CommitAfterGivenUp,
    /// A refused commit is forgotten.
    ForgetUncommitted,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::CommitPastGap,
        Self::StripSet,
        Self::AssumeAborted,
        Self::AssumeCommitted,
        Self::CompareOffsets,
        Self::CompareSerials,
        Self::DropFence,
        Self::ReadBeforeFence,
        Self::ReadToStableOffset,
        Self::ReuseTicket,
        Self::ForgetHeadRule,
        Self::PublishBeforeCommit,
        Self::TrustGroupCopy,
        Self::IgnoreGroup,
        Self::IgnoreGroupText,
        Self::ResendWithoutAbort,
        Self::ReinitOnFence,
        Self::RenewWithoutLook,
        Self::KeepAfterAbort,
        Self::KeepProducer,
        Self::ProgressApart,
        Self::LateProgress,
        Self::LaneGoesOnAtStart,
        Self::LaneGoesOnWhileHeld,
        Self::NeverHold,
        Self::DropRefused,
        Self::SettleAbandoned,
        Self::SettleWhenSent,
        Self::CommitAfterGivenUp,
        Self::ForgetUncommitted,
    ];

    /// What is broken.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::CommitPastGap => "progress is one past the last settled offset, gaps or not",
            Self::StripSet => "progress is written without its set",
            Self::AssumeAborted => "after an unknown outcome the batch is written again without a look",
            Self::AssumeCommitted => "after an unknown outcome of a commit the batch counts as committed",
            Self::CompareOffsets => "an unknown outcome is resolved by comparing offsets",
            Self::CompareSerials => "an unknown outcome is resolved by comparing serials",
            Self::DropFence => "each host has transactional ids of its own, so that taking over fences nobody",
            Self::ReadBeforeFence => "progress is read first and the former owner fenced afterwards",
            Self::ReadToStableOffset => {
                "progress is read up to the last stable offset of that moment, not to the log's end"
            }
            Self::ReuseTicket => "the number of an ended ticket is given to the next event",
            Self::ForgetHeadRule => "the oldest event of a partition has no right of way",
            Self::PublishBeforeCommit => {
                "progress is committed to the group when a batch is sealed, and read from there"
            }
            Self::TrustGroupCopy => "a take-over begins at the group's copy and not at the progress record",
            Self::IgnoreGroup => "the group's committed progress is not looked at where exactly-once begins",
            Self::IgnoreGroupText => "exactly-once begins at the group's committed offset, without the set beside it",
            Self::ResendWithoutAbort => "after an abortable error the batch is sent again in the same transaction",
            Self::ReinitOnFence => "a fenced producer is initialised again and goes on with its batch",
            Self::RenewWithoutLook => {
                "a producer is replaced between two transactions without a look at who wrote progress"
            }
            Self::KeepAfterAbort => "after an abort that had to be sent again the same producer goes on",
            Self::KeepProducer => "after a request that nobody answered the same producer aborts and goes on",
            Self::ProgressApart => "progress is written in a transaction of its own, after that of the results",
            Self::LateProgress => "results settle when they finish, and progress is taken when it is written",
            Self::LaneGoesOnAtStart => "the next event of a key starts as soon as the one before it has started",
            Self::LaneGoesOnWhileHeld => "the next event of a key starts while the result before it is held back",
            Self::NeverHold => "a result is never held back for the length of the progress",
            Self::DropRefused => "an output that its topic refuses is left out, without an error event",
            Self::SettleAbandoned => "events that are given up when a partition leaves count as settled",
            Self::SettleWhenSent => {
                "at-least-once: events settle when their outputs are sent, not when they are acknowledged"
            }
            Self::CommitAfterGivenUp => {
                "at-least-once: what was not committed is committed after the partition was given up"
            }
            Self::ForgetUncommitted => "at-least-once: a commit that failed is not repeated",
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}
