//! What an instance said in one turn, held against the rules of the contract. All of it is checked before any of it
//! counts: a turn that breaks one rule never happened.

use crate::bindings::types::{Ask as SaidAsk, Done as SaidDone, Output};
use crate::convert::Reader;
use crate::crew::{OpenTicket, Place};
use crate::describe::Describe;
use crate::event::{FaultKind, GuestFault, Ticket};
use crate::limits::Limits;
use crate::seat::Seat;
use crate::transcript::EXCHANGES_PER_ASK_MAX;
use crate::view::BrokenRule;
use millrace_flow::blob::Piece;
use millrace_flow::lookup::Ask;
use millrace_flow::outcome::Outcome;
use rustc_hash::FxHashMap;

/// One thing that an instance said, and may say.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The ticket ends.
    Done(Ticket, Outcome),
    /// The ticket asks.
    Ask(Ticket, Ask),
}

/// A turn failed, and with it the instance.
#[derive(Debug)]
pub(crate) struct FailedTurn {
    pub(crate) fault: GuestFault,
    /// The ticket whose output broke a rule. None: nobody knows, so every input of the turn is a suspect.
    pub(crate) culprit: Option<Ticket>,
}

impl From<GuestFault> for FailedTurn {
    fn from(fault: GuestFault) -> Self {
        Self { fault, culprit: None }
    }
}

/// Checks one turn of the instance at `slot`.
pub(crate) struct TurnCheck<'a> {
    pub(crate) slot: usize,
    pub(crate) seat: &'a Seat,
    pub(crate) tickets: &'a mut FxHashMap<Ticket, OpenTicket>,
    pub(crate) describe: &'a Describe,
    pub(crate) limits: &'a Limits,
}

impl TurnCheck<'_> {
    /// Turns what was said into verdicts.
    pub(crate) fn run(mut self, outputs: Vec<Output>) -> Result<Vec<Verdict>, FailedTurn> {
        let mut verdicts = Vec::with_capacity(outputs.len());
        for output in outputs {
            let ticket = match &output {
                Output::Done(done) => Ticket(done.ticket),
                Output::Ask(ask) => Ticket(ask.ticket),
            };
            if self.seat.is_cancelled(ticket) {
                continue;
            }
            let verdict = match output {
                Output::Done(done) => self.done(ticket, done),
                Output::Ask(ask) => self.ask(ticket, ask),
            };
            verdicts.push(verdict.map_err(|broken| self.failed(ticket, broken))?);
        }
        Ok(verdicts)
    }

    fn done(&mut self, ticket: Ticket, done: SaidDone) -> Result<Verdict, BrokenRule> {
        let open = self.open(ticket)?;
        if open.ended {
            return Err(BrokenRule(format!("ticket {ticket} got two `done`s; a ticket ends once")));
        }
        open.ended = true;
        Ok(Verdict::Done(ticket, self.reader().outcome(ticket.0, done.outcome)?))
    }

    fn ask(&mut self, ticket: Ticket, ask: SaidAsk) -> Result<Verdict, BrokenRule> {
        let (id, limits) = (ask.id, self.limits);
        let open = self.open(ticket)?;
        if open.staged.contains(&id) || open.transcript.uses(id) {
            return Err(BrokenRule(format!(
                "ticket {ticket} used the number {id} for two asks; a number is used once"
            )));
        }
        open.staged.push(id);
        let staged = open.staged.len();
        if open.transcript.open() + staged > limits.asks_open_max {
            let asks_open_max = limits.asks_open_max;
            return Err(BrokenRule(format!(
                "ticket {ticket} has more than {asks_open_max} open asks; await some first"
            )));
        }
        let exchanges_max = limits.asks_total_max.saturating_mul(EXCHANGES_PER_ASK_MAX);
        if open.transcript.asked() + staged > limits.asks_total_max || open.transcript.len() + staged > exchanges_max {
            let asks_total_max = limits.asks_total_max;
            return Err(BrokenRule(format!("ticket {ticket} asked more than {asks_total_max} times: does it loop?")));
        }
        let ask = self.reader().ask(ask)?;
        let bytes = ask.body.iter().map(Piece::held).fold(ask.params.len(), usize::saturating_add);
        let open = self.open(ticket)?;
        open.ask_bytes = open.ask_bytes.saturating_add(bytes);
        if open.ask_bytes > limits.asks_bytes_max {
            let bytes_max = limits.asks_bytes_max;
            return Err(BrokenRule(format!("the asks of ticket {ticket} have more than {bytes_max} bytes in all")));
        }
        Ok(Verdict::Ask(ticket, ask))
    }

    /// The ticket, if the instance was given it.
    fn open(&mut self, ticket: Ticket) -> Result<&mut OpenTicket, BrokenRule> {
        let slot = self.slot;
        self.tickets.get_mut(&ticket).filter(|open| open.given && open.place == Place::Seated(slot)).ok_or_else(|| {
            BrokenRule(format!("the plugin spoke of ticket {ticket}, which is unknown to it or has ended"))
        })
    }

    fn reader(&self) -> Reader<'_> {
        Reader { view: self.seat.instance.view(), describe: self.describe, limits: self.limits }
    }

    fn failed(&mut self, ticket: Ticket, broken: BrokenRule) -> FailedTurn {
        let culprit = self.open(ticket).is_ok().then_some(ticket);
        FailedTurn { fault: GuestFault::new(FaultKind::Rule, broken.0), culprit }
    }
}
