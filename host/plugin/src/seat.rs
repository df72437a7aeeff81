//! One instance of a crew with what waits for its next turn. Which tickets sit where is decided in `crew.rs`.

use crate::event::Ticket;
use crate::instance::Instance;
use std::collections::VecDeque;

use rustc_hash::FxHashSet;

/// Cancelled tickets that an instance may still talk about. A plugin that remembers older ones breaks a rule.
const CANCELLED_MAX: usize = 10_000;

/// One input of a turn, by number; the data stay where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Forget this ticket.
    Cancel(Ticket),
    /// The answer of this exchange.
    Answer(Ticket, u32),
    /// This event, or this timer.
    Event(Ticket),
}

/// Whom an instance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For as many tickets as there is room for.
    Shared,
    /// For one suspect alone.
    Quarantine(Ticket),
}

/// One instance and what waits for its next turn.
pub(crate) struct Seat {
    pub(crate) instance: Instance,
    pub(crate) purpose: Purpose,
    pub(crate) cancels: VecDeque<Ticket>,
    pub(crate) answers: VecDeque<(Ticket, u32)>,
    pub(crate) events: VecDeque<Ticket>,
    /// Tickets that had neither a `done` nor an open ask after the last turn.
    pub(crate) quiet: Vec<Ticket>,
    cancelled: FxHashSet<Ticket>,
    cancelled_order: VecDeque<Ticket>,
}

impl Seat {
    pub(crate) fn new(instance: Instance, purpose: Purpose) -> Self {
        Self {
            instance,
            purpose,
            cancels: VecDeque::new(),
            answers: VecDeque::new(),
            events: VecDeque::new(),
            quiet: Vec::new(),
            cancelled: FxHashSet::default(),
            cancelled_order: VecDeque::new(),
        }
    }

    /// Whether the instance should take a turn.
    pub(crate) fn has_work(&self) -> bool {
        !(self.answers.is_empty() && self.events.is_empty() && self.quiet.is_empty() && self.cancels.is_empty())
    }

    /// How many tickets are at this instance or on their way to it.
    pub(crate) fn occupied(&self) -> usize {
        self.instance.view().open_count()
    }

    /// Tells the instance to forget `ticket`, which it was given.
    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        self.cancels.push_back(ticket);
        if self.cancelled.insert(ticket) {
            self.cancelled_order.push_back(ticket);
        }
        if self.cancelled_order.len() > CANCELLED_MAX
            && let Some(oldest) = self.cancelled_order.pop_front()
        {
            self.cancelled.remove(&oldest);
        }
    }

    /// Whether what the instance says about `ticket` is ignored.
    pub(crate) fn is_cancelled(&self, ticket: Ticket) -> bool {
        self.cancelled.contains(&ticket)
    }

    /// Takes the inputs of the next turn: cancels, then answers, then events, at most `inputs_max`.
    pub(crate) fn take_batch(&mut self, inputs_max: usize, batch: &mut Vec<Told>) {
        batch.clear();
        let cancels = self.cancels.len().min(inputs_max);
        batch.extend(self.cancels.drain(..cancels).map(Told::Cancel));
        let answers = self.answers.len().min(inputs_max - batch.len());
        batch.extend(self.answers.drain(..answers).map(|(ticket, exchange)| Told::Answer(ticket, exchange)));
        let events = self.events.len().min(inputs_max - batch.len());
        batch.extend(self.events.drain(..events).map(Told::Event));
    }
}
