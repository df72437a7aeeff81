//! What happens when an instance fails: a trap, a deadline, memory, a broken rule. The instance is thrown away, and what
//! it said in the failed turn never happened. Its tickets start again from their transcripts; those of the failed turn
//! run alone, and whoever fails alone is the culprit. Everybody else only loses time.

use crate::check::FailedTurn;
use crate::crew::{Crew, Place};
use crate::event::{Effect, FaultKind, GuestFault, Ticket};
use crate::seat::{Purpose, Told};

/// A ticket that was suspected this often, and acquitted each time, keeps an instance of its own to its end: the fault
/// may need company, and so it ends.
const SUSPECTED_MAX: u32 = 2;

impl Crew {
    /// Throws the instance at `slot` away after a failed turn of `batch` and the quiet tickets `quiet`.
    pub(crate) fn contain(
        &mut self,
        slot: usize,
        failed: FailedTurn,
        batch: &[Told],
        quiet: &[Ticket],
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut seat) = self.seats.get_mut(slot).and_then(Option::take) else { return };
        let loose = seat.instance.view_mut().take_loose();
        self.keep_loose(loose);
        if let Purpose::Quarantine(ticket) = seat.purpose {
            let Some(open) = self.tickets.remove(&ticket) else { return };
            let report = seat.instance.view_mut().leave(ticket.0, &open.blobs);
            let fault = self.for_author(failed.fault);
            effects.push(Effect::Fault { ticket, fault, report });
            return;
        }
        let tickets: Vec<Ticket> = seat.instance.view().open_tickets().into_iter().map(Ticket).collect();
        let suspects = suspects(&failed, batch, quiet);
        let (name, fault) = (&self.plugin.describe().name, &failed.fault);
        tracing::warn!(plugin = %name, open = tickets.len(), suspects = suspects.len(), %fault, "instance thrown away");
        // Backwards, so that those who were first are first again.
        for ticket in tickets.into_iter().rev() {
            let Some(open) = self.tickets.get_mut(&ticket) else { continue };
            if suspects.contains(&ticket) {
                open.suspected += 1;
                open.restart(Place::Suspected);
                self.suspects.push_front(ticket);
            } else {
                open.restart(Place::Waiting);
                self.waiting.push_front(ticket);
            }
        }
    }

    /// Gives suspects an instance each, as far as there may be.
    pub(crate) fn seat_suspects(&mut self, effects: &mut Vec<Effect>) {
        if self.suspects.is_empty() {
            return;
        }
        let mut room = self.quarantine_room();
        while room > 0 {
            let Some(ticket) = self.suspects.pop_front() else { return };
            if !self.tickets.contains_key(&ticket) {
                continue;
            }
            match self.open_seat(Purpose::Quarantine(ticket)) {
                Ok(slot) => {
                    self.sit(ticket, slot);
                    room -= 1;
                }
                Err(error) => self.give_up(ticket, GuestFault::new(FaultKind::Start, error.to_string()), effects),
            }
        }
    }

    /// How many more suspects may have an instance of their own.
    pub(crate) fn quarantine_room(&self) -> usize {
        let is_quarantine = |purpose| matches!(purpose, Purpose::Quarantine(_));
        let held = self.seats.iter().flatten().filter(|seat| is_quarantine(seat.purpose)).count();
        self.limits.quarantine_max.max(1).saturating_sub(held)
    }

    /// After a turn that went well: a suspect that has seen all that it had seen, and only waits, is acquitted.
    pub(crate) fn settle_quarantine(&mut self, slot: usize) {
        let Some(place) = self.seats.get_mut(slot) else { return };
        let Some(seat) = place else { return };
        let Purpose::Quarantine(ticket) = seat.purpose else { return };
        match self.tickets.get_mut(&ticket) {
            None => *place = None,
            Some(open) if open.suspected < SUSPECTED_MAX && !seat.has_work() => {
                open.restart(Place::Waiting);
                self.waiting.push_back(ticket);
                *place = None;
            }
            Some(_) => {}
        }
    }
}

/// Who may have failed the turn: the one who is known to, else all whose input it was, else all it was for.
fn suspects(failed: &FailedTurn, batch: &[Told], quiet: &[Ticket]) -> Vec<Ticket> {
    if let Some(culprit) = failed.culprit {
        return vec![culprit];
    }
    let told = |told: &Told| match told {
        Told::Event(ticket) | Told::Answer(ticket, _) => Some(*ticket),
        Told::Cancel(_) => None,
    };
    let mut suspects: Vec<Ticket> = batch.iter().filter_map(told).collect();
    if suspects.is_empty() {
        suspects.extend_from_slice(quiet);
    }
    suspects
}
