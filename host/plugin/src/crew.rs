//! Every instance of one plugin version with one settings text, on one thread: what each turn is told, and what its
//! answers change. Which ticket sits where is in `seating.rs`, and what happens when a turn fails in `containment.rs`.

use crate::bindings::types as wit;
use crate::check::{FailedTurn, TurnCheck, Verdict};
use crate::convert;
use crate::error::PluginError;
use crate::event::{Effect, Event, FaultKind, GuestFault, Opening, Payload, Ticket};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::loader::Plugin;
use crate::memory::Share;
use crate::pace::Pace;
use crate::report::Report;
use crate::seat::{Purpose, Seat, Told};
use crate::transcript::{Asked, Transcript};
use cpu_time::ThreadTime;
use millrace_flow::lookup::{Ask, Reply, SealedAnswer};
use millrace_flow::outcome::Outcome;
use millrace_flow::state::{DueTimer, KeyState, StateChanges};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The next ticket's number, of all crews: answers find their ticket by it, also when another crew of the same pipeline
/// runs on another thread, or ran before.
static NEXT_TICKET: AtomicU64 = AtomicU64::new(1);

/// Every instance of one plugin version with one settings text. Owned by one thread, whose stack must have room for a
/// guest's 512 KiB beside the host's frames: the ordinary 2 MiB do.
pub struct Crew {
    pub(crate) plugin: Plugin,
    pub(crate) settings: Arc<str>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tickets: FxHashMap<Ticket, OpenTicket>,
    pub(crate) seats: Vec<Option<Seat>>,
    /// Tickets that wait for a seat at a shared instance.
    pub(crate) waiting: VecDeque<Ticket>,
    /// Tickets that wait for an instance of their own.
    pub(crate) suspects: VecDeque<Ticket>,
    /// Tickets whose answers have more bytes than may be kept.
    overfull: Vec<Ticket>,
    /// What was said under no ticket.
    pub(crate) loose: Report,
    /// Instances thrown away since somebody asked.
    pub(crate) lost: u64,
    /// When an instance that was thrown away was last told of.
    pub(crate) told_of_loss_ms: Option<u64>,
    /// The clock of the current round.
    pub(crate) now_ms: u64,
    /// Instances that may still be started in the current round.
    pub(crate) starts_left: usize,
    /// The inputs of the current turn; kept for its memory.
    batch: Vec<Told>,
    /// The instance that the next round begins with.
    next_slot: usize,
    pace: Pace,
}

/// One event in flight, or one timer.
pub(crate) struct OpenTicket {
    pub(crate) opening: Opening,
    /// The state of its key before it began; each run writes to a copy.
    state: Option<Box<KeyState>>,
    pub(crate) place: Place,
    pub(crate) transcript: Transcript,
    /// The number of the event's document where that is large.
    large: Option<wit::Blob>,
    /// Every number that the current instance was given for this ticket.
    pub(crate) blobs: Vec<u64>,
    /// Whether the current instance has seen the event.
    pub(crate) given: bool,
    /// Whether it had neither a `done` nor an open ask after the last turn.
    quiet: bool,
    /// Whether the turn that is being checked ended it.
    pub(crate) ended: bool,
    /// The numbers of its asks in the turn that is being checked.
    pub(crate) staged: Vec<u32>,
    /// The bytes of its asks in the current run.
    pub(crate) ask_bytes: usize,
    /// The bytes of its answers.
    answer_bytes: usize,
    /// Whether it waits for an instance that need not share the pipeline's memory.
    pub(crate) needs_memory: bool,
    /// How often an instance failed while this ticket was one of its turn's.
    pub(crate) suspected: u32,
}

impl OpenTicket {
    fn new(opening: Opening, state: Option<KeyState>) -> Self {
        Self {
            opening,
            state: state.map(Box::new),
            place: Place::Waiting,
            transcript: Transcript::default(),
            large: None,
            blobs: Vec::new(),
            given: false,
            quiet: false,
            ended: false,
            staged: Vec::new(),
            ask_bytes: 0,
            answer_bytes: 0,
            needs_memory: false,
            suspected: 0,
        }
    }

    /// Forgets the instance that it was at. Its transcript stays.
    pub(crate) fn restart(&mut self, place: Place) {
        self.place = place;
        self.transcript.restart();
        self.large = None;
        self.blobs.clear();
        self.given = false;
        self.quiet = false;
        self.ended = false;
        self.staged.clear();
        self.ask_bytes = 0;
    }
}

/// Where a ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In `Crew::waiting`.
    Waiting,
    /// In `Crew::suspects`.
    Suspected,
    /// At the instance of this slot.
    Seated(usize),
}

impl Crew {
    /// Instantiates and configures the first instance.
    ///
    /// # Errors
    /// The plugin refuses its settings, or fails before it saw an event.
    pub fn new(plugin: &Plugin, settings: &str, limits: Limits) -> Result<Self, PluginError> {
        let limits = Arc::new(limits);
        let first = Instance::start(plugin, settings, &limits, Share::Own)?;
        Ok(Self {
            plugin: plugin.clone(),
            settings: settings.into(),
            limits,
            tickets: FxHashMap::default(),
            seats: vec![Some(Seat::new(first, Purpose::Shared))],
            waiting: VecDeque::new(),
            suspects: VecDeque::new(),
            overfull: Vec::new(),
            loose: Report::default(),
            lost: 0,
            told_of_loss_ms: None,
            now_ms: 0,
            starts_left: 0,
            batch: Vec::new(),
            next_slot: 0,
            pace: Pace::default(),
        })
    }

    /// Takes an event; the next [`Crew::run`] hands it to an instance. It has no state: for plugins without stores, and
    /// for events without a key.
    pub fn start(&mut self, event: Event) -> Ticket {
        self.open_ticket(Opening::Event(event), None)
    }

    /// Takes an event with the state of its key, which nobody else may write to until the ticket ends.
    pub fn start_with_state(&mut self, event: Event, state: KeyState) -> Ticket {
        self.open_ticket(Opening::Event(event), Some(state))
    }

    /// Takes a timer that is due, with the state of its key: see
    /// [`StateStore::open_timer`](millrace_flow::state::StateStore::open_timer).
    pub fn start_timer(&mut self, timer: DueTimer, state: KeyState) -> Ticket {
        self.open_ticket(Opening::Timer(timer), Some(state))
    }

    fn open_ticket(&mut self, opening: Opening, state: Option<KeyState>) -> Ticket {
        let ticket = Ticket(NEXT_TICKET.fetch_add(1, Ordering::Relaxed));
        self.tickets.insert(ticket, OpenTicket::new(opening, state));
        self.waiting.push_back(ticket);
        ticket
    }

    /// Takes the answer to the ask that [`Effect::Ask`] numbered `ask`. One to a ticket that is over, a second one, and
    /// one to a question that a re-run no longer asks are ignored. It is given to the plugin, in this run and in every
    /// re-run, only as long as its seal holds; after that the question is an [`Effect::Ask`] again. A ticket with too many
    /// bytes of answers fails in the next [`Crew::run`].
    pub fn answer(&mut self, ticket: Ticket, ask: u32, answer: impl Into<SealedAnswer>) {
        let Some(open) = self.tickets.get_mut(&ticket) else { return };
        let answer = answer.into();
        open.answer_bytes = open.answer_bytes.saturating_add(answer.answer.as_ref().map_or(0, Reply::held));
        if open.answer_bytes > self.limits.answers_bytes_max {
            return self.overfull.push(ticket);
        }
        if let (true, Place::Seated(slot)) = (open.transcript.answer(ask, answer), open.place)
            && let Some(Some(seat)) = self.seats.get_mut(slot)
        {
            seat.answers.push_back((ticket, ask));
        }
    }

    /// Gives a ticket up. Nothing comes for it any more; the plugin is told with its next turn.
    pub fn cancel(&mut self, ticket: Ticket) {
        let Some(open) = self.tickets.remove(&ticket) else { return };
        let Place::Seated(slot) = open.place else { return };
        let Some(place) = self.seats.get_mut(slot) else { return };
        let Some(seat) = place else { return };
        seat.instance.view_mut().leave(ticket.0, &open.blobs);
        if open.given {
            seat.cancel(ticket);
        }
        if seat.purpose == Purpose::Quarantine(ticket) {
            *place = None;
        }
    }

    /// One round: events find their instances, and instances with inputs take one turn each, until `slice` of CPU time is
    /// used up; the next round goes on with those that had none. At least one turn is taken. What comes of it is appended
    /// to `effects`. Faults of the plugin are contained here.
    pub fn run(&mut self, now_ms: u64, slice: Duration, effects: &mut Vec<Effect>) {
        let began = ThreadTime::now();
        self.now_ms = now_ms;
        self.starts_left = self.limits.starts_max.max(1);
        self.fail_overfull(effects);
        self.seat_suspects(effects);
        self.seat_waiting(effects);
        let first = self.next_slot;
        for step in 0..self.seats.len() {
            let slot = (first + step) % self.seats.len();
            if self.take_turn(slot, now_ms, slice, effects) && began.elapsed() >= slice {
                self.next_slot = slot + 1;
                break;
            }
        }
        self.retire_idle();
    }

    /// Whether [`Crew::run`] has anything to do.
    pub fn has_work(&self) -> bool {
        let to_seat = (!self.waiting.is_empty() && (self.seat_with_room(0).is_some() || self.may_share()))
            || (!self.suspects.is_empty() && self.quarantine_room() > 0);
        to_seat || !self.overfull.is_empty() || self.seats.iter().flatten().any(Seat::has_work)
    }

    /// The tickets that are not over.
    pub fn open(&self) -> usize {
        self.tickets.len()
    }

    /// The instances that are running.
    pub fn instances(&self) -> usize {
        self.seats.iter().flatten().count()
    }

    /// The instances that were thrown away since the last call because a turn of theirs failed.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// What the plugin said under no ticket since the last call. Unlike a ticket's, it counts at once.
    pub fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.loose)
    }

    /// Ends the tickets whose answers have too many bytes: the plugin asks for more than the host keeps for it.
    fn fail_overfull(&mut self, effects: &mut Vec<Effect>) {
        for ticket in std::mem::take(&mut self.overfull) {
            let message = format!(
                "the answers to its lookups have more than {} bytes in all; ask for less, or raise `limits.plugin.answers`",
                self.limits.answers_bytes_max
            );
            self.give_up(ticket, GuestFault::new(FaultKind::Rule, message), effects);
        }
    }

    /// One turn of the instance at `slot`; false where it has nothing to do.
    fn take_turn(&mut self, slot: usize, now_ms: u64, slice: Duration, effects: &mut Vec<Effect>) -> bool {
        let Some(Some(seat)) = self.seats.get_mut(slot) else { return false };
        if !seat.has_work() {
            return false;
        }
        let mut batch = std::mem::take(&mut self.batch);
        seat.take_batch(self.pace.inputs(slice).min(self.limits.inputs_max), &mut batch);
        batch.retain(|told| may_tell(*told, &mut self.tickets, effects));
        let quiet = std::mem::take(&mut seat.quiet);
        batch.retain(|told| prepare(*told, seat, &mut self.tickets, &self.limits));
        let began = ThreadTime::now();
        let said = call(seat, &self.tickets, &batch, now_ms, &self.limits);
        self.pace.observe(batch.len(), began.elapsed());
        let (tickets, describe) = (&mut self.tickets, self.plugin.describe());
        let checked = said
            .map_err(FailedTurn::from)
            .and_then(|outputs| TurnCheck { slot, seat, tickets, describe, limits: &self.limits }.run(outputs));
        match checked {
            Ok(verdicts) => {
                self.apply(slot, verdicts, effects);
                self.find_stalled(slot, &batch, &quiet, effects);
                self.settle_quarantine(slot);
            }
            Err(failed) => self.contain(slot, failed, &batch, &quiet, effects),
        }
        self.batch = batch;
        true
    }

    /// Makes what a turn said so.
    fn apply(&mut self, slot: usize, verdicts: Vec<Verdict>, effects: &mut Vec<Effect>) {
        let Some(Some(seat)) = self.seats.get_mut(slot) else { return };
        let mut replayed: Vec<(Ticket, u32, u32)> = Vec::new();
        for verdict in verdicts {
            match verdict {
                Verdict::Done(ticket, outcome) => {
                    let Some(OpenTicket { state, blobs, .. }) = self.tickets.remove(&ticket) else { continue };
                    // Whoever applies the changes need not copy what nobody else holds.
                    drop(state);
                    let view = seat.instance.view_mut();
                    let changes = changed(view.states.take(ticket.0), &outcome);
                    let report = view.leave(ticket.0, &blobs);
                    effects.push(Effect::Done { ticket, outcome, report, changes });
                }
                Verdict::Ask(ticket, ask) => {
                    // A ticket that ended in this turn has withdrawn its asks already.
                    let Some(open) = self.tickets.get_mut(&ticket).filter(|open| !open.ended) else { continue };
                    open.staged.clear();
                    match open.transcript.ask(ask.clone()) {
                        Asked::Afresh(id) => effects.push(Effect::Ask { ticket, ask: Ask { id, ..ask } }),
                        Asked::Pending => {}
                        Asked::Answered { exchange, rank } => replayed.push((ticket, rank, exchange)),
                    }
                }
            }
        }
        replayed.sort_unstable();
        seat.answers.extend(replayed.into_iter().map(|(ticket, _rank, exchange)| (ticket, exchange)));
        let loose = seat.instance.view_mut().take_loose();
        self.keep_loose(loose);
    }

    /// A ticket that has neither a `done` nor an open ask gets one more turn; if it then still has neither, it is
    /// stalled.
    fn find_stalled(&mut self, slot: usize, batch: &[Told], quiet: &[Ticket], effects: &mut Vec<Effect>) {
        for ticket in quiet {
            let Some(open) = self.tickets.get_mut(ticket) else { continue };
            if open.transcript.open() > 0 {
                open.quiet = false;
                continue;
            }
            let message = "it neither ended the ticket nor asked for anything: does it await something of its own?";
            let fault = GuestFault::new(FaultKind::Stalled, message);
            self.give_up(*ticket, fault, effects);
        }
        let Some(Some(seat)) = self.seats.get_mut(slot) else { return };
        for told in batch {
            let (Told::Event(ticket) | Told::Answer(ticket, _)) = *told else { continue };
            let Some(open) = self.tickets.get_mut(&ticket) else { continue };
            if open.transcript.open() == 0 && !open.quiet {
                open.quiet = true;
                seat.quiet.push(ticket);
            }
        }
    }

    /// Ends a ticket with a fault. Its instance, if it still runs, is told to forget it.
    pub(crate) fn give_up(&mut self, ticket: Ticket, fault: GuestFault, effects: &mut Vec<Effect>) {
        let Some(open) = self.tickets.get(&ticket) else { return };
        let report = match open.place {
            Place::Seated(slot) => self.seats.get_mut(slot).and_then(Option::as_mut).map(|seat| {
                let blobs = self.tickets.get(&ticket).map(|open| open.blobs.as_slice()).unwrap_or_default();
                seat.instance.view_mut().leave(ticket.0, blobs).without_metrics()
            }),
            Place::Waiting | Place::Suspected => None,
        };
        self.cancel(ticket);
        let fault = self.for_author(fault);
        effects.push(Effect::Fault { ticket, fault, report: report.unwrap_or_default() });
    }

    /// Adds what an operator needs to find the author.
    pub(crate) fn for_author(&self, fault: GuestFault) -> GuestFault {
        let described = self.plugin.describe();
        let message =
            format!("plugin {} {} failed on this event: {}", described.name, described.version, fault.message);
        GuestFault { message, ..fault }
    }

    pub(crate) fn keep_loose(&mut self, said: Report) {
        if !said.is_empty() {
            self.loose.merge(said, &self.limits);
        }
    }
}

/// What becomes of the state that a ticket wrote to: all or nothing, with its outcome.
fn changed(state: Option<Box<KeyState>>, outcome: &Outcome) -> StateChanges {
    match (state, outcome) {
        (Some(state), Outcome::Emit(_) | Outcome::Skip(_)) => state.into_changes(),
        (_, Outcome::Retry { .. } | Outcome::Fail(_)) | (None, _) => StateChanges::default(),
    }
}

/// Whether an input may be given to the plugin. An answer that shows what was forgotten since may not: it is asked for
/// anew.
fn may_tell(told: Told, tickets: &mut FxHashMap<Ticket, OpenTicket>, effects: &mut Vec<Effect>) -> bool {
    let Told::Answer(ticket, number) = told else { return true };
    let forbidden = tickets.get_mut(&ticket).and_then(|open| open.transcript.withdraw_forbidden(number));
    match forbidden {
        Some(ask) => {
            effects.push(Effect::Ask { ticket, ask });
            false
        }
        None => true,
    }
}

/// Numbers the blobs of an input. False: its ticket is over, and the input is left out.
fn prepare(told: Told, seat: &mut Seat, tickets: &mut FxHashMap<Ticket, OpenTicket>, limits: &Limits) -> bool {
    let view = seat.instance.view_mut();
    match told {
        Told::Cancel(_) => true,
        Told::Event(ticket) => {
            let Some(open) = tickets.get_mut(&ticket) else { return false };
            open.given = true;
            if let Some(state) = &open.state {
                view.states.give(ticket.0, state.clone());
            }
            if let Opening::Event(Event { value: Some(Payload::Large(document)), .. }) = &open.opening {
                let blob = view.hold(ticket.0, document.clone());
                open.blobs.push(blob.id);
                open.large = Some(blob);
            }
            true
        }
        Told::Answer(ticket, number) => {
            let Some(open) = tickets.get_mut(&ticket) else { return false };
            open.transcript.deliver();
            let Some(exchange) = open.transcript.exchange_mut(number) else { return false };
            let Some(Ok(reply)) = exchange.answer.as_ref().map(|sealed| &sealed.answer) else { return true };
            if reply.document.len() > limits.inline_bytes_max {
                let blob = view.hold(ticket.0, millrace_flow::blob::Blob::plain(reply.document.clone()));
                open.blobs.push(blob.id);
                exchange.document = Some(blob);
            }
            for part in &reply.blobs {
                let blob = view.hold(ticket.0, part.clone());
                open.blobs.push(blob.id);
                exchange.blobs.push(blob);
            }
            true
        }
    }
}

/// Calls the instance with a batch of inputs, lowered from where they lie.
fn call(
    seat: &mut Seat,
    tickets: &FxHashMap<Ticket, OpenTicket>,
    batch: &[Told],
    now_ms: u64,
    limits: &Limits,
) -> Result<Vec<wit::Output>, GuestFault> {
    let event_of = |told: &Told| match told {
        Told::Event(ticket) => tickets.get(ticket).and_then(|open| match &open.opening {
            Opening::Event(event) => Some(event),
            Opening::Timer(_) => None,
        }),
        Told::Answer(..) | Told::Cancel(_) => None,
    };
    let with_headers = batch.iter().filter_map(event_of).filter(|event| !event.headers.is_empty());
    let headers: Vec<Vec<wit::HeaderParam<'_>>> = with_headers.map(convert::headers).collect();
    let mut next_headers = headers.iter();
    let mut inputs = Vec::with_capacity(batch.len());
    for told in batch {
        match *told {
            Told::Cancel(ticket) => inputs.push(wit::Input::Cancel(ticket.0)),
            Told::Event(ticket) => {
                let Some(open) = tickets.get(&ticket) else { continue };
                inputs.push(match &open.opening {
                    Opening::Timer(timer) => convert::timer(ticket.0, timer),
                    Opening::Event(event) => {
                        let has_headers = !event.headers.is_empty();
                        let headers = has_headers.then(|| next_headers.next()).flatten();
                        let headers = headers.map(Vec::as_slice).unwrap_or_default();
                        convert::event(ticket.0, event, headers, open.large)
                    }
                });
            }
            Told::Answer(ticket, number) => {
                let exchange = tickets.get(&ticket).and_then(|open| open.transcript.exchange(number));
                let Some((exchange, sealed)) = exchange.and_then(|e| Some((e, e.answer.as_ref()?))) else { continue };
                inputs.push(convert::answer(ticket.0, exchange, &sealed.answer));
            }
        }
    }
    let allowance = limits.turn_allowance(inputs.len());
    seat.instance.turn(now_ms, &inputs, allowance)
}
