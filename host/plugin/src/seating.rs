//! Which ticket sits at which instance, and when one more instance is started or an idle one ends. Both are bounded: how
//! many start in one round, and how much memory all of them have.

use crate::crew::{Crew, Place};
use crate::error::PluginError;
use crate::event::{Effect, FaultKind, GuestFault, Ticket};
use crate::instance::Instance;
use crate::memory::Share;
use crate::seat::{Purpose, Seat};

impl Crew {
    /// Finds a seat for the waiting tickets: at the first shared instance with room, else at a new one. Where no instance
    /// may be started, they wait.
    pub(crate) fn seat_waiting(&mut self, effects: &mut Vec<Effect>) {
        let mut from = 0;
        while let Some(ticket) = self.waiting.pop_front() {
            if !self.tickets.contains_key(&ticket) {
                continue;
            }
            let found = self.seat_with_room(from);
            if found.is_none() && (self.starts_left == 0 || !self.may_share()) {
                return self.waiting.push_front(ticket);
            }
            match found.map_or_else(|| self.open_seat(Purpose::Shared), Ok) {
                Ok(slot) => {
                    from = slot;
                    self.sit(ticket, slot);
                }
                Err(PluginError::Crowded(_)) => return self.waiting.push_front(ticket),
                Err(error) => self.give_up(ticket, GuestFault::new(FaultKind::Start, error.to_string()), effects),
            }
        }
    }

    /// The first shared instance from slot `from` on that can take one more ticket.
    pub(crate) fn seat_with_room(&self, from: usize) -> Option<usize> {
        let has_room = |seat: &Option<Seat>| {
            let seat = seat.as_ref().filter(|seat| seat.purpose == Purpose::Shared);
            seat.is_some_and(|seat| seat.occupied() < self.limits.tickets_max)
        };
        self.seats.iter().skip(from).position(has_room).map(|at| from + at)
    }

    /// Whether one more shared instance may be started: there is memory for it, or there is none yet.
    pub(crate) fn may_share(&self) -> bool {
        !self.plugin.pool().is_full(&self.limits) || !self.has_seat_for(|purpose| purpose == Purpose::Shared)
    }

    /// Whether an instance is there for such a purpose.
    fn has_seat_for(&self, is_it: impl Fn(Purpose) -> bool) -> bool {
        self.seats.iter().flatten().any(|seat| is_it(seat.purpose))
    }

    /// Whether one more instance may be started in this round.
    pub(crate) fn may_start(&self) -> bool {
        self.starts_left > 0
    }

    /// Whether any suspect has an instance of its own.
    pub(crate) fn has_quarantine(&self) -> bool {
        self.has_seat_for(|purpose| matches!(purpose, Purpose::Quarantine(_)))
    }

    /// Starts an instance and returns its slot. The first one of its purpose need not share the pipeline's memory, so that
    /// something always goes on.
    pub(crate) fn open_seat(&mut self, purpose: Purpose) -> Result<usize, PluginError> {
        self.starts_left = self.starts_left.saturating_sub(1);
        let has_company = match purpose {
            Purpose::Shared => self.has_seat_for(|purpose| purpose == Purpose::Shared),
            Purpose::Quarantine(_) => self.has_quarantine(),
        };
        let share = if has_company { Share::OfPool } else { Share::Own };
        let instance = Instance::start(&self.plugin, &self.settings, &self.limits, share)?;
        let seat = Seat::new(instance, purpose);
        match self.seats.iter_mut().enumerate().find(|(_, place)| place.is_none()) {
            Some((slot, place)) => {
                *place = Some(seat);
                Ok(slot)
            }
            None => {
                self.seats.push(Some(seat));
                Ok(self.seats.len() - 1)
            }
        }
    }

    /// Puts a ticket to the instance at `slot`.
    pub(crate) fn sit(&mut self, ticket: Ticket, slot: usize) {
        if let (Some(open), Some(Some(seat))) = (self.tickets.get_mut(&ticket), self.seats.get_mut(slot)) {
            open.place = Place::Seated(slot);
            seat.instance.view_mut().enter(ticket.0);
            seat.events.push_back(ticket);
        }
    }

    /// Ends an instance that holds nothing, once the others have room for as many tickets as it would take.
    pub(crate) fn retire_idle(&mut self) {
        if self.seats.len() <= 1 {
            return;
        }
        let shared = || self.seats.iter().flatten().filter(|seat| seat.purpose == Purpose::Shared);
        let count = shared().count();
        let room: usize = shared().map(|seat| self.limits.tickets_max.saturating_sub(seat.occupied())).sum();
        if count <= 1 || room < 2 * self.limits.tickets_max {
            return;
        }
        let is_idle = |seat: &&mut Option<Seat>| {
            let seat = seat.as_ref().filter(|seat| seat.purpose == Purpose::Shared);
            seat.is_some_and(|seat| seat.occupied() == 0 && !seat.has_work())
        };
        // The last one, so that the first ones stay full.
        if let Some(place) = self.seats.iter_mut().rev().find(is_idle) {
            *place = None;
        }
    }
}
