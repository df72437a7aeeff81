//! A ticket: one event in flight, what it has asked, and the future of one ask. Turns are `executor`'s business.

use crate::bindings::millrace::plugin::types as wit;
use crate::limits::ASKS_OPEN_MAX;
use crate::lookup::Reply;
use crate::{Blob, LookupError};
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What all tickets of an instance share.
#[derive(Default)]
pub(crate) struct Instance {
    /// The time of the turn that runs, in milliseconds since 1970.
    pub(crate) now_ms: Cell<u64>,
    /// What the turn that runs will return.
    pub(crate) outputs: RefCell<Vec<wit::Output>>,
}

/// One event in flight.
pub(crate) struct Ticket {
    pub(crate) number: u64,
    pub(crate) instance: Rc<Instance>,
    /// By the id of the ask, which is its index.
    asks: RefCell<Vec<AskState>>,
    /// Asks that the host has not answered, those included that nobody waits for any more. Never above
    /// [`ASKS_OPEN_MAX`].
    open: Cell<usize>,
    /// Of lookups that are not asked yet, because as many as may be are open.
    held_back: RefCell<Vec<Waker>>,
    /// The state of the event's random generator; `None` until it is first used.
    pub(crate) random: Cell<Option<u64>>,
}

enum AskState {
    /// Out at the host; the waker tells the combinator, if any, which of its futures has news.
    Waiting(Waker),
    Answered(Result<wit::Reply, wit::LookupError>),
    /// Taken by its future, or that future is gone.
    Over,
}

impl Ticket {
    pub(crate) fn new(number: u64, instance: Rc<Instance>) -> Rc<Self> {
        Rc::new(Self {
            number,
            instance,
            asks: RefCell::default(),
            open: Cell::new(0),
            held_back: RefCell::default(),
            random: Cell::new(None),
        })
    }

    /// Keeps an answer for its future. One that nobody waits for any more is dropped. Either way there is room for
    /// another ask.
    pub(crate) fn answer(&self, id: u32, result: Result<wit::Reply, wit::LookupError>) {
        let waiting = match self.asks.borrow_mut().get_mut(id as usize) {
            None => return,
            Some(state @ AskState::Waiting(_)) => Some(std::mem::replace(state, AskState::Answered(result))),
            Some(_) => None,
        };
        self.open.set(self.open.get().saturating_sub(1));
        self.held_back.take().into_iter().for_each(Waker::wake);
        if let Some(AskState::Waiting(waker)) = waiting {
            waker.wake();
        }
    }

    /// Asks, or hands the question back if it has to wait; `waker` is then told when to try again.
    fn ask(&self, question: Question, waker: &Waker) -> Result<u32, Question> {
        if self.open.get() >= ASKS_OPEN_MAX {
            let mut held_back = self.held_back.borrow_mut();
            if !held_back.iter().any(|known| known.will_wake(waker)) {
                held_back.push(waker.clone());
            }
            return Err(question);
        }
        self.open.set(self.open.get() + 1);
        let mut asks = self.asks.borrow_mut();
        let id = asks.len() as u32;
        asks.push(AskState::Waiting(waker.clone()));
        let Question { kind, params, body } = question;
        let ask = wit::Ask { ticket: self.number, id, kind, params, body };
        self.instance.outputs.borrow_mut().push(wit::Output::Ask(ask));
        Ok(id)
    }

    fn take(&self, id: u32, waker: &Waker) -> Poll<Result<wit::Reply, wit::LookupError>> {
        let mut asks = self.asks.borrow_mut();
        let Some(state) = asks.get_mut(id as usize) else { return Poll::Pending };
        match state {
            AskState::Waiting(known) => {
                known.clone_from(waker);
                Poll::Pending
            }
            AskState::Answered(_) => match std::mem::replace(state, AskState::Over) {
                AskState::Answered(result) => Poll::Ready(result),
                AskState::Waiting(_) | AskState::Over => Poll::Pending,
            },
            AskState::Over => Poll::Pending,
        }
    }

    fn forget(&self, id: u32) {
        if let Some(state) = self.asks.borrow_mut().get_mut(id as usize) {
            *state = AskState::Over;
        }
    }
}

/// What is asked, in the contract's form.
pub(crate) struct Question {
    pub(crate) kind: String,
    pub(crate) params: String,
    pub(crate) body: Vec<wit::Piece>,
}

enum Stage {
    Unasked(Result<Question, LookupError>),
    Asked(u32),
    Over,
}

/// A lookup under way; await it. It is asked when it is first polled, or later where as many as may be are open
/// already, and it is answered in a later turn.
///
/// Await several at once with [`crate::join`] and [`crate::join_all`]. Its result is the answer, or the
/// [`crate::LookupError`] that is left when the host's own retries are over. One that is dropped before its answer came
/// is not taken back: the answer is ignored.
#[must_use = "a lookup does nothing until it is awaited"]
pub struct Lookup<A> {
    ticket: Rc<Ticket>,
    stage: Stage,
    read: fn(Reply) -> Result<A, LookupError>,
}

impl<A> Lookup<A> {
    pub(crate) fn new(
        ticket: &Rc<Ticket>,
        question: Result<Question, LookupError>,
        read: fn(Reply) -> Result<A, LookupError>,
    ) -> Self {
        Self { ticket: Rc::clone(ticket), stage: Stage::Unasked(question), read }
    }
}

impl<A> Future for Lookup<A> {
    type Output = Result<A, LookupError>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Unasked(Ok(question)) => {
                self.stage = match self.ticket.ask(question, ctx.waker()) {
                    Ok(id) => Stage::Asked(id),
                    Err(question) => Stage::Unasked(Ok(question)),
                };
                Poll::Pending
            }
            Stage::Unasked(Err(error)) => Poll::Ready(Err(error)),
            Stage::Asked(id) => match self.ticket.take(id, ctx.waker()) {
                Poll::Pending => {
                    self.stage = Stage::Asked(id);
                    Poll::Pending
                }
                Poll::Ready(Ok(reply)) => Poll::Ready((self.read)(Reply::from_wit(reply))),
                Poll::Ready(Err(error)) => Poll::Ready(Err(LookupError::from_wit(error))),
            },
            Stage::Over => Poll::Pending,
        }
    }
}

impl<A> Drop for Lookup<A> {
    fn drop(&mut self) {
        if let Stage::Asked(id) = self.stage {
            self.ticket.forget(id);
        }
    }
}

impl Reply {
    fn from_wit(reply: wit::Reply) -> Self {
        let document = match reply.document {
            wit::Payload::Inline(bytes) => bytes,
            wit::Payload::Large(blob) => Blob::from_wit(&blob).read_all(),
        };
        Self { document, blobs: reply.blobs.iter().map(Blob::from_wit).collect() }
    }
}
