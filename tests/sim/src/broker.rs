//! The output cluster: logs with transactions as Kafka has them since 4.0 (a request of an old epoch is refused at once, by
//! coordinator and leader alike). A decided transaction becomes visible log by log, as its markers are written.

use crate::input::{Kind, Part};
use crate::network::{Answer, Message, Request, Session, TransactionalId, Verdict};
use millrace_flow::progress_record::ProgressRecord;
use std::collections::{BTreeMap, BTreeSet};

/// The logs: results by their key, error events, progress.
pub(crate) const RESULTS: usize = 2;
const ERRORS: usize = RESULTS;
const PROGRESS: usize = RESULTS + 1;
const LOGS: usize = RESULTS + 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Committed,
    Aborted,
}

#[derive(Clone, Debug)]
enum Entry {
    Data { id: Option<TransactionalId>, message: Message, fate: Fate },
    Marker,
}

#[derive(Clone, Debug)]
enum State {
    Idle,
    Ongoing,
    /// Decided; markers are still to be written to these logs.
    Decided {
        verdict: Verdict,
        unmarked: BTreeSet<usize>,
    },
}

#[derive(Clone, Debug)]
struct Coordinator {
    epoch: u32,
    state: State,
    logs: BTreeSet<usize>,
    messages: Vec<Message>,
    /// Who wrote last.
    owner: u64,
    /// Whether the last transaction of this epoch was committed, so that the same request again is answered in the same way.
    has_committed: bool,
}

/// A transaction at the moment at which it was decided to be committed.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) partition: Part,
    /// The number of its session.
    pub(crate) session: u64,
    pub(crate) messages: Vec<Message>,
}

#[derive(Clone, Debug)]
pub(crate) struct Broker {
    logs: Vec<Vec<Entry>>,
    coordinators: BTreeMap<TransactionalId, Coordinator>,
    pub(crate) sessions: u64,
}

fn log_of(message: &Message) -> usize {
    match message {
        Message::Progress(..) => PROGRESS,
        Message::Output(output) if output.kind == Kind::Error => ERRORS,
        Message::Output(output) => usize::from(output.key) % RESULTS,
    }
}

impl Broker {
    pub(crate) fn new() -> Self {
        Self { logs: vec![Vec::new(); LOGS], coordinators: BTreeMap::new(), sessions: 0 }
    }

    /// Whether a request gets its answer now; if not, it waits at the broker.
    pub(crate) fn is_ready_for(&self, request: &Request) -> bool {
        match request {
            Request::Init(id) => {
                self.coordinators.get(id).is_none_or(|coordinator| !matches!(coordinator.state, State::Decided { .. }))
            }
            Request::Read { end, .. } => self.stable_end(PROGRESS) >= *end,
            // Before the markers are written, a producer's next transaction has to wait; one that is fenced hears of it at once.
            Request::Produce(session, _) | Request::End(session, _) => {
                self.coordinators.get(&session.id).is_none_or(|coordinator| {
                    coordinator.epoch != session.epoch || !matches!(coordinator.state, State::Decided { .. })
                })
            }
            Request::AskEnd { .. } | Request::Append(..) | Request::CommitGroup(..) => true,
        }
    }

    /// InitProducerId: aborts what is open, or answers with a new epoch, under which no older one is heard any more.
    pub(crate) fn init(&mut self, id: TransactionalId) -> Option<Answer> {
        let idle = Coordinator {
            epoch: 0,
            state: State::Idle,
            logs: BTreeSet::new(),
            messages: Vec::new(),
            owner: 0,
            has_committed: false,
        };
        let coordinator = self.coordinators.entry(id).or_insert(idle);
        coordinator.epoch += 1;
        coordinator.has_committed = false;
        if matches!(coordinator.state, State::Ongoing) {
            coordinator.decide(Verdict::Abort);
            return None;
        }
        self.sessions += 1;
        Some(Answer::Session(Session { id, epoch: coordinator.epoch, number: self.sessions }))
    }

    pub(crate) fn produce(&mut self, session: Session, messages: &[Message], owner: u64) -> Answer {
        let Some(coordinator) = self.coordinators.get_mut(&session.id).filter(|own| own.epoch == session.epoch) else {
            return Answer::Fenced;
        };
        coordinator.state = State::Ongoing;
        coordinator.owner = owner;
        coordinator.has_committed = false;
        coordinator.logs.extend(messages.iter().map(log_of));
        let refused = messages.iter().position(|message| matches!(message, Message::Output(output) if output.refused));
        if let Some(refused) = refused {
            return Answer::Refused(refused);
        }
        coordinator.messages.extend_from_slice(messages);
        for message in messages {
            let log = log_of(message);
            let entry = Entry::Data { id: Some(session.id), message: message.clone(), fate: Fate::Open };
            self.logs.get_mut(log).into_iter().for_each(|log| log.push(entry.clone()));
        }
        Answer::Done
    }

    /// EndTxn. What it commits is returned.
    pub(crate) fn end(&mut self, session: Session, verdict: Verdict) -> (Answer, Option<Decided>) {
        let Some(coordinator) = self.coordinators.get_mut(&session.id).filter(|own| own.epoch == session.epoch) else {
            return (Answer::Fenced, None);
        };
        if !matches!(coordinator.state, State::Ongoing) {
            // Nothing is open: an abort has nothing to do, and of a commit only the last one can be meant.
            let is_unknown = verdict == Verdict::Commit && !coordinator.has_committed;
            return (if is_unknown { Answer::Fatal } else { Answer::Done }, None);
        }
        coordinator.has_committed = verdict == Verdict::Commit;
        let messages = coordinator.decide(verdict);
        let decided = Decided { partition: session.id.partition, session: session.number, messages };
        (Answer::Done, (verdict == Verdict::Commit).then_some(decided))
    }

    /// Outside of a transaction: visible at once.
    pub(crate) fn append(&mut self, messages: Vec<Message>) {
        for message in messages {
            let entry = Entry::Data { id: None, fate: Fate::Committed, message };
            if let Entry::Data { message, .. } = &entry {
                let log = log_of(message);
                self.logs.get_mut(log).into_iter().for_each(|log| log.push(entry.clone()));
            }
        }
    }

    /// The coordinator's patience with an open transaction is over: it aborts it under a new epoch.
    pub(crate) fn time_out(&mut self, id: TransactionalId) {
        if let Some(coordinator) = self.coordinators.get_mut(&id) {
            coordinator.epoch += 1;
            coordinator.decide(Verdict::Abort);
        }
    }

    /// Open transactions, with who wrote them.
    pub(crate) fn ongoing(&self) -> impl Iterator<Item = (TransactionalId, u64)> {
        let open = self.coordinators.iter().filter(|(_, coordinator)| matches!(coordinator.state, State::Ongoing));
        open.map(|(id, coordinator)| (*id, coordinator.owner))
    }

    /// The markers that are still to be written.
    pub(crate) fn unmarked(&self) -> impl Iterator<Item = (TransactionalId, usize)> {
        self.coordinators.iter().flat_map(|(id, coordinator)| {
            let logs = match &coordinator.state {
                State::Decided { unmarked, .. } => Some(unmarked.iter().copied()),
                _ => None,
            };
            logs.into_iter().flatten().map(|log| (*id, log))
        })
    }

    /// Writes one marker: the transaction's records in that log become visible, or never will.
    pub(crate) fn mark(&mut self, id: TransactionalId, log: usize) {
        let Some(coordinator) = self.coordinators.get_mut(&id) else { return };
        let State::Decided { verdict, unmarked } = &mut coordinator.state else { return };
        unmarked.remove(&log);
        let becomes = if *verdict == Verdict::Commit { Fate::Committed } else { Fate::Aborted };
        if unmarked.is_empty() {
            coordinator.state = State::Idle;
        }
        let Some(entries) = self.logs.get_mut(log) else { return };
        for entry in entries.iter_mut() {
            match entry {
                Entry::Data { id: Some(writer), fate, .. } if *writer == id && *fate == Fate::Open => *fate = becomes,
                _ => {}
            }
        }
        entries.push(Entry::Marker);
    }

    /// Where the progress log ends.
    pub(crate) fn progress_end(&self) -> usize {
        self.logs.get(PROGRESS).map_or(0, Vec::len)
    }

    /// Where the part of it ends in which nothing is undecided.
    pub(crate) fn stable_progress_end(&self) -> usize {
        self.stable_end(PROGRESS)
    }

    /// The last stable offset: nothing below it is undecided.
    fn stable_end(&self, log: usize) -> usize {
        let entries = self.logs.get(log).map_or(&[][..], Vec::as_slice);
        let open = entries.iter().position(|entry| matches!(entry, Entry::Data { fate: Fate::Open, .. }));
        open.unwrap_or(entries.len())
    }

    /// The last committed progress of a partition below `end`: what a reader of the compacted topic is left with.
    pub(crate) fn progress(&self, partition: Part, end: usize) -> Option<ProgressRecord> {
        let entries = self.logs.get(PROGRESS)?.iter().take(end);
        let mut found = None;
        for entry in entries {
            match entry {
                Entry::Data { message: Message::Progress(of, record), fate: Fate::Committed, .. }
                    if *of == partition =>
                {
                    found = Some(record);
                }
                _ => {}
            }
        }
        found.cloned()
    }

    /// What a reader with `read_committed` sees of the outputs, log by log.
    pub(crate) fn visible(&self) -> impl Iterator<Item = Vec<&Message>> {
        self.logs.iter().take(PROGRESS).map(|entries| {
            let seen = entries.iter().filter_map(|entry| match entry {
                Entry::Data { message, fate: Fate::Committed, .. } => Some(message),
                _ => None,
            });
            seen.collect()
        })
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.coordinators.values().all(|coordinator| matches!(coordinator.state, State::Idle))
    }
}

impl Coordinator {
    fn decide(&mut self, verdict: Verdict) -> Vec<Message> {
        self.state = State::Decided { verdict, unmarked: std::mem::take(&mut self.logs) };
        std::mem::take(&mut self.messages)
    }
}
