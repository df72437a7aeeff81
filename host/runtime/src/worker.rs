//! A worker: one OS thread that runs plugin instances. It serves every version of every pipeline of the host, a [`Station`]
//! each, in slices of time. What a station does with an event is in `station.rs`.
//!
//! A worker waits only when no instance has anything to do, and everything that it receives and sends travels in batches.

pub(crate) mod account;
mod floor;
mod inbox;

pub use floor::Role;
pub use inbox::Inbox;

use crate::breadcrumb::Crumb;
use crate::job::{Job, JobId, PipelineId, Suspicion, VersionId};
use crate::station::Station;
use floor::Floor;
use millrace_flow::clock::Clock;
use millrace_lookup::{AnswerSink, Answered, LookupService};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Receiver;

/// How many messages a worker takes from its inbox before it runs turns: enough to fill them, few enough to keep them
/// short.
const MESSAGES_PER_ROUND_MAX: usize = 64;

/// What a worker is told.
pub enum Message {
    /// Serve this version of a pipeline from now on.
    Attach(Box<Station>),
    /// Forget this version of a pipeline: nothing runs on it any more.
    Retire(VersionId),
    /// Forget this pipeline with all its versions, and everything in flight for it.
    Detach(PipelineId),
    /// Run these events on this version.
    Start(VersionId, Vec<Job>),
    /// Give these events of this version up: their partition is no longer ours.
    Cancel(VersionId, Vec<JobId>),
    /// Answers to lookups, of any pipeline.
    Answers(Vec<Answered>),
    /// The host ends.
    Stop,
}

impl Message {
    /// Whether it brings an event that runs alone.
    fn runs_alone(&self) -> bool {
        matches!(self, Self::Start(_, jobs) if jobs.iter().any(|job| job.suspicion == Suspicion::RunsAlone))
    }
}

/// What a worker works with.
#[derive(Clone)]
pub struct Shared {
    /// Answers what plugins ask.
    pub lookup: LookupService,
    /// Where this worker's answers go: its own inbox.
    pub answers: Arc<dyn AnswerSink>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

/// The niceness of the sideline: while others want the CPU, it gets about a tenth of one.
const SIDELINE_NICE: i32 = 10;

/// Runs a worker until it is told to stop. Its stations move to `partner`, which has the other role, and come back.
pub fn run(mut inbox: Receiver<Message>, role: Role, partner: Inbox, shared: Shared, crumb: Crumb) {
    if role == Role::Sideline
        && let Err(error) = rustix::process::nice(SIDELINE_NICE)
    {
        tracing::warn!(%error, "Plugins that use too much CPU time cannot be given low priority.");
    }
    let mut floor = Floor::new(role, partner, shared, crumb);
    let hands = floor.hands();
    loop {
        let Some(first) = next_message(&mut inbox, &floor) else { return };
        let received = take(first, &mut inbox);
        if received.iter().any(|message| matches!(message, Message::Stop)) {
            return;
        }
        let alone = floor.runs_alone() || received.iter().any(Message::runs_alone);
        let _full = hands.fill(alone);
        received.into_iter().for_each(|message| floor.apply(message));
        floor.round();
    }
}

/// What one round works on: the message that woke the worker, and those behind it. The rest stays in the inbox.
fn take(first: Option<Message>, inbox: &mut Receiver<Message>) -> Vec<Message> {
    let mut received: Vec<Message> = first.into_iter().collect();
    while received.len() < MESSAGES_PER_ROUND_MAX
        && let Ok(message) = inbox.try_recv()
    {
        received.push(message);
    }
    received
}

/// The next message, if there is one: at once when instances have work, else once one arrives or a deadline passes.
/// None: the host is gone.
fn next_message(inbox: &mut Receiver<Message>, floor: &Floor) -> Option<Option<Message>> {
    if floor.has_work() {
        return Some(inbox.try_recv().ok());
    }
    match floor.next_deadline() {
        None => inbox.blocking_recv().map(Some),
        Some(deadline) => wait_until(inbox, deadline),
    }
}

/// Waits for a message until `deadline`.
fn wait_until(inbox: &mut Receiver<Message>, deadline: Instant) -> Option<Option<Message>> {
    let wait = deadline.saturating_duration_since(Instant::now());
    let handle = tokio::runtime::Handle::try_current().ok()?;
    match handle.block_on(tokio::time::timeout(wait, inbox.recv())) {
        Ok(received) => received.map(Some),
        Err(_elapsed) => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_is_lost_between_two_rounds() {
        let (sender, mut inbox) = tokio::sync::mpsc::channel(1_000);
        for number in 0..300 {
            sender.try_send(Message::Detach(PipelineId(number))).unwrap();
        }
        let mut received = Vec::new();
        while let Ok(first) = inbox.try_recv() {
            let round = take(Some(first), &mut inbox);
            assert!(round.len() <= MESSAGES_PER_ROUND_MAX);
            received.extend(round.into_iter().map(|message| match message {
                Message::Detach(PipelineId(number)) => number,
                _ => panic!("another message than was sent"),
            }));
        }
        assert_eq!(received, (0..300).collect::<Vec<_>>());
    }
}
