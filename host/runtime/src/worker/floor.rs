//! The stations of one worker, and those that have moved to its sideline or back. Whoever sends something for a station
//! sends it to the worker where the station was attached; it is passed on from there.

use super::{Inbox, Message, Shared};
use crate::breadcrumb::{Crumb, Hands};
use crate::job::{PipelineId, VersionId};
use crate::station::{Station, token_parts};
use millrace_lookup::Answered;
use rustc_hash::FxHashMap;
use std::time::Instant;

/// What a worker is to the stations on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of those that events are handed to. A station that uses up more than its share goes to the sideline, if others
    /// are there to suffer.
    Ordinary,
    /// Where stations are that used up more than their share, at low priority, until they have behaved for a while.
    Sideline,
}

/// The stations of one worker.
pub(super) struct Floor {
    role: Role,
    /// The worker's sideline, or the sideline's worker: stations move between the two.
    partner: Inbox,
    shared: Shared,
    stations: FxHashMap<VersionId, Station>,
    /// Stations that are at the partner, with their pipelines.
    moved: FxHashMap<VersionId, PipelineId>,
    /// Where it is written down which events are in hand.
    crumb: Crumb,
}

impl Floor {
    pub(super) fn new(role: Role, partner: Inbox, shared: Shared, crumb: Crumb) -> Self {
        Self { role, partner, shared, stations: FxHashMap::default(), moved: FxHashMap::default(), crumb }
    }

    /// Whether any station has anything to do.
    pub(super) fn has_work(&self) -> bool {
        self.stations.values().any(Station::has_work)
    }

    /// When the next event's time is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.stations.values().filter_map(Station::next_deadline).min()
    }

    /// The hands of all workers.
    pub(super) fn hands(&self) -> Hands {
        self.crumb.hands().clone()
    }

    /// Whether an event is open here that runs alone.
    pub(super) fn runs_alone(&self) -> bool {
        self.stations.values().any(Station::runs_alone)
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
                self.moved.retain(|_, pipeline| *pipeline != id);
                for (_, mut station) in self.stations.extract_if(|_, station| station.spec().id == id) {
                    station.abandon(&self.shared);
                }
            }
            Message::Retire(version) => {
                if let Some(mut station) = self.stations.remove(&version) {
                    station.abandon(&self.shared);
                } else if self.moved.remove(&version).is_some() {
                    self.partner.pass(Message::Retire(version));
                }
            }
            Message::Start(version, jobs) => match self.stations.get_mut(&version) {
                Some(station) => {
                    let now_ms = self.shared.clock.now_ms();
                    station.take_in_hand(&jobs, &mut self.crumb);
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
        if self.moved.contains_key(&version) {
            self.partner.pass(message);
        }
    }

    /// Every station takes its round; then those move that must, or may again.
    pub(super) fn round(&mut self) {
        for station in self.stations.values_mut() {
            station.round(&self.shared, &mut self.crumb);
        }
        match self.role {
            Role::Ordinary => self.sideline_overdrawn(),
            Role::Sideline => self.bring_back_redeemed(),
        }
    }

    fn sideline_overdrawn(&mut self) {
        let Some(first) = self.stations.values().next().map(|station| station.spec().id) else { return };
        if self.stations.values().all(|station| station.spec().id == first) {
            // There is nobody else to suffer.
            return;
        }
        for station in self.take_out(Station::is_overdrawn) {
            tracing::warn!(
                pipeline = station.spec().name,
                "The plugin used too much CPU time at the cost of other pipelines; it goes on at low priority until it has \
                 behaved for a minute."
            );
            self.hand_over(station, Role::Sideline);
        }
    }

    fn bring_back_redeemed(&mut self) {
        let now = Instant::now();
        for station in self.take_out(|station| station.is_redeemed(now)) {
            tracing::info!(pipeline = station.spec().name, "The plugin has behaved for a minute and is back in line.");
            self.hand_over(station, Role::Ordinary);
        }
    }

    fn take_out(&mut self, leaves: impl Fn(&Station) -> bool) -> Vec<Station> {
        self.stations.extract_if(|_, station| leaves(station)).map(|(_, station)| station).collect()
    }

    /// The station goes on at the partner, whose role is `role`.
    fn hand_over(&mut self, mut station: Station, role: Role) {
        station.move_to(role);
        self.moved.insert(station.spec().version, station.spec().id);
        self.partner.pass(Message::Attach(Box::new(station)));
    }
}
