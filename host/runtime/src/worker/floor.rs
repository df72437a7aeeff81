//! The stations of one worker, and those that have moved to another one. Whoever sends something for a station sends it
//! to the worker where the station was attached; it is passed on from there.

use super::{Message, Shared};
use crate::job::{PipelineId, VersionId};
use crate::station::{Station, token_parts};
use millrace_lookup::Answered;
use rustc_hash::FxHashMap;
use std::time::Instant;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// What a worker is to the stations on it.
#[derive(Clone)]
pub enum Role {
    /// One of those that events are handed to. A station that uses up more than its share goes to the sideline, if others
    /// are there to suffer.
    Ordinary {
        /// The sideline's inbox.
        sideline: Sender<Message>,
    },
    /// Where stations are that used up more than their share, at low priority, until they have behaved for a while.
    Sideline,
}

/// A station that is elsewhere.
struct Moved {
    pipeline: PipelineId,
    to: Sender<Message>,
}

/// The stations of one worker.
pub(super) struct Floor {
    role: Role,
    shared: Shared,
    stations: FxHashMap<VersionId, Station>,
    moved: FxHashMap<VersionId, Moved>,
}

impl Floor {
    pub(super) fn new(role: Role, shared: Shared) -> Self {
        Self { role, shared, stations: FxHashMap::default(), moved: FxHashMap::default() }
    }

    /// Whether any station has anything to do.
    pub(super) fn has_work(&self) -> bool {
        self.stations.values().any(Station::has_work)
    }

    /// When the next event's time is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.stations.values().filter_map(Station::next_deadline).min()
    }

    /// Does what a message says, or passes it on.
    pub(super) fn apply(&mut self, message: Message) {
        match message {
            Message::Attach(station) => {
                let version = station.spec().version;
                self.moved.remove(&version);
                self.stations.insert(version, *station);
            }
            Message::Detach(id) => {
                self.moved.retain(|_, moved| moved.pipeline != id);
                for (_, mut station) in self.stations.extract_if(|_, station| station.spec().id == id) {
                    station.abandon(&self.shared);
                }
            }
            Message::Retire(version) => {
                if let Some(mut station) = self.stations.remove(&version) {
                    station.abandon(&self.shared);
                } else if let Some(moved) = self.moved.remove(&version) {
                    pass_on(&moved.to, Message::Retire(version), &self.shared);
                }
            }
            Message::Start(version, jobs) => match self.stations.get_mut(&version) {
                Some(station) => {
                    let now_ms = self.shared.clock.now_ms();
                    jobs.into_iter().for_each(|job| station.start(job, &self.shared, now_ms));
                }
                None => self.pass_on(version, Message::Start(version, jobs)),
            },
            Message::Cancel(version, jobs) => match self.stations.get_mut(&version) {
                Some(station) => station.cancel(&jobs, &self.shared),
                None => self.pass_on(version, Message::Cancel(version, jobs)),
            },
            Message::Answers(answers) => self.answer(answers),
            Message::Stop => {}
        }
    }

    fn answer(&mut self, answers: Vec<Answered>) {
        let mut elsewhere: FxHashMap<VersionId, Vec<Answered>> = FxHashMap::default();
        for answered in answers {
            let (version, ticket) = token_parts(answered.token);
            match self.stations.get_mut(&version) {
                Some(station) => station.answer(ticket, answered),
                None => elsewhere.entry(version).or_default().push(answered),
            }
        }
        for (version, answers) in elsewhere {
            self.pass_on(version, Message::Answers(answers));
        }
    }

    /// Passes a message on to where the station is now. One that is nowhere is gone, and so is what was meant for it.
    fn pass_on(&self, version: VersionId, message: Message) {
        if let Some(moved) = self.moved.get(&version) {
            pass_on(&moved.to, message, &self.shared);
        }
    }

    /// Every station takes its round; then those move that must, or may again.
    pub(super) fn round(&mut self) {
        for station in self.stations.values_mut() {
            station.round(&self.shared);
        }
        match self.role.clone() {
            Role::Ordinary { sideline } => self.sideline_overdrawn(&sideline),
            Role::Sideline => self.bring_back_redeemed(),
        }
    }

    fn sideline_overdrawn(&mut self, sideline: &Sender<Message>) {
        let Some(first) = self.stations.values().next().map(|station| station.spec().id) else { return };
        if self.stations.values().all(|station| station.spec().id == first) {
            // There is nobody else to suffer.
            return;
        }
        let overdrawn: Vec<VersionId> =
            self.stations.iter().filter(|(_, station)| station.is_overdrawn()).map(|(version, _)| *version).collect();
        for version in overdrawn {
            let Some(mut station) = self.stations.remove(&version) else { continue };
            tracing::warn!(
                pipeline = station.spec().name,
                "The plugin used too much CPU time at the cost of other pipelines; it goes on at low priority until it has \
                 behaved for a minute."
            );
            station.leave_for_the_sideline(self.shared.inbox.clone());
            self.move_to(sideline.clone(), station);
        }
    }

    fn bring_back_redeemed(&mut self) {
        let now = Instant::now();
        let redeemed: Vec<VersionId> =
            self.stations.iter().filter(|(_, station)| station.is_redeemed(now)).map(|(version, _)| *version).collect();
        for version in redeemed {
            let Some(mut station) = self.stations.remove(&version) else { continue };
            let Some(home) = station.come_home() else { continue };
            tracing::info!(pipeline = station.spec().name, "The plugin has behaved for a minute and is back in line.");
            self.move_to(home, station);
        }
    }

    fn move_to(&mut self, to: Sender<Message>, station: Station) {
        let (version, pipeline) = (station.spec().version, station.spec().id);
        pass_on(&to, Message::Attach(Box::new(station)), &self.shared);
        self.moved.insert(version, Moved { pipeline, to });
    }
}

/// Sends without waiting: two workers that wait for each other's inboxes would wait for ever.
fn pass_on(to: &Sender<Message>, message: Message, shared: &Shared) {
    match to.try_send(message) {
        // A worker that is gone takes the host with it.
        Ok(()) | Err(TrySendError::Closed(_)) => {}
        Err(TrySendError::Full(message)) => {
            let to = to.clone();
            shared.io.spawn(async move { drop(to.send(message).await) });
        }
    }
}
