//! What goes into a crew and what comes out of it, as plain data.

use crate::report::Report;
use bytes::Bytes;
use millrace_flow::blob::Blob;
use millrace_flow::cause::Cause;
use millrace_flow::lookup::Ask;
use millrace_flow::outcome::Outcome;
use millrace_flow::record::{Header, TopicPartition};
use millrace_flow::state::{DueTimer, StateChanges};
use std::fmt;
use std::sync::Arc;

/// The number of one event in flight. No number is given twice in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The document of an event as the plugin gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Copied into the guest.
    Inline(Bytes),
    /// Stays in the host; the guest gets its number and size.
    Large(Blob),
}

/// One event for a plugin. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The input that it came in by: a name from `describe`.
    pub input: Arc<str>,
    /// The partition of its record.
    pub source: TopicPartition,
    /// The offset of its record.
    pub offset: i64,
    /// Kafka's timestamp of its record, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key of its record.
    pub key: Option<Bytes>,
    /// The document, cut down to what `describe` asks for; none is a tombstone.
    pub value: Option<Payload>,
    /// The headers that `describe` asks for.
    pub headers: Vec<Header>,
    /// 1 for the first try. A re-run after another event's fault does not count.
    pub attempt: u32,
}

/// What opens a ticket.
#[derive(Debug)]
pub(crate) enum Opening {
    /// An event.
    Event(Event),
    /// A timer of a key that is due.
    Timer(DueTimer),
}

/// What a crew wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer this question.
    Ask {
        /// Who asks.
        ticket: Ticket,
        /// The question. Its `id` is the crew's own number for it, unique in its ticket also across re-runs;
        /// [`Crew::answer`](crate::Crew::answer) wants it back.
        ask: Ask,
    },
    /// The ticket is over. Whatever it still asks is withdrawn.
    Done {
        /// Which one.
        ticket: Ticket,
        /// What the plugin decided.
        outcome: Outcome,
        /// What it said on the way.
        report: Report,
        /// What it changed in the state of its key; nothing where the outcome is neither emit nor skip. A skip with
        /// changes is *kept*.
        changes: StateChanges,
    },
    /// The ticket is over: the plugin failed on this event. Whatever it still asks is withdrawn.
    Fault {
        /// Which one.
        ticket: Ticket,
        /// How it failed.
        fault: GuestFault,
        /// What it logged before that. What it counted never happened.
        report: Report,
    },
}

/// How a plugin failed on one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestFault {
    /// The class.
    pub kind: FaultKind,
    /// What happened, for the plugin's author.
    pub message: String,
    /// The plugin's own frames, innermost first, one a line.
    pub stack: Option<String>,
}

impl GuestFault {
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), stack: None }
    }
}

impl fmt::Display for GuestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.stack.as_ref().map_or(Ok(()), |stack| write!(f, "\n{stack}"))
    }
}

/// The classes of [`GuestFault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// It trapped: a panic, an access out of bounds, a stack overflow.
    Trap,
    /// It took more CPU time than a turn may.
    Timeout,
    /// It wanted more memory than an instance may have.
    Memory,
    /// It broke a rule of the contract.
    Rule,
    /// It neither ended the ticket nor waited for anything.
    Stalled,
    /// A fresh instance for it could not be started.
    Start,
}

impl FaultKind {
    /// The word that counts it in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Rule => "rule",
            Self::Stalled => "stalled",
            Self::Start => "start",
        }
    }

    /// Its row in the table of what can go wrong with an event.
    pub fn cause(self) -> Cause {
        match self {
            Self::Trap | Self::Start => Cause::PluginTrap,
            Self::Timeout => Cause::PluginTimeout,
            Self::Memory => Cause::PluginMemory,
            Self::Rule => Cause::PluginRule,
            Self::Stalled => Cause::PluginStalled,
        }
    }
}
