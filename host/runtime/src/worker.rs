//! A worker: one OS thread that runs plugin instances. It serves every version of every pipeline of the host, a [`Station`]
//! each, in turns. What a station does with an event is in `station.rs`.
//!
//! A worker waits only when no instance has anything to do, and everything that it receives and sends travels in batches.

use crate::job::{Job, JobId, PipelineId, VersionId};
use crate::station::{Station, token_parts};
use millrace_flow::clock::Clock;
use millrace_lookup::{AnswerSink, Answered, LookupService};
use rustc_hash::FxHashMap;
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

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// Answers what plugins ask.
    pub lookup: LookupService,
    /// Where this worker's answers go: its own inbox.
    pub answers: Arc<dyn AnswerSink>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

/// Runs a worker until it is told to stop.
pub fn run(mut inbox: Receiver<Message>, shared: Shared) {
    let mut stations: FxHashMap<VersionId, Station> = FxHashMap::default();
    loop {
        let busy = stations.values().any(Station::has_work);
        let Some(first) = next_message(&mut inbox, busy, &stations) else { return };
        let received = take(first, &mut inbox);
        if received.iter().any(|message| matches!(message, Message::Stop)) {
            return;
        }
        received.into_iter().for_each(|message| apply(message, &mut stations, &shared));
        for station in stations.values_mut() {
            station.round(&shared);
        }
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
fn next_message(
    inbox: &mut Receiver<Message>,
    busy: bool,
    stations: &FxHashMap<VersionId, Station>,
) -> Option<Option<Message>> {
    if busy {
        return Some(inbox.try_recv().ok());
    }
    match stations.values().filter_map(Station::next_deadline).min() {
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

fn apply(message: Message, stations: &mut FxHashMap<VersionId, Station>, shared: &Shared) {
    match message {
        Message::Attach(station) => drop(stations.insert(station.spec().version, *station)),
        Message::Retire(version) => {
            if let Some(mut station) = stations.remove(&version) {
                station.abandon(shared);
            }
        }
        Message::Detach(id) => {
            for (_, mut station) in stations.extract_if(|_, station| station.spec().id == id) {
                station.abandon(shared);
            }
        }
        Message::Start(version, jobs) => {
            if let Some(station) = stations.get_mut(&version) {
                let now_ms = shared.clock.now_ms();
                jobs.into_iter().for_each(|job| station.start(job, shared, now_ms));
            }
        }
        Message::Cancel(version, jobs) => {
            if let Some(station) = stations.get_mut(&version) {
                station.cancel(&jobs, shared);
            }
        }
        Message::Answers(answers) => {
            for answered in answers {
                let (version, ticket) = token_parts(answered.token);
                if let Some(station) = stations.get_mut(&version) {
                    station.answer(ticket, answered);
                }
            }
        }
        Message::Stop => {}
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
