//! What happens when an instance fails: a trap, a deadline, memory, a broken rule. The instance is thrown away, and what
//! it said in the failed turn never happened. Its tickets start again from their transcripts; those of the failed turn
//! run alone, and whoever fails alone is the culprit. Everybody else only loses time.

use crate::check::FailedTurn;
use crate::crew::{Crew, Place};
use crate::error::PluginError;
use crate::event::{Effect, FaultKind, GuestFault, Ticket};
use crate::memory::Refusal;
use crate::seat::{Purpose, Told};

/// A ticket that was suspected this often, and acquitted each time, keeps an instance of its own to its end: the fault
/// may need company, and so it ends.
const SUSPECTED_MAX: u32 = 2;

/// The time within which one thrown away instance is told of in the log; the others are counted. A plugin that fails with
/// every event must not fill the log.
const TOLD_OF_LOSS_EVERY_MS: u64 = 1_000;

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
        self.lost += 1;
        if let Purpose::Quarantine(ticket) = seat.purpose {
            if seat.instance.view().memory_refusal() == Some(Refusal::Pool) {
                return self.wait_for_memory(ticket);
            }
            let Some(open) = self.tickets.remove(&ticket) else { return };
            let report = seat.instance.view_mut().leave(ticket.0, &open.blobs).without_metrics();
            let fault = self.for_author(failed.fault);
            effects.push(Effect::Fault { ticket, fault, report });
            return;
        }
        let tickets: Vec<Ticket> = seat.instance.view().open_tickets().into_iter().map(Ticket).collect();
        let suspects = suspects(&failed, batch, quiet);
        self.tell_of_loss(&failed.fault, tickets.len(), suspects.len());
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

    /// Puts a suspect back that failed only because others hold the memory: that proves nothing.
    fn wait_for_memory(&mut self, ticket: Ticket) {
        let Some(open) = self.tickets.get_mut(&ticket) else { return };
        open.restart(Place::Suspected);
        open.needs_memory = true;
        self.suspects.push_back(ticket);
    }

    /// Tells of an instance that was thrown away, now and then.
    fn tell_of_loss(&mut self, fault: &GuestFault, open: usize, suspects: usize) {
        let is_due = |told: u64| self.now_ms.saturating_sub(told) >= TOLD_OF_LOSS_EVERY_MS;
        if self.told_of_loss_ms.is_none_or(is_due) {
            self.told_of_loss_ms = Some(self.now_ms);
            let name = &self.plugin.describe().name;
            tracing::warn!(plugin = %name, open, suspects, %fault, "An instance was thrown away; its events start again.");
        }
    }

    /// Gives suspects an instance each, as far as there may be.
    pub(crate) fn seat_suspects(&mut self, effects: &mut Vec<Effect>) {
        if self.suspects.is_empty() {
            return;
        }
        let mut room = self.quarantine_room();
        while room > 0 && self.may_start() {
            let Some(ticket) = self.suspects.pop_front() else { return };
            let Some(open) = self.tickets.get(&ticket) else { continue };
            if open.needs_memory && self.has_quarantine() {
                return self.suspects.push_front(ticket);
            }
            match self.open_seat(Purpose::Quarantine(ticket)) {
                Ok(slot) => {
                    self.sit(ticket, slot);
                    room -= 1;
                }
                Err(PluginError::Crowded(_)) => return self.suspects.push_front(ticket),
                Err(error) => self.give_up(ticket, GuestFault::new(FaultKind::Start, error.to_string()), effects),
            }
        }
    }

    /// How many more suspects may have an instance of their own: where memory is short, one at a time.
    pub(crate) fn quarantine_room(&self) -> usize {
        let is_quarantine = |purpose| matches!(purpose, Purpose::Quarantine(_));
        let held = self.seats.iter().flatten().filter(|seat| is_quarantine(seat.purpose)).count();
        let first_needs_memory =
            self.suspects.front().and_then(|ticket| self.tickets.get(ticket)).is_some_and(|open| open.needs_memory);
        let is_short = first_needs_memory || self.plugin.pool().is_full(&self.limits);
        let seats_max = if is_short { 1 } else { self.limits.quarantine_max.max(1) };
        seats_max.saturating_sub(held)
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
