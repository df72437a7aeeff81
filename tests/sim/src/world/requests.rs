//! Requests that arrive, answers that come back.

use super::{Awaited, NOBODY, World};
use crate::fact::Fact;
use crate::host::Life;
use crate::input::Part;
use crate::network::{Answer, Flight, Message, Request, Verdict};
use crate::plan::Mode;

impl World {
    /// A request arrives and has its effect.
    pub(super) fn arrive(&mut self, number: u64) {
        let Some(flight) = self.flights.get(&number).cloned() else { return };
        let answer = self.effect(&flight);
        if let Some(answer) = &answer {
            self.notes.say(|| format!("    {}: {answer:?}", flight.request));
        }
        let is_over = answer.is_some() && flight.from.owner == NOBODY;
        if is_over {
            self.flights.remove(&number);
        } else if let Some(flight) = self.flights.get_mut(&number) {
            flight.answer = answer;
        }
    }

    /// A request arrives that nobody waits for any more.
    pub(super) fn arrive_late(&mut self, number: u64) {
        let Some(flight) = self.flights.get(&number).cloned() else { return };
        self.notes.count(Fact::LateRequest);
        let answer = self.effect(&flight);
        self.notes.say(|| format!("    late: {}: {answer:?}", flight.request));
        if matches!((&flight.request, &answer), (Request::End(_, Verdict::Commit), Some(Answer::Done))) {
            self.notes.count(Fact::LateCommit);
        }
        if answer.is_some() {
            self.flights.remove(&number);
        }
    }

    /// What a request does; no answer: it waits at the broker.
    fn effect(&mut self, flight: &Flight) -> Option<Answer> {
        let (partition, owner) = (flight.from.partition, flight.from.owner);
        Some(match &flight.request {
            Request::Init(id) => return self.broker.init(*id),
            Request::AskEnd { committed_only } => {
                let (end, stable) = (self.broker.progress_end(), self.broker.stable_progress_end());
                if end > stable {
                    self.notes.count(Fact::ReadWaited);
                }
                let end = if *committed_only { stable } else { end };
                Answer::End(end)
            }
            Request::Read { end, session } => {
                // Without a session it reads before its fence: whoever was initialised before that must be silent from now on.
                self.oracle.read_by(partition, session.unwrap_or(self.broker.sessions + 1));
                Answer::Progress(self.broker.progress(partition, *end))
            }
            Request::Produce(session, messages) => self.broker.produce(*session, messages, owner),
            Request::End(session, verdict) => {
                let (answer, decided) = self.broker.end(*session, *verdict);
                decided.into_iter().for_each(|decided| self.oracle.decided(&self.input, &decided));
                answer
            }
            Request::Append(outputs) => {
                if let Some(refused) = outputs.iter().position(|output| output.refused) {
                    return Some(Answer::Refused(refused));
                }
                for output in outputs {
                    self.oracle.appended(&self.input, owner, output, &mut self.notes);
                }
                self.broker.append(outputs.iter().cloned().map(Message::Output).collect());
                Answer::Done
            }
            Request::CommitGroup(commit) => {
                if !self.group.commit(partition, flight.number, commit) {
                    return Some(Answer::Stale);
                }
                if self.plan.mode == Mode::AtLeastOnce {
                    self.oracle.committed(&self.input, partition, commit);
                }
                Answer::Done
            }
        })
    }

    pub(super) fn fail_abortable(&mut self, number: u64) {
        self.notes.count(Fact::Abortable);
        self.flights.get_mut(&number).into_iter().for_each(|flight| flight.answer = Some(Answer::Abortable));
    }

    pub(super) fn fail_fatal(&mut self, number: u64, has_effect: bool) {
        self.notes.count(Fact::Fatal);
        let Some(flight) = self.flights.get(&number).cloned() else { return };
        if has_effect {
            self.effect(&flight);
        }
        self.flights.get_mut(&number).into_iter().for_each(|flight| flight.answer = Some(Answer::Fatal));
    }

    /// An answer arrives at who waits for it.
    pub(super) fn answer(&mut self, number: u64) {
        let Some(Flight { from, answer: Some(answer), .. }) = self.flights.remove(&number) else { return };
        let pending = self.hosts.get(from.host).and_then(|host| host.owned.get(&from.partition)?.pending_commit);
        let awaited = if pending == Some(number) { Awaited::Commit } else { Awaited::Answer };
        self.hand(from.host, from.partition, answer, awaited);
    }

    /// A host stops waiting. What it waited for may still arrive.
    pub(super) fn time_out(&mut self, host: usize, partition: Part, awaited: Awaited) {
        self.hand(host, partition, Answer::TimedOut, awaited);
    }

    fn hand(&mut self, host: usize, partition: Part, answer: Answer, awaited: Awaited) {
        let exactly_once = self.plan.mode == Mode::ExactlyOnce;
        match awaited {
            Awaited::Commit => {
                self.host(host, |host, ctx| host.committed_to_group(partition, &answer, ctx));
            }
            _ if exactly_once => {
                let copy = self.host(host, |host, ctx| host.written(partition, answer, ctx)).flatten();
                self.send(host, partition, copy, Awaited::Nothing);
            }
            _ => drop(self.host(host, |host, ctx| host.delivered(partition, &answer, ctx))),
        }
    }

    pub(super) fn lose(&mut self, number: u64) {
        let Some(flight) = self.flights.remove(&number) else { return };
        self.notes.count(if flight.answer.is_some() { Fact::LostAnswer } else { Fact::LostRequest });
    }

    /// Whether the answer of a flight can reach who waits for it.
    pub(super) fn is_heard(&self, flight: &Flight) -> bool {
        self.awaits(flight).is_some_and(|host| host.life == Life::Up)
    }
}
