//! A plugin instance as the host sees it: tickets that ask one lookup after the other, and answers that come in any order,
//! also for tickets that have ended.

use crate::input::{Event, Part};
use crate::mutant::Mutant;
use std::collections::BTreeMap;

/// An event inside the instance.
#[derive(Clone, Debug)]
struct Ticket {
    job: u64,
    content: u64,
    answered: usize,
    asks: usize,
}

/// A lookup under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    ticket: u64,
    pub(crate) about: (Part, i64),
    pub(crate) number: usize,
    pub(crate) bytes: u64,
    pub(crate) is_slow: bool,
}

/// What an instance says to an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The answer was for a ticket that has ended.
    Ignored,
    /// It asks something, or goes on waiting.
    Waits,
    /// The job is done, with this in hand.
    Done(u64, u64),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Plugin {
    next_ticket: u64,
    tickets: BTreeMap<u64, Ticket>,
    ended: Vec<u64>,
    pub(crate) asks: Vec<Ask>,
}

impl Plugin {
    /// Begins a job under a new ticket.
    pub(crate) fn begin(&mut self, job: u64, event: &Event, mutant: Option<Mutant>) -> (u64, Said) {
        let reused = if mutant == Some(Mutant::ReuseTicket) { self.ended.pop() } else { None };
        let ticket = reused.unwrap_or_else(|| {
            self.next_ticket += 1;
            self.next_ticket
        });
        self.tickets
            .insert(ticket, Ticket { job, content: event.first_content(), answered: 0, asks: event.answers.len() });
        (ticket, self.go_on(ticket, event))
    }

    fn go_on(&mut self, ticket: u64, event: &Event) -> Said {
        let Some(Ticket { job, content, answered, asks }) = self.tickets.get(&ticket).cloned() else {
            return Said::Ignored;
        };
        if answered == asks {
            self.end(ticket);
            return Said::Done(job, content);
        }
        let bytes = event.answers.get(answered).copied().unwrap_or_default();
        self.asks.push(Ask {
            ticket,
            about: (event.partition, event.offset),
            number: answered,
            bytes,
            is_slow: event.is_slow,
        });
        Said::Waits
    }

    /// The job that the answer of a lookup would go to.
    pub(crate) fn job_of(&self, ask: &Ask) -> Option<u64> {
        self.tickets.get(&ask.ticket).map(|ticket| ticket.job)
    }

    /// Hands an answer in. `event` is that of the job which gets it.
    pub(crate) fn answer(&mut self, ask: &Ask, event: &Event) -> Said {
        let Some(ticket) = self.tickets.get_mut(&ask.ticket).filter(|ticket| ticket.answered == ask.number) else {
            return Said::Ignored;
        };
        ticket.content = Event::next_content(ticket.content, ask.about, ask.number);
        ticket.answered += 1;
        self.go_on(ask.ticket, event)
    }

    /// Ends a ticket: done, or cancelled. Its lookups may still be under way.
    pub(crate) fn end(&mut self, ticket: u64) {
        if self.tickets.remove(&ticket).is_some() {
            self.ended.push(ticket);
        }
    }

    /// The instance dies: returns the jobs that it held.
    pub(crate) fn trap(&mut self) -> Vec<u64> {
        let tickets = std::mem::take(&mut self.tickets);
        self.ended.extend(tickets.keys());
        tickets.into_values().map(|ticket| ticket.job).collect()
    }

    pub(crate) fn holds_tickets(&self) -> bool {
        !self.tickets.is_empty()
    }
}
